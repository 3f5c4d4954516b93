//! The CAS: `xet-client`'s own simulation server over a folder, with what it lacks put before it: tokens,
//! `/v2/file-chunk-hashes`, ranges of xorbs without reading all of them, counting and faults.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::{Context, Result};
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use tokio::net::TcpListener;
use xet_client::{
    cas_client::{DirectAccessClient, LocalClient, simulation::LocalServer},
    cas_types::{FileRange, X_RANGE_DIRTY_HEADER},
    error::ClientError,
};
use xet_core_structures::{
    merklehash::{MerkleHash, file_hash},
    metadata_shard::{
        chunk_verification::range_hash_from_chunks,
        file_structs::{FileDataSequenceHeader, FileVerificationEntry, MDBFileInfo},
        shard_format::MDBShardFileHeader,
        xorb_structs::XorbChunkSequenceHeader,
    },
};
use xet_runtime::{config::XetConfig, core::XetContext};

use crate::{
    answers, serving,
    world::{World, bearer, seconds},
};

/// The store and the server that is not ours.
pub struct Cas {
    /// Of xet's crates, on the Hub's runtime.
    pub ctx: XetContext,
    /// The address of the server itself: no tokens, no counts, no faults.
    pub upstream: String,
    store: Arc<dyn DirectAccessClient>,
    /// Where it keeps the xorbs.
    xorbs: PathBuf,
    http: reqwest::Client,
}

impl Cas {
    /// Starts the server over `folder`, on the current runtime, which must have several threads.
    ///
    /// # Errors
    /// The folder can't be used, or no port is free.
    pub async fn start(folder: &Path) -> Result<Cas> {
        let ctx = XetContext::with_config(XetConfig::default()).context("can't start xet's runtime")?;
        let store: Arc<dyn DirectAccessClient> =
            LocalClient::new(ctx.clone(), folder).await.context("can't open the store of the CAS")?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the CAS")?;
        let port = listener.local_addr()?.port();
        let server = LocalServer::from_client(Arc::clone(&store), None, "127.0.0.1".to_owned(), port);
        tokio::spawn(async move {
            let (_keep, stop) = tokio::sync::oneshot::channel();
            server.serve_until_stopped(listener, stop).await
        });
        let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client for the CAS")?;
        Ok(Cas {
            ctx,
            upstream: format!("http://127.0.0.1:{port}"),
            store,
            xorbs: folder.join("xorbs"),
            http,
        })
    }

    /// The length of a content, if there is such a one.
    pub async fn size(&self, hash: &str) -> Option<u64> {
        self.store.get_file_size(&MerkleHash::from_hex(hash).ok()?).await.ok()
    }

    /// Bytes of a content, piece by piece.
    ///
    /// # Errors
    /// There is none.
    pub async fn read(&self, hash: &str, range: Range<u64>) -> Result<Body> {
        let hash = MerkleHash::from_hex(hash).context("no hash")?;
        let (info, _) = self.store.get_file_reconstruction_info(&hash).await?.context("no such content")?;
        Ok(Body::from_stream(serving::content(Arc::clone(&self.store), info.segments, range)))
    }

    /// Registers a content of `hash`'s segments so many times over; returns its hash.
    ///
    /// # Errors
    /// There is no such content.
    pub async fn repeat(&self, hash: &str, times: usize) -> Result<String> {
        let hash = MerkleHash::from_hex(hash).context("no hash")?;
        let (one, _) = self.store.get_file_reconstruction_info(&hash).await?.context("no such content")?;
        let (mut chunks, mut verification) = (Vec::new(), Vec::new());
        for segment in &one.segments {
            let footer = self.store.xorb_footer(&segment.xorb_hash).await?;
            let indices = segment.chunk_index_start..segment.chunk_index_end;
            let mut hashes = Vec::new();
            for i in indices {
                let hash = footer.info.chunk_hashes.get(i as usize).context("a xorb lacks a chunk")?;
                hashes.push(*hash);
                chunks.push((*hash, u64::from(footer.uncompressed_chunk_length(i)?)));
            }
            verification.push(FileVerificationEntry::new(range_hash_from_chunks(&hashes)));
        }
        let name = file_hash(&chunks.repeat(times));
        let segments = vec![one.segments; times].concat();
        let file = MDBFileInfo {
            metadata: FileDataSequenceHeader::new(name, segments.len(), true, false),
            segments,
            verification: vec![verification; times].concat(),
            metadata_ext: None,
        };
        let mut shard = Vec::new();
        MDBShardFileHeader { footer_size: 0, ..Default::default() }.serialize(&mut shard)?;
        file.serialize(&mut shard)?;
        FileDataSequenceHeader::bookend().serialize(&mut shard)?;
        XorbChunkSequenceHeader::bookend().serialize(&mut shard)?;
        let permit = self.store.acquire_upload_permit().await?;
        self.store.upload_shard(shard.into(), permit, None).await?;
        Ok(name.hex())
    }

