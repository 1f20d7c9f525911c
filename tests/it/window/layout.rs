//! Everything has its place, whatever people call their rooms and themselves.

use std::time::SystemTime;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Node;
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{
    Attempt, ByHand, Examination, Failure, Finding, Internet, Membership, NearbyHost,
    PublicAddress, Room, RoomState, Status, Verdict, View,
};

use super::{Window, address, hosting, inside, person, room};

const SMALL: [f32; 2] = [720.0, 520.0];

fn overlong() -> View {
    let name = "A room name as long as anybody could type it, and then some more ".repeat(3);
    let mut view = inside("Shot 12");
    let mut member = person(&name);
    member.mode = Some(name.clone());
    view.rooms = vec![Room {
        members: vec![member],
        size_bytes: u64::MAX,
        edits: u64::MAX,
        ..room(&name, RoomState::YouAreIn, 0)
    }];
    view.membership = Membership::In { room: name.clone() };
    view.failure = Some(Failure {
        what: name.clone(),
        advice: name,
    });
    view
}

/// Every control ends inside the window, left to right.
fn assert_nothing_sticks_out(window: &Window, width: f32) {
    for node in window.harness.root().children_recursive() {
        let role = node.accesskit_node().role();
        let is_control = matches!(
            role,
            Role::Button
                | Role::TextInput
                | Role::CheckBox
                | Role::Switch
                | Role::Row
                | Role::ListBox
        );
        if is_control {
            let rect = node.rect();
            assert!(
                rect.left() >= 0.0 && rect.right() <= width + 0.5,
                "{:?} at {rect:?}",
                node.accesskit_node().label()
            );
        }
    }
}

#[test]
fn long_names_break_nothing_in_a_small_window() {
    let mut window = Window::sized(overlong(), SMALL);
    window.harness.run();
    assert_nothing_sticks_out(&window, SMALL[0]);
    let leave = window.button("Leave Room").rect();
    assert!(leave.bottom() <= SMALL[1], "{leave:?}");
}

#[test]
fn a_long_host_breaks_nothing_in_a_small_window() {
    let target = format!("{}.example:12800", "studio-".repeat(30));
    for status in [
        Status::Connecting {
            target: target.clone(),
        },
        Status::Connected {
            target,
            on_this_computer: false,
        },
    ] {
        let window = Window::sized(
            View {
                status,
                ..View::default()
            },
            SMALL,
        );
        assert_nothing_sticks_out(&window, SMALL[0]);
    }
}

#[test]
fn all_that_matters_is_there_in_a_small_window() {
    let mut window = Window::sized(hosting(), SMALL);
    window.select("Shot 12");
    assert_nothing_sticks_out(&window, SMALL[0]);
    for button in [
        "Join Room",
        "Open in Blender",
        "Save a copy…",
        "Delete",
        "Create",
        "Stop hosting",
    ] {
        let rect = window.button(button).rect();
        assert!(rect.bottom() <= SMALL[1], "{button} at {rect:?}");
    }
    assert!(
        window
            .harness
            .query_by_role_and_label(Role::Button, "Mixer")
            .is_none()
    );
}

