//! `hf://`: buckets of the Hugging Face Hub to read and write, and its repositories to read.
//!
//! # What the Hub can't hold
//!
//! A bucket is a map from paths to contents and times in milliseconds. Modes, owners, birth times, the
//! nanoseconds of a time, symbolic links and empty folders have no place in it: they are kept on this
//! machine ([`mirror`]), over restarts, and no other machine sees them. What others put into the bucket
//! belongs to the user who mounts it, with mode 644, and 755 for folders.
//!
//! # Who does what
//!
//! `place` reads URLs and makes addresses, `api` makes calls, `limit` says when again; `account` asks who the user
//! is and which buckets there are; `rows` reads listings, `diff` says what they mean; `mirror` remembers,
//! in `tables`. `follow` lists and compares, `feed` hears of changes. `cas`
//! moves contents, `plain` reads files that are not in the CAS. `ops` says what a batch asks of the Hub,
//! `publish` does it, and says which window for overwriting others remains; `recover` ends what was cut off.
//!
//! # What holds after a crash
//!
//! Contents and their registration are at the Hub before the batch that names them is sent. The batch is
//! noted here before, and brought to its end at the next start before anything else is read or sent.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::Notify, task::JoinHandle};

use super::{Change, Changes, Cursor, Listing, Options, Outcome, Remote, RemoteNode};
use crate::{
    control::api::Found,
    error::{Error, Kind, Result},
    node::{Content, NodeId},
    read::blocking,
    xet::{NoOutlines, Xet},
};

mod account;
mod api;
mod cas;
mod diff;
mod feed;
mod follow;
mod limit;
mod mirror;
mod ops;
mod place;
mod plain;
mod publish;
mod recover;
mod rows;
mod tables;
#[cfg(test)]
mod tests;

pub use account::{Page, User, buckets, whoami};
use api::Api;
pub use api::{Access, ENDPOINT, Tokens};
use cas::Cas;
use feed::Feed;
use mirror::Mirror;
use place::Place;

/// A bucket or repository at the Hub, as a remote.
pub struct Hub {
    url: String,
    place: Place,
    api: Arc<Api>,
    mirror: Arc<Mirror>,
    cas: Arc<Cas>,
    xet: Xet,
    read_only: bool,
    poll: Duration,
    /// Held to read while the Hub's answers are compared with the mirror, to write while a batch of ours is
    /// under way: an answer of before the batch must not be taken for news after it.
    turn: tokio::sync::RwLock<()>,
    /// One listing of a folder at a time. Taken after `turn`.
    listing: follow::Listings,
    /// Whether what the last process left was brought to its end.
    recovered: AtomicBool,
    feed: Arc<Feed>,
    bell: Arc<Notify>,
    /// How often in a row nothing had changed.
    quiet: AtomicU32,
    following: Option<JoinHandle<()>>,
}

/// Whether a URL names something that can be written at all.
pub fn can_write(url: &str) -> bool {
    Place::parse(url).is_ok_and(|place| place.is_bucket())
}

/// Whether a URL makes sense.
///
/// # Errors
/// `Invalid`, with how it is written.
pub fn check(url: &str) -> Result<()> {
    Place::parse(url).map(drop)
}

/// What whoever mounts it should know.
pub fn limits(url: &str) -> Option<&'static str> {
    let place = Place::parse(url).ok()?;
    Some(if place.is_bucket() {
        "The Hub keeps names, contents and times. Modes, links and empty folders stay on this machine."
    } else {
        "Repositories are mounted to read."
    })
}

/// Looks whether a bucket or repository is there, and whether it may be written to.
///
/// # Errors
/// `Invalid` for a URL that makes no sense, `NotFound`, `Denied`, `SignedOut`, `Offline`.
pub async fn probe(url: &str, access: &Access) -> Result<Found> {
    let place = Place::parse(url)?;
    let api = Arc::new(Api::new(access.clone(), Arc::default())?);
    follow::state(&api, &place, url).await?;
    if !place.is_bucket() {
        return Ok(Found::ReadOnly);
    }
    match Cas::new(api, place, true)?.must_write().await {
        Ok(()) => Ok(Found::Ready),
        Err(e) if matches!(e.kind(), Kind::Denied | Kind::SignedOut) => Ok(Found::ReadOnly),
        Err(e) => Err(e),
    }
}

