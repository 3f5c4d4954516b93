//! Pins: what the user wants to be kept on this machine. A pin is of a node, so it goes with it wherever it is
//! moved; one of a folder holds for all that is and will be below it.

use std::{collections::HashSet, sync::atomic::Ordering};

use rusqlite::OptionalExtension;

use super::{
    Namespace,
    row::{ino_of, sql},
};
use crate::{error::Result, node::Ino};

/// Everything that is pinned: nodes with a pin, and all below them.
const ALL: &str = "WITH RECURSIVE kept(ino) AS (\
      SELECT p.ino FROM pins p JOIN nodes n ON n.ino = p.ino AND (n.parent IS NOT NULL OR n.ino = 1) \
      UNION SELECT n.ino FROM nodes n JOIN kept k ON n.parent = k.ino) \
    SELECT ino FROM kept";

/// The node itself or the nearest above it that has a pin.
const BY: &str = "WITH RECURSIVE above(ino, parent, depth) AS (\
      SELECT ino, parent, 0 FROM nodes WHERE ino = ? \
      UNION ALL SELECT n.ino, n.parent, a.depth + 1 FROM nodes n JOIN above a ON n.ino = a.parent) \
    SELECT a.ino FROM above a JOIN pins p ON p.ino = a.ino ORDER BY a.depth LIMIT 1";

impl Namespace {
    /// Pins a node; survives a power loss when it returns.
    pub fn pin(&self, ino: Ino) -> Result<()> {
        self.db().execute("INSERT OR IGNORE INTO pins(ino) VALUES(?)", [sql(ino)])?;
        self.moved();
        self.sync()
    }

    /// Takes a node's own pin away, if it has one.
    pub fn unpin(&self, ino: Ino) -> Result<()> {
        self.db().execute("DELETE FROM pins WHERE ino = ?", [sql(ino)])?;
        self.moved();
        self.sync()
    }

    /// The nodes that have a pin of their own.
    pub fn pins(&self) -> Result<Vec<Ino>> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT ino FROM pins ORDER BY ino")?;
        Ok(q.query_map([], |r| r.get(0).map(ino_of))?.collect::<rusqlite::Result<_>>()?)
    }

    /// By whose pin a node is kept: its own, or that of the nearest folder above it.
    pub fn pinned_by(&self, ino: Ino) -> Result<Option<Ino>> {
        let db = self.db();
        let mut q = db.prepare_cached(BY)?;
        Ok(q.query_row([sql(ino)], |r| r.get(0).map(ino_of)).optional()?)
    }

    /// All nodes that are kept by a pin, as far as they are known.
    pub fn all_pinned(&self) -> Result<HashSet<Ino>> {
        let db = self.db();
        let mut q = db.prepare_cached(ALL)?;
        Ok(q.query_map([], |r| r.get(0).map(ino_of))?.collect::<rusqlite::Result<_>>()?)
    }

    /// Counts changes of what is pinned and of where nodes are: while it stays, [`Namespace::all_pinned`] does.
    pub fn places(&self) -> u64 {
        self.places.load(Ordering::SeqCst)
    }

    /// Something is elsewhere, or new, or pinned. Called after the transaction.
    pub(super) fn moved(&self) {
        self.places.fetch_add(1, Ordering::SeqCst);
    }
}
