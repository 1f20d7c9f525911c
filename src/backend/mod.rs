//! The one place where tokio and the window meet: owns the runtime, the relay and the session.
//!
//! [`Action`]s come in, a [`View`] and [`Notice`]s go out, and nobody waits for anybody. The desk (`desk.rs`, and
//! `desk/colleagues.rs` for who is around) is one task; what takes long runs beside it and reports back: the connection
//! (`opening.rs`, `link.rs`), our own relay (`hosted.rs`), what is around (`surroundings.rs`, painted by `around.rs`),
//! saves and restores (`transfer.rs`), other programs (`programs.rs`). `doctor/` examines why somebody cannot get in,
//! `instance/` takes the invites that other starts of the program hand over, `speaker.rs` writes to terminals without
//! waiting for them. `memory.rs` is for before all that.

mod action;
mod around;
mod compose;
mod desk;
pub mod doctor;
mod examination;
mod handle;
mod hosted;
mod instance;
mod link;
mod logging;
mod memory;
mod opening;
mod programs;
mod reaching;
mod settings;
mod settings_file;
mod signals;
mod speaker;
mod start;
mod surroundings;
mod transfer;
mod typed;
mod view;
pub mod words;

pub use crate::protocol::ANY_VERSION;
pub use action::{Action, Notice};
pub use around::as_typed;
pub use desk::Wake;
pub use examination::{Examination, Finding, Verdict, title as examination_title};
pub use handle::{Handle, Remote, pair};
pub use instance::Instance;
pub use logging::{LogTail, Logging, Terminal, start as start_logging};
pub use memory::take_memory_from_one_place;
pub use opening::{host, port_failure, read_port};
pub use reaching::{
    Address, Attempt, ByHand, Internet, Nearby, NearbyHost, PublicAddress, Share, Waiting,
};
pub use settings::{
    DEFAULT_PORT, Hosting, MAX_NAME_CHARS, MAX_SESSION_BYTES, RECENT_HOSTS, RoomKeeping, Settings,
    Theme, WindowPlace,
};
pub use signals::quit_signal;
pub use speaker::{Speaker, Voice};
pub use start::{Backend, Folders, runtime};
pub use surroundings::{Public, Surroundings};
pub use typed::{Typed, read_host};
pub use view::{
    BlenderProgram, BringingBack, Failure, Flow, Level, LogLine, Membership, Person, RecentRoom,
    Room, RoomState, Status, Transfer, TransferDirection, View,
};
