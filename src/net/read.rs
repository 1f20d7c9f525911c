//! Reading frames off a byte stream.

use std::io;
use std::time::Duration;

use bytes::BufMut;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::TURN_BYTES;
use crate::protocol::{Decoder, Frame, FrameError, FrameLimits, Run};

/// How long to wait for the other end to say something.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the start to the first whole frame.
    pub first: Duration,
    /// From one byte to the next in the middle of a frame.
    pub stall: Duration,
}

/// Why nothing more can be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The connection broke.
    #[error("the connection broke: {}", io_words(.0))]
    Io(#[from] io::Error),
    /// What came cannot be a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other end closed in the middle of a frame.
    #[error("it closed the connection in the middle of a message")]
    Truncated,
    /// The other end stopped in the middle of a frame.
    #[error("it stopped in the middle of a message for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// The other end never sent a whole frame.
    #[error("it finished no message within {} s of connecting", .0.as_secs_f32())]
    Silent(Duration),
}

/// What the system says of a connection, in words: without its number where it has words for it.
#[must_use]
pub fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "the other end reset it".to_owned(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            "the other end is gone".to_owned()
        }
        io::ErrorKind::TimedOut => "the other end does not answer any more".to_owned(),
        io::ErrorKind::NetworkUnreachable => "the network is not reachable".to_owned(),
        io::ErrorKind::HostUnreachable => "the computer is not reachable".to_owned(),
        io::ErrorKind::NetworkDown => "the network is down".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this computer has no address for it".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads frames off a byte stream.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    decoder: Decoder,
    patience: Patience,
    /// Until when the first frame has to be whole; `None` once it was.
    first_until: Option<tokio::time::Instant>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Starts at the beginning of a stream.
    #[must_use]
    pub fn new(io: R, limits: FrameLimits, patience: Patience) -> Self {
        let first_until = Some(tokio::time::Instant::now() + patience.first);
        Self {
            io,
            decoder: Decoder::new(limits),
            patience,
            first_until,
        }
    }

    /// Bytes of memory held for what has not been given out yet.
    pub fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    /// The next frame that has already arrived; `None` when [`fill`](Self::fill) is due.
    ///
    /// # Errors
    /// When what came cannot be a frame.
    pub fn arrived(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = self.decoder.next_frame()?;
        if frame.is_some() {
            self.first_until = None;
        }
        Ok(frame)
    }

    /// The room commands that have arrived whole and stand next, if any. What follows them is for
    /// [`arrived`](Self::arrived).
    pub fn arrived_commands(&mut self) -> Option<Run> {
        let commands = self.decoder.next_commands()?;
        self.first_until = None;
        Some(commands)
    }

    /// Waits for more bytes, and says how many came, [`TURN_BYTES`] at most: 0 when the other end has closed between
    /// two frames. Call it only when [`arrived`](Self::arrived) gave `None`. Cancel safe.
    ///
    /// # Errors
    /// When the connection breaks, closes in the middle of a frame, or the patience ends.
    pub async fn fill(&mut self) -> Result<usize, ReadError> {
        let between = self.decoder.is_between_frames();
        let mut spare = self.decoder.spare().limit(TURN_BYTES);
        let read = self.io.read_buf(&mut spare);
        let count = if let Some(until) = self.first_until {
            tokio::time::timeout_at(until, read)
                .await
                .map_err(|_| ReadError::Silent(self.patience.first))??
        } else if between {
            read.await?
        } else {
            timeout(self.patience.stall, read)
                .await
                .map_err(|_| ReadError::Stalled(self.patience.stall))??
        };
        match count {
            0 if !between => Err(self
                .decoder
                .foreign()
                .map_or(ReadError::Truncated, |foreign| {
                    FrameError::NotMixer(foreign).into()
                })),
            _ => Ok(count),
        }
    }

    /// The next frame; `None` when the other end has closed between two frames. Cancel safe.
    ///
    /// # Errors
    /// As [`arrived`](Self::arrived) and [`fill`](Self::fill).
    pub async fn next(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.arrived()? {
                return Ok(Some(frame));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Foreign, Kind};
    use tokio::io::AsyncWriteExt;

    const PATIENCE: Patience = Patience {
        first: Duration::from_secs(10),
        stall: Duration::from_secs(20),
    };

    fn pair() -> (
        tokio::io::DuplexStream,
        FrameReader<tokio::io::DuplexStream>,
    ) {
        let (ours, theirs) = tokio::io::duplex(1024);
        (
            ours,
            FrameReader::new(theirs, FrameLimits::DEFAULT, PATIENCE),
        )
    }

    #[tokio::test]
    async fn of_a_large_frame_as_well_only_so_much_is_read_at_once() {
        let frame = Frame::new(Kind(140), &vec![7; 12 * TURN_BYTES]);
        let wire = frame.wire().clone();
        let mut reader = FrameReader::new(&wire[..], FrameLimits::DEFAULT, PATIENCE);
        let mut reads = Vec::new();
        while reader.arrived().unwrap().is_none() {
            reads.push(reader.fill().await.unwrap());
        }
        assert_eq!(reads.iter().sum::<usize>(), wire.len());
        assert_eq!(reads.iter().max(), Some(&TURN_BYTES));
        assert_eq!(reader.fill().await.unwrap(), 0, "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_only_before_the_first_frame() {
        let (mut ours, mut reader) = pair();
        ours.write_all(&Frame::new(Kind::CLIENT_ID, b"").wire()[..10])
            .await
            .unwrap();
        assert!(matches!(reader.next().await, Err(ReadError::Silent(_))));

        let (mut ours, mut reader) = pair();
        ours.write_all(Frame::new(Kind::CLIENT_ID, b"").wire())
            .await
            .unwrap();
        assert!(reader.next().await.unwrap().is_some());
        assert!(
            timeout(Duration::from_secs(100_000), reader.next())
                .await
                .is_err(),
            "idle may last"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_in_the_middle_ends_and_a_close_is_told_apart() {
        let (mut ours, mut reader) = pair();
        let frame = Frame::new(Kind(140), b"abc");
        ours.write_all(frame.wire()).await.unwrap();
        assert_eq!(reader.next().await.unwrap().as_ref(), Some(&frame));
        ours.write_all(&frame.wire()[..15]).await.unwrap();
        assert!(matches!(reader.next().await, Err(ReadError::Stalled(_))));
        drop(ours);
        assert!(matches!(reader.next().await, Err(ReadError::Truncated)));

        let (mut ours, mut reader) = pair();
        ours.write_all(frame.wire()).await.unwrap();
        drop(ours);
        assert!(reader.next().await.unwrap().is_some());
        assert!(reader.next().await.unwrap().is_none());

        let (mut ours, mut reader) = pair();
        ours.write_all(b"\x15\x03\x01\0\x02\x02\x28").await.unwrap();
        drop(ours);
        let alert = reader.next().await;
        assert!(matches!(
            alert,
            Err(ReadError::Frame(FrameError::NotMixer(Foreign::Tls)))
        ));
    }
}
