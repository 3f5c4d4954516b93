//! [`Cas`]: the Hub's content store, over `xet-client`'s [`RemoteClient`] with its telemetry off.
//!
//! Tokens for it are short-lived. One that is about to run out is renewed before a call, and one that was
//! refused in the middle of a transfer is replaced and the call made once more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::Mutex;
use xet_client::{
    cas_client::{
        Client, ProgressCallback, RemoteClient, ShardUploadProgressCallback, URLProvider,
        adaptive_concurrency::ConnectionPermit,
        auth::{AuthConfig, AuthError, TokenInfo, TokenRefresher},
    },
    cas_types::{
        BatchQueryReconstructionResponse, FileChunkHashesResponse, FileRange, QueryReconstructionResponseV2,
    },
    error::{ClientError, Result as CasResult},
};
use xet_core_structures::{
    merklehash::MerkleHash, metadata_shard::file_structs::MDBFileInfo, xorb_object::SerializedXorbObject,
};
use xet_runtime::{config::XetConfig, core::XetContext};

use super::{
    api::{Api, Moved},
    place::Place,
};
use crate::{
    error::{Error, Kind, Result},
    xet::client_error,
};

/// A token is renewed when it has less than this to live, or less than half of its whole life.
const MARGIN: u64 = 60;

/// The answer of the Hub's token routes.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pass {
    cas_url: String,
    exp: u64,
    access_token: String,
    /// When it came, seconds since 1970.
    #[serde(skip)]
    came: u64,
}

