//! A content that is being edited: its segments, and the hashes of its chunks as far as they are needed.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use xet_client::cas_types::FileRange;
use xet_core_structures::{
    merklehash::{MerkleHash, compute_data_hash},
    metadata_shard::{chunk_verification::range_hash_from_chunks, file_structs::FileDataSequenceEntry},
};

use super::{
    Inner, cas_error,
    compose::Plan,
    damaged, fetch,
    gaps::{self, Gaps},
    known::Rows,
    outline::Outline,
    packer::Part,
    sum::{Merged, Sum},
    tree::{Node, Tree},
};
use crate::{error::Result, node::Content};

/// Hashes of at most so many segments are kept in memory.
const SEGMENTS_HELD: usize = 32;
/// So many chunks are fetched before they are needed, at most 128 KiB each.
const AHEAD: usize = 16;
/// So many fetches run at once.
const AT_ONCE: usize = 8;

pub(super) struct Base {
    inner: Arc<Inner>,
    content: Content,
    segments: Vec<FileDataSequenceEntry>,
    /// Where each segment starts in the file, and where the last ends.
    starts: Vec<u64>,
    /// One for each segment, or none at all where the remote does not tell them.
    verification: Vec<MerkleHash>,
    /// What the remote tells of the parts that stay, if it was asked.
    gaps: Option<Gaps>,
    outline: Option<Outline>,
    /// Where each node of the outline starts.
    nodes: Vec<u64>,
    held: HashMap<usize, Arc<List>>,
    /// Chunks that are needed here or soon, by where they start.
    chunks: HashMap<u64, Bytes>,
    /// The segments before this one were introduced where that was wanted.
    introduced: usize,
    /// Bytes fetched from the remote: data and metadata.
    pub fetched: u64,
}

/// The chunks of a segment.
struct List {
    rows: Rows,
    /// Where each chunk starts in the file, and where the last ends.
    starts: Vec<u64>,
}

/// A chunk of the base.
#[derive(Clone)]
pub(super) struct Old {
    pub range: Range<u64>,
    hash: MerkleHash,
}

impl Base {
    /// Learns the segments of `content`, and its outline if there is one.
    pub async fn open(inner: Arc<Inner>, content: Content) -> Result<Base> {
        let mut fetched = 0;
        // Contents never change, so what is known of one stays right.
        let known = inner.known.file(&content.id);
        let (info, outline) = match known {
            Some((info, outline)) => (info, outline.and_then(|o| Outline::decode(&o, &content))),
            None => {
                let info = inner
                    .client
                    .get_file_reconstruction_info(&content.id.merkle())
                    .await
                    .map_err(|e| cas_error(format!("looking up the segments of {}", content.id), e))?;
                let (info, _) = info.ok_or_else(|| damaged(&content, "the store does not have it"))?;
                fetched += info.num_bytes().unwrap_or(0);
                let mut outline = None;
                if super::outline::level_for(content.size) > 0
                    && let Some(bytes) = inner.outlines.outline(&content.id).await?
                {
                    fetched += bytes.len() as u64;
                    outline = Outline::decode(&bytes, &content);
                    if outline.is_none() {
                        tracing::warn!("the outline of {} is damaged and not used", content.id);
                    }
                }
                (info, outline)
            }
        };
        let mut starts = vec![0];
        let mut end = 0u64;
        for s in &info.segments {
            end += u64::from(s.unpacked_segment_bytes);
            starts.push(end);
            if s.chunk_index_start >= s.chunk_index_end {
                return Err(damaged(&content, "one of its segments is empty"));
            }
        }
        let verification: Vec<_> = info.verification.iter().map(|v| v.range_hash).collect();
        if end != content.size || !verification.is_empty() && verification.len() != info.segments.len() {
            return Err(damaged(&content, format!("its segments have {end} bytes")));
        }
        let nodes = outline.iter().flat_map(|o| &o.nodes).scan(0, |at, n| {
            *at += n.bytes;
            Some(*at - n.bytes)
        });
        let nodes = nodes.collect();
        let segments = info.segments;
        Ok(Base {
            inner,
            content,
            segments,
            starts,
            verification,
            gaps: None,
            outline,
            nodes,
            held: HashMap::new(),
            chunks: HashMap::new(),
            introduced: 0,
            fetched,
        })
    }

