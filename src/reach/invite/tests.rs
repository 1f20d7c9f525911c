//! What an invite looks like, and what is understood of the texts that people paste.

use proptest::prelude::*;

use super::*;
use crate::net::TargetError;

fn route(kind: RouteKind, host: &str, port: u16) -> Route {
    Route {
        kind,
        host: host.to_owned(),
        port,
    }
}

fn example() -> Invite {
    Invite {
        session: "Lighting review".into(),
        room: Some("Shot 12".into()),
        routes: vec![
            route(RouteKind::Lan, "192.168.0.48", 12800),
            route(RouteKind::Vpn, "10.147.17.5", 12800),
            route(RouteKind::Internet, "203.0.113.17", 41000),
        ],
    }
}

fn host(host: &str, port: u16) -> Result<Typed, TypedError> {
    Ok(Typed::Target(Target {
        host: host.to_owned(),
        port,
    }))
}

fn understood(text: &str) -> Result<Typed, TypedError> {
    understand(text, 12800)
}

#[track_caller]
fn is_example(text: &str) {
    assert_eq!(understood(text), Ok(Typed::Invite(example())), "{text}");
}

#[test]
fn an_invite_fits_into_a_line_of_a_chat() {
    let text = example().to_string();
    assert_eq!(
        text,
        "mixdesk://join?name=Lighting+review&lan=192.168.0.48&vpn=10.147.17.5&net=203.0.113.17:41000&room=Shot+12&v=1"
    );
    let longer = Invite {
        session: "Beleuchtungsbesprechung für Folge 3".into(),
        ..example()
    };
    assert!(longer.to_string().len() < 200, "{longer}");
    is_example(&text);
}

#[test]
fn an_invite_to_this_computer_has_the_best_of_each_kind() {
    let address = |ip: &str, kind| Address {
        ip: ip.parse().unwrap(),
        kind,
        interface: "x".into(),
    };
    use crate::reach::Vpn;
    let addresses = [
        address("192.168.0.48", AddressKind::Ethernet),
        address("10.147.17.5", AddressKind::Vpn(Vpn::ZeroTier)),
        address("192.168.0.49", AddressKind::WiFi),
        address("192.168.1.50", AddressKind::Lan),
        address("fd00::1", AddressKind::Ipv6),
        address("172.17.0.1", AddressKind::Docker),
        address("169.254.3.4", AddressKind::LinkLocal),
    ];
    let outside = Some("203.0.113.17:41000".parse().unwrap());
    let invite = Invite::here(" Studio\n", &addresses, 12900, outside);
    assert_eq!(
        invite.to_string(),
        "mixdesk://join?name=Studio&lan=192.168.0.48:12900&lan=192.168.0.49:12900&vpn=10.147.17.5:12900&net=203.0.113.17:41000&v=1"
    );
    let room = invite.for_room("Shot 12");
    assert_eq!(room.room.as_deref(), Some("Shot 12"));
    assert_eq!(room.routes, invite.routes);

    let addresses = [
        address("2001:db8::5", AddressKind::Ipv6),
        address("fd00::1", AddressKind::Ipv6),
        address("172.17.0.1", AddressKind::Docker),
    ];
    let invite = Invite::here("", &addresses, 12900, None);
    assert_eq!(
        invite.to_string(),
        "mixdesk://join?lan=%5Bfd00::1%5D:12900&net=%5B2001:db8::5%5D:12900&v=1"
    );
    assert_eq!(understood(&invite.to_string()), Ok(Typed::Invite(invite)));
}

