//! The Mixer wire: kinds, frames, strings, attributes, typed messages. Pure: bytes in, values out.
//!
//! Everything on the wire is a [`Frame`]: a 14-byte [`Header`] and a payload, both ways, with no
//! greeting and no version. [`Decoder`] cuts frames out of a byte stream. Kinds below 100 are
//! between a client and the relay and have a typed form, [`ClientMessage`] and [`RelayMessage`];
//! kinds above 100 are room commands, whose payload nobody here looks into (but for the string
//! that leads a mergeable one).
//!
//! Invariant: nothing here allocates more than what has arrived plus a constant, and nothing panics,
//! whatever the bytes.

mod attributes;
mod decoder;
mod foreign;
mod frame;
mod json;
mod kind;
mod message;
mod run;
mod sceneless;
mod shown;
mod wire;

pub use attributes::{Attributes, NamedAttributes, parse_named, write_named};
pub use decoder::{Decoder, FrameError, FrameLimits, MOST_TOGETHER, STEP_BYTES};
pub use foreign::Foreign;
pub use frame::{Frame, HEADER_BYTES, Header};
pub use json::{JsonError, MAX_DEPTH, MAX_INTEGER_DIGITS, MAX_MEMBERS, object, quote};
pub use kind::Kind;
pub use message::{ClientMessage, JoinRequest, RelayMessage, attribute};
pub use run::{FrameRef, Run};
pub use sceneless::{ANY_VERSION, EMPTY_COMMANDS, empty_batch};
pub use shown::{cut, harmless, plays_tricks};
pub use wire::{Take, WireError};

/// The port Mixer listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 12800;
