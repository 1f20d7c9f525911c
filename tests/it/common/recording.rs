//! Recordings of real Blenders: gzip of records of f64 seconds, u32 length, bytes off the socket.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use super::client::Got;

/// All frames of a recording, in order.
pub(crate) fn frames(path: &Path) -> Vec<Got> {
    let mut records = Vec::new();
    GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut records)
        .unwrap();
    let mut stream = Vec::with_capacity(records.len());
    let mut rest = &records[..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        stream.extend_from_slice(&rest[12..12 + length]);
        rest = &rest[12 + length..];
    }
    let mut frames = Vec::new();
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let size = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
        frames.push(Got {
            id: u32::from_le_bytes(rest[8..12].try_into().unwrap()),
            kind: u16::from_le_bytes(rest[12..14].try_into().unwrap()),
            payload: rest[14..14 + size].to_vec(),
        });
        rest = &rest[14 + size..];
    }
    frames
}

/// A recording that is part of the tests.
pub(crate) fn golden(name: &str) -> Vec<Got> {
    frames(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/golden")
            .join(name),
    )
}
