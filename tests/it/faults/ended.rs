//! Rooms that ended are put away and stay away; rooms that did not end are there again.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{about, check_put_away, command, files, make, room_files, stands_in, until, written};
use crate::common::client::{Got, flag, frame, join, string};
use crate::common::ports::free_port;
use crate::common::program::{hosting, recent_folder, rooms_folder};
use crate::common::{Client, Program};

/// More than a room has that was made without a scene, which is not worth putting away.
fn content() -> Vec<Got> {
    vec![
        command(140, 1, b"the scene"),
        about(201, 2, "Cube"),
        about(201, 3, "Lamp"),
    ]
}

/// The content of a room that is told apart from others.
fn content_of(id: u32, word: &str) -> Vec<Got> {
    let mut content = content();
    content.push(command(140, id, word.as_bytes()));
    content
}

/// A folder, a program on it, and a maker with a room that others could join.
async fn with_a_room(room: &str) -> (TempDir, Program, Client) {
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut maker = Client::hello(program.address()).await;
    make(&mut maker, room, &content()).await;
    (home, program, maker)
}

/// Says something that another member sees: from then on it is in the room's file.
async fn say(sender: &mut Client, other: &mut Client, got: &Got) {
    sender.raw(&got.wire()).await;
    other
        .until("the command", |other| other.commands().last() == Some(&got))
        .await;
}

/// Starts the program again; returns the names of the rooms there.
async fn names_after_a_start(home: &Path) -> Vec<String> {
    let program = Program::host(home);
    let mut client = Client::connect(program.address()).await;
    client.list_rooms().await.keys().cloned().collect()
}

/// Files of rooms that are not put away.
fn live_files(home: &Path) -> usize {
    room_files(&rooms_folder(home)).len() - room_files(&recent_folder(home)).len()
}

