//! Who makes a room and sends into it: a blocking socket of its own, so that it costs no more than
//! writing costs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::clock;
use crate::server::Side;
use crate::wire::{CLIENT_ID, CONTENT, KEPT, Scanner, frame, join, sized, stamped};

/// What is written at once: enough that the calls cost nothing.
const WRITE_BYTES: usize = 256 << 10;

/// Of a room with a bit of everything: one large command, then many small ones. Together 1.1 MB.
const LARGE_BYTES: usize = 1_000_000;
const SMALL_BYTES: [usize; 4] = [100, 300, 1000, 3000];
const SMALL_ROUNDS: usize = 25;

/// The maker of a room, or whoever writes to the bare fan-out.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: TcpStream,
    /// Tells of each answer to CLIENT_ID.
    answers: mpsc::Receiver<()>,
}

impl Sender {
    /// Makes a room that others can join. At the bare fan-out: is the first there.
    pub(crate) fn make(side: &Side, address: SocketAddr, room: &str) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the sender got no room: {error}");
        let mut stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if *side != Side::Bare {
            stream.write_all(&join(room)).map_err(failed)?;
        }
        let mut scanner = Scanner::default();
        let mut buffer = vec![0; 64 << 10];
        while scanner.content == 0 {
            match stream.read(&mut buffer).map_err(failed)? {
                0 => return Err("the relay closed the connection of the sender".to_owned()),
                count => scanner.feed(&buffer[..count]),
            }
            if let Some(words) = scanner.error {
                return Err(format!("the relay did not let the sender in: {words}"));
            }
        }
        let reading = stream.try_clone().map_err(failed)?;
        let (told, answers) = mpsc::channel();
        // What a relay tells its senders has to be read, or it stops hearing them.
        thread::Builder::new()
            .name("sender's ear".to_owned())
            .spawn(move || listen(reading, scanner, buffer, &told))
            .map_err(failed)?;
        let mut sender = Self { stream, answers };
        if *side != Side::Bare {
            sender.write(&frame(CONTENT, b""))?;
            sender.barrier()?;
        }
        Ok(sender)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(bytes)
            .map_err(|error| format!("the sender cannot send: {error}"))
    }

    /// Waits until the relay has taken everything sent so far.
    pub(crate) fn barrier(&mut self) -> Result<(), String> {
        self.write(&frame(CLIENT_ID, b""))?;
        self.answers
            .recv()
            .map_err(|_closed| "the relay closed the connection of the sender".to_owned())
    }

    /// Sends at least so many bytes of commands of one size. Returns how many it were.
    pub(crate) fn send(&mut self, load: &Load, bytes: u64) -> Result<u64, String> {
        let rounds = load.rounds(bytes);
        for _ in 0..rounds {
            self.write(&load.block)?;
        }
        Ok(rounds * load.block.len() as u64)
    }

    /// Sends until somebody has had enough, or at most so many bytes of commands. Returns how much it
    /// was.
    pub(crate) fn send_flow(
        &mut self,
        flow: &Flow,
        bytes: u64,
        enough: impl Fn() -> bool,
    ) -> Result<u64, String> {
        let start = Instant::now();
        let (mut sent, mut blocks) = (0, 0);
        while sent < bytes && !enough() {
            self.write(&flow.load.block)?;
            sent += flow.load.block.len() as u64;
            blocks += 1;
            if flow.stamp_every.is_some_and(|every| blocks % every == 0) {
                self.write(&stamped(clock::now()))?;
            }
            if let Some(rate) = flow.bytes_per_second {
                sleep_until(start + Duration::from_secs_f64(sent as f64 / rate as f64));
            }
        }
        Ok(sent)
    }

    /// Sends commands that say when they were sent.
    pub(crate) fn send_stamped(&mut self, count: u64, per_second: u32) -> Result<(), String> {
        let start = Instant::now();
        for number in 0..count {
            sleep_until(start + Duration::from_secs_f64(number as f64 / f64::from(per_second)));
            self.write(&stamped(clock::now()))?;
        }
        Ok(())
    }
}

/// Until it is time for the next piece of a steady stream.
fn sleep_until(when: Instant) {
    thread::sleep(when.saturating_duration_since(Instant::now()));
}

impl Drop for Sender {
    fn drop(&mut self) {
        // The ear has a handle of its own.
        let _closed = self.stream.shutdown(Shutdown::Both);
    }
}

fn listen(
    mut stream: TcpStream,
    mut scanner: Scanner,
    mut buffer: Vec<u8>,
    told: &mpsc::Sender<()>,
) {
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        scanner.feed(&buffer[..count]);
        for _ in 0..std::mem::take(&mut scanner.client_ids) {
            // Nobody waits for it after the end of a measurement.
            let _heard = told.send(());
        }
    }
}

/// Commands to send over and over, as one block of whole frames.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    block: Vec<u8>,
}

impl Load {
    /// Commands of so many bytes on the wire.
    pub(crate) fn of(kind: u16, bytes: usize) -> Self {
        let block = sized(kind, bytes).repeat((WRITE_BYTES / bytes).max(1));
        Self { block }
    }

    /// One command.
    pub(crate) fn single(kind: u16, bytes: usize) -> Self {
        Self {
            block: sized(kind, bytes),
        }
    }

    /// What a room holds: large commands, and many small ones between.
    pub(crate) fn mixed() -> Self {
        let mut block = sized(KEPT, LARGE_BYTES);
        for _ in 0..SMALL_ROUNDS {
            for bytes in SMALL_BYTES {
                block.extend_from_slice(&sized(KEPT, bytes));
            }
        }
        Self { block }
    }

    fn rounds(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.block.len() as u64).max(1)
    }

    /// How many bytes go out when somebody asks for this many.
    pub(crate) fn rounded(&self, bytes: u64) -> u64 {
        self.rounds(bytes) * self.block.len() as u64
    }
}

/// A steady stream.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) load: Load,
    /// None is as fast as it goes.
    pub(crate) bytes_per_second: Option<u64>,
    /// A command with the time after so many blocks of the load.
    pub(crate) stamp_every: Option<u64>,
}
