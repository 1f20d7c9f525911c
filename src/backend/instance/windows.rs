//! The door of the running window: a named pipe.
//!
//! As the system makes it, only this user, the system and administrators may write to it; programs of other
//! computers are refused.

use std::io;
use std::time::Duration;

use tokio::net::windows::named_pipe::{
    ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions,
};
use tokio::time::sleep;

use super::Folders;

/// Ends of the pipe that there may be at the same time.
const ENDS: usize = 4;
/// `ERROR_PIPE_BUSY`: all ends are taken at the moment.
const BUSY: i32 = 231;
/// How soon a busy pipe is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// The door. It is gone when this is.
#[derive(Debug)]
pub(super) struct Door {
    name: String,
    /// The end that waits for the next visitor.
    next: NamedPipeServer,
}

impl Door {
    /// Opens it; `None` when another window has it. Must run within a tokio runtime.
    ///
    /// # Errors
    /// When the system gives no pipe.
    pub(super) fn open(folders: &Folders) -> io::Result<Option<Self>> {
        let name = name(folders);
        match options().first_pipe_instance(true).create(&name) {
            Ok(next) => Ok(Some(Self { name, next })),
            // What the system says when there is a first one already.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next visitor.
    ///
    /// # Errors
    /// When the pipe is broken.
    pub(super) async fn answer(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        // There is always an end, so that nobody else can become the first.
        let next = options().create(&self.name)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.max_instances(ENDS).reject_remote_clients(true);
    options
}

/// Knocks at the running window. Tries as long as it is busy.
///
/// # Errors
/// When there is none of this user.
pub(super) async fn knock(folders: &Folders) -> io::Result<NamedPipeClient> {
    let name = name(folders);
    loop {
        match ClientOptions::new().open(&name) {
            Err(error) if error.raw_os_error() == Some(BUSY) => sleep(AGAIN).await,
            other => return other,
        }
    }
}

/// A name of its own for each user: the folder of the settings is.
fn name(folders: &Folders) -> String {
    let folder = folders.config.to_string_lossy().to_lowercase();
    format!(
        r"\\.\pipe\mixdesk-window-{:08x}",
        crc32fast::hash(folder.as_bytes())
    )
}
