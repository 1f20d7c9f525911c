//! Rooms that ended, what becomes of those that end, and those that are not written down.

use std::time::{Duration, Instant, SystemTime};

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{
    Action, BringingBack, Failure, Flow, RecentRoom, Room, RoomState, Status, View,
};

use super::{Window, hosting, room};

const MINUTE: u64 = 60;

fn recent(name: &str, minutes_ago: u64) -> RecentRoom {
    RecentRoom {
        id: format!("{name}-1.mixdesk"),
        name: name.to_owned(),
        size_bytes: 38_500_000,
        ended: SystemTime::now() - Duration::from_secs(minutes_ago * MINUTE + 30),
        reopening: false,
    }
}

/// Hosting, and rooms are kept.
fn keeping(recent_rooms: Vec<RecentRoom>) -> View {
    View {
        keeps_rooms: true,
        recent_rooms,
        ..hosting()
    }
}

fn listed(window: &Window) -> Vec<String> {
    window
        .harness
        .query_all_by_role(Role::ListItem)
        .filter_map(|item| item.accesskit_node().label())
        .collect()
}

#[test]
fn recent_rooms_are_listed_with_size_and_age() {
    let window = Window::new(keeping(vec![
        recent("Décor", 5),
        recent("Shot 11", 190),
        recent("Shot 10", 60 * 24 * 3),
    ]));
    assert_eq!(
        listed(&window),
        [
            "Décor, 38.5 MB · 5 min ago",
            "Shot 11, 38.5 MB · 3 h ago",
            "Shot 10, 38.5 MB · 3 days ago",
        ]
    );
}

#[test]
fn a_recent_room_is_brought_back_with_a_click() {
    let mut window = Window::new(keeping(vec![recent("Décor", 5), recent("Props", 9)]));
    window.click("Reopen Décor");
    assert_eq!(
        window.actions(),
        [Action::ReopenRoom("Décor-1.mixdesk".to_owned())]
    );
    assert_eq!(
        window.reason("Reopen Props"),
        "There is a room with this name: delete that one first"
    );
    let mut view = keeping(vec![recent("Décor", 5)]);
    view.recent_rooms[0].reopening = true;
    window.show(view);
    assert!(window.says("Bringing back…"));
    assert!(
        window
            .harness
            .query_by_role_and_label(Role::Button, "Reopen Décor")
            .is_none()
    );
}

#[test]
fn removing_one_for_good_asks_first() {
    let mut window = Window::new(keeping(vec![recent("Décor", 5)]));
    window.click("Remove Décor…");
    assert!(window.says("Remove Décor for good?"));
    assert!(window.says("(38.5 MB) are deleted from this computer."));
    window.click("Keep it");
    assert_eq!(window.actions(), []);
    window.click("Remove Décor…");
    window.click("Remove");
    assert_eq!(
        window.actions(),
        [Action::ForgetRecentRoom("Décor-1.mixdesk".to_owned())]
    );
}

#[test]
fn the_list_opens_closes_and_says_what_it_is_for() {
    let mut window = Window::new(keeping(Vec::new()));
    assert!(window.says("Recent rooms: a room that ends is kept here for 14 days"));
    window.show(keeping(vec![recent("Décor", 5)]));
    window.click("Recent rooms (1)");
    assert!(listed(&window).is_empty());
    window.click("Recent rooms (1)");
    assert_eq!(listed(&window).len(), 1);
    // Where rooms are not kept there are none, and on other servers nobody knows.
    window.show(hosting());
    assert!(!window.says("Recent rooms"));
}

#[test]
fn the_list_is_walked_by_keyboard_however_long_it_is() {
    let rooms = (0..1_000)
        .map(|number| recent(&format!("Take {number}"), number))
        .collect();
    let mut window = Window::new(keeping(rooms));
    assert!(listed(&window).len() < 10);
    window
        .harness
        .get_by_role_and_label(Role::ListBox, "Recent rooms")
        .focus();
    window.harness.run();
    for (key, name) in [
        (Key::ArrowDown, "Take 1"),
        (Key::End, "Take 999"),
        (Key::ArrowUp, "Take 998"),
        (Key::Home, "Take 0"),
    ] {
        window.press(key);
        let start = format!("{name}, ");
        let shown = listed(&window);
        assert!(
            shown.iter().any(|item| item.starts_with(&start)),
            "{shown:?}"
        );
        window.press(Key::Enter);
        assert_eq!(
            window.actions(),
            [Action::ReopenRoom(format!("{name}-1.mixdesk"))]
        );
    }
    window.press(Key::Delete);
    assert!(window.says("Remove Take 0 for good?"));
}

