//! The door of the running window: a Unix socket beside the settings.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::net::{UnixListener, UnixStream};

use super::Folders;

/// The socket, in the folder of the settings.
const SOCKET: &str = "window.sock";
/// Locked by the window that has the socket.
const LOCK: &str = "window.lock";

/// The door. It is gone when this is.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
    /// Let go of by the system however this program ends.
    _lock: File,
}

impl Door {
    /// Opens it; `None` when another window has it. Must run within a tokio runtime.
    ///
    /// # Errors
    /// When the folder takes no sockets, its path is too long for one, and the like.
    pub(super) fn open(folders: &Folders) -> io::Result<Option<Self>> {
        fs::create_dir_all(&folders.config)?;
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(folders.config.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let path = folders.config.join(SOCKET);
        // Whoever made it is gone: we have the lock.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Some(Self {
            listener,
            path,
            _lock: lock,
        }))
    }

    /// The next visitor.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) async fn answer(&mut self) -> io::Result<UnixStream> {
        loop {
            let (visitor, _) = self.listener.accept().await?;
            match is_ours(&visitor) {
                Ok(true) => return Ok(visitor),
                Ok(false) => {
                    tracing::warn!("a program of another user tried to hand something over");
                }
                Err(error) => tracing::debug!("gone before it was answered: {error}"),
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("{} stays: {error}", self.path.display());
        }
    }
}

/// Knocks at the running window.
///
/// # Errors
/// When there is none of this user.
pub(super) async fn knock(folders: &Folders) -> io::Result<UnixStream> {
    let window = UnixStream::connect(folders.config.join(SOCKET)).await?;
    if is_ours(&window)? {
        Ok(window)
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// Whether the other end is a program of this user.
fn is_ours(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw())
}
