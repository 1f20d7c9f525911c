//! The settings file: read at the start, written whole when something changed.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use thiserror::Error;

use super::settings::{MAX_NAME_CHARS, MAX_SESSION_BYTES, RECENT_HOSTS, Settings, short};

/// Colours that are told apart on light and on dark: red, green, blue, each from 0 to 1.
const FIRST_COLORS: [[f32; 3]; 8] = [
    [0.9, 0.45, 0.35],
    [0.93, 0.69, 0.25],
    [0.56, 0.76, 0.33],
    [0.25, 0.73, 0.61],
    [0.31, 0.66, 0.89],
    [0.45, 0.51, 0.93],
    [0.71, 0.48, 0.9],
    [0.91, 0.48, 0.71],
];
/// A settings file larger than this is not one.
const MAX_BYTES: u64 = 1 << 20;
/// More servers than this are never asked for the public address.
const STUN_SERVERS: usize = 8;

/// Why the settings file could not be used.
#[derive(Debug, Error)]
pub(super) enum SettingsError {
    /// It is there, but cannot be read.
    #[error("the settings file {} cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// It makes no sense. It was set aside where that was possible.
    #[error("the settings file was not understood and was set aside as {}: {why}", aside.display())]
    Broken { aside: PathBuf, why: String },
    /// It asks for more than there is.
    #[error("in the settings file, under [relay]: {0}")]
    TooMuch(String),
}

/// The settings file.
#[derive(Debug)]
pub(super) struct SettingsFile {
    path: PathBuf,
    /// The settings as this program last read or wrote them: what differs from these it has changed.
    /// `None` while there is a file that could not be read, which must not be written over.
    known: Mutex<Option<Settings>>,
}

impl SettingsFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            path: folder.join("settings.toml"),
            known: Mutex::new(Some(Settings::default())),
        }
    }

    /// The settings, and what was wrong with the file if they are others than it says.
    pub(super) fn load(&self) -> (Settings, Option<SettingsError>) {
        let (mut settings, mut error) = match self.read() {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error)),
        };
        if let Some(curbed) = settings.relay.curb() {
            error = Some(SettingsError::TooMuch(curbed));
        }
        let settings = tidy(settings);
        let unreadable = matches!(error, Some(SettingsError::Unreadable { .. }));
        *self.known.lock() = (!unreadable).then(|| settings.clone());
        (settings, error)
    }

    fn read(&self) -> Result<Settings, SettingsError> {
        let unreadable = |error| SettingsError::Unreadable {
            path: self.path.clone(),
            error,
        };
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(first()),
            Err(error) => return Err(unreadable(error)),
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(self.set_aside(format!("it has {} bytes", found.len())));
            }
            Ok(_) => {}
        }
        let bytes = std::fs::read(&self.path).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| self.set_aside(error.to_string()))?;
        toml::from_str(&text).map_err(|error| self.set_aside(error.message().to_owned()))
    }

    /// Moves the file out of the way, so that nothing in it is lost by the next write.
    fn set_aside(&self, why: String) -> SettingsError {
        let mut aside = self.path.with_extension("broken.toml");
        for number in 2..100 {
            if !aside.exists() {
                break;
            }
            aside = self.path.with_extension(format!("broken-{number}.toml"));
        }
        match std::fs::rename(&self.path, &aside) {
            Ok(()) => SettingsError::Broken { aside, why },
            Err(error) => SettingsError::Unreadable {
                path: self.path.clone(),
                error,
            },
        }
    }

    /// Writes the settings: whole or not at all. What another window or a person has changed in the
    /// file meanwhile stays, unless this program has changed it too.
    ///
    /// # Errors
    /// When the folder cannot be written to, or a file that could not be read is in the way.
    pub(super) fn save(&self, settings: &Settings) -> io::Result<()> {
        let mut known = self.known.lock();
        let base = match known.take() {
            Some(base) => base,
            // The file could not be read at the start: whatever it holds is not to be lost.
            None => match self.set_aside("it could not be read".to_owned()) {
                SettingsError::Unreadable { error, .. }
                    if error.kind() != io::ErrorKind::NotFound =>
                {
                    return Err(error);
                }
                SettingsError::Unreadable { .. }
                | SettingsError::Broken { .. }
                | SettingsError::TooMuch(_) => Settings::default(),
            },
        };
        let there = self.read().map_or_else(|_| base.clone(), tidy);
        let merged = settings.over(&base, there);
        let written = self.write(&merged);
        *known = Some(if written.is_ok() {
            settings.clone()
        } else {
            base
        });
        written
    }

    fn write(&self, settings: &Settings) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let text = toml::to_string_pretty(settings).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// The settings of a first start: with a colour by chance, so that not everybody looks alike.
