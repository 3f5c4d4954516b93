//! `xet_data::upload_ranges` 1.8 on the same data: bytes down counted at the client that it reads with,
//! bytes up by what its local store grew.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use xet_client::{
    cas_client::{
        Client, LocalClient, ProgressCallback, ShardUploadProgressCallback, URLProvider,
        adaptive_concurrency::ConnectionPermit,
    },
    cas_types::{
        BatchQueryReconstructionResponse, FileChunkHashesResponse, FileRange, QueryReconstructionResponseV2,
    },
    error::Result,
};
use xet_core_structures::{
    merklehash::MerkleHash, metadata_shard::file_structs::MDBFileInfo, xorb_object::SerializedXorbObject,
};
use xet_data::{
    file_reconstruction::FileReconstructor,
    processing::{
        DirtyInput, FileUploadSession, Sha256Policy, configurations::TranslatorConfig, upload_ranges,
    },
};
use xet_runtime::core::XetContext;

use crate::{Edit, Moved};

pub struct Bench {
    dir: tempfile::TempDir,
    hash: MerkleHash,
}

impl Bench {
    pub async fn new(content: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let ctx = XetContext::default().expect("a context");
        let config = Arc::new(
            TranslatorConfig::local_config(&ctx, dir.path().join("store")).expect("a configuration"),
        );
        let session = FileUploadSession::new(config).await.expect("a session");
        let (_, mut cleaner) =
            session.start_clean(None, Some(content.len() as u64), Sha256Policy::Skip).expect("a cleaner");
        for piece in content.chunks(8 << 20) {
            cleaner.add_data(piece).await.expect("data");
        }
        let (info, _) = cleaner.finish().await.expect("the end");
        session.finalize().await.expect("finalize");
        let hash = info.merkle_hash().expect("a hash");
        Bench { dir, hash }
    }

    pub async fn run(&self, edit: &Edit, want: &[u8], size: u64) -> Moved {
        let work = self.dir.path().join("work");
        let _ = std::fs::remove_dir_all(&work);
        copy(&self.dir.path().join("store"), &work);
        let ctx = XetContext::default().expect("a context");
        let config = Arc::new(TranslatorConfig::local_config(&ctx, &work).expect("a configuration"));
        let inner = LocalClient::new(ctx.clone(), work.join("xet/xorbs")).await.expect("a client");
        let counted = Arc::new(Counted { inner, down: AtomicU64::new(0) });
        let client: Arc<dyn Client> = counted.clone();
        let mut inputs: Vec<DirtyInput> = edit
            .writes
            .iter()
            .enumerate()
            .map(|(i, w)| DirtyInput {
                original_range: w.start.min(size)..w.end.min(size),
                reader: Box::pin(std::io::Cursor::new(edit.patch(i))),
                new_length: w.end - w.start,
            })
            .collect();
        if let Some(len) = edit.truncate {
            inputs.push(DirtyInput {
                original_range: len..size,
                reader: Box::pin(std::io::Cursor::new(Vec::new())),
                new_length: 0,
            });
        }
        let before = stored(&work);
        let answer = upload_ranges(config, client.clone(), self.hash, size, inputs).await;
        let (up, down) = (stored(&work).saturating_sub(before), counted.down.load(Ordering::Relaxed));
        let equal = match answer.ok().and_then(|info| info.merkle_hash().ok()) {
            Some(hash) => read(&ctx, &client, hash).await.is_some_and(|bytes| bytes == want),
            None => false,
        };
        Moved { up, down, equal }
    }
}

async fn read(ctx: &XetContext, client: &Arc<dyn Client>, hash: MerkleHash) -> Option<Vec<u8>> {
    let mut stream = FileReconstructor::new(ctx, client, hash).reconstruct_to_stream();
    let mut out = Vec::new();
    while let Some(bytes) = stream.next().await.ok()? {
        out.extend_from_slice(&bytes);
    }
    Some(out)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for e in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(e.file_name());
        if e.path().is_dir() {
            copy(&e.path(), &target)
        } else {
            std::fs::copy(e.path(), target).expect("a copy");
        }
    }
}

/// Bytes of xorbs and shards in the store.
fn stored(dir: &Path) -> u64 {
    let mut total = 0;
    for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = e.path();
        if path.is_dir() {
            total += stored(&path);
        } else if !path.extension().is_some_and(|x| x == "redb" || x == "db") {
            total += e.metadata().map_or(0, |m| m.len());
        }
    }
    total
}

struct Counted {
    inner: Arc<LocalClient>,
    down: AtomicU64,
}

#[async_trait]
impl Client for Counted {
    async fn get_file_reconstruction_info(
        &self,
        h: &MerkleHash,
    ) -> Result<Option<(MDBFileInfo, Option<MerkleHash>)>> {
        self.inner.get_file_reconstruction_info(h).await
    }

    async fn get_reconstruction(
        &self,
        h: &MerkleHash,
        r: Option<FileRange>,
    ) -> Result<Option<QueryReconstructionResponseV2>> {
        self.inner.get_reconstruction(h, r).await
    }

    async fn batch_get_reconstruction(&self, ids: &[MerkleHash]) -> Result<BatchQueryReconstructionResponse> {
        self.inner.batch_get_reconstruction(ids).await
    }

    async fn acquire_download_permit(&self) -> Result<ConnectionPermit> {
        self.inner.acquire_download_permit().await
    }

    async fn get_file_term_data(
        &self,
        url: Box<dyn URLProvider>,
        permit: ConnectionPermit,
        progress: Option<ProgressCallback>,
        size: Option<usize>,
    ) -> Result<(Bytes, Vec<u32>)> {
        let answer = self.inner.get_file_term_data(url, permit, progress, size).await?;
        self.down.fetch_add(answer.0.len() as u64, Ordering::Relaxed);
        Ok(answer)
    }

    async fn query_for_global_dedup_shard(&self, prefix: &str, h: &MerkleHash) -> Result<Option<Bytes>> {
        self.inner.query_for_global_dedup_shard(prefix, h).await
    }

    async fn acquire_upload_permit(&self) -> Result<ConnectionPermit> {
        self.inner.acquire_upload_permit().await
    }

    async fn upload_shard(
        &self,
        shard: Bytes,
        permit: ConnectionPermit,
        progress: Option<ShardUploadProgressCallback>,
    ) -> Result<Option<MerkleHash>> {
        self.inner.upload_shard(shard, permit, progress).await
    }

    async fn upload_xorb(
        &self,
        prefix: &str,
        xorb: SerializedXorbObject,
        progress: Option<ProgressCallback>,
        permit: ConnectionPermit,
    ) -> Result<u64> {
        self.inner.upload_xorb(prefix, xorb, progress, permit).await
    }

    async fn get_file_chunk_hashes(
        &self,
        id: &MerkleHash,
        dirty: Vec<FileRange>,
    ) -> Result<FileChunkHashesResponse> {
        self.inner.get_file_chunk_hashes(id, dirty).await
    }
}
