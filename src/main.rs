//! The program: a window, or without one what `mixdesk --help` tells.

use std::process::ExitCode;

use clap::Parser;
use mixdesk::cli::{self, Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    let command = args
        .command
        .unwrap_or_else(|| Command::Host(cli::HostArgs::default()));
    cli::run(&command).into()
}
