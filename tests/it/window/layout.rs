//! Everything has its place, whatever people call their rooms and themselves.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Node;
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{Failure, Membership, Room, RoomState, Status, View};

use super::{Window, hosting, inside, person, room};

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
            Role::Button | Role::TextInput | Role::CheckBox | Role::Row | Role::ListBox
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
            "Help (F1)",
            "Name",
            "Your color",
            "Host",
            "Port",
            "Connect",
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
