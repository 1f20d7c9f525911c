//! The Connection card and the first picture.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::NodeT;
use mixdesk::backend::{Action, Settings, Status, View};

use super::{INVITE, Window};

fn connect(host: &str, port: u16) -> Action {
    Action::Connect {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn the_fields_start_with_what_is_remembered() {
    let settings = Settings {
        host: "studio".to_owned(),
        port: 12900,
        name: "Ada".to_owned(),
        ..Settings::default()
    };
    let window = Window::new(View {
        settings,
        ..View::default()
    });
    assert_eq!(window.field("Host").value().as_deref(), Some("studio"));
    assert_eq!(window.field("Port").value().as_deref(), Some("12900"));
    assert_eq!(window.field("Name").value().as_deref(), Some("Ada"));
}

#[test]
fn connect_asks_for_what_is_typed() {
    let mut window = Window::new(View::default());
    assert!(window.says("Starts a server on this computer"));
    window.field("Host").focus();
    window.harness.run();
    window
        .harness
        .key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    window.field("Host").type_text("192.168.0.48");
    window.harness.run();
    assert!(window.says("Connects to another computer"));
    window.fill("Port", "12900");
    window.click("Connect");
    assert_eq!(window.actions(), [connect("192.168.0.48", 12900)]);
}

#[test]
fn enter_in_a_field_connects() {
    for field in ["Host", "Port"] {
        let mut window = Window::new(View::default());
        window.field(field).focus();
        window.harness.run();
        window.press(Key::Enter);
        assert_eq!(window.actions(), [connect("localhost", 12800)], "{field}");
    }
}

#[test]
fn a_wrong_port_is_marked_and_not_connected_to() {
    let mut window = Window::new(View::default());
    let words = "Port is a number from 1 to 65535";
    assert!(!window.says(words));
    window.fill("Port", "70000");
    assert!(window.says(words));
    assert_eq!(window.description(window.field("Port")), words);
    assert!(window.is_disabled("Connect"));
    window.field("Port").focus();
    window.harness.run();
    window.press(Key::Enter);
    assert_eq!(window.actions(), []);
    window.fill("Port", "7000");
    assert!(!window.says(words));
    assert!(!window.is_disabled("Connect"));
}

#[test]
fn an_empty_host_is_marked() {
    let mut window = Window::new(View::default());
    window.fill("Host", "");
    assert!(window.says("Type a host name or an address"));
    assert!(window.is_disabled("Connect"));
}

#[test]
fn a_port_in_host_counts_and_locks_the_port_field() {
    let mut window = Window::new(View::default());
    window.fill("Port", "nonsense");
    window.fill("Host", "[fe80::1]:12900");
    assert!(window.says("on port 12900 as Host says"));
    assert!(!window.says("Port is a number"));
    window.click("Connect");
    assert_eq!(window.actions(), [connect("[fe80::1]:12900", 12800)]);
}

#[test]
fn a_recent_host_fills_the_field() {
    let settings = Settings {
        recent_hosts: vec!["192.168.0.31:12900".to_owned()],
        ..Settings::default()
    };
    let mut window = Window::new(View {
        settings,
        ..View::default()
    });
    window.click("Recent hosts");
    window.click("192.168.0.31:12900");
    assert_eq!(
        window.field("Host").value().as_deref(),
        Some("192.168.0.31:12900")
    );
}

#[test]
fn what_the_backend_connects_to_shows_in_the_fields() {
    let mut window = Window::new(View::default());
    let mut view = View::default();
    view.settings.host = "10.0.0.7".to_owned();
    view.status = Status::Connecting {
        target: "10.0.0.7:12800".to_owned(),
    };
    window.show(view);
    assert_eq!(window.field("Host").value().as_deref(), Some("10.0.0.7"));
    assert!(window.field("Host").accesskit_node().is_disabled());
    window.click("Stop");
    assert_eq!(window.actions(), [Action::Disconnect]);
}

#[test]
fn the_name_is_sent_once_typing_rests() {
    let mut window = Window::new(View::default());
    window.field("Name").focus();
    window.harness.step();
    window.field("Name").type_text("Zoé");
    window.harness.step();
    assert_eq!(window.actions(), []);
    window.harness.run_steps(4);
    let actions = window.actions();
    let [Action::SetIdentity { name, color }] = &actions[..] else {
        panic!("not an identity");
    };
    assert_eq!(name, "Zoé");
    assert!((color[0] - 0.9).abs() < 0.01);
}

#[test]
fn a_name_still_being_typed_is_sent_before_connecting() {
    let mut window = Window::new(View::default());
    window.field("Name").set_text_value_accesskit("Jun");
    window.harness.step();
    window.button("Connect").click_accesskit();
    window.harness.step();
    let actions = window.actions();
    assert!(
        matches!(
            &actions[..],
            [Action::SetIdentity { .. }, Action::Connect { .. }]
        ),
        "{actions:?}"
    );
}

#[test]
fn the_first_picture_hosts_with_one_click() {
    let mut window = Window::new(View::default());
    window.click("Host a session");
    assert_eq!(window.actions(), [connect("localhost", 12800)]);
}

#[test]
fn what_is_pasted_is_understood_while_typing() {
    let mut window = Window::new(View::default());
    let chat = format!("Hi! I am hosting, come: {INVITE}");
    window.fill("Host", &chat);
    assert!(window.says("Invite to Ada's session, 2 ways in"));
    assert!(
        window.field("Port").accesskit_node().is_disabled(),
        "an invite has its own ports"
    );
    window.click("Connect");
    assert_eq!(window.actions(), [connect(&chat, 12800)]);
    window.fill("Host", "mine is 192.168.0.48:12900 :)");
    assert!(window.says("Connects to 192.168.0.48:12900, as found in this text"));
    window.fill("Host", "hello, how are you today?");
    assert!(window.says("There is no address in this text"));
    assert!(window.is_disabled("Connect"));
    window.fill("Address to join", INVITE);
    assert!(window.says("Invite to Ada's session, 2 ways in"));
    window.click("Join");
    assert_eq!(window.actions(), [connect(INVITE, 12800)]);
}

#[test]
fn an_invite_in_host_is_hidden_with_the_addresses() {
    let mut window = Window::new(View::default());
    window.fill("Host", INVITE);
    window.click("Hide addresses");
    let words = window.harness.root();
    let shows = |role| {
        words
            .children_recursive()
            .filter(|node| node.accesskit_node().role() == role)
            .filter_map(|node| node.value())
            .any(|value| value.contains("192.168"))
    };
    assert!(!shows(Role::TextInput) && !shows(Role::PasswordInput));
    assert!(window.says("Invite to Ada's session, 2 ways in"));
}

#[test]
fn the_first_picture_joins_what_is_pasted() {
    let mut window = Window::new(View::default());
    assert_eq!(window.reason("Join"), "Type or paste an address first");
    window.fill("Address to join", " 192.168.0.48 ");
    window.click("Join");
    assert_eq!(window.actions(), [connect("192.168.0.48", 12800)]);
}

#[test]
fn a_color_is_chosen_and_sent() {
    let mut window = Window::new(View {
        settings: Settings {
            name: "Ada".to_owned(),
            ..Settings::default()
        },
        ..View::default()
    });
    window.click("Your color");
    window.click("Teal");
    window.harness.run_steps(4);
    let actions = window.actions();
    let [Action::SetIdentity { name, color }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(name, "Ada");
    assert!((color[1] - 0.702).abs() < 0.01, "{color:?}");
}
