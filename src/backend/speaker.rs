//! Writing to a terminal or a pipe that may take nothing for as long as it likes: on a thread of its own, so
//! that nobody else waits for it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait to be written; what comes beyond them is left out. A single text may be larger.
const WAITING_BYTES: usize = 16 << 20;
/// How long the end waits for what is not written yet, again and again while some of it is written, …
const LAST_WORDS: Duration = Duration::from_millis(500);
/// … but about this long in all.
const LAST_WORDS_IN_ALL: Duration = Duration::from_secs(5);

/// Writes what its [`Voice`]s say. When this is dropped it waits until all is written, as long as
/// somebody takes it.
#[derive(Debug)]
pub struct Speaker(Voice);

/// Says something, and does not wait until it is written.
#[derive(Clone, Debug)]
pub struct Voice(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rings when something is said, and when it is written.
    changed: Condvar,
    /// How it is told that so many texts were left out, as nobody took what came before.
    left_out: fn(u64) -> String,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// What waits.
    bytes: usize,
    /// Texts that were not taken since it was last told.
    left_out: u64,
    is_writing: bool,
    /// The last could not be written: nobody reads any more.
    is_broken: bool,
    has_ended: bool,
}

impl Speaker {
    /// Starts to write `to` something. Texts that are left out are told of by `left_out`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(to: impl Write + Send + 'static, left_out: fn(u64) -> String) -> io::Result<Self> {
        let voice = Voice(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            left_out,
        }));
        let heard = voice.clone();
        std::thread::Builder::new()
            .name("mixdesk-speaker".to_owned())
            .spawn(move || heard.write(to))?;
        Ok(Self(voice))
    }

    /// What says something here.
    #[must_use]
    pub fn voice(&self) -> Voice {
        self.0.clone()
    }

    /// Says something.
    ///
    /// # Errors
    /// When what was said before could not be written: nobody reads any more.
    pub fn say(&self, text: String) -> io::Result<()> {
        if self.0.say(text.into_bytes()) {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// Waits until all is written, but not longer than that; whether somebody reads, as far as is known
    /// then.
    pub fn is_heard(&self, patience: Duration) -> bool {
        let until = Instant::now().checked_add(patience);
        let Shared { state, changed, .. } = &*self.0.0;
        let mut state = state.lock();
        while !state.is_broken && (state.is_writing || !state.waiting.is_empty()) {
            let over = until.is_none_or(|until| changed.wait_until(&mut state, until).timed_out());
            if over {
                break;
            }
        }
        !state.is_broken
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let begun = Instant::now();
        let mut left = usize::MAX;
        // Somebody who reads slowly reads.
        while begun.elapsed() < LAST_WORDS_IN_ALL && self.is_heard(LAST_WORDS) {
            let left_by_now = self.0.0.state.lock().waiting.len();
            if std::mem::replace(&mut left, left_by_now) <= left_by_now {
                break;
            }
        }
        self.0.0.state.lock().has_ended = true;
        self.0.0.changed.notify_all();
    }
}

impl Voice {
    /// `false` when what was said before could not be written.
    fn say(&self, text: Vec<u8>) -> bool {
        let Shared { state, changed, .. } = &*self.0;
        let mut state = state.lock();
        if state.has_ended {
            return false;
        }
        if !state.waiting.is_empty() && state.bytes + text.len() > WAITING_BYTES {
            state.left_out += 1;
        } else {
            state.own_up(self.0.left_out);
            state.push(text);
        }
        changed.notify_all();
        !state.is_broken
    }

    /// Writes all that is said until the end.
    fn write(&self, mut to: impl Write) {
        while let Some(text) = self.next() {
            let written = to.write_all(&text).and_then(|()| to.flush());
            let mut state = self.0.state.lock();
            state.is_writing = false;
            state.is_broken = written.is_err();
            self.0.changed.notify_all();
        }
    }

    /// Waits for what is to be written next; `None` at the end.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.0.state.lock();
        loop {
            if state.waiting.is_empty() {
                state.own_up(self.0.left_out);
            }
            if let Some(text) = state.waiting.pop_front() {
                state.bytes -= text.len();
                state.is_writing = true;
                return Some(text);
            }
            if state.has_ended {
                return None;
            }
            self.0.changed.wait(&mut state);
        }
    }
}

/// A write is one text, as what is logged is.
impl Write for Voice {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.say(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn push(&mut self, text: Vec<u8>) {
        self.bytes += text.len();
        self.waiting.push_back(text);
    }

    /// Tells of what was left out.
    fn own_up(&mut self, left_out: fn(u64) -> String) {
        if self.left_out > 0 {
            let told = left_out(std::mem::take(&mut self.left_out));
            self.push(told.into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(60);

    /// Takes a text when it may, and then shows it.
    struct Terminal {
        may: Receiver<()>,
        took: Sender<String>,
    }

    impl Write for Terminal {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.may.recv().map_err(gone)?;
            let _shown = self.took.send(String::from_utf8(text.to_vec()).unwrap());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn scene() -> (Speaker, Sender<()>, Receiver<String>) {
        let (let_go, may) = channel();
        let (took, taken) = channel();
        let left_out = |count| format!("{count} left out");
        let speaker = Speaker::start(Terminal { may, took }, left_out).unwrap();
        (speaker, let_go, taken)
    }

    #[test]
    fn who_says_something_waits_for_nobody_and_it_is_written_in_order() {
        let (speaker, let_go, taken) = scene();
        for text in ["a", "b", "c"] {
            speaker.say(text.to_owned()).unwrap();
        }
        assert!(taken.try_recv().is_err());
        for text in ["a", "b", "c"] {
            let_go.send(()).unwrap();
            assert_eq!(taken.recv_timeout(LONG).as_deref(), Ok(text));
        }
        assert!(speaker.is_heard(LONG));
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_left_out_is_told() {
        let (speaker, let_go, taken) = scene();
        let mebibyte = "x".repeat(1 << 20);
        // The first may be on its way already.
        for _ in 0..30 {
            speaker.say(mebibyte.clone()).unwrap();
        }
        assert!(speaker.0.0.state.lock().bytes <= WAITING_BYTES);
        speaker.voice().write_all(b"one more").unwrap();
        for _ in 0..40 {
            let_go.send(()).unwrap();
        }
        let is_small = |text: &String| text.len() < 100;
        let told: Vec<_> = taken.iter().filter(is_small).take(1).collect();
        let left_out = told[0].strip_suffix(" left out").map(str::parse::<u64>);
        assert!(matches!(left_out, Some(Ok(13..=15))), "{told:?}");
        speaker.say("after".to_owned()).unwrap();
        assert_eq!(taken.recv_timeout(LONG).as_deref(), Ok("after"));
    }

    #[test]
    fn who_is_not_read_any_more_hears_of_it() {
        let (speaker, let_go, _taken) = scene();
        drop(let_go);
        speaker.say("a".to_owned()).unwrap();
        assert!(!speaker.is_heard(LONG));
        assert!(speaker.say("b".to_owned()).is_err());
    }
}