fn first() -> Settings {
    let chance = RandomState::new().hash_one(()) % FIRST_COLORS.len() as u64;
    let color = usize::try_from(chance)
        .ok()
        .and_then(|index| FIRST_COLORS.get(index));
    let mut settings = Settings::default();
    settings.color = color.copied().unwrap_or(settings.color);
    settings
}

/// What a person may have written into the file by hand, within bounds.
fn tidy(mut settings: Settings) -> Settings {
    let _said = settings.relay.curb();
    if settings.name.trim().is_empty() {
        settings.name = user_name();
    }
    settings.name = settings.name.chars().take(MAX_NAME_CHARS).collect();
    settings.recent_hosts.truncate(RECENT_HOSTS);
    settings.stun_servers.truncate(STUN_SERVERS);
    settings.session_name = settings
        .session_name
        .map(|name| short(&name, MAX_SESSION_BYTES).to_owned())
        .filter(|name| !name.is_empty());
    for part in &mut settings.color {
        *part = if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.5
        };
    }
    settings.window = settings.window.filter(|place| {
        let sizes = [place.width, place.height];
        sizes
            .iter()
            .all(|size| size.is_finite() && (100.0..=20_000.0).contains(size))
            && [place.x, place.y].into_iter().flatten().all(f32::is_finite)
    });
    settings
}

