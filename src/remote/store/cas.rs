//! [`Cas`]: xet's protocol over the objects of a bucket. What is downloaded is what is asked for: the
//! file information of one content, the offsets of a xorb, the chunks of a range.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use xet_client::{
    cas_client::{
        Client, ProgressCallback, ShardUploadProgressCallback, ShardUploadProgressType, URLProvider,
        adaptive_concurrency::{AdaptiveConcurrencyController, ConnectionPermit},
    },
    cas_types::{
        BatchQueryReconstructionResponse, ChunkRange, FileChunkHashesResponse, FileRange, HexMerkleHash,
        HttpRange, QueryReconstructionResponseV2, ShardUploadEvent, XorbMultiRangeFetch, XorbRangeDescriptor,
        XorbReconstructionFetchInfo, XorbReconstructionTerm,
    },
    error::{ClientError, Result as ClientResult},
};
use xet_core_structures::{
    merklehash::MerkleHash,
    metadata_shard::file_structs::MDBFileInfo,
    xorb_object::{SerializedXorbObject, reconstruct_xorb_with_footer},
};
use xet_runtime::{config::XetConfig, core::XetContext};

use super::{
    bucket::{Bucket, at, damaged},
    format::Located,
    mirror::Mirror,
    shard,
    xorb::{Index, Xorbs},
};
use crate::{
    error::{Error, Kind, Result},
    node::ContentId,
    xet::{Outlines, client_error as wrap},
};

/// Transfers at once, each way.
const CONNECTIONS: usize = 8;
/// How many file informations are kept in memory, by their total length in bytes.
const INFO_BYTES: usize = 4 << 20;

/// Contents of a bucket, in xet's words.
pub struct Cas {
    bucket: Arc<Bucket>,
    mirror: Arc<Mirror>,
    xorbs: Xorbs,
    /// Uploaded by this process and not seen in a commit yet.
    fresh: Mutex<HashMap<ContentId, Located>>,
    /// File informations read lately, with their length; emptied when too long.
    infos: Mutex<(usize, HashMap<MerkleHash, Arc<MDBFileInfo>>)>,
    up: Arc<AdaptiveConcurrencyController>,
    down: Arc<AdaptiveConcurrencyController>,
}

impl Cas {
    /// Over a bucket and the mirror of its tree. Needs a tokio runtime.
    pub fn new(bucket: Arc<Bucket>, mirror: Arc<Mirror>) -> Result<Cas> {
        let ctx = XetContext::with_config(XetConfig::default())
            .map_err(|e| Error::new(Kind::Other, format!("can't start transfers: {e}")))?;
        Ok(Cas {
            xorbs: Xorbs::new(bucket.clone()),
            bucket,
            mirror,
            fresh: Mutex::default(),
            infos: Mutex::default(),
            up: AdaptiveConcurrencyController::new_fixed(ctx.clone(), "store uploads", CONNECTIONS),
            down: AdaptiveConcurrencyController::new_fixed(ctx, "store downloads", CONNECTIONS),
        })
    }

    /// Where a content is, if it is uploaded.
    pub fn locate(&self, content: &ContentId) -> Result<Option<Located>> {
        let fresh = self.fresh.lock().unwrap_or_else(|e| e.into_inner()).get(content).copied();
        match fresh {
            Some(located) => Ok(Some(located)),
            None => self.mirror.locate(content),
        }
    }

    /// These are in a commit now, so the mirror knows where they are.
    pub fn committed(&self, contents: &[Located]) {
        let mut fresh = self.fresh.lock().unwrap_or_else(|e| e.into_inner());
        for located in contents {
            fresh.remove(&located.content);
        }
    }

    /// The file information of a content; `None` if the bucket does not have the content.
    pub async fn info(&self, content: &MerkleHash) -> Result<Option<Arc<MDBFileInfo>>> {
        if let Some(info) = self.infos.lock().unwrap_or_else(|e| e.into_inner()).1.get(content) {
            return Ok(Some(info.clone()));
        }
        let Some(located) = self.locate(&ContentId::from(*content))? else { return Ok(None) };
        let info = Arc::new(self.read_info(&located).await?);
        let mut infos = self.infos.lock().unwrap_or_else(|e| e.into_inner());
        infos.0 += located.len as usize;
        if infos.0 > INFO_BYTES {
            infos.1.clear();
            infos.0 = located.len as usize;
        }
        infos.1.insert(*content, info.clone());
        Ok(Some(info))
    }

