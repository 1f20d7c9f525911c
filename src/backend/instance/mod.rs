//! Invites that this user opens while a window runs: a second start hands its invite to that window, and ends.
//!
//! The window has a local socket (`unix.rs`) or named pipe (`windows.rs`) that only its user can talk to. Said over
//! it is, to the window: a length (u32, little-endian) and so many bytes of text; back: one byte, [`TAKEN`].
//!
//! Of several windows of one user the first has the door; when it ends, another takes it over. A door that a
//! killed window has left behind is no obstacle: the lock beside it, or the pipe itself, ends with its process.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::Folders;
#[cfg(unix)]
use unix::{Door, knock};
#[cfg(windows)]
use windows::{Door, knock};

/// What an invite begins with, in any case of letters.
const SCHEME: &str = "mixdesk:";
/// Longest text that is taken, in bytes.
const MAX_BYTES: u32 = 16 << 10;
/// Invites that may wait for the window.
const WAITING: usize = 8;
/// What the window says when it has taken an invite.
const TAKEN: u8 = 1;
/// How long the window waits for one who hands something over: both are on this computer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long whoever hands over waits for the window: one that stalls may be before it.
const GIVE_PATIENCE: Duration = Duration::from_secs(3);
/// How often a window without the door looks whether that is free.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The running window, as far as other starts of this program are concerned.
#[derive(Debug)]
pub struct Instance;

impl Instance {
    /// Takes the invites that other starts hand over, as long as the receiver is there. Each is a text that begins
    /// with `mixdesk:`, and may make no sense beyond that. Must run within a tokio runtime.
    #[must_use]
    pub fn listen(folders: &Folders) -> mpsc::Receiver<String> {
        let (invites_in, invites) = mpsc::channel(WAITING);
        let folders = folders.clone();
        let task = async move {
            tokio::select! {
                () = listen(folders, &invites_in) => {}
                () = invites_in.closed() => {}
            }
        };
        tokio::spawn(task.instrument(tracing::info_span!("invites")));
        invites
    }

    /// Hands an invite to the running window of this user; `false` when there is none, or it does not take it. Waits
    /// three seconds at most. Must not run within a tokio runtime.
    #[must_use]
    pub fn hand_over(folders: &Folders, invite: &str) -> bool {
        let handed = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| {
                runtime.block_on(async {
                    timeout(GIVE_PATIENCE, async {
                        give(&mut knock(folders).await?, invite).await
                    })
                    .await?
                })
            });
        if let Err(error) = &handed {
            tracing::debug!("no running window takes the invite: {error}");
        }
        handed.is_ok()
    }
}

async fn listen(folders: Folders, invites: &mpsc::Sender<String>) {
    let mut failed = false;
    loop {
        let opening = folders.clone();
        let opened = tokio::task::spawn_blocking(move || Door::open(&opening)).await;
        match opened.map_err(io::Error::other).flatten() {
            Ok(Some(door)) => {
                failed = false;
                attend(door, invites).await;
            }
            Err(error) if !failed => {
                failed = true;
                tracing::warn!("invites that are opened elsewhere do not come here: {error}");
            }
            Ok(None) | Err(_) => {}
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Answers one knock after the other, until the door breaks.
async fn attend(mut door: Door, invites: &mpsc::Sender<String>) {
    loop {
        let mut visitor = match door.answer().await {
            Ok(visitor) => visitor,
            Err(error) => {
                tracing::warn!("the door for invites broke: {error}");
                return;
            }
        };
        match timeout(PATIENCE, take(&mut visitor, invites)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!("what another program handed over was not taken: {error}");
            }
            Err(_) => tracing::warn!("another program began to hand something over, and stopped"),
        }
    }
}

/// Takes one invite.
///
/// # Errors
/// When what comes is none, nobody looks at it, or the other end is gone.
async fn take<S: AsyncRead + AsyncWrite + Unpin>(
    visitor: &mut S,
    invites: &mpsc::Sender<String>,
) -> io::Result<()> {
    let length = visitor.read_u32_le().await?;
    if length > MAX_BYTES {
        return Err(io::Error::other(format!("it has {length} bytes")));
    }
    let mut bytes = Vec::new();
    let read = visitor.take(length.into()).read_to_end(&mut bytes).await?;
    if u32::try_from(read) != Ok(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    if !is_invite(&text) {
        return Err(io::Error::other("it is no invite"));
    }
    invites
        .try_send(text)
        .map_err(|_| io::Error::other("too many wait already"))?;
    visitor.write_all(&[TAKEN]).await?;
    visitor.flush().await?;
    // On Windows, closing first would take back what the other end has not read yet.
    let _closed = visitor.read_u8().await;
    Ok(())
}

/// Hands over one invite.
///
/// # Errors
/// When it is not taken.
async fn give<S: AsyncRead + AsyncWrite + Unpin>(window: &mut S, invite: &str) -> io::Result<()> {
    let length = u32::try_from(invite.len()).map_err(io::Error::other)?;
    window.write_u32_le(length).await?;
    window.write_all(invite.as_bytes()).await?;
    window.flush().await?;
    match window.read_u8().await? {
        TAKEN => Ok(()),
        other => Err(io::Error::other(format!("it answered {other}"))),
    }
}

fn is_invite(text: &str) -> bool {
    let start = text.as_bytes().get(..SCHEME.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "mixdesk://join?lan=192.168.0.48&v=1";

    /// What the window got of what a visitor says.
    async fn got(said: &[u8]) -> (io::Result<()>, Option<String>) {
        let (mut ours, mut theirs) = tokio::io::duplex(64 << 10);
        let (invites_in, mut invites) = mpsc::channel(1);
        ours.write_all(said).await.unwrap();
        ours.shutdown().await.unwrap();
        let taken = take(&mut theirs, &invites_in).await;
        (taken, invites.try_recv().ok())
    }

    fn message(text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        [&length.to_le_bytes(), text].concat()
    }

    #[tokio::test]
    async fn only_an_invite_is_taken() {
        let (taken, invite) = got(&message(INVITE.as_bytes())).await;
        assert!(taken.is_ok());
        assert_eq!(invite.as_deref(), Some(INVITE));
        for wrong in [
            b"".to_vec(),
            b"\x05\0".to_vec(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            message(b""),
            message(b"http://192.168.0.48"),
            message(b"mixdesk:\xff"),
            message(INVITE.as_bytes())[..20].to_vec(),
            message(&[b'm'; MAX_BYTES as usize + 1]),
            [0xff; 100].to_vec(),
        ] {
            let (taken, invite) = got(&wrong).await;
            assert!(taken.is_err() && invite.is_none(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn what_nobody_looks_at_is_not_taken() {
        let (invites_in, _invites) = mpsc::channel(1);
        for (number, taken) in [(1, true), (2, false)] {
            let (mut ours, mut theirs) = tokio::io::duplex(1024);
            let taking = async { take(&mut theirs, &invites_in).await.is_ok() };
            let giving = async {
                ours.write_all(&message(INVITE.as_bytes())).await.unwrap();
                ours.shutdown().await.unwrap();
            };
            assert_eq!(tokio::join!(taking, giving).0, taken, "{number}");
        }
    }
}
