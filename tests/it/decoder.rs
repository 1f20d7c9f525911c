//! Properties of the decoder and the typed messages, over arbitrary bytes.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::BufMut;
use mixdesk::protocol::{
    Attributes, ClientMessage, Decoder, Frame, FrameLimits, HEADER_BYTES, JoinRequest, Kind,
    NamedAttributes, RelayMessage, STEP_BYTES, object, write_named,
};
use proptest::prelude::*;

use crate::common::meter::Meter;

/// The decoder's shared buffer, as its documentation tells.
const SHARED_BYTES: usize = 64 << 10;
pub(crate) const LIMITS: FrameLimits = FrameLimits {
    command_bytes: 3 << 20,
    control_bytes: 200_000,
};

/// What came out of a stream: how many frames, what they were, and whether it could go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) frames: usize,
    pub(crate) digest: u64,
    refused: bool,
    rest: usize,
}

/// What protocol.md says: a header, then as many bytes as it claims, unless these are too many.
pub(crate) fn expected(mut stream: &[u8]) -> Outcome {
    let (mut frames, mut digest, mut refused) = (0, DefaultHasher::new(), false);
    while let Some(header) = stream.first_chunk::<HEADER_BYTES>() {
        let size = u64::from_le_bytes(header[..8].try_into().unwrap());
        let kind = u16::from_le_bytes(header[12..].try_into().unwrap());
        let limit = if kind > 100 {
            LIMITS.command_bytes
        } else {
            LIMITS.control_bytes
        };
        refused = size > limit;
        let Some((frame, later)) = stream
            .split_at_checked(HEADER_BYTES + size as usize % (1 << 40))
            .filter(|_| !refused)
        else {
            break;
        };
        frame.hash(&mut digest);
        frames += 1;
        stream = later;
    }
    Outcome {
        frames,
        digest: digest.finish(),
        refused,
        rest: stream.len(),
    }
}

/// Feeds a stream in pieces, each as large as the next of `splits`, over and over. Checks at every
/// step what the decoder promises of its memory, against the allocator.
pub(crate) fn decoded(stream: &[u8], splits: &[usize]) -> Outcome {
    let heap = Meter::of_this_thread();
    let mut decoder = Decoder::new(LIMITS);
    let (mut frames, mut digest, mut refused) = (0, DefaultHasher::new(), false);
    let (mut arrived, mut given) = (0, 0);
    let mut sizes = splits.iter().copied().cycle();
    'stream: while arrived < stream.len() {
        let piece = sizes.next().unwrap().min(stream.len() - arrived);
        let mut piece = &stream[arrived..arrived + piece];
        arrived += piece.len();
        while !piece.is_empty() {
            let mut spare = decoder.spare();
            assert!(spare.remaining_mut() > 0, "never no room");
            let (now, later) = piece.split_at(piece.len().min(spare.remaining_mut()));
            spare.put_slice(now);
            piece = later;
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => {
                        frame.wire().hash(&mut digest);
                        frames += 1;
                        given += frame.wire_len();
                    }
                    Ok(None) => break,
                    Err(_) => {
                        refused = true;
                        assert!(decoder.next_frame().is_err(), "it stays refused");
                        break 'stream;
                    }
                }
            }
            let waiting = arrived - piece.len() - given;
            let held = decoder.held_bytes();
            assert_eq!(heap.live_bytes(), held as i64, "it holds what it says");
            let ahead = waiting.clamp(SHARED_BYTES, STEP_BYTES).max(waiting / 8);
            assert!(
                held <= SHARED_BYTES + waiting + ahead,
                "{held} bytes held, {waiting} waiting"
            );
            assert_eq!(decoder.is_between_frames(), waiting == 0);
        }
    }
    Outcome {
        frames,
        digest: digest.finish(),
        refused,
        rest: stream.len() - given,
    }
}

/// Parts of a stream: mostly whole frames of all sizes, some claims and some noise.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        20 => 0..300usize,
        5 => 4_000..5_000usize,
        5 => (SHARED_BYTES - 30)..(SHARED_BYTES + 30),
        2 => 100_000..250_000usize,
        1 => (2 << 20)..(3usize << 20),
    ];
    let frame =
        (size, any::<u16>(), any::<u32>(), any::<u8>()).prop_map(|(size, kind, id, fill)| {
            let kind = if size > 150_000 { kind | 0x80 } else { kind };
            Frame::with_id(Kind(kind), id, &vec![fill; size])
                .into_wire()
                .to_vec()
        });
    let claim = (any::<u64>(), any::<u16>()).prop_map(|(size, kind)| {
        let mut header = Frame::new(Kind(kind), b"").into_wire().to_vec();
        header[..8].copy_from_slice(&(size >> (size % 64)).to_le_bytes());
        header
    });
    prop_oneof![
        20 => frame,
        1 => claim,
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..12).prop_map(|parts| parts.concat())
}

