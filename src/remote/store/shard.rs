//! Where the file information of each content is in a shard.
//!
//! A shard begins with a header of 48 bytes; then, for each file, a header of 48 bytes and as many entries
//! of 48 bytes as it says (segments, their verification, metadata); the header that ends the list has
//! only ones for a hash. What follows, the chunks of the xorbs, may be long and is not needed to read.

use std::io::Cursor;

use bytes::Bytes;
use xet_core_structures::{
    merklehash::{MerkleHash, compute_data_hash},
    metadata_shard::{
        MDBShardFileHeader,
        file_structs::{FileDataSequenceHeader, MDBFileInfo},
    },
};

use super::format::Located;
use crate::{
    error::{Error, Kind, Result},
    node::ContentId,
};

/// Bytes of a header and of an entry alike.
const ENTRY: u64 = 48;

fn bad(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Invalid, format!("not a shard: {why}"))
}

/// The shard's hash, and where in it its contents are.
///
/// # Errors
/// `Invalid` if it is not a shard.
pub fn locate(shard: &[u8]) -> Result<(MerkleHash, Vec<Located>)> {
    let hash = compute_data_hash(shard);
    MDBShardFileHeader::deserialize(&mut Cursor::new(shard)).map_err(bad)?;
    let mut found = Vec::new();
    let mut at = ENTRY;
    loop {
        let entry = |from: u64, len: u64| {
            let (from, len) = (usize::try_from(from).ok()?, usize::try_from(len).ok()?);
            shard.get(from..from.checked_add(len)?)
        };
        let head = entry(at, ENTRY).ok_or_else(|| bad("it is cut"))?;
        let head = FileDataSequenceHeader::deserialize(&mut Cursor::new(head)).map_err(bad)?;
        if head.is_bookend() {
            return Ok((hash, found));
        }
        let len = ENTRY * (1 + u64::from(head.num_info_entry_following().map_err(bad)?));
        let bytes = entry(at, len).ok_or_else(|| bad("it is cut"))?;
        let info = read(bytes)?;
        found.push(Located {
            content: ContentId::from(head.file_hash),
            size: info.file_size(),
            shard: hash,
            at,
            len: u32::try_from(len).map_err(bad)?,
            crc: crc32fast::hash(bytes),
        });
        at += len;
    }
}

fn read(bytes: &[u8]) -> Result<MDBFileInfo> {
    MDBFileInfo::deserialize(&mut Cursor::new(bytes)).map_err(bad)?.ok_or_else(|| bad("it has no such file"))
}

/// Reads what was located.
///
/// # Errors
/// The cause if the bytes are not what was located.
pub fn file_info(located: &Located, bytes: &Bytes) -> std::result::Result<MDBFileInfo, &'static str> {
    if crc32fast::hash(bytes) != located.crc {
        return Err("a checksum in a shard does not fit");
    }
    match read(bytes) {
        Ok(info)
            if ContentId::from(info.metadata.file_hash) == located.content
                && info.file_size() == located.size =>
        {
            Ok(info)
        }
        _ => Err("a shard has another file than was expected"),
    }
}
