//! nftables: what `nft -j list ruleset` says, judged for one packet (libnftables-json(5)).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use super::walk::{Act, Chain, Chains, Fate, Fits, Knock, Step, walk};

/// Values within values are followed this far.
const DEPTH: usize = 8;
/// A colleague's own port: any that systems choose from.
const THEIR_PORT: u64 = 50_000;

/// All rules of nftables.
#[derive(Debug)]
pub(super) struct Ruleset {
    tables: Vec<Table>,
}

/// Family and name of a table.
type Name = (String, String);

#[derive(Debug)]
struct Table {
    name: Name,
    bases: Vec<Base>,
    /// By chain.
    rules: HashMap<String, Vec<Rule>>,
    /// Sets and maps, by name.
    sets: HashMap<String, Value>,
    /// Some rules are iptables' own and tell nothing of themselves.
    has_foreign: bool,
}

/// A chain that packets come into from the network.
#[derive(Debug)]
struct Base {
    name: String,
    devices: Option<Vec<String>>,
    blocks_the_rest: bool,
}

#[derive(Debug)]
struct Rule {
    handle: u64,
    statements: Vec<Value>,
}

/// A base chain that does not let a packet through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Barrier {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) base: String,
    pub(super) fate: Fate,
}

impl Ruleset {
    /// Reads the output of `nft -j list ruleset`.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let all: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let objects = all.get("nftables").and_then(Value::as_array);
        let objects = objects.ok_or("it is no list of rules")?;
        let mut tables: Vec<Table> = Vec::new();
        for object in objects {
            let Some((kind, object)) = object.as_object().and_then(|object| object.iter().next())
            else {
                continue;
            };
            let text = |name: &str| object.get(name).and_then(Value::as_str);
            let Some(family) = text("family") else {
                continue;
            };
            let table = text(if kind == "table" { "name" } else { "table" });
            let name = (family.to_owned(), table.unwrap_or_default().to_owned());
            let position = tables.iter().position(|table| table.name == name);
            let table = match position.and_then(|position| tables.get_mut(position)) {
                Some(table) => table,
                None => tables.push_mut(Table {
                    name,
                    bases: Vec::new(),
                    rules: HashMap::new(),
                    sets: HashMap::new(),
                    has_foreign: false,
                }),
            };
            match kind.as_str() {
                "chain" => table.take_chain(object),
                "rule" => table.take_rule(object),
                "set" | "map" => {
                    if let Some(name) = text("name") {
                        let elements = object.get("elem").cloned().unwrap_or(Value::Null);
                        table.sets.insert(name.to_owned(), elements);
                    }
                }
                _ => {}
            }
        }
        Ok(Self { tables })
    }

    /// The base chains that do not let the packet through. Tables of iptables for `iptables_told` families
    /// (`ip`, `ip6`) are left out, as iptables tells more of them.
    pub(super) fn barriers(&self, knock: &Knock, iptables_told: &[&str]) -> Vec<Barrier> {
        let ours = if knock.to.is_ipv4() { "ip" } else { "ip6" };
        let mut barriers = Vec::new();
        for table in &self.tables {
            let (family, name) = &table.name;
            let is_ours = ["inet", "netdev", ours].contains(&family.as_str());
            if !is_ours || table.is_of_iptables() && iptables_told.contains(&family.as_str()) {
                continue;
            }
            let chains = table.chains(knock);
            for base in &table.bases {
                let sure = match &base.devices {
                    Some(devices) if !devices.contains(&knock.interface) => continue,
                    Some(_) => true,
                    // Older versions do not say which interface such a chain is for.
                    None => family != "netdev",
                };
                let fate = match walk(&chains, &base.name) {
                    Fate::Passes => continue,
                    Fate::Blocked(cause) if !sure => Fate::Perhaps(cause),
                    fate => fate,
                };
                barriers.push(Barrier {
                    family: family.clone(),
                    table: name.clone(),
                    base: base.name.clone(),
                    fate,
                });
            }
        }
        barriers
    }
}

impl Barrier {
    /// What opens it, for the administrator.
    pub(super) fn opening(&self, port: u16) -> String {
        let Self {
            family,
            table,
            base,
            ..
        } = self;
        format!("nft insert rule {family} {table} {base} tcp dport {port} accept")
    }
}

