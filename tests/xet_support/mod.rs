//! What the tests of chunk-level composition share: a store that counts, files that are edited, data of
//! varied chunk sizes.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    io,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use lacuna::{
    error::Result,
    node::{Content, ContentId},
    ranges::RangeSet,
    remote::{Composition, Source},
    xet::{Outlines, Xet},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use xet_client::{
    cas_client::{
        Client, DirectAccessClient, MemoryClient, ProgressCallback, ShardUploadProgressCallback, URLProvider,
        adaptive_concurrency::ConnectionPermit,
    },
    cas_types::{
        BatchQueryReconstructionResponse, FileChunkHashesResponse, FileRange, QueryReconstructionResponseV2,
    },
    error::{ClientError, Result as CasResult},
};
use xet_core_structures::{
    merklehash::{MerkleHash, MerkleHashSubtree, file_hash},
    metadata_shard::file_structs::MDBFileInfo,
    xorb_object::SerializedXorbObject,
};
use xet_data::deduplication::Chunker;
use xet_runtime::{config::XetConfig, core::XetContext};

/// A store in memory that counts what moves: data, segments, shards, hashes and outlines.
pub struct Store {
    pub inner: Arc<MemoryClient>,
    pub up: AtomicU64,
    pub down: AtomicU64,
    pub shards: AtomicU64,
    pub xorbs: AtomicU64,
    pub outlines: Mutex<HashMap<ContentId, Bytes>>,
    /// Which of the extras the store offers.
    pub offers: Offers,
    /// Fails the upload of xorbs while above 0, one less each time.
    pub failures: AtomicU64,
    /// What is wrong with what it answers.
    pub damage: Mutex<Option<Damage>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The hashes of chunks.
    Rows,
    /// The bytes of chunks.
    Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offers {
    All,
    ChunksOnly,
    /// As Hugging Face does: what the hash of an edit needs of the parts that stay, and no verification.
    Gaps,
    Nothing,
}

impl Store {
    /// Needs a runtime of several threads around it.
    pub fn new(offers: Offers) -> Arc<Store> {
        let context = XetContext::with_config(XetConfig::default()).unwrap();
        Arc::new(Store {
            inner: MemoryClient::new(context),
            up: 0.into(),
            down: 0.into(),
            shards: 0.into(),
            xorbs: 0.into(),
            outlines: Mutex::default(),
            offers,
            failures: 0.into(),
            damage: Mutex::default(),
        })
    }

    /// A machine that has never seen anything, and its folder.
    pub fn machine(self: &Arc<Self>) -> (Xet, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Xet::open(self.clone(), self.clone(), dir.path()).unwrap(), dir)
    }

    /// Bytes moved since the last call: `(up, down)`.
    pub fn moved(&self) -> (u64, u64) {
        (self.up.swap(0, Relaxed), self.down.swap(0, Relaxed))
    }

    pub async fn segments(&self, content: &Content) -> MDBFileInfo {
        self.inner.get_file_reconstruction_info(&content.id.merkle()).await.unwrap().unwrap().0
    }
}

#[async_trait]
impl Outlines for Store {
    async fn outline(&self, id: &ContentId) -> Result<Option<Bytes>> {
        if self.offers != Offers::All {
            return Ok(None);
        }
        let outline = self.outlines.lock().unwrap().get(id).cloned();
        self.down.fetch_add(outline.as_ref().map_or(0, |o| o.len() as u64), Relaxed);
        Ok(outline)
    }

    async fn put_outline(&self, id: &ContentId, outline: Bytes) -> Result<()> {
        if self.offers == Offers::All {
            self.up.fetch_add(outline.len() as u64, Relaxed);
            self.outlines.lock().unwrap().insert(*id, outline);
        }
        Ok(())
    }

    async fn xorb_chunks(
        &self,
        xorb: &MerkleHash,
        chunks: Range<u32>,
    ) -> Result<Option<Vec<(MerkleHash, u32)>>> {
        if matches!(self.offers, Offers::Gaps | Offers::Nothing) {
            return Ok(None);
        }
        self.down.fetch_add(40 * chunks.len() as u64, Relaxed);
        let footer = self.inner.xorb_footer(xorb).await.unwrap();
        let rows = footer.chunk_hash_sizes(chunks.start, chunks.end).unwrap();
        let mut rows: Vec<_> = rows.into_iter().map(|(h, n)| (h, n as u32)).collect();
        if *self.damage.lock().unwrap() == Some(Damage::Rows) {
            rows[0].0 = MerkleHash::random_from_seed(1);
        }
        Ok(Some(rows))
    }

