//! How much anybody may ask of the relay.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::guests::Origin;
use super::log::Keep;
use super::pending::PendingLimits;
use crate::archive::{ATTRIBUTES_BYTES, COMMAND_BYTES};
use crate::net::Patience;
use crate::protocol::FrameLimits;

/// Limits of the relay. All can be set in the settings file, under `[relay]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Largest room command, in bytes: one mesh or texture is one. A larger one ends its sender's
    /// connection. No more than [`COMMAND_BYTES`].
    pub command_bytes: u64,
    /// Largest message of any other kind, in bytes.
    pub control_bytes: u64,
    /// Connections at the same time.
    pub connections: usize,
    /// Connections at the same time from one address; from one network (64 bits) of IPv6.
    pub connections_per_address: usize,
    /// Connections a second from one address, once as many as may be there at the same time have come.
    pub connects_a_second: u32,
    /// Rooms at the same time.
    pub rooms: usize,
    /// Rooms at the same time that were made from one address.
    pub rooms_per_address: usize,
    /// Rooms at the same time that were made on one connection.
    pub rooms_per_peer: usize,
    /// Rooms that may be made in a minute from one address, once as many as may be there at the same time
    /// were made.
    pub new_rooms_a_minute: u32,
    /// Messages a second of one peer that are no room commands, once five seconds' worth have come at
    /// once. Those beyond wait, and so does all that the peer sends after them. One counts for one more with
    /// every 4 KiB of it.
    pub control_messages_a_second: u32,
    /// The same of all peers of one address. Who sends no more than a hundred a second does not wait.
    pub control_messages_a_second_per_address: u32,
    /// The same of all peers.
    pub control_messages_a_second_of_all: u32,
    /// Bytes of memory, about, that answers may take which wait for one peer to read them. More ends
    /// its connection. A room's history is not counted: it waits in the room, once for all.
    pub pending_bytes: usize,
    /// The same for all peers of one address.
    pub pending_bytes_per_address: usize,
    /// The same for all peers. Who then has left more than 64 KiB unread and asks for more is closed.
    pub pending_bytes_of_all: usize,
    /// Bytes of memory that messages may take which have not arrived whole, of all peers of one address: those
    /// above 1 MiB. Beyond it whoever holds the most is disconnected.
    pub arriving_bytes_per_address: u64,
    /// The same of all peers: whoever holds the most of those of the address that does.
    pub arriving_bytes_of_all: u64,
    /// Bytes of memory that the attributes of one client or room may take, about. All clients
    /// together, and all rooms, get a quarter of `control_bytes`, as a list of them is one message. No more
    /// than [`ATTRIBUTES_BYTES`].
    pub attributes_bytes: usize,
    /// Bytes of memory that the attributes of all clients of one address may take, about.
    pub attributes_bytes_per_address: usize,
    /// Bytes a second of changed attributes that others are told of one client, after a second's worth at once, and an
    /// eighth of it of one room. What changes faster they are told less often, as it is then.
    pub news_bytes_a_second: usize,
    /// The same of all clients of one address.
    pub news_bytes_a_second_per_address: usize,
    /// Seconds from connecting to the first whole message.
    pub handshake_seconds: u64,
    /// Seconds that a peer may stop in the middle of a message.
    pub stall_seconds: u64,
    /// Seconds that a peer may take nothing at all of what waits for it. A Blender that renders does
    /// not read, so this is long. It is disconnected without a word then, as it would not take one.
    pub write_seconds: u64,
    /// Seconds that a new address waits for the host to let it in, where the host is asked.
    pub ask_seconds: u64,
    /// This computer (127.0.0.0/8 and ::1) is the host's own: none of what is bounded by address is
    /// for it, nor is `rooms_per_peer`, the host is not asked about it, and it cannot be banned.
    pub spare_this_computer: bool,
    /// Bytes of memory that a room may take, about, for commands that are live only or stand in its file
    /// as well. They are there for members who are a little behind.
    pub live_bytes: usize,
    /// Seconds that such commands are held in memory.
    pub live_seconds: u64,
    /// Largest room, in bytes of its file.
    pub room_bytes: u64,
    /// Bytes that all rooms may take together, superseded commands included. Recent rooms have a limit of
    /// their own.
    pub rooms_bytes: u64,
    /// The same for what was sent from one address, by those who are connected and those who were.
    pub rooms_bytes_per_address: u64,
    /// The same for what one peer has sent.
    pub rooms_bytes_per_peer: u64,
    /// Seconds that a member may be more than `slow_bytes` behind its room before it is dropped; 0 lets it
    /// be, as it costs nothing but its place in the room.
    pub slow_seconds: u64,
    /// See `slow_seconds`.
    pub slow_bytes: u64,
    /// Bytes that are held in memory alone while files cannot be written: of one room, and of all together, but
    /// for those of rooms that hold less than their part.
    pub unstored_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_bytes: FrameLimits::DEFAULT.command_bytes,
            control_bytes: FrameLimits::DEFAULT.control_bytes,
            connections: 4096,
            // A studio behind one router, and all of it may come back at once.
            connections_per_address: 256,
            // Nobody starts programs faster, and each newcomer is told to everybody.
            connects_a_second: 20,
            rooms: 1024,
            rooms_per_address: 64,
            rooms_per_peer: 32,
            // Each has a file, which stays under the recent rooms.
            new_rooms_a_minute: 20,
            // An artist at work sends ten or twenty.
            control_messages_a_second: 2000,
            control_messages_a_second_per_address: 8000,
            control_messages_a_second_of_all: 20_000,
            pending_bytes: 16 << 20,
            pending_bytes_per_address: 64 << 20,
            pending_bytes_of_all: 256 << 20,
            // Twice the largest message.
            arriving_bytes_per_address: 2 << 30,
            arriving_bytes_of_all: 4 << 30,
            attributes_bytes: 512 << 10,
            attributes_bytes_per_address: 1 << 20,
            // An artist with some hundred objects selected, who moves the view, changes 300 kB.
            news_bytes_a_second: 512 << 10,
            news_bytes_a_second_per_address: 2 << 20,
            handshake_seconds: 20,
            stall_seconds: 60,
            write_seconds: 30 * 60,
            ask_seconds: 10 * 60,
            spare_this_computer: true,
            live_bytes: 12 << 20,
            live_seconds: 30,
            room_bytes: 64 << 30,
            rooms_bytes: 256 << 30,
            // Half of it: one address cannot take everybody's place.
            rooms_bytes_per_address: 128 << 30,
            // As much as one room: an artist alone can fill it.
            rooms_bytes_per_peer: 64 << 30,
            slow_seconds: 0,
            slow_bytes: 256 << 20,
            unstored_bytes: 1 << 30,
        }
    }
}

