//! The rooms that ended and can be brought back: what is known of them, and which of them are to go.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::guests::Origin;
use crate::archive::journal::peek;

/// What a room's file is called at the end.
pub(super) const EXTENSION: &str = "mixdesk";

/// A clock that has gone on by no more than this since the folder was last looked after is believed at once.
const BELIEVED_FOR: Duration = Duration::from_secs(2 * 86_400);
/// When 2025 began, in Unix time. There was no such file before, so what says that it ended then was put there
/// by a clock that had not been set.
const FIRST_FILES: Duration = Duration::from_secs(1_735_689_600);

/// A room that ended and can be brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// What to ask for it by: the name of its file.
    pub id: String,
    /// Its name.
    pub room: String,
    /// Size of its file.
    pub bytes: u64,
    /// When it ended.
    pub ended: SystemTime,
}

/// All that are in a folder, latest first. Blocks.
pub(super) fn all_in(folder: &Path) -> Vec<Recent> {
    let paths = rooms(folder).unwrap_or_default();
    latest_first(paths.iter().filter_map(|path| look_at(path)).collect())
}

pub(super) fn latest_first(mut recent: Vec<Recent>) -> Vec<Recent> {
    recent.sort_by(|a, b| (b.ended, &b.id).cmp(&(a.ended, &a.id)));
    recent
}

/// The rooms' files in a folder, by name, which is nearly by age.
pub(super) fn rooms(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == EXTENSION) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn look_at(path: &Path) -> Option<Recent> {
    let Aged { id, bytes, ended } = Aged::of(path)?;
    let heading = peek(File::open(path).ok()?).ok()?;
    Some(Recent {
        id,
        room: heading.room,
        bytes,
        ended,
    })
}

/// The file of a room that ended, as far as it matters for how long it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aged {
    pub(super) id: String,
    bytes: u64,
    ended: SystemTime,
}

impl Aged {
    /// `None` where it is gone.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            id: path.file_name()?.to_str()?.to_owned(),
            bytes: metadata.len(),
            ended: metadata.modified().ok()?,
        })
    }
}

/// What the computer's clock says, and what it said when the folder was last looked after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now: SystemTime,
    pub(super) seen: SystemTime,
}

impl Clock {
    /// Whether anything may go by it. A clock may be years off until it is set, and what goes is gone for good:
    /// so one that was set, or that nobody looked at for long, is first to be seen again.
    fn is_believed(self) -> bool {
        let since = self.now.duration_since(self.seen);
        since.is_ok_and(|since| since <= BELIEVED_FOR)
    }

    /// Whether something that ended then did so longer ago than this, for certain.
    fn is_past(self, ended: SystemTime, age: Duration) -> bool {
        self.is_believed()
            && ended >= SystemTime::UNIX_EPOCH + FIRST_FILES
            && self.now.duration_since(ended).is_ok_and(|ago| ago > age)
    }
}

/// How many of them may stay, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stay {
    pub(super) rooms: usize,
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

