//! What is remembered of a mapping over a crash: enough to know it again, to use it, and to remove it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::state::MappedBy;

/// A file larger than this is not ours.
const MAX_BYTES: u64 = 4096;

/// A mapping that may stand in a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The router, by its address inside.
    pub(super) router: Ipv4Addr,
    /// Where the mapping leads to.
    pub(super) inside: SocketAddrV4,
    /// Its port outside.
    pub(super) outside_port: u16,
    /// The protocol by which it was made.
    pub(super) by: MappedBy,
    /// By which PCP knows who made it.
    pub(super) nonce: [u32; 3],
    /// When it ends by itself, in seconds since 1970; 0: never.
    pub(super) until: u64,
}

impl Remembered {
    /// Whether the router may still have it.
    pub(super) fn may_stand(&self) -> bool {
        self.until == 0 || self.until > seconds(SystemTime::now())
    }
}

/// The end of a lease that begins now, as it is remembered.
pub(super) fn end_of(lease: Option<Duration>) -> u64 {
    lease.map_or(0, |lease| {
        seconds(SystemTime::now()).saturating_add(lease.as_secs())
    })
}

/// Whether two differ only in their end, and not by much of it: renewals are many.
fn is_near(kept: &Remembered, new: &Remembered) -> bool {
    let until = kept.until;
    let left = new.until.saturating_sub(seconds(SystemTime::now()));
    Remembered { until, ..*new } == *kept
        && (until == 0) == (new.until == 0)
        && new.until.saturating_sub(until) <= left / 4
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The memory, in a file if there is one.
pub(super) struct Memory {
    /// Held locked, so that two Mixdesks do not take each other's mapping for a leftover. Written in place, as another
    /// file would not be locked; what a crash has torn counts as nothing remembered.
    file: Option<Arc<Mutex<File>>>,
    kept: Option<Remembered>,
    /// What is kept was written by a Mixdesk before this one.
    is_from_before: bool,
}

impl Memory {
    /// Reads what there is. Without a file, or with one that another Mixdesk uses, nothing outlives this process.
    pub(super) async fn open(path: Option<PathBuf>) -> Self {
        let opened = match path {
            None => None,
            Some(path) => tokio::task::spawn_blocking(move || open(&path))
                .await
                .ok()
                .flatten(),
        };
        let (file, kept) = opened.map_or((None, None), |(file, kept)| (Some(file), kept));
        Self {
            file: file.map(|file| Arc::new(Mutex::new(file))),
            kept,
            is_from_before: kept.is_some(),
        }
    }

    /// What is remembered, and whether a Mixdesk before this one has written it.
    pub(super) fn kept(&self) -> Option<(Remembered, bool)> {
        self.kept.map(|kept| (kept, self.is_from_before))
    }

    pub(super) async fn keep(&mut self, mapping: Remembered) {
        self.is_from_before = false;
        if self.kept.is_some_and(|kept| is_near(&kept, &mapping)) {
            return;
        }
        self.kept = Some(mapping);
        self.write(toml::to_string(&mapping).unwrap_or_default())
            .await;
    }

    pub(super) async fn forget(&mut self) {
        self.is_from_before = false;
        if self.kept.take().is_some() {
            self.write(String::new()).await;
        }
    }

    async fn write(&self, text: String) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let written = tokio::task::spawn_blocking(move || write(&mut file.lock(), &text)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "The router's mapping is not remembered: after a crash it stays until its lease ends");
        }
    }
}

fn open(path: &Path) -> Option<(File, Option<Remembered>)> {
    let told = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, path = %path.display(), "The router's mapping is not remembered over a crash");
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .inspect_err(|error| told(error))
        .ok()?;
    file.try_lock().inspect_err(|error| told(error)).ok()?;
    let mut text = String::new();
    let kept = (&mut file)
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| toml::from_str(&text).ok());
    Some((file, kept))
}

fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping() -> Remembered {
        Remembered {
            router: Ipv4Addr::new(192, 168, 0, 1),
            inside: "192.168.0.48:12800".parse().unwrap(),
            outside_port: 12801,
            by: MappedBy::Pcp,
            nonce: [1, u32::MAX, 3],
            until: end_of(Some(Duration::from_secs(60))),
        }
    }

    #[tokio::test]
    async fn what_was_kept_is_there_again_and_what_was_forgotten_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = Some(home.path().join("mapping.toml"));
        let mut memory = Memory::open(path.clone()).await;
        assert_eq!(memory.kept(), None);
        memory.keep(mapping()).await;
        assert_eq!(memory.kept(), Some((mapping(), false)));

        let other = Memory::open(path.clone()).await;
        assert_eq!(other.kept(), None, "it is another Mixdesk's");
        drop((memory, other));

        let mut memory = Memory::open(path.clone()).await;
        assert_eq!(memory.kept(), Some((mapping(), true)));
        assert!(mapping().may_stand());
        memory.forget().await;
        drop(memory);
        assert_eq!(Memory::open(path).await.kept(), None);
    }

    #[tokio::test]
    async fn a_file_that_makes_no_sense_is_as_none() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mapping.toml");
        for text in [&b"router = 7"[..], &[0xff; 9000], b""] {
            std::fs::write(&path, text).unwrap();
            let mut memory = Memory::open(Some(path.clone())).await;
            assert_eq!(memory.kept(), None);
            memory.keep(mapping()).await;
            drop(memory);
            let memory = Memory::open(Some(path.clone())).await;
            assert_eq!(memory.kept(), Some((mapping(), true)));
        }
    }

    #[test]
    fn a_renewal_is_written_when_much_of_the_lease_is_new() {
        let mapping = mapping();
        let until = |seconds| Remembered {
            until: mapping.until + seconds,
            ..mapping
        };
        assert!(is_near(&mapping, &mapping) && is_near(&mapping, &until(10)));
        assert!(!is_near(&mapping, &until(30)));
        assert!(!is_near(
            &mapping,
            &Remembered {
                outside_port: 1,
                ..mapping
            }
        ));
        let for_good = Remembered {
            until: 0,
            ..mapping
        };
        assert!(is_near(&for_good, &for_good));
        assert!(!is_near(&for_good, &mapping) && !is_near(&mapping, &for_good));
    }

    #[test]
    fn a_lease_ends() {
        assert_eq!(end_of(None), 0);
        let over = Remembered {
            until: 1,
            ..mapping()
        };
        assert!(!over.may_stand());
        assert!(Remembered { until: 0, ..over }.may_stand());
    }
}
