//! Where Blender may be installed.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A Blender on this computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The program to start.
    pub path: PathBuf,
    /// Its version as its folder tells, `4.2` or `4.2.3`. `None` where the place does not tell.
    pub version: Option<String>,
}

/// A place where a Blender may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This very program, should it exist.
    Program(PathBuf),
    /// A folder whose entries named `blender…`, in any case, are installations.
    Parent {
        /// The folder.
        folder: PathBuf,
        /// Where an installation has its program: `blender.exe`.
        program: &'static str,
    },
}

/// The Blenders found in `PATH` and in the usual places, newest version first, those of unknown version last.
///
/// Reads a few folders, which can take a moment on a slow disk.
#[must_use]
pub fn find() -> Vec<Installation> {
    search(&usual_places())
}

/// The Blenders found in `places`, newest version first; else in the order of the places. Each program once, however
/// many links lead to it.
#[must_use]
pub fn search(places: &[Place]) -> Vec<Installation> {
    let mut seen = HashSet::new();
    let mut found: Vec<Installation> = places
        .iter()
        .flat_map(programs)
        .filter(|path| is_program(path))
        .filter_map(|path| {
            let real = fs::canonicalize(&path).ok()?;
            let version = version_of(&path).or_else(|| version_of(&real));
            seen.insert(real).then_some(Installation { path, version })
        })
        .collect();
    found.sort_by_cached_key(|installation| Reverse(installation.version.as_deref().map(numbers)));
    found
}

/// The paths where a place may have its programs.
fn programs(place: &Place) -> Vec<PathBuf> {
    match place {
        Place::Program(path) => vec![path.clone()],
        Place::Parent { folder, program } => {
            let Ok(entries) = fs::read_dir(folder) else {
                return Vec::new();
            };
            let mut programs: Vec<PathBuf> = entries
                .flatten()
                .filter(|entry| {
                    entry
                        .file_name()
                        .to_string_lossy()
                        .to_lowercase()
                        .starts_with("blender")
                })
                .map(|entry| entry.path().join(program))
                .collect();
            // The file system's own order differs from one start to the next.
            programs.sort();
            programs
        }
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// The version of the program at `path`: from the name of a folder above it (`Blender 4.2`, `blender-4.2.3-linux-x64`),
/// else from the folder of that version's files next to it (`4.2`).
fn version_of(path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let named = folder
        .ancestors()
        .filter_map(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    named
        .filter(|name| name.to_lowercase().starts_with("blender"))
        .find_map(|name| version_in(&name))
        .or_else(|| version_beside(folder))
        .or_else(|| version_beside(&folder.parent()?.join("Resources")))
}

/// The newest version among the folders in `folder` that are named as one.
fn version_beside(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            version_in(name).as_ref() == Some(name) && folder.join(name).join("scripts").is_dir()
        })
        .max_by_key(|name| numbers(name))
}

/// The first version in a name: numbers with dots between, two at least.
fn version_in(name: &str) -> Option<String> {
    name.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|part| part.trim_matches('.'))
        .find(|part| part.contains('.') && !part.contains(".."))
        .map(str::to_owned)
}

/// A version as it sorts.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect()
}

/// The folders of `PATH`. Relative ones are left out: what they mean depends on where this program was started.
fn folders_of_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .collect()
}

#[cfg(windows)]
fn usual_places() -> Vec<Place> {
    const PROGRAM: &str = "blender.exe";
    let mut places: Vec<Place> = folders_of_path()
        .iter()
        .map(|folder| Place::Program(folder.join(PROGRAM)))
        .collect();
    for variable in ["ProgramW6432", "ProgramFiles", "ProgramFiles(x86)"] {
        let Some(programs) = env::var_os(variable).map(PathBuf::from) else {
            continue;
        };
        for folder in [r"Blender Foundation", r"Steam\steamapps\common"] {
            places.push(Place::Parent {
                folder: programs.join(folder),
                program: PROGRAM,
            });
        }
    }
    places
}

#[cfg(target_os = "macos")]
fn usual_places() -> Vec<Place> {
    const PROGRAM: &str = "Contents/MacOS/Blender";
    let mut places: Vec<Place> = folders_of_path()
        .iter()
        .map(|folder| Place::Program(folder.join("blender")))
        .collect();
    places.push(Place::Parent {
        folder: PathBuf::from("/Applications"),
        program: PROGRAM,
    });
    if let Some(home) = env::home_dir() {
        places.push(Place::Parent {
            folder: home.join("Applications"),
            program: PROGRAM,
        });
        let steam = home.join("Library/Application Support/Steam/steamapps/common/Blender");
        places.push(Place::Parent {
            folder: steam,
            program: PROGRAM,
        });
    }
    places
}