    /// Sends a request on to the server. `Host` stays, so that the addresses that it hands out lead through
    /// here.
    async fn forward(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut headers = parts.headers;
        for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::AUTHORIZATION] {
            headers.remove(name);
        }
        // An empty stream would make a chunked body of a request that has none.
        let bodiless = matches!(parts.method, Method::GET | Method::HEAD);
        let mut request =
            self.http.request(parts.method, format!("{}{target}", self.upstream)).headers(headers);
        if !bodiless {
            request = request.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        match request.send().await {
            Err(e) => answers::error(StatusCode::BAD_GATEWAY, None, &format!("the CAS does not answer: {e}")),
            Ok(answer) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = answer.status();
                *response.headers_mut() = answer.headers().clone();
                for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
                    response.headers_mut().remove(name);
                }
                *response.body_mut() = Body::from_stream(answer.bytes_stream());
                response
            }
        }
    }

    /// The windows around dirty ranges and the subtrees between them. The simulation server has no such
    /// route, but its store computes the answer, from its shards and the footers of its xorbs.
    async fn chunk_hashes(&self, hash: &str, headers: &HeaderMap) -> Response<Body> {
        let Ok(hash) = MerkleHash::from_hex(hash) else { return answers::bad("no hash") };
        let ranges = headers.get(X_RANGE_DIRTY_HEADER).and_then(|value| value.to_str().ok()).and_then(dirty);
        let Some(ranges) = ranges else { return answers::bad("X-Range-Dirty makes no sense") };
        match self.store.get_file_chunk_hashes(&hash, ranges).await {
            Ok(found) => Json(found).into_response(),
            Err(e) => {
                let status = match e {
                    ClientError::FileNotFound(_) | ClientError::XORBNotFound(_) => StatusCode::NOT_FOUND,
                    ClientError::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
                    ClientError::InvalidArguments => StatusCode::BAD_REQUEST,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                answers::error(status, None, &e.to_string())
            }
        }
    }
}

/// `bytes=0-9,20-29`: both ends belong to the range.
fn dirty(text: &str) -> Option<Vec<FileRange>> {
    let range = |text: &str| {
        let (from, to) = text.trim().split_once('-')?;
        let (from, to) = (u64::from_str(from).ok()?, u64::from_str(to).ok()?);
        (from <= to).then(|| FileRange::new(from, to + 1))
    };
    text.strip_prefix("bytes=")?.split(',').map(range).collect()
}

/// What a request to the CAS needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    /// A token.
    Read,
    /// A token for uploads.
    Write,
    /// Nothing: its address was handed out as a signed one.
    Signed,
    /// There is no such route.
    Nothing,
}

fn needs(method: &str, path: &str) -> Needs {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        (
            "GET",
            ["v1" | "v2", "reconstructions", ..] | ["v1", "chunks", ..] | ["v2", "file-chunk-hashes", _],
        ) => Needs::Read,
        ("GET" | "HEAD", ["v1", "fetch_term"] | ["v1", "get_xorb", ..]) => Needs::Signed,
        ("PUT", ["simulation", "xorb-uploads", _]) => Needs::Signed,
        ("HEAD", ["v1", "xorbs" | "files", ..]) => Needs::Read,
        ("POST", ["v1", "xorbs" | "xorb-grants" | "xorb-commits", ..] | ["v1" | "v2", "shards"]) => {
            Needs::Write
        }
        ("POST", ["v1", "telemetry"]) => Needs::Read,
        _ => Needs::Nothing,
    }
}

/// Answers a request to the CAS.
pub async fn answer(world: Arc<World>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let needs = needs(request.method().as_str(), &path);
    match needs {
        Needs::Nothing => return answers::no_route(),
        Needs::Signed => {}
        Needs::Read | Needs::Write => {
            let token = bearer(request.headers());
            let allowed = world.state().tokens.allows(token, needs == Needs::Write, seconds());
            if let Err(status) = allowed {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::UNAUTHORIZED);
                return answers::error(status, None, "the CAS token does not allow this");
            }
        }
    }
    if path == "/v1/fetch_term"
        && let Some(answer) = serving::xorb_range(&world.cas.xorbs, request.uri(), request.headers())
    {
        return answer;
    }
    match path.strip_prefix("/v2/file-chunk-hashes/") {
        Some(hash) => world.cas.chunk_hashes(hash, request.headers()).await,
        None => world.cas.forward(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dirty_ranges_are_read() {
        let read = |text| dirty(text).map(|r| r.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>());
        assert_eq!(read("bytes=0-9,20-29"), Some(vec![(0, 10), (20, 30)]));
        assert_eq!(read("bytes=9-0"), None);
        assert_eq!(read("bytes="), None);
        assert_eq!(read("0-9"), None);
    }

    #[test]
    fn only_the_clients_routes_are_open() {
        for (method, path, expected) in [
            ("GET", "/v2/reconstructions/ab", Needs::Read),
            ("GET", "/v1/chunks/default-merkledb/ab", Needs::Read),
            ("POST", "/v1/xorbs/default/ab", Needs::Write),
            ("POST", "/v2/shards", Needs::Write),
            ("GET", "/v1/fetch_term", Needs::Signed),
            ("PUT", "/simulation/xorb-uploads/7", Needs::Signed),
            ("POST", "/simulation/set_config", Needs::Nothing),
            ("GET", "/health", Needs::Nothing),
        ] {
            assert_eq!(needs(method, path), expected, "{method} {path}");
        }
    }
}
