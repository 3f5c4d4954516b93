//! One record of a journal, as a value and as 64 bytes.

use std::ops::Range;

use super::BootId;
use crate::node::{Content, ContentId, Ino, Time};

/// Length of a record, bytes. Divides a page, so no record lies on two of them.
pub const RECORD: usize = 64;

/// The newest format that this program reads, and the one it writes.
pub const VERSION: u32 = 1;

/// In the header, so that other files are told from journals of a newer version.
const MAGIC: u32 = u32::from_le_bytes(*b"lacJ");

/// One fact about a staged file. Ranges and sizes are in bytes of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// Always the first.
    Header {
        /// Format of all that follows.
        version: u32,
        /// Whose journal it is.
        ino: Ino,
        /// The last generation that was frozen before this journal was begun.
        generation: u64,
        /// The boot in which all records of this journal were written.
        boot: BootId,
    },
    /// Always the second: nothing is present but what later records say.
    Base {
        /// The content that shows through; none is as good as the empty one.
        content: Option<Content>,
        /// Up to where it shows through.
        limit: u64,
        /// The file's size.
        size: u64,
    },
    /// The file's times, without a change of content.
    Times {
        /// As programs see and set it.
        mtime: Time,
        /// Last change of bytes or size.
        ctime: Time,
    },
    /// These bytes are the file's own now, though their content did not change.
    Dirty(Range<u64>),
    /// These bytes were written (or zeroed); the file grew to hold them, by zeros up to their start.
    Write {
        /// Which bytes.
        range: Range<u64>,
        /// When.
        now: Time,
    },
    /// These bytes of the base are here now.
    Fill(Range<u64>),
    /// The size was set: cut, or grown by zeros.
    Truncate {
        /// The new size.
        size: u64,
        /// When.
        now: Time,
    },
    /// The clean bytes are no longer here. Synced before they are taken away.
    Evict,
    /// Clean bytes are about to be overwritten: none is to be trusted after a reboot. Synced before.
    Doubt,
    /// What is dirty is in flight now, as this generation.
    Freeze(u64),
    /// In a compacted journal: a generation is in flight, whose bytes follow as `InFlight`.
    Flight {
        /// Its number.
        generation: u64,
        /// The file's size when it was frozen.
        size: u64,
        /// The smallest size since then, that one included.
        low: u64,
        /// Whether power was lost since.
        doubtful: bool,
    },
    /// In a compacted journal: bytes of the generation in flight.
    InFlight(Range<u64>),
    /// The upload of a generation is complete and will be committed as this content.
    Intent {
        /// Which generation.
        generation: u64,
        /// What it became.
        content: Content,
    },
    /// The remote has committed a generation.
    Commit {
        /// Which generation.
        generation: u64,
        /// The new base.
        content: Content,
    },
    /// The flush of a generation was given up.
    Thaw(u64),
    /// All that the records before this one speak of has been synced.
    Sync {
        /// Whether that includes every clean byte.
        clean: bool,
    },
}

/// Appends `record` to `out`. `chain` is the checksum of the record before (0 for the first) and
/// becomes this one's.
///
/// Layout, little-endian: checksum `u32`, kind `u32`, three numbers `u64`, 32 bytes of id. The checksum
/// (CRC-32) covers the rest after the predecessor's checksum, so a record that was overwritten in place
/// takes its successors with it.
pub fn encode(record: &Record, chain: &mut u32, out: &mut Vec<u8>) {
    let none = [0; 32];
    let of = |c: &Content| (c.size, c.id.0);
    let (kind, a, b, c, id): (u32, u64, u64, u64, [u8; 32]) = match record {
        Record::Header { version, ino, generation, boot } => {
            (1, u64::from(MAGIC) << 32 | u64::from(*version), ino.0, *generation, boot.0)
        }
        Record::Base { content: None, limit, size } => (2, 0, *limit, *size, none),
        Record::Base { content: Some(content), limit, size } => {
            let (a, id) = of(content);
            (3, a, *limit, *size, id)
        }
        Record::Times { mtime, ctime } => (4, mtime.0 as u64, ctime.0 as u64, 0, none),
        Record::Dirty(r) => (5, r.start, r.end, 0, none),
        Record::Write { range: r, now } => (6, r.start, r.end, now.0 as u64, none),
        Record::Fill(r) => (7, r.start, r.end, 0, none),
        Record::Truncate { size, now } => (8, *size, 0, now.0 as u64, none),
        Record::Evict => (9, 0, 0, 0, none),
        Record::Doubt => (10, 0, 0, 0, none),
        Record::Freeze(g) => (11, *g, 0, 0, none),
        Record::Flight { generation, size, low, doubtful } => {
            (12, *generation, *size, *low, [u8::from(*doubtful); 32])
        }
        Record::InFlight(r) => (13, r.start, r.end, 0, none),
        Record::Intent { generation, content } => {
            let (b, id) = of(content);
            (14, *generation, b, 0, id)
        }
        Record::Commit { generation, content } => {
            let (b, id) = of(content);
            (15, *generation, b, 0, id)
        }
        Record::Thaw(g) => (16, *g, 0, 0, none),
        Record::Sync { clean } => (17, u64::from(*clean), 0, 0, none),
    };
    let mut body = [0; RECORD - 4];
    body[..4].copy_from_slice(&kind.to_le_bytes());
    for (i, n) in [a, b, c].into_iter().enumerate() {
        body[4 + 8 * i..12 + 8 * i].copy_from_slice(&n.to_le_bytes());
    }
    body[28..].copy_from_slice(&id);
    *chain = checksum(*chain, &body);
    out.extend_from_slice(&chain.to_le_bytes());
    out.extend_from_slice(&body);
}

