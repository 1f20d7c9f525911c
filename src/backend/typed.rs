//! What is typed or pasted into Host, as the window tells it.

use crate::reach::{self, TypedError};

/// What a text says that is typed or pasted into Host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A name or an address, perhaps with a message around it.
    Host {
        /// The name or address alone.
        host: String,
        /// The port, where the text names one.
        port: Option<u16>,
        /// It means this computer.
        is_local: bool,
    },
    /// An invite, perhaps with a message around it.
    Invite {
        /// What the session is called; empty when it has no name.
        session: String,
        /// The room to join, if the invite is to one.
        room: Option<String>,
        /// How many ways there it has.
        ways: usize,
    },
}

/// Reads what is typed or pasted into Host.
///
/// # Errors
/// What is wrong with it, in words that fit beside the field.
pub fn read_host(typed: &str) -> Result<Typed, &'static str> {
    // Nobody can name port 0, so it stands for none.
    match reach::understand(typed, 0).map_err(TypedError::words)? {
        reach::Typed::Target(target) => Ok(Typed::Host {
            is_local: target.is_local(),
            port: (target.port != 0).then_some(target.port),
            host: target.host,
        }),
        reach::Typed::Invite(invite) => Ok(Typed::Invite {
            ways: invite.routes.len(),
            session: invite.session,
            room: invite.room,
        }),
    }
}