/// Longest room name, in bytes. It stands in lists and logs.
pub(super) const ROOM_NAME_BYTES: usize = 255;
/// Longest text of a SEND_ERROR that is passed on to everybody, in bytes.
pub(super) const ERROR_TEXT_BYTES: usize = 4096;
/// Lines that the log takes about one connection, besides its start and end: a peer must not be able
/// to fill the disk with what it does wrong.
pub(super) const LOG_LINES: u32 = 200;
/// Lines about all connections of one address, at once: it may connect again and again …
pub(super) const LINES_OF_ADDRESS_AT_ONCE: u32 = 5 * LOG_LINES;
/// … and how often there may be another one then.
pub(super) const LINE_EVERY: Duration = Duration::from_secs(5);
/// Lines about all connections, at once …
pub(super) const LINES_AT_ONCE: u32 = 5 * LINES_OF_ADDRESS_AT_ONCE;
/// … and a second.
pub(super) const LINES_A_SECOND: u32 = 20;
/// Longest reason that stands in a line, in characters: it may hold what a peer said.
pub(super) const REASON_CHARS: usize = 300;
/// Addresses without a peer that are remembered because they owe something. When there are more, all of these are
/// forgotten.
pub(super) const IDLE_SHARES: usize = 8192;
/// What a message with attributes may hold besides them: the room's name, and what the relay itself sets and
/// would not take over.
const BESIDE_ATTRIBUTES_BYTES: usize = 4 << 10;
/// What everybody's attributes may always take, in bytes of memory: an ordinary Blender's take some
/// 2,000.
const FAIR_SHARE_BYTES: usize = 8 << 10;
/// Errors that one peer may send to everybody between two tellings.
pub(super) const ERRORS_A_TELLING: u32 = 5;
/// The same for all peers of one address.
pub(super) const ERRORS_A_TELLING_PER_ADDRESS: u32 = 4 * ERRORS_A_TELLING;
/// The same for all peers.
pub(super) const ERRORS_A_TELLING_OF_ALL: u32 = 10 * ERRORS_A_TELLING_PER_ADDRESS;
/// How often rooms are looked through for what is too old to be in memory, while there is any.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How often changes of clients and rooms are told at most.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long a peer that has to go may take to read what it still gets.
pub(super) const DRAIN: Duration = Duration::from_secs(1);
/// The same for one that takes something all the time, but slowly, unless this relay ends.
pub(super) const SLOW_DRAIN: Duration = Duration::from_secs(30);

