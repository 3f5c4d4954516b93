//! `store:` buckets: a tree of files in a plain folder or any object store, shared by machines without a
//! server between them.
//!
//! # What is in a bucket (format 1)
//!
//! | object | what it is | how it is written |
//! |---|---|---|
//! | `lacuna.json` | format number, random id, date: makes the place a bucket | once |
//! | `xorbs/{2 hex}/{hash}` | xet's xorbs: chunks of files, with footer | if absent; named by its chunks' hash |
//! | `shards/{hash}` | xet's shards: of which chunks each content consists | if absent; named by its bytes' hash |
//! | `outlines/{2 hex}/{content}` | hints for cheap edits of a content, then their 32-byte data hash | any time |
//! | `commits/{20 digits}.json` | what changed in the tree, from 1 without gaps | if absent: the one point of order |
//! | `snapshots/{20 digits}.json`, `…-{6 digits}` | the tree after one commit: a list, and its parts | any time |
//!
//! Hashes are xet's Merkle and data hashes in 64 hexadecimal digits. The JSON objects are described in
//! [`format`](mod@self::format): each commit and each list has a seal (a data hash), a format number, the id of the commit before; unknown fields
//! are refused. A commit puts nodes (the whole of each: place, name, attributes, body) and removes nodes,
//! by their numbers, in no order; and says for each content that it is the first to name where its file
//! information is: shard, offset, length, CRC-32. So a content is found by one small ranged read, however big its shard.
//!
//! A snapshot's parts are lines of JSON, `{"node":…}` by number and then `{"content":…}` by hash,
//! compressed with LZ4 (a block after its length in 4 bytes). Commits are never deleted in format 1.
//!
//! **Growing.** `format` in `lacuna.json` is what one must know to do anything here; `format` in a commit or
//! a list what one must know to read it. Writers write the least number that says what they have to say. So
//! hard links (further entries), extended attributes (a further field of a node) and special files (further bodies) get
//! number 2, and a bucket that uses none of them stays readable for programs that know only 1; others
//! get a [`NewerFormat`](crate::error::Kind::NewerFormat) error with the remedy, and never a guess.
//!
//! # What holds after a crash
//!
//! In a folder, every object is written under another name (`…#digits`, never taken for an object), synced,
//! given its name in one step that only one writer can win, and the folder synced. All folders are made
//! and synced with the bucket, so that no commit depends on a folder that is not. Xorbs and shards are durable before the commit that names them is
//! put; a commit is durable before success is answered. A crash in between leaves objects that nothing
//! names. The mirror, the tree's copy on this machine, is disposable.
//!
//! # Who does what
//!
//! `folder` writes durably, `counted` counts, `bucket` knows the objects' places and what failures mean;
//! `xorb`, `shard` and `cas` are xet's protocol over them; `format` and `log` are the commits, `snapshot`
//! and `mirror` the tree; `decide` says purely what of a batch holds, `publish` does it; `watch` waits
//! for others; `check` looks at everything.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ObjectStore;

use super::{Change, Changes, Cursor, Event, Listing, Outcome, Remote, RemoteNode, Version};
use crate::{
    control::api::Found,
    error::{Error, Kind, Result},
    node::{Content, NodeId},
    policy::Bandwidth,
    xet::Xet,
};

mod bucket;
mod cas;
mod check;
mod counted;
pub(in crate::remote) mod decide;
mod folder;
pub mod format;
mod log;
mod mirror;
pub(in crate::remote) mod publish;
mod shard;
mod snapshot;
pub(in crate::remote) mod sys;
#[cfg(test)]
mod tests;
mod watch;
mod xorb;

use bucket::{Bucket, at, damaged};
use cas::Cas;
pub use check::{Report, check};
use format::Entry;
use log::{Log, blocking, read_commit};
use mirror::{Mirror, Place};
use watch::Watch;

/// The most commits, and about the most events, of one answer of [`Remote::changes`].
const COMMITS_AT_ONCE: u64 = 256;
const EVENTS_AT_ONCE: usize = 4096;

/// How a bucket is used on this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the mirror and what is known about chunks are kept; disposable, one for each drive.
    pub state_dir: PathBuf,
    /// How often to look for other writers' commits where nobody tells.
    pub poll: Duration,
    /// Refuse to publish.
    pub read_only: bool,
    /// Write a snapshot when the newest one is this many commits old.
    pub snapshot_every: u64,
    /// How fast bytes may move.
    pub bandwidth: Arc<Bandwidth>,
}

impl Options {
    /// The ordinary ones.
    pub fn new(state_dir: impl Into<PathBuf>) -> Options {
        Options {
            state_dir: state_dir.into(),
            poll: Duration::from_secs(5),
            read_only: false,
            snapshot_every: 512,
            bandwidth: Arc::default(),
        }
    }
}