    /// Asks what the hash of an edit by `plan` needs and this machine can't compute by itself. Without an
    /// answer (not all remotes have one) all chunks are learned by reading.
    pub async fn ask(&mut self, plan: &Plan) -> Result<()> {
        let rows = |s: &FileDataSequenceEntry| {
            self.inner.known.rows(&s.xorb_hash, s.chunk_index_start..s.chunk_index_end)
        };
        let asked = gaps::question(&plan.touched(), &self.starts);
        let touched = |s: &[u64]| asked.iter().any(|a| a.start < s[1] && s[0] < a.end);
        let stays = self.starts.windows(2).any(|s| !touched(s));
        if asked.is_empty()
            || self.outline.is_some()
            || !stays
            || self.segments.iter().all(|s| rows(s).is_some())
        {
            return Ok(());
        }
        let answer =
            match self.inner.client.get_file_chunk_hashes(&self.content.id.merkle(), asked.clone()).await {
                Ok(answer) => answer,
                Err(e) => {
                    tracing::debug!("the parts of {} that stay are not told: {e}", self.content.id);
                    return Ok(());
                }
            };
        self.fetched += serde_json::to_vec(&answer).map_or(0, |json| json.len() as u64);
        let chunks = self.segments.iter().map(|s| u64::from(s.chunk_index_end - s.chunk_index_start)).sum();
        match Gaps::read(answer, &asked, &self.starts, chunks) {
            Ok(gaps) => self.gaps = Some(gaps),
            Err(why) => {
                tracing::warn!("what the remote tells of {} is not used: {why}", self.content.id);
                return Ok(());
            }
        }
        if let Some(false) = self.proves(&asked).await? {
            tracing::warn!(
                "what the remote tells of {} is not used: it is of another content",
                self.content.id
            );
            self.gaps = None;
        }
        Ok(())
    }

    /// Whether the gaps and the chunks between them have the hash of the content; `None` if that can't be
    /// told without reading what is not needed: segments of which nothing stays.
    async fn proves(&mut self, asked: &[FileRange]) -> Result<Option<bool>> {
        let gone = |s: &[u64]| asked.iter().any(|a| a.start <= s[0] && s[1] <= a.end);
        if self.starts.windows(2).any(gone) {
            return Ok(None);
        }
        let mut sum = self.sum(0);
        self.grow(0..self.content.size, &mut sum).await?;
        Ok(Some(sum.finish().is_ok_and(|grown| grown.hash == self.content.id.merkle())))
    }

    /// Where the hash of an edit begins.
    pub fn sum(&self, level: u8) -> Sum {
        match self.gaps {
            Some(_) => Sum::Merged(Merged::default()),
            None => Sum::Tree(Tree::new(level)),
        }
    }

    fn verification(&self, segment: usize) -> Option<MerkleHash> {
        let told = self.gaps.as_ref().and_then(|g| g.verification.get(segment).copied().flatten());
        self.verification.get(segment).copied().or(told)
    }

    /// The bytes of each segment.
    pub fn sizes(&self) -> Vec<u64> {
        self.segments.iter().map(|s| s.unpacked_segment_bytes.into()).collect()
    }

    /// The bytes of the file that these segments cover.
    pub fn span(&self, segments: Range<usize>) -> Range<u64> {
        self.starts[segments.start]..self.starts[segments.end]
    }

    /// The level of the outline, 0 without one.
    pub fn level(&self) -> u8 {
        self.outline.as_ref().map_or(0, |o| o.level)
    }

    /// The chunk that holds the byte `at`, which must lie within the file.
    pub async fn chunk_at(&mut self, at: u64) -> Result<Old> {
        let list = self.list(self.segment_at(at)).await?;
        let i = list.starts.partition_point(|&s| s <= at) - 1;
        Ok(Old { range: list.starts[i]..list.starts[i + 1], hash: list.rows[i].0 })
    }

