//! Each rule of the hub, seen by the clients it concerns.

mod news;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::attempts::Failed;
use super::delivery::{Delivery, Gathered};
use super::full::Full;
use super::guests::Guests;
use super::hub::{Admission, Hub};
use super::limits::{IDLE_SHARES, Limits, SWEEP_EVERY};
use super::state::State;
use crate::protocol::{
    ANY_VERSION, Attributes, ClientMessage, Frame, JoinRequest, Kind, NamedAttributes,
    RelayMessage, Run, attribute,
};

/// The value of a future that has nothing to wait for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// A client without a socket.
struct Client {
    hub: Arc<Hub>,
    admission: Admission,
    delivery: Delivery,
}

impl Client {
    fn new(hub: &Arc<Hub>, port: u16) -> Self {
        Self::at(hub, ([127, 0, 0, 1], port).into())
    }

    fn at(hub: &Arc<Hub>, address: SocketAddr) -> Self {
        let admission = hub.connect(address, false).unwrap();
        let delivery = Delivery::new(Arc::clone(hub), &admission);
        Self {
            hub: Arc::clone(hub),
            admission,
            delivery,
        }
    }

    fn say(&self, message: ClientMessage) {
        self.hub.handle(self.admission.card.id, message);
    }

    fn join(&self, room: &str) {
        self.say(join(room, "2.93.0"));
    }

    fn make(&self, room: &str) {
        self.join(room);
        self.say(ClientMessage::Content);
    }

    fn send(&self, kind: u16, payload: &[u8]) {
        self.try_send(kind, payload).unwrap();
    }

    fn try_send(&self, kind: u16, payload: &[u8]) -> Result<(), Full> {
        let log = self.admission.outbox.log().unwrap();
        let run = Run::from(Frame::new(Kind(kind), payload));
        log.append(&self.admission.card, run, Instant::now())
            .map(drop)
    }

    /// The room it is in.
    fn room(&self) -> String {
        let room = |state: &State| state.peers[&self.admission.card.id].room.clone();
        self.hub.with_state(room).unwrap()
    }

    fn leave_for_good(self) {
        self.hub.disconnect(self.admission.card.id);
    }

    fn set(&self, attributes: &str) {
        self.say(ClientMessage::SetClientAttributes(
            Attributes::parse(attributes).unwrap(),
        ));
    }

    /// All it has got since the last time, after a telling.
    fn got(&mut self) -> Vec<Frame> {
        self.got_at(Instant::now())
    }

    fn got_at(&mut self, now: Instant) -> Vec<Frame> {
        self.hub.tell(now);
        let mut out = VecDeque::new();
        while at_once(self.delivery.gather(&mut out)).unwrap() == Gathered::Some {}
        let mut frames = Vec::new();
        for mut bytes in out {
            while !bytes.is_empty() {
                let size = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                let frame = bytes.split_to(14 + usize::try_from(size).unwrap());
                frames.push(Frame::from_wire(frame).unwrap());
            }
        }
        frames
    }

    fn messages(&mut self) -> Vec<RelayMessage> {
        self.messages_at(Instant::now())
    }

    fn messages_at(&mut self, now: Instant) -> Vec<RelayMessage> {
        self.got_at(now)
            .iter()
            .filter_map(|frame| RelayMessage::decode(frame).ok())
            .collect()
    }

    fn kinds(&mut self) -> Vec<u16> {
        self.got().iter().map(|frame| frame.kind().0).collect()
    }

    fn errors(&mut self) -> Vec<String> {
        let errors = self.messages().into_iter();
        let text = |message| match message {
            RelayMessage::SendError(text) => Some(text),
            _ => None,
        };
        errors.filter_map(text).collect()
    }

    fn error(&mut self) -> String {
        let errors = self.errors();
        let [error] = &errors[..] else {
            panic!("one error expected, got {errors:?}")
        };
        error.clone()
    }
}

