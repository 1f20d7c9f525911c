//! What real firewalls say, recorded on Debian 12 (nftables 1.0.6, iptables 1.8.9, ufw 0.36.2, firewalld 1.3.3), and
//! what Windows says as its documentation has it.

use std::io::Read;

use flate2::read::GzDecoder;

use super::walk::{Cause, Fate, Knock};
use super::{firewalld, iptables, nft, windows};
use crate::reach::doctor::finding::{Finding, Verdict, check};

macro_rules! golden {
    ($name:literal) => {
        unzip(include_bytes!(concat!(
            "../../../../tests/it/golden/firewall/",
            $name,
            ".gz"
        )))
    };
}

fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn knock(port: u16) -> Knock {
    Knock {
        interface: "eth0".to_owned(),
        from: "192.168.77.11".parse().unwrap(),
        to: "192.168.77.10".parse().unwrap(),
        port,
    }
}

fn knock_v6(port: u16) -> Knock {
    Knock {
        from: "fd00::11".parse().unwrap(),
        to: "fd00::10".parse().unwrap(),
        ..knock(port)
    }
}

fn on(interface: &str, knock: &Knock) -> Knock {
    Knock {
        interface: interface.to_owned(),
        ..knock.clone()
    }
}

fn barriers(ruleset: &str, knock: &Knock) -> Vec<nft::Barrier> {
    let ruleset = nft::Ruleset::parse(ruleset).unwrap();
    ruleset.barriers(knock, &["ip", "ip6"])
}

/// A table of one chain with these rules as `nft -j` tells them.
fn table(policy: &str, rules: &str) -> String {
    let rules = rules.replace(
        "RULE",
        r#""family": "inet", "table": "t", "chain": "c", "handle": 7"#,
    );
    format!(
        r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}}, {{"table": {{"family": "inet", "name": "t", "handle": 1}}}},
        {{"chain": {{"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter", "hook": "input",
        "prio": 0, "policy": "{policy}"}}}}{rules}]}}"#
    )
}

fn rule(expressions: &str) -> String {
    format!(r#", {{"rule": {{RULE, "expr": [{expressions}]}}}}"#)
}

#[test]
fn a_rule_that_drops_the_port_is_found() {
    let drop = rule(
        r#"{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 12800}}, {"drop": null}"#,
    );
    let found = barriers(&table("accept", &drop), &knock(12_800));
    let cause = Cause::Rule {
        chain: "c".to_owned(),
        rule: "7".to_owned(),
    };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fate, Fate::Blocked(cause));
    assert_eq!(
        found[0].opening(12_800),
        "nft insert rule inet t c tcp dport 12800 accept"
    );
    assert_eq!(barriers(&table("accept", &drop), &knock(12_801)), []);
    let by_policy = barriers(&table("drop", ""), &knock(12_800));
    assert_eq!(by_policy[0].fate, Fate::Blocked(Cause::Policy));
}

#[test]
fn every_sort_of_rule_is_judged() {
    let all = golden!("nft-sorts.json");
    let reason = |knock: &Knock| {
        let found = barriers(&all, knock);
        let first = found.iter().find(|one| one.family == "inet")?;
        Some(match &first.fate {
            Fate::Passes => unreachable!(),
            Fate::Blocked(Cause::Policy) => "policy".to_owned(),
            Fate::Blocked(Cause::Rule { rule, .. }) => rule.clone(),
            Fate::Perhaps(cause) => format!("perhaps {cause:?}"),
        })
    };
    let reason = |knock: &Knock| reason(knock).unwrap_or_default();
    for (port, expected) in [
        // `tcp dport @ports` and `tcp dport { 22, 80-90 }` let in, as does `tcp dport 1000-2000`; a map drops 5
        // and a chain that another map leads to 9.
        (22, ""),
        (85, ""),
        (1500, ""),
        (9, "7"),
        (7, "22"),
        // `ip saddr 192.168.77.0/24 tcp dport != 12800 accept`
        (50, ""),
        // `ip daddr 192.168.77.10 tcp dport 12800 log prefix "x" reject`
        (12_800, "30"),
    ] {
        assert_eq!(reason(&knock(port)), expected, "{port}");
    }
    assert_eq!(reason(&on("lo", &knock(12_800))), "");
    assert_eq!(reason(&on("wlan0", &knock(12_800))), "14");
    assert_eq!(reason(&on("eth1", &knock(12_800))), "15");
    // No rule about IPv4 counts for IPv6. Those about marks and limits let a first packet through.
    assert_eq!(reason(&knock_v6(12_800)), "policy");
    assert_eq!(reason(&knock_v6(12)), "");
    assert_eq!(reason(&knock_v6(5)), "27");
    // This version does not say for which interface a chain of `netdev` is, so it is only possible.
    let found = barriers(&all, &knock(12_800));
    let device = found.iter().find(|one| one.family == "netdev").unwrap();
    assert!(matches!(device.fate, Fate::Perhaps(_)), "{device:?}");
}

