//! The writing half of a connection, held by several.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::pulse::Pulse;

/// The writing half of a connection. One holder waits until it takes something; others may write what
/// it takes at once ([`try_write`](Self::try_write)), as long as all agree on whose turn it is.
#[derive(Clone, Debug)]
pub struct Line(Arc<OwnedWriteHalf>);

impl Line {
    /// Takes the writing half.
    #[must_use]
    pub fn new(half: OwnedWriteHalf) -> Self {
        Self(Arc::new(half))
    }

    /// Writes what the connection takes at once, and says how much that was.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now, others when it is broken.
    pub fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream().try_write_vectored(slices)
    }

    fn stream(&self) -> &TcpStream {
        (*self.0).as_ref()
    }

    fn poll(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream().poll_write_ready(context))?;
            match write(self.stream()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
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
        Poll::Ready(SockRef::from(self.stream()).shutdown(Shutdown::Write))
    }
}

impl Pulse for Line {
    fn is_dead(&self, patience: Duration) -> bool {
        self.0.is_dead(patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_does_not_fit_at_once_can_be_waited_for() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut theirs, (_reader, writer)) = (theirs.unwrap(), ours.unwrap().0.into_split());
        let mut line = Line::new(writer);
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
