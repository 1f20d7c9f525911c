//! The same program without a window: hosts, lists rooms, watches one, says why somebody cannot connect.
//!
//! What is asked for goes to standard output, in words or (with `--json`) one JSON object a line;
//! everything else goes to standard error. One file a command; `args.rs` is the command line, `place.rs` where to
//! connect, `commands.rs` and `ways.rs` what a host types and is told.

mod args;
mod commands;
mod console;
mod doctor;
mod host;
mod nearby;
mod place;
mod print;
mod recent;
mod rooms;
mod stdin;
mod watch;
mod ways;

use std::io;
use std::process::ExitCode;

pub use args::{Args, Command, HostArgs};
pub use console::attach_console;
pub use host::host;
pub use print::note;

use crate::backend::{Folders, Terminal, quit_signal, runtime, start_logging};

/// How a command ended, as the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or stopped by the user.
    Done,
    /// It failed: the port could not be had, the output broke.
    Failed,
    /// The relay could not be reached, or the connection to it ended.
    NoConnection,
    /// The room is not there, or did not let us in.
    NoRoom,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // 2 is what a wrong command line gives.
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::NoConnection => 3,
            Exit::NoRoom => 4,
        })
    }
}

/// Carries out a command.
#[must_use]
pub fn run(command: &Command) -> Exit {
    let folders = Folders::of_system();
    let log = folders.as_ref().map(|folders| folders.log.as_path());
    let (log, terminal) = match command {
        Command::Host(_) => (log, Terminal::Loud),
        // What these have to say is their output; their log would only stand in its way.
        Command::Nearby(_)
        | Command::Rooms(_)
        | Command::Recent(_)
        | Command::Watch(_)
        | Command::Doctor(_) => (None, Terminal::Silent),
    };
    let _logging = start_logging(log, terminal);
    let settings = folders.as_ref().map(Folders::settings);
    if let Some((_, Some(trouble))) = &settings {
        note(trouble);
    }
    let settings = settings.unwrap_or_default().0;
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            note(&no_threads(&error));
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(async {
        match command {
            Command::Host(args) => host(args, settings, folders.as_ref(), quit_signal()).await,
            Command::Nearby(args) => nearby::nearby(args, &settings, quit_signal()).await,
            Command::Recent(args) => {
                let rooms = folders.as_ref().map(|folders| folders.rooms.as_path());
                let keeping = settings.hosting(rooms).keeping;
                recent::recent(args, keeping.map(|keeping| keeping.folder).as_deref())
            }
            Command::Rooms(args) => rooms::rooms(args, &settings).await,
            Command::Watch(args) => watch::watch(args, &settings, quit_signal()).await,
            Command::Doctor(args) => doctor::doctor(args, quit_signal()).await,
        }
    });
    runtime.shutdown_background();
    exit
}

fn no_threads(error: &io::Error) -> String {
    format!("The system gives this program no threads: {error}.")
}