fn splits() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX]),
        prop::collection::vec(50..3_000usize, 1..6),
        prop::collection::vec(1..300_000usize, 1..20),
    ]
}

/// JSON as Python writes it, and as it would not but reads.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        Just("null".to_owned()),
        Just("1.0".to_owned()),
        Just(r#""\ud800""#.to_owned()),
        "-?[1-9][0-9]{0,40}",
        any::<f64>().prop_filter_map("finite", |number| number
            .is_finite()
            .then(|| format!("{number:?}"))),
        any::<String>().prop_map(|text| mixdesk::protocol::quote(&text)),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|values| format!("[{}]", values.join(", "))),
            members(inner),
        ]
    })
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((any::<String>(), value), 0..5).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(name, value)| format!("{}: {value}", mixdesk::protocol::quote(name)))
            .collect();
        format!("{{{}}}", members.join(" ,\t"))
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    members(json()).prop_map(|text| Attributes::parse(&text).unwrap())
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let text = any::<String>;
    prop_oneof![
        (text(), text(), text(), any::<bool>(), any::<bool>()).prop_map(
            |(room, blender_version, mixer_version, ignore_version_check, generic_protocol)| {
                ClientMessage::JoinRoom(JoinRequest {
                    room,
                    blender_version,
                    mixer_version,
                    ignore_version_check,
                    generic_protocol,
                })
            }
        ),
        text().prop_map(ClientMessage::LeaveRoom),
        Just(ClientMessage::ListRooms),
        Just(ClientMessage::Content),
        text().prop_map(ClientMessage::DeleteRoom),
        text().prop_map(ClientMessage::SetClientName),
        text().prop_map(ClientMessage::SendError),
        Just(ClientMessage::ListClients),
        attributes().prop_map(ClientMessage::SetClientAttributes),
        (text(), attributes())
            .prop_map(|(room, attributes)| ClientMessage::SetRoomAttributes(room, attributes)),
        (text(), any::<bool>())
            .prop_map(|(room, keep_open)| ClientMessage::SetRoomKeepOpen(room, keep_open)),
        Just(ClientMessage::ClientId),
    ]
}

