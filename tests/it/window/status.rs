//! Where the connection stands, in words.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use mixdesk::backend::{Action, Failure, Status, Theme, View, Waiting};

use super::{Window, hosting};

fn lost(seconds: u64) -> Status {
    Status::Lost {
        target: "192.168.0.48:12800".to_owned(),
        retry_at: Instant::now() + Duration::from_secs(seconds),
        why: Failure {
            what: "The other computer closed the connection.".to_owned(),
            advice: String::new(),
        },
    }
}

#[test]
fn the_pill_says_where_the_connection_stands() {
    let connected = |on_this_computer| Status::Connected {
        target: "studio:12800".to_owned(),
        on_this_computer,
    };
    for (status, words) in [
        (Status::Offline, "Offline"),
        (
            Status::Connecting {
                target: "studio:12800".to_owned(),
            },
            "Connecting to studio:12800…",
        ),
        (
            Status::Hosting { port: 12900 },
            "Hosting on port 12900 · 4 people",
        ),
        (connected(false), "Connected to studio:12800 · 4 people"),
        (lost(0), "Connection lost, trying again now"),
    ] {
        let window = Window::new(View {
            status,
            people: 4,
            ..View::default()
        });
        assert!(window.says(words), "{words}");
    }
}

#[test]
fn a_server_that_was_there_already_is_told() {
    let status = Status::Connected {
        target: "localhost:12800".to_owned(),
        on_this_computer: true,
    };
    let window = Window::new(View {
        status,
        ..View::default()
    });
    assert!(window.says("A server was already running here"));
}

#[test]
fn a_lost_connection_keeps_the_rooms_and_can_be_given_up() {
    let mut window = Window::new(View {
        status: lost(3600),
        ..hosting()
    });
    assert!(window.says("Connection to 192.168.0.48:12800 lost, trying again in 3"));
    assert!(window.says("The other computer closed the connection."));
    assert_eq!(window.rows().len(), 3);
    window.select("Shot 12");
    assert_eq!(window.reason("Join Room"), "Not connected at the moment");
    assert_eq!(window.reason("Delete"), "Not connected at the moment");
    window.click("Stop trying");
    assert_eq!(window.actions(), [Action::Disconnect]);
}

fn waits(last: u8) -> Waiting {
    Waiting {
        address: IpAddr::from([192, 168, 0, last]),
        since: SystemTime::now() - Duration::from_secs(130),
    }
}

#[test]
fn who_waits_to_be_let_in_is_shown_until_there_is_an_answer() {
    let mut view = View {
        waiting: vec![waits(23)],
        ..hosting()
    };
    let mut window = Window::new(view.clone());
    assert!(window.says("192.168.0.23 waits to be let in"));
    assert!(window.says("Came 2 min ago."));
    window.click("Let in");
    window.click("Turn away");
    let address = view.waiting[0].address;
    let expected = [Action::LetIn(address), Action::TurnAway(address)];
    assert_eq!(window.actions(), expected);
    window.click("Hide addresses");
    assert!(window.says("•••••••• waits to be let in") && !window.says("192.168.0.23"));
    window.click("Show addresses");

    view.waiting.extend((24..=30).map(waits));
    window.show(view.clone());
    assert!(window.says("192.168.0.25 waits to be let in"));
    assert!(!window.says("192.168.0.26"));
    assert!(window.says("5 more wait after that."));
    view.waiting.clear();
    window.show(view);
    assert!(!window.says("waits to be let in"));
}

#[test]
fn the_theme_button_goes_round() {
    let mut window = Window::new(View::default());
    for (name, theme, next) in [
        ("Theme: as the system says", Theme::System, Theme::Light),
        ("Theme: light", Theme::Light, Theme::Dark),
        ("Theme: dark", Theme::Dark, Theme::System),
    ] {
        let mut view = View::default();
        view.settings.theme = theme;
        window.show(view);
        window.click(name);
        assert_eq!(window.actions(), [Action::SetTheme(next)]);
    }
}

#[test]
fn both_themes_are_painted_in_their_colors() {
    for (theme, is_dark) in [(Theme::Light, false), (Theme::Dark, true)] {
        let mut view = View::default();
        view.settings.theme = theme;
        let window = Window::new(view);
        assert_eq!(window.harness.ctx.global_style().visuals.dark_mode, is_dark);
    }
}