    /// The bytes of a chunk, which match its hash. What the plan needs soon after is fetched with it.
    pub async fn read(&mut self, old: &Old, plan: &Plan) -> Result<Bytes> {
        if let Some(bytes) = self.chunks.get(&old.range.start) {
            return Ok(bytes.clone());
        }
        self.chunks.retain(|&start, _| start > old.range.start); // the walk never goes back
        // One by one, each would wait for the remote: a hundred small edits are a hundred round trips.
        let edges = match self.chunks.len() {
            0 => plan.edges(old.range.end, AHEAD),
            _ => Vec::new(),
        };
        self.hold(edges.iter().map(|&e| self.segment_at(e)).collect()).await?;
        let mut wanted = vec![old.clone()];
        for edge in edges {
            let chunk = self.chunk_at(edge).await?;
            if wanted.last().is_none_or(|w| w.range.start < chunk.range.start)
                && plan.needs(chunk.range.clone())
            {
                wanted.push(chunk);
            }
        }
        let (client, content) = (&self.inner.client, &self.content);
        let fetched: Vec<(u64, Bytes)> = stream::iter(wanted)
            .map(|old| async move {
                let (_, parts) = fetch::fetch(client, content, old.range.clone()).await?;
                let bytes = parts.first().map(|p| p.data.clone()).unwrap_or_default();
                if compute_data_hash(&bytes) != old.hash {
                    let cause = format!("bytes {:?} do not match their checksum", old.range);
                    return Err(damaged(content, cause));
                }
                Ok((old.range.start, bytes))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        self.fetched += fetched.iter().map(|(_, b)| b.len() as u64).sum::<u64>();
        self.chunks.extend(fetched);
        self.chunks
            .get(&old.range.start)
            .cloned()
            .ok_or_else(|| damaged(&self.content, format!("bytes {:?} did not arrive", old.range)))
    }

    /// New bytes are about to be written at `range`: should they be those of the base after all, they need
    /// not be sent. Only where learning the base's chunks there is cheap; failing is no harm.
    pub async fn introduce(&mut self, range: Range<u64>) {
        let end = range.end.min(self.content.size);
        if range.start >= end {
            return;
        }
        for i in self.segment_at(range.start).max(self.introduced)..=self.segment_at(end - 1) {
            self.introduced = i + 1;
            let entry = &self.segments[i];
            let (xorb, chunks) = (entry.xorb_hash, entry.chunk_index_start..entry.chunk_index_end);
            if self.inner.known.rows(&xorb, chunks.clone()).is_none()
                && let Ok(Some(rows)) = self.inner.outlines.xorb_chunks(&xorb, chunks.clone()).await
            {
                self.fetched += rows.len() as u64 * 40;
                if right(entry, self.verification(i).as_ref(), &rows) {
                    self.inner.known.add(&xorb, chunks.start, &rows);
                }
            }
        }
    }

    /// The bytes `range`, edges of chunks both, stay as they are: their segments go into `parts`, cut where
    /// the range cuts them, and their chunks into `tree`.
    pub async fn keep(&mut self, range: Range<u64>, parts: &mut Vec<Part>, sum: &mut Sum) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for i in self.segment_at(range.start)..=self.segment_at(range.end - 1) {
            let whole = self.starts[i] >= range.start && self.starts[i + 1] <= range.end;
            let entry = &self.segments[i];
            parts.push(match self.verification(i) {
                Some(verification) if whole => Part { entry: entry.clone(), verification },
                _ => {
                    let (xorb, first) = (entry.xorb_hash, entry.chunk_index_start);
                    let list = self.list(i).await?;
                    let from = list.starts.partition_point(|&s| s < range.start);
                    let to = list.starts.partition_point(|&s| s <= range.end).min(list.rows.len() + 1) - 1;
                    let rows = &list.rows[from..to];
                    let hashes: Vec<_> = rows.iter().map(|r| r.0).collect();
                    let bytes: u32 = rows.iter().map(|r| r.1).sum();
                    let (start, end) = (first + from as u32, first + to as u32);
                    Part {
                        entry: FileDataSequenceEntry::new(xorb, bytes, start, end),
                        verification: range_hash_from_chunks(&hashes),
                    }
                }
            });
        }
        self.grow(range, sum).await
    }

    /// Puts the chunks of `range` into the sum, by whole gaps and nodes of the outline where they fit.
    async fn grow(&mut self, range: Range<u64>, sum: &mut Sum) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            let next = self.nodes.partition_point(|&s| s < at);
            if let Some(outline) = &self.outline
                && let Some(node) = outline.nodes.get(next)
                && self.nodes[next] == at
                && at + node.bytes <= range.end
                && sum.aligned(outline.level)
            {
                sum.push(outline.level, *node).map_err(|e| damaged(&self.content, e))?;
                at += node.bytes;
                continue;
            }
            if let Some(whole) = self.gaps.as_ref().and_then(|g| g.at(at)).map(|g| g.range.clone())
                && whole.end <= range.end
            {
                let chunks = self.count(whole.clone()).await?;
                if let Some(gap) = self.gaps.as_ref().and_then(|g| g.at(at)) {
                    sum.gap(gap, chunks).map_err(|e| damaged(&self.content, e))?;
                }
                at = whole.end;
                continue;
            }
            // One by one up to where a node or a gap starts.
            let node = self.nodes.get(self.nodes.partition_point(|&s| s <= at)).copied();
            let gap = self.gaps.as_ref().and_then(|g| g.after(at));
            let stop = node.into_iter().chain(gap).min().unwrap_or(u64::MAX);
            let list = self.list(self.segment_at(at)).await?;
            let first = list.starts.partition_point(|&s| s < at);
            for &(hash, len) in &list.rows[first..] {
                if at >= stop.min(range.end) {
                    break;
                }
                sum.push(0, Node::chunk(hash, len.into())).map_err(|e| damaged(&self.content, e))?;
                at += u64::from(len);
            }
        }
        Ok(())
    }

    /// How many chunks are in `range`, edges of chunks both.
    async fn count(&mut self, range: Range<u64>) -> Result<u64> {
        let mut chunks = 0;
        for i in self.segment_at(range.start)..=self.segment_at(range.end - 1) {
            let entry = &self.segments[i];
            chunks += match self.starts[i] >= range.start && self.starts[i + 1] <= range.end {
                true => u64::from(entry.chunk_index_end - entry.chunk_index_start),
                false => {
                    let list = self.list(i).await?;
                    let ends = &list.starts[1..];
                    let before = ends.partition_point(|&e| e <= range.start);
                    (ends.partition_point(|&e| e <= range.end) - before) as u64
                }
            };
        }
        Ok(chunks)
    }

    fn segment_at(&self, at: u64) -> usize {
        self.starts.partition_point(|&s| s <= at).clamp(1, self.segments.len()) - 1
    }

    /// The chunks of a segment.
    async fn list(&mut self, i: usize) -> Result<Arc<List>> {
        if !self.held.contains_key(&i) {
            self.hold(vec![i]).await?;
        }
        self.held
            .get(&i)
            .cloned()
            .ok_or_else(|| damaged(&self.content, "the chunks of a segment are missing"))
    }

    /// Has the chunks of these segments at hand; at most [`AHEAD`] of them.
    async fn hold(&mut self, mut segments: Vec<usize>) -> Result<()> {
        segments.dedup();
        segments.retain(|i| !self.held.contains_key(i));
        if segments.is_empty() {
            return Ok(());
        }
        if self.held.len() + segments.len() > SEGMENTS_HELD {
            self.held.clear();
        }
        let this = &*self;
        let lists: Vec<(usize, List, u64)> = stream::iter(segments)
            .map(|i| async move { this.learn(i).await.map(|(list, fetched)| (i, list, fetched)) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (i, list, fetched) in lists {
            self.fetched += fetched;
            self.held.insert(i, Arc::new(list));
        }
        Ok(())
    }

    /// Learns the chunks of a segment: known here, or told by the remote, or read. Answers what was fetched.
    async fn learn(&self, i: usize) -> Result<(List, u64)> {
        let (entry, verification) = (&self.segments[i], self.verification(i));
        let (xorb, chunks) = (entry.xorb_hash, entry.chunk_index_start..entry.chunk_index_end);
        let known = self.inner.known.rows(&xorb, chunks.clone());
        let (rows, fetched) = match known.filter(|rows| right(entry, verification.as_ref(), rows)) {
            Some(rows) => (rows, 0),
            None => {
                let (rows, fetched) = match self.inner.outlines.xorb_chunks(&xorb, chunks.clone()).await? {
                    Some(rows) => (rows, chunks.len() as u64 * 40),
                    None => (self.hash(i).await?, entry.unpacked_segment_bytes.into()),
                };
                if !right(entry, verification.as_ref(), &rows) {
                    return Err(damaged(
                        &self.content,
                        format!("the chunks of the xorb {xorb} are not as listed"),
                    ));
                }
                self.inner.known.add(&xorb, chunks.start, &rows);
                (rows, fetched)
            }
        };
        let mut starts = vec![self.starts[i]];
        starts.extend(rows.iter().scan(self.starts[i], |at, r| {
            *at += u64::from(r.1);
            Some(*at)
        }));
        Ok((List { rows, starts }, fetched))
    }

    /// Reads a segment, up to 64 MiB, to learn its chunks: one at a time.
    async fn hash(&self, i: usize) -> Result<Rows> {
        let _one = self.inner.reading.lock().await;
        let (_, parts) = fetch::fetch(&self.inner.client, &self.content, self.span(i..i + 1)).await?;
        let hashing = tokio::task::spawn_blocking(move || {
            let rows = parts
                .iter()
                .flat_map(|p| p.iter().map(|c| (compute_data_hash(&c), c.len() as u32)).collect::<Rows>());
            rows.collect()
        });
        hashing.await.map_err(|e| damaged(&self.content, "hashing was given up").because(e))
    }
}

/// Whether these can be the chunks of the segment.
fn right(entry: &FileDataSequenceEntry, verification: Option<&MerkleHash>, rows: &Rows) -> bool {
    let bytes: u64 = rows.iter().map(|r| u64::from(r.1)).sum();
    rows.len() as u32 == entry.chunk_index_end - entry.chunk_index_start
        && bytes == u64::from(entry.unpacked_segment_bytes)
        && verification
            .is_none_or(|v| *v == range_hash_from_chunks(&rows.iter().map(|r| r.0).collect::<Vec<_>>()))
}