/// A Lacuna bucket as a remote.
pub struct Store {
    url: String,
    bucket: Arc<Bucket>,
    mirror: Arc<Mirror>,
    log: Log,
    cas: Arc<Cas>,
    xet: Xet,
    watch: Watch,
    read_only: bool,
    snapshots: Arc<Snapshots>,
}

/// When the next snapshot is due.
struct Snapshots {
    every: u64,
    newest: AtomicU64,
    /// One is being written.
    busy: AtomicBool,
}

/// The folder that a URL such as `store:/srv/bucket` (or a bare path) names.
///
/// # Errors
/// `Invalid` for object stores of clouds, which are not built yet, and for an empty path.
pub fn folder_of(url: &str) -> Result<PathBuf> {
    let path = url.strip_prefix("store:").unwrap_or(url);
    if url.starts_with("store+") {
        return Err(Error::new(Kind::Invalid, "buckets in cloud storage are not built yet")
            .remedy("use store:/path")
            .at(url));
    }
    if path.is_empty() {
        return Err(Error::new(Kind::Invalid, "a bucket needs a folder").remedy("write store:/path").at(url));
    }
    std::path::absolute(path).map_err(|e| Error::io("not a path", e).at(url))
}

/// Makes a bucket at `store:/path` (or a bare path): a folder that is missing or empty. Answers false if it was a bucket
/// already.
///
/// # Errors
/// `Invalid` if there is a file, or a folder with other things in it, which stay as they are.
pub async fn init(url: &str) -> Result<bool> {
    Bucket::init_folder(&folder_of(url)?).await
}

/// Opens the bucket at `store:/path` (or a bare path). Reads the commits that this machine does not know
/// yet, no file's bytes.
///
/// # Errors
/// `NotFound` if there is none (the remedy says how to make one), `Invalid` if there is something else,
/// `NewerFormat`, `Damaged`, `Offline`.
pub async fn open(url: &str, options: super::Options) -> Result<Arc<Store>> {
    let super::Options { state_dir, poll, read_only, bandwidth, .. } = options;
    let bucket = Bucket::open_folder(&folder_of(url)?).await?;
    Store::start(bucket, url, Options { poll, read_only, bandwidth, ..Options::new(state_dir) }).await
}

/// Looks what is at `store:/path` (or a bare path).
///
/// # Errors
/// `Invalid` if there is a file, or a folder with other things in it; `NewerFormat`, `Damaged`, `Offline`.
pub async fn probe(url: &str) -> Result<Found> {
    let folder = folder_of(url)?;
    match Bucket::open_folder(&folder).await {
        Ok(_) => blocking(move || Ok(folder::may_write(&folder)))
            .await
            .map(|may| if may { Found::Ready } else { Found::ReadOnly }),
        Err(e) if e.kind() == Kind::NotFound => Ok(Found::Free),
        Err(e) => Err(e),
    }
}

impl Store {
    /// Opens the bucket at the top of any object store, under the name `url`.
    pub async fn over(objects: Arc<dyn ObjectStore>, url: &str, options: Options) -> Result<Arc<Store>> {
        let bucket = Bucket::open(objects, None, url.to_owned()).await?;
        Store::start(bucket, url, options).await
    }

    /// Makes a bucket at the top of any object store. Answers false if it was one already.
    pub async fn init_over(objects: &dyn ObjectStore) -> Result<bool> {
        Bucket::init(objects).await
    }

    async fn start(bucket: Bucket, url: &str, options: Options) -> Result<Arc<Store>> {
        let Options { state_dir, poll, read_only, snapshot_every, bandwidth } = options;
        let bucket = Arc::new(bucket.limited(bandwidth));
        let (file, info) = (state_dir.join("mirror.db"), bucket.info().clone());
        let mirror = Arc::new(blocking(move || Mirror::open(&file, &info)).await?);
        // Watching before reading: what comes in between is noticed.
        let watch = Watch::new(bucket.folder(), poll);
        let log = Log::new(bucket.clone(), mirror.clone());
        let newest = log.start(snapshot_every).await?;
        let cas = Arc::new(Cas::new(bucket.clone(), mirror.clone())?);
        let xet = Xet::open(cas.clone(), cas.clone(), &state_dir.join("xet"))?;
        let snapshots = Snapshots {
            every: snapshot_every.max(1),
            newest: AtomicU64::new(newest),
            busy: AtomicBool::new(false),
        };
        let url = url.to_owned();
        Ok(Arc::new(Store {
            url,
            bucket,
            mirror,
            log,
            cas,
            xet,
            watch,
            read_only,
            snapshots: Arc::new(snapshots),
        }))
    }

    /// Writes a snapshot of the tree as this machine knows it. Answers after which commit that is.
    pub async fn snapshot(&self) -> Result<u64> {
        let number = snapshot::write(&self.bucket, &self.mirror).await?;
        self.snapshots.newest.fetch_max(number, Ordering::SeqCst);
        Ok(number)
    }

