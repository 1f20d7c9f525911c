//! Windows: what its firewall and its networks say, through PowerShell; where that may not run, through `netsh`.
//!
//! PowerShell is asked for numbers (`HNetCfg.FwPolicy2`, `Get-NetConnectionProfile`), which are the same in every
//! language. `netsh` speaks the person's language, so of its words only those that are never translated and
//! places of lines are used, and what is left open is told as such.

use serde::Deserialize;

use crate::reach::doctor::finding::{Cure, Finding, check};

/// What PowerShell is asked. Of a firewall's hundreds of rules those that can be for us are told.
pub(super) const SCRIPT: &str = "\
$ErrorActionPreference='Stop'
[Console]::OutputEncoding=New-Object Text.UTF8Encoding $false
$f=New-Object -ComObject HNetCfg.FwPolicy2
$c=$f.CurrentProfileTypes
$p=@(1,2,4|?{$c -band $_}|%{@{type=$_;on=[bool]$f.FirewallEnabled($_);blocks_all=[bool]$f.BlockAllInboundTraffic($_);lets_in=($f.DefaultInboundAction($_) -eq 1)}})
$r=@($f.Rules|?{$_.Enabled -and $_.Direction -eq 1 -and ($_.Protocol -eq 6 -or $_.Protocol -eq 256) -and -not $_.serviceName -and -not $_.LocalAppPackageId}|%{@{name=[string]$_.Name;allows=($_.Action -eq 1);profiles=$_.Profiles;ports=[string]$_.LocalPorts;from=[string]$_.RemoteAddresses;program=[Environment]::ExpandEnvironmentVariables([string]$_.ApplicationName)}})
$n=@()
try{$n=@(Get-NetConnectionProfile|%{@{interface=[string]$_.InterfaceAlias;index=$_.InterfaceIndex;category=[int]$_.NetworkCategory}})}catch{}
@{profiles=$p;rules=$r;networks=$n}|ConvertTo-Json -Depth 4 -Compress";

/// What colleagues notice while the firewall keeps them out.
const WHY: &str =
    "While it keeps Mixdesk out, colleagues wait at its door and see “did not answer”.";

/// What PowerShell says.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    profiles: Vec<Profile>,
    rules: Vec<Rule>,
    networks: Vec<Network>,
}

/// One of the sorts of networks that this computer is in now.
#[derive(Debug, Deserialize)]
struct Profile {
    /// 1 a company's domain, 2 private, 4 public.
    #[serde(rename = "type")]
    kind: u32,
    on: bool,
    blocks_all: bool,
    /// What no rule is for.
    lets_in: bool,
}

/// A rule about incoming TCP that is switched on.
#[derive(Debug, Deserialize)]
struct Rule {
    name: String,
    allows: bool,
    /// Sorts of networks, added up.
    profiles: u32,
    /// `12800`, `80,443`, `5000-5010`, `*` or nothing.
    ports: String,
    from: String,
    program: String,
}

#[derive(Debug, Deserialize)]
struct Network {
    interface: String,
    index: u32,
    /// 0 public, 1 private, 2 a company's domain.
    category: u32,
}

impl Rule {
    fn is_for(&self, port: u16, program: &str) -> bool {
        let for_program = matches!(self.program.as_str(), "" | "*" | "System")
            || self.program.eq_ignore_ascii_case(program);
        for_program && has_port(&self.ports, port)
    }

    /// For colleagues, wherever they are in the local network.
    fn is_for_colleagues(&self) -> bool {
        matches!(self.from.to_lowercase().as_str(), "" | "*" | "any")
            || self.from.to_lowercase().contains("localsubnet")
    }
}

/// Reads what the script says.
///
/// # Errors
/// When it is something else.
pub(super) fn parse(json: &str) -> Result<Told, String> {
    serde_json::from_str(json.trim_start_matches('\u{feff}').trim())
        .map_err(|error| error.to_string())
}

impl Told {
    /// What there is to say of the firewall and of the networks.
    pub(super) fn findings(&self, port: u16, program: &str) -> Vec<Finding> {
        let mut findings: Vec<_> = self
            .profiles
            .iter()
            .map(|profile| self.of_profile(profile, port, program))
            .collect();
        if self.profiles.is_empty() {
            let what = "The Windows firewall takes this computer to be in no network.";
            findings.push(Finding::note(check::FIREWALL, what, WHY));
        }
        findings.extend(self.networks.iter().map(Network::finding));
        findings
    }

