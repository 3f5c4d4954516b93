//! New chunks of one session, of all its files, into few xorbs.
//!
//! Each chunk is first looked for: where the run before it goes on, among what this machine knows, in the
//! xorb that is on its way, and in the one being filled. What is new is copied into the latter, which goes
//! up when it is full, beside the filling of the next: about two xorbs are in memory, whatever the files'
//! sizes.
//!
//! `xet_data`'s `FileDeduper` is not used: it holds the hashes of the whole file, does not see the other
//! files of the session, and gives a run of equal chunks (a gap of zeros) one segment for each.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::task::JoinHandle;
use xet_client::error::ClientError;
use xet_core_structures::{
    merklehash::MerkleHash,
    metadata_shard::{
        chunk_verification::range_hash_from_chunks, file_structs::FileDataSequenceEntry,
        xorb_structs::MDBXorbInfo,
    },
    xorb_object::{
        Chunk, RawXorbData, SerializedXorbObject,
        constants::{MAX_XORB_BYTES, MAX_XORB_CHUNKS},
    },
};

use super::{Inner, cas_error, compose::segments_allowed};
use crate::error::{Error, Kind, Result};

/// A segment has at most this many chunks: the hashes of a segment that an edit cuts must be learned (40
/// bytes a chunk), so this bounds what an edit costs where chunks are small.
pub(super) const SEGMENT_CHUNKS: usize = 512;
/// The prefix that xet's clients put before the hashes of xorbs.
const PREFIX: &str = "default";
/// So many equal chunks in a row are worth a segment.
const REPEATS: usize = 64;
/// In a file that has more segments than it should, so many known chunks in a row are worth one more.
const LONG: usize = 8;

/// A segment of a file, and the hash that vouches for its chunks.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub entry: FileDataSequenceEntry,
    pub verification: MerkleHash,
}

/// Names a run of chunks that the packer was given: a window of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(usize);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the xorb being filled, whose hash is not known yet.
    Here,
    There(MerkleHash),
}

/// Chunks that follow each other in a file and in a xorb.
struct Run {
    slot: Slot,
    place: Place,
    start: u32,
    hashes: Vec<MerkleHash>,
    bytes: u32,
}

impl Run {
    fn end(&self) -> u32 {
        self.start + self.hashes.len() as u32
    }
}

/// The xorb being filled.
#[derive(Default)]
struct Filling {
    chunks: Vec<Chunk>,
    bytes: usize,
    index: HashMap<MerkleHash, u32>,
    /// Where files begin: compression is chosen anew there.
    boundaries: Vec<usize>,
    /// The parts that wait for the xorb's hash.
    waiting: Vec<(Slot, usize)>,
}

/// A xorb on its way to the remote.
struct Sending {
    hash: MerkleHash,
    rows: Vec<(MerkleHash, u32)>,
    index: HashMap<MerkleHash, u32>,
    task: JoinHandle<Result<u64>>,
}

pub(super) struct Packer {
    inner: Arc<Inner>,
    filling: Filling,
    sending: Option<Sending>,
    run: Option<Run>,
    new_file: bool,
    /// How many segments the file may still take before short finds are no longer used.
    room: usize,
    slots: Vec<Vec<Part>>,
    /// The xorbs that are at the remote and not yet in a shard.
    pub infos: Vec<MDBXorbInfo>,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes of chunks sent, before compression.
    pub packed: u64,
    /// An upload failed: nothing more can come of this session.
    pub failed: bool,
}

impl Packer {
    pub fn new(inner: Arc<Inner>) -> Packer {
        Packer {
            inner,
            filling: Filling::default(),
            sending: None,
            run: None,
            new_file: true,
            room: 0,
            slots: Vec::new(),
            infos: Vec::new(),
            sent: 0,
            packed: 0,
            failed: false,
        }
    }

    /// The chunks that follow are of another file, of `size` bytes.
    pub fn begin_file(&mut self, size: u64) {
        self.new_file = true;
        self.room = segments_allowed(size);
    }

    /// The file keeps so many segments of its base.
    pub fn kept(&mut self, segments: usize) {
        self.room = self.room.saturating_sub(segments);
    }