/// The text of a rule in what `nft -a list chain …` says.
pub(super) fn rule_text(listing: &str, handle: &str) -> Option<String> {
    let mark = format!("# handle {handle}");
    let line = listing
        .lines()
        .find_map(|line| line.trim().strip_suffix(&mark))?;
    Some(line.trim().to_owned())
}

impl Table {
    fn take_chain(&mut self, object: &Value) {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let Some(name) = text("name") else { return };
        self.rules.entry(name.to_owned()).or_default();
        let on_the_way_in = matches!(text("hook"), Some("ingress" | "prerouting" | "input"));
        if !on_the_way_in || text("type") != Some("filter") {
            return;
        }
        let devices = match object.get("dev") {
            Some(Value::String(device)) => Some(vec![device.clone()]),
            Some(Value::Array(devices)) => {
                let names = devices.iter().filter_map(Value::as_str);
                Some(names.map(str::to_owned).collect())
            }
            _ => None,
        };
        self.bases.push(Base {
            name: name.to_owned(),
            devices,
            blocks_the_rest: text("policy") == Some("drop"),
        });
    }

    fn take_rule(&mut self, object: &Value) {
        let (Some(chain), Some(Value::Array(statements))) = (
            object.get("chain").and_then(Value::as_str),
            object.get("expr"),
        ) else {
            return;
        };
        self.has_foreign |= statements.iter().any(|one| one.get("xt").is_some());
        let handle = object.get("handle").and_then(Value::as_u64);
        let rules = self.rules.entry(chain.to_owned()).or_default();
        rules.push(Rule {
            handle: handle.unwrap_or_default(),
            statements: statements.clone(),
        });
    }

    fn is_of_iptables(&self) -> bool {
        const TABLES: [&str; 5] = ["filter", "mangle", "nat", "raw", "security"];
        let shouts = |base: &Base| matches!(base.name.as_str(), "INPUT" | "PREROUTING");
        self.has_foreign || TABLES.contains(&self.name.1.as_str()) && self.bases.iter().any(shouts)
    }

    fn chains(&self, knock: &Knock) -> Chains {
        let judge = Judge {
            knock,
            sets: &self.sets,
        };
        let chains = self.rules.iter().map(|(name, rules)| {
            let base = self.bases.iter().find(|base| base.name == *name);
            let chain = Chain {
                steps: rules.iter().flat_map(|rule| judge.rule(rule)).collect(),
                blocks_the_rest: base.is_some_and(|base| base.blocks_the_rest),
            };
            (name.clone(), chain)
        });
        chains.collect()
    }
}

/// Judges rules for one packet.
struct Judge<'a> {
    knock: &'a Knock,
    sets: &'a HashMap<String, Value>,
}

/// What the packet has where a rule looks.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Number(u64),
    Ip(IpAddr),
    Truth(bool),
    /// Names of those that are set.
    Flags(Vec<String>),
    /// The same, looked at through a mask: these have to be set and no others.
    Masked(Vec<String>),
    /// Several together.
    Row(Vec<Part>),
    /// It has no such part, so that no rule about it fits.
    Nothing,
    Unknown,
}