impl Stay {
    /// Which are to go: those that are too old; then the oldest, as long as there are too many or they take
    /// too much. Where a guest, whom `makers` knows, has made what takes more than half of the place, that is
    /// its own: it does not drive out what others made. The latest stays however large it is: nobody was
    /// asked before it ended.
    pub(super) fn over(
        self,
        mut files: Vec<Aged>,
        makers: &HashMap<String, Origin>,
        clock: Clock,
    ) -> Vec<Aged> {
        files.sort_by(|a, b| (b.ended, &b.id).cmp(&(a.ended, &a.id)));
        let is_old = |file: &mut Aged| clock.is_past(file.ended, self.age);
        let mut gone: Vec<_> = files.extract_if(.., is_old).collect();
        while files.len() > 1 {
            let bytes: u64 = files.iter().map(|file| file.bytes).sum();
            let (limit, takes): (u64, fn(&Aged) -> u64) = if bytes > self.bytes {
                (self.bytes, |file| file.bytes)
            } else if files.len() > self.rooms {
                (self.rooms as u64, |_| 1)
            } else {
                break;
            };
            let mut shares: HashMap<Origin, u64> = HashMap::new();
            for file in &files {
                if let Some(maker) = makers.get(&file.id) {
                    *shares.entry(*maker).or_default() += takes(file);
                }
            }
            let most = shares.into_iter().max_by_key(|(_, share)| *share);
            let greedy = most.filter(|(_, share)| *share > limit / 2);
            let goes = |file: &Aged| greedy.is_none_or(|(of, _)| makers.get(&file.id) == Some(&of));
            let Some(oldest) = files.iter().skip(1).rposition(goes) else {
                break;
            };
            gone.push(files.remove(oldest + 1));
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAY: Stay = Stay {
        rooms: 4,
        bytes: 100,
        age: Duration::from_secs(60),
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + FIRST_FILES + Duration::from_secs(seconds)
    }

    /// Named by their place, oldest first, a second apart, as large as this.
    fn files(bytes: &[u64]) -> Vec<Aged> {
        let file = |(number, bytes): (usize, &u64)| Aged {
            id: number.to_string(),
            bytes: *bytes,
            ended: at(number as u64),
        };
        bytes.iter().enumerate().map(file).collect()
    }

    fn gone(bytes: &[u64], of_guest: &[usize], seconds: u64) -> Vec<String> {
        let guest = Origin::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let makers = of_guest.iter().map(|number| (number.to_string(), guest));
        let (now, seen) = (at(seconds), at(seconds));
        let over = STAY.over(files(bytes), &makers.collect(), Clock { now, seen });
        let mut ids: Vec<_> = over.into_iter().map(|file| file.id).collect();
        ids.sort();
        ids
    }

    #[test]
    fn the_oldest_go_first() {
        assert!(gone(&[25; 4], &[], 3).is_empty());
        assert_eq!(gone(&[1; 6], &[], 5), ["0", "1"], "too many");
        assert_eq!(gone(&[40, 40, 40], &[], 5), ["0"], "too much");
        assert_eq!(gone(&[1, 1, 1000], &[], 5), ["0", "1"], "the latest stays");
        assert_eq!(gone(&[1, 1, 1], &[], 61), ["0"], "too old");
        assert_eq!(gone(&[1, 1], &[], 1000), ["0", "1"]);
    }

    #[test]
    fn by_a_clock_that_was_set_nothing_goes() {
        let (day, years) = (Duration::from_secs(86_400), Duration::from_secs(1 << 30));
        let gone = |ended: SystemTime, seen: SystemTime, now: SystemTime| {
            let file = Aged {
                ended,
                ..files(&[1])[0].clone()
            };
            let over = STAY.over(vec![file], &HashMap::new(), Clock { now, seen });
            !over.is_empty()
        };
        let now = at(0) + years;
        assert!(gone(now - day, now, now), "that is what it was");
        assert!(gone(now - day, now - day, now), "and a day later");
        assert!(!gone(now - day, now - years, now), "set forward");
        assert!(!gone(now - day, now + day, now), "set back");
        assert!(!gone(now + day, now, now), "it ended before that");
        let unset = SystemTime::UNIX_EPOCH + day;
        assert!(!gone(unset, now, now), "it ended before the clock was set");
        assert!(!gone(unset, unset, unset + day));
    }

    #[test]
    fn a_guest_drives_out_its_own() {
        assert_eq!(gone(&[1; 7], &[3, 4, 5, 6], 7), ["0", "3", "4"]);
        assert_eq!(gone(&[30, 30, 60, 1], &[2, 3], 7), ["2"]);
        assert!(
            gone(&[30, 30, 1000], &[2], 7).is_empty(),
            "no more than its latest"
        );
        assert_eq!(
            gone(&[30, 30, 45], &[2], 7),
            ["0"],
            "that is no more than its part"
        );
    }
}
