//! iptables: what `iptables-save` and `ip6tables-save` say, judged for one packet (iptables-extensions(8)).

use std::net::IpAddr;

use super::nft::is_within;
use super::walk::{Act, Cause, Chain, Chains, Fate, Fits, Knock, Step, walk};

/// The tables and their chains that a packet for this computer goes through.
const WAY_IN: [(&str, &str); 5] = [
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
    ("security", "INPUT"),
];
/// A colleague's own port: any that systems choose from.
const THEIR_PORT: u16 = 50_000;
/// What only looks at a packet, or writes something on it.
const HARMLESS: [&str; 12] = [
    "LOG",
    "NFLOG",
    "MARK",
    "CONNMARK",
    "CT",
    "NOTRACK",
    "TRACE",
    "AUDIT",
    "SET",
    "CONNSECMARK",
    "SECMARK",
    "TCPMSS",
];

/// All rules of one family.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    tables: Vec<(&'a str, Vec<&'a str>)>,
}

/// A chain that does not let a packet through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Barrier {
    pub(super) table: &'static str,
    pub(super) chain: &'static str,
    pub(super) fate: Fate,
}

impl<'a> Rules<'a> {
    /// Reads what `iptables-save` says.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                tables.push((name.trim(), Vec::new()));
            } else if let Some((_, lines)) = tables.last_mut() {
                lines.push(line);
            }
        }
        Self { tables }
    }

    /// The chains that do not let the packet through.
    pub(super) fn barriers(&self, knock: &Knock) -> Vec<Barrier> {
        let barriers = WAY_IN.iter().filter_map(|&(table, chain)| {
            let (_, lines) = self.tables.iter().find(|(name, _)| *name == table)?;
            let fate = walk(&chains(lines, knock), chain);
            (fate != Fate::Passes).then_some(Barrier { table, chain, fate })
        });
        barriers.collect()
    }
}

impl Barrier {
    /// What opens it, for the administrator.
    pub(super) fn opening(&self, is_v4: bool, port: u16) -> String {
        let tool = if is_v4 { "iptables" } else { "ip6tables" };
        let table = match self.table {
            "filter" => String::new(),
            table => format!("-t {table} "),
        };
        format!(
            "{tool} {table}-I {} -p tcp --dport {port} -j ACCEPT",
            self.chain
        )
    }

    /// A rule of a firewall program whose chains are named so stands in the way.
    pub(super) fn is_of(&self, start: &str) -> bool {
        let (Fate::Blocked(cause) | Fate::Perhaps(cause)) = &self.fate else {
            return false;
        };
        matches!(cause, Cause::Rule { chain, .. } if chain.starts_with(start))
    }
}

fn chains(lines: &[&str], knock: &Knock) -> Chains {
    let mut chains = Chains::new();
    for line in lines {
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            if let Some(name) = words.next() {
                let chain = chains.entry(name.to_owned()).or_default();
                chain.blocks_the_rest = words.next() == Some("DROP");
            }
        }
    }
    for line in lines {
        let words = words(line);
        let [how, chain, rest @ ..] = words.as_slice() else {
            continue;
        };
        if how == "-A"
            && let Some(step) = step(rest, knock, &chains, line)
        {
            let chain: &mut Chain = chains.entry(chain.clone()).or_default();
            chain.steps.push(step);
        }
    }
    chains
}

/// What a rule does, if it decides anything.
fn step(words: &[String], knock: &Knock, chains: &Chains, line: &str) -> Option<Step> {
    let mut fits = Fits::Yes;
    let mut act = None;
    let mut is_not = false;
    let mut rest = words;
    while let Some((option, after)) = rest.split_first() {
        if option == "!" {
            is_not = true;
            rest = after;
            continue;
        }
        let count = after
            .iter()
            .take_while(|word| *word != "!" && !is_option(word))
            .count();
        let (values, behind) = after.split_at_checked(count)?;
        let value = values.first().map_or("", String::as_str);
        match option.as_str() {
            "-j" => {
                act = match value {
                    "ACCEPT" => Some(Act::Accept),
                    "DROP" | "REJECT" | "TARPIT" => Some(Act::Block),
                    "RETURN" => Some(Act::Return),
                    "" => return None,
                    name if chains.contains_key(name) => Some(Act::Jump(name.to_owned())),
                    name if HARMLESS.contains(&name) => return None,
                    // A target that is not known here may do anything.
                    _ => {
                        fits = fits.and(Fits::Maybe);
                        Some(Act::Block)
                    }
                };
                // What follows is about the target.
                break;
            }
            "-g" => act = Some(Act::Goto(value.to_owned())),
            _ => {
                let one = test(option, values, value, knock);
                fits = fits.and(if is_not { one.not() } else { one });
            }
        }
        is_not = false;
        rest = behind;
    }
    Some(Step {
        fits,
        act: act?,
        rule: line.trim_start_matches("-A ").to_owned(),
    })
}