#[test]
fn what_chat_programs_make_of_it_does_no_harm() {
    let text = example().to_string();
    for (around, with) in [
        ("", "\n"),
        ("<", ">"),
        ("\"", "\"."),
        ("“", "”"),
        ("«", "»"),
        ("(", ")"),
        ("`", "`"),
        ("**", "**"),
        ("_", "_!"),
        ("", "."),
        ("", ","),
        ("", "…"),
        ("", "?!"),
        ("Join me: ", " as soon as you can."),
        ("[Join](", ")"),
        ("[Join](<", ">)"),
        ("<", "|Join>"),
        ("<a href=\"", "\">Join</a>"),
        ("快来", "。谢谢"),
        ("参加してください→", "、待っています"),
        ("Заходи: ", " – ждём!"),
        ("انضم إلى ", "، شكرا"),
        ("\u{feff}\u{200b}", "\u{200b}"),
        ("[14:02] Ada: ", "\n[14:03] Ben: coming\n192.168.7.7"),
    ] {
        is_example(&format!("{around}{text}{with}"));
    }
    is_example(&format!("[{text}]({text})"));
    is_example(&text.replace('&', "&amp;"));
    is_example(&text.replace('&', "&amp;amp;"));
    is_example(&text.replace('&', "\\&").replace('.', "\\."));
    is_example(&text.replace("mixdesk://join", "MixDesk://Join"));
    is_example(&text.replace("mixdesk://join", "mixdesk://join/"));
    is_example(&text.replace("mixdesk://join", "mixdesk:/join"));
    is_example(&text.replace("name=", "NAME="));
    is_example(&text.replace('+', "%20"));
    is_example(&text.replace("Shot", "%53%68ot"));
    is_example(&text.replace('r', "\u{200b}r"));
    is_example(&format!("> {}", text.replace("&room", "\n> &room")));
    is_example(&format!("{} thanks", text.replace("&room", "\r\n  &room")));
    is_example(&format!("{}\nSee you", text.replace("v=1", "v=\n1")));
}

#[test]
fn what_is_of_later_versions_is_passed_over() {
    let text = example().to_string();
    is_example(&text.replace("v=1", "v=7"));
    is_example(&text.replace("&lan", "&colour=red&tor=abc.onion&lan"));
    is_example(&text.replace("&v=1", ""));
    is_example(&text.replace("?name", "?v=1&name").replace("12&v=1", "12"));
    is_example(&text.replace("&vpn", "&&=&=x&x&lan=&lan=%zz&net=1.2.3&vpn"));
    // The last of several names counts, and a route counts once.
    is_example(&text.replace("&vpn", "&lan=192.168.0.48&lan=192.168.0.48:12800&vpn"));
    is_example(&text.replace("name=", "name=Other&name="));
}

#[test]
fn an_invite_without_its_end_goes_to_the_next_space() {
    let text = "mixdesk://join?name=Lighting+review&lan=192.168.0.48&vpn=10.147.17.5&net=203.0.113.17:41000&room=Shot+12";
    for after in ["", ".", " come", "\nThanks", ")\n", "#x"] {
        is_example(&format!("{text}{after}"));
    }
}

#[test]
fn what_an_invite_keeps_is_bounded() {
    let many = (0..100).map(|number| route(RouteKind::Lan, &format!("host-{number}"), 1));
    let invite = Invite {
        session: " Ω\u{1b}[2J\n".repeat(100),
        room: Some("x".repeat(300)),
        routes: many.collect(),
    };
    let Ok(Typed::Invite(read)) = understood(&invite.to_string()) else {
        panic!("{invite}")
    };
    assert!(read.session.chars().count() <= SESSION_CHARS && !read.session.contains('\u{1b}'));
    assert_eq!(read.room, None);
    assert_eq!(read.routes, invite.routes[..MAX_ROUTES]);
    let long = format!("mixdesk://join?name={}&lan=h&v=1", "x".repeat(20_000));
    assert_eq!(understood(&long), Err(TypedError::TooLong));
    assert_eq!(
        understood(&"192.168.0.48 ".repeat(6000)),
        Err(TypedError::TooLong)
    );
}

#[test]
fn what_is_typed_is_as_before() {
    for (text, name, port) in [
        ("localhost", "localhost", 12800),
        (" studio_b:13000 ", "studio_b", 13000),
        ("bücher.example", "bücher.example", 12800),
        ("192.168.0.48:1", "192.168.0.48", 1),
        ("工作室", "工作室", 12800),
        ("工作室:13000", "工作室", 13000),
        ("::1", "::1", 12800),
        ("[::1]:65535", "::1", 65535),
        ("fe80::1%eth0", "fe80::1%eth0", 12800),
    ] {
        assert_eq!(understood(text), host(name, port), "{text}");
    }
}

