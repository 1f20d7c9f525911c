//! What the machine makes of frames and commands, as a story.

use std::time::Instant;

use super::command::{Command, Identity};
use super::event::Event;
use super::machine::{Machine, NAME_CHARS, TEXT_CHARS, person_name};
use super::membership::Membership;
use crate::protocol::{
    Attributes, ClientMessage, Frame, JoinRequest, Kind, NamedAttributes, RelayMessage, attribute,
};

const ME: &str = "127.0.0.1:1";

fn named(text: &str) -> NamedAttributes {
    crate::protocol::parse_named(text).unwrap()
}

fn stranger() -> Machine {
    Machine::new(
        Identity {
            name: "Ada".into(),
            color: [1.0, 0.5, 0.0],
        },
        false,
    )
}

/// A machine that is online, with room R that is ready and room S that is not.
fn online() -> Machine {
    let mut machine = stranger();
    machine.on_connected();
    let room = |joinable| {
        format!(
            r#"{{"blender_version": "2.93.0", "mixer_version": "1.0.0", "ignore_version_check": false,
            "generic_protocol": false, "byte_size": 100, "joinable": {joinable}}}"#
        )
    };
    for message in [
        RelayMessage::ClientId(ME.into()),
        RelayMessage::ListClients(named(&format!(
            r#"{{"{ME}": {{"room": null}}, "b": {{"user_name": "Bo", "room": null}}}}"#
        ))),
        RelayMessage::ListRooms(named(&format!(
            r#"{{"R": {}, "S": {}}}"#,
            room(true),
            room(false)
        ))),
    ] {
        told(&mut machine, &message);
    }
    machine.outgoing.clear();
    assert!(machine.is_online());
    machine
}

fn told(machine: &mut Machine, message: &RelayMessage) -> Vec<Event> {
    machine.on_frame(Instant::now(), &message.encode()).unwrap();
    std::mem::take(&mut machine.events)
}

fn asked(machine: &mut Machine, command: Command) -> Vec<Event> {
    machine.on_command(Instant::now(), command);
    std::mem::take(&mut machine.events)
}

fn sent(machine: &mut Machine) -> Vec<ClientMessage> {
    machine
        .outgoing
        .drain(..)
        .filter_map(|frame| ClientMessage::decode(&frame).ok())
        .collect()
}

fn enter_r(machine: &mut Machine) {
    asked(machine, Command::Join("R".into()));
    told(machine, &RelayMessage::ClearContent);
    assert_eq!(
        told(machine, &RelayMessage::JoinRoom("R".into())),
        [Event::Entered("R".into())]
    );
    machine.outgoing.clear();
}

#[test]
fn it_greets_as_mixer_does_and_says_who_we_are() {
    let mut machine = stranger();
    machine.on_connected();
    let messages = sent(&mut machine);
    assert_eq!(
        messages[..3],
        [
            ClientMessage::ClientId,
            ClientMessage::ListClients,
            ClientMessage::ListRooms
        ]
    );
    let identity = r#"{"user_color": [1.0, 0.5, 0.0], "user_name": "Ada"}"#;
    assert_eq!(
        messages[3],
        ClientMessage::SetClientAttributes(Attributes::parse(identity).unwrap())
    );
    assert!(!machine.is_online());
    assert_eq!(
        asked(&mut machine, Command::Join("R".into())).len(),
        1,
        "refused while not online"
    );
}

#[test]
fn joining_sends_the_rooms_own_versions_and_counts_what_comes() {
    let mut machine = online();
    asked(&mut machine, Command::Join("R".into()));
    let request = JoinRequest {
        room: "R".into(),
        blender_version: "2.93.0".into(),
        mixer_version: "1.0.0".into(),
        ignore_version_check: false,
        generic_protocol: false,
    };
    assert_eq!(sent(&mut machine), [ClientMessage::JoinRoom(request)]);
    told(&mut machine, &RelayMessage::ClearContent);
    machine
        .on_frame(Instant::now(), &Frame::new(Kind(140), &[0; 26]))
        .unwrap();
    let Membership::Joining {
        received_bytes: 40,
        total_bytes: 100,
        ..
    } = machine.membership
    else {
        panic!("{:?}", machine.membership)
    };
    assert_eq!(
        told(&mut machine, &RelayMessage::JoinRoom("R".into())),
        [Event::Entered("R".into())]
    );
    assert_eq!(machine.membership, Membership::In { room: "R".into() });
}

