//! The one place where tokio and the window meet: owns the runtime, the relay and the session.
//!
//! [`Action`]s come in, a [`View`] and [`Notice`]s go out, and nobody waits for anybody. The desk
//! (`desk.rs`) is one task; what takes long runs beside it and reports back: the connection (`link.rs`), our own
//! relay (`hosted.rs`), saves and restores (`transfer.rs`), other programs (`programs.rs`).

mod action;
mod compose;
mod desk;
mod handle;
mod hosted;
mod instance;
mod link;
mod logging;
mod opening;
mod programs;
mod settings;
mod settings_file;
mod signals;
mod start;
mod transfer;
mod view;
pub mod words;

pub use crate::protocol::ANY_VERSION;
pub use action::{Action, Notice};
pub use desk::Wake;
pub use handle::{Handle, Remote, pair};
pub use instance::Instance;
pub use logging::{LogTail, Logging, Terminal, start as start_logging};
pub use opening::{host, port_failure, read_host, read_port};
pub use settings::{
    DEFAULT_PORT, Hosting, MAX_NAME_CHARS, RECENT_HOSTS, RoomKeeping, Settings, Theme, WindowPlace,
};
pub use signals::quit_signal;
pub use start::{Backend, Folders, runtime};
pub use view::{
    Address, BlenderProgram, BringingBack, Failure, Flow, Level, LogLine, Membership, Person,
    RecentRoom, Room, RoomState, Share, Status, Transfer, TransferDirection, View,
};
