//! [`FaultyStore`]: an object store that fails on demand, to show what Lacuna does when things go wrong.
//!
//! A test keeps the [`Faults`] and turns them at runtime, while the bucket above works.

use std::{
    fmt, io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The connection is refused.
    Offline,
    /// The disk is full.
    NoSpace,
    /// Not allowed.
    Denied,
    /// The call is carried out, but its answer is lost.
    AnswerLost,
}

impl Fault {
    fn error(self) -> object_store::Error {
        let kind = match self {
            Fault::Offline => io::ErrorKind::NotConnected,
            Fault::NoSpace => io::ErrorKind::StorageFull,
            Fault::Denied => io::ErrorKind::PermissionDenied,
            Fault::AnswerLost => io::ErrorKind::ConnectionReset,
        };
        object_store::Error::Generic { store: "faulty", source: io::Error::from(kind).into() }
    }
}

#[derive(Default)]
struct State {
    /// Of the calls under `prefix`: how many of the next puts fail, and how.
    puts: (u64, Option<Fault>),
    /// The same for gets and listings.
    gets: (u64, Option<Fault>),
    prefix: String,
    delay: Duration,
    done: (u64, u64),
}

/// The handle by which a test turns faults on and off. `u64::MAX` times is "until told otherwise".
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The next `times` puts fail with `fault`.
    pub fn puts(&self, times: u64, fault: Fault) {
        self.state().puts = (times, Some(fault));
    }

    /// The next `times` gets and listings fail with `fault`.
    pub fn gets(&self, times: u64, fault: Fault) {
        self.state().gets = (times, Some(fault));
    }

    /// Every call fails from now on, as without a network.
    pub fn offline(&self) {
        self.puts(u64::MAX, Fault::Offline);
        self.gets(u64::MAX, Fault::Offline);
    }

    /// Only calls about objects whose path begins with `prefix` fail.
    pub fn only(&self, prefix: &str) {
        self.state().prefix = prefix.to_owned();
    }

    /// Every call takes this much longer.
    pub fn delay(&self, by: Duration) {
        self.state().delay = by;
    }

    /// No more faults.
    pub fn heal(&self) {
        let mut state = self.state();
        *state = State { done: state.done, ..State::default() };
    }

    /// How many puts and gets came through so far.
    pub fn calls(&self) -> (u64, u64) {
        self.state().done
    }

    fn next(&self, put: bool, path: &str) -> (Duration, Option<Fault>) {
        let mut state = self.state();
        let hit = path.starts_with(&state.prefix);
        let delay = state.delay;
        let (left, fault) = if put { &mut state.puts } else { &mut state.gets };
        let mut answer = None;
        if hit && *left > 0 && fault.is_some() {
            *left = if *left == u64::MAX { *left } else { *left - 1 };
            answer = *fault;
        }
        if answer.is_none() {
            if put { state.done.0 += 1 } else { state.done.1 += 1 }
        }
        (delay, answer)
    }

    async fn meet(&self, put: bool, path: &str) -> Option<Fault> {
        let (delay, fault) = self.next(put, path);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        fault
    }
}

/// An object store with [`Faults`].
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl FaultyStore {
    /// Over a store that works.
    pub fn new(inner: Arc<dyn ObjectStore>) -> (Arc<FaultyStore>, Faults) {
        let faults = Faults::default();
        (Arc::new(FaultyStore { inner, faults: faults.clone() }), faults)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match self.faults.meet(true, location.as_ref()).await {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Fault::AnswerLost) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(Fault::AnswerLost.error())
            }
            Some(fault) => Err(fault.error()),
        }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.faults.meet(true, at.as_ref()).await {
            None => self.inner.put_multipart_opts(at, opts).await,
            Some(fault) => Err(fault.error()),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.faults.meet(false, location.as_ref()).await {
            None => self.inner.get_opts(location, options).await,
            Some(fault) => Err(fault.error()),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.faults.meet(false, location.as_ref()).await {
            None => self.inner.get_ranges(location, ranges).await,
            Some(fault) => Err(fault.error()),
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let path = prefix.map(|p| p.to_string()).unwrap_or_default();
        match self.faults.next(false, &path).1 {
            None => self.inner.list(prefix),
            Some(fault) => stream::iter([Err(fault.error())]).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.faults.next(false, offset.as_ref()).1 {
            None => self.inner.list_with_offset(prefix, offset),
            Some(fault) => stream::iter([Err(fault.error())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let path = prefix.map(|p| p.to_string()).unwrap_or_default();
        match self.faults.meet(false, &path).await {
            None => self.inner.list_with_delimiter(prefix).await,
            Some(fault) => Err(fault.error()),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