#[test]
fn what_cannot_be_joined_is_said_without_asking() {
    let mut machine = online();
    for room in ["S", "T"] {
        let events = asked(&mut machine, Command::Join(room.into()));
        assert!(matches!(&events[..], [Event::Refused(_)]), "{events:?}");
    }
    assert!(matches!(
        &asked(&mut machine, Command::Create("R".into()))[..],
        [Event::Refused(_)]
    ));
    assert_eq!(sent(&mut machine), []);
    assert_eq!(machine.membership, Membership::Out);
}

#[test]
fn a_refused_join_leaves_us_out() {
    let mut machine = online();
    asked(&mut machine, Command::Join("R".into()));
    assert_eq!(
        told(&mut machine, &RelayMessage::SendError("no".into())),
        [Event::Refused("no".into())]
    );
    assert_eq!(machine.membership, Membership::Out);
}

#[test]
fn somebody_elses_error_does_not_lose_our_join() {
    let mut machine = online();
    asked(&mut machine, Command::Join("R".into()));
    told(&mut machine, &RelayMessage::SendError("not for us".into()));
    told(&mut machine, &RelayMessage::ClearContent);
    assert_eq!(
        told(&mut machine, &RelayMessage::JoinRoom("R".into())),
        [Event::Entered("R".into())]
    );
    assert_eq!(
        told(&mut machine, &RelayMessage::SendError("x".into())),
        [Event::Told("x".into())]
    );
    assert_eq!(machine.membership, Membership::In { room: "R".into() });
}

#[test]
fn one_room_after_the_other() {
    let mut machine = online();
    enter_r(&mut machine);
    for command in [Command::Join("R".into()), Command::Create("New".into())] {
        let events = asked(&mut machine, command);
        assert!(
            matches!(&events[..], [Event::Refused(why)] if why.contains("Leave it first")),
            "{events:?}"
        );
    }
    assert_eq!(sent(&mut machine), []);
    asked(&mut machine, Command::Leave);
    assert_eq!(sent(&mut machine), [ClientMessage::LeaveRoom("R".into())]);
    assert_eq!(
        told(&mut machine, &RelayMessage::LeaveRoom),
        [Event::Left("R".into())]
    );
    assert_eq!(machine.membership, Membership::Out);
}