#[test]
fn an_address_is_found_in_a_message() {
    for (text, name, port) in [
        (
            "my ip is 192.168.0.48:12800 come in!",
            "192.168.0.48",
            12800,
        ),
        (
            "my ip is 192.168.0.48:13000, come in",
            "192.168.0.48",
            13000,
        ),
        ("I'm at 192.168.0.48.", "192.168.0.48", 12800),
        ("(192.168.0.48)", "192.168.0.48", 12800),
        ("<192.168.0.48:13000>", "192.168.0.48", 13000),
        ("192.168.0.48:13000.", "192.168.0.48", 13000),
        ("“192.168.0.48”", "192.168.0.48", 12800),
        ("**192.168.0.48**", "192.168.0.48", 12800),
        ("try _192.168.0.48_ now", "192.168.0.48", 12800),
        ("- 192.168.0.48 / 255.255.255.0", "192.168.0.48", 12800),
        ("now: -192.168.0.48", "192.168.0.48", 12800),
        ("mask 255.255.255.0, address 10.0.0.7", "10.0.0.7", 12800),
        ("192.168.0.48 port 13000", "192.168.0.48", 13000),
        ("IP: 192.168.0.48\nPort: 13000\n", "192.168.0.48", 13000),
        ("IP:192.168.0.48 PORT:13000", "192.168.0.48", 13000),
        ("192.168.0.48, and the port is 13000", "192.168.0.48", 13000),
        ("192.168.0.48, ask support at 5", "192.168.0.48", 12800),
        ("192.168.0.48, 3 people at the port", "192.168.0.48", 12800),
        ("192.168.0.48 – port is 13000", "192.168.0.48", 13000),
        ("la IP es 192.168.0.48, puerto 13000", "192.168.0.48", 13000),
        ("мой адрес 192.168.0.48, порт 13000", "192.168.0.48", 13000),
        ("地址是192.168.0.48：13000快来", "192.168.0.48", 13000),
        ("地址是１９２。１６８。０。４８。", "192.168.0.48", 12800),
        (
            "アドレス：192.168.0.48、ポート13000です",
            "192.168.0.48",
            13000,
        ),
        ("http://192.168.0.48:13000/", "192.168.0.48", 13000),
        ("192.168.0.48: 3 people are here", "192.168.0.48", 12800),
        ("Blender 2.93.4 at 10.0.0.7", "10.0.0.7", 12800),
        ("Mixer v1.2.3.4 on 10.0.0.7", "10.0.0.7", 12800),
        ("10.0.0.7 or 10.0.0.8", "10.0.0.7", 12800),
        ("it is [2001:db8::5]:13000 today", "2001:db8::5", 13000),
        ("it is 2001:DB8::5, port 13000", "2001:db8::5", 13000),
        ("my address: 2001:db8::5.", "2001:db8::5", 12800),
        ("at 10:30 on studio-b:13000 please", "studio-b", 13000),
        ("join me at ada.duckdns.org!", "ada.duckdns.org", 12800),
        (
            "connect to render.local, port 13000 now",
            "render.local",
            13000,
        ),
        ("192.168.0\u{200b}.48", "192.168.0.48", 12800),
        (
            "mixdesk: try 192.168.0.48 or call me",
            "192.168.0.48",
            12800,
        ),
        (
            "mixdesk://join?to=192.168.0.48:13000&v=2",
            "192.168.0.48",
            13000,
        ),
    ] {
        assert_eq!(understood(text), host(name, port), "{text}");
    }
}

#[test]
fn what_says_nothing_of_where_is_told_in_words() {
    use TargetError::{Empty, Ipv4, Ipv6, Name, Port};
    for (text, error) in [
        ("  ", Empty),
        ("host:", Port),
        ("host:0", Port),
        ("1.2.3.4:-1", Port),
        ("[::1]:x", Port),
        ("192.168.0", Ipv4),
        ("192.168.0.300", Ipv4),
        ("my ip is 192.168.0.300 come in", Ipv4),
        ("my ip is 192.168.0.48:99999 come in", Port),
        ("[::1x", Ipv6),
        ("[::1]1", Ipv6),
        ("fe80:::1", Ipv6),
        ("a b", Name),
        ("my computer", Name),
    ] {
        assert_eq!(understood(text), Err(error.into()), "{text}");
    }
    for (text, error) in [
        ("are you coming to the review today?", TypedError::NoAddress),
        (
            "open shot.v012.blend and wait for me",
            TypedError::NoAddress,
        ),
        (
            "see https://meet.example.com/abc at 10:30:45 then",
            TypedError::NoAddress,
        ),
        (
            "write to ada@mail.example.com first please",
            TypedError::NoAddress,
        ),
        ("mixdesk://open?room=1", TypedError::NotJoin),
        ("mixdesk://join", TypedError::NoRoute),
        ("mixdesk://join?name=a.com&v=1", TypedError::NoRoute),
        ("mixdesk://join?lan=a+b&v=1", TypedError::NoRoute),
        ("mixdesk://join?mesh=abc&v=2", TypedError::Newer),
    ] {
        assert_eq!(understood(text), Err(error), "{text}");
    }
}

