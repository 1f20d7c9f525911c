//! A quiet room beside somebody who means no good, or is broken.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::beside::{Cue, Quiet};
use super::{Round, Row};
use crate::ground::Ground;
use crate::sender::Sender;
use crate::server::Side;
use crate::table::{Asked, Line};
use crate::wire::{KEPT, LIST_ROOMS, frame};

/// Another kind than the bench's own that is passed on and never kept.
const LIVE: u16 = 205;
/// What is written at once, in frames.
const AT_ONCE: usize = 4096;
/// Between two connections of a web browser.
const HTTP_EVERY: Duration = Duration::from_millis(5);
/// After so long whoever waits for the relay looks whether it is enough.
const WAIT: Duration = Duration::from_millis(50);

/// Who is beside the quiet room.
#[derive(Clone, Copy, Debug)]
enum Guest {
    /// Asks for all rooms, as fast as it can, and never reads. Comes again when it is closed.
    Asks,
    /// Takes the relay for a web server, 200 times a second.
    Browses,
    /// Fills a room of its own with commands that are a header and nothing else.
    Fills,
}

const GUESTS: [Guest; 3] = [Guest::Asks, Guest::Browses, Guest::Fills];

impl Guest {
    fn name(self) -> &'static str {
        match self {
            Self::Asks => "one who asks and never reads",
            Self::Browses => "200 connections a second that speak HTTP",
            Self::Fills => "one who sends kinds 140 and 205 in turn, 14 B each",
        }
    }

    fn does(self) -> &'static str {
        match self {
            Self::Asks => "questions",
            Self::Browses => "connections",
            Self::Fills => "commands",
        }
    }
}

pub(crate) struct Rough;

impl Row for Rough {
    fn name(&self) -> &'static str {
        "rough"
    }

    fn lines(&self, _quick: bool) -> Vec<Line> {
        let what = "a quiet room";
        let alone = format!("{what} by itself: latency p99");
        let mut lines = vec![Line::new(alone, "ms", Asked::Nothing)];
        for guest in GUESTS {
            let beside = format!("beside {}", guest.name());
            let of_alone = format!("{what}: {beside} ÷ by itself");
            lines.extend([
                Line::new(format!("{what} {beside}: p99"), "ms", Asked::Nothing),
                Line::new(of_alone, "×", Asked::Most(1.2)),
                Line::new(
                    format!("{what} {beside}: {}", guest.does()),
                    "per second",
                    Asked::Nothing,
                ),
            ]);
        }
        lines
    }

    fn has_bare(&self) -> bool {
        false
    }

    fn rounds(&self, quick: bool) -> usize {
        if quick { 1 } else { 5 }
    }

    fn prepare<'a>(&'a self, ground: &'a Ground) -> Result<Box<dyn Round + 'a>, String> {
        let server = ground.server()?;
        let address = server.address();
        let mut quiet = Quiet::open(ground, address)?;
        Ok(Box::new(move || {
            let mut beside = Vec::new();
            for guest in GUESTS {
                let side = ground.side.clone();
                let act = move |cue| go_on(act(guest, &side, address)?, &cue);
                beside.push(quiet.p99_beside(&server, "rough company", act)?);
            }
            let alone = quiet.p99()?;
            let beside = beside
                .into_iter()
                .flat_map(|(p99, rate)| [p99, p99 / alone, rate]);
            Ok([alone].into_iter().chain(beside).collect())
        }))
    }
}

/// Until it is enough: how much they did a second.
fn go_on(mut act: Act, cue: &Cue) -> Result<f64, String> {
    let mut done = act()?;
    cue.begins();
    let start = Instant::now();
    while !cue.is_enough() {
        done += act()?;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

type Act = Box<dyn FnMut() -> Result<u64, String>>;

/// What they do over and over. Gives how much of it was done.
fn act(guest: Guest, side: &Side, address: SocketAddr) -> Result<Act, String> {
    Ok(match guest {
        Guest::Asks => ask(address),
        Guest::Browses => browse(address),
        Guest::Fills => fill(Sender::make(side, address, "Filled")?),
    })
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(address).and_then(|stream| {
        stream.set_write_timeout(Some(WAIT))?;
        stream.set_read_timeout(Some(WAIT))?;
        Ok(stream)
    });
    connected.map_err(|error| format!("the rough company cannot connect: {error}"))
}

fn is_later(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn ask(address: SocketAddr) -> Act {
    let question = frame(LIST_ROOMS, b"");
    let bytes = question.len();
    let questions = question.repeat(AT_ONCE);
    // How far the last write came: the next one goes on there.
    let mut open: Option<(TcpStream, usize)> = None;
    Box::new(move || {
        let (mut stream, at) = match open.take() {
            Some(open) => open,
            None => (connect(address)?, 0),
        };
        let written = match stream.write(&questions[at..]) {
            Ok(written) => written,
            Err(error) if is_later(error.kind()) => 0,
            // It was closed.
            Err(_) => return Ok(0),
        };
        let end = at + written;
        open = Some((stream, end % questions.len()));
        Ok((end / bytes - at / bytes) as u64)
    })
}

fn browse(address: SocketAddr) -> Act {
    let mut next = Instant::now();
    Box::new(move || {
        sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now().max(next + HTTP_EVERY);
        let mut stream = connect(address)?;
        // It may be closed by then.
        let _asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        // Until it is closed, or has taken its time.
        let mut answer = [0; 1000];
        while let Ok(1..) = stream.read(&mut answer) {}
        Ok(1)
    })
}

fn fill(mut sender: Sender) -> Act {
    let both = [frame(KEPT, b""), frame(LIVE, b"")].concat();
    let commands = both.repeat(AT_ONCE / 2);
    Box::new(move || {
        sender.write(&commands)?;
        Ok(AT_ONCE as u64)
    })
}
