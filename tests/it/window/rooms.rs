//! The table of rooms and what can be done with them.

use std::time::Instant;

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use mixdesk::backend::{
    Action, BlenderProgram, Membership, Room, RoomState, Status, Transfer, TransferDirection, View,
};

use super::{Window, hosting, inside, room};

fn names(window: &Window) -> Vec<String> {
    window
        .rows()
        .iter()
        .map(|row| row.split(',').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn rooms_are_listed_by_name_with_their_figures() {
    let window = Window::new(hosting());
    assert_eq!(
        window.rows(),
        [
            "Lighting, 0 people, 2.7 MB, 86 edits, Empty",
            "Props, 1 person, 2.7 MB, 86 edits, Uploading…",
            "Shot 12, 3 people, 112.6 MB, 4,318 edits, Ready",
        ]
    );
}

#[test]
fn a_column_title_sorts_and_turns_round() {
    let mut window = Window::new(hosting());
    window.click("People");
    assert_eq!(names(&window), ["Lighting", "Props", "Shot 12"]);
    window.click("People");
    assert_eq!(names(&window), ["Shot 12", "Props", "Lighting"]);
    window.click("Room");
    assert_eq!(names(&window), ["Lighting", "Props", "Shot 12"]);
}

#[test]
fn an_empty_list_says_what_to_do() {
    let window = Window::new(View {
        rooms: Vec::new(),
        ..hosting()
    });
    assert!(window.says("No rooms yet"));
    assert!(window.says("open the Mixer panel, press Connect, then Create Room"));
    assert_eq!(window.reason("Join Room"), "Select a room first");
}

#[test]
fn a_selected_room_is_joined_with_the_button() {
    let mut window = Window::new(hosting());
    assert_eq!(window.reason("Join Room"), "Select a room first");
    window.select("Shot 12");
    assert!(window.says("People in Shot 12"));
    assert!(window.says("Person 2"));
    window.click("Join Room");
    assert_eq!(window.actions(), [Action::JoinRoom("Shot 12".to_owned())]);
}

#[test]
fn a_double_click_joins() {
    let mut window = Window::new(hosting());
    let at = window.row("Shot 12").rect().center();
    window.harness.hover_at(at);
    for pressed in [true, false, true, false] {
        let modifiers = egui::Modifiers::NONE;
        let button = egui::PointerButton::Primary;
        window
            .harness
            .input_mut()
            .events
            .push(egui::Event::PointerButton {
                pos: at,
                button,
                pressed,
                modifiers,
            });
    }
    window.harness.run();
    assert_eq!(window.actions(), [Action::JoinRoom("Shot 12".to_owned())]);
}

#[test]
fn the_list_is_walked_and_joined_by_keyboard() {
    let mut window = Window::new(hosting());
    window
        .harness
        .get_by_role_and_label(Role::ListBox, "Rooms")
        .focus();
    window.harness.run();
    window.press(Key::ArrowDown);
    assert!(window.says("People in Lighting"));
    window.press(Key::End);
    assert!(window.says("People in Shot 12"));
    window.press(Key::ArrowUp);
    assert!(window.says("People in Props"));
    window.press(Key::Enter);
    // It is being uploaded, and the answer will say so: a key that does nothing says nothing.
    assert_eq!(window.actions(), [Action::JoinRoom("Props".to_owned())]);
    window.press(Key::ArrowDown);
    window.press(Key::Enter);
    assert_eq!(window.actions(), [Action::JoinRoom("Shot 12".to_owned())]);
}

#[test]
fn the_room_we_are_in_is_selected_and_can_be_left() {
    let mut window = Window::new(inside("Shot 12"));
    assert!(window.says("You are in"));
    window.click("Leave Room");
    assert_eq!(window.actions(), [Action::LeaveRoom]);
    window.select("Lighting");
    assert_eq!(window.reason("Join Room"), "Leave Shot 12 first");
}

#[test]
fn a_disabled_button_says_why() {
    let mut window = Window::new(hosting());
    window.select("Props");
    for button in ["Join Room", "Open in Blender", "Save a copy…"] {
        assert_eq!(
            window.reason(button),
            "Its maker is still sending the scene"
        );
    }
    assert_eq!(window.reason("Delete"), "Only an empty room can be deleted");
    window.select("Shot 12");
    assert_eq!(
        window.reason("Open in Blender"),
        "No Blender was found on this computer"
    );
    assert_eq!(window.reason("Create"), "Type a name for the room first");
    window.button("Join Room").hover();
}

#[test]
fn the_reason_is_in_the_tooltip_too() {
    let mut window = Window::new(hosting());
    window.button("Join Room").hover();
    window.harness.run_steps(8);
    assert!(window.says("Select a room first"));
}

#[test]
fn rooms_are_saved_opened_and_kept() {
    let blender = Some(BlenderProgram {
        path: "blender".into(),
        label: "Blender 3.6".to_owned(),
    });
    let mut window = Window::new(View {
        blender,
        ..hosting()
    });
    window.select("Shot 12");
    window.click("Open in Blender");
    window.click("Save a copy…");
    window
        .harness
        .get_by_role_and_label(Role::CheckBox, "Keep open")
        .click();
    window.harness.run();
    assert_eq!(
        window.actions(),
        [
            Action::OpenInBlender("Shot 12".to_owned()),
            Action::SaveRoom("Shot 12".to_owned()),
            Action::SetKeepOpen {
                room: "Shot 12".to_owned(),
                keep_open: true
            },
        ]
    );
}

#[test]
fn deleting_asks_first() {
    let mut window = Window::new(hosting());
    window.select("Lighting");
    window.click("Delete");
    assert!(window.says("Delete Lighting?"));
    window.click("Keep it");
    assert!(!window.says("Delete Lighting?"));
    assert_eq!(window.actions(), []);
    window.click("Delete");
    window.click("Delete room");
    assert_eq!(
        window.actions(),
        [Action::DeleteRoom("Lighting".to_owned())]
    );
}

#[test]
fn a_room_is_made_with_its_name() {
    let mut window = Window::new(hosting());
    window.fill("New room name", "Shot 12");
    assert_eq!(window.reason("Create"), "There is a room with this name");
    window.fill("New room name", " Shot 13 ");
    window.click("Create");
    window.click("Restore from file…");
    assert_eq!(
        window.actions(),
        [
            Action::CreateRoom("Shot 13".to_owned()),
            Action::RestoreRoom
        ]
    );
    assert_eq!(
        window.field("New room name").value().unwrap_or_default(),
        ""
    );
}

#[test]
fn enter_in_the_new_room_field_makes_it() {
    let mut window = Window::new(hosting());
    window.field("New room name").focus();
    window.harness.run();
    window.field("New room name").type_text("Shot 13");
    window.harness.run();
    window.press(Key::Enter);
    assert_eq!(window.actions(), [Action::CreateRoom("Shot 13".to_owned())]);
}

#[test]
fn joining_shows_how_far_it_is_and_can_be_stopped() {
    let mut view = hosting();
    let membership = Membership::Joining {
        room: "Shot 12".to_owned(),
        received_bytes: 45_000_000,
        total_bytes: 112_600_000,
        since: Instant::now(),
    };
    for room in view.rooms.iter_mut().filter(|room| room.name == "Shot 12") {
        room.state = RoomState::Joining;
    }
    view.membership = membership;
    let mut window = Window::new(view);
    assert!(window.says("Joining 39 %"));
    assert!(window.says("45.0 MB of 112.6 MB"));
    window.click("Stop joining");
    assert_eq!(window.actions(), [Action::LeaveRoom]);
}

#[test]
fn a_save_shows_how_far_it_is_and_can_be_stopped() {
    let transfer = Transfer {
        direction: TransferDirection::Save,
        room: "Shot 12".to_owned(),
        done_bytes: 1_000_000,
        total_bytes: 4_000_000,
        since: Instant::now(),
    };
    let mut window = Window::new(View {
        transfer: Some(transfer),
        ..hosting()
    });
    assert!(window.says("1.0 MB of 4.0 MB"));
    window.select("Shot 12");
    assert!(
        window
            .reason("Save a copy…")
            .starts_with("Wait until the other save")
    );
    window.click("Stop saving");
    assert_eq!(window.actions(), [Action::StopTransfer]);
}

#[test]
fn of_a_thousand_rooms_only_what_is_seen_is_painted() {
    let rooms: Vec<Room> = (0..1_000)
        .map(|number| room(&format!("Room {number:04}"), RoomState::Ready, 1))
        .collect();
    let mut window = Window::new(View { rooms, ..hosting() });
    let painted = window.rows().len();
    assert!((5..40).contains(&painted), "{painted} rows painted");
    window
        .harness
        .get_by_role_and_label(Role::ListBox, "Rooms")
        .focus();
    window.harness.run();
    window.press(Key::End);
    assert!(
        names(&window).contains(&"Room 0999".to_owned()),
        "{:?}",
        names(&window)
    );
    assert!(window.rows().len() < 40);
}

#[test]
fn a_room_that_is_gone_is_no_longer_selected() {
    let mut window = Window::new(hosting());
    window.select("Lighting");
    let mut view = hosting();
    view.rooms.retain(|room| room.name != "Lighting");
    window.show(view);
    assert_eq!(window.reason("Join Room"), "Select a room first");
}

#[test]
fn offline_no_rooms_are_shown() {
    let window = Window::new(View {
        status: Status::Offline,
        ..hosting()
    });
    assert!(window.says("Work in Blender together"));
    assert!(!window.says("Shot 12"));
}
