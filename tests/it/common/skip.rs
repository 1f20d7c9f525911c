//! Tests that cannot run here. That is told past the test harness, which shows nothing of what passes.

use std::io::Write;

/// Why a test cannot run here.
#[derive(Debug)]
pub(crate) enum Skipped {
    /// Something is not there that `.ci/run` installs.
    Missing(String),
    /// This computer does not let us.
    Forbidden(String),
}

impl Skipped {
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
