//! The program: a window, or without one what `mixdesk --help` tells.

#![cfg_attr(windows, windows_subsystem = "windows")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use mixdesk::backend::{self, Action, Backend, Folders, Instance, Terminal};
use mixdesk::cli::{self, Args, Command, Exit, HostArgs};
use mixdesk::gui::{self, Display};

fn main() -> ExitCode {
    backend::take_memory_from_one_place();
    cli::attach_console();
    let args = Args::parse();
    let exit = match (args.command, args.invite) {
        (Some(command), _) => cli::run(&command),
        (None, Some(invite)) if hand_over(&invite) => Exit::Done,
        (None, invite) => match gui::display() {
            Display::Ready => window(invite),
            Display::Absent if invite.is_some() => {
                cli::note(
                    "There is no display here to open the invite on. See its rooms with “mixdesk rooms INVITE”.",
                );
                Exit::Failed
            }
            Display::Absent => {
                cli::note(
                    "There is no display here, so Mixdesk hosts in this terminal (as “mixdesk host” does).",
                );
                cli::run(&Command::Host(HostArgs::default()))
            }
            Display::Lacking(lacks) => {
                for lack in lacks {
                    cli::note(&lack.sentence());
                }
                cli::note(
                    "Install it to see the window, or host in the terminal with “mixdesk host”.",
                );
                Exit::Failed
            }
        },
    };
    exit.into()
}

/// Gives an invite to the window that runs already, if one does.
fn hand_over(invite: &str) -> bool {
    Folders::of_system().is_some_and(|folders| Instance::hand_over(&folders, invite))
}

/// Opens the window, joins by an invite if there is one, and runs until it is closed.
fn window(invite: Option<String>) -> Exit {
    let Some(folders) = Folders::of_system() else {
        cli::note(
            "This user has no home folder to keep settings in. Set MIXDESK_HOME to a folder.",
        );
        return Exit::Failed;
    };
    let logging = backend::start_logging(Some(&folders.log), Terminal::Silent);
    let (settings, trouble) = folders.settings();
    // The backend starts once the window exists to be woken, and ends after it is gone.
    let backend: Arc<Mutex<Option<Backend>>> = Arc::default();
    let started = Arc::clone(&backend);
    let tail = logging.tail.clone();
    let first = settings.clone();
    let shown = gui::run(
        &settings,
        Box::new(move |wake| {
            let port = first.port;
            let (running, handle) = Backend::start(folders, first, trouble, tail, wake)?;
            if let Some(host) = invite
                && !handle.send(Action::Connect { host, port })
            {
                tracing::error!("the invite was not followed");
            }
            *started.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
            Ok(handle)
        }),
    );
    if let Some(backend) = backend
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
    {
        backend.finish();
    }
    match shown {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!("no window: {error}");
            cli::note(&format!(
                "The window could not be opened: {error}. Host in the terminal with “mixdesk host”."
            ));
            Exit::Failed
        }
    }
}
