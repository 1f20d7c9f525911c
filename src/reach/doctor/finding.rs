//! What the doctor says: one thing that was looked at, and what came of it.

/// How it stands with what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is as it should be.
    Good,
    /// It keeps nobody out by itself, but is worth knowing, or could not be seen.
    Note,
    /// It keeps people out.
    Problem,
}

impl Verdict {
    /// One word for it, for people and for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Problem => "problem",
        }
    }

    /// The same where it stands alone.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Note => "Note",
            Self::Problem => "Problem",
        }
    }
}

/// What was looked at. The order is that in which it makes sense to read.
pub mod check {
    /// The relay on this computer.
    pub const RELAY: &str = "relay";
    /// The port of this computer.
    pub const PORT: &str = "port";
    /// This computer's addresses.
    pub const ADDRESSES: &str = "addresses";
    /// The addresses that the relay listens on.
    pub const LISTENING: &str = "listening";
    /// This computer's firewall.
    pub const FIREWALL: &str = "firewall";
    /// What the system takes the network for.
    pub const NETWORK: &str = "network";
    /// The router's mapping.
    pub const ROUTER: &str = "router";
    /// The way from this network to its own outside address.
    pub const HAIRPIN: &str = "hairpin";
    /// The host's name.
    pub const NAME: &str = "name";
    /// The way to the host.
    pub const ROUTE: &str = "route";
    /// The connection to the host.
    pub const CONNECTION: &str = "connection";
    /// What answers there.
    pub const ANSWER: &str = "answer";
    /// Whether the host lets us in.
    pub const ENTRANCE: &str = "entrance";
    /// Blender's and Mixer's versions.
    pub const VERSIONS: &str = "versions";
    /// How fast the way is.
    pub const SPEED: &str = "speed";

    /// All of them, in the order in which they read best.
    pub const ALL: [&str; 15] = [
        RELAY, PORT, ADDRESSES, LISTENING, FIREWALL, NETWORK, ROUTER, HAIRPIN, NAME, ROUTE,
        CONNECTION, ANSWER, ENTRANCE, VERSIONS, SPEED,
    ];
}

/// One thing that was looked at: what is, why it matters, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// What was looked at, one of [`check`].
    pub check: &'static str,
    /// What is, as sentences.
    pub what: String,
    /// Why it matters, as sentences.
    pub why: String,
    /// What to do, as sentences, where there is something to do.
    pub fix: Option<String>,
    /// A command that does it, to copy into a terminal.
    pub command: Option<String>,
    /// The same as a program and its arguments that asks for the administrator's consent by itself: to be
    /// started by one click.
    pub elevated: Option<Vec<String>>,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn good(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Good,
            check,
            what: what.into(),
            why: why.into(),
            fix: None,
            command: None,
            elevated: None,
        }
    }

    /// Worth knowing.
    #[must_use]
    pub fn note(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            ..Self::good(check, what, why)
        }
    }

    /// It keeps people out.
    #[must_use]
    pub fn problem(
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Problem,
            ..Self::good(check, what, why)
        }
        .fix(fix)
    }

    /// Says what to do.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..self
        }
    }

    /// Gives the command that does it.
    #[must_use]
    pub(crate) fn with(self, cure: Cure) -> Self {
        Self {
            command: Some(cure.command),
            elevated: cure.elevated,
            ..self
        }
    }
}

/// A command that puts something right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cure {
    /// To copy into a terminal.
    pub(crate) command: String,
    /// To be started by one click.
    pub(crate) elevated: Option<Vec<String>>,
}

impl Cure {
    /// Commands for the administrator of a Linux or macOS computer, one after the other.
    pub(crate) fn as_root(commands: &[String]) -> Self {
        let typed: Vec<_> = commands.iter().map(|line| format!("sudo {line}")).collect();
        let script = commands.join(" && ");
        let elevated = if std::env::consts::OS == "macos" {
            let quoted = script.replace('\\', "\\\\").replace('"', "\\\"");
            vec![
                "osascript".to_owned(),
                "-e".to_owned(),
                format!("do shell script \"{quoted}\" with administrator privileges"),
            ]
        } else {
            vec![
                "pkexec".to_owned(),
                "sh".to_owned(),
                "-c".to_owned(),
                script,
            ]
        };
        Self {
            command: typed.join(" && "),
            elevated: Some(elevated),
        }
    }

    /// A command for the administrator of a Windows computer, in PowerShell.
    pub(crate) fn as_windows_admin(command: String) -> Self {
        let inner = command.replace('\'', "''").replace('"', "\\\"");
        let script = format!(
            "Start-Process powershell -Verb RunAs -ArgumentList '-NoProfile','-Command','{inner}'"
        );
        Self {
            command,
            elevated: Some(vec![
                "powershell".to_owned(),
                "-NoProfile".to_owned(),
                "-Command".to_owned(),
                script,
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_or_clicked() {
        let cure = Cure::as_root(&["a 1".to_owned(), "b 2".to_owned()]);
        assert_eq!(cure.command, "sudo a 1 && sudo b 2");
        let elevated = cure.elevated.unwrap();
        assert!(elevated.last().unwrap().contains("a 1 && b 2"));
        let cure = Cure::as_windows_admin("netsh a name='b'".to_owned());
        assert_eq!(cure.command, "netsh a name='b'");
        let script = cure.elevated.unwrap().pop().unwrap();
        assert!(script.contains("RunAs") && script.contains("name=''b''"));
    }

    #[test]
    fn checks_are_told_apart() {
        let names: std::collections::BTreeSet<_> = check::ALL.iter().collect();
        assert_eq!(names.len(), check::ALL.len());
    }
}