    /// Begins a run of chunks.
    pub fn slot(&mut self) -> Slot {
        self.slots.push(Vec::new());
        Slot(self.slots.len() - 1)
    }

    /// The segments of a slot; whole after [`Packer::finish`].
    pub fn take(&mut self, slot: Slot) -> Vec<Part> {
        std::mem::take(&mut self.slots[slot.0])
    }

    /// Adds the next chunks of a slot; `afresh` uploads them even if the remote has them. Answers how many
    /// bytes were new.
    pub async fn push(&mut self, slot: Slot, chunks: &[Chunk], afresh: bool) -> Result<u64> {
        let hashes: Vec<MerkleHash> = chunks.iter().map(|c| c.hash).collect();
        let (mut at, mut new) = (0, 0);
        while at < chunks.len() {
            let found = if afresh { None } else { self.find(slot, &hashes[at..]) };
            if let Some((place, start, n)) = found {
                for (index, c) in (start..).zip(&chunks[at..at + n]) {
                    self.extend(slot, place, index, c);
                }
                at += n;
                continue;
            }
            let chunk = &chunks[at];
            let full = self.filling.bytes + chunk.data.len() > *MAX_XORB_BYTES
                || self.filling.chunks.len() >= *MAX_XORB_CHUNKS;
            if full {
                self.cut().await?;
            }
            let index = self.filling.chunks.len() as u32;
            if std::mem::take(&mut self.new_file) {
                self.filling.boundaries.push(index as usize);
            }
            self.extend(slot, Place::Here, index, chunk);
            self.filling.index.entry(chunk.hash).or_insert(index);
            self.filling.bytes += chunk.data.len();
            // A copy: the chunk is a slice of a block that would stay in memory whole.
            self.filling.chunks.push(Chunk { hash: chunk.hash, data: Bytes::copy_from_slice(&chunk.data) });
            new += chunk.data.len() as u64;
            at += 1;
        }
        Ok(new)
    }

    /// Sends what is left and waits until all is at the remote.
    pub async fn finish(&mut self) -> Result<()> {
        self.close_run();
        self.cut().await?;
        self.settle().await
    }

    /// Where the first of these chunks is, and how many lie there in a row.
    fn find(&self, slot: Slot, hashes: &[MerkleHash]) -> Option<(Place, u32, usize)> {
        let first = hashes.first()?;
        let open = self.run.as_ref().filter(|r| r.slot == slot);
        if let Some(run) = open {
            let n = self.matches(run.place, run.end(), hashes);
            if n > 0 {
                return Some((run.place, run.end(), n));
            }
        }
        let sending = self.sending.as_ref().and_then(|s| Some((Place::There(s.hash), *s.index.get(first)?)));
        let known = |hashes: &[MerkleHash]| {
            self.inner.known.find(hashes).map(|(xorb, at, _)| (Place::There(xorb), at))
        };
        let longest = |places: &mut dyn Iterator<Item = (Place, u32)>, hashes: &[MerkleHash]| {
            places
                .map(|(p, at)| (p, at, self.matches(p, at, hashes)))
                .max_by_key(|(.., n)| *n)
                .filter(|(.., n)| *n > 0)
        };
        if open.is_some_and(|r| r.hashes.last() == Some(first)) {
            // A chunk that repeats the one before it (a gap of zeros) is packed again unless many of it lie
            // in a row somewhere: it costs next to nothing once compressed, and a segment for each
            // repetition would cost 96 bytes at every later save.
            let row = [*first; REPEATS];
            let (place, at, _) =
                longest(&mut sending.into_iter().chain(known(&row)), &row).filter(|(.., n)| *n == REPEATS)?;
            return Some((place, at, self.matches(place, at, hashes)));
        }
        let here = self.filling.index.get(first).map(|at| (Place::Here, *at));
        let worth = |n: usize| self.room > 0 || n >= LONG;
        longest(&mut known(hashes).into_iter().chain(sending).chain(here), hashes).filter(|(.., n)| worth(*n))
    }

