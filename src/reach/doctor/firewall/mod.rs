//! This computer's firewall: does it let colleagues in, and if not, what opens it. Only looks.
//!
//! `walk.rs` sends the first packet of a colleague's connection through the rules as `nft.rs` and `iptables.rs`
//! read them, one packet an address that colleagues may use. `ufw.rs` and `firewalld.rs` know the programs that
//! write such rules, and have the better command to open a port. `windows.rs` and `macos.rs` are those systems'
//! own. All of them are pure, and are compiled everywhere; `linux.rs` and this file ask the tools.

mod firewalld;
mod iptables;
mod linux;
mod macos;
mod nft;
#[cfg(test)]
mod tests;
mod ufw;
mod walk;
mod windows;

use std::path::PathBuf;
use std::time::Duration;

use super::finding::{Finding, check};
use super::tools;
pub(crate) use walk::Knock;

/// How long one tool may take. `firewall-cmd` and PowerShell take a second by themselves.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the firewall does to connections like these.
pub(super) async fn look(port: u16, knocks: Vec<Knock>) -> Vec<Finding> {
    match std::env::consts::OS {
        "windows" => on_windows(port).await,
        "macos" => on_macos().await,
        _ => linux::look(port, knocks).await,
    }
}

fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_default()
}

async fn on_windows(port: u16) -> Vec<Finding> {
    let program = program().display().to_string();
    let args = ["-NoProfile", "-NonInteractive", "-Command", windows::SCRIPT];
    let (told, profile, rules) = tokio::join!(
        tools::output("powershell", &args, PATIENCE),
        tools::output(
            "netsh",
            &["advfirewall", "show", "currentprofile"],
            PATIENCE
        ),
        tools::output(
            "netsh",
            &[
                "advfirewall",
                "firewall",
                "show",
                "rule",
                "name=all",
                "dir=in",
                "verbose"
            ],
            PATIENCE
        ),
    );
    let why = match told.map(|text| windows::parse(&text)) {
        Ok(Ok(told)) => return told.findings(port, &program),
        Ok(Err(why)) => {
            tracing::debug!("PowerShell's answer: {why}");
            "said something that is not understood here".to_owned()
        }
        Err(mute) => mute.words(),
    };
    // Without rules it says so, and counts that as a failure.
    let finding = profile.ok().and_then(|profile| {
        windows::from_netsh(&profile, &rules.unwrap_or_default(), port, &program)
    });
    vec![finding.unwrap_or_else(|| unseen(&format!("PowerShell {why}.")))]
}

async fn on_macos() -> Vec<Finding> {
    let program = program();
    let path = program.display().to_string();
    let app_blocked = ["--getappblocked", path.as_str()];
    let (state, block_all, app) = tokio::join!(
        tools::ask(macos::TOOL, &["--getglobalstate"], PATIENCE),
        tools::ask(macos::TOOL, &["--getblockall"], PATIENCE),
        tools::ask(macos::TOOL, &app_blocked, PATIENCE),
    );
    let text = |said: Result<tools::Said, _>| said.map(|said| said.text).unwrap_or_default();
    let why = state.as_ref().err().map(tools::Mute::words);
    let found = macos::finding(&text(state), &text(block_all), &text(app), &program);
    let why = why.unwrap_or_else(|| "said something that is not understood here".to_owned());
    vec![found.unwrap_or_else(|| unseen(&format!("{} {why}.", macos::TOOL)))]
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The firewall could not be looked at.
fn unseen(why: &str) -> Finding {
    Finding::note(
        check::FIREWALL,
        format!("Whether this computer's firewall lets people in could not be seen: {why}"),
        "A firewall that keeps Mixdesk out looks to colleagues as if nobody was there.",
    )
    .fix("If colleagues see “did not answer”, look in the firewall's settings whether the port is open.")
}
