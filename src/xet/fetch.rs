//! Fetches the chunks that hold a byte range of a content, over any xet client: only those, and what lies
//! in several xorbs, or far apart in one, at once. Nothing is checked here but that it is all there.

use std::{collections::HashMap, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;
use xet_client::{
    cas_client::{Client, URLProvider},
    cas_types::{ChunkRange, FileRange, HttpRange, QueryReconstructionResponseV2, XorbMultiRangeFetch},
    error::ClientError,
};
use xet_core_structures::merklehash::MerkleHash;

use super::{cas_error, damaged};
use crate::{error::Result, node::Content};

/// Fetches of one read that run at once.
const AT_ONCE: usize = 8;

/// Consecutive chunks of a file and of a xorb, unpacked.
pub(super) struct Chunks {
    pub xorb: MerkleHash,
    /// The index of the first of them in the xorb.
    pub first: u32,
    pub data: Bytes,
    /// Where each chunk ends in `data`.
    pub ends: Vec<u32>,
}

impl Chunks {
    /// Each chunk's bytes.
    pub fn iter(&self) -> impl Iterator<Item = Bytes> + '_ {
        let mut at = 0;
        self.ends.iter().map(move |&end| {
            let start = std::mem::replace(&mut at, end as usize);
            self.data.slice(start..end as usize)
        })
    }
}

/// The chunks that hold the bytes `range`, and where in the first of them the range starts.
pub(super) async fn fetch(
    client: &Arc<dyn Client>,
    content: &Content,
    range: Range<u64>,
) -> Result<(u64, Vec<Chunks>)> {
    let file = content.id.merkle();
    let asked = FileRange::new(range.start, range.end);
    let info = locate(client, &file, asked)
        .await
        .map_err(|e| cas_error(format!("looking up the chunks of {}", content.id), e))?;
    // Collected: as a lazy iterator it would make this future's `Send` depend on its lifetimes.
    let mut fetches = Vec::new();
    for (xorb, ranges) in &info.xorbs {
        let xorb = MerkleHash::from(xorb);
        fetches.extend(
            ranges
                .iter()
                .enumerate()
                .map(|(i, fetch)| (xorb, i, fetch.clone(), unpacked(&info, &xorb, fetch))),
        );
    }
    let blocks: Vec<(MerkleHash, Block)> = stream::iter(fetches)
        .map(|(xorb, index, fetch, len)| async move {
            let urls = Urls {
                client: client.clone(),
                file,
                range: asked,
                xorb,
                index,
                now: Mutex::new(target(&fetch)),
            };
            let ranges: Vec<ChunkRange> = fetch.ranges.iter().map(|r| r.chunks).collect();
            // The client bounds its transfers by these permits, over all readers.
            let permit = client.acquire_download_permit().await?;
            let (data, offsets) = client.get_file_term_data(Box::new(urls), permit, None, len).await?;
            Ok((xorb, Block { ranges, data, offsets }))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .map_err(|e: ClientError| cas_error(format!("reading {}", content.id), e))?;
    let mut by_xorb: HashMap<MerkleHash, Vec<Block>> = HashMap::new();
    for (xorb, block) in blocks {
        by_xorb.entry(xorb).or_default().push(block);
    }
    let mut parts = Vec::with_capacity(info.terms.len());
    for term in &info.terms {
        let blocks = by_xorb.get(&term.hash.into()).map(Vec::as_slice).unwrap_or_default();
        let xorb = MerkleHash::from(&term.hash);
        let part = blocks
            .iter()
            .find_map(|b| b.part(xorb, term.range))
            .filter(|p| p.data.len() == term.unpacked_length as usize);
        parts.push(part.ok_or_else(|| {
            damaged(
                content,
                format!("chunks {:?} of the xorb {} did not arrive as announced", term.range, term.hash),
            )
        })?);
    }
    Ok((info.offset_into_first_range, parts))
}

async fn locate(
    client: &Arc<dyn Client>,
    file: &MerkleHash,
    range: FileRange,
) -> Result<QueryReconstructionResponseV2, ClientError> {
    client.get_reconstruction(file, Some(range)).await?.ok_or(ClientError::FileNotFound(*file))
}

/// How many bytes a fetch brings where one term tells it, so that they need not be moved while they come in.
fn unpacked(
    info: &QueryReconstructionResponseV2,
    xorb: &MerkleHash,
    fetch: &XorbMultiRangeFetch,
) -> Option<usize> {
    let [only] = &fetch.ranges[..] else { return None };
    let same = |hash: MerkleHash, range: ChunkRange| hash == *xorb && range == only.chunks;
    let term = info.terms.iter().find(|term| same(MerkleHash::from(&term.hash), term.range))?;
    Some(term.unpacked_length as usize)
}

fn target(fetch: &XorbMultiRangeFetch) -> (String, Vec<HttpRange>) {
    (fetch.url.clone(), fetch.ranges.iter().map(|r| r.bytes).collect())
}

/// What one fetch brought.
struct Block {
    ranges: Vec<ChunkRange>,
    data: Bytes,
    /// Where each chunk starts, and where the last ends.
    offsets: Vec<u32>,
}

impl Block {
    /// The chunks `want` of it.
    fn part(&self, xorb: MerkleHash, want: ChunkRange) -> Option<Chunks> {
        let mut before = 0;
        for r in &self.ranges {
            if r.start <= want.start && want.end <= r.end {
                let first = before + (want.start - r.start) as usize;
                let offsets = self.offsets.get(first..=first + (want.end - want.start) as usize)?;
                let (&start, &end) = (offsets.first()?, offsets.last()?);
                let fits = offsets.is_sorted() && end as usize <= self.data.len();
                return fits.then(|| Chunks {
                    xorb,
                    first: want.start,
                    data: self.data.slice(start as usize..end as usize),
                    ends: offsets[1..].iter().map(|o| o - start).collect(),
                });
            }
            before += r.end.checked_sub(r.start)? as usize;
        }
        None
    }
}

/// Where one block is fetched; signed addresses run out and are asked for again.
struct Urls {
    client: Arc<dyn Client>,
    file: MerkleHash,
    range: FileRange,
    xorb: MerkleHash,
    index: usize,
    now: Mutex<(String, Vec<HttpRange>)>,
}

#[async_trait]
impl URLProvider for Urls {
    async fn retrieve_url(&self) -> Result<(String, Vec<HttpRange>), ClientError> {
        Ok(self.now.lock().await.clone())
    }

    async fn refresh_url(&self) -> Result<(), ClientError> {
        let mut now = self.now.lock().await;
        let info = locate(&self.client, &self.file, self.range).await?;
        let fetch = info.xorbs.get(&self.xorb.into()).and_then(|f| f.get(self.index));
        // The answer must be of the same shape, or the bytes would be taken for other chunks.
        let new = fetch.map(target).filter(|t| t.1 == now.1);
        *now = new.ok_or_else(|| ClientError::InvalidResponse("the file's chunks moved".into()))?;
        Ok(())
    }
}
