//! Finding the Blenders of this computer, and starting one that is already in a room.
//!
//! Reading order: `find.rs` looks for installations. `launch.rs` starts one with the start-up script
//! `assets/launch_join.py`, `running.rs` follows what that script tells through its status file, `state.rs` puts it
//! into words.
//!
//! A started Blender is the artist's: it outlives this program, and is never ended by it.

mod find;
mod launch;
mod running;
mod state;

pub use find::{Installation, Place, find, search};
pub use launch::{Error, Launch, Mode, start};
pub use running::Running;
pub use state::{Failure, Reason, State};
