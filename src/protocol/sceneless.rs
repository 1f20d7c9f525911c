//! Rooms made by somebody who holds no scene, as our launcher does: what they say and what they hold.

use super::frame::Frame;
use super::kind::Kind;
use super::message::JoinRequest;

/// What somebody who holds no scene says for a version. No Blender is called this.
pub const ANY_VERSION: &str = "any";
/// Commands of a room without a scene, at most: those of [`empty_batch`].
pub const EMPTY_COMMANDS: u64 = 2;

/// The content of a room without a scene: a batch of nothing. Mixer divides by a room's size while it
/// joins, so a room may be empty but not of no bytes.
#[must_use]
pub fn empty_batch() -> [Frame; 2] {
    [
        Frame::new(Kind::GROUP_BEGIN, &0u32.to_le_bytes()),
        Frame::new(Kind::GROUP_END, &[]),
    ]
}

impl JoinRequest {
    /// Asks for a room without bringing a scene; a new one lets any version in.
    #[must_use]
    pub fn sceneless(room: &str) -> Self {
        Self {
            room: room.to_owned(),
            blender_version: ANY_VERSION.to_owned(),
            mixer_version: ANY_VERSION.to_owned(),
            ignore_version_check: true,
            generic_protocol: true,
        }
    }
}