fn is_option(word: &str) -> bool {
    word.starts_with('-')
        && word
            .chars()
            .nth(1)
            .is_some_and(|c| c == '-' || c.is_alphabetic())
}

/// These set something up, tell people, or hold for one packet now and then, as that is within every limit.
const HOLD: [&str; 15] = [
    "-m",
    "--match",
    "--comment",
    "--limit",
    "--limit-burst",
    "--name",
    "--rsource",
    "--mask",
    "--syn",
    "--hashlimit-upto",
    "--hashlimit-burst",
    "--hashlimit-mode",
    "--hashlimit-name",
    "--connlimit-upto",
    "--connlimit-mask",
];
/// These are about other packets than the first one of TCP, or about more than one now and then.
const DO_NOT_HOLD: [&str; 5] = [
    "--hashlimit-above",
    "--connlimit-above",
    "--icmp-type",
    "--icmpv6-type",
    "--rt-type",
];

/// Whether a rule's condition holds.
fn test(option: &str, values: &[String], value: &str, knock: &Knock) -> Fits {
    match option {
        option if HOLD.contains(&option) => Fits::Yes,
        option if DO_NOT_HOLD.contains(&option) => Fits::No,
        "-p" | "--protocol" => matches!(value, "tcp" | "6" | "all" | "0").into(),
        "-s" | "--source" => address(value, knock.from),
        "-d" | "--destination" => address(value, knock.to),
        "-i" | "--in-interface" => match value.strip_suffix('+') {
            Some(start) => knock.interface.starts_with(start).into(),
            None => (knock.interface == value).into(),
        },
        "--dport" | "--destination-port" | "--dports" | "--destination-ports" | "--ports" => {
            ports(value, knock.port)
        }
        "--sport" | "--source-port" | "--sports" | "--source-ports" => ports(value, THEIR_PORT),
        "--ctstate" | "--state" => value.split(',').any(|state| state == "NEW").into(),
        "--ctdir" => (value == "ORIGINAL").into(),
        "--dst-type" => (value == "LOCAL").into(),
        "--src-type" => (value == "UNICAST").into(),
        "--pkt-type" => (value == "unicast").into(),
        "--tcp-flags" => match values {
            [mask, set] => {
                let has_syn = mask == "ALL" || mask.split(',').any(|one| one == "SYN");
                (set == if has_syn { "SYN" } else { "NONE" }).into()
            }
            _ => Fits::Maybe,
        },
        "--mark" => {
            let mark = value.split_once('/').map_or(value, |(mark, _)| mark);
            matches!(mark, "0" | "0x0").into()
        }
        _ => Fits::Maybe,
    }
}

fn address(text: &str, ip: IpAddr) -> Fits {
    let mut fits = Fits::No;
    for one in text.split(',') {
        let (network, len) = one.split_once('/').unwrap_or((one, "128"));
        let fit = match (network.parse(), len.parse()) {
            (Ok(network), Ok(len)) => is_within(ip, network, len).into(),
            // A mask that is no prefix.
            _ => Fits::Maybe,
        };
        fits = fits.or(fit);
    }
    fits
}

fn ports(text: &str, port: u16) -> Fits {
    let mut fits = Fits::No;
    for one in text.split(',') {
        let (first, last) = one.split_once(':').unwrap_or((one, one));
        let first = if first.is_empty() {
            Ok(0)
        } else {
            first.parse::<u16>()
        };
        let last = if last.is_empty() {
            Ok(u16::MAX)
        } else {
            last.parse::<u16>()
        };
        let fit = match (first, last) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port).into(),
            _ => Fits::Maybe,
        };
        fits = fits.or(fit);
    }
    fits
}

/// The words of a rule; what stands in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => word.extend(chars.next()),
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            c if c.is_whitespace() && !quoted => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}
