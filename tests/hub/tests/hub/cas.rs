//! The CAS behind its proxy, by xet's own client.

use std::sync::Arc;

use lacuna_test_hub::{Hub, Operation};
use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};
use serde_json::Value;
use xet_client::{
    cas_client::{Client as _, RemoteClient, auth::AuthConfig},
    cas_types::FileRange,
};
use xet_core_structures::merklehash::MerkleHash;
use xet_data::processing::{
    FileDownloadSession, FileUploadSession, Sha256Policy, XetFileInfo,
    configurations::{SessionContext, TranslatorConfig},
};
use xet_runtime::core::XetContext;

use crate::client::Client;

/// A token for the CAS of a bucket, as a client gets it.
async fn token(hub: &Hub, bucket: &str, kind: &str) -> (String, String, u64) {
    let path = format!("/api/buckets/{bucket}/xet-{kind}-token");
    let response = Client::new(hub).get(&path).await;
    let headers = response.headers().clone();
    let body: Value = response.json().await.unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(headers["x-xet-cas-url"], text("casUrl"));
    assert_eq!(headers["x-xet-access-token"], text("accessToken"));
    assert_eq!(headers["x-xet-token-expiration"], body["exp"].to_string());
    (text("casUrl"), text("accessToken"), body["exp"].as_u64().unwrap())
}

async fn remote(hub: &Hub, bucket: &str, kind: &str) -> (XetContext, Arc<RemoteClient>) {
    let (url, token, expires) = token(hub, bucket, kind).await;
    let context = XetContext::default().unwrap();
    let auth = AuthConfig::maybe_new(Some(token), Some(expires), None);
    (context.clone(), RemoteClient::new(context, &url, &auth, "", false, None))
}

/// Bytes whose chunks have many sizes.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut data);
    data
}

async fn upload(hub: &Hub, bucket: &str, data: &[u8]) -> XetFileInfo {
    let (url, token, expires) = token(hub, bucket, "write").await;
    let folder = tempfile::tempdir().unwrap();
    let session = SessionContext {
        endpoint: url,
        auth: AuthConfig::maybe_new(Some(token), Some(expires), None),
        custom_headers: None,
        repo_paths: vec![String::new()],
        session_id: None,
        cache_root: Some(folder.path().to_owned()),
    };
    let config = TranslatorConfig::new(&XetContext::default().unwrap(), session).unwrap();
    let session = FileUploadSession::new(Arc::new(config)).await.unwrap();
    let (_, mut cleaner) = session.start_clean(None, Some(data.len() as u64), Sha256Policy::Skip).unwrap();
    cleaner.add_data(data).await.unwrap();
    let (info, _) = cleaner.finish().await.unwrap();
    session.finalize().await.unwrap();
    info
}