    /// Reads one file information out of its shard, past all memory.
    pub async fn read_info(&self, located: &Located) -> Result<MDBFileInfo> {
        let path = at::shard(&located.shard.hex());
        let range = located.at..located.at + u64::from(located.len);
        let bytes =
            self.bucket.range(&path, range).await?.ok_or_else(|| damaged(&path, "a shard is missing"))?;
        shard::file_info(located, &bytes).map_err(|why| damaged(&path, why))
    }

    async fn reconstruction(
        &self,
        content: &MerkleHash,
        range: Option<FileRange>,
    ) -> Result<Option<QueryReconstructionResponseV2>> {
        let Some(info) = self.info(content).await? else { return Ok(None) };
        let size = info.file_size();
        let want = range.map_or(0..size, |r| r.start..r.end.min(size));
        if want.start >= want.end {
            let empty = size == 0 && want.start == 0;
            return Ok(empty.then(|| plan(0, Vec::new())));
        }
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut skip = 0;
        for segment in &info.segments {
            let len = u64::from(segment.unpacked_segment_bytes);
            let (start, end) = (begin, begin + len);
            begin = end;
            if end <= want.start || start >= want.end {
                continue;
            }
            let index = self.xorbs.index(&segment.xorb_hash).await?;
            let chunks = segment.chunk_index_start..segment.chunk_index_end;
            let fits = chunks.start < chunks.end && chunks.end <= index.chunks() && {
                let have = index.unpacked(chunks.clone());
                have.end - have.start == len
            };
            if !fits {
                let path = at::xorb(&segment.xorb_hash.hex());
                return Err(damaged(&path, "a file and its xorb do not fit"));
            }
            let inside = want.start.max(start) - start..want.end.min(end) - start;
            let (cut, before) = trim(&index, chunks, inside);
            if pieces.is_empty() {
                skip = want.start.max(start) - start - before;
            }
            pieces.push((segment.xorb_hash, cut, index));
        }
        Ok(Some(plan(skip, pieces)))
    }
}

/// Of the chunks of a segment those that hold the bytes `bytes` of it, and how many bytes come before.
fn trim(index: &Index, chunks: Range<u32>, bytes: Range<u64>) -> (Range<u32>, u64) {
    let base = index.unpacked(chunks.clone()).start;
    let (mut lo, mut hi) = (chunks.start, chunks.end);
    while index.unpacked(lo..lo + 1).end - base <= bytes.start {
        lo += 1;
    }
    while index.unpacked(hi - 1..hi).start - base >= bytes.end {
        hi -= 1;
    }
    (lo..hi, index.unpacked(lo..hi).start - base)
}

/// Terms in the order of the file, and what to fetch: ranges of one xorb that touch are fetched as one.
fn plan(skip: u64, pieces: Vec<(MerkleHash, Range<u32>, Arc<Index>)>) -> QueryReconstructionResponseV2 {
    let mut terms = Vec::with_capacity(pieces.len());
    let mut by_xorb: HashMap<MerkleHash, (Arc<Index>, BTreeMap<u32, u32>)> = HashMap::new();
    for (xorb, chunks, index) in pieces {
        let unpacked = index.unpacked(chunks.clone());
        terms.push(XorbReconstructionTerm {
            hash: xorb.into(),
            unpacked_length: (unpacked.end - unpacked.start) as u32,
            range: ChunkRange::new(chunks.start, chunks.end),
        });
        let end = by_xorb
            .entry(xorb)
            .or_insert_with(|| (index, BTreeMap::new()))
            .1
            .entry(chunks.start)
            .or_default();
        *end = chunks.end.max(*end);
    }
    let mut xorbs = HashMap::new();
    for (xorb, (index, ranges)) in by_xorb {
        let mut merged: Vec<Range<u32>> = Vec::new();
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => merged.push(start..end),
            }
        }
        let ranges = merged
            .into_iter()
            .map(|chunks| {
                let bytes = index.packed(chunks.clone());
                XorbRangeDescriptor {
                    chunks: ChunkRange::new(chunks.start, chunks.end),
                    bytes: HttpRange::new(bytes.start, bytes.end - 1),
                }
            })
            .collect();
        // The "URL" only has to come back to `get_file_term_data`.
        xorbs.insert(xorb.into(), vec![XorbMultiRangeFetch { url: xorb.hex(), ranges }]);
    }
    QueryReconstructionResponseV2 { offset_into_first_range: skip, terms, xorbs }
}

