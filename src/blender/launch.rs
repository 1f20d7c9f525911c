//! Starting a Blender that enters a room by itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::task;

use super::{Installation, Running};

/// What Blender runs when it starts.
const SCRIPT: &str = include_str!("../../assets/launch_join.py");
const SCRIPT_NAME: &str = "launch_join.py";
const STATUS_NAME: &str = "status.json";
const LOG_NAME: &str = "blender.log";
/// How the folder of one start begins. What begins so in the folder given is ours to tidy up.
const FOLDER_PREFIX: &str = "blender-";
/// How long the folder of a start that ended badly, or that outlived this program, is kept: time to look at its log.
const FOLDER_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the script waits for somebody who may never come: a server's answer, a room to be listed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which room to enter, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The relay's host as Blender reaches it: a name or an IPv4 address, as the add-on knows no IPv6.
    pub host: String,
    /// The relay's port.
    pub port: u16,
    /// The room's name.
    pub room: String,
    /// The name others see. When empty, the one set in the add-on.
    pub user: String,
    /// Whether to join the room or to make it.
    pub mode: Mode,
}

/// Whether to join a room or to make it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Join the room when it is there, make it when not.
    #[default]
    Auto,
    /// Join the room; wait a while for it to be there.
    Join,
    /// Make the room from the open scene; fail when it is there already.
    Create,
}

impl Mode {
    fn argument(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Join => "join",
            Self::Create => "create",
        }
    }
}

/// Why Blender was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for the script and the status file cannot be used.
    #[error("Blender's start cannot be prepared in {}: {source}. Check that the disk has room and can be written to.", .folder.display())]
    Folder {
        /// The folder that was given.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program is not where it was found.
    #[error("There is no Blender at {} any more. Choose another Blender in the settings.", .path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// The system does not start the program.
    #[error("The Blender at {} does not start: {source}. Start it by itself once, or choose another in the settings.", .path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Starts a Blender that connects to a relay and enters a room.
///
/// The script, the status file and Blender's output go into a new, private folder inside `folder`, which is made if
/// need be. It should be in the user's home, not among temporary files: a Blender from Flatpak sees only the former.
/// The new folder is removed when Blender ends well; others are removed by a later start after a week.
///
/// Blender goes on when this program ends. Must be called in a tokio runtime, which then awaits the process.
///
/// # Errors
///
/// See [`Error`]. What goes wrong after the start comes from [`Running::next_state`].
pub async fn start(
    installation: &Installation,
    launch: &Launch,
    folder: &Path,
) -> Result<Running, Error> {
    let files = {
        let folder = folder.to_owned();
        task::spawn_blocking(move || Files::make(&folder))
            .await
            .map_err(io::Error::from)
            .flatten()
    };
    let files = files.map_err(|source| Error::Folder {
        folder: folder.to_owned(),
        source,
    })?;
    match spawn(&installation.path, launch, &files) {
        Ok(child) => {
            tracing::info!(path = %installation.path.display(), room = launch.room, "Blender started");
            Ok(Running::follow(
                child,
                files.folder,
                files.status,
                files.log_path,
            ))
        }
        Err(source) => {
            let path = installation.path.clone();
            // Nothing of interest is in it yet; should it stay, a later start removes it.
            drop(fs::remove_dir_all(&files.folder));
            Err(if source.kind() == io::ErrorKind::NotFound {
                Error::Gone { path }
            } else {
                Error::Start { path, source }
            })
        }
    }
}

/// What one start needs on disk.
struct Files {
    folder: PathBuf,
    script: PathBuf,
    status: PathBuf,
    log_path: PathBuf,
    log: File,
    log_for_errors: File,
}

impl Files {
    fn make(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        remove_old(parent);
        let folder = private_folder(parent)?;
        let script = folder.path().join(SCRIPT_NAME);
        fs::write(&script, SCRIPT)?;
        let log_path = folder.path().join(LOG_NAME);
        let log = File::create(&log_path)?;
        let log_for_errors = log.try_clone()?;
        let status = folder.path().join(STATUS_NAME);
        // Kept, as Blender may outlive this program.
        Ok(Self {
            folder: folder.keep(),
            script,
            status,
            log_path,
            log,
            log_for_errors,
        })
    }
}

/// A new folder where nobody else can read what Blender writes, or put another script in the place of ours.
fn private_folder(parent: &Path) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(FOLDER_PREFIX);
    // On Windows, folders in the user's home are private already.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o700));
    }
    builder.tempdir_in(parent)
}

/// Removes the folders of starts long ago, as far as the system lets us.
fn remove_old(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry
            .file_name()
            .to_string_lossy()
            .starts_with(FOLDER_PREFIX);
        let is_old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| {
                SystemTime::now()
                    .duration_since(time)
                    .is_ok_and(|age| age > FOLDER_KEPT)
            });
        if is_ours
            && is_old
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, folder = %entry.path().display(), "An old folder stays");
        }
    }
}

fn spawn(program: &Path, launch: &Launch, files: &Files) -> io::Result<tokio::process::Child> {
    let mut command = Command::new(program);
    command
        .args(arguments(launch, files))
        .stdin(Stdio::null())
        // Files, not pipes: nobody would empty a pipe once this program has ended, and Blender would stop.
        .stdout(files.log.try_clone()?)
        .stderr(files.log_for_errors.try_clone()?);
    detach(&mut command);
    command.spawn()
}

fn arguments(launch: &Launch, files: &Files) -> Vec<OsString> {
    // Each value in one word with its name: a room called `--help` is then still a room.
    let mut status = OsString::from("--status=");
    status.push(&files.status);
    let mut arguments: Vec<OsString> =
        vec!["--python".into(), files.script.clone().into(), "--".into()];
    arguments.push(format!("--host={}", launch.host).into());
    arguments.push(format!("--port={}", launch.port).into());
    arguments.push(format!("--room={}", launch.room).into());
    if !launch.user.is_empty() {
        arguments.push(format!("--user={}", launch.user).into());
    }
    arguments.push(format!("--mode={}", launch.mode.argument()).into());
    arguments.push(format!("--patience={}", PATIENCE.as_secs()).into());
    arguments.push(status);
    arguments
}

/// Ctrl-C in the terminal that started this program is not meant for Blender.
#[cfg(unix)]
fn detach(command: &mut Command) {
    command.process_group(0);
}

/// As on Unix; and no console window opens beside Blender's.
#[cfg(windows)]
fn detach(command: &mut Command) {
    /// `CREATE_NEW_PROCESS_GROUP`, see "Process Creation Flags" of the Windows API.
    const NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    /// `CREATE_NO_WINDOW`, likewise.
    const NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(NEW_PROCESS_GROUP | NO_WINDOW);
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use super::{FOLDER_KEPT, Files, remove_old};

    #[test]
    fn the_folder_of_a_start_is_for_nobody_else() {
        let parent = tempfile::tempdir().unwrap();
        let files = Files::make(&parent.path().join("made")).unwrap();
        let mode = fs::metadata(&files.folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn folders_of_long_ago_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::now() - FOLDER_KEPT * 2;
        for (name, is_old) in [
            ("blender-old", true),
            ("blender-new", false),
            ("other-old", true),
        ] {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("blender.log"), "").unwrap();
            if is_old {
                File::open(&folder).unwrap().set_modified(long_ago).unwrap();
            }
        }
        remove_old(parent.path());
        let mut left: Vec<_> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["blender-new", "other-old"]);
    }
}