impl Judge<'_> {
    /// What a rule does: several things where a map leads to several.
    fn rule(&self, rule: &Rule) -> Vec<Step> {
        let mut fits = Fits::Yes;
        let mut steps = Vec::new();
        let mut push = |fits: Fits, act: Act| {
            steps.push(Step {
                fits,
                act,
                rule: rule.handle.to_string(),
            });
        };
        for statement in &rule.statements {
            let Some((name, body)) = statement.as_object().and_then(|one| one.iter().next()) else {
                // As older versions say it of what they cannot put into words.
                fits = fits.and(Fits::Maybe);
                continue;
            };
            match name.as_str() {
                "match" => fits = fits.and(self.test(body)),
                "limit" | "ct count" | "ctcount" => fits = fits.and(within_limits(body)),
                "meter" => {
                    let limit = body.get("stmt").and_then(|one| one.get("limit"));
                    fits = fits.and(limit.map_or(Fits::Maybe, within_limits));
                }
                "quota" | "fwd" | "synproxy" | "queue" => fits = fits.and(Fits::Maybe),
                "xt" => match foreign(body) {
                    Some(act) => push(fits, act),
                    None => fits = fits.and(Fits::Maybe),
                },
                "vmap" => {
                    for (found, act) in self.map(body) {
                        push(fits.and(found), act);
                    }
                }
                _ => {
                    if let Some(act) = act(name, body) {
                        push(fits, act);
                    }
                }
            }
            if fits == Fits::No {
                break;
            }
        }
        steps
    }

    fn test(&self, body: &Value) -> Fits {
        let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
            return Fits::Maybe;
        };
        let op = body.get("op").and_then(Value::as_str).unwrap_or("==");
        let part = self.part(left, 0);
        if part == Part::Nothing {
            return Fits::No;
        }
        match (op, &part, right.as_u64()) {
            ("==" | "in", ..) => self.is(&part, right, 0),
            ("!=", ..) => self.is(&part, right, 0).not(),
            ("<", Part::Number(number), Some(other)) => (*number < other).into(),
            (">", Part::Number(number), Some(other)) => (*number > other).into(),
            ("<=", Part::Number(number), Some(other)) => (*number <= other).into(),
            (">=", Part::Number(number), Some(other)) => (*number >= other).into(),
            _ => Fits::Maybe,
        }
    }

    /// What the packet has there.
    fn part(&self, left: &Value, depth: usize) -> Part {
        let Some((name, body)) = left.as_object().and_then(|one| one.iter().next()) else {
            return Part::Unknown;
        };
        if depth > DEPTH {
            return Part::Unknown;
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        match name.as_str() {
            "payload" => self.payload(text("protocol"), text("field")),
            "meta" => self.meta(body.as_str().unwrap_or_else(|| text("key"))),
            "ct" => match text("key") {
                "state" => Part::Flags(vec!["new".to_owned()]),
                "status" => Part::Flags(Vec::new()),
                "mark" => Part::Number(0),
                "direction" => Part::Text("original".to_owned()),
                _ => Part::Unknown,
            },
            "fib" => match text("result") {
                "type" => Part::Text("local".to_owned()),
                // There is a way back to a colleague.
                "oif" | "oifname" => Part::Truth(true),
                _ => Part::Unknown,
            },
            "concat" => {
                let parts = body.as_array().into_iter().flatten();
                let parts: Vec<_> = parts.map(|one| self.part(one, depth + 1)).collect();
                if parts.contains(&Part::Nothing) {
                    Part::Nothing
                } else {
                    Part::Row(parts)
                }
            }
            "&" => {
                let [of, mask] = body.as_array().map_or(&[][..], Vec::as_slice) else {
                    return Part::Unknown;
                };
                match (self.part(of, depth + 1), mask.as_u64(), flags(mask, 0)) {
                    (Part::Nothing, ..) => Part::Nothing,
                    (Part::Number(number), Some(mask), _) => Part::Number(number & mask),
                    (Part::Flags(set), _, Some(mask)) => {
                        Part::Masked(set.into_iter().filter(|flag| mask.contains(flag)).collect())
                    }
                    _ => Part::Unknown,
                }
            }
            _ => Part::Unknown,
        }
    }

    fn payload(&self, protocol: &str, field: &str) -> Part {
        let is_v4 = self.knock.to.is_ipv4();
        match (protocol, field) {
            ("tcp" | "th", "dport") => Part::Number(self.knock.port.into()),
            ("tcp" | "th", "sport") => Part::Number(THEIR_PORT),
            ("tcp", "flags") => Part::Flags(vec!["syn".to_owned()]),
            ("ip", _) if !is_v4 => Part::Nothing,
            ("ip6", _) if is_v4 => Part::Nothing,
            ("ip" | "ip6", "saddr") => Part::Ip(self.knock.from),
            ("ip" | "ip6", "daddr") => Part::Ip(self.knock.to),
            ("ip", "protocol") | ("ip6", "nexthdr") => Part::Text("tcp".to_owned()),
            (
                "udp" | "udplite" | "icmp" | "icmpv6" | "igmp" | "sctp" | "dccp" | "esp" | "ah"
                | "comp" | "arp" | "vlan",
                _,
            ) => Part::Nothing,
            _ => Part::Unknown,
        }
    }

    fn meta(&self, key: &str) -> Part {
        let is_v4 = self.knock.to.is_ipv4();
        let text = |text: &str| Part::Text(text.to_owned());
        match key {
            "iif" | "iifname" => text(&self.knock.interface),
            "oif" | "oifname" => Part::Nothing,
            "l4proto" => text("tcp"),
            "nfproto" => text(if is_v4 { "ipv4" } else { "ipv6" }),
            "protocol" => text(if is_v4 { "ip" } else { "ip6" }),
            "pkttype" => text("host"),
            "mark" => Part::Number(0),
            _ => Part::Unknown,
        }
    }

    /// Whether the packet has what a rule wants there.
    fn is(&self, part: &Part, wanted: &Value, depth: usize) -> Fits {
        if depth > DEPTH {
            return Fits::Maybe;
        }
        let any = |values: &[Value]| {
            values.iter().fold(Fits::No, |fits, value| {
                fits.or(self.is(part, value, depth + 1))
            })
        };
        match (part, wanted) {
            (Part::Unknown, _) => Fits::Maybe,
            (Part::Nothing, _) => Fits::No,
            (_, Value::String(name)) if name.starts_with('@') => {
                match self.sets.get(name.trim_start_matches('@')) {
                    Some(Value::Array(elements)) => any(elements),
                    // Empty.
                    Some(Value::Null) => Fits::No,
                    _ => Fits::Maybe,
                }
            }
            (Part::Masked(set), _) => are_exactly(set, wanted),
            (_, Value::Array(values)) => any(values),
            (_, Value::Object(object)) => {
                let Some((name, body)) = object.iter().next() else {
                    return Fits::Maybe;
                };
                match (name.as_str(), part, body) {
                    ("set", _, Value::Array(values)) => any(values),
                    ("elem", ..) => body
                        .get("val")
                        .map_or(Fits::Maybe, |value| self.is(part, value, depth + 1)),
                    ("concat", Part::Row(parts), Value::Array(values)) => {
                        if parts.len() != values.len() {
                            return Fits::Maybe;
                        }
                        parts
                            .iter()
                            .zip(values)
                            .fold(Fits::Yes, |fits, (part, value)| {
                                fits.and(self.is(part, value, depth + 1))
                            })
                    }
                    ("prefix", Part::Ip(ip), _) => prefix(*ip, body),
                    ("range", _, Value::Array(ends)) => range(part, ends),
                    _ => Fits::Maybe,
                }
            }
            (Part::Text(text), Value::String(wanted)) => names(text, wanted),
            (Part::Text(text), Value::Number(number)) => match text.as_str() {
                "tcp" => (number.as_u64() == Some(6)).into(),
                _ => Fits::Maybe,
            },
            (Part::Number(number), Value::Number(wanted)) => {
                (wanted.as_u64() == Some(*number)).into()
            }
            (Part::Ip(ip), Value::String(wanted)) => wanted
                .parse::<IpAddr>()
                .map_or(Fits::Maybe, |wanted| (wanted == *ip).into()),
            (Part::Truth(truth), Value::Bool(wanted)) => (truth == wanted).into(),
            (Part::Flags(set), Value::String(wanted)) => set.contains(wanted).into(),
            (Part::Flags(set), Value::Number(wanted)) if set.is_empty() => {
                (wanted.as_u64() == Some(0)).into()
            }
            _ => Fits::Maybe,
        }
    }

    /// Where a map leads.
    fn map(&self, body: &Value) -> Vec<(Fits, Act)> {
        let (Some(key), Some(data)) = (body.get("key"), body.get("data")) else {
            return Vec::new();
        };
        let part = self.part(key, 0);
        let elements = match data {
            Value::String(name) => self.sets.get(name.trim_start_matches('@')),
            _ => data.get("set"),
        };
        let elements = elements.and_then(Value::as_array);
        let leads = elements.into_iter().flatten().filter_map(|element| {
            let [key, verdict] = element.as_array()?.as_slice() else {
                return None;
            };
            let (name, body) = verdict.as_object()?.iter().next()?;
            Some((self.is(&part, key, 0), act(name, body)?))
        });
        leads.filter(|(fits, _)| *fits != Fits::No).collect()
    }
}

