//! firewalld: what `firewall-cmd` says of its zones.

/// One zone, as `firewall-cmd --list-all-zones` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Zone {
    name: String,
    target: String,
    interfaces: Vec<String>,
    ports: Vec<String>,
    rich_rules: Vec<String>,
}

/// How firewalld stands to a port on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Door {
    /// The zone that the interface is in.
    pub(super) zone: String,
    /// It lets the port in.
    pub(super) open: bool,
}

/// Whether a port is open on an interface, from what `--list-all-zones` and `--get-default-zone` say; `None` when
/// they do not tell.
pub(super) fn door(zones: &str, default: &str, interface: &str, port: u16) -> Option<Door> {
    let zones = parse(zones);
    let has = |zone: &&Zone| zone.interfaces.iter().any(|one| one == interface);
    let zone = zones.iter().find(has).or_else(|| {
        let default = default.trim();
        zones.iter().find(|zone| zone.name == default)
    })?;
    let open = zone.target == "ACCEPT"
        || zone.ports.iter().any(|ports| opens(ports, port))
        || zone.rich_rules.iter().any(|rule| allows(rule, port));
    Some(Door {
        zone: zone.name.clone(),
        open,
    })
}

/// What opens the port, now and after a restart, for the administrator.
pub(super) fn opening(zone: &str, port: u16) -> Vec<String> {
    let now = format!("firewall-cmd --zone={zone} --add-port={port}/tcp");
    let always = format!("{now} --permanent");
    vec![now, always]
}

fn parse(text: &str) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    let mut in_rich_rules = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(char::is_whitespace) {
            // `public (active)`, `public (default, active)`
            let name = line.split_whitespace().next().unwrap_or_default();
            zones.push(Zone {
                name: name.to_owned(),
                ..Zone::default()
            });
            in_rich_rules = false;
            continue;
        }
        let Some(zone) = zones.last_mut() else {
            continue;
        };
        let line = line.trim();
        if line.starts_with("rule ") && in_rich_rules {
            zone.rich_rules.push(line.to_owned());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let words = || value.split_whitespace().map(str::to_owned).collect();
        in_rich_rules = name == "rich rules";
        match name {
            "target" => value.trim().clone_into(&mut zone.target),
            "interfaces" => zone.interfaces = words(),
            "ports" => zone.ports = words(),
            _ => {}
        }
    }
    zones
}

/// `12800/tcp`, `1025-65535/tcp`.
fn opens(ports: &str, port: u16) -> bool {
    let Some((ports, "tcp")) = ports.split_once('/') else {
        return false;
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&port),
        _ => false,
    }
}

/// `rule family="ipv4" port port="12800" protocol="tcp" accept`, where it is for everybody.
fn allows(rule: &str, port: u16) -> bool {
    let word = |start: &str| {
        let after = rule.split_once(start)?.1;
        after.split('"').next()
    };
    rule.ends_with("accept")
        && !rule.contains("source ")
        && word("protocol=\"") == Some("tcp")
        && word("port=\"").is_some_and(|ports| opens(&format!("{ports}/tcp"), port))
}
