//! Checked records, one after the other: the layer under our own format and under a journal.
//!
//! A record is its header, `length` u32, CRC-32 of the body u32, CRC-32 of those eight bytes u32 (all
//! little-endian), and then the body, `length` bytes of any kind. Records are only ever appended, so
//! a program killed in the middle of a write leaves a torn record at the end and nothing worse.
//!
//! The header has a checksum of its own because a damaged length would otherwise look like a torn
//! end, and everything after it would be lost without a word.

use std::io::{Read, Write};

use bytes::Bytes;

use super::{ArchiveError, Ending};

/// Bytes of a record's header.
pub const RECORD_HEADER_BYTES: usize = 12;

/// Appends records.
#[derive(Debug)]
pub struct RecordWriter<W> {
    to: W,
}

impl<W: Write> RecordWriter<W> {
    /// Appends to `to`, which must stand after a whole record or where the first one goes.
    pub fn new(to: W) -> Self {
        Self { to }
    }

    /// Appends one record whose body is `parts` one after the other. Returns its bytes in the file,
    /// header included.
    ///
    /// # Errors
    /// When the body does not fit a u32 length (nothing is written then), or writing fails. After
    /// that the file may end in a torn record, so nothing else may be appended.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<u64, ArchiveError> {
        let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let length = u32::try_from(total).map_err(|_| ArchiveError::TooLarge {
            what: "a record",
            bytes: total,
            limit: u32::MAX.into(),
        })?;
        let mut body = crc32fast::Hasher::new();
        for part in parts {
            body.update(part);
        }
        let header = encode_header(0, length, body.finalize());
        self.to.write_all(&header).map_err(ArchiveError::Write)?;
        for part in parts {
            self.to.write_all(part).map_err(ArchiveError::Write)?;
        }
        Ok(RECORD_HEADER_BYTES as u64 + total)
    }

    /// What is written to, for instance to bring it to the disk.
    pub fn inner_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where its header starts.
    pub at: u64,
    /// What it holds; the buffer is exactly this large.
    pub body: Bytes,
}

/// Reads records to the end of a file: an iterator that after its end knows how the file ends.
#[derive(Debug)]
pub struct RecordReader<R> {
    from: R,
    /// Where `from` stands, which is after a whole record.
    at: u64,
    /// The file's size.
    total: u64,
    ending: Option<Ending>,
    failed: bool,
}

impl<R: Read> RecordReader<R> {
    /// Reads from `from`, which stands at byte `at` of `total_bytes`. What grows behind that while
    /// reading is not looked at.
    pub fn new(from: R, at: u64, total_bytes: u64) -> Self {
        Self {
            from,
            at,
            total: total_bytes,
            ending: None,
            failed: false,
        }
    }

    /// How the file ends; `None` before the end is reached, and for ever after an error.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Where the next record starts. After the end or an error: up to where the file is good, which
    /// is where a journal goes on.
    #[must_use]
    pub fn good_bytes(&self) -> u64 {
        self.at
    }

    fn cut_off(&mut self) -> Option<Record> {
        self.ending = Some(Ending::CutOff {
            at: self.at,
            lost_bytes: self.total.saturating_sub(self.at),
        });
        None
    }

    fn damaged(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Damaged { at: self.at, what }
    }

    /// Reads up to `length` bytes; fewer only when the file became shorter meanwhile. The caller
    /// makes sure that the file was that long.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::with_capacity(length);
        let at = self.at;
        self.from
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut bytes)
            .map_err(|source| ArchiveError::Read { at, source })?;
        Ok(bytes)
    }

    fn read(&mut self) -> Result<Option<Record>, ArchiveError> {
        let left = self.total.saturating_sub(self.at);
        if left == 0 {
            self.ending = Some(Ending::Whole);
            return Ok(None);
        }
        let Some(left) = left.checked_sub(RECORD_HEADER_BYTES as u64) else {
            return Ok(self.cut_off());
        };
        let header = self.take(RECORD_HEADER_BYTES)?;
        let Some(header) = header.first_chunk::<RECORD_HEADER_BYTES>() else {
            return Ok(self.cut_off());
        };
        let Some((length, sum)) = decode_header(0, *header) else {
            return Err(self.damaged("a record's header does not match its checksum"));
        };
        let Some(length) = usize::try_from(length)
            .ok()
            .filter(|length| *length as u64 <= left)
        else {
            return Ok(self.cut_off());
        };
        let body = self.take(length)?;
        if body.len() < length {
            return Ok(self.cut_off());
        }
        if crc32fast::hash(&body) != sum {
            return Err(self.damaged("a record does not match its checksum"));
        }
        let at = self.at;
        self.at += (RECORD_HEADER_BYTES + length) as u64;
        let body = body.into();
        Ok(Some(Record { at, body }))
    }
}

