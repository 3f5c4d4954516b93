//! [`Counted`]: an object store that counts the bytes of the objects that pass through it, and lets them pass no
//! faster than they may.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

use crate::policy::Bandwidth;

/// Counts what is put and what is got, in bytes of object bodies; of a range only what it returned.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn ObjectStore>,
    sent: AtomicU64,
    received: AtomicU64,
    bandwidth: Arc<Bandwidth>,
}

impl Counted {
    /// Counts from zero, without a limit.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Counted {
        Counted { inner, sent: AtomicU64::new(0), received: AtomicU64::new(0), bandwidth: Arc::default() }
    }

    /// Objects wait for their turn from now on: before they are put, and before what was got is handed on.
    pub fn limit(&mut self, bandwidth: Arc<Bandwidth>) {
        self.bandwidth = bandwidth;
    }

    /// Counted before they are put, as they may pass, though the put may fail: the bytes have travelled.
    async fn sending(&self, bytes: u64) {
        let count = |n| {
            self.sent.fetch_add(n, Ordering::Relaxed);
        };
        self.bandwidth.up.take(bytes, count).await;
    }

    async fn received(&self, bytes: u64) {
        let count = |n| {
            self.received.fetch_add(n, Ordering::Relaxed);
        };
        self.bandwidth.down.take(bytes, count).await;
    }

    /// Bytes `(sent, received)` so far.
    pub fn moved(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.sending(payload.content_length() as u64).await;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        let got = self.inner.get_opts(location, options).await?;
        if !head {
            self.received(got.range.end - got.range.start).await;
        }
        Ok(got)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let got = self.inner.get_ranges(location, ranges).await?;
        self.received(got.iter().map(|b| b.len() as u64).sum()).await;
        Ok(got)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use object_store::{ObjectStoreExt, memory::InMemory};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn objects_of_two_stores_share_the_limits() {
        let bandwidth = Arc::new(Bandwidth::default());
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = || {
            let mut store = Counted::new(inner.clone());
            store.limit(bandwidth.clone());
            store
        };
        let (a, b) = (store(), store());
        let path = Path::from("xorb");
        let put = |store: Counted| {
            let path = path.clone();
            async move {
                store.put(&path, vec![7; 10_000_000].into()).await.unwrap();
                store
            }
        };
        let took = |since: Instant| since.elapsed().as_secs_f64();

        let start = Instant::now();
        let (a, b) = (put(a).await, put(b).await);
        assert!(took(start) < 0.1, "without a limit nothing waits");

        bandwidth.up.set(Some(2_000_000));
        let start = Instant::now();
        let (a, b) = futures::join!(put(a), put(b));
        assert!((9.5..10.5).contains(&took(start)), "20 MB at 2 MB/s: {} s", took(start));
        assert_eq!(a.moved().0 + b.moved().0, 40_000_000);

        bandwidth.down.set(Some(5_000_000));
        let start = Instant::now();
        assert_eq!(a.get(&path).await.unwrap().bytes().await.unwrap().len(), 10_000_000);
        a.head(&path).await.unwrap();
        b.get_range(&path, 0..1_000_000).await.unwrap();
        assert!((1.9..2.5).contains(&took(start)), "11 MB at 5 MB/s: {} s", took(start));

        bandwidth.down.set(Some(1));
        let stuck = tokio::spawn(async move { a.get(&Path::from("xorb")).await.map(drop) });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!stuck.is_finished());
        bandwidth.down.set(None);
        stuck.await.unwrap().unwrap();
    }
}