async fn check_put_away_and_stays(home: &Path) {
    until("room put away", || {
        live_files(home) == 0 && room_files(&recent_folder(home)).len() == 1
    })
    .await;
    check_put_away(home, &content());
    assert_eq!(names_after_a_start(home).await, [""; 0]);
    check_put_away(home, &content());
    assert_eq!(live_files(home), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_out_ends_the_room_and_it_stays_ended() {
    for leaves in [true, false] {
        let (home, program, mut maker) = with_a_room("Shot 12").await;
        if leaves {
            maker.send(3, b"").await;
            maker.barrier().await;
        } else {
            drop(maker);
        }
        // Killed only after it is put away: nobody is told when that is.
        until("room put away", || {
            room_files(&recent_folder(home.path())).len() == 1
        })
        .await;
        program.kill();
        check_put_away_and_stays(home.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_room_stays_deleted() {
    let (home, program, mut maker) = with_a_room("Shot 12").await;
    maker
        .send(17, &[string("Shot 12"), flag(true)].concat())
        .await;
    maker.send(3, b"").await;
    maker.send(7, b"Shot 12").await;
    maker
        .until("the end of the room", |maker| {
            !maker.rooms.contains_key("Shot 12")
        })
        .await;
    until("room put away", || {
        room_files(&recent_folder(home.path())).len() == 1
    })
    .await;
    program.kill();
    check_put_away_and_stays(home.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_puts_its_rooms_away() {
    for signal in [Signal::TERM, Signal::INT] {
        for keep_open in [false, true] {
            let (home, program, mut maker) = with_a_room("Shot 12").await;
            if keep_open {
                maker
                    .send(17, &[string("Shot 12"), flag(true)].concat())
                    .await;
                maker.send(3, b"").await;
                maker.barrier().await;
            }
            let (code, _) = program.end(signal);
            assert_eq!(code, Some(0));
            // At its end it does not leave that for later.
            check_put_away(home.path(), &content());
            check_put_away_and_stays(home.path()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_content_was_never_finished_does_not_come_back() {
    let (home, program, maker) = with_a_room("Whole").await;
    written(&maker, "Whole").await;
    let half = content().iter().flat_map(Got::wire).collect::<Vec<u8>>();
    let begin = |room: &str| {
        [
            frame(1, 0, &join(room, "2.93.0", "1.0.0", false)),
            half.clone(),
        ]
        .concat()
    };
    let mut gone = Client::hello(program.address()).await;
    gone.raw(&begin("Begun and left")).await;
    gone.send(17, &[string("Begun and left"), flag(true)].concat())
        .await;
    gone.barrier().await;
    drop(gone);
    let mut there = Client::hello(program.address()).await;
    there.raw(&begin("Just begun")).await;
    there.barrier().await;
    there
        .until("the other to be gone", |there| {
            !there.rooms.contains_key("Begun and left")
        })
        .await;
    program.kill();
    for _ in 0..2 {
        assert_eq!(names_after_a_start(home.path()).await, ["Whole"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_kept_open_comes_back_empty_of_people_and_full_of_history() {
    let (home, program, mut maker) = with_a_room("Shot 12").await;
    written(&maker, "Shot 12").await;
    maker
        .send(17, &[string("Shot 12"), flag(true)].concat())
        .await;
    maker.send(3, b"").await;
    maker.barrier().await;
    program.kill();
    for start in 0..3 {
        let program = Program::host(home.path());
        let mut client = Client::hello(program.address()).await;
        let room = &client.list_rooms().await["Shot 12"];
        for (name, value) in [
            ("keep_open", json!(true)),
            ("joinable", json!(true)),
            ("command_count", json!(content().len() + start)),
        ] {
            assert_eq!(room[name], value, "{name}");
        }
        assert!(client.is_joinable("Shot 12"));
        let history = client.take_history("Shot 12").await;
        assert_eq!(history[..3], content());
        assert_eq!(history.len(), 3 + start);
        // It goes on, and so it does at the next start.
        let mut other = Client::connect(program.address()).await;
        other.take_history("Shot 12").await;
        say(
            &mut client,
            &mut other,
            &command(140, 10 + start as u32, b""),
        )
        .await;
        program.kill();
    }
}

/// Restored rooms have the rights of any other: they can be closed and deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_came_back_can_end() {
    for deleted in [false, true] {
        let (home, program, maker) = with_a_room("Shot 12").await;
        written(&maker, "Shot 12").await;
        program.kill();
        let program = Program::host(home.path());
        let mut client = Client::hello(program.address()).await;
        if deleted {
            client.send(7, b"Shot 12").await;
        } else {
            client.take_history("Shot 12").await;
            client
                .send(17, &[string("Shot 12"), flag(false)].concat())
                .await;
            client.send(3, b"").await;
        }
        client.barrier().await;
        assert_eq!(client.errors(), [""; 0]);
        until("room put away", || {
            room_files(&recent_folder(home.path())).len() == 1
        })
        .await;
        program.kill();
        check_put_away_and_stays(home.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_room_of_an_old_name_is_a_new_room() {
    let (home, program, mut maker) = with_a_room("Shot 12").await;
    for number in 0..3 {
        maker.send(3, b"").await;
        maker
            .until("the end of the room", |maker| {
                !maker.rooms.contains_key("Shot 12")
            })
            .await;
        maker.frames.clear();
        make(&mut maker, "Shot 12", &content_of(100 + number, "new")).await;
    }
    written(&maker, "Shot 12").await;
    until("rooms put away", || {
        room_files(&recent_folder(home.path())).len() == 3 && live_files(home.path()) == 1
    })
    .await;
    program.kill();
    let program = Program::host(home.path());
    let mut client = Client::connect(program.address()).await;
    let history = client.take_history("Shot 12").await;
    assert_eq!(history, content_of(102, "new"));
    assert_eq!(room_files(&recent_folder(home.path())).len(), 3);
}

/// A room's name is anybody's choice, and a file's is not.
#[tokio::test(flavor = "multi_thread")]
async fn every_name_comes_back_and_no_file_is_elsewhere() {
    let [long, longest] = ["é".repeat(127), "\u{1d400}".repeat(63)];
    let names = [
        "..",
        ".",
        "../../up",
        "/etc/mixdesk",
        "a/b\\c",
        "recent",
        "recent/x",
        "CON",
        "nul.mixdesk",
        "Shot",
        "SHOT",
        "shot",
        "Shot ",
        " Shot",
        "Shot.",
        "Shot 12.mixdesk",
        "*?<>|:\"",
        "line\nend\tand\0nothing",
        "Café",
        "Cafe\u{301}",
        "场景 🎬",
        &long,
        &longest,
        &"x".repeat(255),
    ];
    let home = TempDir::new().unwrap();
    let program = Program::host(home.path());
    let mut makers = Vec::new();
    for (number, name) in (0..).zip(names) {
        let mut maker = Client::hello(program.address()).await;
        make(&mut maker, name, &content_of(10 + number, name)).await;
        written(&maker, name).await;
        makers.push(maker);
    }
    program.kill();
    for file in files(home.path()) {
        let folder = file.parent().unwrap();
        assert!(
            [home.path().join("log"), rooms_folder(home.path())].contains(&folder.to_owned()),
            "{file:?}"
        );
    }
    let program = Program::host(home.path());
    let mut client = Client::connect(program.address()).await;
    let mut there: Vec<String> = client.list_rooms().await.keys().cloned().collect();
    let mut expected = names.map(str::to_owned).to_vec();
    there.sort();
    expected.sort();
    assert_eq!(there, expected);
    for (number, name) in (0..).zip(names) {
        let mut client = Client::connect(program.address()).await;
        let history = client.take_history(name).await;
        assert_eq!(history, content_of(10 + number, name), "{name:?}");
    }
    let (code, _) = program.end(Signal::TERM);
    assert_eq!(code, Some(0));
    assert_eq!(room_files(&recent_folder(home.path())).len(), names.len());
    assert_eq!(names_after_a_start(home.path()).await, [""; 0]);
}

/// The text of a LIST_ROOMS: JSON of Python, which is more than JSON.
async fn rooms_text(program: &Program) -> String {
    let mut client = Client::connect(program.address()).await;
    client.send(4, b"").await;
    loop {
        let got = crate::common::client::read_frame(&mut client.stream)
            .await
            .unwrap();
        if got.kind == 4 {
            return crate::common::client::text(&got.payload);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_come_back_as_they_were_written() {
    let (home, program, mut maker) = with_a_room("R").await;
    written(&maker, "R").await;
    let set = |attributes: &str| [string("R"), string(attributes)].concat();
    let written = [
        (r#""scale""#, "1.0"),
        (r#""count""#, "1"),
        (r#""huge""#, "123456789012345678901234567890"),
        (r#""no""#, "NaN"),
        (r#""far""#, "[Infinity, -Infinity, 1e-07]"),
        (r#""word""#, r#""\u00e9t\u00e9 \ud83c\udfac""#),
        (r#""nested""#, r#"{"a": [1, {"b": null}], "c": true}"#),
    ];
    maker
        .send(16, &set(r#"{"scale": 7, "gone": "later"}"#))
        .await;
    for (name, value) in written {
        maker.send(16, &set(&format!("{{{name}: {value}}}"))).await;
    }
    // Not `Client`'s, which reads JSON as everybody else knows it.
    let before = loop {
        let text = rooms_text(&program).await;
        if text.contains("nested") {
            break text;
        }
    };
    // They are told before they stand in the file.
    until("last attribute in the file", || {
        stands_in(&rooms_folder(home.path()), "\"nested\": ") == 1
    })
    .await;
    program.kill();
    for _ in 0..2 {
        let program = Program::host(home.path());
        let after = rooms_text(&program).await;
        for (name, value) in written {
            let pair = format!("{name}: {value}");
            assert!(before.contains(&pair), "{pair} in {before}");
            assert!(after.contains(&pair), "{pair} in {after}");
        }
        assert!(after.contains(r#""gone": "later""#), "{after}");
        assert!(after.contains(r#""keep_open": true"#), "{after}");
        program.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rooms_come_back_on_the_same_port() {
    const ROOMS: u32 = 20;
    let home = TempDir::new().unwrap();
    // One that the system gives to no other test while the program is away.
    let port = free_port();
    let program = Program::start_hosting(&mut hosting(home.path(), port));
    let address = program.address();
    assert_eq!(address.port(), port);
    let mut maker = Client::hello(address).await;
    for number in 0..ROOMS {
        let room = format!("Room {number}");
        make(&mut maker, &room, &[command(140, number, b"")]).await;
        written(&maker, &room).await;
        maker.send(17, &[string(&room), flag(true)].concat()).await;
        maker.send(3, b"").await;
    }
    maker.barrier().await;
    program.kill();
    let program = Program::start_hosting(&mut hosting(home.path(), port));
    assert_eq!(program.address(), address);
    let mut client = Client::connect(address).await;
    let rooms = client.list_rooms().await;
    assert_eq!(rooms.len(), ROOMS as usize);
    assert!(
        rooms
            .values()
            .all(|room| room["joinable"] == Value::Bool(true))
    );
    for number in (0..ROOMS).step_by(7) {
        let mut client = Client::connect(address).await;
        let history = client.take_history(&format!("Room {number}")).await;
        assert_eq!(history, [command(140, number, b"")]);
    }
}

/// A window and a terminal, or two windows: they share a folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_folder_takes_nothing_from_the_first() {
    let (home, first, mut maker) = with_a_room("Shot 12").await;
    let mut other = Client::connect(first.address()).await;
    other.take_history("Shot 12").await;
    for (id, signal) in [(50, None), (51, Some(Signal::TERM))] {
        let second = Program::host(home.path());
        say(&mut maker, &mut other, &command(140, id, b"")).await;
        match signal {
            Some(signal) => drop(second.end(signal)),
            None => second.kill(),
        }
    }
    say(&mut maker, &mut other, &command(140, 52, b"")).await;
    first.kill();
    let program = Program::host(home.path());
    let mut client = Client::connect(program.address()).await;
    let mut expected = content();
    expected.extend([50, 51, 52].map(|id| command(140, id, b"")));
    assert_eq!(client.take_history("Shot 12").await, expected);
}