    /// Has a snapshot written beside what else goes on, if it is time. Nothing depends on it, so that a failure is only
    /// noted; the next commit tries again.
    fn snapshot_if_due(&self, number: u64) {
        let due = number >= self.snapshots.newest.load(Ordering::SeqCst) + self.snapshots.every;
        if !due || self.snapshots.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let (bucket, mirror, snapshots) = (self.bucket.clone(), self.mirror.clone(), self.snapshots.clone());
        tokio::spawn(async move {
            let written = async {
                // Another writer may have been at it.
                let newest = snapshot::numbers(&bucket).await?.first().copied().unwrap_or(0);
                if number < newest + snapshots.every {
                    return Ok(newest);
                }
                snapshot::write(&bucket, &mirror).await
            };
            match written.await {
                Ok(newest) => drop(snapshots.newest.fetch_max(newest, Ordering::SeqCst)),
                Err(e) => tracing::warn!("the snapshot after commit {number} is not written: {e}"),
            }
            snapshots.busy.store(false, Ordering::SeqCst);
        });
    }

    /// `Damaged` if the bucket does not have the content, though somebody says so.
    async fn must_have(&self, content: &Content) -> Result<()> {
        if content.size == 0 || self.cas.locate(&content.id)?.is_some() {
            return Ok(());
        }
        // Named by a commit that is newer than the mirror?
        self.log.pull().await?;
        match self.cas.locate(&content.id)? {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::Damaged, format!("the bucket has no content {}", content.id))
                .remedy("run `lacuna store check`; restore the bucket from a backup")
                .at(&self.url)),
        }
    }

    /// The commit `number`, which is part of the mirror's tree; `None` if it is not to be had.
    async fn past_commit(&self, number: u64) -> Result<Option<format::Commit>> {
        let text = match self.mirror.logged(number)? {
            Some((_, text)) => text.into(),
            None => match self.bucket.get(&at::commit(number)).await? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        match read_commit(number, &text) {
            Ok(commit) => Ok(Some(commit)),
            Err(e) if e.kind() == Kind::Damaged => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The number of the commit that a cursor stands after, if it is one of this history.
    async fn place_of(&self, cursor: &Cursor, head: &Place) -> Result<Option<u64>> {
        let Some((number, id)) = cursor.0.split_once('.') else { return Ok(None) };
        let Ok(number) = number.parse::<u64>() else { return Ok(None) };
        let real = match number {
            0 => Some(self.bucket.uuid().to_owned()),
            n if n == head.number => Some(head.id.clone()),
            n if n > head.number => None,
            n => self.past_commit(n).await?.map(|commit| commit.id),
        };
        Ok((real.as_deref() == Some(id)).then_some(number))
    }
}

fn cursor(place: &Place) -> Cursor {
    Cursor(format!("{}.{}", place.number, place.id))
}

#[async_trait]
impl Remote for Store {
    fn url(&self) -> &str {
        &self.url
    }

    async fn head(&self) -> Result<Cursor> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.place()).await.map(|place| cursor(&place))
    }

    async fn root(&self) -> Result<RemoteNode> {
        match self.node(NodeId::ROOT).await? {
            Some(root) => Ok(root),
            None => Err(damaged(&at::commit(0), "the tree has no root")),
        }
    }

    async fn node(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.get(id)).await
    }

    async fn children(&self, dir: NodeId) -> Result<Listing> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.children(dir)).await.map(|nodes| Listing { nodes })
    }

    async fn changes(&self, since: &Cursor) -> Result<Changes> {
        self.watch.asked();
        let head = self.log.pull().await?;
        self.watch.came(head.number);
        let reset = || Changes::Reset { cursor: cursor(&head) };
        let Some(from) = self.place_of(since, &head).await? else {
            self.watch.saw(head.number);
            return Ok(reset());
        };
        let mut events = Vec::new();
        let mut place = since.clone();
        let mut number = from;
        while number < head.number && number < from + COMMITS_AT_ONCE && events.len() < EVENTS_AT_ONCE {
            number += 1;
            let Some(commit) = self.past_commit(number).await? else { return Ok(reset()) };
            place = cursor(&Place { number, id: commit.id });
            let version = Version(number);
            events.extend(commit.changes.into_iter().map(|entry| match entry {
                Entry::Put(node) => Event::Upsert(node.at(version)),
                Entry::Remove(id) => Event::Remove(id, version),
            }));
        }
        self.watch.saw(number);
        Ok(Changes::Since { events, cursor: place, more: number < head.number })
    }

    async fn wait(&self) {
        self.watch.wait().await;
    }

    async fn read(&self, content: &Content, range: std::ops::Range<u64>) -> Result<Bytes> {
        self.must_have(content).await?;
        self.xet.read(content, range).await
    }

    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Outcome>> {
        self.publish_batch(changes).await
    }

    fn moved(&self) -> (u64, u64) {
        self.bucket.moved()
    }
}
