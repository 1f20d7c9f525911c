//! Writing frames to a byte stream.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use thiserror::Error;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::TURN_BYTES;
use super::pulse::Pulse;
use super::read::io_words;

/// How many frames one system call writes at most.
pub const MAX_SLICES: usize = 256;

/// How often somebody who takes or confirms nothing is felt for.
pub const FEEL_EVERY: Duration = Duration::from_secs(5);
/// Somebody who answers nothing for so long is dead: together with the last feeling within 30 s.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);

/// Why nothing more can be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The connection broke.
    #[error("the connection broke: {}", io_words(.0))]
    Io(#[from] io::Error),
    /// The other end answers nothing at all.
    #[error("it does not answer any more")]
    Dead,
    /// The other end took nothing for too long.
    #[error("it took nothing off the line for {} s", .0.as_secs_f32())]
    Stalled(Duration),
}

/// Writes all of `frames`, in order, and leaves it empty. Waits at most `patience` for the other end
/// to take *anything*; a slow end that takes a little now and then is waited for as long as it needs, one
/// that does not even answer is not.
/// Returns the bytes written.
///
/// # Errors
/// When the connection breaks or the patience ends. Part of the frames may have been written.
pub async fn write_frames<W: AsyncWrite + Pulse + Unpin>(
    io: &mut W,
    frames: &mut VecDeque<Bytes>,
    patience: Duration,
) -> Result<u64, WriteError> {
    let mut total = 0;
    loop {
        let slices = turn(frames);
        if slices.is_empty() {
            return Ok(total);
        }
        let mut waited = Duration::ZERO;
        let written = loop {
            let wait = FEEL_EVERY.min(patience - waited);
            if let Ok(written) = timeout(wait, io.write_vectored(&slices)).await {
                break written?;
            }
            waited += wait;
            if waited >= patience {
                return Err(WriteError::Stalled(patience));
            }
            if io.is_dead(DEAD_AFTER) {
                return Err(WriteError::Dead);
            }
        };
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        total += written as u64;
        advance(frames, written);
        if written >= TURN_BYTES {
            yield_now().await;
        }
    }
}

/// Waits for something else, a disk say, as long as the other end answers.
///
/// # Errors
/// When it does not answer any more.
pub async fn while_alive<T>(
    io: &impl Pulse,
    work: impl Future<Output = T>,
) -> Result<T, WriteError> {
    let mut work = pin!(work);
    loop {
        if let Ok(done) = timeout(FEEL_EVERY, &mut work).await {
            return Ok(done);
        }
        if io.is_dead(DEAD_AFTER) {
            return Err(WriteError::Dead);
        }
    }
}

/// What is written next, in one system call.
fn turn(frames: &VecDeque<Bytes>) -> Vec<IoSlice<'_>> {
    let mut left = TURN_BYTES;
    let slices = frames.iter().take(MAX_SLICES).map_while(|bytes| {
        let now = bytes.get(..bytes.len().min(left))?;
        left -= now.len();
        (!now.is_empty() || bytes.is_empty()).then(|| IoSlice::new(now))
    });
    slices.collect()
}

/// Takes what is written off the front of `frames`.
pub fn advance(frames: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(front) = frames.front_mut() {
        if front.len() > written {
            front.advance(written);
            return;
        }
        written -= front.len();
        frames.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn all_is_written_in_order() {
        let (mut ours, mut theirs) = tokio::io::duplex(7);
        let frames: Vec<Bytes> = (0..600u32).map(|n| Bytes::from(n.to_string())).collect();
        let expected = frames.concat();
        let writing = tokio::spawn(async move {
            write_frames(&mut ours, &mut frames.into(), Duration::from_secs(60))
                .await
                .unwrap()
        });
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, expected);
        assert_eq!(writing.await.unwrap(), expected.len() as u64);
    }

    /// The other end of it is dead, or not.
    struct Felt(bool);

    impl Pulse for Felt {
        fn is_dead(&self, _patience: Duration) -> bool {
            self.0
        }

        fn is_on_its_way(&self) -> bool {
            false
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_is_noticed_while_something_else_is_waited_for() {
        let disk = || tokio::time::sleep(10 * FEEL_EVERY);
        assert!(while_alive(&Felt(false), disk()).await.is_ok());
        let gone = timeout(2 * FEEL_EVERY, while_alive(&Felt(true), disk())).await;
        assert!(matches!(gone, Ok(Err(WriteError::Dead))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_takes_nothing_is_an_error() {
        let (mut ours, _theirs) = tokio::io::duplex(4);
        let mut frames = VecDeque::from([Bytes::from_static(b"12345678")]);
        let error = write_frames(&mut ours, &mut frames, Duration::from_secs(60))
            .await
            .unwrap_err();
        assert!(matches!(error, WriteError::Stalled(_)));
    }
}
