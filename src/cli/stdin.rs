//! Lines that somebody types or a program pipes in.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

/// Lines that may wait to be carried out.
const WAITING: usize = 16;
/// A longer line is taken for two.
const LINE_BYTES: u64 = 4096;

/// The lines of standard input, on a thread of their own: a read from there cannot be given up. Ends
/// with the input.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel(WAITING);
    let reading = std::thread::Builder::new().name("mixdesk-stdin".to_owned());
    let reading = reading.spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            wait_for_our_turn();
            let mut line = Vec::new();
            match input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    if let Err(error) = reading {
        tracing::warn!("what is typed here is not read: {error}");
    }
    received
}

/// Waits until this program may read from its terminal. The system stops a program that reads while
/// another one has the terminal, as after `mixdesk host &`; and a server must not stop for that.
#[cfg(unix)]
fn wait_for_our_turn() {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::getpgrp;
    use rustix::stdio::stdin;
    use rustix::termios::tcgetpgrp;
    use std::time::Duration;

    /// How often to look whether the terminal is ours again.
    const LOOK_EVERY: Duration = Duration::from_secs(1);

    // What is no terminal belongs to nobody.
    while tcgetpgrp(stdin()).is_ok() {
        let waited = poll(
            &mut [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)],
            None,
        );
        if waited.is_ok() && tcgetpgrp(stdin()) == Ok(getpgrp()) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until this program may read from its terminal; here it always may.
#[cfg(not(unix))]
fn wait_for_our_turn() {}
