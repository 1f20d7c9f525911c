//! What the user asks of the session.

use crate::protocol::{Attributes, attribute};

/// Who we are to others.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// Red, green, blue, each from 0 to 1.
    pub color: [f32; 3],
}

impl Identity {
    pub(super) fn attributes(&self) -> Attributes {
        Attributes::default()
            .with_text(attribute::USER_NAME, &self.name)
            .with_triple(attribute::USER_COLOR, self.color)
    }
}

/// What the user asks of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Enter a room that is listed; leaves the present one first.
    Join(String),
    /// Leave the room we are in or on the way into.
    Leave,
    /// Make an empty room that any version may join, and keep it open; leaves the present one first.
    Create(String),
    /// Delete an empty room.
    Delete(String),
    /// Say whether a room stays when the last one leaves.
    SetKeepOpen(String, bool),
    /// Be somebody else to others.
    SetIdentity(Identity),
}
