//! Asking whether a Mixer relay is at an address, and finding the address out of several where one is.
//!
//! A probe greets as a Blender does, which any relay answers, and closes. It says no name and enters no room: all
//! that others see is somebody without a name who is gone again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::invite::MAX_ROUTES;
use crate::net::{Connected, FrameReader, Patience, ReadError, Target, Why, connect, write_frames};
use crate::protocol::{ClientMessage, FrameLimits, RelayMessage};

/// Why there is no relay at an address, in the same words as of a session.
pub type NoAnswer = Why;

/// How long a route is tried before the next one is tried beside it (as RFC 8305, 5 has it for addresses, where
/// it is 250 ms at most).
const HEAD_START: Duration = Duration::from_millis(150);
/// How long a relay that has only said words may take for more: one that asks its host first says nothing more.
const WORDS_PATIENCE: Duration = Duration::from_millis(200);
/// How long the end of the connection may take.
const CLOSE_PATIENCE: Duration = Duration::from_millis(200);
/// A relay says no room commands to who is in no room; a list of all people is one message.
const LIMITS: FrameLimits = FrameLimits {
    command_bytes: 64 << 10,
    control_bytes: 16 << 20,
};

/// A Mixer relay that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The address that answers.
    pub address: SocketAddr,
    /// From the question to the first answer.
    pub round_trip: Duration,
    /// How many rooms it has, where it told in time.
    pub rooms: Option<usize>,
    /// How many are connected besides us, where it told in time.
    pub people: Option<usize>,
    /// What it said in words, where it said that: that its host has to let us in first, that it is full, …
    pub said: Option<String>,
}

/// How much a probe wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Whether it is a relay.
    Relay,
    /// What it has.
    Lists,
}

/// Asks whether a Mixer relay is at `target`, and what it has. Takes at most about `patience`.
///
/// # Errors
/// When none is, or none answers in time: the reason, and what to do.
pub async fn probe(target: &Target, patience: Duration) -> Result<Answered, NoAnswer> {
    look(target, patience, Depth::Lists).await
}

/// Tries all routes side by side, each for `patience`, and keeps the first at which a Mixer relay answers. Each
/// has a small head start before the next one. No more routes are tried than an invite has at most.
///
/// # Errors
/// When none answers: each route with its reason, in the order given.
pub async fn first_that_answers(
    routes: &[Target],
    patience: Duration,
) -> Result<Target, Vec<(Target, NoAnswer)>> {
    let mut waiting: VecDeque<Target> = VecDeque::new();
    for route in routes {
        if waiting.len() < MAX_ROUTES && !waiting.contains(route) {
            waiting.push_back(route.clone());
        }
    }
    let mut failed = Vec::new();
    // Whatever still runs when this ends is stopped by that.
    let mut racing = JoinSet::new();
    for number in 0.. {
        if let Some(target) = waiting.pop_front() {
            racing.spawn(async move {
                let found = look(&target, patience, Depth::Relay).await;
                (number, target, found)
            });
        }
        // A route that has failed makes place for the next one at once.
        let ended = match waiting.is_empty() {
            true => racing.join_next().await,
            false => timeout(HEAD_START, racing.join_next())
                .await
                .unwrap_or_default(),
        };
        match ended {
            Some(Ok((_, target, Ok(found)))) => {
                tracing::info!(%target, round_trip = ?found.round_trip, "the first that answers");
                return Ok(target);
            }
            Some(Ok((number, target, Err(why)))) => {
                tracing::debug!("{why}");
                failed.push((number, target, why));
            }
            Some(Err(error)) => tracing::error!("a route was not tried to its end: {error}"),
            None if waiting.is_empty() && racing.is_empty() => break,
            None => {}
        }
    }
    failed.sort_by_key(|(number, ..)| *number);
    let failed = failed.into_iter().map(|(_, target, why)| (target, why));
    Err(failed.collect())
}

async fn look(target: &Target, patience: Duration, depth: Depth) -> Result<Answered, NoAnswer> {
    let until = Instant::now() + patience;
    let Connected {
        mut stream,
        address,
    } = timeout_at(until, connect(target, patience))
        .await
        .map_err(|_| Why::TimedOut(target.clone(), patience))?
        .map_err(|error| Why::from_connect(error, target))?;
    let found = ask(&mut stream, address, target, until, depth).await;
    close(stream).await;
    found
}