fn relay_message() -> impl Strategy<Value = RelayMessage> {
    let text = any::<String>;
    let named = || prop::collection::btree_map(text(), attributes(), 0..4);
    prop_oneof![
        text().prop_map(RelayMessage::JoinRoom),
        Just(RelayMessage::LeaveRoom),
        named().prop_map(RelayMessage::ListRooms),
        Just(RelayMessage::Content),
        Just(RelayMessage::ClearContent),
        text().prop_map(RelayMessage::SendError),
        named().prop_map(RelayMessage::ListClients),
        text().prop_map(RelayMessage::ClientId),
        named().prop_map(RelayMessage::ClientUpdate),
        named().prop_map(RelayMessage::RoomUpdate),
        text().prop_map(RelayMessage::RoomDeleted),
        text().prop_map(RelayMessage::ClientDisconnected),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_do_not_depend_on_the_pieces_they_come_in(stream in stream(), splits in splits()) {
        prop_assert_eq!(decoded(&stream, &splits), expected(&stream));
    }

    #[test]
    fn a_client_message_comes_back_as_it_was(message in client_message()) {
        prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn a_relay_message_comes_back_as_it_was(message in relay_message()) {
        prop_assert_eq!(RelayMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn attributes_are_written_as_they_were_read(named in prop::collection::btree_map(any::<String>(), attributes(), 0..4)) {
        let text = write_named(named.iter().map(|(name, one)| (name.as_str(), one)));
        prop_assert_eq!(mixdesk::protocol::parse_named(&text), Ok(NamedAttributes::from_iter(named)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// What is understood is understood in the same way when it is said again.
    #[test]
    fn any_payload_is_understood_or_refused(kind in 0..110u16, payload in prop::collection::vec(any::<u8>(), 0..60)) {
        let frame = Frame::new(Kind(kind), &payload);
        if let Ok(message) = ClientMessage::decode(&frame) {
            prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
        }
        if let Ok(message) = RelayMessage::decode(&frame) {
            prop_assert_eq!(RelayMessage::decode(&message.encode()), Ok(message));
        }
    }

    /// The same, a byte or a cut away from a message that means something.
    #[test]
    fn a_damaged_payload_is_understood_or_refused(
        message in client_message(),
        at in any::<prop::sample::Index>(),
        byte in prop::option::of(any::<u8>()),
    ) {
        let whole = message.encode();
        let mut payload = whole.payload().to_vec();
        if !payload.is_empty() {
            let at = at.index(payload.len());
            match byte {
                Some(byte) => payload[at] = byte,
                None => payload.truncate(at),
            }
        }
        if let Ok(message) = ClientMessage::decode(&Frame::new(whole.kind(), &payload)) {
            prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
        }
    }

    /// Bytes of the alphabet that JSON is made of reach deeper than any.
    #[test]
    fn any_text_is_json_or_not(text in r#"[\[\]{}",:\\0-9eE.+\-untrfalsNIiy \x00]{0,40}"#) {
        if let Ok(members) = object(&text) {
            for (_, value) in members {
                prop_assert!(text.contains(value));
                prop_assert!(object(&format!("{{\"a\": {value}}}")).is_ok(), "{}", value);
            }
        }
    }
}

/// A system that cannot move pages copies a buffer whenever it grows. By steps of a MiB this was 64
/// times the frame's size.
#[test]
fn a_large_frame_is_not_copied_over_and_over() {
    const SIZE: usize = 128 << 20;
    let piece = vec![7; 64 << 10];
    let heap = Meter::of_this_thread();
    let mut decoder = Decoder::new(FrameLimits::DEFAULT);
    let mut header = Frame::new(Kind(140), b"").into_wire().to_vec();
    header[..8].copy_from_slice(&(SIZE as u64).to_le_bytes());
    decoder.spare().put_slice(&header);
    let frame = loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            break frame;
        }
        let mut spare = decoder.spare();
        let room = spare.remaining_mut().min(piece.len());
        spare.put_slice(&piece[..room]);
    };
    assert_eq!(frame.payload().len(), SIZE);
    let copied = heap.moved_bytes() as usize / SIZE;
    println!("copied {copied} times");
    assert!(copied <= 12, "copied {copied} times");
}

/// Checked one by one with `json.loads` of Python: whether it gives a `dict`.
#[rustfmt::skip]
const PYTHON: &[(&str, bool)] = &[
    ("{}", true),
    (" {\t} \r\n", true),
    ("{\"a\":1}", true),
    ("{\"a\": 1, \"b\": 2}", true),
    ("{\"a\": 1, \"a\": 2}", true),
    ("{\"a\": 1,}", false),
    ("{,}", false),
    ("{\"a\"}", false),
    ("{\"a\":}", false),
    ("{\"a\" 1}", false),
    ("{a: 1}", false),
    ("{'a': 1}", false),
    ("{\"a\": 1} ", true),
    ("{\"a\": 1}}", false),
    ("{\"a\": 1}{}", false),
    ("{\"a\": 1} x", false),
    ("", false),
    ("[]", false),
    ("null", false),
    ("\"a\"", false),
    ("1", false),
    ("NaN", false),
    ("\u{feff}{}", false),
    ("\u{a0}{}", false),
    ("{}\u{a0}", false),
    ("{}\u{b}", false),
    ("{}\u{c}", false),
    ("{}\u{0}", false),
    ("{\"a\": NaN}", true),
    ("{\"a\": Infinity}", true),
    ("{\"a\": -Infinity}", true),
    ("{\"a\": -NaN}", false),
    ("{\"a\": +Infinity}", false),
    ("{\"a\": nan}", false),
    ("{\"a\": Inf}", false),
    ("{\"a\": Infinit}", false),
    ("{\"a\": InfinityX}", false),
    ("{\"a\": NaNN}", false),
    ("{\"a\": - Infinity}", false),
    ("{\"a\": true}", true),
    ("{\"a\": True}", false),
    ("{\"a\": truex}", false),
    ("{\"a\": nullnull}", false),
    ("{\"a\": None}", false),
    ("{\"a\": fals}", false),
    ("{\"a\": 0}", true),
    ("{\"a\": -0}", true),
    ("{\"a\": 00}", false),
    ("{\"a\": 01}", false),
    ("{\"a\": -01}", false),
    ("{\"a\": -}", false),
    ("{\"a\": +1}", false),
    ("{\"a\": 1.}", false),
    ("{\"a\": .5}", false),
    ("{\"a\": -.5}", false),
    ("{\"a\": 1.0}", true),
    ("{\"a\": 1.e5}", false),
    ("{\"a\": 1e5}", true),
    ("{\"a\": 1E+5}", true),
    ("{\"a\": 1e-5}", true),
    ("{\"a\": 1e}", false),
    ("{\"a\": 1e+}", false),
    ("{\"a\": 0e0}", true),
    ("{\"a\": 0.0e-0}", true),
    ("{\"a\": 1e99999}", true),
    ("{\"a\": 0x1}", false),
    ("{\"a\": 1_000}", false),
    ("{\"a\": 1 2}", false),
    ("{\"a\": --1}", false),
    ("{\"a\": \u{661}}", false),
    ("{\"a\": 1\u{661}}", false),
    ("{\"a\": 1.\u{661}}", false),
    ("{\"a\": \"\"}", true),
    ("{\"a\": \"\\u00e9\"}", true),
    ("{\"a\": \"\\u00E9\"}", true),
    ("{\"a\": \"\\u12g4\"}", false),
    ("{\"a\": \"\\u12\"}", false),
    ("{\"a\": \"\\u+123\"}", false),
    ("{\"a\": \"\\u 123\"}", false),
    ("{\"a\": \"\\u0x12\"}", false),
    ("{\"a\": \"\\u1_23\"}", false),
    ("{\"a\": \"\\U0000\"}", false),
    ("{\"a\": \"\\x41\"}", false),
    ("{\"a\": \"\\'\"}", false),
    ("{\"a\": \"\\/\"}", true),
    ("{\"a\": \"\\\"}", false),
    ("{\"a\": \"\\a\"}", false),
    ("{\"a\": \"\\0\"}", false),
    ("{\"a\": \"\t\"}", false),
    ("{\"a\": \"\n\"}", false),
    ("{\"a\": \"\u{0}\"}", false),
    ("{\"a\": \"\u{1f}\"}", false),
    ("{\"a\": \"\u{7f}\"}", true),
    ("{\"a\": \"\u{80}\"}", true),
    ("{\"a\": \"\u{2028}\"}", true),
    ("{\"a\": \"\\ud800\"}", true),
    ("{\"a\": \"\\udc00\\ud800\"}", true),
    ("{\"a\": \"\\ud83d\\ude00\"}", true),
    ("{\"a\": \"", false),
    ("{\"\\u0061\": 1}", true),
    ("{\"\": 1}", true),
    ("{\"a\\nb\": 1}", true),
    ("{\"a\nb\": 1}", false),
    ("{\"\\ud83d\\ude00\": 1}", true),
    ("{1: 1}", false),
    ("{null: 1}", false),
    ("{\"a\": 1 \"b\": 2}", false),
    ("{\"a\": 1,, \"b\": 2}", false),
    ("{\"a\": 1; \"b\": 2}", false),
    ("{\"a\":: 1}", false),
    ("{\"a\": []}", true),
    ("{\"a\": [ ]}", true),
    ("{\"a\": [1,]}", false),
    ("{\"a\": [,1]}", false),
    ("{\"a\": [1 2]}", false),
    ("{\"a\": [1, 2}", false),
    ("{\"a\": [1]]}", false),
    ("{\"a\": [[], {}]}", true),
    ("{\"a\": {\"b\": {}}}", true),
    ("{\"a\": {\"b\": }}", false),
    ("{\"a\": {\"b\": 1,}}", false),
    ("{\"a\": [NaN, -Infinity, 1.0, 1]}", true),
    ("{\"a\": (1)}", false),
    ("{\"a\": 1 /* x */}", false),
    ("{\"a\": 1} // x", false),
    ("{\"a\"\t:\n1}", true),
    ("{\"a\"\u{a0}: 1}", false),
    ("{\"a\": 1\u{c}}", false),
];

#[test]
fn what_is_json_is_what_python_reads() {
    for (text, read) in PYTHON {
        assert_eq!(object(text).is_ok(), *read, "{text:?}: {:?}", object(text));
    }
}
