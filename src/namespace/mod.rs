//! The drive's tree on this machine: what every node is here, what the remote had when both last agreed,
//! and so what of it differs.
//!
//! Observations are kept, not pending work: there is no list of operations. What has to be sent is what
//! differs, so a file that was made, renamed and removed before anything was sent leaves no trace, and a
//! crash can't leave half of a list.
//!
//! # Where, and what holds after a crash
//!
//! One SQLite database in WAL mode. Every changing call is one transaction, so what was answered survives
//! the death of the process; [`Namespace::sync`] makes it survive a power loss.
//!
//! # Locks
//!
//! One mutex holds the connection. It is held for single calls, which never wait for the remote.
//!
//! # Numbers
//!
//! [`Ino`] is this machine's: counted up, never used twice. [`NodeId`] is the remote's: drawn at random
//! when a new node is first handed out by [`Namespace::pending`], and kept from then on, so that a node
//! whose publication was not answered is recognised.

mod fold;
mod local;
mod pending;
mod pins;
mod place;
mod row;
mod schema;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{
    error::{Error, Result},
    node::{Content, Ino, Kind, Meta, Name, NodeId, Time},
    remote::{Body, Cursor, RemoteNode, Version},
    vfs::{self, Fault, Invalidate},
};

/// A node of the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its number here.
    pub ino: Ino,
    /// The folder it is in; `None`: the root, or unlinked and still open.
    pub parent: Option<Ino>,
    /// Its name there.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names; of a folder 2 and one for each folder in it, or 1 while that is not known.
    pub nlink: u32,
    /// Length in bytes, as far as the tree knows; staged bytes that differ know better.
    pub size: u64,
    /// Last read; of this machine only.
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of anything; of this machine only.
    pub ctime: Time,
    /// When it was made.
    pub btime: Time,
    /// Where a link leads.
    pub target: Option<String>,
    /// Of a folder: whether all its children are known.
    pub listed: bool,
    /// What the remote had when both last agreed.
    pub synced: Option<Synced>,
    /// Whether staged bytes differ from the base.
    pub data_dirty: bool,
}

/// What the remote had of a node when both last agreed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synced {
    /// Its number there.
    pub id: NodeId,
    /// Its version then.
    pub version: Version,
    /// The folder it was in.
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
    /// Its attributes.
    pub meta: Meta,
    /// What it held.
    pub body: Body,
}

/// What a new node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNode {
    /// File, folder or link.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Where a link leads.
    pub target: Option<String>,
}

/// One thing in which this machine differs from the remote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pending {
    /// The node is new, or elsewhere, or other.
    Put {
        /// Its number here.
        ino: Ino,
        /// Its number there.
        id: NodeId,
        /// The version it was based on; `None`: it is new there.
        expect: Option<Version>,
        /// The folder it is in.
        parent: NodeId,
        /// Its name.
        name: Name,
        /// Its attributes.
        meta: Meta,
        /// What it is.
        kind: Kind,
        /// Where a link leads.
        target: Option<String>,
        /// The content that the remote has, if it has one of this file.
        have: Option<Content>,
        /// Whether staged bytes differ from that.
        data_dirty: bool,
        /// Other changes without which this one can't be done: new folders above it, nodes that leave
        /// its place.
        needs: Vec<NodeId>,
    },
    /// The node is gone here.
    Remove {
        /// Its number there.
        id: NodeId,
        /// The version it was based on.
        expect: Version,
        /// The node that has its name now: both go in one batch, so that nobody sees neither.
        replaced_by: Option<Ino>,
    },
}

/// What the tree asks about staged bytes while it folds in remote events.
pub trait Contents {
    /// Whether a file holds bytes that the remote lacks.
    fn changed(&self, ino: Ino) -> bool;
    /// The content that was announced for the generation in flight, if one was: a commit whose answer
    /// was lost.
    fn intent(&self, ino: Ino) -> Option<Content>;
}

/// Where and when, for the names of conflicted copies.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// This machine's name.
    pub host: String,
    /// The clock's time.
    pub now: Time,
    /// The day, `2026-11-23`, as people here count it.
    pub date: String,
}

impl Ctx {
    /// With the day of `now` in this machine's time zone, or in UTC where that can't be told.
    pub fn new(host: String, now: Time) -> Self {
        let utc = time::OffsetDateTime::from_unix_timestamp_nanos(now.0.into())
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let here = time::UtcOffset::local_offset_at(utc).map_or(utc, |offset| utc.to_offset(offset));
        let date = format!("{:04}-{:02}-{:02}", here.year(), u8::from(here.month()), here.day());
        Ctx { host, now, date }
    }
}

/// What has to be done besides, after remote events were folded in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The operating system must forget.
    Invalidate(Invalidate),
    /// An unchanged file has a new base: staged bytes of the old one must go.
    Rebase {
        /// Which file.
        ino: Ino,
        /// Its new content.
        content: Option<Content>,
    },
    /// Our own commit came back: the generation in flight is committed as this.
    Committed {
        /// Which file.
        ino: Ino,
        /// The content.
        content: Content,
    },
    /// Both sides changed it, both versions are kept.
    Conflict {
        /// The path of ours from the drive's root.
        ours: String,
        /// The path of theirs.
        theirs: String,
        /// Our node.
        ino: Ino,
    },
    /// Removed at the remote: it is an orphan now, its staged bytes can go when nobody has it open.
    Gone {
        /// Which node.
        ino: Ino,
    },
    /// It has something to send that it had not before.
    Requeue {
        /// Which node.
        ino: Ino,
    },
}

