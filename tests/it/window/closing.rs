//! Ending: what is asked before others are cut off.

use egui::ViewportCommand;
use mixdesk::backend::{Action, View};

use super::{Window, hosting};

#[test]
fn closing_quits_when_nobody_is_cut_off() {
    for view in [
        View::default(),
        View {
            people: 1,
            rooms: Vec::new(),
            ..hosting()
        },
    ] {
        let mut window = Window::new(view);
        let told = window.ask_to_close();
        assert!(!told.contains(&ViewportCommand::CancelClose));
        assert_eq!(window.actions(), [Action::Quit]);
    }
}

#[test]
fn closing_asks_while_others_are_connected() {
    let mut window = Window::new(hosting());
    assert!(
        window
            .ask_to_close()
            .contains(&ViewportCommand::CancelClose)
    );
    window.harness.run();
    assert!(window.says("Quit while 3 others are connected?"));
    window.click("Stay");
    assert!(!window.says("Quit while"));
    assert_eq!(window.actions(), []);

    window.ask_to_close();
    window.harness.run();
    window.button("Quit").click();
    window.harness.step();
    assert!(window.commands().contains(&ViewportCommand::Close));
    assert_eq!(window.actions(), [Action::Quit]);
}

#[test]
fn closing_asks_while_rooms_would_be_lost() {
    let mut window = Window::new(View {
        people: 1,
        ..hosting()
    });
    assert!(
        window
            .ask_to_close()
            .contains(&ViewportCommand::CancelClose)
    );
    window.harness.run();
    assert!(window.says("Quit?"));
    assert!(window.says("are lost unless you save copies first."));
    window.click("Stay");
    window.click("Stop hosting");
    assert!(window.says("Stop hosting?"));
    assert_eq!(window.actions(), []);
}

#[test]
fn a_backend_that_ends_takes_the_window_along_without_asking() {
    let mut window = Window::new(hosting());
    window.remote.view.send_replace(std::sync::Arc::new(View {
        quitting: true,
        ..hosting()
    }));
    window.harness.step();
    assert!(window.commands().contains(&ViewportCommand::Close));
    assert!(
        !window
            .ask_to_close()
            .contains(&ViewportCommand::CancelClose)
    );
    assert_eq!(window.actions(), []);
}

#[test]
fn stopping_to_host_asks_while_others_are_connected() {
    let mut window = Window::new(hosting());
    window.click("Stop hosting");
    assert!(window.says("Stop hosting while 3 others are connected?"));
    window.click("Keep hosting");
    assert_eq!(window.actions(), []);

    window.show(View {
        people: 1,
        rooms: Vec::new(),
        ..hosting()
    });
    window.click("Stop hosting");
    assert_eq!(window.actions(), [Action::Disconnect]);
}

#[test]
fn the_place_of_the_window_is_told_once_it_rests() {
    let mut window = Window::new(View::default());
    assert_eq!(window.actions(), []);
    window.harness.set_size(egui::vec2(900.0, 600.0));
    window.harness.step();
    assert_eq!(window.actions(), []);
    window.harness.run_steps(6);
    let actions = window.actions();
    let [Action::PlaceWindow(place)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!((place.width, place.height), (900.0, 600.0));
    window.harness.run_steps(6);
    assert_eq!(window.actions(), []);
}
