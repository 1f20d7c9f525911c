//! What is remembered between two starts.

use std::path::Path;

use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::Theme;

use super::Window;
use crate::common::ports::free_port;

#[test]
fn the_next_start_shows_what_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("not there yet");
    let port = free_port();
    let mut window = Window::start(&home);
    window.type_into("Name", "Zoé");
    window.press("Your color");
    window.press("Teal");
    window.press("Theme: as the system says");
    window.press("Theme: light");
    window.until("the dark theme", |window| window.offers("Theme: dark"));
    window.connect("localhost", port);
    window.until_says("Hosting on port");
    // Quit at once: what was not written yet is written then.
    window.end();

    let mut window = Window::start(&home);
    assert_eq!(window.value("Host"), "localhost");
    assert_eq!(window.value("Port"), port.to_string());
    assert_eq!(window.value("Name"), "Zoé");
    assert!(window.offers("Theme: dark"));
    assert!(window.harness.ctx.global_style().visuals.dark_mode);
    window.press("Recent hosts");
    let recent = format!("localhost:{port}");
    window.until("the recent host", |window| window.offers(&recent));
    window.press("Your color");
    window.until("teal", |window| window.offers("Teal"));
    window.end();
    let kept = kept(&home);
    assert_eq!((kept.port, kept.theme), (port, Theme::Dark));
    assert_eq!(kept.recent_hosts, [recent]);
    let bytes = kept.color.map(|part| (part * 255.0).round() as u8);
    assert_eq!(bytes, [0x3f, 0xb3, 0xa3]);
}

fn kept(home: &Path) -> mixdesk::backend::Settings {
    mixdesk::backend::Folders::within(home).settings().0
}

#[test]
fn a_settings_file_that_makes_no_sense_is_set_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = "port = \"many\"";
    std::fs::write(folder.path().join("settings.toml"), nonsense).unwrap();
    let mut window = Window::start(folder.path());
    window.until_says("was not understood and was set aside as");
    assert_eq!(window.value("Port"), "12800");
    let aside = folder.path().join("settings.broken.toml");
    assert!(window.says(&aside.display().to_string()));
    assert_eq!(std::fs::read_to_string(&aside).unwrap(), nonsense);
    window.type_into("Name", "Ada");
    window.press("Theme: as the system says");
    window.end();
    assert_eq!(kept(folder.path()).name, "Ada");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), nonsense);
}

#[test]
fn what_a_session_is_called_and_who_hears_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.press("Settings");
    window.type_into("Session name", "Shot 12");
    for switch in [
        "Announce my sessions on this network",
        "Let people from the internet connect",
    ] {
        let on = |window: &Window| {
            let node = window.harness.get_by_role_and_label(Role::Switch, switch);
            node.accesskit_node().toggled() == Some(Toggled::True)
        };
        let before = on(&window);
        window
            .harness
            .get_by_role_and_label(Role::Switch, switch)
            .click();
        window.act();
        window.until(switch, |window| on(window) != before);
    }
    window.press("Close");
    window.end();
    let kept = kept(folder.path());
    assert_eq!(kept.session_name.as_deref(), Some("Shot 12"));
    assert_eq!((kept.announce, kept.internet), (false, true));
}
