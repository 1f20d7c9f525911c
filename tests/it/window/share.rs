//! What to tell colleagues.

use egui_kittest::kittest::Queryable;
use mixdesk::backend::{Share, View};

use super::{Window, hosting};

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
    assert!(!window.says("10.147.17.5"));
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
        addresses: Vec::new(),
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
fn a_focused_address_is_copied_by_key() {
    let mut window = Window::new(hosting());
    window.button("Copy VPN (ZeroTier) address").focus();
    window.harness.run();
    window.harness.event(egui::Event::Copy);
    window.harness.step();
    assert_eq!(window.copied().as_deref(), Some("10.147.17.5"));
}
