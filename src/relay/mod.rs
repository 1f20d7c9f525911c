//! The embedded server: keeps each room's history, replays it to those who join, and passes live
//! commands on.
//!
//! - `log.rs`, `Log`: a room is an append-only log that members read with cursors; no queues.
//! - `hub.rs`, `Hub`: the rules. Plain synchronous methods behind one lock, no I/O. `state.rs` and
//!   `room.rs`: what they are about.
//! - `bulletin.rs`, `Bulletin`: changed attributes and who is gone, gathered, one list for all.
//! - `outbox.rs`, `Outbox`: what one peer still gets: answers, and its cursor in a room.
//! - `delivery.rs`, `Delivery`: from these three to the next bytes for one peer.
//! - `peer.rs`: one connection, a read loop and a write loop. `serve.rs`: the listener.
//! - `gate.rs`, `Gate`: who may connect. `guests.rs`: what the host has decided about that,
//!   `attempts.rs`: who could not. `door.rs`: all three behind a lock; `entrance.rs`: from an accepted
//!   connection to a peer; `controls.rs`: what the host can do.
//! - `pace.rs`: how often something may happen. `pending.rs`: how much may wait to be read.
//!
//! Lock order: hub, then outbox or door, then log or bulletin. The hot path, a room command, takes only
//! the log's.

mod attempts;
mod bulletin;
mod controls;
mod delivery;
mod door;
mod entrance;
mod gate;
#[cfg(test)]
mod gate_tests;
mod guests;
mod hub;
mod limits;
mod log;
mod outbox;
mod pace;
mod peer;
mod pending;
mod room;
#[cfg(test)]
mod rules_tests;
mod serve;
mod state;

pub use attempts::{Attempt, Failed};
pub use controls::Person;
pub use gate::{GuestError, Waiting};
pub use guests::{Ban, Guests, Origin};
pub use limits::Limits;
pub use serve::{Bound, Relay, RelayError, bind};

/// One connection, for as long as the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PeerId(u64);