/// What a statement does to a packet's way, if anything.
fn act(name: &str, body: &Value) -> Option<Act> {
    let target = || Some(body.get("target")?.as_str()?.to_owned());
    Some(match name {
        "accept" => Act::Accept,
        "drop" | "reject" => Act::Block,
        "jump" => Act::Jump(target()?),
        "goto" => Act::Goto(target()?),
        "return" => Act::Return,
        _ => return None,
    })
}

/// What a statement of iptables does whose like nftables does not have.
fn foreign(body: &Value) -> Option<Act> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    match (text("type"), text("name")) {
        (Some("target"), Some("REJECT" | "DROP")) => Some(Act::Block),
        (Some("target"), Some("ACCEPT")) => Some(Act::Accept),
        _ => None,
    }
}

/// One packet now and then is within every limit, and beyond none.
fn within_limits(body: &Value) -> Fits {
    let beyond = body.get("inv").and_then(Value::as_bool);
    (beyond != Some(true)).into()
}

/// The flags of a mask, however it puts them together.
fn flags(value: &Value, depth: usize) -> Option<Vec<String>> {
    match value {
        _ if depth > DEPTH => None,
        Value::String(name) if !name.starts_with('@') => Some(vec![name.clone()]),
        Value::Array(values) => {
            let all: Option<Vec<_>> = values.iter().map(|one| flags(one, depth + 1)).collect();
            Some(all?.concat())
        }
        Value::Object(object) => flags(object.get("|")?, depth + 1),
        _ => None,
    }
}

