//! The Hub itself: starting, stopping, and everything that a test asks of it. Every call may be made from
//! anywhere, also from within a test's own runtime: the work is done on the Hub's threads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Handle, sync::oneshot};

use crate::{
    api,
    batch::Operation,
    bucket::{self, Bucket},
    cas::{self, Cas},
    content,
    counts::{Counts, cas_route},
    faults::{Fault, Rate},
    front,
    repo::{self, Kind, Repo},
    route::Route,
    world::{Addresses, World},
};

/// Where and how a Hub runs.
#[derive(Default, Clone, Debug)]
pub struct Settings {
    /// The API's port; any free one if 0.
    pub port: u16,
    /// Where the CAS keeps its contents; a temporary folder that goes with the Hub if absent.
    pub folder: Option<PathBuf>,
}

/// The user whose token [`Hub::token`] is.
pub const USER: &str = "ada";

/// A running Hub; it stops when it is dropped, and its temporary folder goes with it.
pub struct Hub {
    world: Arc<World>,
    /// Its own addresses, whatever it hands out.
    own: Addresses,
    token: String,
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    // Last: nothing uses it any more when it goes.
    scratch: TempDir,
}

impl Hub {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// No port or no temporary folder.
    pub async fn start() -> Result<Hub> {
        tokio::task::spawn_blocking(Hub::start_blocking).await.context("the start was aborted")?
    }

    /// As [`Hub::start`], for tests without a runtime.
    ///
    /// # Errors
    /// As [`Hub::start`].
    pub fn start_blocking() -> Result<Hub> {
        Hub::with(Settings::default())
    }

    /// Starts one as `settings` say.
    ///
    /// # Errors
    /// The port is taken or the folder can't be used.
    pub fn with(settings: Settings) -> Result<Hub> {
        let scratch =
            tempfile::Builder::new().prefix("lacuna-hub-").tempdir().context("no temporary folder")?;
        let folder = settings.folder.unwrap_or_else(|| scratch.path().join("cas"));
        let (ready, started) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("test-hub".to_owned()).spawn(move || {
            run(settings.port, &folder, &ready, stopped);
        })?;
        let (world, handle) = started.recv().context("the Hub's thread ended")??;
        let own = Addresses { endpoint: world.endpoint(), cas_url: world.cas_url() };
        let token = world.state().tokens.account(USER, true);
        Ok(Hub { world, own, token, handle, stop: Some(stop), thread: Some(thread), scratch })
    }