fn join(room: &str, blender_version: &str) -> ClientMessage {
    ClientMessage::JoinRoom(JoinRequest {
        room: room.into(),
        blender_version: blender_version.into(),
        mixer_version: "1.0.0".into(),
        ignore_version_check: false,
        generic_protocol: true,
    })
}

fn hub() -> Arc<Hub> {
    hub_with(Limits::default())
}

fn hub_with(limits: Limits) -> Arc<Hub> {
    Arc::new(Hub::new(limits, Guests::default(), None))
}

fn named(text: &str) -> NamedAttributes {
    crate::protocol::parse_named(text).unwrap()
}

#[test]
fn a_newcomer_is_announced_to_all_with_all_it_has() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    let me =
        r#"{"127.0.0.1:1": {"id": "127.0.0.1:1", "ip": "127.0.0.1", "port": 1, "room": null}}"#;
    assert_eq!(a.messages(), [RelayMessage::ClientUpdate(named(me))]);
    let mut b = Client::new(&hub, 2);
    assert_eq!(a.kinds(), [19]);
    assert_eq!(b.kinds(), [19]);
    drop(b.admission.outbox);
    hub.disconnect(b.admission.card.id);
    assert_eq!(
        a.messages(),
        [RelayMessage::ClientDisconnected("127.0.0.1:2".into())]
    );
}

#[test]
fn one_who_comes_and_goes_between_two_tellings_is_not_told() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.got();
    let b = Client::new(&hub, 2);
    hub.disconnect(b.admission.card.id);
    assert_eq!(a.got(), []);
}

#[test]
fn the_end_of_a_room_is_told_even_if_nobody_heard_of_it() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.got();
    a.join("R");
    a.say(ClientMessage::LeaveRoom("R".into()));
    assert_eq!(a.kinds(), [1, 5, 3, 21, 19]);
}

#[test]
fn a_room_that_ends_and_comes_again_is_told_as_a_new_one() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    let b = Client::new(&hub, 2);
    b.make("R");
    a.got();
    b.say(ClientMessage::LeaveRoom("R".into()));
    b.join("R");
    let told = a.messages();
    assert_eq!(told[0], RelayMessage::RoomDeleted("R".into()));
    let RelayMessage::RoomUpdate(rooms) = &told[1] else {
        panic!("{told:?}")
    };
    assert_eq!(rooms["R"].raw("joinable"), Some("false"));
    assert_eq!(rooms["R"].raw("blender_version"), Some("\"2.93.0\""));
}

