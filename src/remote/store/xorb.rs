//! [`Xorbs`]: reads chunks out of xorbs, fetching only the bytes that are needed, and checks each chunk
//! against its hash.
//!
//! A xorb is its chunks one after the other, each with an 8-byte header, then a footer: the chunks'
//! hashes (32 bytes each), the offsets of their ends, packed and unpacked (4 bytes each), then 28 bytes
//! of fixed layout (number of chunks, distances of the two sections from the footer's end, a buffer of 16
//! bytes) and the footer's length in 4. So one read of the last few KiB tells where chunks are, and
//! another few KiB have the hashes of those that are read.

use std::{
    collections::HashMap,
    io::Cursor,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use xet_core_structures::{
    merklehash::{MerkleHash, compute_data_hash},
    xorb_object::{XorbObjectInfoV1, deserialize_chunks},
};

use super::bucket::{Bucket, at, damaged};
use crate::error::{Error, Kind, Result};

/// The first guess at how many bytes from the end hold the offsets: enough for 2,000 chunks, and a xorb
/// of 64 MiB has 1,000 or so.
const TAIL: u64 = 16 << 10;
/// Bytes of the footer behind its last section: the fixed fields, without the footer's length.
const FIXED: u64 = 28;
/// Bytes of the footer's own length at the very end.
const LENGTH: u64 = 4;
/// Bytes in front of a section's entries: its identifier, version and number of entries.
const SECTION_HEAD: u64 = 12;
/// Hashes are fetched in groups of this many.
const GROUP: u32 = 128;
/// How many xorbs' indices are kept in memory, 8 bytes a chunk and 32 for each known hash: 5 MiB or so.
const KEPT: usize = 128;

/// Where the chunks of one xorb are.
pub struct Index {
    /// For each chunk where it ends in the xorb, header included.
    packed: Vec<u32>,
    /// For each chunk where it ends in the unpacked content.
    unpacked: Vec<u32>,
    /// Where the hashes begin in the xorb.
    hashes_at: u64,
    /// The hashes as far as they are known, in groups of [`GROUP`] chunks.
    hashes: Mutex<HashMap<u32, Arc<Vec<MerkleHash>>>>,
}

impl Index {
    /// How many chunks there are.
    pub fn chunks(&self) -> u32 {
        self.packed.len() as u32
    }

    fn edge(ends: &[u32], chunk: u32) -> u64 {
        if chunk == 0 { 0 } else { u64::from(ends[chunk as usize - 1]) }
    }

    /// The bytes of the chunks `chunks` in the xorb. The range must lie within the chunks there are.
    pub fn packed(&self, chunks: Range<u32>) -> Range<u64> {
        Self::edge(&self.packed, chunks.start)..Self::edge(&self.packed, chunks.end)
    }

    /// The bytes of the chunks `chunks` in the unpacked content.
    pub fn unpacked(&self, chunks: Range<u32>) -> Range<u64> {
        Self::edge(&self.unpacked, chunks.start)..Self::edge(&self.unpacked, chunks.end)
    }

    /// Which chunks are the bytes `bytes` of the xorb; `None` if that cuts a chunk.
    pub fn chunks_at(&self, bytes: Range<u64>) -> Option<Range<u32>> {
        let chunk = |edge: u64| match edge {
            0 => Some(0),
            _ => self.packed.binary_search(&u32::try_from(edge).ok()?).ok().map(|i| i as u32 + 1),
        };
        Some(chunk(bytes.start)?..chunk(bytes.end)?)
    }
}

#[derive(Default)]
struct Kept {
    /// Counts uses.
    clock: u64,
    /// With each index when it was used last.
    indices: HashMap<MerkleHash, (u64, Arc<Index>)>,
}

/// The xorbs of a bucket.
pub struct Xorbs {
    bucket: Arc<Bucket>,
    /// The lock is never held during a read.
    kept: Mutex<Kept>,
}

fn le32(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)))
}

