//! The one place where tokio and the window meet.

mod action;
mod handle;
mod settings;
mod view;

pub use action::{Action, Notice};
pub use handle::{Handle, Remote, pair};
pub use settings::{DEFAULT_PORT, RECENT_HOSTS, Settings, Theme, WindowPlace};
pub use view::{
    Address, BlenderProgram, Failure, Level, LogLine, Membership, Person, Room, RoomState, Share,
    Status, Transfer, TransferDirection, View,
};