    fn keeps_outlines(&self) -> bool {
        self.offers == Offers::All
    }

    fn wants_footers(&self) -> bool {
        self.offers == Offers::All
    }
}

#[async_trait]
impl Client for Store {
    async fn get_file_reconstruction_info(
        &self,
        file: &MerkleHash,
    ) -> CasResult<Option<(MDBFileInfo, Option<MerkleHash>)>> {
        let mut info = self.inner.get_file_reconstruction_info(file).await?;
        if let Some((info, _)) = &mut info
            && self.offers == Offers::Gaps
        {
            info.verification.clear();
        }
        self.down.fetch_add(info.as_ref().map_or(0, |i| i.0.num_bytes().unwrap()), Relaxed);
        Ok(info)
    }

    async fn get_reconstruction(
        &self,
        file: &MerkleHash,
        range: Option<FileRange>,
    ) -> CasResult<Option<QueryReconstructionResponseV2>> {
        let info = self.inner.get_reconstruction(file, range).await?;
        self.down.fetch_add(info.as_ref().map_or(0, |i| i.terms.len() as u64 * 64), Relaxed);
        Ok(info)
    }

    async fn batch_get_reconstruction(
        &self,
        _: &[MerkleHash],
    ) -> CasResult<BatchQueryReconstructionResponse> {
        unimplemented!("not used")
    }

    async fn acquire_download_permit(&self) -> CasResult<ConnectionPermit> {
        self.inner.acquire_download_permit().await
    }

    async fn get_file_term_data(
        &self,
        urls: Box<dyn URLProvider>,
        permit: ConnectionPermit,
        progress: Option<ProgressCallback>,
        size: Option<usize>,
    ) -> CasResult<(Bytes, Vec<u32>)> {
        let (_, ranges) = urls.retrieve_url().await?;
        self.down.fetch_add(ranges.iter().map(|r| r.length()).sum::<u64>(), Relaxed);
        let (bytes, offsets) = self.inner.get_file_term_data(urls, permit, progress, size).await?;
        if *self.damage.lock().unwrap() == Some(Damage::Bytes) {
            let mut bytes = bytes.to_vec();
            bytes[0] ^= 1;
            return Ok((bytes.into(), offsets));
        }
        Ok((bytes, offsets))
    }

    async fn query_for_global_dedup_shard(
        &self,
        prefix: &str,
        chunk: &MerkleHash,
    ) -> CasResult<Option<Bytes>> {
        self.inner.query_for_global_dedup_shard(prefix, chunk).await
    }

    async fn acquire_upload_permit(&self) -> CasResult<ConnectionPermit> {
        self.inner.acquire_upload_permit().await
    }

    async fn upload_shard(
        &self,
        shard: Bytes,
        permit: ConnectionPermit,
        progress: Option<ShardUploadProgressCallback>,
    ) -> CasResult<Option<MerkleHash>> {
        self.up.fetch_add(shard.len() as u64, Relaxed);
        self.shards.fetch_add(1, Relaxed);
        self.inner.upload_shard(shard, permit, progress).await
    }

    async fn upload_xorb(
        &self,
        prefix: &str,
        xorb: SerializedXorbObject,
        progress: Option<ProgressCallback>,
        permit: ConnectionPermit,
    ) -> CasResult<u64> {
        let failing = |left: u64| left.checked_sub(1);
        if self.failures.fetch_update(Relaxed, Relaxed, failing).is_ok() {
            return Err(lacuna::xet::client_error(lacuna::error::Error::new(
                lacuna::error::Kind::NoSpace,
                "the disk is full",
            )));
        }
        self.up.fetch_add(xorb.serialized_data.len() as u64, Relaxed);
        self.xorbs.fetch_add(1, Relaxed);
        self.inner.upload_xorb(prefix, xorb, progress, permit).await
    }

    async fn get_file_chunk_hashes(
        &self,
        file: &MerkleHash,
        dirty: Vec<FileRange>,
    ) -> CasResult<FileChunkHashesResponse> {
        if self.offers != Offers::Gaps {
            return Err(ClientError::Other("there is no such route".to_owned()));
        }
        let mut answer = self.inner.get_file_chunk_hashes(file, dirty).await?;
        if *self.damage.lock().unwrap() == Some(Damage::Rows) {
            let pairs = [(MerkleHash::random_from_seed(1), answer.windows[0].dirty_byte_range[0])];
            answer.hash_ranges[0] = Some(MerkleHashSubtree::from_chunks(true, &pairs, false));
        }
        self.down.fetch_add(serde_json::to_vec(&answer).unwrap().len() as u64, Relaxed);
        Ok(answer)
    }
}

