//! Mixdesk: host and join Mixer sessions, real-time collaboration for Blender artists.
//!
//! One crate, one program: this library and a thin binary. Imports go strictly downward; the table
//! in `tests/it/tidy.rs` is checked by a test.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | [`protocol`] | the Mixer wire: kinds, frames, attributes, typed messages. Pure |
//! | 1 | [`net`] | frames over any byte stream; reaching a host, listening on a port |
//! | 1 | [`archive`] | room files: Mixer's own format, ours, and the journal of a room that lives |
//! | 2 | [`relay`] | the embedded server: rooms as logs with a journal, the rules, one task a peer |
//! | 2 | [`session`] | our own connection to a relay: a state machine and its driver |
//! | 2 | [`reach`] | how others reach this computer: its addresses, sessions on its networks, the router, invites, the doctor |
//! | 2 | [`blender`] | finding Blender, and starting one that joins a room by itself |
//! | 3 | [`backend`] | where tokio and the window meet: actions in, views and notices out |
//! | 4 | [`gui`] | the window: pixels and what is being typed |
//! | 4 | [`cli`] | the same program without a window |
//!
//! # Invariants
//!
//! - A room's traffic is passed on exactly as it came: never lost, doubled, reordered or altered.
//! - A room is an append-only log that members read with cursors. There is no queue per member, and
//!   a sender waits for nobody's reading.
//! - Nobody sees a room command before it stands in the room's file: what anybody was given survives a
//!   kill. What stands there need not be in memory.
//! - Rules are synchronous and know no sockets and no clocks: `relay::hub`, `session::machine`.
//! - What arrives is bounded before it is allocated, and no wait is without an end.
//! - The window never blocks, locks or awaits, and shows nothing that is not so.
//!
//! # Reading order
//!
//! [`protocol::Frame`], then `relay/log.rs`, `relay/keeper.rs` and `relay/hub.rs`, `relay/peer.rs`; from the other end
//! [`backend::View`], `backend/desk.rs`, `gui/app.rs`.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod archive;
pub mod backend;
pub mod blender;
pub mod cli;
pub mod gui;
pub mod net;
pub mod protocol;
pub mod reach;
pub mod relay;
pub mod session;