/// A writer that keeps what it gets.
#[derive(Clone, Default)]
struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_xets_session_uploads_is_read_back_whole_and_by_ranges() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let data = bytes(1, 5_000_000);
    let info = upload(&hub, &bucket, &data).await;
    let moved = hub.counts();
    assert!(moved.cas().up as usize > data.len(), "{moved:?}");
    assert!(moved.requests("xorb") > 0 && moved.requests("/shards") > 0, "{moved:?}");
    assert_eq!(hub.read_content(info.hash(), 5_000_000).unwrap(), data);

    let (context, client) = remote(&hub, &bucket, "read").await;
    let session = FileDownloadSession::from_client(&context, client, None);
    let sink = Sink::default();
    session.download_to_writer(&info, .., sink.clone()).await.unwrap();
    assert!(*sink.0.lock().unwrap() == data);
    let mut random = SmallRng::seed_from_u64(2);
    for _ in 0..30 {
        let from = random.random_range(0..data.len());
        let to = random.random_range(from..data.len()) + 1;
        let to = to.min(from + 300_000);
        let before = hub.counts();
        let sink = Sink::default();
        session.download_to_writer(&info, from as u64..to as u64, sink.clone()).await.unwrap();
        assert!(*sink.0.lock().unwrap() == data[from..to], "{from}..{to}");
        // The chunks that are cut at both ends come with it.
        let down = hub.counts().since(&before).cas().down;
        assert!(
            down >= (to - from) as u64 && down < (to - from) as u64 + 300_000,
            "{from}..{to} moved {down}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cas_has_is_found_by_deduplication_and_not_sent_again() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let data = bytes(3, 8_000_000);
    upload(&hub, &bucket, &data).await;
    let before = hub.counts();
    let mut more = data.clone();
    more.extend(bytes(4, 100_000));
    let info = upload(&hub, &bucket, &more).await;
    let moved = hub.counts().since(&before);
    assert!(moved.requests("GET /v1/chunks") > 0, "{moved:?}");
    assert!(moved.cas().up < 1_000_000, "{moved:?}");
    assert_eq!(hub.read_content(info.hash(), more.len() as u64).unwrap(), more);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunk_hashes_of_a_file_are_told_for_dirty_ranges() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let data = bytes(5, 3_000_000);
    let hash = hub.put_file(&bucket, "f", data.clone()).unwrap();
    let (_, client) = remote(&hub, &bucket, "read").await;
    let file = MerkleHash::from_hex(&hash).unwrap();
    let dirty = vec![FileRange::new(1_000_000, 1_000_100), FileRange::new(2_500_000, 2_500_001)];
    let told = client.get_file_chunk_hashes(&file, dirty).await.unwrap();
    assert_eq!(told.file_size, 3_000_000);
    assert!(told.total_chunks > 20, "{}", told.total_chunks);
    assert_eq!(told.hash_ranges.len(), told.windows.len() + 1);
    assert!((1..=2).contains(&told.windows.len()));
    assert!(client.get_file_chunk_hashes(&MerkleHash::default(), vec![FileRange::new(0, 1)]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cas_wants_a_token_that_is_good() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let hash = hub.put_file(&bucket, "f", bytes(6, 100_000)).unwrap();
    let (url, read, expires) = token(&hub, &bucket, "read").await;
    assert!(expires > 1_700_000_000);
    let nobody = Client::with(&hub, None);
    let reader = Client::with(&hub, Some(&read));
    let terms = format!("{url}/v2/reconstructions/{hash}");
    assert_eq!(nobody.get(&terms).await.status(), 401);
    let plan = reader.get(&terms).await;
    assert_eq!(plan.status(), 200);
    assert!(
        plan.text().await.unwrap().contains(&format!("{url}/v1/fetch_term")),
        "the bytes come by the proxy"
    );
    assert_eq!(reader.post(&format!("{url}/v1/shards"), "").await.status(), 403);
    assert_eq!(reader.post(&format!("{url}/simulation/set_config"), "").await.status(), 404);
    hub.expire_cas_tokens();
    assert_eq!(reader.get(&terms).await.status(), 401);
    hub.set_token_life(0);
    let (_, stale, _) = token(&hub, &bucket, "read").await;
    assert_eq!(Client::with(&hub, Some(&stale)).get(&terms).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_content_reads_as_the_content_again_and_again() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let one = bytes(7, 6_000_000);
    let hash = hub.put_file(&bucket, "one", one.clone()).unwrap();
    assert_eq!(hub.repeat(&hash, 1).unwrap(), hash, "once is the content itself");
    let (many, all) = (hub.repeat(&hash, 3).unwrap(), one.repeat(3));
    assert!(hub.read_content(&many, 18_000_000).unwrap() == all);
    // By its address too, over the edges of segments and of what is unpacked at once.
    hub.mutate(
        &bucket,
        vec![Operation::AddFile { path: "many".into(), xet_hash: many, mtime: None, content_type: None }],
    )
    .unwrap();
    let client = Client::new(&hub);
    let place =
        client.get("/buckets/ada/x/resolve/many").await.headers()["location"].to_str().unwrap().to_owned();
    for range in
        [0..18_000_000, 5_999_999..6_000_001, 100..101, 4_000_000..13_000_000, 17_999_990..18_000_000]
    {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let answer = client.ask(reqwest::Method::GET, &place).header("Range", asked).send().await.unwrap();
        assert!(answer.bytes().await.unwrap()[..] == all[range.clone()], "{range:?}");
    }
}