    fn matches(&self, place: Place, at: u32, hashes: &[MerkleHash]) -> usize {
        let same = |have: &mut dyn Iterator<Item = MerkleHash>| {
            have.zip(hashes).take_while(|(a, b)| a == *b).count()
        };
        match place {
            Place::Here => same(&mut self.filling.chunks.iter().skip(at as usize).map(|c| c.hash)),
            Place::There(xorb) => match &self.sending {
                Some(s) if s.hash == xorb => same(&mut s.rows.iter().skip(at as usize).map(|r| r.0)),
                _ => self.inner.known.matches(&xorb, at, hashes),
            },
        }
    }

    /// The next chunk of the slot is the one at `index` of `place`.
    fn extend(&mut self, slot: Slot, place: Place, index: u32, chunk: &Chunk) {
        let goes_on = |r: &Run| {
            r.slot == slot && r.place == place && r.end() == index && r.hashes.len() < SEGMENT_CHUNKS
        };
        if !self.run.as_ref().is_some_and(goes_on) {
            self.close_run();
        }
        let run =
            self.run.get_or_insert_with(|| Run { slot, place, start: index, hashes: Vec::new(), bytes: 0 });
        run.hashes.push(chunk.hash);
        run.bytes += chunk.data.len() as u32;
    }

    fn close_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        let xorb = match run.place {
            Place::There(xorb) => xorb,
            Place::Here => MerkleHash::marker(),
        };
        self.room = self.room.saturating_sub(1);
        let parts = &mut self.slots[run.slot.0];
        if run.place == Place::Here {
            self.filling.waiting.push((run.slot, parts.len()));
        }
        parts.push(Part {
            entry: FileDataSequenceEntry::new(xorb, run.bytes, run.start, run.end()),
            verification: range_hash_from_chunks(&run.hashes),
        });
    }

    /// The filled xorb goes up; its upload is awaited when the next is full.
    async fn cut(&mut self) -> Result<()> {
        if self.run.as_ref().is_some_and(|r| r.place == Place::Here) {
            self.close_run();
        }
        let filled = std::mem::take(&mut self.filling);
        if filled.chunks.is_empty() {
            return Ok(());
        }
        self.settle().await?;
        self.new_file = true;
        let raw = RawXorbData::from_chunks(&filled.chunks, filled.boundaries);
        let hash = raw.hash();
        for (slot, part) in filled.waiting {
            self.slots[slot.0][part].entry.xorb_hash = hash;
        }
        self.packed += filled.bytes as u64;
        self.infos.push(raw.xorb_info.clone());
        let rows = filled.chunks.iter().map(|c| (c.hash, c.data.len() as u32)).collect();
        drop(filled.chunks);
        let task = tokio::spawn(send(self.inner.clone(), raw));
        self.sending = Some(Sending { hash, rows, index: filled.index, task });
        Ok(())
    }

    /// Waits for the xorb on its way. Only now others may refer to it.
    async fn settle(&mut self) -> Result<()> {
        let Some(sending) = self.sending.take() else { return Ok(()) };
        let sent = match sending.task.await {
            Ok(sent) => sent,
            Err(e) => Err(Error::new(Kind::Other, "the upload of a xorb was given up").because(e)),
        };
        self.sent += sent.inspect_err(|_| self.failed = true)?;
        self.inner.known.add(&sending.hash, 0, &sending.rows);
        Ok(())
    }
}

async fn send(inner: Arc<Inner>, raw: RawXorbData) -> Result<u64> {
    let footers = inner.outlines.wants_footers();
    let packed =
        tokio::task::spawn_blocking(move || SerializedXorbObject::from_xorb(raw, footers, "auto", 32))
            .await
            .map_err(|e| Error::new(Kind::Other, "packing a xorb was given up").because(e))?
            .map_err(|e| cas_error("packing a xorb", ClientError::FormatError(e)))?;
    let bytes = packed.serialized_data.len() as u64;
    let failed = |e| cas_error("uploading a xorb", e);
    let permit = inner.client.acquire_upload_permit().await.map_err(failed)?;
    inner.client.upload_xorb(PREFIX, packed, None, permit).await.map_err(failed)?;
    Ok(bytes)
}
