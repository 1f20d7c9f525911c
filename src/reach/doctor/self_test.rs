//! The self-test: two guests meet in a room of their own on a real relay and compare every byte.
//!
//! One makes the room and sends its content, the other joins, gets that and what is sent live; then both leave,
//! and the room is gone. It never has more than a room without a scene has, so no relay keeps it: what else is
//! sent, to see how fast the way is, is of a kind that is passed on and never kept.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

use crate::net::{Connected, FrameReader, Patience, Target, Why, connect, write_frames};
use crate::protocol::{
    ANY_VERSION, Attributes, ClientMessage, Frame, FrameLimits, JoinRequest, Kind, NamedAttributes,
    RelayMessage, attribute,
};

/// What the rooms of self-tests are called; a number follows.
pub const ROOM_NAME: &str = "Mixdesk self-test, gone in a moment";
/// What the guests are called.
const GUEST_NAME: &str = "Mixdesk doctor";
/// Size of the room's content, and of what is sent live: more than one packet, and no round number.
const COMMAND_BYTES: usize = 70_001;
/// How often the round trip is measured; the best one counts.
const PINGS: usize = 3;
/// Size of one of the commands that measure the rate.
const RATE_BYTES: usize = 16 << 10;
/// Each round sends twice as many as the last one; after so many rounds a fast network is known well enough …
const RATE_ROUNDS: u32 = 8;
/// … and after so long a slow one.
const RATE_TIME: Duration = Duration::from_millis(500);
/// Words of a relay may be about somebody else. When nothing else comes for so long, they were for us.
const WORDS_PATIENCE: Duration = Duration::from_millis(300);
/// How long the end of a connection may take.
const CLOSE_PATIENCE: Duration = Duration::from_millis(200);
/// What a relay may send us: lists, and our own commands.
const LIMITS: FrameLimits = FrameLimits {
    command_bytes: 1 << 20,
    control_bytes: 16 << 20,
};

/// A relay that has passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// From a question to its answer, the best of a few.
    pub round_trip: Duration,
    /// Bytes a second to the relay and back at the same time.
    pub bytes_a_second: f64,
    /// Bytes that were compared.
    pub compared_bytes: u64,
    /// How long all of it took.
    pub took: Duration,
    /// What the relay's rooms were made with, each pair once.
    pub versions: BTreeSet<Versions>,
}

/// What a room was made with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Versions {
    /// Blender's version.
    pub blender: String,
    /// Mixer's version.
    pub mixer: String,
    /// Any other version may join as well.
    pub any_may_join: bool,
}

/// Why a relay has not passed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failed {
    /// It cannot be reached, or the connection broke.
    #[error("{0}")]
    Connection(Why),
    /// It said no, or to wait.
    #[error("The server did not let the test {0}, and said: {words}", words = .1)]
    Told(Step, String),
    /// It did not do what it should.
    #[error("The server did not answer when the test wanted to {0}.")]
    Stuck(Step),
    /// What came is not what was sent.
    #[error("What the server passed on is not what was sent ({0}).")]
    Altered(&'static str),
    /// It has kept the room.
    #[error("The server has kept the room of the test, “{0}”, though nobody is in it.")]
    Kept(String),
}

/// A step of the self-test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The greeting.
    Enter,
    /// Making the room.
    Make,
    /// Joining it.
    Join,
    /// Getting what is sent live.
    Receive,
    /// Leaving it.
    Leave,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enter => "come in",
            Self::Make => "make a room",
            Self::Join => "join a room",
            Self::Receive => "get what another sent",
            Self::Leave => "leave a room",
        })
    }
}

/// Tests the relay at `target`. Others see a room of an unmistakable name for a moment. Ends by `until`. Dropped
/// before its end it leaves nothing behind, as a relay ends a room that all have left.
///
/// # Errors
/// What the relay does not do as it should.
pub async fn self_test(target: &Target, until: Instant) -> Result<Passed, Failed> {
    let begun = Instant::now();
    let (maker, joiner) = tokio::join!(Guest::enter(target, until), Guest::enter(target, until));
    let (mut maker, mut joiner) = (maker?, joiner?);
    let (versions, round_trip) = maker.look_around().await?;
    let room = room_name();
    maker.make(&room).await?;
    let compared_bytes = meet(&mut maker, &mut joiner, &room).await?;
    let bytes_a_second = rate(&mut maker, &mut joiner).await?;
    joiner.leave(&room).await?;
    maker.leave(&room).await?;
    if maker.rooms().await?.contains_key(&room) {
        return Err(Failed::Kept(room));
    }
    let took = begun.elapsed();
    tokio::join!(maker.close(), joiner.close());
    Ok(Passed {
        round_trip,
        bytes_a_second,
        compared_bytes,
        took,
        versions,
    })
}

