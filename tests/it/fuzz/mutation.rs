//! Changes by chance: of any bytes, and of records within their checksums.

use crate::common::noise::Noise;

/// Inputs do not become larger than this, so that many can be tried.
const MOST_BYTES: usize = 200 << 10;
/// Mark and version of our files; those of a journal have a salt as well.
const MAGIC: &[u8] = b"\x89MIXDESK\r\n\x1a\n";
const JOURNAL: [u8; 4] = [2, 0, 0, 0];
/// Length, checksum of the body, checksum of these.
const RECORD_HEADER_BYTES: usize = 12;

/// What becomes of a file. `other` is one of the same corpus.
pub(super) fn changed(file: &[u8], other: &[u8], noise: &mut Noise) -> Vec<u8> {
    let sealed = Sealed::open(file).filter(|_| !noise.one_in(3));
    let mut bytes = match sealed {
        Some(mut sealed) => {
            sealed.change(other, noise);
            sealed.seal()
        }
        None => file.to_vec(),
    };
    // What is sealed is mostly left like that.
    if Sealed::open(file).is_none() || noise.one_in(4) {
        for _ in 0..=noise.below(3) {
            change(&mut bytes, other, noise);
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

/// A part of something so long, most often a short one.
fn part(bytes: usize, noise: &mut Noise) -> std::ops::Range<usize> {
    let start = noise.below(bytes as u64 + 1) as usize;
    let most = [1, 8, 64, bytes][noise.below(4) as usize];
    let length = noise.below(most as u64 + 1) as usize;
    start..bytes.min(start + length)
}

/// Numbers at which something begins or ends.
fn number(noise: &mut Noise) -> u64 {
    const NUMBERS: [u64; 16] = [
        0,
        1,
        2,
        13,
        14,
        127,
        250,
        251,
        255,
        8192,
        65_535,
        65_536,
        (16 << 20) + 1,
        u32::MAX as u64,
        1 << 62,
        u64::MAX,
    ];
    let number = NUMBERS[noise.below(NUMBERS.len() as u64) as usize];
    number.wrapping_add(noise.below(3)).wrapping_sub(1)
}

fn change(bytes: &mut Vec<u8>, other: &[u8], noise: &mut Noise) {
    let range = part(bytes.len(), noise);
    let at = range.start;
    match noise.below(10) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << noise.below(8),
        2 if at < bytes.len() => bytes[at] = noise.next() as u8,
        3 | 4 => {
            let number = number(noise).to_le_bytes();
            let size = [1, 2, 4, 8][noise.below(4) as usize];
            let end = bytes.len().min(at + size);
            bytes.splice(at..end, number[..size].iter().copied());
        }
        5 => drop(bytes.drain(range)),
        6 => bytes.truncate(at),
        7 => {
            let times = [1, 1, 2, 100][noise.below(4) as usize];
            let again = bytes[range].repeat(times);
            bytes.splice(at..at, again);
        }
        8 => {
            let range = part(other.len(), noise);
            bytes.splice(at..at, other[range].iter().copied());
        }
        _ => {
            let (count, noisy) = (range.len(), !noise.one_in(2));
            let new = if noisy {
                noise.bytes(count)
            } else {
                vec![0; count]
            };
            bytes[range].copy_from_slice(&new);
        }
    }
}

/// A file of records without their checksums, up to where it can be read as that.
struct Sealed {
    header: Vec<u8>,
    salt: u32,
    bodies: Vec<Vec<u8>>,
}

impl Sealed {
    fn open(file: &[u8]) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (salt, mut rest) = match version {
            &JOURNAL => rest.split_first_chunk::<4>()?,
            _ => (&[0; 4], rest),
        };
        let header = file[..file.len() - rest.len()].to_vec();
        let mut bodies = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let end = RECORD_HEADER_BYTES - 4 + u32::from_le_bytes(*length) as usize;
            let Some(body) = after.get(RECORD_HEADER_BYTES - 4..end) else {
                break;
            };
            bodies.push(body.to_vec());
            rest = &after[end..];
        }
        (!bodies.is_empty()).then_some(Self {
            header,
            salt: u32::from_le_bytes(*salt),
            bodies,
        })
    }

    fn change(&mut self, other: &[u8], noise: &mut Noise) {
        let one = noise.below(self.bodies.len() as u64) as usize;
        let another = noise.below(self.bodies.len() as u64) as usize;
        match noise.below(8) {
            0 => self.bodies.swap(one, another),
            1 => drop(self.bodies.remove(one)),
            2 => self.bodies.insert(another, self.bodies[one].clone()),
            3 => {
                let theirs = Self::open(other).map_or(Vec::new(), |other| other.bodies);
                let from = noise.below(theirs.len() as u64 + 1) as usize;
                self.bodies
                    .splice(one..one, theirs.into_iter().skip(from).take(3));
            }
            _ => {
                for _ in 0..=noise.below(3) {
                    change(&mut self.bodies[one], other, noise);
                }
            }
        }
    }

    fn seal(self) -> Vec<u8> {
        let mut file = self.header;
        for body in self.bodies {
            let mut header = [0; RECORD_HEADER_BYTES];
            header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
            header[4..8].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
            let mut own = crc32fast::Hasher::new_with_initial(self.salt);
            own.update(&header[..8]);
            header[8..].copy_from_slice(&own.finalize().to_le_bytes());
            file.extend_from_slice(&header);
            file.extend_from_slice(&body);
        }
        file
    }
}

#[test]
fn what_is_sealed_again_is_as_it_was() {
    let mut sealed = 0;
    for corpus in ["journal", "archive"] {
        for (name, file) in super::files(corpus) {
            let whole = ["commands", "by-the-program", "copy-commands"].contains(&name.as_str());
            let Some(open) = Sealed::open(&file) else {
                assert!(!whole, "{name}");
                continue;
            };
            assert!(!whole || open.seal() == file, "{name}");
            sealed += 1;
        }
    }
    assert!(sealed > 50, "{sealed}");
}
