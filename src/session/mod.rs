//! Our own connection to a relay, whoever runs it.
//!
//! - `machine.rs`: what frames and commands mean. No sockets, no clocks.
//! - [`Session`]: its driver on a socket; connects, retries with back-off, publishes [`Snapshot`]s.
//! - [`save`] and [`restore`]: a room into a file and back, each on a connection of its own, so that
//!   they disturb nobody's place in a room.
//!
//! The launcher holds no scene: what it is sent in a room is counted and dropped.

mod back_off;
mod command;
mod driver;
mod event;
mod machine;
#[cfg(test)]
mod machine_tests;
mod membership;
mod transfer;

pub use crate::net::Why;
pub use command::{Command, Identity};
pub use driver::{Config, Phase, Session, Snapshot};
pub use event::Event;
pub use machine::person_name;
pub use membership::Membership;
pub use transfer::{Progress, TransferError, Transferred, restore, save};
