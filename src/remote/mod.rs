//! What every remote is: a tree of nodes with versions, contents by id and byte range, and one call
//! that publishes a batch of changes.
//!
//! A remote speaks of nodes by [`NodeId`] and not by path, so that a batch is a statement of where
//! nodes are and needs no order: two folders may swap their names in one batch. Every change names the
//! version it was based on; if the node has moved since, the change is answered with
//! [`Outcome::Conflict`], nothing of it is done, and the caller pulls, reconciles and tries again.

use std::{io, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    control::api::Found,
    error::{Error, Kind, Result},
    node::{Content, Meta, Name, NodeId},
    policy::Bandwidth,
    ranges::RangeSet,
};

pub mod fault;
pub mod hf;
mod row;
pub mod store;

/// The version of a node at the remote: equal versions, equal nodes. For a `store:` the number of the
/// commit that last changed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Version(pub u64);

/// A place in a remote's history. Opaque: only the remote that gave it can read it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Cursor(pub String);

/// What a node holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// A folder.
    Dir,
    /// A file.
    File(Content),
    /// A symbolic link and its target.
    Symlink(String),
}

/// A node as the remote has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoteNode {
    /// Its number.
    pub id: NodeId,
    /// The folder it is in.
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// Its attributes.
    pub meta: Meta,
    /// What it holds.
    pub body: Body,
}

/// One thing that happened at the remote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The node is new, or changed, or moved; this is all of it.
    Upsert(RemoteNode),
    /// The node is gone, at this version.
    Remove(NodeId, Version),
}

/// What happened since a cursor.
#[derive(Clone, Debug)]
pub enum Changes {
    /// In order. `cursor` is where to go on; call again at once if `more`.
    Since {
        /// What happened, oldest first.
        events: Vec<Event>,
        /// Where the next call goes on.
        cursor: Cursor,
        /// Whether there is more to be had now.
        more: bool,
    },
    /// The cursor is too old (or damaged): every folder must be listed anew.
    Reset {
        /// Where the next call goes on.
        cursor: Cursor,
    },
}

/// The children of one folder.
#[derive(Clone, Debug)]
pub struct Listing {
    /// All of them, in the order of their names.
    pub nodes: Vec<RemoteNode>,
}

/// Gives the bytes of one instant of a file (a flush generation) while programs go on writing.
/// Ranges of [`Composition::dirty`] and [`Composition::local`] may be asked for, no others.
pub trait Source: Send + Sync {
    /// Told which content the composition became: called once, when the upload is complete and before the
    /// commit, by the remote's `publish`; must be durable when it returns. After a crash or a lost answer it
    /// tells whether a version at the remote is our own.
    fn composed(&self, content: Content) -> io::Result<()> {
        let _ = content;
        Ok(())
    }

    /// Reads `range` (bytes), all of it.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// A new content in terms of an old one: each byte comes from the source where `dirty`, else from
/// `base` if it lies below `base_limit`, else it is zero.
#[derive(Clone)]
pub struct Composition {
    /// The content this is an edit of, if any.
    pub base: Option<Content>,
    /// Up to where the base shows through; at most its size, at most `size`.
    pub base_limit: u64,
    /// The new length, bytes.
    pub size: u64,
    /// The ranges that the source has and the base has not. They lie below `size`.
    pub dirty: RangeSet,
    /// Ranges where the source holds what the base holds too: reading them here saves a download.
    pub local: RangeSet,
    /// Where the bytes of `dirty` and `local` are read.
    pub source: Arc<dyn Source>,
}

/// What a node shall hold.
#[derive(Clone)]
pub enum NewBody {
    /// A folder.
    Dir,
    /// A symbolic link and its target.
    Symlink(String),
    /// A file whose content the remote already has (renamed, or only its attributes changed).
    Have(Content),
    /// A file whose content is to be uploaded.
    Compose(Composition),
}

/// One wish of a batch.
pub struct Change {
    /// The node.
    pub id: NodeId,
    /// The version it was based on; `None`: the node must be new.
    pub expect: Option<Version>,
    /// What it shall become.
    pub op: Op,
}

/// What a node shall become.
#[allow(clippy::large_enum_variant, reason = "a batch has few, and most of them are the large one")]
pub enum Op {
    /// This, there.
    Put {
        /// The folder it shall be in: one that exists, or that the same batch makes.
        parent: NodeId,
        /// Its name there.
        name: Name,
        /// Its attributes.
        meta: Meta,
        /// What it shall hold.
        body: NewBody,
    },
    /// Gone. A folder must be empty after the batch.
    Remove,
}

/// What a save cost, in bytes and milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// Bytes that the user changed.
    pub changed: u64,
    /// Bytes sent to the remote: data and metadata.
    pub sent: u64,
    /// Bytes of the new content that the remote already had.
    pub reused: u64,
    /// Bytes fetched to be able to send so few.
    pub reread: u64,
    /// From the start of the upload to the commit, milliseconds.
    pub ms: u64,
}