impl Limits {
    /// Curbs what is more than this program can do. Gives a sentence about it, if there was any.
    #[must_use = "people are to know"]
    pub fn curb(&mut self) -> Option<String> {
        let (command, attributes) = (self.command_bytes, self.attributes_bytes);
        self.command_bytes = command.min(COMMAND_BYTES);
        self.attributes_bytes = attributes.min(ATTRIBUTES_BYTES);
        let mut said = Vec::new();
        if command > COMMAND_BYTES {
            said.push(format!(
                "`command_bytes` is {command}, and the file of a room holds commands of {COMMAND_BYTES} bytes at most, \
                 which is used instead"
            ));
        }
        if attributes > ATTRIBUTES_BYTES {
            said.push(format!(
                "`attributes_bytes` is {attributes}, and the file of a room holds attributes of {ATTRIBUTES_BYTES} \
                 bytes at most, which is used instead"
            ));
        }
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// What somebody's attributes may take while those of all others of its sort take `others`: what
    /// these leave, but always what an ordinary Blender needs, so that a few cannot take everybody's
    /// place.
    pub(super) fn attributes_of_one(&self, others: usize) -> usize {
        let whole = usize::try_from(self.control_bytes / 4).unwrap_or(usize::MAX);
        whole
            .saturating_sub(others)
            .max(FAIR_SHARE_BYTES)
            .min(self.attributes_bytes)
    }

    /// The largest message with attributes that is looked into. Written as Python writes them they are no longer
    /// than they [count](crate::protocol::Attributes::size_bytes); twice that is for those who write with more
    /// white space.
    pub(super) fn attributes_message_bytes(&self) -> usize {
        let twice = self.attributes_bytes.saturating_mul(2);
        twice.saturating_add(BESIDE_ATTRIBUTES_BYTES)
    }

    pub(super) fn keep(&self) -> Keep {
        Keep {
            bytes: self.live_bytes,
            age: Duration::from_secs(self.live_seconds),
            room_bytes: self.room_bytes,
            unstored_bytes: self.unstored_bytes,
        }
    }

    /// The same for a client, while those of the others of its origin take `from_there`.
    pub(super) fn attributes_of_client(
        &self,
        origin: Origin,
        from_there: usize,
        others: usize,
    ) -> usize {
        let allowed = self.attributes_of_one(others);
        if self.spares(origin) {
            return allowed;
        }
        let left = self.attributes_bytes_per_address.saturating_sub(from_there);
        allowed.min(left.max(FAIR_SHARE_BYTES))
    }

    /// What is told a second of the attributes of one room.
    pub(super) fn news_bytes_a_second_of_room(&self) -> usize {
        self.news_bytes_a_second / 8
    }

    /// What is told a second of the attributes of all clients from there.
    pub(super) fn news_bytes_a_second_of(&self, origin: Origin) -> usize {
        if self.spares(origin) {
            usize::MAX
        } else {
            self.news_bytes_a_second_per_address
        }
    }

    /// What may wait for a peer, and for all others with it.
    pub(super) fn pending(&self, origin: Origin) -> PendingLimits {
        PendingLimits {
            of_one: self.pending_bytes,
            of_address: if self.spares(origin) {
                usize::MAX
            } else {
                self.pending_bytes_per_address
            },
            of_all: self.pending_bytes_of_all,
        }
    }

    /// What may be added to all rooms from there.
    pub(super) fn rooms_bytes_of(&self, origin: Origin) -> u64 {
        if self.spares(origin) {
            u64::MAX
        } else {
            self.rooms_bytes_per_address
        }
    }

    /// Whether what is bounded by address is not for this one.
    pub(super) fn spares(&self, origin: Origin) -> bool {
        self.spare_this_computer && origin.is_this_computer()
    }

    pub(super) fn frames(&self) -> FrameLimits {
        FrameLimits {
            command_bytes: self.command_bytes,
            control_bytes: self.control_bytes,
        }
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            first: Duration::from_secs(self.handshake_seconds),
            stall: Duration::from_secs(self.stall_seconds),
        }
    }

    pub(super) fn write_patience(&self) -> Duration {
        Duration::from_secs(self.write_seconds)
    }
}
