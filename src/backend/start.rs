//! Starting the backend, and ending it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use directories::ProjectDirs;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::action::Notice;
use super::desk::{Desk, Place, Wake};
use super::handle::{Handle, pair};
use super::instance::Instance;
use super::logging::LogTail;
use super::settings::Settings;
use super::settings_file::SettingsFile;
use super::signals::quit_signal;
use super::surroundings::Surroundings;
use super::view::{Level, View};
use crate::net::raise_open_files;
use crate::relay::{Guests, calm_threads, come_first};

/// How long the end may take: a relay drains in at most two seconds.
const END_PATIENCE: Duration = Duration::from_secs(4);

/// Where this program keeps its files.
#[derive(Clone, Debug)]
pub struct Folders {
    /// `settings.toml`.
    pub config: PathBuf,
    /// The log files.
    pub log: PathBuf,
    /// What is needed while Blender starts.
    pub blender: PathBuf,
    /// The rooms that we host, unless the settings say another folder.
    pub rooms: PathBuf,
}

impl Folders {
    /// The folders that the system gives to programs; `None` where there is no home folder. The
    /// environment variable `MIXDESK_HOME` puts them all into one folder.
    #[must_use]
    pub fn of_system() -> Option<Self> {
        if let Some(home) = std::env::var_os("MIXDESK_HOME").filter(|home| !home.is_empty()) {
            return Some(Self::within(&PathBuf::from(home)));
        }
        let dirs = ProjectDirs::from("org", "Mixdesk", "Mixdesk")?;
        Some(Self {
            config: dirs.config_dir().to_owned(),
            log: dirs.data_local_dir().join("log"),
            blender: dirs.data_local_dir().join("blender"),
            rooms: dirs.data_local_dir().join("rooms"),
        })
    }

    /// All of them within one folder.
    #[must_use]
    pub fn within(folder: &std::path::Path) -> Self {
        Self {
            config: folder.to_owned(),
            log: folder.join("log"),
            blender: folder.join("blender"),
            rooms: folder.join("rooms"),
        }
    }

    /// The file that remembers what a router was asked for.
    #[must_use]
    pub fn mapping(&self) -> PathBuf {
        self.rooms.with_file_name("router.toml")
    }

    /// The settings as they are, and a sentence about what was wrong with their file.
    #[must_use]
    pub fn settings(&self) -> (Settings, Option<String>) {
        let (settings, error) = SettingsFile::new(&self.config).load();
        (settings, error.map(|error| error.to_string()))
    }

    /// Keeps what the host has decided about who may connect; all else in the file stays as it is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_guests(&self, guests: Guests) -> io::Result<()> {
        let file = SettingsFile::new(&self.config);
        let settings = file.load().0;
        file.save(&Settings { guests, ..settings })
    }
}

/// A runtime for a relay's [calm](calm_threads) connections, and for a session.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("mixdesk-runtime")
        .worker_threads(calm_threads())
        .on_thread_start(come_first)
        .enable_all()
        .build()
}

/// The backend: a runtime, and on it the desk.
#[derive(Debug)]
pub struct Backend {
    runtime: Runtime,
    desk: JoinHandle<()>,
}

impl Backend {
    /// Starts it. `wake` is called whenever the window has something new to show. `trouble`: a
    /// sentence to show at the start.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        folders: Folders,
        settings: Settings,
        trouble: Option<String>,
        log: LogTail,
        wake: Wake,
    ) -> io::Result<(Self, Handle)> {
        raise_open_files();
        let runtime = runtime()?;
        let (handle, remote) = pair(View {
            settings: settings.clone(),
            ..View::default()
        });
        let _context = runtime.enter();
        let surroundings = Surroundings::start(&settings, Some(folders.mapping()));
        let invites = Instance::listen(&folders);
        let place = Place {
            surroundings,
            invites,
            log,
            log_folder: folders.log.is_dir().then_some(folders.log),
            file: SettingsFile::new(&folders.config),
            blender_folder: folders.blender,
            rooms_folder: folders.rooms,
            notice: trouble.map(|text| Notice {
                level: Level::Warning,
                text,
            }),
        };
        let desk = Desk::new(remote, wake, settings, place);
        let desk = runtime.spawn(desk.run(quit_signal()));
        Ok((Self { runtime, desk }, handle))
    }

    /// Waits until the desk has ended in order, which it does when its [`Handle`] is gone or was asked
    /// to quit.
    pub fn finish(self) {
        match self
            .runtime
            .block_on(async { tokio::time::timeout(END_PATIENCE, self.desk).await })
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the backend ended badly: {error}"),
            Err(_) => tracing::warn!("the backend did not end in time"),
        }
        self.runtime.shutdown_background();
    }
}
