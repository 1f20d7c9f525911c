//! The sessions announced on this network.

use std::time::{Duration, SystemTime};

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{Action, Nearby, NearbyHost, Status, View};

use super::{Window, hosting};

fn host(name: &str, address: &str) -> NearbyHost {
    NearbyHost {
        id: format!("id of {name}"),
        name: name.to_owned(),
        address: address.to_owned(),
        rooms: Some(2),
        people: Some(5),
        version: "0.1.0".to_owned(),
        asks: false,
        since: SystemTime::now() - Duration::from_secs(12 * 60),
        silent: false,
        is_ours: false,
    }
}

fn with(hosts: Vec<NearbyHost>, view: View) -> View {
    View {
        nearby: Nearby { hosts, off: None },
        ..view
    }
}

fn read_out(window: &Window) -> Vec<String> {
    window
        .harness
        .query_all_by_role(Role::ListItem)
        .filter_map(|item| item.accesskit_node().label())
        .collect()
}

#[test]
fn who_is_here_is_listed_and_connected_to_with_one_click() {
    let studio = host("Studio B", "192.168.0.31");
    let asks = NearbyHost {
        asks: true,
        rooms: Some(1),
        people: Some(1),
        since: SystemTime::now(),
        ..host("Ada's session", "192.168.0.9:12900")
    };
    let terse = NearbyHost {
        rooms: None,
        people: None,
        ..host("Terse", "192.168.0.7")
    };
    let mut window = Window::new(with(vec![asks, studio, terse], View::default()));
    assert_eq!(
        read_out(&window),
        [
            "Ada's session, 192.168.0.9:12900 · new, 1 person · 1 room, Its host is asked first",
            "Studio B, 192.168.0.31 · for 12 min, 5 people · 2 rooms",
            "Terse, 192.168.0.7 · for 12 min",
        ]
    );
    window.click("Connect to Studio B");
    let id = "id of Studio B".to_owned();
    assert_eq!(window.actions(), [Action::ConnectNearby(id)]);
}

#[test]
fn the_first_picture_offers_the_first_who_answers() {
    let silent = NearbyHost {
        silent: true,
        ..host("Gone", "192.168.0.5")
    };
    let hosts = vec![
        silent,
        host("Studio B", "192.168.0.31"),
        host("C", "192.168.0.6"),
    ];
    let mut window = Window::new(with(hosts, View::default()));
    assert!(window.says("Found on this network:"));
    assert!(window.says("5 people · 1 more at the left"));
    window.click("Connect to Studio B, found on this network");
    let id = "id of Studio B".to_owned();
    assert_eq!(window.actions(), [Action::ConnectNearby(id)]);
}

#[test]
fn who_does_not_answer_is_marked_in_words() {
    let silent = NearbyHost {
        silent: true,
        ..host("Studio B", "192.168.0.31")
    };
    let mut window = Window::new(with(vec![silent], View::default()));
    assert!(window.says("Does not answer"));
    assert!(!window.says("Found on this network"));
    // It may answer all the same by now.
    window.click("Connect to Studio B");
    assert_eq!(window.actions().len(), 1);
}

#[test]
fn an_empty_list_says_why_and_what_works_all_the_same() {
    let mut window = Window::new(View::default());
    assert!(window.says("Nobody announces a session here now."));
    assert!(window.says("Typing or pasting an address works all the same."));
    window.show(View {
        nearby: Nearby {
            hosts: Vec::new(),
            off: Some("This computer has no network.".to_owned()),
        },
        ..View::default()
    });
    assert!(
        window
            .says("This computer has no network. Typing or pasting an address works all the same.")
    );
}

#[test]
fn nobody_is_cut_off_by_a_click_in_the_list() {
    let hosts = vec![host("Studio B", "192.168.0.31")];
    let window = Window::new(with(hosts.clone(), hosting()));
    assert_eq!(window.reason("Connect to Studio B"), "Stop hosting first");
    let view = View {
        status: Status::Connected {
            target: "10.0.0.7:12800".to_owned(),
            on_this_computer: false,
        },
        ..View::default()
    };
    let window = Window::new(with(hosts, view));
    assert_eq!(window.reason("Connect to Studio B"), "Disconnect first");
}

#[test]
fn our_own_session_shows_as_others_see_it_and_is_renamed() {
    let ours = NearbyHost {
        is_ours: true,
        ..host("Ada's session", "192.168.0.48")
    };
    let mut window = Window::new(with(vec![ours], hosting()));
    assert!(window.says("Your session, as others see it"));
    window.click("Change what your session is called…");
    window.fill("Session name", " Shot 12 ");
    window.click("Close");
    let name = Some("Shot 12".to_owned());
    assert_eq!(window.actions(), [Action::SetSessionName(name)]);
}

#[test]
fn a_session_that_is_not_announced_says_so() {
    let mut view = hosting();
    view.settings.announce = false;
    let mut window = Window::new(view);
    assert!(window.says("Your session is not announced here"));
    window.click("Announce it");
    assert_eq!(window.actions(), [Action::SetAnnounce(true)]);
}

#[test]
fn the_eye_hides_addresses_here_too() {
    let hosts = vec![host("Studio B", "192.168.0.31")];
    let mut view = with(hosts, View::default());
    view.settings.host = "192.168.0.99".to_owned();
    let mut window = Window::new(view.clone());
    window.click("Hide addresses");
    assert!(!window.says("192.168"));
    assert!(window.says("Studio B"));
    view.status = Status::Connected {
        target: "192.168.0.31:12800".to_owned(),
        on_this_computer: false,
    };
    window.show(view);
    assert!(window.says("Connected to ••••••••"));
    assert!(!window.says("192.168"));
    window.click("Show addresses");
    assert!(window.says("192.168.0.31"));
}

#[test]
fn a_crowd_is_not_listed_to_the_end() {
    let hosts = (0..500).map(|number| host(&format!("Host {number}"), "192.168.0.31"));
    let window = Window::new(with(hosts.collect(), View::default()));
    assert_eq!(read_out(&window).len(), 24);
    assert!(window.says("476 more are not listed"));
}
