//! One file being composed: what stays of the base, and the windows that are chunked again.

use std::{io, ops::Range, sync::Arc, time::Instant};

use bytes::Bytes;
use xet_core_structures::{
    merklehash::MerkleHash,
    metadata_shard::file_structs::{FileDataSequenceHeader, FileVerificationEntry, MDBFileInfo},
    xorb_object::Chunk,
};
use xet_data::deduplication::Chunker;

use super::{
    Inner,
    base::Base,
    compose::{Feed, Plan, fragmented},
    damaged,
    outline::{Outline, level_for},
    packer::{Packer, Part, Slot},
    sum::Sum,
    tree::{Node, Tree},
};
use crate::{
    error::{Error, Kind, Result},
    node::Content,
    remote::{Composition, Receipt, Source},
};

/// Where at least so many bytes are written in a row, they are compared with what the base has nearby.
const REWRITTEN: u64 = 256 << 10;

/// A part of the new file.
enum Piece {
    /// Segments of the base.
    Kept(Vec<Part>),
    /// A window, whose segments the packer has.
    New(Slot),
}

/// A file that is composed and not yet registered.
pub(super) struct Draft {
    pieces: Vec<Piece>,
    sum: Sum,
    level: u8,
    size: u64,
    /// The file is this content, which the remote has.
    same: Option<Content>,
    /// Bytes of new chunks.
    pub new: u64,
    receipt: Receipt,
    started: Instant,
}

/// A file ready to be registered.
pub(super) struct Sealed {
    pub content: Content,
    /// `None` if the remote has it already.
    pub info: Option<MDBFileInfo>,
    pub outline: Option<Bytes>,
    pub new: u64,
    pub receipt: Receipt,
    pub started: Instant,
}

impl Draft {
    /// Chunks what changed into the packer and lists what stays.
    pub async fn compose(inner: &Arc<Inner>, packer: &mut Packer, c: &Composition) -> Result<Draft> {
        let started = Instant::now();
        let mut plan = Plan::new(c);
        let mut base = match c.base {
            _ if plan.nothing() => None,
            Some(base) if plan.limit > 0 => Some(Base::open(inner.clone(), base).await?),
            // Written anew from the start: perhaps much of it as it was.
            Some(base) if base.size >= REWRITTEN && c.size >= REWRITTEN => {
                Base::open(inner.clone(), base).await.ok()
            }
            _ => None,
        };
        // The nodes of the base's level can't be taken apart, so the level never falls in one edit.
        let mut level = if inner.outlines.keeps_outlines() { level_for(c.size) } else { 0 };
        if let Some(base) = &base {
            if level > 0 {
                level = level.max(base.level());
            }
            if plan.limit > 0
                && let Some(run) = fragmented(&base.sizes())
            {
                plan.rewrite(base.span(run));
            }
        }
        if let Some(base) = &mut base
            && plan.limit > 0
        {
            base.ask(&plan).await?;
        }
        let mut draft = Draft {
            pieces: Vec::new(),
            sum: base.as_ref().map_or_else(|| Sum::Tree(Tree::new(level)), |b| b.sum(level)),
            level,
            size: c.size,
            same: c.base.filter(|_| plan.nothing()),
            new: 0,
            receipt: Receipt { changed: plan.changed(), ..Receipt::default() },
            started,
        };
        packer.begin_file(c.size);
        if draft.same.is_none() {
            draft.walk(packer, &plan, &mut base, &c.source).await?;
        }
        draft.receipt.reread = base.map_or(0, |b| b.fetched);
        Ok(draft)
    }

    /// From the start to the end: keep, window, keep, window.
    async fn walk(
        &mut self,
        packer: &mut Packer,
        plan: &Plan,
        base: &mut Option<Base>,
        source: &Arc<dyn Source>,
    ) -> Result<()> {
        let mut at = 0;
        loop {
            let opens = plan.opens(at);
            // Between `at` and `start`, both edges of old chunks, nothing changes.
            let start = match (opens, base.as_mut()) {
                (None, _) => plan.limit,
                (Some(byte), Some(base)) if plan.limit > 0 && byte < plan.base_size => {
                    base.chunk_at(byte).await?.range.start
                }
                (Some(_), _) => plan.limit,
            };
            if let Some(base) = base
                && start > at
            {
                let mut parts = Vec::new();
                base.keep(at..start, &mut parts, &mut self.sum).await?;
                packer.kept(parts.len());
                self.pieces.push(Piece::Kept(parts));
            }
            if opens.is_none() || start >= self.size {
                return Ok(()); // unchanged to the end, or truncated at the edge of a chunk
            }
            match self.window(packer, plan, base, source, start).await? {
                Some(end) => at = end,
                None => return Ok(()),
            }
        }
    }

