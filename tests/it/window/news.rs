//! Failures, toasts, the log and help.

use std::sync::Arc;

use egui::Key;
use mixdesk::backend::{Action, Failure, Level, LogLine, Notice, View};

use super::{Window, hosting};

#[test]
fn a_failure_stays_until_dismissed() {
    let failure = Failure {
        what: "Nobody answers at 192.168.0.48:12800.".to_owned(),
        advice: "Ask your colleague to press Connect first.".to_owned(),
    };
    for view in [View::default(), hosting()] {
        let mut window = Window::new(View {
            failure: Some(failure.clone()),
            ..view.clone()
        });
        window.harness.run_steps(80);
        assert!(window.says("Nobody answers at 192.168.0.48:12800."));
        assert!(window.says("Ask your colleague to press Connect first."));
        window.click("Dismiss");
        assert_eq!(window.actions(), [Action::DismissFailure]);
        window.show(view);
        assert!(!window.says("Nobody answers"));
    }
}

fn notice(level: Level) -> Notice {
    Notice {
        level,
        text: "Ada joined Shot 12".to_owned(),
    }
}

#[test]
fn a_toast_goes_by_itself_and_an_error_later() {
    for (level, steps_shown, steps_gone) in [(Level::Info, 12, 12), (Level::Error, 40, 12)] {
        let mut window = Window::new(View::default());
        window.notify(notice(level));
        window.harness.run_steps(steps_shown);
        assert!(window.says("Ada joined Shot 12"), "{level:?}");
        window.harness.run_steps(steps_gone);
        assert!(!window.says("Ada joined Shot 12"), "{level:?}");
    }
}

#[test]
fn a_toast_can_be_closed() {
    let mut window = Window::new(hosting());
    window.notify(notice(Level::Warning));
    window.click("Close this message");
    assert!(!window.says("Ada joined"));
}

#[test]
fn the_log_is_searched_and_its_folder_opened() {
    let line = |level, text: &str| LogLine {
        time: "14:03:07".to_owned(),
        level,
        text: text.to_owned(),
    };
    let log = Arc::new(vec![
        line(Level::Info, "Jun joined"),
        line(Level::Error, "The router said no"),
    ]);
    let mut window = Window::new(View {
        log,
        log_folder: Some("logs".into()),
        ..View::default()
    });
    window.click("Log");
    assert!(window.says("Jun joined"));
    window.click("Errors only");
    assert!(!window.says("Jun joined"));
    assert!(window.says("Error: The router said no"));
    window.fill("Search the log", "nothing like it");
    assert!(window.says("Nothing fits the search"));
    window.click("Open log folder");
    assert_eq!(window.actions(), [Action::OpenLogFolder]);
    window.click("Close");
    assert!(!window.says("Open log folder"));
}

#[test]
fn f1_helps_and_escape_closes() {
    let mut window = Window::new(View::default());
    window.press(Key::F1);
    assert!(window.says("Next and previous control"));
    window.press(Key::Escape);
    assert!(!window.says("Next and previous control"));
}

#[test]
fn an_idle_window_does_not_repaint() {
    let mut window = Window::new(hosting());
    window.harness.run_steps(8);
    let delay = window.harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert!(
        delay > std::time::Duration::from_secs(60),
        "repaints after {delay:?}"
    );
}

#[test]
fn an_action_that_cannot_be_taken_is_said() {
    let mut window = Window::new(View::default());
    window.remote.actions.close();
    window.click("Connect");
    assert!(window.says("That could not be done just now"));
}