/// What became of one change.
#[derive(Debug)]
pub enum Outcome {
    /// The remote has committed it.
    Done {
        /// Its new version.
        version: Version,
        /// For a file: the content it now has.
        content: Option<Content>,
        /// For an uploaded content: what it cost.
        receipt: Option<Receipt>,
    },
    /// The node, its name or its folder is not as expected: pull, reconcile, try again.
    Conflict,
    /// Not now.
    Retry {
        /// How long to wait at least.
        after: Duration,
        /// Why.
        why: Error,
    },
    /// Not ever, as it stands.
    Rejected(Error),
}

/// Storage that can be a drive.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// As the user wrote it, such as `store:/srv/bucket`.
    fn url(&self) -> &str;

    /// The newest place in the history that this machine knows of; [`Remote::children`] answers at
    /// this place or a newer one.
    async fn head(&self) -> Result<Cursor>;

    /// The root folder itself.
    async fn root(&self) -> Result<RemoteNode>;

    /// One node, or `None` if it is gone.
    async fn node(&self, id: NodeId) -> Result<Option<RemoteNode>>;

    /// The children of one folder.
    async fn children(&self, dir: NodeId) -> Result<Listing>;

    /// What happened since `cursor`.
    async fn changes(&self, cursor: &Cursor) -> Result<Changes>;

    /// Returns when something may have changed since the last call of `changes`: at once where the
    /// remote can tell, else after its polling interval.
    async fn wait(&self);

    /// The bytes `range` of `content`, all of it; `range` lies within the content's size.
    async fn read(&self, content: &Content, range: Range<u64>) -> Result<Bytes>;

    /// Uploads what the remote lacks and commits the batch in one step. One answer for each change, in
    /// order. An `Err` says that nothing was committed.
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Outcome>>;

    /// Bytes moved since the remote was opened: `(sent, received)`, as counted at the storage.
    fn moved(&self) -> (u64, u64);
}

/// How a remote is used on this machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the remote may keep on this machine; one for each drive.
    pub state_dir: std::path::PathBuf,
    /// How often it is asked for changes where it can't tell by itself.
    pub poll: Duration,
    /// Refuse to publish.
    pub read_only: bool,
    /// Every object's bytes take their turn here, up before they are sent and down before they are handed on.
    pub bandwidth: Arc<Bandwidth>,
    /// For `hf://`: which Hub, and who asks.
    pub hub: hf::Access,
}

/// Whether a remote of this URL can be written at all; if not, its drive is a read-only one.
pub fn can_write(url: &str) -> bool {
    !url.starts_with("hf:") || hf::can_write(url)
}

/// Opens a remote by its URL.
///
/// # Errors
/// `Invalid` for a URL of no known kind, and what opening that kind can fail with.
pub async fn open(url: &str, options: Options) -> Result<Arc<dyn Remote>> {
    match scheme(url)? {
        Scheme::Store => Ok(store::open(url, options).await?),
        Scheme::Hub => Ok(hf::open(url, options).await?),
    }
}

/// Looks what is at a URL, and changes nothing there that stays. `hub`: for `hf://`.
///
/// # Errors
/// `Invalid` for a URL of no known kind, or if there is something else than a remote; `NotFound`, `Denied`,
/// `NewerFormat`, `Damaged`, `Offline`.
pub async fn probe(url: &str, hub: &hf::Access) -> Result<Found> {
    match scheme(url)? {
        Scheme::Store => store::probe(url).await,
        Scheme::Hub => hf::probe(url, hub).await,
    }
}

/// Makes a remote where there is none. No harm if there is one already.
///
/// # Errors
/// `Invalid` for a URL of no known kind, or if there is something else, which stays as it is.
pub async fn init(url: &str) -> Result<()> {
    match scheme(url)? {
        Scheme::Store => store::init(url).await.map(drop),
        Scheme::Hub => Err(Error::new(Kind::Invalid, "buckets of the Hub are not made from here")
            .remedy("make it at the Hub, on its page or by its own command line")
            .at(url)),
    }
}

/// The kinds of remote that there are.
enum Scheme {
    Store,
    Hub,
}

fn scheme(url: &str) -> Result<Scheme> {
    match url.split_once(':') {
        Some(("store", _)) => Ok(Scheme::Store),
        Some(("hf", _)) => Ok(Scheme::Hub),
        Some((scheme, _)) => {
            Err(Error::new(Kind::Invalid, format!("{scheme}: is no kind of remote that Lacuna knows"))
                .remedy("use store:/path/of/a/bucket or hf://buckets/OWNER/NAME")
                .at(url))
        }
        None => Err(Error::new(Kind::Invalid, "a remote is written as KIND:PLACE")
            .remedy(format!("did you mean store:{url}?"))
            .at(url)),
    }
}