    /// Chunks again from `start` on. Answers where the old chunks go on, `None` at the end of the file.
    async fn window(
        &mut self,
        packer: &mut Packer,
        plan: &Plan,
        base: &mut Option<Base>,
        source: &Arc<dyn Source>,
        start: u64,
    ) -> Result<Option<u64>> {
        let slot = match self.pieces.last() {
            Some(Piece::New(slot)) => *slot, // the window before ends where this one opens
            _ => {
                let slot = packer.slot();
                self.pieces.push(Piece::New(slot));
                slot
            }
        };
        let mut chunker = Chunker::default();
        // Fed up to `at`; cut into chunks up to `cut`. Where both are the start of an old chunk, the chunker is
        // as fresh as it was there when the base was chunked.
        let (mut at, mut cut) = (start, start);
        loop {
            let bytes = match (plan.feed(at), base.as_mut()) {
                (Feed::End, _) => {
                    let last: Vec<Chunk> = chunker.finish().into_iter().collect();
                    self.take(packer, slot, &last, plan.rewrites(cut)).await?;
                    return Ok(None);
                }
                (Feed::Source(r), None) => read_source(source, r).await?,
                (Feed::Source(r), Some(base)) => {
                    // A local copy of base bytes: a window may close inside.
                    let mut r = r;
                    if plan.may_close(at) {
                        let old = base.chunk_at(at).await?;
                        if at > start && cut == at && old.range.start == at {
                            return Ok(Some(at));
                        }
                        r.end = r.end.min(old.range.end);
                    } else if r.end - r.start >= REWRITTEN {
                        base.introduce(r.clone()).await;
                    }
                    read_source(source, r).await?
                }
                (Feed::Base(r), Some(base)) => {
                    let old = base.chunk_at(at).await?;
                    if at > start && cut == at && old.range.start == at && plan.may_close(at) {
                        return Ok(Some(at));
                    }
                    let skip = old.range.start;
                    let until = r.end.min(old.range.end);
                    base.read(&old, plan).await?.slice((at - skip) as usize..(until - skip) as usize)
                }
                (Feed::Zeros(r), _) => Bytes::from(vec![0; (r.end - r.start) as usize]),
                (Feed::Base(_), None) => {
                    return Err(Error::new(Kind::Invalid, "a file without a base asks for one"));
                }
            };
            at += bytes.len() as u64;
            // Chunking and hashing a block takes a millisecond or more: not on the runtime's threads.
            let chunking =
                tokio::task::spawn_blocking(move || (chunker.next_block_bytes(&bytes, false), chunker));
            let chunks;
            (chunks, chunker) =
                chunking.await.map_err(|e| Error::new(Kind::Other, "chunking was given up").because(e))?;
            let afresh = plan.rewrites(cut);
            cut += chunks.iter().map(|c| c.data.len() as u64).sum::<u64>();
            self.take(packer, slot, &chunks, afresh).await?;
        }
    }

    async fn take(&mut self, packer: &mut Packer, slot: Slot, chunks: &[Chunk], afresh: bool) -> Result<()> {
        for c in chunks {
            let node = Node::chunk(c.hash, c.data.len() as u64);
            self.sum.push(0, node).map_err(|e| Error::new(Kind::Other, e))?;
        }
        self.new += packer.push(slot, chunks, afresh).await?;
        Ok(())
    }

    /// The file as it will be registered, or an error if it does not add up. The packer must be finished.
    pub fn seal(self, packer: &mut Packer) -> Result<Sealed> {
        let Draft { pieces, sum, level, size, same, new, mut receipt, started } = self;
        receipt.reused = size.saturating_sub(new);
        if let Some(content) = same {
            return Ok(Sealed { content, info: None, outline: None, new, receipt, started });
        }
        let grown = sum.finish().map_err(|e| Error::new(Kind::Damaged, format!("the composed file: {e}")))?;
        let content = Content { id: grown.hash.into(), size };
        let parts: Vec<Part> = pieces
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Kept(parts) => parts,
                Piece::New(slot) => packer.take(slot),
            })
            .collect();
        let bytes: u64 = parts.iter().map(|p| u64::from(p.entry.unpacked_segment_bytes)).sum();
        let chunks: u64 = parts
            .iter()
            .map(|p| u64::from(p.entry.chunk_index_end.saturating_sub(p.entry.chunk_index_start)))
            .sum();
        // What is registered is what all readers get from now on: no mistake above may pass here.
        let named = parts.iter().all(|p| p.entry.xorb_hash != MerkleHash::marker());
        if bytes != size || grown.bytes != size || chunks != grown.chunks || !named {
            let cause = format!(
                "the composed file does not add up ({bytes} of {size} bytes in segments, {} in chunks; {chunks} of {} chunks)",
                grown.bytes, grown.chunks
            );
            return Err(damaged(&content, cause));
        }
        let info = (size > 0).then(|| MDBFileInfo {
            metadata: FileDataSequenceHeader::new(grown.hash, parts.len(), true, false),
            verification: parts.iter().map(|p| FileVerificationEntry::new(p.verification)).collect(),
            segments: parts.into_iter().map(|p| p.entry).collect(),
            metadata_ext: None,
        });
        let outline =
            (!grown.recorded.is_empty()).then(|| Outline { level, nodes: grown.recorded }.encode(size));
        Ok(Sealed { content, info, outline, new, receipt, started })
    }
}

async fn read_source(source: &Arc<dyn Source>, range: Range<u64>) -> Result<Bytes> {
    let (source, r) = (source.clone(), range.clone());
    let read = tokio::task::spawn_blocking(move || source.read(r));
    let read = read.await.unwrap_or_else(|e| Err(io::Error::other(e)));
    let bytes = read.map_err(|e| Error::io("reading the changed bytes on this machine", e))?;
    if bytes.len() as u64 != range.end - range.start {
        return Err(Error::new(
            Kind::Damaged,
            format!("{} changed bytes were read for {range:?}", bytes.len()),
        ));
    }
    Ok(bytes)
}
