//! The check of a connection: what was found, and what to do about it.

use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{Action, Examination, Failure, Finding, Status, Verdict, View};

use super::{Window, hosting};

fn finding(verdict: Verdict, check: &str) -> Finding {
    Finding {
        verdict,
        check: check.to_owned(),
        what: format!("What there is about the {check}."),
        why: String::new(),
        fix: None,
        command: None,
    }
}

fn firewall() -> Finding {
    Finding {
        what: "The firewall drops port 12800 from 192.168.0.0/24.".to_owned(),
        why: "Nobody gets in.".to_owned(),
        fix: Some("Let the port in.".to_owned()),
        command: Some("sudo ufw allow 12800/tcp".to_owned()),
        ..finding(Verdict::Problem, "firewall")
    }
}

/// A hosting window in which the check was asked for, and has found so much.
fn examined(findings: Vec<Finding>, running: bool) -> Window {
    let mut window = Window::new(hosting());
    window.click("Why can't they get in?");
    assert_eq!(window.actions(), [Action::RunDoctor(None)]);
    window.show(View {
        doctor: Some(Examination {
            of: None,
            findings,
            running,
        }),
        ..hosting()
    });
    window
}

/// The findings as read out, top to bottom.
fn read_out(window: &Window) -> Vec<String> {
    window
        .harness
        .get_all_by_role(Role::ListItem)
        .filter_map(|item| item.accesskit_node().label())
        .collect()
}

#[test]
fn the_host_asks_why_nobody_gets_in_with_one_click() {
    let window = examined(vec![firewall()], false);
    assert!(window.says("Can colleagues reach this computer?"));
    assert!(window.says("1 problem, 0 good."));
    for words in [
        "The firewall drops port 12800 from 192.168.0.0/24.",
        "Nobody gets in.",
        "To do: Let the port in.",
        "sudo ufw allow 12800/tcp",
    ] {
        assert!(window.says(words), "{words}");
    }
}

#[test]
fn what_comes_in_stays_in_place_until_all_is_there_and_then_the_worst_is_first() {
    let findings = vec![
        finding(Verdict::Good, "server"),
        finding(Verdict::Note, "router"),
        firewall(),
    ];
    let mut window = examined(findings.clone(), true);
    assert!(window.says("Checking… So far: 1 problem, 1 note, 1 good."));
    let starts = |window: &Window| {
        let words = read_out(window);
        words
            .into_iter()
            .map(|words| words.split(':').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(&window), ["Good", "Note", "Problem"]);
    window.show(View {
        doctor: Some(Examination {
            of: None,
            findings,
            running: false,
        }),
        ..hosting()
    });
    assert_eq!(starts(&window), ["Problem", "Note", "Good"]);
}

#[test]
fn a_check_is_stopped_and_run_again_with_the_same_button() {
    let mut window = examined(vec![firewall()], true);
    assert!(window.button("Stop").is_focused());
    window.press(Key::Enter);
    assert_eq!(window.actions(), [Action::StopDoctor]);
    let done = Examination {
        of: None,
        findings: vec![firewall()],
        running: false,
    };
    let place = window.button("Stop").rect();
    window.show(View {
        doctor: Some(done),
        ..hosting()
    });
    assert_eq!(window.button("Check again").rect(), place);
    window.click("Check again");
    assert_eq!(window.actions(), [Action::RunDoctor(None)]);
}

#[test]
fn a_command_and_the_report_are_copied() {
    let mut window = examined(vec![firewall()], false);
    window.button("Copy command for firewall").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("sudo ufw allow 12800/tcp"));
    window.harness.run();
    window.button("Copy report").click();
    window.harness.step();
    let report = window.copied().expect("a report");
    for words in [
        "Can colleagues reach this computer?",
        "[Problem] firewall: The firewall drops port 12800 from 192.168.0.0/24.",
        "Why: Nobody gets in.",
        "To do: Let the port in.",
        "Command: sudo ufw allow 12800/tcp",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn closing_tells_the_backend_however_it_is_closed() {
    let mut window = examined(vec![firewall()], false);
    window.click("Close");
    assert_eq!(window.actions(), [Action::CloseDoctor]);
    assert!(!window.says("Can colleagues reach this computer?"));

    let mut window = examined(vec![firewall()], true);
    window.press(Key::Escape);
    assert_eq!(window.actions(), [Action::CloseDoctor]);

    let mut window = examined(vec![firewall()], true);
    window.press(Key::F1);
    assert_eq!(window.actions(), [Action::CloseDoctor]);
    assert!(window.says("Host a session"));
}

#[test]
fn the_findings_about_something_else_are_not_shown() {
    let mut window = Window::new(View {
        doctor: Some(Examination {
            of: Some("studio:12800".to_owned()),
            findings: vec![firewall()],
            running: false,
        }),
        ..hosting()
    });
    window.click("Why can't they get in?");
    assert!(window.says("Checking… This takes a few seconds."));
    assert!(!window.says("ufw"));
    assert_eq!(window.reason("Copy report"), "Nothing was found yet");
}

#[test]
fn a_guest_checks_what_is_typed_or_connected_to() {
    let mut window = Window::new(View::default());
    window.click("Check connection");
    assert_eq!(window.actions(), [Action::RunDoctor(None)]);
    window.press(Key::Escape);
    let _closed = window.actions();
    window.fill("Host", "studio");
    window.fill("Port", "12900");
    window.click("Check connection");
    let of = Some("studio:12900".to_owned());
    assert_eq!(window.actions(), [Action::RunDoctor(of)]);
    assert!(window.says("Connection to studio:12900"));

    let mut window = Window::new(View {
        status: Status::Connected {
            target: "10.0.0.7:12800".to_owned(),
            on_this_computer: false,
        },
        ..View::default()
    });
    window.click("Check connection");
    let of = Some("10.0.0.7:12800".to_owned());
    assert_eq!(window.actions(), [Action::RunDoctor(of)]);
}

#[test]
fn a_failure_to_connect_offers_the_check() {
    let mut view = View {
        failure: Some(Failure {
            what: "Nobody answers at 10.0.0.7:12800.".to_owned(),
            advice: "Ask your colleague to press Connect first.".to_owned(),
        }),
        ..View::default()
    };
    // What the fields say by now does not matter.
    view.settings.host = "localhost".to_owned();
    view.tried = Some("10.0.0.7:12800".to_owned());
    let mut window = Window::new(view.clone());
    window.click("Find out why");
    let of = Some("10.0.0.7:12800".to_owned());
    assert_eq!(window.actions(), [Action::RunDoctor(of)]);
    // What fails while connected has to do with rooms and files.
    view.status = hosting().status;
    let window = Window::new(view);
    let offered = window
        .harness
        .query_by_role_and_label(Role::Button, "Find out why");
    assert!(offered.is_none());
}

#[test]
fn hidden_addresses_are_hidden_in_findings_and_yet_copied() {
    let mut window = Window::new(hosting());
    window.click("Hide addresses");
    window.click("Why can't they get in?");
    let mut found = firewall();
    found.command = Some("ufw allow from 192.168.0.0/24".to_owned());
    window.show(View {
        doctor: Some(Examination {
            of: None,
            findings: vec![found],
            running: false,
        }),
        ..hosting()
    });
    assert!(window.says("The firewall drops port 12800 from ••••••••."));
    assert!(!window.says("192.168"));
    window.button("Copy command for firewall").click();
    window.harness.step();
    let copied = window.copied();
    assert_eq!(copied.as_deref(), Some("ufw allow from 192.168.0.0/24"));
}