/// See the module's text.
pub struct Namespace {
    db: Mutex<Connection>,
    /// See [`Namespace::places`].
    places: AtomicU64,
    /// How many rows this connection had changed at the last sync; none was yet: [`u64::MAX`], for what the last
    /// process changed counts too. Only changed with `db` held.
    synced: AtomicU64,
}

impl Namespace {
    /// Opens the database, or makes one.
    ///
    /// # Errors
    /// `NewerFormat`, `Damaged`: nothing is done to the file then.
    pub fn open(path: &Path) -> Result<Namespace> {
        let db = schema::open(path)?;
        Ok(Namespace { db: Mutex::new(db), places: AtomicU64::new(0), synced: AtomicU64::new(u64::MAX) })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Runs a changing call as one transaction: all of it or nothing.
    fn change<T, E: From<rusqlite::Error>>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut db = self.db();
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = f(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// How far remote events are folded in; `None`: the tree has no root yet.
    pub fn cursor(&self) -> Result<Option<Cursor>> {
        Ok(schema::get(&self.db(), "cursor")?.map(Cursor))
    }

    /// Gives an empty tree its root.
    pub fn init_root(&self, root: &RemoteNode, cursor: Cursor) -> Result<()> {
        self.change(|tx| {
            row::insert_root(tx, root)?;
            schema::set(tx, "cursor", &cursor.0)?;
            Ok(())
        })
    }

    /// A node by its number.
    pub fn node(&self, ino: Ino) -> vfs::Result<Node> {
        row::get(&self.db(), ino)?.ok_or(Fault::NotFound)
    }

    /// A node by its name. `None` says that it is not known here, which in a folder that is not listed
    /// says nothing about the remote.
    pub fn child(&self, parent: Ino, name: &Name) -> vfs::Result<Option<Node>> {
        Ok(row::child(&self.db(), parent, name)?)
    }

    /// The known children after `cookie` in the order of their cookies, which is the order in which they
    /// came into the folder.
    pub fn children(&self, parent: Ino, cookie: u64, limit: usize) -> vfs::Result<Vec<(u64, Node)>> {
        let db = self.db();
        match row::get(&db, parent)? {
            None => Err(Fault::NotFound),
            Some(node) if node.kind != Kind::Dir => Err(Fault::NotDir),
            Some(_) => Ok(row::children(&db, parent, cookie, limit)?),
        }
    }

    /// The known children after a name, in the order of their names (by bytes), each with whether it differs
    /// from what the remote has.
    pub fn children_by_name(
        &self,
        parent: Ino,
        after: Option<&str>,
        limit: usize,
    ) -> vfs::Result<Vec<(Node, bool)>> {
        Ok(row::children_by_name(&self.db(), parent, after.unwrap_or(""), limit)?)
    }

    /// Whether a node differs from what the remote has.
    pub fn differs(&self, ino: Ino) -> vfs::Result<bool> {
        Ok(row::differs(&self.db(), ino)?)
    }

    /// The path from the drive's root, such as `a/b.txt`; the root's is empty. `None`: unlinked.
    pub fn path(&self, ino: Ino) -> Option<String> {
        row::path(&self.db(), ino).ok().flatten()
    }

    /// Nodes that were unlinked while open and never let go: of a process that was killed.
    pub fn orphans(&self) -> Result<Vec<Ino>> {
        Ok(row::orphans(&self.db())?)
    }

    /// How many nodes are known.
    pub fn count(&self) -> Result<u64> {
        Ok(self
            .db()
            .query_row("SELECT count(*) FROM nodes WHERE parent IS NOT NULL OR ino = 1", [], |r| {
                r.get::<_, i64>(0)
            })?
            .unsigned_abs())
    }

    /// What was answered before survives a power loss when this returns.
    pub fn sync(&self) -> Result<()> {
        let db = self.db();
        if db.total_changes() == self.synced.load(Ordering::Relaxed) {
            return Ok(());
        }
        // In WAL mode a FULL transaction syncs the log, and with it all transactions before.
        db.pragma_update(None, "synchronous", "FULL")?;
        let wrote = schema::set(&db, "synced", &Time::now().0.to_string());
        db.pragma_update(None, "synchronous", "NORMAL")?;
        wrote?;
        self.synced.store(db.total_changes(), Ordering::Relaxed);
        Ok(())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        schema::error(e)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        let e = schema::error(e);
        tracing::error!(error = ?e, "the tree's database");
        match e.kind() {
            crate::error::Kind::NoSpace => Fault::NoSpace,
            crate::error::Kind::ReadOnly => Fault::ReadOnly,
            _ => Fault::Io,
        }
    }
}