/// Reads a record of [`RECORD`] bytes; `None` if it does not check, and `chain` is then as before.
pub fn decode(bytes: &[u8], chain: &mut u32) -> Option<Record> {
    let bytes: &[u8; RECORD] = bytes.try_into().ok()?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let number = |i: usize| u64::from_le_bytes(std::array::from_fn(|k| bytes[8 + 8 * i + k]));
    if word(0) != checksum(*chain, &bytes[4..]) {
        return None;
    }
    let (a, b, c) = (number(0), number(1), number(2));
    let id: [u8; 32] = std::array::from_fn(|i| bytes[32 + i]);
    let content = |size| Content { id: ContentId(id), size };
    let record = match word(4) {
        1 if (a >> 32) as u32 == MAGIC => {
            Record::Header { version: a as u32, ino: Ino(b), generation: c, boot: BootId(id) }
        }
        2 => Record::Base { content: None, limit: b, size: c },
        3 => Record::Base { content: Some(content(a)), limit: b, size: c },
        4 => Record::Times { mtime: Time(a as i64), ctime: Time(b as i64) },
        5 => Record::Dirty(a..b),
        6 => Record::Write { range: a..b, now: Time(c as i64) },
        7 => Record::Fill(a..b),
        8 => Record::Truncate { size: a, now: Time(c as i64) },
        9 => Record::Evict,
        10 => Record::Doubt,
        11 => Record::Freeze(a),
        12 => Record::Flight { generation: a, size: b, low: c, doubtful: id != [0; 32] },
        13 => Record::InFlight(a..b),
        14 => Record::Intent { generation: a, content: content(b) },
        15 => Record::Commit { generation: a, content: content(b) },
        16 => Record::Thaw(a),
        17 => Record::Sync { clean: a != 0 },
        _ => return None,
    };
    *chain = word(0);
    Some(record)
}

fn checksum(chain: u32, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&chain.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> Vec<Record> {
        let content = Content { id: ContentId([7; 32]), size: 99 };
        vec![
            Record::Header { version: VERSION, ino: Ino(12), generation: 5, boot: BootId::new("a") },
            Record::Base { content: None, limit: 0, size: 0 },
            Record::Base { content: Some(content), limit: 98, size: 97 },
            Record::Times { mtime: Time(-1), ctime: Time(i64::MAX) },
            Record::Dirty(1..2),
            Record::Write { range: 3..u64::MAX, now: Time(-5) },
            Record::Fill(4..5),
            Record::Truncate { size: 6, now: Time(7) },
            Record::Evict,
            Record::Doubt,
            Record::Freeze(8),
            Record::Flight { generation: 9, size: 10, low: 11, doubtful: true },
            Record::InFlight(12..13),
            Record::Intent { generation: 14, content },
            Record::Commit { generation: 15, content },
            Record::Thaw(16),
            Record::Sync { clean: true },
            Record::Sync { clean: false },
        ]
    }

    #[test]
    fn every_kind_reads_back() {
        let (mut out, mut chain) = (Vec::new(), 0);
        for r in every_kind() {
            encode(&r, &mut chain, &mut out);
        }
        let mut chain = 0;
        let back: Vec<_> = out.chunks(RECORD).map(|c| decode(c, &mut chain).unwrap()).collect();
        assert_eq!(back, every_kind());
    }

    #[test]
    fn a_changed_bit_is_noticed_and_so_is_another_predecessor() {
        let (mut out, mut chain) = (Vec::new(), 3);
        encode(&Record::Write { range: 1..2, now: Time(3) }, &mut chain, &mut out);
        for bit in 0..RECORD * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad, &mut 3), None, "bit {bit}");
        }
        assert_eq!(decode(&out, &mut 4), None);
        assert_eq!(decode(&[0; RECORD], &mut 0), None, "a padded tail is no record");
    }
}
