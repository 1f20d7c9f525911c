//! Tests that cannot run here. That is told past the test harness, which shows nothing of what passes.

use std::io::Write;
use std::process::Command;

/// Why a test cannot run here.
#[derive(Debug)]
pub(crate) enum Skipped {
    /// Something is not there that `.ci/run` installs.
    Missing(String),
    /// This computer does not let us.
    Forbidden(String),
}

impl Skipped {
    /// Has a program make what a test needs. `refused` says what it is where the program does not.
    pub(crate) fn unless_made(command: &mut Command, refused: &str) -> Result<(), Self> {
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(Self::Forbidden(format!(
                "{refused} here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
            Err(error) => Err(Self::Missing(format!(
                "the program {} cannot be run: {error}",
                command.get_program().display()
            ))),
        }
    }

    /// Says so. Where `CI` is set, what is missing is a failure.
    pub(crate) fn tell(&self) {
        let (Self::Missing(why) | Self::Forbidden(why)) = self;
        // Nobody to tell is no reason to fail.
        let _told = writeln!(std::io::stderr(), "SKIPPED: {why}");
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        let fails = is_ci && matches!(self, Self::Missing(_));
        assert!(!fails, "{why}");
    }
}