fn missing(xorb: &MerkleHash) -> Error {
    damaged(&at::xorb(&xorb.hex()), "a xorb is missing")
}

impl Xorbs {
    /// Of this bucket.
    pub fn new(bucket: Arc<Bucket>) -> Xorbs {
        Xorbs { bucket, kept: Mutex::default() }
    }

    /// Forgets what is known of a xorb.
    pub fn forget(&self, xorb: &MerkleHash) {
        self.kept.lock().unwrap_or_else(|e| e.into_inner()).indices.remove(xorb);
    }

    /// The index of a xorb, from memory or by one or two small reads.
    ///
    /// # Errors
    /// `Damaged` if the xorb is missing or its footer makes no sense.
    pub async fn index(&self, xorb: &MerkleHash) -> Result<Arc<Index>> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
            kept.clock += 1;
            let now = kept.clock;
            if let Some((used, index)) = kept.indices.get_mut(xorb) {
                *used = now;
                return Ok(index.clone());
            }
        }
        let index = Arc::new(self.read_index(xorb).await?);
        let mut kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        let now = kept.clock;
        if kept.indices.len() >= KEPT
            && let Some(oldest) =
                kept.indices.iter().min_by_key(|(_, (used, _))| *used).map(|(hash, _)| *hash)
        {
            kept.indices.remove(&oldest);
        }
        kept.indices.insert(*xorb, (now, index.clone()));
        Ok(index)
    }

    async fn read_index(&self, xorb: &MerkleHash) -> Result<Index> {
        let path = at::xorb(&xorb.hex());
        let bad = |why: &str| damaged(&path, &format!("a xorb's footer is wrong: {why}"));
        let (mut tail, size) = self.bucket.tail(&path, TAIL).await?.ok_or_else(|| missing(xorb))?;
        let len = tail.len() as u64;
        if len < FIXED + LENGTH {
            return Err(bad("it is too short"));
        }
        let from_end =
            |distance: u64| le32(&tail, len - LENGTH - distance).ok_or_else(|| bad("it is too short"));
        let count = from_end(FIXED)?;
        let hashes_from_end = from_end(FIXED - 4)?;
        let offsets_from_end = from_end(FIXED - 8)?;
        // What the layout says the distances must be; a footer that says otherwise is not one.
        let offsets = SECTION_HEAD + 8 * count + FIXED;
        if offsets_from_end != offsets || hashes_from_end != SECTION_HEAD + 32 * count + offsets {
            return Err(bad("its parts don't fit"));
        }
        if offsets + LENGTH > len {
            let from = size.checked_sub(offsets + LENGTH).ok_or_else(|| bad("it is too short"))?;
            tail = self.bucket.range(&path, from..size).await?.ok_or_else(|| missing(xorb))?;
        }
        let (info, _) = XorbObjectInfoV1::deserialize_only_boundaries_section(&mut Cursor::new(&tail[..]))
            .map_err(|e| bad(&e.to_string()))?;
        let footer_at =
            size.checked_sub(LENGTH + hashes_from_end + 40).ok_or_else(|| bad("it is too short"))?;
        let (packed, unpacked) = (info.chunk_boundary_offsets, info.unpacked_chunk_offsets);
        let rises = |ends: &[u32]| ends.windows(2).all(|w| w[0] < w[1]) && ends.first() != Some(&0);
        if !rises(&packed) || !rises(&unpacked) || u64::from(packed.last().copied().unwrap_or(0)) != footer_at
        {
            return Err(bad("its offsets don't fit"));
        }
        let hashes_at = footer_at + 40 + SECTION_HEAD;
        let index = Index { packed, unpacked, hashes_at, hashes: Mutex::default() };
        // A small xorb's hashes have come along.
        let have_from = size - tail.len() as u64;
        if have_from <= hashes_at {
            let at = (hashes_at - have_from) as usize;
            index.keep_hashes(0, &tail[at..at + 32 * count as usize]);
        }
        Ok(index)
    }

    /// The hashes of the chunks `chunks`, from memory or by a small read.
    pub async fn hashes(
        &self,
        xorb: &MerkleHash,
        index: &Index,
        chunks: Range<u32>,
    ) -> Result<Vec<MerkleHash>> {
        if let Some(hashes) = index.known_hashes(&chunks) {
            return Ok(hashes);
        }
        let from = chunks.start / GROUP * GROUP;
        let to = chunks.end.next_multiple_of(GROUP).min(index.chunks());
        let path = at::xorb(&xorb.hex());
        let range = index.hashes_at + 32 * u64::from(from)..index.hashes_at + 32 * u64::from(to);
        let bytes = self.bucket.range(&path, range).await?.ok_or_else(|| missing(xorb))?;
        index.keep_hashes(from, &bytes);
        Ok(bytes[32 * (chunks.start - from) as usize..]
            .chunks_exact(32)
            .take((chunks.end - chunks.start) as usize)
            .map(to_hash)
            .collect())
    }

    /// The unpacked bytes of the chunks `chunks`, and where in them each begins and the last ends. Every
    /// chunk is checked against its hash.
    ///
    /// # Errors
    /// `Damaged` if anything does not fit; `Invalid` if there are no such chunks.
    pub async fn read(&self, xorb: &MerkleHash, chunks: Range<u32>) -> Result<(Bytes, Vec<u32>)> {
        let index = self.index(xorb).await?;
        if chunks.start >= chunks.end || chunks.end > index.chunks() {
            return Err(Error::new(Kind::Invalid, format!("a xorb has no chunks {chunks:?}"))
                .at(at::xorb(&xorb.hex())));
        }
        let path = at::xorb(&xorb.hex());
        let (packed, hashes) = futures::try_join!(
            self.bucket.range(&path, index.packed(chunks.clone())),
            self.hashes(xorb, &index, chunks.clone())
        )?;
        let packed = packed.ok_or_else(|| missing(xorb))?;
        let unpacked = index.unpacked(chunks);
        let checked = tokio::task::spawn_blocking(move || {
            unpack(&packed, &hashes, unpacked.end - unpacked.start).map_err(|why| damaged(&path, why))
        });
        checked.await.map_err(|e| Error::new(Kind::Other, format!("unpacking a xorb: {e}")))?
    }
}