/// The joiner gets the content, then what is sent live. Returns the bytes compared.
async fn meet(maker: &mut Guest, joiner: &mut Guest, room: &str) -> Result<u64, Failed> {
    let (content, live) = (command(1), command(2));
    maker.send_frames(vec![content.clone()]).await?;
    maker.say(&[ClientMessage::Content]).await?;
    // Answered in order: once this is, the content is there.
    maker.ping().await?;
    joiner
        .say(&[ClientMessage::JoinRoom(JoinRequest::sceneless(room))])
        .await?;
    let mut replayed = Vec::new();
    joiner
        .hear(Step::Join, |heard| match heard {
            Heard::Command(frame) => {
                replayed.push(frame);
                None
            }
            Heard::Message(RelayMessage::JoinRoom(_)) => Some(()),
            Heard::Message(_) => None,
        })
        .await?;
    if replayed != [content.clone()] {
        return Err(Failed::Altered("the content of a room"));
    }
    maker.send_frames(vec![live.clone()]).await?;
    let got = joiner.next_command().await?;
    if got != live {
        return Err(Failed::Altered("an edit"));
    }
    Ok((content.wire_len() + live.wire_len()) as u64)
}

/// Sends more and more at once from one to the other, each time waiting for all of it. Bytes a second of the last
/// round.
async fn rate(maker: &mut Guest, joiner: &mut Guest) -> Result<f64, Failed> {
    let frame = Frame::new(Kind::CLIENT_ID_WRAPPER, &bytes(3, RATE_BYTES));
    let begun = Instant::now();
    let mut rate = 0.0;
    for round in 0..RATE_ROUNDS {
        let count = 1_usize << round;
        let started = Instant::now();
        let receiving = async {
            for _ in 0..count {
                if joiner.next_command().await? != frame {
                    return Err(Failed::Altered("a change of the frame"));
                }
            }
            Ok(())
        };
        tokio::try_join!(maker.send_frames(vec![frame.clone(); count]), receiving)?;
        rate = (count * frame.wire_len()) as f64 / started.elapsed().as_secs_f64().max(1e-6);
        if begun.elapsed() >= RATE_TIME {
            break;
        }
    }
    Ok(rate)
}

/// One of the two.
struct Guest {
    target: Target,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    until: Instant,
}

/// What came.
enum Heard {
    Command(Frame),
    Message(RelayMessage),
}

impl Guest {
    async fn enter(target: &Target, until: Instant) -> Result<Self, Failed> {
        let patience = whole_tenths(until.saturating_duration_since(Instant::now()));
        let Connected { stream, .. } = timeout_at(until, connect(target, patience))
            .await
            .map_err(|_| Why::TimedOut(target.clone(), patience))
            .and_then(|connected| connected.map_err(|error| Why::from_connect(error, target)))
            .map_err(Failed::Connection)?;
        let (reader, writer) = stream.into_split();
        let patience = Patience {
            first: patience,
            stall: patience,
        };
        let mut guest = Self {
            target: target.clone(),
            reader: FrameReader::new(reader, LIMITS, patience),
            writer,
            until,
        };
        let name = Attributes::default().with_text(attribute::USER_NAME, GUEST_NAME);
        guest
            .say(&[ClientMessage::SetClientAttributes(name)])
            .await?;
        guest.ping().await?;
        Ok(guest)
    }

    /// What the rooms were made with, and the round trip.
    async fn look_around(&mut self) -> Result<(BTreeSet<Versions>, Duration), Failed> {
        let rooms = self.rooms().await?;
        let mut round_trip = Duration::MAX;
        for _ in 0..PINGS {
            round_trip = round_trip.min(self.ping().await?);
        }
        Ok((rooms.values().filter_map(versions).collect(), round_trip))
    }

    async fn rooms(&mut self) -> Result<NamedAttributes, Failed> {
        self.say(&[ClientMessage::ListRooms]).await?;
        self.hear(Step::Enter, |heard| match heard {
            Heard::Message(RelayMessage::ListRooms(rooms)) => Some(rooms),
            _ => None,
        })
        .await
    }

    /// From a question to its answer.
    async fn ping(&mut self) -> Result<Duration, Failed> {
        let asked = Instant::now();
        self.say(&[ClientMessage::ClientId]).await?;
        self.hear(Step::Enter, |heard| {
            matches!(heard, Heard::Message(RelayMessage::ClientId(_))).then(|| asked.elapsed())
        })
        .await
    }

