//! The command line.

use std::net::IpAddr;

use clap::{Parser, Subcommand};

use crate::protocol::DEFAULT_PORT;
use crate::reach::{Typed, understand};

/// Host and join Mixer sessions: real-time collaboration for Blender artists.
///
/// Without a command the window opens. Where there is no display, the session is hosted in the
/// terminal, as `mixdesk host` does.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Open the window and join by this invite; a window that runs already takes it over.
    #[arg(value_name = "INVITE", value_parser = invite)]
    pub invite: Option<String>,
    /// What to do without a window.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 no connection, 4 no such room or not let in.
Environment: MIXDESK_HOME keeps all files in one folder, MIXDESK_LOG sets what is logged (mixdesk=debug).";

/// What to do without a window.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Host a session until Ctrl-C, and show the addresses to give to colleagues.
    Host(HostArgs),
    /// List the sessions that others host on this network.
    Nearby(NearbyArgs),
    /// List the rooms of a server.
    Rooms(RoomsArgs),
    /// List the rooms that ended on this computer and can be brought back.
    Recent(RecentArgs),
    /// Join a room, and print people and traffic until Ctrl-C.
    Watch(WatchArgs),
    /// Say what keeps colleagues from reaching this computer, or this computer from reaching a server, and what
    /// to do about it.
    Doctor(DoctorArgs),
}

/// Options of `host`.
#[derive(Clone, Debug, clap::Args)]
pub struct HostArgs {
    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Listen on this address only, not on all of this computer.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<IpAddr>,
    /// What the session is called in others' lists and in the invite.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Ask the router to let people from the internet connect, as long as this hosts.
    #[arg(long)]
    pub internet: bool,
    /// Do not announce the session on this network.
    #[arg(long)]
    pub no_announce: bool,
    /// Bring back a room that has ended, by its id in `mixdesk recent`. Can be given several times.
    #[arg(long, value_name = "ID")]
    pub reopen: Vec<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

impl Default for HostArgs {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            bind: None,
            name: None,
            internet: false,
            no_announce: false,
            reopen: Vec::new(),
            json: false,
        }
    }
}

/// Options of `nearby`.
#[derive(Clone, Debug, clap::Args)]
pub struct NearbyArgs {
    /// Go on until Ctrl-C, and tell what changes.
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `rooms`.
#[derive(Clone, Debug, clap::Args)]
pub struct RoomsArgs {
    /// Where the server is: a name or address, with or without a port, an invite, or a message with one of these.
    #[arg(value_name = "HOST[:PORT]", value_parser = place)]
    pub place: Typed,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `recent`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecentArgs {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `watch`.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    /// Where the server is: a name or address, with or without a port, an invite, or a message with one of these.
    #[arg(value_name = "HOST[:PORT]", value_parser = place)]
    pub place: Typed,
    /// The room's name; not needed with an invite to a room.
    #[arg(value_name = "ROOM")]
    pub room: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// The server that cannot be reached: a name or address, or an invite. Without it, or with localhost, this computer is examined as a host; where
    /// it does not host just now, it does so for as long as that takes.
    #[arg(value_name = "HOST[:PORT]", value_parser = place)]
    pub place: Option<Typed>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

fn place(text: &str) -> Result<Typed, String> {
    understand(text, DEFAULT_PORT).map_err(|error| error.to_string())
}

/// An invite as it came: a newer Mixdesk may run and understand more of it, and the window says what is wrong.
fn invite(text: &str) -> Result<String, String> {
    let text = text.trim();
    if !text.to_ascii_lowercase().starts_with("mixdesk:") {
        return Err(
            "this is no command, and no invite either: those begin with mixdesk://".to_owned(),
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn no_command_means_the_window() {
        assert!(Args::try_parse_from(["mixdesk"]).unwrap().command.is_none());
        assert!(Args::try_parse_from(["mixdesk", "host", "--port", "65536"]).is_err());
        assert!(Args::try_parse_from(["mixdesk", "rooms", "a b"]).is_err());
        assert!(Args::try_parse_from(["mixdesk", "dance"]).is_err());
        let Some(Command::Host(args)) = Args::try_parse_from(["mixdesk", "host"]).unwrap().command
        else {
            panic!()
        };
        assert_eq!((args.port, args.bind), (12800, None));
    }

    #[test]
    fn an_invite_is_for_the_window() {
        const INVITE: &str = "mixdesk://join?lan=192.168.0.48&v=1";
        let args = Args::try_parse_from(["mixdesk", INVITE]).unwrap();
        assert_eq!(args.invite.as_deref(), Some(INVITE));
        assert!(args.command.is_none());
        for wrong in [
            &["mixdesk", "192.168.0.48"][..],
            &["mixdesk", INVITE, "host"],
            &["mixdesk", INVITE, INVITE],
        ] {
            assert!(Args::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