/// Whether these flags are set and no others.
fn are_exactly(set: &[String], wanted: &Value) -> Fits {
    match (flags(wanted, 0), wanted.as_u64()) {
        (Some(wanted), _) => {
            let both = set.iter().all(|flag| wanted.contains(flag))
                && wanted.iter().all(|flag| set.contains(flag));
            both.into()
        }
        (None, Some(0)) => set.is_empty().into(),
        _ => Fits::Maybe,
    }
}

/// Names of interfaces may end with a star; some names stand for the same.
fn names(text: &str, wanted: &str) -> Fits {
    let fits = match wanted.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == wanted || text == "host" && wanted == "unicast",
    };
    fits.into()
}

fn prefix(ip: IpAddr, body: &Value) -> Fits {
    let addr = body.get("addr").and_then(Value::as_str);
    let len = body.get("len").and_then(Value::as_u64);
    match (addr.and_then(|addr| addr.parse().ok()), len) {
        (Some(addr), Some(len)) => is_within(ip, addr, len).into(),
        _ => Fits::Maybe,
    }
}

/// Whether an address is in a network, given by one of its addresses and the length of its prefix in bits.
pub(super) fn is_within(ip: IpAddr, network: IpAddr, len: u64) -> bool {
    let (ip, network, bits) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            (u128::from(ip.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let behind = u32::try_from(bits - len.min(bits)).unwrap_or(0);
    let cut = |bits: u128| bits.checked_shr(behind).unwrap_or(0);
    cut(ip) == cut(network)
}

fn range(part: &Part, ends: &[Value]) -> Fits {
    let [first, last] = ends else {
        return Fits::Maybe;
    };
    match part {
        Part::Number(number) => match (first.as_u64(), last.as_u64()) {
            (Some(first), Some(last)) => (first..=last).contains(number).into(),
            _ => Fits::Maybe,
        },
        Part::Ip(ip) => {
            let end = |end: &Value| end.as_str()?.parse::<IpAddr>().ok();
            match (end(first), end(last)) {
                (Some(first), Some(last)) if first.is_ipv4() == ip.is_ipv4() => {
                    (first..=last).contains(ip).into()
                }
                (Some(_), Some(_)) => Fits::No,
                _ => Fits::Maybe,
            }
        }
        _ => Fits::Maybe,
    }
}
