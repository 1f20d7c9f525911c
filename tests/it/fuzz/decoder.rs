//! The wire: frames do not depend on the pieces they come in, and a message is understood as it is said again.

use std::hash::Hasher;

use bytes::BufMut;
use mixdesk::protocol::{ClientMessage, Decoder, Frame, RelayMessage};

use super::{fuzz, piece, within};
use crate::common::noise::Noise;
use crate::decoder::{LIMITS, decoded, expected};

/// A message in memory to one on the wire: each attribute is two allocated strings, however short.
const MESSAGE_TIMES: usize = 64;
const MESSAGE_BYTES: usize = 16 << 10;

#[test]
fn what_comes_on_the_wire() {
    fuzz("decoder", check);
}

fn check(stream: &[u8], noise: &mut Noise) {
    let expected = expected(stream);
    assert_eq!(decoded(stream, &[usize::MAX]), expected);
    let sizes: Vec<_> = (0..4).map(|_| piece(noise)).collect();
    assert_eq!(decoded(stream, &sizes), expected, "in pieces of {sizes:?}");
    let (frames, digest) = taken_in_runs(stream, piece(noise));
    assert_eq!((frames, digest), (expected.frames, expected.digest));
    for frame in frames_of(stream) {
        understood(&frame);
    }
}

/// As a peer's connection does it: commands that arrived together come out together.
fn taken_in_runs(mut stream: &[u8], size: usize) -> (usize, u64) {
    let mut decoder = Decoder::new(LIMITS);
    let (mut frames, mut digest) = (0, std::hash::DefaultHasher::new());
    loop {
        while let Some(run) = decoder.next_commands() {
            for frame in run.iter() {
                std::hash::Hash::hash(frame.wire, &mut digest);
                frames += 1;
            }
        }
        match decoder.next_frame() {
            Ok(Some(frame)) => {
                std::hash::Hash::hash(&frame.wire()[..], &mut digest);
                frames += 1;
            }
            Ok(None) if stream.is_empty() => break,
            Ok(None) => {
                let mut spare = decoder.spare();
                let count = stream.len().min(size).min(spare.remaining_mut());
                spare.put_slice(&stream[..count]);
                stream = &stream[count..];
            }
            Err(_) => break,
        }
    }
    (frames, digest.finish())
}

fn frames_of(mut stream: &[u8]) -> Vec<Frame> {
    let (mut decoder, mut frames) = (Decoder::new(LIMITS), Vec::new());
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) if !stream.is_empty() => {
                let mut spare = decoder.spare();
                let count = stream.len().min(spare.remaining_mut());
                spare.put_slice(&stream[..count]);
                stream = &stream[count..];
            }
            Ok(None) | Err(_) => return frames,
        }
    }
}

fn understood(frame: &Frame) {
    let most = MESSAGE_TIMES * frame.wire_len() + MESSAGE_BYTES;
    if let Ok(message) = within(most, || ClientMessage::decode(frame)) {
        assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
    }
    if let Ok(message) = within(most, || RelayMessage::decode(frame)) {
        assert_eq!(RelayMessage::decode(&message.encode()), Ok(message));
    }
}