#[test]
fn only_changed_attributes_are_told_and_the_relays_own_win() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.set(r#"{"user_name": "Ada", "x": 1, "ip": "6.6.6.6", "room": "R"}"#);
    a.got();
    a.set(r#"{"user_name": "Ada", "x": 1.0, "id": "someone"}"#);
    assert_eq!(
        a.messages(),
        [RelayMessage::ClientUpdate(named(
            r#"{"127.0.0.1:1": {"x": 1.0}}"#
        ))]
    );
    a.set(r#"{"x": 1.0}"#);
    assert_eq!(a.got(), [], "no change, no message");
    a.say(ClientMessage::SetClientName("Bé".into()));
    a.say(ClientMessage::ListClients);
    let all = r#"{"127.0.0.1:1": {"id": "127.0.0.1:1", "ip": "127.0.0.1", "port": 1, "room": null, "user_name": "Bé", "x": 1.0}}"#;
    assert!(
        a.messages()
            .contains(&RelayMessage::ListClients(named(all)))
    );
}

#[test]
fn values_that_are_not_json_survive() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.got();
    let text = r#"{"a": NaN, "b": [1.0, 1, -Infinity], "c": 123456789012345678901234567890}"#;
    a.set(text);
    let update = RelayMessage::ClientUpdate(named(&format!("{{\"127.0.0.1:1\": {text}}}")));
    assert_eq!(a.got(), [update.encode()]);
}

#[test]
fn too_many_attributes_are_refused_and_the_old_stay() {
    let hub = hub_with(Limits {
        attributes_bytes: 1000,
        ..Limits::default()
    });
    let mut a = Client::new(&hub, 1);
    a.set(r#"{"x": 1}"#);
    a.got();
    a.set(&format!("{{\"x\": \"{}\"}}", "y".repeat(1000)));
    assert!(a.error().contains("too large"));
    a.say(ClientMessage::ListClients);
    let messages = a.messages();
    let [RelayMessage::ListClients(clients)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(clients["127.0.0.1:1"].raw("x"), Some("1"));
}

#[test]
fn the_maker_is_asked_for_content_and_others_wait_for_it() {
    let hub = hub();
    let (mut a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.got();
    b.got();
    a.join("R");
    assert_eq!(a.kinds(), [1, 5, 20, 19]);
    b.join("R");
    assert!(b.error().contains("not ready"));
    a.send(140, b"x");
    a.say(ClientMessage::Content);
    b.got();
    b.join("R");
    let frames = b.got();
    let kinds: Vec<_> = frames.iter().map(|frame| frame.kind().0).collect();
    assert_eq!(kinds, [6, 140, 1]);
    b.send(140, b"y");
    b.send(205, b"\x0c\0\0\0");
    assert_eq!(
        a.kinds(),
        [20, 20, 19, 140, 205],
        "in only when all is given"
    );
    assert_eq!(b.kinds(), [20, 19], "nobody hears themselves");
    a.say(ClientMessage::Content);
    assert!(a.error().contains("there already"));
}

#[test]
fn one_who_comes_back_gets_their_own_commands_too() {
    let hub = hub();
    let (mut a, b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    b.make("R");
    a.join("R");
    a.send(140, b"mine");
    a.say(ClientMessage::LeaveRoom("R".into()));
    a.got();
    a.join("R");
    assert_eq!(a.kinds(), [6, 140, 1]);
}

#[test]
fn leaving_at_once_still_shows_the_whole_of_a_small_room() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.make("R");
    a.send(140, b"x");
    b.got();
    b.join("R");
    b.say(ClientMessage::LeaveRoom("R".into()));
    assert_eq!(b.kinds(), [6, 140, 1, 3]);
    a.send(140, &vec![0; 2 << 20]);
    b.join("R");
    b.say(ClientMessage::LeaveRoom("R".into()));
    assert_eq!(
        b.kinds(),
        [3, 20],
        "a long one is dropped: leaving stops a join"
    );
}

#[test]
fn versions_must_be_equal_unless_the_room_says_otherwise() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.make("R");
    let ask = |blender: &str, mixer: &str| JoinRequest {
        room: "R".into(),
        blender_version: blender.into(),
        mixer_version: mixer.into(),
        ignore_version_check: true,
        generic_protocol: true,
    };
    b.say(ClientMessage::JoinRoom(ask("3.0", "1.0.0")));
    let error = b.error();
    assert!(
        error.contains("Blender 2.93.0") && error.contains("Blender 3.0"),
        "{error}"
    );
    b.say(ClientMessage::JoinRoom(ask("2.93.0", "1.0.1")));
    assert!(b.error().contains("Mixer 1.0.0"));
    let open = JoinRequest {
        room: "S".into(),
        ..ask("2.93.0", "1.0.0")
    };
    b.say(ClientMessage::JoinRoom(open.clone()));
    b.say(ClientMessage::Content);
    let mut c = Client::new(&hub, 3);
    c.say(ClientMessage::JoinRoom(JoinRequest {
        blender_version: "9".into(),
        ..open
    }));
    assert!(c.kinds().contains(&1));
}

#[test]
fn the_last_one_out_ends_the_room_unless_it_is_kept_open() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.make("R");
    b.got();
    a.say(ClientMessage::LeaveRoom("R".into()));
    assert_eq!(b.kinds(), [21, 19]);
    a.make("R");
    b.say(ClientMessage::SetRoomKeepOpen("R".into(), true));
    a.say(ClientMessage::LeaveRoom("R".into()));
    b.got();
    b.join("R");
    assert!(b.kinds().contains(&1));
    a.say(ClientMessage::DeleteRoom("R".into()));
    let mut a = a;
    assert!(a.error().contains("people are in it (1)"));
    b.say(ClientMessage::LeaveRoom("R".into()));
    b.got();
    a.say(ClientMessage::DeleteRoom("R".into()));
    assert_eq!(b.messages(), [RelayMessage::RoomDeleted("R".into())]);
}

#[test]
fn a_maker_who_vanishes_before_the_content_ends_the_room_even_if_kept_open() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.join("R");
    a.say(ClientMessage::SetRoomKeepOpen("R".into(), true));
    b.got();
    hub.disconnect(a.admission.card.id);
    assert_eq!(b.kinds(), [22, 21]);
    b.say(ClientMessage::ListRooms);
    assert_eq!(
        b.messages(),
        [RelayMessage::ListRooms(NamedAttributes::new())]
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let hub = hub_with(Limits {
        rooms: 1,
        ..Limits::default()
    });
    let mut a = Client::new(&hub, 1);
    let set = || Attributes::parse(r#"{"x": 1}"#).unwrap();
    for (message, words) in [
        (ClientMessage::LeaveRoom(String::new()), "in no room"),
        (ClientMessage::Content, "in no room"),
        (ClientMessage::DeleteRoom("R".into()), "no room “R”"),
        (
            ClientMessage::SetRoomAttributes("R".into(), set()),
            "no room “R”",
        ),
        (
            ClientMessage::SetRoomKeepOpen("R".into(), true),
            "no room “R”",
        ),
        (ClientMessage::DeleteRoom("x".repeat(1 << 20)), "no room “x"),
        (join("", "1"), "needs a name"),
        (join(" ", "1"), "needs a name"),
        (join(&"x".repeat(1 << 20), "1"), "255 bytes"),
        (ClientMessage::SendError("x".repeat(1 << 20)), "4096 bytes"),
    ] {
        a.say(message);
        let error = a.error();
        assert!(error.contains(words) && error.len() < 1000, "{error}");
    }
    a.make("R");
    a.join("S");
    assert!(a.error().contains("already in the room “R”"));
    let mut b = Client::new(&hub, 2);
    b.join("S");
    assert!(b.error().contains("1 rooms already"));
    let peers = hub.directory().peers;
    assert!(peers[0].refusals > 1 && peers[1].refusals == 1, "counted");
}

#[test]
fn an_error_goes_to_everybody() {
    let hub = hub();
    let (mut a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    a.say(ClientMessage::SendError("look out".into()));
    assert_eq!(
        (a.error(), b.error()),
        ("look out".into(), "look out".into())
    );
}

/// Each once woke everybody.
#[test]
fn errors_for_everybody_are_gathered_and_stay_in_order() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let c = Client::new(&hub, 3);
    b.got();
    let bell = hub.bulletin.bell();
    for (client, text) in [(&a, "1"), (&c, "2"), (&a, "3")] {
        client.say(ClientMessage::SendError(text.into()));
    }
    c.leave_for_good();
    assert!(!bell.has_changed().unwrap(), "nobody is woken yet");
    let error = |text: &str| RelayMessage::SendError(text.into());
    assert_eq!(
        b.messages(),
        [
            error("1"),
            error("2"),
            error("3"),
            RelayMessage::ClientDisconnected("127.0.0.1:3".into())
        ]
    );
    for number in 0..=255 {
        let client = Client::at(&hub, ([192, 0, 2, number], 1).into());
        client.say(ClientMessage::SendError("look out".into()));
    }
    assert_eq!(b.errors().len(), 200, "all together are bounded");
}

/// What is told is written out while the next changes come; lists are made meanwhile.
#[test]
fn no_list_and_no_change_is_a_step_back() {
    const CHANGES: u32 = 300;
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let done = &std::sync::atomic::AtomicBool::new(false);
    let (mut last, mut steps_back) = (0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                hub.tell(Instant::now());
            }
        });
        scope.spawn(move || {
            for change in 1..=CHANGES {
                // Long, so that it takes a while to be written out.
                let long = format!("{change:050000}");
                a.set(&format!("{{\"x\": {change}, \"long\": \"{long}\"}}"));
            }
        });
        while last < i64::from(CHANGES) {
            b.say(ClientMessage::ListClients);
            for message in b.messages() {
                let (RelayMessage::ClientUpdate(clients) | RelayMessage::ListClients(clients)) =
                    message
                else {
                    continue;
                };
                let x = clients.get("127.0.0.1:1").and_then(|a| a.integer("x"));
                steps_back.extend(x.filter(|x| *x < last).map(|x| (last, x)));
                last = x.map_or(last, |x| x.max(last));
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(steps_back, []);
}

#[test]
fn figures_are_gathered() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.make("R");
    a.got();
    for _ in 0..100 {
        a.send(140, b"0123456789");
    }
    let told =
        RelayMessage::RoomUpdate(named(r#"{"R": {"byte_size": 2400, "command_count": 100}}"#));
    assert_eq!(a.messages(), [told]);
    assert_eq!(a.messages(), []);
}

#[test]
fn room_attributes_are_told_and_the_relays_own_win() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.make("R");
    a.got();
    let set = Attributes::parse(r#"{"note": "x", "joinable": false, "command_count": 7}"#).unwrap();
    a.say(ClientMessage::SetRoomAttributes("R".into(), set));
    assert_eq!(
        a.messages(),
        [RelayMessage::RoomUpdate(named(r#"{"R": {"note": "x"}}"#))]
    );
}

#[test]
fn one_who_missed_too_much_gets_the_lists_instead() {
    let hub = hub_with(Limits {
        attributes_bytes: 4 << 20,
        news_bytes_a_second: 1 << 30,
        ..Limits::default()
    });
    let (mut a, b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    let c = Client::new(&hub, 3);
    a.got();
    hub.disconnect(c.admission.card.id);
    for round in 0..10 {
        b.set(&format!("{{\"x\": \"{}{round}\"}}", "y".repeat(1 << 20)));
        hub.tell(Instant::now());
    }
    assert_eq!(
        a.kinds(),
        [22, 14, 4],
        "and who is gone: lists take nobody out of a mirror"
    );
    b.set(r#"{"x": 1}"#);
    assert_eq!(
        a.messages(),
        [RelayMessage::ClientUpdate(named(
            r#"{"127.0.0.1:2": {"x": 1}}"#
        ))]
    );
}

#[test]
fn a_full_relay_says_so() {
    let hub = hub_with(Limits {
        connections: 1,
        ..Limits::default()
    });
    let _a = Client::new(&hub, 1);
    let refused = hub.connect(([127, 0, 0, 1], 2).into(), false).unwrap_err();
    assert_eq!(refused, Failed::Full(1));
}

/// One address and port may connect twice; nobody could tell the two apart.
#[test]
fn two_never_have_the_same_id() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    let first = Client::new(&hub, 2);
    a.got();
    let twin = || hub.connect(([127, 0, 0, 1], 2).into(), false);
    assert_eq!(twin().unwrap_err(), Failed::Twin("127.0.0.1:2".into()));
    assert_eq!(a.got(), []);
    first.leave_for_good();
    assert!(twin().is_ok());
    assert_eq!(a.kinds(), [22, 19], "another one");
}

fn sceneless(room: &str) -> ClientMessage {
    ClientMessage::JoinRoom(JoinRequest::sceneless(room))
}

/// A room as our launcher makes it: without a scene, kept open.
fn make_vacant(launcher: &mut Client, room: &str) {
    launcher.say(sceneless(room));
    launcher.send(132, &[0; 4]);
    launcher.send(133, b"");
    launcher.say(ClientMessage::Content);
    launcher.say(ClientMessage::SetRoomKeepOpen(room.into(), true));
    launcher.got();
}

fn rooms(client: &mut Client) -> NamedAttributes {
    client.say(ClientMessage::ListRooms);
    client
        .messages()
        .into_iter()
        .find_map(|message| match message {
            RelayMessage::ListRooms(rooms) => Some(rooms),
            _ => None,
        })
        .unwrap()
}

#[test]
fn the_first_blender_in_a_room_without_a_scene_brings_its_own() {
    let hub = hub();
    let mut launcher = Client::new(&hub, 1);
    make_vacant(&mut launcher, "R");
    let (mut other, mut a, mut b) = (
        Client::new(&hub, 2),
        Client::new(&hub, 3),
        Client::new(&hub, 4),
    );
    other.say(sceneless("R"));
    other.got();
    a.set(r#"{"user_name": "Ada"}"#);
    assert!(other.kinds().contains(&19), "another launcher just joins");
    a.got();
    a.join("R");
    assert_eq!(
        a.kinds()[..2],
        [1, 5],
        "asked for its content, its own scene is not cleared"
    );
    b.got();
    b.join("R");
    assert!(b.error().contains("not ready"));
    a.send(140, b"scene");
    a.say(ClientMessage::Content);
    let room = rooms(&mut b).remove("R").unwrap();
    assert_eq!(room.text("blender_version").as_deref(), Some("2.93.0"));
    assert_eq!(
        (room.flag("joinable"), room.flag("ignore_version_check")),
        (Some(true), Some(false))
    );
    b.join("R");
    assert_eq!(b.kinds(), [6, 132, 133, 140, 1]);
    assert_eq!(
        launcher
            .got()
            .iter()
            .filter(|frame| frame.kind() == Kind(140))
            .count(),
        1
    );
}

#[test]
fn a_scene_that_did_not_come_whole_leaves_the_room_without_one() {
    let hub = hub();
    let mut launcher = Client::new(&hub, 1);
    make_vacant(&mut launcher, "R");
    let (mut a, mut b) = (Client::new(&hub, 2), Client::new(&hub, 3));
    a.set(r#"{"user_name": "Ada"}"#);
    b.set(r#"{"user_name": "Bo"}"#);
    a.join("R");
    a.send(140, b"half a scene");
    hub.disconnect(a.admission.card.id);
    a.got();
    let room = rooms(&mut b).remove("R").unwrap();
    assert_eq!(room.text("blender_version").as_deref(), Some(ANY_VERSION));
    assert_eq!(
        (room.count("command_count"), room.count("byte_size")),
        (Some(0), Some(0))
    );
    b.join("R");
    assert_eq!(b.kinds()[..2], [1, 5]);
    launcher.say(ClientMessage::LeaveRoom("R".into()));
    b.say(ClientMessage::LeaveRoom("R".into()));
    assert!(
        rooms(&mut launcher).contains_key("R"),
        "it is kept open all the same"
    );
}

#[test]
fn a_download_without_a_name_is_not_taken_for_an_artist() {
    let hub = hub();
    let (mut launcher, mut download) = (Client::new(&hub, 1), Client::new(&hub, 2));
    make_vacant(&mut launcher, "R");
    download.got();
    download.join("R");
    assert_eq!(
        download.kinds(),
        [6, 132, 133, 1],
        "it waits for the history"
    );
    let room = rooms(&mut launcher).remove("R").unwrap();
    assert_eq!(room.flag(attribute::AWAITS_SCENE), Some(true));
}

#[test]
fn one_who_was_only_listed_is_told_gone() {
    let hub = hub();
    let mut a = Client::new(&hub, 1);
    a.got();
    let b = Client::new(&hub, 2);
    a.say(ClientMessage::ListClients);
    let mut out = VecDeque::new();
    while at_once(a.delivery.gather(&mut out)).unwrap() == Gathered::Some {}
    hub.disconnect(b.admission.card.id);
    assert_eq!(
        a.messages(),
        [RelayMessage::ClientDisconnected("127.0.0.1:2".into())]
    );
}

#[test]
fn one_peer_cannot_talk_everybody_down() {
    let hub = hub();
    let (a, mut b) = (Client::new(&hub, 1), Client::new(&hub, 2));
    b.got();
    for _ in 0..100 {
        a.say(ClientMessage::SendError("look out".into()));
    }
    assert_eq!(b.kinds(), [12; 5]);
    a.say(ClientMessage::SendError("again".into()));
    assert_eq!(b.kinds(), [12]);
}

#[test]
fn one_who_takes_much_leaves_the_others_their_share() {
    let hub = hub();
    let many: Vec<_> = (1..20).map(|port| Client::new(&hub, port)).collect();
    for client in &many {
        client.set(&format!("{{\"x\": \"{}\"}}", "y".repeat(400_000)));
    }
    let mut late = Client::new(&hub, 99);
    late.set(&format!("{{\"view\": \"{}\"}}", "z".repeat(4000)));
    late.say(ClientMessage::ListClients);
    assert!(
        late.messages()
            .iter()
            .all(|message| !matches!(message, RelayMessage::SendError(_)))
    );
}

#[test]
fn what_an_address_adds_is_bounded_as_long_as_its_rooms_live() {
    let hub = hub_with(Limits {
        rooms_bytes_per_address: 1400,
        rooms_bytes_per_peer: 1000,
        ..Limits::default()
    });
    let somebody = |address: [u8; 4], port: u16| {
        let client = Client::at(&hub, (address, port).into());
        client.make(&format!("{address:?}:{port}"));
        client
    };
    let here = [192, 0, 2, 1];
    let (a, b) = (somebody(here, 1), somebody(here, 2));
    let room = a.room();
    a.say(ClientMessage::SetRoomKeepOpen(room.clone(), true));
    assert_eq!(a.try_send(140, &[7; 600]), Ok(()));
    assert_eq!(a.try_send(140, &[7; 300]), Err(Full::Peer(1000)));
    assert_eq!(b.try_send(140, &[7; 600]), Err(Full::Address(1400)));

    // It goes, and what it has added stays.
    a.leave_for_good();
    b.leave_for_good();
    hub.tell(Instant::now());
    let c = somebody(here, 3);
    assert_eq!(c.try_send(140, &[7; 600]), Err(Full::Address(1400)));
    let elsewhere = somebody([192, 0, 2, 2], 4);
    assert_eq!(elsewhere.try_send(140, &[7; 600]), Ok(()));
    for port in [5, 6] {
        let this_computer = Client::new(&hub, port);
        this_computer.make(&port.to_string());
        assert_eq!(this_computer.try_send(140, &[7; 600]), Ok(()));
    }

    c.say(ClientMessage::DeleteRoom(room));
    assert_eq!(c.try_send(140, &[7; 600]), Ok(()));
}

#[test]
fn attributes_of_rooms_count_as_what_is_added_to_them() {
    let hub = hub_with(Limits {
        rooms_bytes_per_peer: 100_000,
        ..Limits::default()
    });
    let mut a = Client::new(&hub, 1);
    a.make("R");
    a.got();
    let mut set = |value: usize| {
        let attributes = Attributes::default().with_text("x", &format!("{value:040000}"));
        a.say(ClientMessage::SetRoomAttributes("R".into(), attributes));
        a.errors().pop()
    };
    assert_eq!(
        [set(1), set(2), set(2)],
        [None, None, None],
        "the same costs nothing"
    );
    assert!(set(3).unwrap().starts_with("You are full"));
    let held = hub.with_state(|state| (state.rooms["R"].attributes.clone(), state.rooms_bytes));
    assert!(held.0.text("x").unwrap().ends_with('2'));
    assert_eq!(held.1, held.0.size_bytes(), "counted without counting all");
}

#[test]
fn addresses_are_forgotten_once_nothing_of_them_is_left() {
    let hub = hub();
    for number in 0..100 {
        let client = Client::at(&hub, ([192, 0, 2, number], 1).into());
        client.make("R");
        client.send(140, b"x");
        client.leave_for_good();
    }
    hub.tell(Instant::now() + 2 * SWEEP_EVERY);
    assert_eq!(hub.with_state(|state| state.accounts.len()), 0);
}

#[test]
fn who_comes_back_owes_what_it_owed() {
    let hub = hub_with(Limits {
        control_messages_a_second_per_address: 10,
        ..Limits::default()
    });
    let address = [192, 0, 2, 1];
    let now = Instant::now();
    let waits = |port, messages| {
        let mut client = Client::at(&hub, (address, port).into());
        let pace = &mut client.admission.pace;
        let late = (0..messages).filter_map(|_| pace.count(Kind::CLIENT_ID, 0, now));
        let late = late.last();
        client.leave_for_good();
        late.map(|late| late.wait.as_secs())
    };
    // A modest one has 500 at once, of the others the address has 50.
    assert_eq!(waits(1, 550), None);
    assert_eq!(waits(2, 650), Some(15));
    let mut other = Client::at(&hub, ([192, 0, 2, 2], 3).into());
    for _ in 0..550 {
        assert_eq!(other.admission.pace.count(Kind::CLIENT_ID, 0, now), None);
    }
    other.leave_for_good();
    hub.tell(now + std::time::Duration::from_secs(3600));
    assert_eq!(hub.with_state(|state| state.shares.len()), 0);
}

#[test]
fn addresses_that_owe_something_are_not_remembered_without_end() {
    let hub = hub();
    for number in 0..IDLE_SHARES + 100 {
        let [.., high, low] = number.to_be_bytes();
        let client = Client::at(&hub, ([10, 0, high, low], 1).into());
        // A line of the log is owed.
        client.join("R");
        client.leave_for_good();
    }
    let remembered = hub.with_state(|state| state.shares.len());
    assert!((1..=IDLE_SHARES).contains(&remembered), "{remembered}");
}

#[test]
fn who_makes_room_after_room_has_to_wait() {
    let hub = hub_with(Limits {
        rooms_per_address: 4,
        rooms_per_peer: 3,
        new_rooms_a_minute: 1,
        ..Limits::default()
    });
    let here = [192, 0, 2, 1];
    let mut one = Client::at(&hub, (here, 1).into());
    let kept = |client: &mut Client, room: &str| {
        client.make(room);
        client.say(ClientMessage::SetRoomKeepOpen(room.to_owned(), true));
        client.say(ClientMessage::LeaveRoom(room.to_owned()));
        client.errors().len()
    };
    for room in ["a", "b", "c"] {
        assert_eq!(kept(&mut one, room), 0);
    }
    one.join("d");
    assert_eq!(
        one.errors(),
        ["You have made 3 rooms already. Delete one first."]
    );
    let mut other = Client::at(&hub, (here, 2).into());
    assert_eq!(kept(&mut other, "d"), 0);
    other.join("e");
    assert_eq!(
        other.errors(),
        ["4 rooms were made from your address already. Delete one first."]
    );
    other.say(ClientMessage::DeleteRoom("a".to_owned()));
    other.join("e");
    let [refusal] = &other.errors()[..] else {
        panic!("that is too fast")
    };
    assert!(
        refusal.starts_with("4 rooms were made from your address lately"),
        "{refusal}"
    );
    let mut elsewhere = Client::at(&hub, ([192, 0, 2, 2], 1).into());
    assert_eq!(kept(&mut elsewhere, "e"), 0);
    let mut this_computer = Client::new(&hub, 3);
    for number in 0..10 {
        assert_eq!(kept(&mut this_computer, &format!("R{number}")), 0);
    }
}