    /// The address of the API, for `HF_ENDPOINT`: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.own.endpoint
    }

    /// The address of the CAS.
    pub fn cas_url(&self) -> &str {
        &self.own.cas_url
    }

    /// Names other addresses of itself from now on: in tokens, redirects and pages. For what stands before it.
    pub fn announce(&self, endpoint: &str, cas_url: &str) {
        self.world.announce(Addresses { endpoint: endpoint.to_owned(), cas_url: cas_url.to_owned() });
    }

    /// A token of [`USER`] that may read and write.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Another token of any user.
    pub fn account(&self, name: &str, writes: bool) -> String {
        self.world.state().tokens.account(name, writes)
    }

    /// Makes a token's user a member of an organisation; its buckets are theirs too, but a token need not be
    /// allowed to list them.
    pub fn join(&self, token: &str, org: &str, lists: bool) {
        assert!(self.world.state().tokens.join(token, org, lists), "there is no such token");
    }

    /// Lets only its owner see a bucket.
    pub fn hide(&self, bucket: &str) {
        if let Some(bucket) = self.world.state().buckets.get_mut(bucket) {
            bucket.private = true;
        }
    }

    /// Takes a user's token back.
    pub fn revoke(&self, token: &str) -> bool {
        self.world.state().tokens.revoke(token)
    }

    /// How long the CAS tokens issued from now on are good, in seconds.
    pub fn set_token_life(&self, seconds: u64) {
        self.world.state().tokens.life = seconds;
    }

    /// Lets all CAS tokens that are out expire now.
    pub fn expire_cas_tokens(&self) {
        self.world.state().tokens.expire_grants();
    }

    /// The most rows that a page of a listing has, whatever is asked for (1000 at first).
    pub fn set_page(&self, rows: usize) {
        self.world.state().page = rows.max(1);
    }

    /// Creates a bucket if there is none, and returns its id. The namespace `me` is [`USER`]'s.
    pub fn bucket(&self, id: &str) -> String {
        let id = match id.strip_prefix("me/") {
            Some(name) => format!("{USER}/{name}"),
            None => id.to_owned(),
        };
        let at = self.world.clock.tick();
        self.world.state().buckets.entry(id.clone()).or_insert_with(|| Bucket::new(false, at));
        id
    }

    /// The files of a bucket; empty if there is no such bucket.
    pub fn tree(&self, bucket: &str) -> BTreeMap<String, bucket::File> {
        self.world.state().buckets.get(bucket).map(|bucket| bucket.files.clone()).unwrap_or_default()
    }

    /// Puts a file into a bucket as another client would: through the CAS, by xet's own upload session, and a
    /// batch. Neither is counted nor disturbed by faults. Returns the content's hash.
    ///
    /// # Errors
    /// The bucket does not exist or the upload failed.
    pub fn put_file(&self, bucket: &str, path: &str, bytes: impl Into<Bytes>) -> Result<String> {
        let mut hashes = self.put_files(bucket, vec![(path.to_owned(), bytes.into())])?;
        hashes.pop().context("nothing was uploaded")
    }

    /// As [`Hub::put_file`], several in one session and one batch.
    ///
    /// # Errors
    /// As [`Hub::put_file`].
    pub fn put_files(&self, bucket: &str, files: Vec<(String, Bytes)>) -> Result<Vec<String>> {
        let (paths, contents): (Vec<String>, Vec<Bytes>) = files.into_iter().unzip();
        let hashes = self.upload(contents)?;
        let operations: Vec<Operation> = paths
            .into_iter()
            .zip(&hashes)
            .map(|(path, hash)| Operation::AddFile {
                path,
                xet_hash: hash.clone(),
                mtime: Some(crate::clock::now()),
                content_type: None,
            })
            .collect();
        self.mutate(bucket, operations)?;
        Ok(hashes)
    }

    /// Uploads contents without giving them a path; returns their hashes.
    ///
    /// # Errors
    /// The upload failed.
    pub fn upload(&self, contents: Vec<Bytes>) -> Result<Vec<String>> {
        let folder = tempfile::tempdir_in(self.scratch.path()).context("no folder for an upload")?;
        let world = Arc::clone(&self.world);
        self.wait(async move { content::upload(&world.cas, folder.path(), contents).await })
    }

    /// Registers a content that is another one so many times over, and returns its hash. It takes no more
    /// room than the other: its segments are the same ones again and again.
    ///
    /// # Errors
    /// There is no such content, or it is empty.
    pub fn repeat(&self, hash: &str, times: usize) -> Result<String> {
        let (world, hash) = (Arc::clone(&self.world), hash.to_owned());
        self.wait(async move { world.cas.repeat(&hash, times).await })
    }

    /// Applies a batch as another client would, past counting and faults.
    ///
    /// # Errors
    /// The bucket does not exist or an operation failed.
    pub fn mutate(&self, bucket: &str, operations: Vec<Operation>) -> Result<()> {
        let (world, bucket) = (Arc::clone(&self.world), bucket.to_owned());
        self.wait(async move {
            let failed = world.apply(&bucket, &operations, None).await;
            let failed = failed.map_err(|_| anyhow!("there is no bucket {bucket}"))?;
            if failed.is_empty() { Ok(()) } else { bail!("{bucket}: {failed:?}") }
        })
    }

    /// Removes a file as another client would.
    ///
    /// # Errors
    /// The bucket or the file does not exist.
    pub fn delete_file(&self, bucket: &str, path: &str) -> Result<()> {
        if !self.tree(bucket).contains_key(path) {
            bail!("{bucket} has no {path}");
        }
        self.mutate(bucket, vec![Operation::DeleteFile { path: path.to_owned() }])
    }

    /// Renames a file as another client would.
    ///
    /// # Errors
    /// The bucket or the file does not exist.
    pub fn rename_file(&self, bucket: &str, from: &str, to: &str) -> Result<()> {
        let file = self.tree(bucket).remove(from).with_context(|| format!("{bucket} has no {from}"))?;
        let add = Operation::AddFile {
            path: to.to_owned(),
            xet_hash: file.xet_hash,
            mtime: file.mtime,
            content_type: file.content_type,
        };
        self.mutate(bucket, vec![add, Operation::DeleteFile { path: from.to_owned() }])
    }

    /// Reads a file of a bucket back, whole, by xet's own reader from the CAS.
    ///
    /// # Errors
    /// There is no such file, or its content is not all there.
    pub fn read_file(&self, bucket: &str, path: &str) -> Result<Vec<u8>> {
        let file = self.tree(bucket).remove(path).with_context(|| format!("{bucket} has no {path}"))?;
        self.read_content(&file.xet_hash, file.size)
    }

    /// Reads a content back, whole, by xet's own reader from the CAS.
    ///
    /// # Errors
    /// It is not all there.
    pub fn read_content(&self, hash: &str, size: u64) -> Result<Vec<u8>> {
        let (world, hash) = (Arc::clone(&self.world), hash.to_owned());
        self.wait(async move { content::download(&world.cas, &hash, size).await })
    }

    /// Creates a repository if there is none, with an empty `main`.
    pub fn repo(&self, kind: Kind, id: &str) {
        let at = self.world.clock.tick();
        let mut state = self.world.state();
        state.repos.entry((kind, id.to_owned())).or_insert_with(|| Repo::new(id, at));
    }

    /// Gives a repository another name, as `gpt2` is one.
    pub fn alias(&self, kind: Kind, alias: &str, id: &str) {
        self.world.state().aliases.insert((kind, alias.to_owned()), id.to_owned());
    }

    /// Commits a plain file, one that is in git itself; returns the commit's sha.
    ///
    /// # Errors
    /// There is no such repository.
    pub fn put_plain(
        &self,
        kind: Kind,
        id: &str,
        revision: &str,
        path: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<String> {
        let at = self.world.clock.tick();
        self.commit(kind, id, revision, at, path, Some(repo::File::plain(bytes.into(), at)))
    }

    /// Commits a file whose bytes are in the CAS; returns the commit's sha.
    ///
    /// # Errors
    /// There is no such repository or the upload failed.
    pub fn put_xet(
        &self,
        kind: Kind,
        id: &str,
        revision: &str,
        path: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<String> {
        let bytes = bytes.into();
        let hash = self.upload(vec![bytes.clone()])?.pop().context("nothing was uploaded")?;
        let at = self.world.clock.tick();
        self.commit(kind, id, revision, at, path, Some(repo::File::xet(hash, &bytes, at)))
    }

    /// Commits the removal of a file; returns the commit's sha.
    ///
    /// # Errors
    /// There is no such repository.
    pub fn remove_from_repo(&self, kind: Kind, id: &str, revision: &str, path: &str) -> Result<String> {
        let at = self.world.clock.tick();
        self.commit(kind, id, revision, at, path, None)
    }

    fn commit(
        &self,
        kind: Kind,
        id: &str,
        revision: &str,
        at: u64,
        path: &str,
        file: Option<repo::File>,
    ) -> Result<String> {
        let mut state = self.world.state();
        let repo =
            state.repos.get_mut(&(kind, id.to_owned())).with_context(|| format!("there is no {id}"))?;
        Ok(repo.commit(id, revision, at, |files| {
            match file {
                Some(file) => files.insert(path.to_owned(), file),
                None => files.remove(path),
            };
        }))
    }

    /// What moved so far.
    pub fn counts(&self) -> Counts {
        self.world.front.counts()
    }

    /// Starts counting anew.
    pub fn forget_counts(&self) {
        self.world.front.forget_counts();
    }

    /// What was asked so far, in order, as `METHOD /path?query`.
    pub fn seen(&self) -> Vec<String> {
        self.world.front.seen()
    }

    /// Sets a fault.
    pub fn fault(&self, fault: Fault) {
        self.world.front.fault(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.world.front.clear_faults();
    }

    /// The faults that are left to happen.
    pub fn faults(&self) -> Vec<Fault> {
        self.world.front.faults()
    }

    /// Sets or lifts the limit of requests.
    pub fn limit(&self, rate: Option<Rate>) {
        self.world.front.limit(rate);
    }

    /// Whether buckets have a change feed; 404 if not. Streams that are open end.
    pub fn set_feed(&self, on: bool) {
        self.world.state().feed.on = on;
        self.reconnect_feeds();
    }

    /// Ends all streams of the change feed with `reconnect`.
    pub fn reconnect_feeds(&self) {
        self.world.state().feed.reconnect.send_modify(|n| *n += 1);
    }

    /// The time between two pings of the change feed (30 s at first), for streams opened from now on.
    pub fn set_ping(&self, every: Duration) {
        self.world.state().feed.ping = every;
    }

    /// Forgets a bucket's history but for the newest `keep` batches: who resumes from before gets `reset`.
    pub fn forget_history(&self, bucket: &str, keep: usize) {
        if let Some(bucket) = self.world.state().buckets.get_mut(bucket) {
            bucket.forget(keep);
        }
    }

    /// Does something on the Hub's runtime and waits for it.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (done, result) = mpsc::channel();
        self.handle.spawn(async move {
            let _ = done.send(work.await);
        });
        result.recv().context("the Hub has stopped")?
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The Hub's thread: serves until it is told to stop.
fn run(
    port: u16,
    folder: &Path,
    ready: &mpsc::Sender<Result<(Arc<World>, Handle)>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime.context("no threads for the Hub") {
        Ok(runtime) => runtime,
        Err(e) => {
            let _ = ready.send(Err(e));
            return;
        }
    };
    runtime.block_on(async {
        let started = start(port, folder).await.map(|world| (world, Handle::current()));
        let serving = started.is_ok();
        let _ = ready.send(started);
        if serving {
            let _ = stopped.await;
        }
    });
    // Connections that hang on purpose must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(500));
}

async fn start(port: u16, folder: &Path) -> Result<Arc<World>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.with_context(|| format!("port {port} can't be used"))?;
    let contents = TcpListener::bind("127.0.0.1:0").await.context("no free port for the CAS")?;
    let address = |listener: &TcpListener| anyhow::Ok(format!("http://{}", listener.local_addr()?));
    let (endpoint, cas_url) = (address(&listener)?, address(&contents)?);
    let world = Arc::new(World::new(Addresses { endpoint, cas_url }, Cas::start(folder).await?));
    let hub = Arc::clone(&world);
    tokio::spawn(front::serve(listener, move |request| {
        let world = Arc::clone(&hub);
        async move {
            let route = Route::parse(request.uri().path()).filter(|route| !matches!(route, Route::Blob(_)));
            let name = route.as_ref().map_or_else(|| "/{unknown}".to_owned(), Route::name);
            let name = format!("{} {name}", request.method());
            // The control route must work whatever was set by it, and is not counted.
            if let Some(Route::Test(rest)) = route {
                return Ok(crate::control::answer(&world, &rest, request).await);
            }
            let front = Arc::clone(&world.front);
            front.pass(name, request, |request| api::answer(world, route, request)).await
        }
    }));
    let hub = Arc::clone(&world);
    tokio::spawn(front::serve(contents, move |request| {
        let world = Arc::clone(&hub);
        async move {
            let (method, path) = (request.method().as_str(), request.uri().path());
            let front = Arc::clone(&world.front);
            // The addresses that resolving redirects to are not the Hub's: clients tell by that what to follow.
            if let Some(route @ Route::Blob(_)) = Route::parse(path) {
                let name = format!("{method} {}", route.name());
                return front.pass(name, request, |request| api::answer(world, Some(route), request)).await;
            }
            let name = cas_route(method, path);
            front.pass(name, request, |request| cas::answer(world, request)).await
        }
    }));
    Ok(world)
}