#[async_trait]
impl Client for Cas {
    async fn get_file_reconstruction_info(
        &self,
        file: &MerkleHash,
    ) -> ClientResult<Option<(MDBFileInfo, Option<MerkleHash>)>> {
        let info = self.info(file).await.map_err(wrap)?;
        let shard = self.locate(&ContentId::from(*file)).map_err(wrap)?.map(|l| l.shard);
        Ok(info.map(|info| ((*info).clone(), shard)))
    }

    async fn get_reconstruction(
        &self,
        file: &MerkleHash,
        range: Option<FileRange>,
    ) -> ClientResult<Option<QueryReconstructionResponseV2>> {
        self.reconstruction(file, range).await.map_err(wrap)
    }

    async fn batch_get_reconstruction(
        &self,
        files: &[MerkleHash],
    ) -> ClientResult<BatchQueryReconstructionResponse> {
        let mut answer =
            BatchQueryReconstructionResponse { files: HashMap::new(), fetch_info: HashMap::new() };
        for file in files {
            let Some(plan) = self.reconstruction(file, None).await.map_err(wrap)? else { continue };
            answer.files.insert(HexMerkleHash::from(*file), plan.terms);
            for (xorb, fetches) in plan.xorbs {
                let known = answer.fetch_info.entry(xorb).or_default();
                for fetch in fetches {
                    known.extend(fetch.ranges.iter().map(|r| XorbReconstructionFetchInfo {
                        range: r.chunks,
                        url: fetch.url.clone(),
                        url_range: r.bytes,
                    }));
                }
            }
        }
        Ok(answer)
    }

    async fn acquire_download_permit(&self) -> ClientResult<ConnectionPermit> {
        self.down.acquire_connection_permit().await
    }

    async fn get_file_term_data(
        &self,
        url: Box<dyn URLProvider>,
        _permit: ConnectionPermit,
        progress: Option<ProgressCallback>,
        len: Option<usize>,
    ) -> ClientResult<(Bytes, Vec<u32>)> {
        let (url, ranges) = url.retrieve_url().await?;
        let xorb = MerkleHash::from_hex(&url).map_err(|_| ClientError::InvalidArguments)?;
        let index = self.xorbs.index(&xorb).await.map_err(wrap)?;
        let mut parts = Vec::with_capacity(ranges.len());
        let mut moved = 0;
        for range in &ranges {
            let chunks = index.chunks_at(range.start..range.end + 1).ok_or(ClientError::InvalidArguments)?;
            parts.push(self.xorbs.read(&xorb, chunks).await.map_err(wrap)?);
            moved += range.length();
        }
        if let Some(progress) = progress {
            progress(moved, moved, moved);
        }
        let (data, edges) = join(parts);
        match len {
            Some(len) if len != data.len() => {
                Err(wrap(damaged(&at::xorb(&url), "a xorb is not as long as expected")))
            }
            _ => Ok((data, edges)),
        }
    }

    async fn query_for_global_dedup_shard(&self, _: &str, _: &MerkleHash) -> ClientResult<Option<Bytes>> {
        Ok(None)
    }

    async fn acquire_upload_permit(&self) -> ClientResult<ConnectionPermit> {
        self.up.acquire_connection_permit().await
    }

    async fn upload_shard(
        &self,
        shard: Bytes,
        _permit: ConnectionPermit,
        progress: Option<ShardUploadProgressCallback>,
    ) -> ClientResult<Option<MerkleHash>> {
        let len = shard.len() as u64;
        let (hash, located) = shard::locate(&shard).map_err(wrap)?;
        let path = at::shard(&hash.hex());
        if !self.bucket.create(&path, shard.clone()).await.map_err(wrap)?
            && self.bucket.size(&path).await.map_err(wrap)? != Some(len)
        {
            // Damaged: the name is the hash of what belongs there.
            self.bucket.replace(&path, shard).await.map_err(wrap)?;
        }
        self.fresh
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .extend(located.into_iter().map(|located| (located.content, located)));
        if let Some(progress) = progress {
            progress(ShardUploadProgressType::Transfer(len));
            progress(ShardUploadProgressType::Response(&ShardUploadEvent::Result));
        }
        Ok(Some(hash))
    }