#[test]
fn long_names_and_addresses_of_others_break_nothing_in_a_small_window() {
    let name = "A session called as long as anybody could type it ".repeat(5);
    let host = NearbyHost {
        id: "1".to_owned(),
        name: name.clone(),
        address: "[2001:db8:1c2d:3aff:fe4b:5c6d:1:2]:12900".to_owned(),
        rooms: Some(u32::MAX),
        people: Some(u32::MAX),
        version: name.clone(),
        asks: true,
        since: SystemTime::UNIX_EPOCH,
        silent: true,
        is_ours: false,
    };
    let other = NearbyHost {
        silent: false,
        id: "2".to_owned(),
        ..host.clone()
    };
    let mut view = hosting();
    view.nearby.hosts = vec![host, other];
    view.attempts = vec![Attempt {
        address: "2001:db8:1c2d:3aff:fe4b:5c6d:1:2".to_owned(),
        why: name.clone(),
        at: SystemTime::UNIX_EPOCH,
        times: u64::MAX,
    }];
    let share = view.share.as_mut().expect("hosting");
    share
        .addresses
        .push(address("2001:db8:1c2d:3aff:fe4b:5c6d:1:2", &name));
    share.internet = Internet::Blocked {
        what: name.clone(),
        advice: name.clone(),
        by_hand: Some(ByHand {
            protocol: "TCP",
            outside: 12800,
            inside: "2001:db8:1c2d:3aff:fe4b:5c6d:1:2".to_owned(),
            port: 12800,
        }),
    };
    share.public = PublicAddress::Unknown(Failure {
        what: name.clone(),
        advice: name.clone(),
    });
    let mut window = Window::sized(view.clone(), SMALL);
    assert_nothing_sticks_out(&window, SMALL[0]);
    window.button("Somebody could not get in").scroll_to_me();
    window.harness.run();
    window.click("Somebody could not get in");
    assert_nothing_sticks_out(&window, SMALL[0]);
    window.button("Why can't they get in?").scroll_to_me();
    window.harness.run();
    window.click("Why can't they get in?");
    let finding = Finding {
        verdict: Verdict::Problem,
        check: name.clone(),
        what: name.clone(),
        why: name.clone(),
        fix: Some(name.clone()),
        command: Some("x".repeat(300)),
    };
    view.doctor = Some(Examination {
        of: None,
        findings: vec![finding; 40],
        running: true,
    });
    window.show(view.clone());
    assert_nothing_sticks_out(&window, SMALL[0]);
    for button in ["Stop", "Copy report", "Close"] {
        let rect = window.button(button).rect();
        assert!(rect.bottom() <= SMALL[1], "{button} at {rect:?}");
    }
    view.doctor = None;
    (view.status, view.share) = (Status::Offline, None);
    view.settings.host = format!(
        "come: mixdesk://join?name={}&lan=10.0.0.7&v=1",
        "x".repeat(999)
    );
    let window = Window::sized(view, SMALL);
    assert_nothing_sticks_out(&window, SMALL[0]);
}

#[test]
fn names_in_other_scripts_do_not_widen_the_table() {
    let mut view = hosting();
    view.rooms = vec![
        room("Декорации – план", RoomState::Ready, 1),
        room("Décor", RoomState::Ready, 1),
    ];
    let window = Window::sized(view, SMALL);
    assert_nothing_sticks_out(&window, SMALL[0]);
}

/// What Tab reaches, in order, once around.
fn walk(window: &mut Window) -> Vec<String> {
    let mut reached = Vec::new();
    for _ in 0..40 {
        window.press(Key::Tab);
        let label = window
            .harness
            .root()
            .children_recursive()
            .find(Node::is_focused)
            .and_then(|node| node.accesskit_node().label())
            .unwrap_or_default();
        if reached.first() == Some(&label) {
            break;
        }
        reached.push(label);
    }
    reached
}

#[test]
fn tab_walks_the_first_picture_as_it_is_read() {
    let mut window = Window::new(View::default());
    assert_eq!(
        walk(&mut window),
        [
            "Log",
            "Theme: as the system says",
            "Settings",
            "Help (F1)",
            "Name",
            "Your color",
            "Host",
            "Port",
            "Connect",
            "Check connection",
            "Hide addresses",
            "Host a session",
            "Address to join",
        ]
    );
}

#[test]
fn tab_walks_the_rooms_as_they_are_read() {
    let mut window = Window::new(hosting());
    window.select("Lighting");
    let mut reached = walk(&mut window);
    let log = reached
        .iter()
        .position(|label| label == "Log")
        .unwrap_or_default();
    reached.rotate_left(log);
    let after = |label: &str| {
        reached
            .iter()
            .position(|reached| reached == label)
            .unwrap_or_else(|| panic!("{label} is not reached: {reached:?}"))
    };
    let order = [
        "Log",
        "Name",
        "Stop hosting",
        "Copy address",
        "New room name",
        "Restore from file…",
        "State",
        "Rooms",
        "Join Room",
        "Keep open",
        "Delete",
    ];
    assert!(order.is_sorted_by_key(|label| after(label)), "{reached:?}");
    assert!(
        reached.len() < 30,
        "rows are walked with the arrow keys: {reached:?}"
    );
}
