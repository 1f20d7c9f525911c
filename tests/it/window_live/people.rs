//! Who we are to others, and who they are to us.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::strangers::relay_elsewhere;
use super::{Window, others};
use crate::common::Client;
use crate::common::client::string;

/// How often is looked whether others have heard it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What others see of the one person who is not `except`, if that is all there is.
fn other(client: &Client, except: &str) -> Option<(String, Value)> {
    let others: Vec<_> = client
        .clients
        .iter()
        .filter(|(id, _)| *id != except)
        .collect();
    match others[..] {
        [(_, person)] => Some((
            person.get("user_name")?.as_str()?.to_owned(),
            person.get("user_color")?.clone(),
        )),
        _ => None,
    }
}

#[test]
fn names_and_colors_go_both_ways() {
    let others = others();
    let relay = relay_elsewhere(&others, 0);
    let mut blender = others.block_on(Client::hello(relay.address()));
    let id = blender.id();
    others.block_on(async {
        blender.make("Shot 12").await;
        let who = r#"{"user_name": "Zoé", "user_color": [1.0, 0.5, 0.0], "user_mode": "SCULPT"}"#;
        blender.send(15, &string(who)).await;
    });
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.type_into("Name", "Ada");
    window.join(&relay);
    others.block_on(blender.until("Ada", |blender| {
        other(blender, &id).is_some_and(|(name, _)| name == "Ada")
    }));
    window.select("Shot 12");
    window.until_says("Zoé");
    assert!(window.says("Sculpt · 127.0.0."));
    window.press("Join Room");
    window.until_row_says("Shot 12", "2 people");
    assert!(window.says("Ada") && window.says("you"));

    // The new name is sent when the typing rests, and not letter by letter.
    window.type_into("Name", "Ada L.");
    window.until_says("Ada L.");
    others.block_on(blender.until("the new name", |blender| {
        other(blender, &id).is_some_and(|(name, _)| name == "Ada L.")
    }));
    window.press("Your color");
    window.press("Teal");
    let teal = |color: &Value| {
        let parts: Vec<_> = color
            .as_array()?
            .iter()
            .map(|part| part.as_f64().map(|part| (part * 255.0).round() as u8))
            .collect();
        Some(parts == [Some(0x3f), Some(0xb3), Some(0xa3)])
    };
    let told = blender.until("the new color", |blender| {
        other(blender, &id).is_some_and(|(_, color)| teal(&color) == Some(true))
    });
    // Meanwhile the window is painted: it sends the color once choosing has rested.
    std::thread::scope(|scope| {
        let told = scope.spawn(|| others.block_on(told));
        while !told.is_finished() {
            window.next_frame(Instant::now() + LOOK_EVERY);
        }
        told.join().unwrap();
    });

    others.block_on(blender.send(15, &string(r#"{"user_name": "Zoé 2"}"#)));
    window.until_says("Zoé 2");
    drop(blender);
    window.until_says("Zoé 2 left “Shot 12”.");
    window.until_row_says("Shot 12", "1 person");
}
