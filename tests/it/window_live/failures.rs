//! Why there is no connection, in words; and a window that stays awake meanwhile.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::strangers::{ELSEWHERE, Habit, kill, relay_elsewhere, stranger};
use super::{Window, others};
use crate::common::Client;
use crate::common::ports::free_port;

/// A frame longer than this is felt as a hang. Frames of a test build on a shared machine are slow.
const LONGEST_FRAME: Duration = Duration::from_secs(1);
/// How long Stop may take: far less than anything that it stops.
const STOP_PATIENCE: Duration = Duration::from_secs(4);

const ELSEWHERE_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[test]
fn every_way_not_to_connect_has_its_own_words() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let at = |habit| stranger(&others, ELSEWHERE_IP, habit).port();
    for (host, port, what, advice) in [
        (
            "x.invalid",
            12800,
            "No computer is known by the name “x.invalid”.",
            "Check the spelling",
        ),
        (
            ELSEWHERE,
            free_port(),
            "Nobody answers at {at}. The computer is there, but no server runs on that port.",
            "Ask your colleague to press Connect first",
        ),
        (
            ELSEWHERE,
            at(Habit::Web),
            "Something answers at {at}, but it is not a Mixer server: it spoke HTTP",
            "Check the port",
        ),
        (
            ELSEWHERE,
            at(Habit::Ssh),
            "Something answers at {at}, but it is not a Mixer server: it spoke SSH",
            "Check the port",
        ),
        (
            ELSEWHERE,
            at(Habit::Silent),
            "Something takes connections at {at}, but does not answer like a Mixer server",
            "Check the port",
        ),
        (
            ELSEWHERE,
            at(Habit::Closes),
            "{at} closed the connection before it answered",
            "Try again in a moment",
        ),
        (
            ELSEWHERE,
            at(Habit::ClosesMidway),
            "{at} closed the connection before it answered",
            "Try again in a moment",
        ),
    ] {
        let what = what.replace("{at}", &format!("{host}:{port}"));
        window.connect(host, port);
        // Some resolvers say nothing for long about a name that nobody has.
        let no_answer = format!("The name “{host}” could not be looked up: no answer came.");
        window.until(&what, |window| {
            window.says(&what) || window.says(&no_answer)
        });
        let advice = match window.says(&no_answer) {
            true => "Check that this computer is connected to the network",
            false => advice,
        };
        assert!(window.says(advice), "{what}");
        assert!(window.says("Offline"), "{what}");
        // What is typed stays, to be put right, and the next attempt takes the old failure away.
        assert_eq!(window.value("Host"), host);
        window.until(host, |window| window.offers("Connect"));
    }
    window.press("Dismiss");
    window.until("no failure", |window| !window.offers("Dismiss"));
}

#[test]
fn what_is_no_address_is_marked_before_anything_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    for (host, words) in [
        ("studio b", "A host name has only letters"),
        ("studio..lan", "A host name has only letters"),
        ("192.168.0.300", "four numbers from 0 to 255"),
        ("studio:99999", "Port is a number from 1 to 65535"),
    ] {
        window.type_into("Host", host);
        window.until_says(words);
        assert!(!window.offers("Connect"), "{host}");
    }
}

#[test]
fn the_caption_tells_what_connect_then_does() {
    let others = others();
    let relay = relay_elsewhere(&others, 0);
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.type_into("Host", ELSEWHERE);
    window.until_says("Connects to another computer");
    window.join(&relay);
}

#[test]
fn the_window_stays_awake_while_nobody_answers() {
    let others = others();
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    let silent = stranger(&others, ELSEWHERE_IP, Habit::Silent);
    for stop in ["Stop", "Stop connecting"] {
        window.connect(ELSEWHERE, silent.port());
        window.until_says(&format!("Connecting to {silent}…"));
        let mut frames: Vec<Duration> = (0..10)
            .map(|_| {
                let began = Instant::now();
                window.paint();
                began.elapsed()
            })
            .collect();
        frames.sort();
        // One of them may be the machine's.
        assert!(frames[frames.len() - 2] < LONGEST_FRAME, "{frames:?}");
        assert!(window.says("Connecting to"));
        let asked = Instant::now();
        window.press(stop);
        window.until_says("Offline");
        assert!(asked.elapsed() < STOP_PATIENCE, "{:?}", asked.elapsed());
        assert!(!window.offers("Dismiss"), "stopping is no failure");
    }
    // Quitting in the middle of it is as quick.
    window.connect(ELSEWHERE, silent.port());
    window.until_says("Connecting to");
    let took = window.end();
    assert!(took < STOP_PATIENCE, "{took:?}");
}

#[test]
fn a_lost_server_that_comes_back_is_found_again_and_its_room_too() {
    let first = others();
    let relay = relay_elsewhere(&first, free_port());
    let address = relay.address();
    let mut blender = first.block_on(Client::hello(address));
    first.block_on(blender.make("Shot 12"));
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::start(folder.path());
    window.join(&relay);
    window.select("Shot 12");
    window.press("Join Room");
    window.until_row_says("Shot 12", "You are in");

    kill(first, relay);
    window.until_says("Connection lost, trying again");
    assert!(window.says(&format!("Connection to {address} lost")));
    assert!(!window.offers("Create"));
    // A second attempt finds nobody, and waits longer.
    window.until_says("Nobody answers at");

    let second = others();
    let relay = relay_elsewhere(&second, address.port());
    let mut blender = second.block_on(Client::hello(address));
    second.block_on(blender.make("Shot 12"));
    window.until_row_says("Shot 12", "You are in");
    assert!(window.says(&format!("Connected to {address} · 2 people")));
    assert!(!window.says("lost"));

    // Given up at once when asked to.
    kill(second, relay);
    window.until_says("Connection lost, trying again");
    window.press("Stop trying");
    window.until_says("Offline");
    assert!(!window.says("lost"));
}