#[test]
fn what_is_not_understood_is_only_possible() {
    for unknown in [
        r#"{"match": {"op": "==", "left": {"socket": {"key": "mark"}}, "right": 1}}"#,
        r#"{"match": {"op": "~", "left": {"meta": {"key": "iifname"}}, "right": "eth0"}}"#,
        r#"{"match": {"op": "==", "left": {"meta": {"key": "skuid"}}, "right": 1000}}"#,
        r#"{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@unknown"}}"#,
        r#"{"xt": {"type": "match", "name": "geoip"}}"#,
        r#""unknown""#,
        r#"{"match": {}}"#,
    ] {
        let drops = table("accept", &rule(&format!(r#"{unknown}, {{"drop": null}}"#)));
        let found = barriers(&drops, &knock(12_800));
        assert!(
            matches!(found[0].fate, Fate::Perhaps(_)),
            "{unknown} {found:?}"
        );
    }
}

#[test]
fn hostile_rulesets_do_no_harm() {
    let deep = format!("{}1{}", r#"{"&": [{"&":"#.repeat(40), "}, 1]}".repeat(40));
    for text in [
        "",
        "[]",
        "{}",
        r#"{"nftables": 5}"#,
        r#"{"nftables": [5, {}, {"rule": 5}, {"chain": {"family": 5}}, {"rule": {"family": "inet"}}]}"#,
        &table(
            "accept",
            &rule(&format!(
                r#"{{"match": {{"left": {deep}, "right": {deep}}}}}, {{"drop": null}}"#
            )),
        ),
        &table(
            "accept",
            &rule(r#"{"jump": {"target": "c"}}, {"goto": {"target": "c"}}"#).repeat(50),
        ),
        &table(
            "accept",
            &rule(r#"{"vmap": {"key": 5, "data": "@x"}}, {"vmap": {}}, {"jump": {}}"#),
        ),
        &table(
            "accept",
            &rule(
                r#"{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "1.2.3.4", "len": 999999999999}}}}, {"drop": null}"#,
            ),
        ),
    ] {
        if let Ok(ruleset) = nft::Ruleset::parse(text) {
            let _found = ruleset.barriers(&knock(12_800), &[]);
        }
    }
}

#[test]
fn the_text_of_a_rule_is_found_by_its_number() {
    let listing = "table inet t {\n\tchain c { # handle 1\n\t\ttcp dport 9 drop # handle 17\n\t\ttcp dport 12800 drop # handle 7\n\t}\n}\n";
    assert_eq!(
        nft::rule_text(listing, "7").as_deref(),
        Some("tcp dport 12800 drop")
    );
    assert_eq!(nft::rule_text(listing, "99"), None);
}

#[test]
fn firewalld_is_judged_by_its_rules() {
    let (closed, open) = (
        golden!("firewalld-nft.json"),
        golden!("firewalld-nft-open.json"),
    );
    let blocked = |ruleset: &str, knock: &Knock| {
        let found = barriers(ruleset, knock);
        assert!(
            found.iter().all(|one| one.table == "firewalld"),
            "{found:?}"
        );
        let sure = |one: &nft::Barrier| matches!(one.fate, Fate::Blocked(_));
        assert!(found.iter().all(sure), "{found:?}");
        !found.is_empty()
    };
    for knock in [knock(12_800), knock_v6(12_800)] {
        assert!(blocked(&closed, &knock));
        assert!(!blocked(&open, &knock));
        // Its zone “home” has these ports open.
        assert!(!blocked(&closed, &on("eth7", &knock)));
    }
    assert!(!blocked(&closed, &knock(22)));
    assert!(blocked(&open, &knock(12_801)));
    // A rich rule of its zone “work”, for IPv4.
    assert!(!blocked(&closed, &on("eth8", &knock(12_800))));
    assert!(blocked(&closed, &on("eth8", &knock_v6(12_800))));
}

#[test]
fn firewalld_tells_its_zones() {
    let zones = include_str!("../../../../tests/it/golden/firewall/firewalld-zones.txt");
    for (interface, port, zone, open) in [
        ("eth0", 12_800, "public", false),
        ("eth7", 12_800, "home", true),
        ("eth7", 13_001, "home", false),
        ("eth8", 12_800, "work", true),
        ("eth8", 12_801, "work", false),
    ] {
        let door = firewalld::door(zones, "public\n", interface, port).unwrap();
        assert_eq!(
            (door.zone.as_str(), door.open),
            (zone, open),
            "{interface} {port}"
        );
    }
    assert!(firewalld::door(zones, "trusted", "eth0", 1).unwrap().open);
    assert_eq!(firewalld::door("", "public", "eth0", 1), None);
    let newer = zones.replace("public\n", "public (default, active)\n");
    assert_eq!(
        firewalld::door(&newer, "public", "eth0", 1).unwrap().zone,
        "public"
    );
    assert_eq!(
        firewalld::opening("public", 12_800),
        [
            "firewall-cmd --zone=public --add-port=12800/tcp",
            "firewall-cmd --zone=public --add-port=12800/tcp --permanent"
        ]
    );
}

#[test]
fn ufw_is_judged_by_its_rules() {
    let (closed, open) = (
        golden!("ufw-iptables.txt"),
        golden!("ufw-iptables-open.txt"),
    );
    let found = iptables::Rules::parse(&closed).barriers(&knock(12_800));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(matches!(found[0].fate, Fate::Blocked(_)), "{found:?}");
    assert_eq!((found[0].table, found[0].chain), ("filter", "INPUT"));
    assert_eq!(iptables::Rules::parse(&open).barriers(&knock(12_800)), []);
    assert_eq!(iptables::Rules::parse(&closed).barriers(&knock(22)), []);
    let v6 = golden!("ufw-ip6tables.txt");
    let v6 = iptables::Rules::parse(&v6);
    assert_eq!(v6.barriers(&knock_v6(12_800)).len(), 1);
    assert_eq!(v6.barriers(&knock_v6(22)), []);
}

#[test]
fn iptables_is_judged_rule_by_rule() {
    let fate = |rules: &str, knock: &Knock| {
        let text = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:own - [0:0]\n{rules}\nCOMMIT\n"
        );
        let found = iptables::Rules::parse(&text).barriers(knock);
        found
            .first()
            .map(|one| matches!(one.fate, Fate::Blocked(_)))
    };
    let (no, yes, perhaps) = (None, Some(true), Some(false));
    for (rules, expected) in [
        ("-A INPUT -p tcp -m tcp --dport 12800 -j DROP", yes),
        ("-A INPUT -p tcp -m tcp --dport 12801 -j DROP", no),
        ("-A INPUT -p udp -m udp --dport 12800 -j DROP", no),
        ("-A INPUT ! -i lo -j DROP", yes),
        (
            "-A INPUT -i eth+ -j REJECT --reject-with icmp-port-unreachable",
            yes,
        ),
        (
            "-A INPUT -s 192.168.0.0/16 -p tcp -m multiport --dports 22,12000:13000 -j DROP",
            yes,
        ),
        ("-A INPUT ! -s 192.168.0.0/16 -j DROP", no),
        ("-A INPUT -d 192.168.77.10/32 -j DROP", yes),
        ("-A INPUT -p tcp -m conntrack --ctstate NEW -j DROP", yes),
        (
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -j DROP",
            yes,
        ),
        (
            "-A INPUT -m comment --comment \"let in -j DROP\" -j ACCEPT\n-A INPUT -j DROP",
            no,
        ),
        (
            "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
            yes,
        ),
        (
            "-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
            no,
        ),
        ("-A INPUT -m addrtype --dst-type LOCAL -j DROP", yes),
        ("-A INPUT -m set --match-set bad src -j DROP", perhaps),
        (
            "-A INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix \"[UFW BLOCK] \"\n-A INPUT -j own\n-A own -j DROP",
            yes,
        ),
        ("-A INPUT -j own\n-A own -j RETURN\n-A own -j DROP", no),
        (
            "-A INPUT -g own\n-A INPUT -j DROP\n-A own -p icmp -j DROP",
            no,
        ),
        ("-A INPUT -m mark --mark 0x4000/0x4000 -j DROP", no),
        ("-A INPUT -j SOMETHING", perhaps),
        ("-A INPUT -j", no),
        ("-A INPUT \"", no),
    ] {
        assert_eq!(fate(rules, &knock(12_800)), expected, "{rules}");
    }
    let text =
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 12800 -j DROP\nCOMMIT\n";
    let found = iptables::Rules::parse(text).barriers(&knock(12_800));
    assert_eq!(
        found[0].opening(true, 12_800),
        "iptables -t raw -I PREROUTING -p tcp --dport 12800 -j ACCEPT"
    );
    assert_eq!(
        iptables::Barrier {
            table: "filter",
            chain: "INPUT",
            fate: Fate::Passes
        }
        .opening(false, 1),
        "ip6tables -I INPUT -p tcp --dport 1 -j ACCEPT"
    );
}

const PROGRAM: &str = r"C:\Program Files\Mixdesk\mixdesk.exe";

/// What PowerShell says, with these rules.
fn windows_told(profile: &str, rules: &str) -> Vec<Finding> {
    let json = format!(
        r#"{{"profiles":[{profile}],"rules":[{rules}],"networks":[{{"interface":"Wi-Fi","index":7,"category":0}},{{"interface":"Ethernet","index":3,"category":1}}]}}"#
    );
    windows::parse(&format!("\u{feff}{json}\r\n"))
        .unwrap()
        .findings(12_800, PROGRAM)
}

fn windows_rule(allows: bool, profiles: u32, ports: &str, program: &str) -> String {
    let program = program.replace('\\', r"\\");
    format!(
        r#"{{"name":"Müller's","allows":{allows},"profiles":{profiles},"ports":"{ports}","from":"LocalSubnet","program":"{program}"}}"#
    )
}

#[test]
fn windows_tells_its_rules_and_networks() {
    let on = r#"{"type":2,"on":true,"blocks_all":false,"lets_in":false}"#;
    let verdict = |profile: &str, rules: &str| {
        let findings = windows_told(profile, rules);
        assert_eq!(findings[0].check, check::FIREWALL);
        (findings[0].verdict, findings[0].command.clone())
    };
    let ours = PROGRAM.to_lowercase();
    let all = 0x7fff_ffff;
    for (rules, expected) in [
        (String::new(), Verdict::Problem),
        (windows_rule(true, all, "12800", ""), Verdict::Good),
        (windows_rule(true, 2, "80,12000-13000", ""), Verdict::Good),
        (windows_rule(true, all, "*", &ours), Verdict::Good),
        (windows_rule(true, 4, "*", &ours), Verdict::Problem),
        (windows_rule(true, all, "12801", ""), Verdict::Problem),
        (windows_rule(true, all, "RPC", ""), Verdict::Problem),
        (
            windows_rule(true, all, "*", r"C:\other.exe"),
            Verdict::Problem,
        ),
        (
            windows_rule(true, all, "12800", "") + "," + &windows_rule(false, all, "", &ours),
            Verdict::Problem,
        ),
    ] {
        let (found, command) = verdict(on, &rules);
        assert_eq!(found, expected, "{rules}");
        assert_eq!(command.is_some(), expected == Verdict::Problem, "{rules}");
    }
    let (_, command) = verdict(on, &windows_rule(false, all, "*", PROGRAM));
    assert_eq!(
        command.unwrap(),
        "netsh advfirewall firewall delete rule name='\"Müller''s\"' dir=in; netsh advfirewall firewall add rule \
         name=Mixdesk dir=in action=allow protocol=TCP localport=12800 profile=any"
    );
    assert_eq!(
        verdict(&on.replace("\"on\":true", "\"on\":false"), "").0,
        Verdict::Good
    );
    let shut = on.replace("\"blocks_all\":false", "\"blocks_all\":true");
    assert_eq!(
        verdict(&shut, &windows_rule(true, all, "*", "")).0,
        Verdict::Problem
    );
    assert_eq!(verdict("", "").0, Verdict::Note);

    let networks = windows_told(on, "");
    let [_, public, private] = networks.as_slice() else {
        panic!("{networks:?}")
    };
    assert_eq!(
        (public.check, public.verdict),
        (check::NETWORK, Verdict::Note)
    );
    assert_eq!(
        public.command.as_deref(),
        Some("Set-NetConnectionProfile -InterfaceIndex 7 -NetworkCategory Private")
    );
    assert_eq!(private.verdict, Verdict::Good);
    assert!(windows::parse("Access denied").is_err());
}

/// `netsh` in English and in German.
#[test]
fn netsh_is_understood_in_other_languages() {
    let profile = |state: &str, policy: &str| {
        format!(
            "\r\nPrivate Profile Settings: \r\n------------------------------------\r\nState                  {state}\r\n\
             Firewall Policy        {policy}\r\nLocalFirewallRules     N/A (GPO-store only)\r\n\r\nOk.\r\n"
        )
    };
    let rule = |port: &str, program: &str, action: &str| {
        format!(
            "\r\nRegelname:                  X\r\n--------------------------------------------------\r\n\
             Aktiviert:                  Ja\r\nRichtung:                   Eingehend\r\nProfile:                    Domäne,Privat\r\n\
             Gruppierung:                \r\nLokales IP:                 Beliebig\r\nRemote-IP:                  Beliebig\r\n\
             Protokoll:                  TCP\r\nLokaler Port:               {port}\r\nRemote-Port:                Beliebig\r\n\
             Edgeausnahme:               Nein\r\nProgramm:                   {program}\r\nAktion:                     {action}\r\nOK.\r\n"
        )
    };
    let shut = profile("EIN", "BlockInbound,AllowOutbound");
    for (profile, rules, expected) in [
        (
            profile("AUS", "BlockInbound,AllowOutbound"),
            String::new(),
            Some(Verdict::Good),
        ),
        (
            profile("ON", "AllowInbound,AllowOutbound"),
            String::new(),
            Some(Verdict::Good),
        ),
        (
            profile("ON", "BlockInboundAlways,AllowOutbound"),
            rule("12800", "", "Allow"),
            Some(Verdict::Problem),
        ),
        (shut.clone(), String::new(), Some(Verdict::Problem)),
        (
            shut.clone(),
            rule("12800", "", "Zulassen"),
            Some(Verdict::Good),
        ),
        (
            shut.clone(),
            rule("12801", "", "Zulassen"),
            Some(Verdict::Problem),
        ),
        (
            shut.clone(),
            rule("Beliebig", PROGRAM, "Zulassen"),
            Some(Verdict::Good),
        ),
        (
            shut.clone(),
            rule("Beliebig", r"C:\other.exe", "Zulassen"),
            Some(Verdict::Problem),
        ),
        (
            shut.clone(),
            rule("12800", "", "Zulassen") + &rule("Beliebig", PROGRAM, "Blocken"),
            Some(Verdict::Problem),
        ),
        (
            shut.clone(),
            rule("12800", "", "Salli"),
            Some(Verdict::Note),
        ),
        (
            "The service has not been started.".to_owned(),
            String::new(),
            None,
        ),
    ] {
        let found = windows::from_netsh(&profile, &rules, 12_800, PROGRAM);
        assert_eq!(
            found.map(|finding| finding.verdict),
            expected,
            "{profile}{rules}"
        );
    }
}