/// A file that is being edited: its bytes, and which of them the last save had.
#[derive(Clone)]
pub struct Edited {
    pub bytes: Vec<u8>,
    pub base: Option<Content>,
    pub base_limit: u64,
    pub dirty: RangeSet,
    pub local: RangeSet,
}

struct Instant {
    bytes: Vec<u8>,
    may: RangeSet,
}

impl Source for Instant {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if !self.may.contains(range.clone()) {
            return Err(io::Error::other(format!("{range:?} is not in dirty or local")));
        }
        Ok(Bytes::copy_from_slice(&self.bytes[range.start as usize..range.end as usize]))
    }
}

impl Edited {
    pub fn new(bytes: Vec<u8>) -> Edited {
        let dirty = RangeSet::from(0..bytes.len() as u64);
        Edited { bytes, base: None, base_limit: 0, dirty, local: RangeSet::new() }
    }

    pub fn write(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if end > self.bytes.len() {
            self.resize(end);
        }
        self.bytes[at..end].copy_from_slice(data);
        self.dirty.insert(at as u64..end as u64);
    }

    pub fn resize(&mut self, size: usize) {
        self.bytes.resize(size, 0);
        self.base_limit = self.base_limit.min(size as u64);
        self.dirty.truncate(size as u64);
        self.local.truncate(size as u64);
    }

    pub fn composition(&self) -> Composition {
        let mut local = self.local.clone();
        local.truncate(self.base_limit);
        let mut may = self.dirty.clone();
        may.union_with(&local);
        Composition {
            base: self.base,
            base_limit: self.base_limit,
            size: self.bytes.len() as u64,
            dirty: self.dirty.clone(),
            local,
            source: Arc::new(Instant { bytes: self.bytes.clone(), may }),
        }
    }

    /// The save is committed.
    pub fn saved(&mut self, content: Content) {
        self.base = Some(content);
        self.base_limit = content.size;
        self.dirty = RangeSet::new();
        self.local = RangeSet::new();
    }

    /// Uploads by `xet` and compares with a clean upload.
    pub async fn save(&mut self, xet: &Xet) -> lacuna::xet::Uploaded {
        let uploaded = xet.upload(vec![self.composition()]).await.remove(0).unwrap();
        assert_eq!(uploaded.content, content_of(&self.bytes), "the file hash is that of a clean upload");
        self.saved(uploaded.content);
        uploaded
    }
}

/// The content of these bytes as xet defines it.
pub fn content_of(bytes: &[u8]) -> Content {
    let chunks: Vec<_> =
        Chunker::default().next_block(bytes, true).iter().map(|c| (c.hash, c.data.len() as u64)).collect();
    Content { id: file_hash(&chunks).into(), size: bytes.len() as u64 }
}

/// Reads all of it, in pieces.
pub async fn read_back(xet: &Xet, content: &Content, piece: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while (out.len() as u64) < content.size {
        let at = out.len() as u64;
        out.extend_from_slice(&xet.read(content, at..content.size.min(at + piece)).await.unwrap());
    }
    out
}

/// Random runs, repeats, text and zeros, so that chunks of all sizes arise.
pub fn varied(seed: u64, len: usize, unit: usize) -> Vec<u8> {
    mixed(seed, len, unit, true)
}

/// The same without parts that occur twice.
pub fn distinct(seed: u64, len: usize, unit: usize) -> Vec<u8> {
    mixed(seed, len, unit, false)
}

fn mixed(seed: u64, len: usize, unit: usize, copies: bool) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut out = Vec::with_capacity(len + 8 * unit);
    while out.len() < len {
        let n = rng.random_range(1..4 * unit);
        match rng.random_range(0..10) {
            0 if copies => out.resize(out.len() + n, 0),
            1 if copies => {
                let word: Vec<u8> = (0..rng.random_range(1..200)).map(|_| rng.random()).collect();
                out.extend(word.iter().cycle().take(n));
            }
            2 | 3 => {
                let from = if copies { 0 } else { rng.random_range(0..1usize << 40) };
                (0..n / 8).for_each(|i| out.extend(format!("{:06}\t", from + i * 7 % 1000).bytes()));
            }
            4 if copies && !out.is_empty() => {
                let from = rng.random_range(0..out.len());
                let again = out[from..out.len().min(from + n)].to_vec();
                out.extend_from_slice(&again);
            }
            _ => {
                let at = out.len();
                out.resize(at + n, 0);
                rng.fill(&mut out[at..]);
            }
        }
    }
    out.truncate(len);
    out
}