/// What has come in answer to the greeting.
#[derive(Debug, Default)]
struct Answer {
    round_trip: Option<Duration>,
    me: Option<String>,
    clients: Option<Vec<String>>,
    rooms: Option<usize>,
    said: Option<String>,
}

impl Answer {
    fn take_in(&mut self, message: RelayMessage, after: Duration) {
        self.round_trip.get_or_insert(after);
        match message {
            RelayMessage::ClientId(me) => {
                // What came before it may be news that nobody had asked for.
                self.round_trip = Some(after);
                self.me = Some(me);
            }
            RelayMessage::ListClients(clients) => {
                self.clients = Some(clients.keys().cloned().collect());
            }
            RelayMessage::ListRooms(rooms) => self.rooms = Some(rooms.len()),
            RelayMessage::SendError(words) => self.said = Some(words),
            _ => {}
        }
    }

    fn is_enough(&self, depth: Depth) -> bool {
        let listed = self.clients.is_some() && self.rooms.is_some();
        depth == Depth::Relay && self.round_trip.is_some() || listed
    }

    fn found(self, address: SocketAddr, round_trip: Duration) -> Answered {
        let Self { me, clients, .. } = self;
        let others = |clients: Vec<String>| {
            let others = clients.iter().filter(|id| Some(*id) != me.as_ref());
            others.count()
        };
        Answered {
            address,
            round_trip,
            rooms: self.rooms,
            people: clients.map(others),
            said: self.said,
        }
    }
}

/// Greets, and takes in the answers until they are `enough` or nothing more is to come.
async fn ask(
    stream: &mut TcpStream,
    address: SocketAddr,
    target: &Target,
    until: Instant,
    depth: Depth,
) -> Result<Answered, NoAnswer> {
    let (reader, mut writer) = stream.split();
    let left = until.saturating_duration_since(Instant::now());
    let patience = Patience {
        first: left,
        stall: left,
    };
    let mut reader = FrameReader::new(reader, LIMITS, patience);
    let questions: &[_] = match depth {
        Depth::Relay => &[ClientMessage::ClientId],
        Depth::Lists => &[
            ClientMessage::ClientId,
            ClientMessage::ListClients,
            ClientMessage::ListRooms,
        ],
    };
    let frames = questions.iter().map(|message| message.encode().into_wire());
    let asked = Instant::now();
    // Where this breaks, what the other end has said before that tells more.
    let written = write_frames(&mut writer, &mut frames.collect(), left).await;
    let mut answer = Answer::default();
    let mut until = until;
    let why = loop {
        if answer.is_enough(depth) {
            break None;
        }
        let message = match timeout_at(until, reader.next()).await {
            Err(_) => break Some(Why::Silent(target.clone())),
            Ok(Ok(None)) => break Some(Why::ClosedEarly(target.clone())),
            Ok(Ok(Some(frame))) => RelayMessage::decode(&frame),
            Ok(Err(error)) => break Some(no_answer(error, target)),
        };
        match message {
            Ok(message) => {
                answer.take_in(message, asked.elapsed());
                if answer.said.is_some() && answer.me.is_none() {
                    until = until.min(Instant::now() + WORDS_PATIENCE);
                }
            }
            Err(error) => break Some(Why::from_wire(&error, target)),
        }
    };
    match (answer.round_trip, why, written) {
        // Only a relay says what has come, whatever came then.
        (Some(round_trip), ..) => Ok(answer.found(address, round_trip)),
        (None, Some(Why::ClosedEarly(_)), Err(error)) => {
            Err(Why::from_write(&error, target, false))
        }
        (None, why, _) => Err(why.unwrap_or_else(|| Why::Silent(target.clone()))),
    }
}

/// What stops in the middle of its first frame is as good as silent.
fn no_answer(error: ReadError, target: &Target) -> NoAnswer {
    match error {
        ReadError::Stalled(_) => Why::Silent(target.clone()),
        error => Why::from_read(error, target, false),
    }
}

/// Closes as one who has said all: a relay that is cut off in the middle of an answer would have to guess.
async fn close(mut stream: TcpStream) {
    let closing = async {
        stream.shutdown().await?;
        let mut sink = [0; 4096];
        while stream.read(&mut sink).await? > 0 {}
        std::io::Result::Ok(())
    };
    if !matches!(timeout(CLOSE_PATIENCE, closing).await, Ok(Ok(()))) {
        tracing::debug!("the other end did not close in time");
    }
}
