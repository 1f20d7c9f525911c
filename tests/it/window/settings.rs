//! What our sessions are called, and who hears of them.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::Node;
use egui_kittest::kittest::Queryable;
use mixdesk::backend::{Action, Settings, View};

use super::Window;

fn switch<'a>(window: &'a Window, label: &'a str) -> Node<'a> {
    window.harness.get_by_role_and_label(Role::Switch, label)
}

fn opened(settings: Settings) -> Window {
    let mut window = Window::new(View {
        settings,
        ..View::default()
    });
    window.click("Settings");
    window
}

#[test]
fn a_session_is_named() {
    let mut window = opened(Settings {
        session_name: Some("Shot 12".to_owned()),
        ..Settings::default()
    });
    let name = window.field("Session name");
    assert_eq!(name.value().as_deref(), Some("Shot 12"));
    assert!(name.is_focused());
    window.fill("Session name", "Lighting");
    window.press(Key::Escape);
    let named = Some("Lighting".to_owned());
    assert_eq!(window.actions(), [Action::SetSessionName(named)]);
    window.click("Settings");
    window.fill("Session name", "  ");
    window.press(Key::Tab);
    assert_eq!(window.actions(), [Action::SetSessionName(None)]);
}

#[test]
fn nothing_is_sent_when_nothing_was_changed() {
    let mut window = opened(Settings::default());
    window.click("Close");
    assert_eq!(window.actions(), []);
}

#[test]
fn switches_show_how_they_stand_and_ask_for_the_other() {
    let mut window = opened(Settings {
        internet: true,
        ..Settings::default()
    });
    for (label, action) in [
        (
            "Announce my sessions on this network",
            Action::SetAnnounce(false),
        ),
        (
            "Let people from the internet connect",
            Action::SetInternet(false),
        ),
    ] {
        use egui::accesskit::Toggled;
        use egui_kittest::kittest::NodeT;
        let node = switch(&window, label);
        assert_eq!(node.accesskit_node().toggled(), Some(Toggled::True));
        node.click();
        window.harness.run();
        assert_eq!(window.actions(), [action]);
    }
    switch(&window, "Announce my sessions on this network").focus();
    window.harness.run();
    window.press(Key::Space);
    assert_eq!(window.actions(), [Action::SetAnnounce(false)]);
}