impl<R: Read> Iterator for RecordReader<R> {
    type Item = Result<Record, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.ending.is_some() {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}

/// `salt`: what the header's own checksum begins with; 0 where a file has none.
pub(super) fn encode_header(salt: u32, length: u32, sum: u32) -> [u8; RECORD_HEADER_BYTES] {
    let [l0, l1, l2, l3] = length.to_le_bytes();
    let [s0, s1, s2, s3] = sum.to_le_bytes();
    let mut own = crc32fast::Hasher::new_with_initial(salt);
    own.update(&[l0, l1, l2, l3, s0, s1, s2, s3]);
    let [o0, o1, o2, o3] = own.finalize().to_le_bytes();
    [l0, l1, l2, l3, s0, s1, s2, s3, o0, o1, o2, o3]
}

/// Length and CRC-32 of the body; `None` when the header's own checksum does not match.
pub(super) fn decode_header(salt: u32, header: [u8; RECORD_HEADER_BYTES]) -> Option<(u32, u32)> {
    let [l0, l1, l2, l3, s0, s1, s2, s3, ..] = header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let sum = u32::from_le_bytes([s0, s1, s2, s3]);
    (encode_header(salt, length, sum) == header).then_some((length, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bodies: &[&[u8]]) -> Vec<u8> {
        let mut writer = RecordWriter::new(Vec::new());
        for body in bodies {
            writer.append(&[body]).unwrap();
        }
        writer.into_inner()
    }

    fn read(file: &[u8]) -> (Vec<Bytes>, RecordReader<&[u8]>) {
        let mut reader = RecordReader::new(file, 0, file.len() as u64);
        let bodies = reader.by_ref().map_while(Result::ok);
        (bodies.map(|record| record.body).collect(), reader)
    }

    #[test]
    fn a_record_byte_for_byte() {
        let mut writer = RecordWriter::new(Vec::new());
        assert_eq!(writer.append(&[b"123", b"", b"456789"]).unwrap(), 21);
        // 0xcbf43926 is the check value of CRC-32 for these nine digits.
        assert_eq!(
            writer.into_inner(),
            b"\x09\0\0\0\x26\x39\xf4\xcb\x3e\xd5\xe8\xa8123456789"
        );
    }

    #[test]
    fn a_torn_end_is_cut_off_where_it_starts() {
        let file = written(&[b"first", b"", b"third"]);
        let starts = [0, 17, 29, 46];
        for cut in 0..=file.len() {
            let (bodies, reader) = read(&file[..cut]);
            let good = starts.iter().filter(|start| **start <= cut).count() - 1;
            assert_eq!(bodies, [&b"first"[..], b"", b"third"][..good]);
            assert_eq!(reader.good_bytes(), starts[good] as u64);
            let ending = if starts.contains(&cut) {
                Ending::Whole
            } else {
                Ending::CutOff {
                    at: starts[good] as u64,
                    lost_bytes: (cut - starts[good]) as u64,
                }
            };
            assert_eq!(reader.ending(), Some(ending), "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_told_and_costs_nothing_before_it() {
        let file = written(&[b"first", b"second", b"third"]);
        let starts = [0u64, 17, 35];
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let mut reader = RecordReader::new(&file[..], 0, file.len() as u64);
            let hurt = starts.iter().filter(|at| **at <= bit as u64 / 8).count() - 1;
            for _ in 0..hurt {
                assert!(reader.next().unwrap().is_ok());
            }
            assert!(matches!(
                reader.next(),
                Some(Err(ArchiveError::Damaged { at, .. })) if at == starts[hurt]
            ));
            assert_eq!(reader.good_bytes(), starts[hurt]);
            assert!(reader.next().is_none() && reader.ending().is_none());
        }
    }

    #[test]
    fn a_file_that_shrinks_meanwhile_is_cut_off() {
        let file = written(&[b"first", b"second"]);
        for there in 18..file.len() {
            let mut reader = RecordReader::new(&file[..there], 0, file.len() as u64);
            assert!(reader.next().unwrap().is_ok());
            assert!(reader.next().is_none());
            assert_eq!(
                reader.ending(),
                Some(Ending::CutOff {
                    at: 17,
                    lost_bytes: 18
                })
            );
        }
    }

    #[test]
    fn a_claim_beyond_the_file_is_a_torn_end() {
        let mut file = encode_header(0, u32::MAX, 0).to_vec();
        file.extend_from_slice(b"abc");
        let (bodies, reader) = read(&file);
        assert!(bodies.is_empty());
        assert_eq!(
            reader.ending(),
            Some(Ending::CutOff {
                at: 0,
                lost_bytes: 15
            })
        );
    }
}
