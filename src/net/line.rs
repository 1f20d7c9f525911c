//! A connection, held by several.

use std::io::{self, IoSlice};
use std::mem;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::pulse::Pulse;

/// A connection. One holder waits until something comes or it takes something; others may write what it takes
/// at once ([`try_write`](Self::try_write)), as long as all agree on whose turn it is.
#[derive(Clone, Debug)]
pub struct Line(Arc<Halves>);

/// Locked for no longer than a system call that does not wait.
#[derive(Debug)]
struct Halves {
    reading: Mutex<OwnedReadHalf>,
    writing: RwLock<OwnedWriteHalf>,
    carried: AtomicU64,
}

impl Line {
    /// Takes a connection.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let (reading, writing) = stream.into_split();
        Self(Arc::new(Halves {
            reading: Mutex::new(reading),
            writing: RwLock::new(writing),
            carried: AtomicU64::new(0),
        }))
    }

    /// How many bytes came and went.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.0.carried.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.0.carried.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Writes what the connection takes at once, and says how much that was.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now, others when it is broken.
    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.0.writing.read().try_write_vectored(slices)?;
        self.count(written);
        Ok(written)
    }

    /// From now on the runtime that this is called in hears first when something comes, or can go. Who waits
    /// already has to ask again.
    ///
    /// # Errors
    /// When the system has no handle left for it, or the connection is gone. All is then as it was.
    pub fn move_here(&self) -> io::Result<()> {
        let same = SockRef::from((*self.0.writing.read()).as_ref()).try_clone()?;
        same.set_nonblocking(true)?;
        let (reading, writing) = TcpStream::from_std(same.into())?.into_split();
        *self.0.reading.lock() = reading;
        // What is dropped as usual ends the connection's one direction.
        mem::replace(&mut *self.0.writing.write(), writing).forget();
        Ok(())
    }

    fn poll(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let half = self.0.writing.read();
        let stream: &TcpStream = (*half).as_ref();
        loop {
            ready!(stream.poll_write_ready(context))?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.count(*written.as_ref().unwrap_or(&0));
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut *self.0.reading.lock()).poll_read(context, into))?;
        self.count(into.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(context, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let half = self.0.writing.read();
        Poll::Ready(SockRef::from((*half).as_ref()).shutdown(Shutdown::Write))
    }
}

impl Pulse for Line {
    fn is_dead(&self, patience: Duration) -> bool {
        self.0.writing.read().is_dead(patience)
    }

    fn is_on_its_way(&self) -> bool {
        self.0.writing.read().is_on_its_way()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::pair;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_does_not_fit_at_once_can_be_waited_for() {
        let (mut theirs, ours) = pair().await;
        let mut line = Line::new(ours);
        line.write_all(b"a").await.unwrap();
        let bytes = vec![7; 1 << 16];
        let mut written = 1;
        let full = loop {
            match line.try_write(&[IoSlice::new(&bytes)]) {
                Ok(count) => written += count,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            got.len()
        });
        line.write_all(&bytes).await.unwrap();
        line.shutdown().await.unwrap();
        assert_eq!(reading.await.unwrap(), written + bytes.len());
    }
}
