//! The embedded server: keeps each room's history, replays it to those who join, and passes live
//! commands on.
//!
//! - `log.rs`, `Log`: a room is an append-only log that members read with cursors; no queues. Its
//!   commands are `block.rs`, `Block`s: what one sender sent together. `log/journaled.rs`: what its journal's
//!   writers do with it; `log/memory.rs`: what of it leaves memory.
//! - `pen.rs`, `Pen`: writes a room's journal, which is ahead of what members see; `keeper.rs`: sees to it
//!   that all is written, and comes to the disk. `cold.rs`, `Cold`: reads from it what is not in memory any
//!   more. `shelf.rs`, `Shelf`: the folder of the rooms' files; `recent.rs`: those that ended, and how
//!   long they stay; `restore.rs`: a room brought back from one;
//!   `library.rs`: what ties these together; `disk.rs`: how the disk does; `unstored.rs`: what waits for it in
//!   memory.
//! - `hub.rs`, `Hub`: the rules. Plain synchronous methods behind one lock, no I/O. `state.rs` and
//!   `room.rs`: what they are about.
//! - `bulletin.rs`, `Bulletin`: changed attributes and who is gone, gathered, one list for all.
//! - `outbox.rs`, `Outbox`: what one peer still gets: answers, and its cursor in a room. While the peer's
//!   write loop rests, whoever brings commands writes them to its connection: no task has to wake for them.
//! - `delivery.rs`, `Delivery`: from these three to the next bytes for one peer.
//! - `directory.rs`: figures for the host.
//! - `peer.rs`: one connection, a read loop and a write loop. `serve.rs`: the listener.
//! - `gate.rs`, `Gate`: who may connect. `guests.rs`: what the host has decided about that,
//!   `attempts.rs`: who could not. `door.rs`: all three behind a lock; `entrance.rs`: from an accepted
//!   connection to a peer; `controls.rs`: what the host can do.
//! - `lanes.rs`, `Lanes`: on which of two runtimes a connection and a keeper run: those with heavy traffic
//!   apart from all others. `cores.rs`: how those leave the processor's cores to them.
//! - `ending.rs`: why a connection is ended. `slow.rs`: members who are too far behind for too long. `feel.rs`: peers that are gone without a word.
//!   `pace.rs`: how often something may happen. `pending.rs`: how much may wait to be read;
//!   `arriving.rs`: how much may be on its way in.
//!   `account.rs`: how much anybody may add to rooms; `full.rs`: why nothing more. `words.rs`: what the system says,
//!   for people.
//!
//! Lock order: the hub's telling, hub or pen, then outbox or door, then log, bulletin or line. The hot path, a room command, takes
//! only the log's, the pen's if that is free, and then the outboxes of those who rest.

mod account;
mod arriving;
mod attempts;
mod block;
mod bulletin;
mod card;
mod cold;
mod controls;
mod cores;
mod delivery;
mod directory;
mod disk;
mod door;
mod ending;
mod entrance;
mod feel;
mod folder;
mod full;
mod gate;
#[cfg(test)]
mod gate_tests;
mod guests;
mod hub;
mod keeper;
mod lanes;
mod library;
mod limits;
mod log;
mod outbox;
mod pace;
mod peer;
mod pen;
mod pending;
mod recent;
mod restore;
mod room;
#[cfg(test)]
mod rules_tests;
mod serve;
mod shelf;
mod slow;
mod state;
mod unstored;
mod words;

pub use attempts::{Attempt, Failed};
pub use controls::Person;
pub use cores::come_first;
pub use directory::{Directory, PeerFigures, RecentRooms, RoomFigures};
pub use gate::{GuestError, Waiting};
pub use guests::{Ban, Guests, Origin};
pub use lanes::calm_threads;
pub use library::Progress;
pub use limits::Limits;
pub use recent::Recent;
pub use serve::{Bound, Relay, RelayError, bind};
pub use shelf::{Keeping, recent_rooms};
pub use words::plain;

/// One connection, for as long as the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PeerId(u64);
