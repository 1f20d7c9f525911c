//! What to tell colleagues.

use std::time::{Duration, SystemTime};

use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::{NodeT, Queryable};
use mixdesk::backend::{
    Action, Address, Attempt, ByHand, Failure, Internet, PublicAddress, Share, View,
};

use super::{INVITE, Window, address, hosting};

fn sharing(share: Share) -> View {
    View {
        share: Some(share),
        ..hosting()
    }
}

#[test]
fn the_best_address_is_shown_and_copied() {
    let mut window = Window::new(hosting());
    assert!(window.says("192.168.0.48"));
    window.button("Copy address").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("192.168.0.48"));
    window.harness.run_steps(20);
    assert_eq!(window.copied(), None);
}

#[test]
fn another_port_is_told_with_the_address() {
    let mut share = hosting().share.expect("hosting");
    share.port = 12900;
    let mut window = Window::new(sharing(share));
    assert!(window.says("192.168.0.48:12900"));
    window.button("Copy VPN (ZeroTier) address").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("10.147.17.5:12900"));
}

#[test]
fn the_eye_hides_every_address_but_copying_still_works() {
    let mut window = Window::new(hosting());
    window.click("Hide addresses");
    assert!(!window.says("192.168.0.48"));
    let vpn = window.button("Copy VPN (ZeroTier) address");
    assert_eq!(window.description(vpn), "••••••••");
    window.select("Shot 12");
    assert!(!window.says("192.168.0.31"), "nor those of others");
    window.button("Copy address").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("192.168.0.48"));
    window.harness.run();
    window.click("Show addresses");
    assert!(window.says("192.168.0.48"));
}

#[test]
fn no_network_is_said_in_words() {
    let window = Window::new(sharing(Share {
        port: 12800,
        ..Share::default()
    }));
    assert!(window.says("This computer has no network at the moment"));
}

#[test]
fn an_address_that_is_not_for_colleagues_is_not_offered_first() {
    let mut share = hosting().share.expect("hosting");
    share.addresses.truncate(1);
    for address in &mut share.addresses {
        address.for_colleagues = false;
    }
    let window = Window::new(sharing(share));
    assert!(window.says("None of this computer's addresses can be reached"));
    assert!(
        window
            .harness
            .query_all_by_label_contains("Copy LAN address")
            .next()
            .is_some()
    );
}

#[test]
fn the_invite_is_copied_and_never_shown() {
    let mut window = Window::new(hosting());
    window.button("Copy invite").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some(INVITE));
    assert!(!window.says("mixdesk://"));
    let mut share = hosting().share.expect("hosting");
    share.invite.clear();
    let window = Window::new(sharing(share));
    assert_eq!(
        window.reason("Copy invite"),
        "There is no address to invite to"
    );
}

#[test]
fn an_invite_leads_into_the_selected_room() {
    let mut window = Window::new(hosting());
    let unselected = "Copy invite to the selected room";
    assert_eq!(window.reason(unselected), "Select a room first");
    window.select("Shot 12");
    window.button("Copy invite to Shot 12").click();
    window.harness.step();
    let copied = window.copied().expect("an invite");
    assert!(copied.contains("room=Shot+12"), "{copied}");
    assert!(copied.contains("lan=192.168.0.48"), "{copied}");
    // A guest does not know all the ways in.
    let mut window = Window::new(View {
        share: None,
        ..hosting()
    });
    window.select("Shot 12");
    assert!(!window.says("Copy invite"));
}

fn internet(view: &mut View) -> &mut Share {
    view.settings.internet = true;
    view.share.as_mut().expect("hosting")
}

#[test]
fn people_from_the_internet_are_let_in_with_one_switch() {
    let mut window = Window::new(hosting());
    let switch = |window: &Window| {
        let words = "Let people from the internet connect";
        let node = window.harness.get_by_role_and_label(Role::Switch, words);
        node.accesskit_node().toggled()
    };
    assert_eq!(switch(&window), Some(Toggled::False));
    let words = "Let people from the internet connect";
    window
        .harness
        .get_by_role_and_label(Role::Switch, words)
        .click();
    window.harness.run();
    assert_eq!(window.actions(), [Action::SetInternet(true)]);

    let mut view = hosting();
    internet(&mut view).internet = Internet::Asking;
    window.show(view.clone());
    assert_eq!(switch(&window), Some(Toggled::True));
    assert!(window.says("Asking the router…"));

    internet(&mut view).internet = Internet::Open {
        what: "The router lets people in from the internet".to_owned(),
        advice: None,
        address: "203.0.113.17:41000".to_owned(),
    };
    window.show(view);
    assert!(window.says("The router lets people in from the internet"));
    window.button("Copy Internet address").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("203.0.113.17:41000"));
}