    async fn upload_xorb(
        &self,
        _prefix: &str,
        xorb: SerializedXorbObject,
        progress: Option<ProgressCallback>,
        _permit: ConnectionPermit,
    ) -> ClientResult<u64> {
        let hash = xorb.hash;
        let bytes: Bytes = match xorb.footer_start {
            Some(_) => xorb.serialized_data.into(),
            None => tokio::task::spawn_blocking(move || -> ClientResult<Bytes> {
                let mut whole = Vec::with_capacity(xorb.serialized_data.len() + (64 << 10));
                let (_, computed) = reconstruct_xorb_with_footer(&mut whole, &xorb.serialized_data)?;
                if computed != hash {
                    return Err(wrap(Error::new(Kind::Invalid, "a xorb is not what its hash says")));
                }
                Ok(whole.into())
            })
            .await
            .map_err(ClientError::internal)??,
        };
        let len = bytes.len() as u64;
        let path = at::xorb(&hash.hex());
        if !self.bucket.create(&path, bytes.clone()).await.map_err(wrap)? {
            // Maybe packed otherwise than ours, but the same chunks. If it is no xorb at all, ours mends it.
            self.xorbs.forget(&hash);
            match self.xorbs.index(&hash).await {
                Ok(_) => {}
                Err(e) if e.kind() == Kind::Damaged => {
                    self.bucket.replace(&path, bytes).await.map_err(wrap)?
                }
                Err(e) => return Err(wrap(e)),
            }
        }
        if let Some(progress) = progress {
            progress(len, len, len);
        }
        Ok(len)
    }

    async fn get_file_chunk_hashes(
        &self,
        _: &MerkleHash,
        _: Vec<FileRange>,
    ) -> ClientResult<FileChunkHashesResponse> {
        // Whoever edits has all that this would tell from outlines and footers, for fewer bytes.
        Err(ClientError::Other("a Lacuna bucket answers chunk hashes from its xorbs' footers".into()))
    }
}

fn join(mut parts: Vec<(Bytes, Vec<u32>)>) -> (Bytes, Vec<u32>) {
    if parts.len() == 1
        && let Some(part) = parts.pop()
    {
        return part;
    }
    let (mut data, mut edges) = (Vec::new(), vec![0]);
    for (bytes, cuts) in parts {
        let base = data.len() as u32;
        edges.extend(cuts.iter().skip(1).map(|cut| base + cut));
        data.extend_from_slice(&bytes);
    }
    (data.into(), edges)
}

/// Bytes of an outline's checksum, behind it.
const CHECK: usize = 32;

#[async_trait]
impl Outlines for Cas {
    async fn outline(&self, id: &ContentId) -> Result<Option<Bytes>> {
        let Some(mut bytes) = self.bucket.get(&at::outline(&id.hex())).await? else { return Ok(None) };
        // Outlines are hints, put without a sync: a torn one is none.
        let Some(len) = bytes.len().checked_sub(CHECK) else { return Ok(None) };
        let check = bytes.split_off(len);
        Ok((xet_core_structures::merklehash::compute_data_hash(&bytes).as_bytes() == &check[..])
            .then_some(bytes))
    }

    async fn put_outline(&self, id: &ContentId, outline: Bytes) -> Result<()> {
        let check = xet_core_structures::merklehash::compute_data_hash(&outline);
        let mut bytes = Vec::with_capacity(outline.len() + CHECK);
        bytes.extend_from_slice(&outline);
        bytes.extend_from_slice(check.as_bytes());
        self.bucket.hint(&at::outline(&id.hex()), bytes.into()).await
    }

    async fn xorb_chunks(
        &self,
        xorb: &MerkleHash,
        chunks: Range<u32>,
    ) -> Result<Option<Vec<(MerkleHash, u32)>>> {
        let index = self.xorbs.index(xorb).await?;
        if chunks.end > index.chunks() {
            return Err(damaged(&at::xorb(&xorb.hex()), "a file and its xorb do not fit"));
        }
        let hashes = self.xorbs.hashes(xorb, &index, chunks.clone()).await?;
        let len = |chunk: u32| {
            let r = index.unpacked(chunk..chunk + 1);
            (r.end - r.start) as u32
        };
        Ok(Some(hashes.into_iter().zip(chunks).map(|(hash, chunk)| (hash, len(chunk))).collect()))
    }

    fn wants_footers(&self) -> bool {
        true
    }
}