impl Pass {
    fn is_good(&self, now: u64) -> bool {
        let life = self.exp.saturating_sub(self.came);
        self.exp > now + MARGIN.min(life / 2)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The token of the moment.
struct Passes {
    api: Arc<Api>,
    place: Place,
    /// Whether one that may write is wanted.
    write: bool,
    /// The Hub gave none that may write.
    only_reads: AtomicBool,
    /// It gave none because it does not know who asks.
    unknown: AtomicBool,
    now: Mutex<Option<Pass>>,
}

impl Passes {
    /// The token, renewed if it must be. `refused` is one that the CAS did not take.
    async fn get(&self, refused: Option<&str>) -> Result<Pass> {
        let mut held = self.now.lock().await;
        if let Some(pass) = &*held
            && pass.is_good(now())
            && refused != Some(&pass.access_token)
        {
            return Ok(pass.clone());
        }
        let mut pass = self.ask().await?;
        pass.came = now();
        *held = Some(pass.clone());
        Ok(pass)
    }

    async fn ask(&self) -> Result<Pass> {
        if self.write {
            match self.api.json(&self.place.token(true), "the right to write").await {
                Err(e) if matches!(e.kind(), Kind::Denied | Kind::SignedOut) => {
                    // It may still be read. If that is refused too, nobody is signed in.
                    let pass = self.api.json(&self.place.token(false), "the right to read").await?;
                    self.only_reads.store(true, Ordering::Relaxed);
                    self.unknown.store(e.kind() == Kind::SignedOut, Ordering::Relaxed);
                    return Ok(pass);
                }
                pass => {
                    self.only_reads.store(false, Ordering::Relaxed);
                    return pass;
                }
            }
        }
        self.api.json(&self.place.token(false), "the right to read").await
    }
}

/// Gives the client the token of the moment.
struct Refresher(Arc<Passes>);

#[async_trait]
impl TokenRefresher for Refresher {
    async fn refresh(&self) -> std::result::Result<TokenInfo, AuthError> {
        let pass = self.0.get(None).await.map_err(AuthError::token_refresh_failure)?;
        Ok((pass.access_token, pass.exp))
    }
}

/// A client and the token that it began with.
#[derive(Clone)]
struct Now {
    url: String,
    client: Arc<RemoteClient>,
}

/// See the module's text.
pub struct Cas {
    context: XetContext,
    passes: Arc<Passes>,
    moved: Arc<Moved>,
    now: Mutex<Option<Now>>,
}

impl Cas {
    /// The store of one bucket or repository. Asks nobody yet. Needs a tokio runtime.
    pub fn new(api: Arc<Api>, place: Place, write: bool) -> Result<Cas> {
        let mut config = XetConfig::default();
        config.telemetry.enabled = false;
        // Whoever reads waits meanwhile, and what is sent is tried again by the flusher.
        config.client.retry_max_attempts = 3;
        config.client.retry_base_delay = Duration::from_millis(500);
        config.client.connect_timeout = Duration::from_secs(10);
        config.client.read_timeout = Duration::from_secs(60);
        // How many come at once is decided by whoever asks; beginning with few would hold up a long way's first seconds.
        config.client.ac_initial_download_concurrency = 16;
        let context = XetContext::with_config(config)
            .map_err(|e| Error::new(Kind::Other, format!("can't start transfers: {e}")))?;
        let moved = api.moved.clone();
        let passes = Arc::new(Passes {
            api,
            place,
            write,
            only_reads: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
            now: Mutex::default(),
        });
        Ok(Cas { context, passes, moved, now: Mutex::default() })
    }

    /// Fails if contents can't be uploaded: a token is asked for, if there is none.
    pub async fn must_write(&self) -> Result<()> {
        self.passes.get(None).await?;
        if self.passes.only_reads.load(Ordering::Relaxed) {
            // Perhaps somebody has signed in since.
            *self.passes.now.lock().await = None;
            self.passes.get(None).await?;
            *self.now.lock().await = None;
        }
        if self.passes.only_reads.load(Ordering::Relaxed) {
            if self.passes.unknown.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::SignedOut, "the Hub lets only those write here whom it knows")
                    .remedy("sign in: `lacuna login hf`; or mount with --read-only"));
            }
            return Err(Error::new(Kind::Denied, "the Hub lets this user only read here").remedy(
                "sign in with a token that may write: `lacuna login hf`; or mount with --read-only",
            ));
        }
        Ok(())
    }

    /// The client of the moment; its token is good for a while.
    async fn client(&self) -> CasResult<Arc<RemoteClient>> {
        let pass = self.passes.get(None).await.map_err(client_error)?;
        let mut now = self.now.lock().await;
        if let Some(now) = &*now
            && now.url == pass.cas_url
        {
            return Ok(now.client.clone());
        }
        let auth = AuthConfig {
            token: pass.access_token,
            token_expiration: pass.exp,
            token_refresher: Arc::new(Refresher(self.passes.clone())),
        };
        let url = pass.cas_url.trim_end_matches('/');
        let client = RemoteClient::new(self.context.clone(), url, &Some(auth), "", false, None);
        *now = Some(Now { url: pass.cas_url, client: client.clone() });
        Ok(client)
    }

    /// Whether a call is worth making again, with another token; asks for that.
    async fn renewed(&self, e: &ClientError, failed: &Arc<RemoteClient>) -> bool {
        if e.status().map(|s| s.as_u16()) != Some(401) {
            return false;
        }
        {
            let mut now = self.now.lock().await;
            if now.as_ref().is_some_and(|n| Arc::ptr_eq(&n.client, failed)) {
                *now = None;
            } else {
                return true;
            }
        }
        let old = self.passes.now.lock().await.as_ref().map(|p| p.access_token.clone());
        match self.passes.get(old.as_deref()).await {
            Ok(_) => true,
            Err(e) => {
                tracing::warn!("a new token for the contents is not to be had: {e}");
                false
            }
        }
    }
}

/// Calls, and once more with another token if the first was refused.
macro_rules! with_token {
    ($self:ident, $client:ident => $call:expr) => {{
        let $client = $self.client().await?;
        match $call {
            Err(e) if $self.renewed(&e, &$client).await => {
                let $client = $self.client().await?;
                $call
            }
            done => done,
        }
    }};
}

fn json_bytes(value: &impl serde::Serialize) -> u64 {
    serde_json::to_vec(value).map_or(0, |v| v.len() as u64)
}

#[async_trait]
impl Client for Cas {
    async fn get_file_reconstruction_info(
        &self,
        file: &MerkleHash,
    ) -> CasResult<Option<(MDBFileInfo, Option<MerkleHash>)>> {
        let info = with_token!(self, client => client.get_file_reconstruction_info(file).await)?;
        self.moved.down(info.as_ref().and_then(|(info, _)| info.num_bytes().ok()).unwrap_or(0));
        Ok(info)
    }