#[test]
fn the_first_invite_that_says_where_counts() {
    let text = format!("mixdesk://join?v=1 no, this: {}", example());
    is_example(&text);
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        "[a-z0-9]{1,12}(-[a-z]{1,5})?(\\.[a-z]{2,5}){0,2}\\.?".prop_filter("a host", |name| {
            Target::parse(name, 1).is_ok_and(|target| target.host == *name)
        }),
    ]
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let kind = prop::sample::select(&RouteKind::ALL[..]);
    let one = (kind, hosts(), 1..=u16::MAX).prop_map(|(kind, host, port)| Route {
        kind,
        host,
        port: if port % 2 == 0 { DEFAULT_PORT } else { port },
    });
    prop::collection::vec(one, 1..=MAX_ROUTES).prop_map(|mut routes| {
        let mut kept: Vec<Route> = Vec::new();
        routes.retain(|route| {
            let new = !kept.contains(route);
            kept.push(route.clone());
            new
        });
        routes
    })
}

fn invites() -> impl Strategy<Value = Invite> {
    let room = prop::option::of("\\PC{1,60}|[ .+%&=_~#]{1,9}");
    ("\\PC{0,80}", room, routes()).prop_map(|(session, room, routes)| Invite {
        session: tidy_name(&session),
        room,
        routes,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(invite in invites()) {
        prop_assert_eq!(understood(&invite.to_string()), Ok(Typed::Invite(invite)));
    }

    #[test]
    fn words_around_it_do_no_harm(
        invite in invites(),
        before in "[^m:/]{0,40}",
        after in "([ \n.,!?)>\"。、]\\PC{0,40})?",
    ) {
        let text = format!("{before}{invite}{after}");
        prop_assert_eq!(understood(&text), Ok(Typed::Invite(invite)));
    }

    #[test]
    fn it_may_be_broken_into_lines(
        invite in invites(),
        width in 20..60usize,
        end in prop::sample::select(&["\n", "\r\n", "\n> ", " \n  ", "\n>> "][..]),
    ) {
        let text = invite.to_string().into_bytes();
        let lines: Vec<_> = text.chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        prop_assert_eq!(understood(&lines.join(end)), Ok(Typed::Invite(invite)));
    }

    #[test]
    fn no_text_makes_it_panic_or_keep_too_much(text in ".{0,300}") {
        check(&text);
    }

    #[test]
    fn no_text_that_looks_like_one_makes_it_panic_or_keep_too_much(
        text in "(mixdesk:/{0,3}(join)?|[?&;=%#\\[\\]:. \n>+]|lan|net|room|name|amp;|v=|port|[0-9]{1,3}|[a-f]|é|。|：|\\PC){0,60}"
    ) {
        check(&text);
    }
}

fn check(text: &str) {
    match understood(text) {
        Ok(Typed::Target(target)) => {
            // It is one that may be typed, so whatever takes what is typed takes it.
            assert_eq!(
                Target::parse(&target.to_string(), 1),
                Ok(target),
                "{text:?}"
            );
        }
        Ok(Typed::Invite(invite)) => {
            assert!(invite.session.chars().count() <= SESSION_CHARS, "{text:?}");
            assert!((1..=MAX_ROUTES).contains(&invite.routes.len()), "{text:?}");
            assert_eq!(
                understood(&invite.to_string()),
                Ok(Typed::Invite(invite)),
                "{text:?}"
            );
        }
        Err(error) => assert!(!error.words().is_empty()),
    }
}
