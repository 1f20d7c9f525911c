//! ufw: what `ufw status` says, and what its files tell those who may not ask it.

/// How ufw stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ufw {
    Off,
    /// It is on, and lets the port in or not.
    On {
        open: bool,
    },
}

/// Reads what `ufw status verbose` says in English; `None` when it is something else.
pub(super) fn parse(text: &str, port: u16) -> Option<Ufw> {
    let status = text.lines().find_map(|line| line.strip_prefix("Status:"))?;
    if status.trim() != "active" {
        return Some(Ufw::Off);
    }
    // `Default: deny (incoming), allow (outgoing), disabled (routed)`
    let default = text.lines().find_map(|line| line.strip_prefix("Default:"));
    let lets_in = default.is_some_and(|default| default.trim().starts_with("allow"));
    // The first rule that fits counts.
    let first = text.lines().find_map(|line| rule(line, port));
    Some(Ufw::On {
        open: first.unwrap_or(lets_in),
    })
}

/// `12000:13000/tcp            ALLOW IN    Anywhere`: whether it lets the port in; `None` when it says nothing of
/// it.
fn rule(line: &str, port: u16) -> Option<bool> {
    let actions = ["ALLOW", "LIMIT", "DENY", "REJECT"];
    let ((to, rest), action) = actions
        .iter()
        .find_map(|action| Some((line.split_once(&format!(" {action}"))?, *action)))?;
    let mut words = rest.split_whitespace();
    if matches!(words.next(), Some("OUT" | "FWD")) {
        return None;
    }
    // What is for some addresses or one interface only is not for everybody.
    let from = rest.trim_start_matches(" IN").trim();
    let to = to.trim().trim_end_matches("(v6)").trim();
    let fits = match to {
        "Anywhere" => true,
        to => {
            let (ports, protocol) = to.split_once('/').unwrap_or((to, "tcp"));
            protocol == "tcp" && ports.split(',').any(|one| has(one, port))
        }
    };
    let lets_in = matches!(action, "ALLOW" | "LIMIT");
    let for_all = from.starts_with("Anywhere") && !from.contains(" on ");
    (fits && for_all).then_some(lets_in)
}

fn has(ports: &str, port: u16) -> bool {
    let (first, last) = ports.split_once(':').unwrap_or((ports, ports));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&port),
        _ => false,
    }
}

/// Whether ufw is switched on, from `/etc/ufw/ufw.conf`, which anybody may read.
pub(super) fn is_on(conf: &str) -> bool {
    conf.lines()
        .filter_map(|line| line.trim().split_once('='))
        .any(|(name, value)| {
            name.trim() == "ENABLED" && value.trim().trim_matches('"').eq_ignore_ascii_case("yes")
        })
}

/// What opens the port, for the administrator.
pub(super) fn opening(port: u16) -> String {
    format!("ufw allow {port}/tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../../../../tests/it/golden/firewall/ufw-status.txt");
    const ACTIVE: &str = "\
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), disabled (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
12000:12799/tcp            ALLOW IN    Anywhere
12801/udp                  ALLOW IN    Anywhere
80,443/tcp                 LIMIT IN    Anywhere
12900                      ALLOW IN    192.168.0.0/24
12901/tcp on eth7          ALLOW IN    Anywhere
Samba                      ALLOW IN    Anywhere
9000/tcp                   DENY IN     Anywhere
22/tcp (v6)                ALLOW IN    Anywhere (v6)
12802/tcp                  ALLOW OUT   Anywhere
";

    #[test]
    fn its_status_is_understood() {
        for (port, open) in [
            (22, true),
            (12_799, true),
            (12_800, false),
            (12_801, false),
            (443, true),
            (12_900, false),
            (12_901, false),
            (12_802, false),
            (9000, false),
        ] {
            assert_eq!(parse(ACTIVE, port), Some(Ufw::On { open }), "{port}");
        }
        assert_eq!(parse(RECORDED, 22), Some(Ufw::On { open: true }));
        assert_eq!(parse(RECORDED, 12_800), Some(Ufw::On { open: false }));
        let lax = ACTIVE.replace("deny (incoming)", "allow (incoming)");
        assert_eq!(parse(&lax, 12_800), Some(Ufw::On { open: true }));
        assert_eq!(parse(&lax, 9000), Some(Ufw::On { open: false }));
        assert_eq!(parse("Status: inactive\n", 1), Some(Ufw::Off));
        assert_eq!(parse("ERROR: You need to be root", 1), None);
    }

    #[test]
    fn its_file_tells_whether_it_is_on() {
        let conf = "# /etc/ufw/ufw.conf\n#\n\n# Set to yes to start on boot.\nENABLED=yes\n\nLOGLEVEL=low\n";
        assert!(is_on(conf));
        assert!(!is_on(&conf.replace("yes\n", "no\n")));
        assert!(!is_on("#ENABLED=yes"));
    }
}