#[cfg(not(any(windows, target_os = "macos")))]
fn usual_places() -> Vec<Place> {
    const PROGRAM: &str = "blender";
    const FLATPAK: &str = "org.blender.Blender";
    let mut places: Vec<Place> = folders_of_path()
        .iter()
        .map(|folder| Place::Program(folder.join(PROGRAM)))
        .collect();
    // A program started from a desktop's menu may have a shorter PATH than the artist's shell.
    for program in [
        "/usr/local/bin/blender",
        "/usr/bin/blender",
        "/snap/bin/blender",
    ] {
        places.push(Place::Program(PathBuf::from(program)));
    }
    places.push(Place::Parent {
        folder: PathBuf::from("/opt"),
        program: PROGRAM,
    });
    places.push(Place::Program(
        Path::new("/var/lib/flatpak/exports/bin").join(FLATPAK),
    ));
    if let Some(home) = env::home_dir() {
        places.push(Place::Parent {
            folder: home.join(".local/share/Steam/steamapps/common"),
            program: PROGRAM,
        });
        places.push(Place::Program(
            home.join(".local/share/flatpak/exports/bin").join(FLATPAK),
        ));
        places.push(Place::Parent {
            folder: home,
            program: PROGRAM,
        });
    }
    places
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Place, find, search, version_in};

    /// Makes an empty program, and the folders it needs.
    fn program(root: &Path, path: &str) -> PathBuf {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        path
    }

    fn versions(places: &[Place]) -> Vec<Option<String>> {
        search(places)
            .into_iter()
            .map(|installation| installation.version)
            .collect()
    }

    #[test]
    fn a_version_is_read_from_a_name() {
        let table = [
            ("Blender 4.2", Some("4.2")),
            ("blender-2.93.18-linux-x64", Some("2.93.18")),
            ("blender-4.2.3-linux-x86_64", Some("4.2.3")),
            ("Blender 3.6.app", Some("3.6")),
            ("Blender.app", None),
            ("blender", None),
            ("blender-git", None),
            ("blender4", None),
            ("blender..5", None),
        ];
        for (name, version) in table {
            assert_eq!(version_in(name).as_deref(), version, "{name}");
        }
    }

    #[test]
    fn newest_first_by_number_and_unknown_last() {
        let root = tempfile::tempdir().unwrap();
        let unknown = program(root.path(), "bin/blender");
        for name in [
            "Blender 2.93",
            "Blender 4.10",
            "Blender 4.9",
            "Blender 3.6.5",
        ] {
            program(root.path(), &format!("foundation/{name}/blender.exe"));
        }
        program(root.path(), "foundation/Krita 5.2/blender.exe");
        let places = [
            Place::Program(unknown.clone()),
            Place::Program(root.path().join("nowhere/blender")),
            Place::Parent {
                folder: root.path().join("foundation"),
                program: "blender.exe",
            },
            Place::Parent {
                folder: root.path().join("nowhere"),
                program: "blender.exe",
            },
        ];
        let order = [Some("4.10"), Some("4.9"), Some("3.6.5"), Some("2.93"), None];
        assert_eq!(
            versions(&places),
            order.map(|version| version.map(str::to_owned))
        );
        assert_eq!(search(&places).last().unwrap().path, unknown);
    }

    #[test]
    fn a_folder_without_a_version_in_its_name_tells_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        program(root.path(), "Steam/Blender/blender");
        fs::create_dir_all(root.path().join("Steam/Blender/4.2/scripts")).unwrap();
        fs::create_dir_all(root.path().join("Steam/Blender/9.9")).unwrap();
        let steam = Place::Parent {
            folder: root.path().join("Steam"),
            program: "blender",
        };
        assert_eq!(versions(&[steam]), [Some("4.2".to_owned())]);

        program(
            root.path(),
            "Applications/Blender.app/Contents/MacOS/Blender",
        );
        fs::create_dir_all(
            root.path()
                .join("Applications/Blender.app/Contents/Resources/4.3/scripts"),
        )
        .unwrap();
        program(
            root.path(),
            "Applications/Blender 3.6.app/Contents/MacOS/Blender",
        );
        let applications = Place::Parent {
            folder: root.path().join("Applications"),
            program: "Contents/MacOS/Blender",
        };
        assert_eq!(
            versions(&[applications]),
            [Some("4.3".to_owned()), Some("3.6".to_owned())]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_what_it_leads_to_are_one() {
        let root = tempfile::tempdir().unwrap();
        let real = program(root.path(), "opt/blender-4.2.3-linux-x64/blender");
        let link = root.path().join("blender");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let found = search(&[
            Place::Program(link.clone()),
            Place::Parent {
                folder: root.path().join("opt"),
                program: "blender",
            },
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, link);
        assert_eq!(found[0].version.as_deref(), Some("4.2.3"));
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_started_is_not_listed() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("blender"), "").unwrap();
        fs::create_dir(root.path().join("blender-4.2")).unwrap();
        let places = [
            Place::Program(root.path().join("blender")),
            Place::Program(root.path().join("blender-4.2")),
            Place::Parent {
                folder: root.path().to_owned(),
                program: "blender",
            },
        ];
        assert_eq!(search(&places), []);
    }

    #[test]
    fn what_is_found_here_exists() {
        for installation in find() {
            assert!(
                installation.path.is_absolute() && installation.path.is_file(),
                "{installation:?}"
            );
        }
    }
}