    async fn make(&mut self, room: &str) -> Result<(), Failed> {
        self.say(&[ClientMessage::JoinRoom(JoinRequest::sceneless(room))])
            .await?;
        self.hear(Step::Make, |heard| {
            matches!(heard, Heard::Message(RelayMessage::Content)).then_some(())
        })
        .await
    }

    async fn leave(&mut self, room: &str) -> Result<(), Failed> {
        self.say(&[ClientMessage::LeaveRoom(room.to_owned())])
            .await?;
        self.hear(Step::Leave, |heard| {
            matches!(heard, Heard::Message(RelayMessage::LeaveRoom)).then_some(())
        })
        .await
    }

    async fn next_command(&mut self) -> Result<Frame, Failed> {
        self.hear(Step::Receive, |heard| match heard {
            Heard::Command(frame) => Some(frame),
            Heard::Message(_) => None,
        })
        .await
    }

    async fn say(&mut self, messages: &[ClientMessage]) -> Result<(), Failed> {
        self.send_frames(messages.iter().map(ClientMessage::encode).collect())
            .await
    }

    async fn send_frames(&mut self, frames: Vec<Frame>) -> Result<(), Failed> {
        let mut out: VecDeque<_> = frames.into_iter().map(Frame::into_wire).collect();
        let patience = self.until.saturating_duration_since(Instant::now());
        write_frames(&mut self.writer, &mut out, patience)
            .await
            .map(drop)
            .map_err(|error| Failed::Connection(Why::from_write(&error, &self.target, false)))
    }

    /// Takes in what comes until `wanted` finds what it wants.
    async fn hear<T>(
        &mut self,
        step: Step,
        mut wanted: impl FnMut(Heard) -> Option<T>,
    ) -> Result<T, Failed> {
        let mut until = self.until;
        let mut words = None;
        loop {
            let next = timeout_at(until, self.reader.next()).await;
            let told = |words: Option<String>, or_else| match words {
                Some(words) => Failed::Told(step, words),
                None => or_else,
            };
            let frame = match next {
                Err(_) => return Err(told(words, Failed::Stuck(step))),
                Ok(Ok(Some(frame))) => frame,
                Ok(Ok(None)) => {
                    let why = Why::Closed(self.target.clone(), None);
                    return Err(told(words, Failed::Connection(why)));
                }
                Ok(Err(error)) => {
                    let why = Why::from_read(error, &self.target, false);
                    return Err(told(words, Failed::Connection(why)));
                }
            };
            let heard = if frame.kind().is_room_command() {
                Heard::Command(frame)
            } else {
                let message = RelayMessage::decode(&frame)
                    .map_err(|error| Failed::Connection(Why::from_wire(&error, &self.target)))?;
                if let RelayMessage::SendError(text) = &message {
                    words = Some(text.clone());
                    until = until.min(Instant::now() + WORDS_PATIENCE);
                }
                Heard::Message(message)
            };
            if let Some(found) = wanted(heard) {
                return Ok(found);
            }
        }
    }

    /// Closes as one who has said all.
    async fn close(mut self) {
        let closing = async {
            self.writer.shutdown().await?;
            while self.reader.fill().await.unwrap_or(0) > 0 {
                while matches!(self.reader.arrived(), Ok(Some(_))) {}
            }
            std::io::Result::Ok(())
        };
        if !matches!(timeout(CLOSE_PATIENCE, closing).await, Ok(Ok(()))) {
            tracing::debug!("the other end did not close in time");
        }
    }
}

/// A time as people read it.
fn whole_tenths(time: Duration) -> Duration {
    let tenths = (time.as_secs_f64() * 10.0).round();
    Duration::from_secs_f64(tenths / 10.0)
}

/// `None` for rooms without a scene.
fn versions(room: &Attributes) -> Option<Versions> {
    let text = |name| room.text(name).filter(|text| text != ANY_VERSION);
    Some(Versions {
        blender: text(attribute::BLENDER_VERSION)?,
        mixer: text(attribute::MIXER_VERSION)?,
        any_may_join: room.flag(attribute::IGNORE_VERSION_CHECK) == Some(true),
    })
}

/// A command that nobody else sends.
fn command(seed: u32) -> Frame {
    Frame::new(Kind::BLENDER_DATA_UPDATE, &bytes(seed, COMMAND_BYTES))
}

/// Bytes without a pattern that a mistake could hide behind (xorshift, Marsaglia 2003).
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Another one each time, also for those who test the same relay from elsewhere.
fn room_name() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let number = u64::from(now.subsec_nanos()) ^ (u64::from(std::process::id()) << 32);
    format!("{ROOM_NAME} ({number:x})")
}
