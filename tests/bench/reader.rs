//! Who is in a room and reads. All readers of a load share one thread and one buffer: reading must cost
//! little, as relay and load share the machine.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::clock;
use crate::server::Side;
use crate::wire::{CLIENT_ID, Scanner, frame, join};

/// What is read at once.
const READ_BYTES: usize = 256 << 10;

thread_local! {
    /// Used only while a reader is polled, so one is enough for all of them.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Where readers live: one thread's runtime.
pub(crate) fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the readers have no runtime: {error}"))
}

/// A member that reads all it is sent, and looks at headers only.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: TcpStream,
    pub(crate) scanner: Scanner,
    /// From sending to here, in nanoseconds, of every command that said when it was sent.
    pub(crate) latencies: Vec<u64>,
}

impl Reader {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, String> {
        let failed = |error| format!("a reader cannot connect: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self {
            stream,
            scanner: Scanner::default(),
            latencies: Vec::new(),
        })
    }

    /// Is known to the relay, and knows it.
    pub(crate) async fn hello(&mut self) -> Result<(), String> {
        self.write(&frame(CLIENT_ID, b"")).await?;
        self.until(|reader| reader.scanner.client_ids > 0).await?;
        Ok(())
    }

    /// Enters a room and has all of it. At the bare fan-out: is counted in. Returns when that was.
    pub(crate) async fn enter(&mut self, side: &Side, room: &str) -> Result<Instant, String> {
        if *side != Side::Bare {
            self.write(&join(room)).await?;
        }
        self.until(|reader| reader.scanner.joined > 0).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| format!("a reader cannot ask: {error}"))
    }

    /// Reads until something holds. Returns when it did. Nothing is lost if this is dropped before.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<Instant, String> {
        loop {
            if let Some(words) = self.scanner.error.take() {
                return Err(format!("the relay refused: {words}"));
            }
            if holds(self) {
                return Ok(Instant::now());
            }
            self.read().await?;
        }
    }

    /// That the relay has not closed the connection of somebody for whom something waits.
    pub(crate) async fn is_connected(&self) -> Result<(), String> {
        let ready = self.stream.ready(Interest::READABLE).await;
        match ready.map_err(|error| format!("a reader lost its connection: {error}"))? {
            ready if ready.is_read_closed() => {
                Err("the relay closed the connection of who does not read".to_owned())
            }
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> Result<(), String> {
        let Self {
            stream,
            scanner,
            latencies,
        } = self;
        let read = poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                scanner.feed(buffer.filled());
                Poll::Ready(Ok(buffer.filled().len()))
            })
        });
        let read: Result<usize, std::io::Error> = read.await;
        let now = clock::now();
        let sent = scanner.stamps.drain(..);
        latencies.extend(sent.map(|sent| now.saturating_sub(sent)));
        match read {
            Ok(0) => Err("the relay closed the connection of a reader".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("a reader lost its connection: {error}")),
        }
    }
}

/// Lets so many readers into a room.
pub(crate) async fn enter(
    count: usize,
    side: &Side,
    address: SocketAddr,
    room: &str,
) -> Result<Vec<Reader>, String> {
    let mut readers = Vec::new();
    for _ in 0..count {
        let mut reader = Reader::connect(address).await?;
        reader.enter(side, room).await?;
        readers.push(reader);
    }
    Ok(readers)
}

/// What all of these tasks come to.
pub(crate) async fn all<T>(tasks: Vec<JoinHandle<Result<T, String>>>) -> Result<Vec<T>, String> {
    let mut results = Vec::new();
    for task in tasks {
        let result = task
            .await
            .map_err(|error| format!("a task of the load: {error}"))?;
        results.push(result?);
    }
    Ok(results)
}