fn unpack(packed: &[u8], hashes: &[MerkleHash], len: u64) -> Result<(Bytes, Vec<u32>), &'static str> {
    let (data, edges) =
        deserialize_chunks(&mut Cursor::new(packed)).map_err(|_| "a chunk can't be unpacked")?;
    if edges.len() != hashes.len() + 1 || data.len() as u64 != len {
        return Err("a xorb has other chunks than its footer says");
    }
    let fits = |(edge, hash): (&[u32], &MerkleHash)| {
        compute_data_hash(&data[edge[0] as usize..edge[1] as usize]) == *hash
    };
    if !edges.windows(2).zip(hashes).all(fits) {
        return Err("a chunk's checksum does not fit");
    }
    Ok((data.into(), edges))
}

fn to_hash(bytes: &[u8]) -> MerkleHash {
    MerkleHash::from_slice(bytes).unwrap_or_default()
}

impl Index {
    fn keep_hashes(&self, from: u32, bytes: &[u8]) {
        let mut kept = self.hashes.lock().unwrap_or_else(|e| e.into_inner());
        for (i, group) in bytes.chunks(32 * GROUP as usize).enumerate() {
            kept.insert(from / GROUP + i as u32, Arc::new(group.chunks_exact(32).map(to_hash).collect()));
        }
    }

    fn known_hashes(&self, chunks: &Range<u32>) -> Option<Vec<MerkleHash>> {
        let kept = self.hashes.lock().unwrap_or_else(|e| e.into_inner());
        chunks
            .clone()
            .map(|chunk| {
                kept.get(&(chunk / GROUP)).and_then(|group| group.get((chunk % GROUP) as usize)).copied()
            })
            .collect()
    }
}