/// Opens `hf://buckets/OWNER/NAME[/folder]`, or read-only `hf://models|datasets|spaces/ID[@REVISION]`. Lists
/// nothing and reads no file's bytes. One that was open before opens without a network too.
///
/// # Errors
/// `Invalid` for a URL that makes no sense, `NotFound`, `Denied`, `SignedOut`, `Offline`.
pub async fn open(url: &str, options: Options) -> Result<Arc<Hub>> {
    let Options { state_dir, poll, read_only, bandwidth, hub: access } = options;
    let place = Place::parse(url)?;
    let api = Arc::new(Api::new(access.clone(), bandwidth)?);
    let (file, whose) =
        (state_dir.join("hub.db"), format!("{url} at {}", access.endpoint.trim_end_matches('/')));
    let owner = super::store::sys::owner();
    let mirror = Arc::new(blocking(move || Mirror::open(&file, &whose, owner)).await?);
    let read_only = read_only || !place.is_bucket();
    let cas = Arc::new(Cas::new(api.clone(), place.clone(), !read_only)?);
    let xet = Xet::open(cas.clone(), Arc::new(NoOutlines), &state_dir.join("xet"))?;
    let bell = Arc::new(Notify::new());
    let mut hub = Hub {
        url: url.to_owned(),
        place,
        api,
        mirror,
        cas,
        xet,
        read_only,
        poll,
        turn: tokio::sync::RwLock::default(),
        listing: follow::Listings::default(),
        recovered: AtomicBool::new(false),
        feed: Arc::new(Feed::new(bell.clone())),
        bell,
        quiet: AtomicU32::new(0),
        following: None,
    };
    hub.first_look().await?;
    if hub.place.is_bucket() {
        let (feed, api, place) = (hub.feed.clone(), hub.api.clone(), hub.place.clone());
        hub.following = Some(tokio::spawn(async move { feed.follow(&api, &place).await }));
    }
    Ok(Arc::new(hub))
}

impl Hub {
    /// Looks whether it is there. One that was open before need not answer: its drive works offline, and what
    /// is wrong will be told by everything that asks the Hub.
    async fn first_look(&self) -> Result<()> {
        let known = self.mirror.place()?.probe.is_some();
        match if known { self.probe().await } else { self.ask_state().await } {
            Ok(probe) if known => drop(probe),
            // Nothing is listed yet, so all of it has been compared.
            Ok(probe) => drop(self.mirror.take(&[], &[], Some(&probe), "")?),
            Err(e) if known && matches!(e.kind(), Kind::Offline | Kind::Denied | Kind::SignedOut) => {
                tracing::warn!("mounted without the Hub: {e}");
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn idle(&self, nothing: bool) {
        match nothing {
            true => drop(self.quiet.fetch_add(1, Ordering::Relaxed)),
            false => self.quiet.store(0, Ordering::Relaxed),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(task) = &self.following {
            task.abort();
        }
    }
}

#[async_trait]
impl Remote for Hub {
    fn url(&self) -> &str {
        &self.url
    }

    async fn head(&self) -> Result<Cursor> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.place()).await.map(|p| Cursor(format!("{}.{}", p.id, p.version)))
    }

    async fn root(&self) -> Result<RemoteNode> {
        self.node(NodeId::ROOT)
            .await?
            .ok_or_else(|| Error::new(Kind::Damaged, "the drive's state has no root").at(&self.url))
    }

    async fn node(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        let mirror = self.mirror.clone();
        blocking(move || mirror.get(id)).await
    }

    async fn children(&self, dir: NodeId) -> Result<Listing> {
        self.list_children(dir).await
    }

    async fn changes(&self, since: &Cursor) -> Result<Changes> {
        self.changes_since(since).await
    }

    async fn wait(&self) {
        if self.place.is_fixed() {
            return std::future::pending().await;
        }
        let rung = self.bell.notified();
        let idle = self.quiet.load(Ordering::Relaxed);
        // A live feed rings; the question beside it is for feeds that only seem to live.
        let idle = if self.feed.is_live() { u32::MAX } else { idle };
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(limit::pause(self.poll, idle)) => {}
        }
    }

    async fn read(&self, content: &Content, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (mirror, id) = (self.mirror.clone(), content.id);
        match blocking(move || mirror.plain(&id)).await? {
            Some(at) => self.read_plain(content, at, range).await,
            None => self.xet.read(content, range).await,
        }
    }

    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Outcome>> {
        self.publish_batch(changes).await
    }

    fn moved(&self) -> (u64, u64) {
        self.api.moved.so_far()
    }
}