    async fn get_reconstruction(
        &self,
        file: &MerkleHash,
        range: Option<FileRange>,
    ) -> CasResult<Option<QueryReconstructionResponseV2>> {
        let answer = with_token!(self, client => client.get_reconstruction(file, range).await)?;
        self.moved.down(json_bytes(&answer));
        Ok(answer)
    }

    async fn batch_get_reconstruction(
        &self,
        files: &[MerkleHash],
    ) -> CasResult<BatchQueryReconstructionResponse> {
        with_token!(self, client => client.batch_get_reconstruction(files).await)
    }

    async fn acquire_download_permit(&self) -> CasResult<ConnectionPermit> {
        self.client().await?.acquire_download_permit().await
    }

    async fn get_file_term_data(
        &self,
        url: Box<dyn URLProvider>,
        permit: ConnectionPermit,
        progress: Option<ProgressCallback>,
        size: Option<usize>,
    ) -> CasResult<(Bytes, Vec<u32>)> {
        // The addresses are signed: no token of ours is in play.
        let (moved, came) = (self.moved.clone(), Arc::new(AtomicU64::new(0)));
        let sum = came.clone();
        let count: ProgressCallback = Arc::new(move |new, done, all| {
            moved.down(new);
            sum.fetch_add(new, Ordering::Relaxed);
            if let Some(progress) = &progress {
                progress(new, done, all);
            }
        });
        let data = self.client().await?.get_file_term_data(url, permit, Some(count), size).await?;
        // Whoever reads waits for as long as the bytes should have taken.
        self.passes.api.bandwidth.down.take(came.load(Ordering::Relaxed), |_| ()).await;
        Ok(data)
    }

    async fn query_for_global_dedup_shard(
        &self,
        prefix: &str,
        chunk: &MerkleHash,
    ) -> CasResult<Option<Bytes>> {
        let shard = with_token!(self, client => client.query_for_global_dedup_shard(prefix, chunk).await)?;
        self.moved.down(shard.as_ref().map_or(0, |s| s.len() as u64));
        Ok(shard)
    }

    async fn acquire_upload_permit(&self) -> CasResult<ConnectionPermit> {
        self.client().await?.acquire_upload_permit().await
    }

    async fn upload_shard(
        &self,
        shard: Bytes,
        permit: ConnectionPermit,
        progress: Option<ShardUploadProgressCallback>,
    ) -> CasResult<Option<MerkleHash>> {
        self.passes.api.bandwidth.up.take(shard.len() as u64, |n| self.moved.up(n)).await;
        let mut permit = Some(permit);
        with_token!(self, client => {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => client.acquire_upload_permit().await?,
            };
            client.upload_shard(shard.clone(), permit, progress.clone()).await
        })
    }

    async fn upload_xorb(
        &self,
        prefix: &str,
        xorb: SerializedXorbObject,
        progress: Option<ProgressCallback>,
        permit: ConnectionPermit,
    ) -> CasResult<u64> {
        let size = xorb.serialized_data.len() as u64;
        self.passes.api.bandwidth.up.take(size, |n| self.moved.up(n)).await;
        let mut permit = Some(permit);
        let again = |x: &SerializedXorbObject| SerializedXorbObject {
            serialized_data: x.serialized_data.clone(),
            hash: x.hash,
            raw_num_bytes: x.raw_num_bytes,
            num_chunks: x.num_chunks,
            footer_start: x.footer_start,
        };
        with_token!(self, client => {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => client.acquire_upload_permit().await?,
            };
            client.upload_xorb(prefix, again(&xorb), progress.clone(), permit).await
        })
    }

    async fn get_file_chunk_hashes(
        &self,
        file: &MerkleHash,
        dirty: Vec<FileRange>,
    ) -> CasResult<FileChunkHashesResponse> {
        let answer = with_token!(self, client => client.get_file_chunk_hashes(file, dirty.clone()).await)?;
        self.moved.down(json_bytes(&answer));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_before_it_runs_out() {
        let pass = |came, exp| Pass { cas_url: String::new(), exp, access_token: String::new(), came };
        assert!(pass(0, 3600).is_good(3539));
        assert!(!pass(0, 3600).is_good(3540));
        // One that lives ten seconds is used for five.
        assert!(pass(100, 110).is_good(104));
        assert!(!pass(100, 110).is_good(105));
        assert!(!pass(100, 90).is_good(100));
    }
}