#[test]
fn a_room_that_ended_before_we_could_join_it_is_made_again() {
    let mut machine = online();
    asked(&mut machine, Command::Join("R".into()));
    machine.outgoing.clear();
    assert_eq!(told(&mut machine, &RelayMessage::JoinRoom("R".into())), []);
    assert_eq!(
        told(&mut machine, &RelayMessage::Content),
        [Event::Entered("R".into())]
    );
    assert_eq!(
        machine.outgoing.len(),
        4,
        "its content, though there is none"
    );
    // The news of the old room's end come after the answers.
    told(&mut machine, &RelayMessage::RoomDeleted("R".into()));
    assert_eq!(machine.membership, Membership::Out);
    let in_r = RelayMessage::ClientUpdate(named(&format!(r#"{{"{ME}": {{"room": "R"}}}}"#)));
    assert_eq!(told(&mut machine, &in_r), [Event::Entered("R".into())]);
    assert_eq!(machine.membership, Membership::In { room: "R".into() });
}

#[test]
fn a_room_that_somebody_else_made_first_is_joined() {
    let mut machine = online();
    asked(&mut machine, Command::Create("New".into()));
    told(&mut machine, &RelayMessage::ClearContent);
    assert_eq!(
        told(&mut machine, &RelayMessage::JoinRoom("New".into())),
        [Event::Entered("New".into())]
    );
}

#[test]
fn somebody_elses_error_does_not_lose_the_room_we_make() {
    let mut machine = online();
    asked(&mut machine, Command::Create("New".into()));
    told(&mut machine, &RelayMessage::SendError("not for us".into()));
    told(&mut machine, &RelayMessage::JoinRoom("New".into()));
    machine.outgoing.clear();
    told(&mut machine, &RelayMessage::Content);
    assert_eq!(machine.outgoing.len(), 4);
    assert_eq!(machine.membership, Membership::In { room: "New".into() });
}

#[test]
fn what_others_write_is_shown_as_far_as_it_can_be() {
    let long = "é".repeat(5000);
    let attributes = Attributes::default().with_text(attribute::USER_NAME, &long);
    assert_eq!(
        person_name("x", &attributes).chars().count(),
        NAME_CHARS + 1
    );
    let mut machine = online();
    let events = told(&mut machine, &RelayMessage::SendError(long));
    assert!(matches!(&events[..], [Event::Told(text)] if text.chars().count() == TEXT_CHARS + 1));
}

#[test]
fn a_created_room_is_ready_for_anybody_and_stays() {
    let mut machine = online();
    asked(&mut machine, Command::Create("New".into()));
    let [ClientMessage::JoinRoom(request)] = &sent(&mut machine)[..] else {
        panic!("one request")
    };
    assert!(request.ignore_version_check && request.generic_protocol);
    told(&mut machine, &RelayMessage::JoinRoom("New".into()));
    assert_eq!(
        told(&mut machine, &RelayMessage::Content),
        [Event::Entered("New".into())]
    );
    let kinds: Vec<_> = machine
        .outgoing
        .iter()
        .map(|frame| frame.kind().0)
        .collect();
    assert_eq!(
        kinds,
        [132, 133, 5, 17],
        "a batch with nothing in it, so that its size is not zero"
    );
}

#[test]
fn after_a_lost_connection_the_room_is_entered_again() {
    let mut machine = online();
    enter_r(&mut machine);
    machine.on_lost();
    machine.on_lost();
    assert_eq!(machine.membership, Membership::Out);
    machine.on_connected();
    for message in [
        RelayMessage::ClientId(ME.into()),
        RelayMessage::ListClients(NamedAttributes::new()),
        RelayMessage::ListRooms(NamedAttributes::new()),
    ] {
        told(&mut machine, &message);
    }
    sent(&mut machine);
    told(
        &mut machine,
        &RelayMessage::RoomUpdate(named(r#"{"R": {"joinable": true}}"#)),
    );
    assert!(
        matches!(&sent(&mut machine)[..], [ClientMessage::JoinRoom(request)] if request.room == "R")
    );
}

#[test]
fn others_coming_and_going_is_news() {
    let mut machine = online();
    let entered = RelayMessage::ClientUpdate(named(r#"{"b": {"room": "R"}}"#));
    let bo = || ("Bo".to_owned(), "R".to_owned());
    let (name, room) = bo();
    assert_eq!(
        told(&mut machine, &entered),
        [Event::PersonEntered { name, room }]
    );
    let (name, room) = bo();
    assert_eq!(
        told(&mut machine, &RelayMessage::ClientDisconnected("b".into())),
        [Event::PersonLeft { name, room }]
    );
    assert!(!machine.clients.contains_key("b"));
}

#[test]
fn a_room_that_ends_under_us_puts_us_out() {
    let mut machine = online();
    enter_r(&mut machine);
    let events = told(&mut machine, &RelayMessage::RoomDeleted("R".into()));
    assert_eq!(
        events,
        [Event::Left("R".into()), Event::RoomGone("R".into())]
    );
    assert_eq!(machine.membership, Membership::Out);
    enter_r(&mut online());
}

#[test]
fn nonsense_is_an_error_and_unknown_room_commands_are_not() {
    let mut machine = online();
    let mut stranger = stranger();
    let odd = Frame::new(Kind(50), b"");
    assert!(stranger.on_frame(Instant::now(), &odd).is_err());
    assert!(
        machine.on_frame(Instant::now(), &odd).is_ok(),
        "a newer relay"
    );
    assert!(
        machine
            .on_frame(Instant::now(), &Frame::new(Kind::LIST_ROOMS, b"x"))
            .is_err()
    );
    assert!(
        machine
            .on_frame(Instant::now(), &Frame::new(Kind(5000), b""))
            .is_ok()
    );
}