fn no_router() -> View {
    let mut view = hosting();
    internet(&mut view).internet = Internet::Blocked {
        what: "No router answered at 192.168.0.1.".to_owned(),
        advice: "Forward the port in the router by hand.".to_owned(),
        by_hand: Some(ByHand {
            protocol: "TCP",
            outside: 41000,
            inside: "192.168.0.48".to_owned(),
            port: 12800,
        }),
    };
    view
}

#[test]
fn a_router_that_does_not_answer_is_told_with_the_numbers_to_type() {
    let mut window = Window::new(no_router());
    for words in [
        "No router answered at 192.168.0.1.",
        "Forward the port in the router by hand.",
        "TCP",
        "41000",
    ] {
        assert!(window.says(words), "{words}");
    }
    window.button("Copy these numbers").scroll_to_me();
    window.harness.run();
    window.button("Copy these numbers").click();
    window.harness.step();
    let line = "TCP, outside port 41000 → 192.168.0.48, port 12800";
    assert_eq!(window.copied().as_deref(), Some(line));
    window.harness.run();
    window.click("Hide addresses");
    assert!(!window.says("192.168"));
    assert!(window.says("No router answered at ••••••••."));
}

#[test]
fn where_the_router_does_not_tell_the_public_address_is_asked_for_by_hand() {
    let mut window = Window::new(no_router());
    window.button("Find my public address").scroll_to_me();
    window.harness.run();
    window.click("Find my public address");
    assert_eq!(window.actions(), [Action::FindPublicAddress]);

    let mut view = no_router();
    internet(&mut view).public = PublicAddress::Asking;
    window.show(view.clone());
    assert!(window.is_disabled("Find my public address"));

    internet(&mut view).public = PublicAddress::Unknown(Failure {
        what: "None of the servers answered.".to_owned(),
        advice: "Look into the router's own pages.".to_owned(),
    });
    window.show(view.clone());
    assert!(window.says("None of the servers answered."));
    assert!(!window.is_disabled("Find my public address"));

    internet(&mut view).public = PublicAddress::Known {
        address: "203.0.113.17".to_owned(),
    };
    window.show(view);
    assert!(!window.says("Find my public address"));
    window.button("Copy Public address").click();
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("203.0.113.17"));
}

#[test]
fn what_cannot_be_forwarded_by_hand_has_no_numbers() {
    let mut view = hosting();
    internet(&mut view).internet = Internet::Blocked {
        what: "Your provider shares one address among customers.".to_owned(),
        advice: "Use a VPN, or let somebody else host.".to_owned(),
        by_hand: None,
    };
    let window = Window::new(view);
    assert!(window.says("Your provider shares one address"));
    assert!(window.says("Use a VPN"));
    assert!(!window.says("Find my public address"));
    assert!(!window.says("Port forwarding"));
}

fn attempt(address: &str, why: &str, times: u64) -> Attempt {
    Attempt {
        address: address.to_owned(),
        why: why.to_owned(),
        at: SystemTime::now() - Duration::from_secs(130),
        times,
    }
}

#[test]
fn who_could_not_get_in_is_told_until_dismissed() {
    let spoke = "it spoke HTTP (a web browser or web server)";
    let mut view = hosting();
    view.attempts = vec![
        attempt("192.168.0.23", spoke, 3),
        attempt("192.168.0.99", "refused: banned: noise", 1),
    ];
    let mut window = Window::new(view.clone());
    assert!(!window.says("192.168.0.23"));
    window.click("2 attempts to get in failed");
    assert!(window.says("192.168.0.23 reached us but spoke HTTP (a web browser or web server)"));
    assert!(window.says("3 times, 2 min ago"));
    assert!(window.says("192.168.0.99 reached us and was refused: banned: noise"));
    window.click("Hide addresses");
    assert!(!window.says("192.168.0"));
    window.click("Show addresses");
    window.button("Dismiss failed attempts").scroll_to_me();
    window.harness.run();
    window.click("Dismiss failed attempts");
    assert!(!window.says("attempts to get in failed"));
    // Once more is something new.
    view.attempts = vec![attempt("192.168.0.23", spoke, 4)];
    window.show(view);
    assert!(window.says("Somebody could not get in"));
}

#[test]
fn addresses_that_are_not_for_colleagues_are_put_away() {
    let mut share = hosting().share.expect("hosting");
    share.addresses.push(Address {
        for_colleagues: false,
        ..address("172.17.0.1", "Docker – not for colleagues")
    });
    let mut window = Window::new(sharing(share));
    let button = "Copy Docker – not for colleagues address";
    assert!(!window.says(button));
    window.click("Not for colleagues (1)");
    assert_eq!(window.description(window.button(button)), "172.17.0.1");
    window.click("Hide addresses");
    assert_eq!(window.description(window.button(button)), "••••••••");
}

#[test]
fn a_focused_address_is_copied_by_key() {
    let mut window = Window::new(hosting());
    window.button("Copy VPN (ZeroTier) address").focus();
    window.harness.run();
    window.harness.event(egui::Event::Copy);
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("10.147.17.5"));
}