    fn of_profile(&self, profile: &Profile, port: u16, program: &str) -> Finding {
        let place = match profile.kind {
            1 => "domain",
            2 => "private",
            4 => "public",
            _ => "other",
        };
        if !profile.on {
            let what = format!("The Windows firewall is off in {place} networks.");
            return Finding::good(check::FIREWALL, what, "It keeps nobody out.");
        }
        let rules = || {
            let here = self
                .rules
                .iter()
                .filter(|rule| rule.profiles & profile.kind != 0 && rule.is_for(port, program));
            here.collect::<Vec<_>>()
        };
        if profile.blocks_all {
            let what = format!(
                "The Windows firewall blocks all incoming connections in {place} networks, whatever its rules say."
            );
            let fix = "Switch “Block all incoming connections” off in Windows Security → Firewall, or run this in \
                       PowerShell as administrator.";
            let command = format!(
                "netsh advfirewall set {place}profile firewallpolicy blockinbound,allowoutbound"
            );
            return Finding::problem(check::FIREWALL, what, WHY, fix)
                .with(Cure::as_windows_admin(command));
        }
        // A rule that blocks counts more than any that lets in.
        if let Some(rule) = rules().into_iter().find(|rule| !rule.allows) {
            let what = format!(
                "A rule of the Windows firewall, “{}”, blocks Mixdesk in {place} networks.",
                rule.name
            );
            let why = format!(
                "Windows makes such a rule when somebody presses Cancel as it asks about a new program. {WHY}"
            );
            let fix =
                "Remove that rule and let the port in: run this in PowerShell as administrator.";
            let named = format!(
                "netsh advfirewall firewall delete rule name={} dir=in",
                quoted(&rule.name)
            );
            return Finding::problem(check::FIREWALL, what, why, fix).with(Cure::as_windows_admin(
                format!("{named}; {}", opening(port)),
            ));
        }
        let lets_in = rules()
            .iter()
            .any(|rule| rule.allows && rule.is_for_colleagues());
        if profile.lets_in || lets_in {
            let what = format!(
                "The Windows firewall lets people connect to TCP port {port} in {place} networks."
            );
            return Finding::good(check::FIREWALL, what, WHY);
        }
        let what = format!(
            "The Windows firewall has no rule that lets people connect to TCP port {port} in {place} networks."
        );
        closed(&what, port)
    }
}

impl Network {
    fn finding(&self) -> Finding {
        let interface = &self.interface;
        if self.category != 0 {
            let what = format!("Windows trusts the network of “{interface}”.");
            let why = "Computers in it can find each other.";
            return Finding::good(check::NETWORK, what, why);
        }
        let what = format!("Windows takes the network of “{interface}” for a public one.");
        let why = "In public networks Windows hides this computer from others and lets few programs be reached.";
        Finding::note(check::NETWORK, what, why)
            .fix("If it is your home or studio, say so: run this in PowerShell as administrator.")
            .with(Cure::as_windows_admin(format!(
                "Set-NetConnectionProfile -InterfaceIndex {} -NetworkCategory Private",
                self.index
            )))
    }
}

fn closed(what: &str, port: u16) -> Finding {
    let fix = "Allow Mixdesk when Windows asks, or run this in PowerShell as administrator.";
    Finding::problem(check::FIREWALL, what, WHY, fix).with(Cure::as_windows_admin(opening(port)))
}

/// What opens the port.
fn opening(port: u16) -> String {
    format!(
        "netsh advfirewall firewall add rule name=Mixdesk dir=in action=allow protocol=TCP localport={port} profile=any"
    )
}

/// A text as one word of PowerShell that `netsh` reads as one word, too.
fn quoted(text: &str) -> String {
    let harmless: String = text.chars().filter(|c| *c != '"').collect();
    format!("'\"{}\"'", harmless.replace('\'', "''"))
}

fn has_port(ports: &str, port: u16) -> bool {
    if matches!(ports.trim(), "" | "*") {
        return true;
    }
    ports.split(',').any(|one| {
        let (first, last) = one.split_once('-').unwrap_or((one, one));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        }
    })
}

