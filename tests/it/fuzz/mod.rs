//! Bytes that somebody made up, for the three readers that trust nobody: the wire's decoder, and those of journals and
//! of saved rooms.
//!
//! `tests/fuzz/corpus` has a folder of files for each, small ones whose names say what they are: good ones of every
//! version, such as were cut off or changed, such as lie about lengths and positions with checksums that are right, and
//! what past mistakes were about. Each is read as it is, and then changed by chance, over and over. What is promised of
//! every input stands with the readers: `decoder.rs`, `journal.rs`, `archive.rs`.
//!
//! `MIXDESK_FUZZ_ROUNDS` sets how often each file is changed; `MIXDESK_SEED` repeats a run. An input that fails is left
//! in the folder for temporary files: put it into the corpus.

mod archive;
mod decoder;
mod journal;
mod mutation;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::common::meter::Meter;
use crate::common::noise::Noise;

const ROUNDS: &str = "MIXDESK_FUZZ_ROUNDS";
/// Enough to see that it works: a few seconds in all.
const FEW_ROUNDS: usize = 30;

/// A reader: what is promised of it whatever it is given. `noise` chooses the pieces that it is read in.
type Check = fn(&[u8], &mut Noise);

/// Gives a reader all files of its corpus, and changed ones.
fn fuzz(corpus: &str, check: Check) {
    let rounds = std::env::var(ROUNDS).map_or(FEW_ROUNDS, |rounds| rounds.parse().unwrap());
    let mut noise = Noise::of_this_run();
    let files = files(corpus);
    assert!(!files.is_empty(), "the corpus is there");
    for (name, bytes) in &files {
        run(corpus, name, bytes, check, &mut noise);
    }
    for _ in 0..rounds {
        for (name, bytes) in &files {
            let other = &files[noise.below(files.len() as u64) as usize].1;
            let changed = mutation::changed(bytes, other, &mut noise);
            run(corpus, name, &changed, check, &mut noise);
        }
    }
    println!("{} files, changed {rounds} times each", files.len());
}

fn run(corpus: &str, name: &str, bytes: &[u8], check: Check, noise: &mut Noise) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes, noise))) {
        let path = keep(corpus, name, bytes);
        println!("failed with what became of {name}: {}", path.display());
        resume_unwind(panic);
    }
}

/// Leaves an input for somebody to look at.
fn keep(corpus: &str, name: &str, bytes: &[u8]) -> PathBuf {
    let number = digest(bytes);
    let path = std::env::temp_dir().join(format!("mixdesk-fuzz-{corpus}-{name}-{number:016x}"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Files of the corpus by name, always in the same order.
fn files(corpus: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(corpus);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn digest(of: impl Hash) -> u64 {
    let mut digest = DefaultHasher::new();
    of.hash(&mut digest);
    digest.finish()
}

/// Does something, and sees to it that it never holds more than `most` bytes of memory for it.
fn within<T>(most: usize, what: impl FnOnce() -> T) -> T {
    let heap = Meter::of_this_thread();
    let done = what();
    let peak = heap.peak_bytes();
    assert!(peak <= most as i64, "{peak} bytes were held, {most} may be");
    done
}

/// A file that gives no more than so many bytes at a time.
struct Crumbs<'a>(Cursor<&'a [u8]>, usize);

impl<'a> Crumbs<'a> {
    fn of(bytes: &'a [u8], size: usize) -> Self {
        Self(Cursor::new(bytes), size)
    }
}

impl Read for Crumbs<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let size = to.len().min(self.1);
        self.0.read(&mut to[..size])
    }
}

impl Seek for Crumbs<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Sizes of pieces: all at once, or small.
fn piece(noise: &mut Noise) -> usize {
    match noise.below(4) {
        0 => usize::MAX,
        1 => 1 + noise.below(4) as usize,
        2 => 1 + noise.below(100) as usize,
        _ => 1 + noise.below(5_000) as usize,
    }
}
