//! How often others are told of what changes fast.

use std::time::Duration;

use super::*;

const TELLINGS: u32 = 100;
const EVERY: Duration = Duration::from_millis(100);

fn long(number: u32, bytes: usize) -> String {
    format!("{number} {}", "x".repeat(bytes))
}

/// What `other` is told in ten seconds, in bytes, while something changes before each telling, and what it is told last of
/// what `seen` sees.
fn told(
    other: &mut Client,
    change: impl Fn(u32),
    seen: impl Fn(&RelayMessage) -> Option<String>,
) -> (usize, Option<String>) {
    let start = Instant::now();
    let (mut told, mut last) = (0, None);
    for telling in 0..=2 * TELLINGS {
        let changes = telling < TELLINGS;
        if changes {
            change(telling);
        }
        for frame in other.got_at(start + telling * EVERY) {
            told += if changes { frame.wire_len() } else { 0 };
            let message = RelayMessage::decode(&frame).ok();
            last = message.as_ref().and_then(&seen).or(last);
        }
    }
    (told, last)
}

/// The same of clients whose attributes change.
fn told_of(who: &[&Client], other: &mut Client, bytes: usize) -> (usize, Option<String>) {
    let change = |telling| {
        for client in who {
            client.set(&format!("{{\"long\": \"{}\"}}", long(telling, bytes)));
        }
    };
    told(other, change, |message| match message {
        RelayMessage::ClientUpdate(clients) => (clients.values()).find_map(|one| one.text("long")),
        _ => None,
    })
}

#[test]
fn who_changes_all_the_time_is_told_less_often_and_as_it_is_last() {
    let limits = Limits::default();
    let a_second = limits.news_bytes_a_second;
    let hub = hub_with(limits);
    let (mut busy, mut other) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let (bytes, last) = told_of(&[&busy], &mut other, 400_000);
    assert!((8 * a_second..13 * a_second).contains(&bytes), "{bytes}");
    assert_eq!(last, Some(long(TELLINGS - 1, 400_000)));
    let error = busy.error();
    assert!(error.contains("less often"), "{error}");
    assert_eq!(other.errors(), [""; 0]);
}

#[test]
fn an_artist_with_much_selected_is_told_ten_times_a_second() {
    let hub = hub();
    let (mut artist, mut other) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let (bytes, _) = told_of(&[&artist], &mut other, 30_000);
    assert!(bytes > TELLINGS as usize * 30_000, "{bytes}");
    assert_eq!(artist.errors(), [""; 0]);
}

#[test]
fn all_of_one_address_together_are_bounded() {
    let limits = Limits::default();
    let a_second = limits.news_bytes_a_second_per_address;
    let hub = hub_with(limits);
    let crowd: Vec<_> = (1..=20)
        .map(|port| Client::at(&hub, ([192, 0, 2, 1], port).into()))
        .collect();
    let mut other = Client::new(&hub, 2);
    let crowd: Vec<_> = crowd.iter().collect();
    let (bytes, _) = told_of(&crowd, &mut other, 40_000);
    assert!((8 * a_second..13 * a_second).contains(&bytes), "{bytes}");
}

#[test]
fn where_somebody_is_waits_for_nothing() {
    let hub = hub();
    let (busy, mut other) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let now = Instant::now();
    for change in 0..3 {
        busy.set(&format!("{{\"long\": \"{}\"}}", long(change, 400_000)));
        other.got_at(now);
    }
    busy.make("Shot 12");
    let news = other.messages_at(now);
    let room = news.iter().find_map(|message| match message {
        RelayMessage::ClientUpdate(clients) => clients["127.0.0.1:1"].text(attribute::ROOM),
        _ => None,
    });
    assert_eq!(room.as_deref(), Some("Shot 12"));
}

#[test]
fn a_room_whose_attributes_change_all_the_time_is_told_less_often() {
    let limits = Limits::default();
    let a_second = limits.news_bytes_a_second_of_room();
    let hub = hub_with(limits);
    let (mut busy, mut other) = (Client::new(&hub, 1), Client::new(&hub, 2));
    busy.make("Shot 12");
    let change = |telling| {
        let changed = format!("{{\"notes\": \"{}\"}}", long(telling, 50_000));
        let changed = Attributes::parse(&changed).unwrap();
        busy.say(ClientMessage::SetRoomAttributes("Shot 12".into(), changed));
    };
    let (told, last) = told(&mut other, change, |message| match message {
        RelayMessage::RoomUpdate(rooms) => rooms["Shot 12"].text("notes"),
        _ => None,
    });
    assert!((8 * a_second..13 * a_second).contains(&told), "{told}");
    assert_eq!(last, Some(long(TELLINGS - 1, 50_000)));
    let errors = busy.errors();
    assert!(
        errors.iter().any(|error| error.contains("less often")),
        "{errors:?}"
    );
}
