//! macOS: what its application firewall says (`socketfilterfw`).

use std::path::Path;

use super::shell_word;
use crate::reach::doctor::finding::{Cure, Finding, check};

/// Where the tool is.
pub(super) const TOOL: &str = "/usr/libexec/ApplicationFirewall/socketfilterfw";

/// What it says of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Off,
    BlocksAll,
    Blocked,
    Allowed,
    /// It asks the person when the program first listens.
    Unknown,
}

/// What there is to say, from what the tool says to `--getglobalstate`, `--getblockall` and `--getappblocked`.
pub(super) fn finding(state: &str, block_all: &str, app: &str, program: &Path) -> Option<Finding> {
    const WHY: &str =
        "While it keeps Mixdesk out, colleagues wait at its door and see “did not answer”.";
    let path = shell_word(&program.display().to_string());
    let let_in = || {
        Cure::as_root(&[
            format!("{TOOL} --add {path}"),
            format!("{TOOL} --unblockapp {path}"),
        ])
    };
    Some(match understand(state, block_all, app)? {
        Said::Off => Finding::good(
            check::FIREWALL,
            "The firewall of this Mac is off.",
            "It keeps nobody out.",
        ),
        Said::Allowed => Finding::good(
            check::FIREWALL,
            "The firewall of this Mac lets people connect to Mixdesk.",
            WHY,
        ),
        Said::BlocksAll => Finding::problem(
            check::FIREWALL,
            "The firewall of this Mac blocks all incoming connections.",
            WHY,
            "Switch “Block all incoming connections” off in System Settings → Network → Firewall → Options, or run \
             this in a terminal.",
        )
        .with(Cure::as_root(&[format!("{TOOL} --setblockall off")])),
        Said::Blocked => Finding::problem(
            check::FIREWALL,
            "The firewall of this Mac blocks incoming connections to Mixdesk.",
            WHY,
            "Allow Mixdesk in System Settings → Network → Firewall → Options, or run this in a terminal.",
        )
        .with(let_in()),
        Said::Unknown => Finding::note(
            check::FIREWALL,
            "The firewall of this Mac is on, and has not been told about Mixdesk yet.",
            "The Mac asks once whether Mixdesk may accept connections. Until somebody allows that, colleagues are \
             kept out.",
        )
        .fix("Press Allow when it asks, or run this in a terminal.")
        .with(let_in()),
    })
}

/// `None` when it is something else.
fn understand(state: &str, block_all: &str, app: &str) -> Option<Said> {
    let number = state.split_once("State = ")?.1.chars().next()?;
    let (block_all, app) = (block_all.to_lowercase(), app.to_lowercase());
    Some(match number {
        '0' => Said::Off,
        '2' => Said::BlocksAll,
        // Older systems say `Block all ENABLED!`, newer ones `… block all state set to enabled.`
        _ if block_all.contains("enabled") => Said::BlocksAll,
        _ if app.contains("not part of the firewall") => Said::Unknown,
        _ if app.contains("permitted") => Said::Allowed,
        _ if app.contains("blocked") => Said::Blocked,
        _ => Said::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::doctor::Verdict;

    #[test]
    fn its_words_are_understood() {
        const ON: &str = "Firewall is enabled. (State = 1) \n";
        const APP: &str = "/Applications/Mixdesk.app/Contents/MacOS/mixdesk";
        for (state, block_all, app, expected) in [
            (
                "Firewall is disabled. (State = 0)\n",
                "Block all DISABLED! \n",
                "",
                Said::Off,
            ),
            (ON, "Block all ENABLED! \n", "", Said::BlocksAll),
            (
                ON,
                "Firewall has block all state set to enabled.\n",
                "",
                Said::BlocksAll,
            ),
            (
                "Firewall is blocking all non-essential incoming connections. (State = 2)\n",
                "",
                "",
                Said::BlocksAll,
            ),
            (
                ON,
                "Firewall has block all state set to disabled.\n",
                "The application is not part of the firewall \n",
                Said::Unknown,
            ),
            (
                ON,
                "Block all DISABLED! \n",
                "Incoming connection to the application is blocked \n",
                Said::Blocked,
            ),
            (
                ON,
                "Block all DISABLED! \n",
                "Incoming connection to the application is permitted \n",
                Said::Allowed,
            ),
            (
                ON,
                "",
                "The file path you specified does not exist\n",
                Said::Unknown,
            ),
        ] {
            assert_eq!(
                understand(state, block_all, app),
                Some(expected),
                "{state}{block_all}{app}"
            );
            let finding = finding(state, block_all, app, Path::new(APP)).unwrap();
            let is_problem = matches!(expected, Said::BlocksAll | Said::Blocked);
            assert_eq!(
                finding.verdict == Verdict::Problem,
                is_problem,
                "{finding:?}"
            );
            assert_eq!(
                finding.command.is_some(),
                is_problem || expected == Said::Unknown
            );
        }
        assert_eq!(understand("", "", ""), None);
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
    }
}