/// What the system calls the user, as a first idea of a name.
fn user_name() -> String {
    ["USER", "USERNAME", "LOGNAME"]
        .iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        })
        .unwrap_or_else(|| "Artist".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Theme, WindowPlace};
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::new(&folder.path().join("not there yet"));
        let settings = Settings {
            host: "studio".into(),
            port: 13000,
            recent_hosts: vec!["studio".into(), "[::1]:1".into()],
            name: "Zoé".into(),
            color: [0.25, 0.5, 1.0],
            theme: Theme::Dark,
            internet: true,
            announce: false,
            session_name: Some("Shot 12".into()),
            stun_servers: vec!["stun.example:3478".into()],
            hidden_interfaces: vec!["docker0".into()],
            window: Some(WindowPlace {
                width: 900.0,
                height: 600.0,
                x: Some(-10.0),
                y: None,
            }),
            ..Settings::default()
        };
        file.save(&settings).unwrap();
        let (loaded, error) = file.load();
        assert!(error.is_none());
        assert_eq!(loaded, settings);
    }

    #[test]
    fn no_file_means_defaults_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, error) = SettingsFile::new(folder.path()).load();
        assert!(error.is_none());
        assert_eq!(
            (settings.host.as_str(), settings.port),
            ("localhost", 12800)
        );
        assert!(!settings.name.is_empty());
    }

    #[test]
    fn a_broken_file_is_set_aside_and_nothing_of_it_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        for (number, content) in [
            &b"host = "[..],
            b"\xff\xfe",
            b"port = \"x\"",
            b"port = 99999999",
        ]
        .iter()
        .enumerate()
        {
            std::fs::write(folder.path().join("settings.toml"), content).unwrap();
            let (settings, error) = SettingsFile::new(folder.path()).load();
            let Some(SettingsError::Broken { aside, .. }) = error else {
                panic!("{error:?}")
            };
            assert_eq!(std::fs::read(aside).unwrap(), *content);
            assert_eq!(settings.port, 12800);
            assert_eq!(
                std::fs::read_dir(folder.path()).unwrap().count(),
                number + 1
            );
        }
    }

    #[test]
    fn two_windows_do_not_undo_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (
            SettingsFile::new(folder.path()),
            SettingsFile::new(folder.path()),
        );
        let (ours, _) = first.load();
        let (theirs, _) = second.load();
        let ours = Settings {
            name: "Ada".into(),
            ..ours
        };
        first.save(&ours).unwrap();
        second
            .save(&Settings {
                port: 13000,
                ..theirs
            })
            .unwrap();
        first
            .save(&Settings {
                theme: Theme::Dark,
                ..ours
            })
            .unwrap();
        let (both, _) = SettingsFile::new(folder.path()).load();
        assert_eq!(
            (both.name.as_str(), both.port, both.theme),
            ("Ada", 13000, Theme::Dark)
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_could_not_be_read_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        // A folder of that name cannot be read as a file, not even by root.
        std::fs::create_dir(folder.path().join("settings.toml")).unwrap();
        let file = SettingsFile::new(folder.path());
        let (settings, error) = file.load();
        assert!(
            matches!(error, Some(SettingsError::Unreadable { .. })),
            "{error:?}"
        );
        file.save(&settings).unwrap();
        assert!(folder.path().join("settings.toml").is_file());
        assert!(folder.path().join("settings.broken.toml").is_dir());
    }

    #[test]
    fn unknown_and_missing_names_are_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("settings.toml"),
            "port = 5\nfrom_the_future = true\n[relay]\nrooms = 3\n",
        )
        .unwrap();
        let (settings, error) = SettingsFile::new(folder.path()).load();
        assert!(error.is_none());
        assert_eq!((settings.port, settings.relay.rooms), (5, 3));
    }

    #[test]
    fn a_command_that_no_file_can_hold_is_not_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, "[relay]\ncommand_bytes = 5000000000\n").unwrap();
        let file = SettingsFile::new(folder.path());
        let (settings, error) = file.load();
        let most = crate::archive::COMMAND_BYTES;
        assert_eq!(settings.relay.command_bytes, most);
        let error = error.unwrap().to_string();
        assert!(
            error.contains("`command_bytes` is 5000000000") && error.contains(&most.to_string()),
            "{error}"
        );
        file.save(&settings).unwrap();
        assert!(file.load().1.is_none(), "said once");
        let most = format!("[relay]\ncommand_bytes = {most}\n");
        std::fs::write(&path, most).unwrap();
        assert!(file.load().1.is_none());
    }

    #[test]
    fn values_out_of_bounds_are_curbed() {
        let place = WindowPlace {
            width: f32::NAN,
            height: 1.0,
            x: None,
            y: None,
        };
        let settings = tidy(Settings {
            name: "x".repeat(1000),
            color: [f32::NAN, 7.0, -1.0],
            window: Some(place),
            session_name: Some(" \u{e9}".repeat(99)),
            stun_servers: vec![String::new(); 99],
            ..Settings::default()
        });
        assert_eq!(
            (settings.name.len(), settings.color, settings.window),
            (MAX_NAME_CHARS, [0.5, 1.0, 0.0], None)
        );
        let session = settings.session_name.unwrap();
        assert!(session.len() <= MAX_SESSION_BYTES && session.ends_with('\u{e9}'));
        assert_eq!(settings.stun_servers.len(), STUN_SERVERS);
        let blank = Settings {
            session_name: Some(" ".into()),
            ..Settings::default()
        };
        assert_eq!(tidy(blank).session_name, None);
    }
}