#[test]
fn a_small_window_lists_them_when_asked_to() {
    let mut window = Window::sized(
        keeping((0..9).map(|number| recent("Take", number)).collect()),
        [720.0, 520.0],
    );
    window.select("Lighting");
    assert!(listed(&window).is_empty());
    assert!(window.says("People in Lighting"));
    window.click("Recent rooms (9)");
    assert!(!listed(&window).is_empty());
    for button in ["Join Room", "Delete", "Recent rooms (9)"] {
        let rect = window.button(button).rect();
        assert!(rect.bottom() <= 520.0 && rect.right() <= 720.0, "{rect:?}");
    }
    for remove in window
        .harness
        .query_all_by_role_and_label(Role::Button, "Remove Take…")
    {
        assert!(remove.rect().right() <= 720.0, "{:?}", remove.rect());
    }
}

#[test]
fn rooms_that_are_kept_are_not_said_to_be_lost() {
    let mut window = Window::new(View {
        people: 1,
        ..keeping(Vec::new())
    });
    window.click("Stop hosting");
    let words = "The 3 rooms on this server (118.0 MB) go to Recent rooms: for 14 days you can bring them back";
    assert!(window.says(words));
    assert!(!window.says("lost"));
    window.click("Keep hosting");
    window.ask_to_close();
    window.harness.run();
    assert!(window.says(words));
    window.click("Stay");
    window.select("Lighting");
    window.click("Delete");
    assert!(window.says("It goes to Recent rooms: for 14 days you can bring it back from there."));
    window.click("Delete room");
    assert_eq!(
        window.actions(),
        [Action::DeleteRoom("Lighting".to_owned())]
    );
}

#[test]
fn what_would_be_lost_all_the_same_is_told() {
    let stops = |view: View| {
        let mut window = Window::new(view);
        window.click("Stop hosting");
        window
    };
    let mut large = keeping(Vec::new());
    large.settings.rooms.recent_bytes = 100_000_000;
    let window = stops(large);
    assert!(window.says("no more than 100.0 MB are kept there"));

    let mut never = keeping(Vec::new());
    never.settings.rooms.recent_days = 0;
    assert!(stops(never).says("are lost unless you save copies first."));

    let mut failing = keeping(Vec::new());
    failing.rooms[0].trouble = Some("no space".to_owned());
    assert!(stops(failing).says("But “Shot 12” is not written to the disk now"));
    assert!(stops(hosting()).says("are lost unless you save copies first."));
}

#[test]
fn rooms_that_are_not_written_down_are_told_until_they_are() {
    let mut window = Window::new(View {
        trouble: Some(Failure {
            what: "The room “Shot 12” is not written to the disk: No space left.".to_owned(),
            advice: "Make space.".to_owned(),
        }),
        ..keeping(Vec::new())
    });
    window.harness.run_steps(80);
    assert!(window.says("is not written to the disk: No space left."));
    assert!(window.says("Make space."));
    assert!(
        window
            .harness
            .query_by_role_and_label(Role::Button, "Dismiss")
            .is_none()
    );
    window.show(keeping(Vec::new()));
    assert!(!window.says("not written"));
}

#[test]
fn bringing_rooms_back_shows_how_far_it_is_and_can_be_stopped() {
    let mut window = Window::new(View {
        status: Status::Connecting {
            target: "localhost:12800".to_owned(),
        },
        bringing_back: Some(BringingBack {
            done_bytes: 1_200_000_000,
            total_bytes: 4_000_000_000,
            // Long ago, so that a slow machine does not change what is said.
            since: Instant::now() - Duration::from_secs(300),
        }),
        ..View::default()
    });
    assert!(window.says("Bringing back rooms: 1.2 GB of 4.0 GB"));
    assert!(window.says("1.2 GB of 4.0 GB · ") && window.says("/s · 12 min left"));
    window.click("Stop bringing back rooms");
    assert_eq!(window.actions(), [Action::Disconnect]);
}

#[test]
fn who_is_behind_is_told_and_how_fast_a_room_grows() {
    let mut slow = room("Shot 12", RoomState::Ready, 2);
    slow.members[1].flow = Some(Flow {
        from_bytes: 1_000,
        to_bytes: 2_000_000,
        lag_bytes: 45_000_000,
        refusals: 0,
    });
    let mut window = Window::new(View {
        rooms: vec![Room {
            growth_bytes: 1_200_000,
            ..slow
        }],
        ..hosting()
    });
    window.select("Shot 12");
    assert!(window.says("45.0 MB behind"));
    assert!(window.says("1.2 MB/s now"));
}