/// What `netsh advfirewall show currentprofile` and `netsh advfirewall firewall show rule name=all dir=in verbose`
/// say, in any language; `None` when they say something else.
pub(super) fn from_netsh(profile: &str, rules: &str, port: u16, program: &str) -> Option<Finding> {
    let lines: Vec<_> = profile.lines().map(str::trim).collect();
    // Not translated: `Firewall Policy   BlockInbound,AllowOutbound`. The line above is the state.
    let at = lines
        .iter()
        .position(|line| line.contains("Inbound") && line.contains("Outbound"))?;
    let state = lines.get(at.checked_sub(1)?)?;
    let state = state.split_whitespace().last().unwrap_or_default();
    let policy = lines.get(at)?;
    if OFF.contains(&state.to_lowercase().as_str()) {
        let what = "The Windows firewall is off in this network.";
        return Some(Finding::good(check::FIREWALL, what, "It keeps nobody out."));
    }
    if policy.contains("BlockInboundAlways") {
        let what = "The Windows firewall blocks all incoming connections in this network.";
        return Some(closed(what, port));
    }
    let here = netsh_rules(rules, port, program);
    Some(if here.contains(&Some(false)) {
        let what = "A rule of the Windows firewall blocks Mixdesk.";
        let fix =
            "Remove that rule in Windows Security → Firewall → Advanced settings → Inbound rules.";
        Finding::problem(check::FIREWALL, what, WHY, fix)
    } else if here.contains(&Some(true)) || policy.contains("AllowInbound") {
        let what = format!("The Windows firewall lets people connect to TCP port {port}.");
        Finding::good(check::FIREWALL, what, WHY)
    } else if here.is_empty() {
        let what = format!("The Windows firewall has no rule for TCP port {port}.");
        closed(&what, port)
    } else {
        let what = format!(
            "The Windows firewall has a rule for TCP port {port}; whether it lets people in could not be read."
        );
        Finding::note(check::FIREWALL, what, WHY)
            .fix("See Windows Security → Firewall → Advanced settings → Inbound rules.")
    })
}

/// How `netsh` says that something is off.
const OFF: [&str; 12] = [
    "off",
    "aus",
    "désactivé",
    "desactivado",
    "desativado",
    "disattivo",
    "disattivato",
    "uit",
    "wył.",
    "выкл.",
    "オフ",
    "关闭",
];
/// How `netsh` says that a rule lets in …
const ALLOW: [&str; 11] = [
    "allow",
    "zulassen",
    "autoriser",
    "permitir",
    "consenti",
    "toestaan",
    "zezwalaj",
    "разрешить",
    "許可",
    "允许",
    "bypass",
];
/// … and that it blocks.
const BLOCK: [&str; 11] = [
    "block",
    "blockieren",
    "blocken",
    "bloquer",
    "bloquear",
    "blocca",
    "blokkeren",
    "zablokuj",
    "блокировать",
    "ブロック",
    "阻止",
];

/// The rules about the port or the program: whether each lets in, where its word is known.
fn netsh_rules(text: &str, port: u16, program: &str) -> Vec<Option<bool>> {
    let mut found = Vec::new();
    let lines: Vec<_> = text.lines().collect();
    let is_rule = |line: &&str| line.starts_with("-----");
    for block in lines.split(is_rule).skip(1) {
        let values: Vec<_> = block
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.1.trim()))
            .collect();
        // The local port stands below the protocol.
        let protocol = values.iter().position(|value| *value == "TCP");
        let ports = protocol.and_then(|at| values.get(at + 1));
        let for_port = ports.is_some_and(|ports| {
            ports.starts_with(|c: char| c.is_ascii_digit()) && has_port(ports, port)
        });
        let programs = || {
            values
                .iter()
                .filter(|value| value.to_lowercase().ends_with(".exe"))
        };
        let for_us = programs().any(|value| value.eq_ignore_ascii_case(program));
        let for_another = programs().next().is_some() && !for_us;
        if for_another || !(for_port || for_us) {
            continue;
        }
        let words = || values.iter().map(|value| value.to_lowercase());
        found.push(if words().any(|word| BLOCK.contains(&word.as_str())) {
            Some(false)
        } else if words().any(|word| ALLOW.contains(&word.as_str())) {
            Some(true)
        } else {
            None
        });
    }
    found
}
