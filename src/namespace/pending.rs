//! What of the tree differs from the remote, and what was sent of it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Namespace, Node, Pending,
    row::{self, id_of, id_sql, ino_of, sql},
};
use crate::{
    error::Result,
    node::{Content, Ino, Kind, Meta, NodeId},
    remote::{Body, RemoteNode, Version},
};

type Sql<T> = rusqlite::Result<T>;

impl Namespace {
    /// About `limit` of what differs, with every new folder that they need. Draws the remote's numbers
    /// of new nodes, for good.
    pub fn pending(&self, limit: usize) -> Result<Vec<Pending>> {
        Ok(self.pending_after(Ino(0), limit)?.0)
    }

    /// The same of nodes that were made after `after`; and after which there are more.
    pub fn pending_after(&self, after: Ino, limit: usize) -> Result<(Vec<Pending>, Option<Ino>)> {
        self.change(|tx| {
            let mut nodes = row::pending(tx, after, limit)?;
            let more = nodes.last().filter(|_| nodes.len() >= limit).map(|n| n.ino);
            let mut have: HashSet<Ino> = nodes.iter().map(|n| n.ino).collect();
            let removals = removals(tx, limit)?;
            // What is removed goes in one batch with what takes its place.
            for removal in &removals {
                if let Pending::Remove { replaced_by: Some(by), .. } = removal
                    && have.insert(*by)
                    && row::differs(tx, *by)?
                    && let Some(by) = row::get(tx, *by)?
                {
                    nodes.push(by);
                }
            }
            let mut i = 0;
            while let Some(parent) = nodes.get(i).map(|n| n.parent) {
                if let Some(parent) = parent
                    && have.insert(parent)
                    && let Some(above) = row::get(tx, parent)?
                    && above.synced.is_none()
                {
                    nodes.push(above);
                }
                i += 1;
            }
            let mut out = Vec::with_capacity(nodes.len() + removals.len());
            for node in &nodes {
                out.push(put(tx, node)?);
            }
            out.extend(removals);
            Ok((out, more))
        })
    }

    /// How many nodes differ.
    pub fn pending_count(&self) -> Result<u64> {
        let count =
            "SELECT (SELECT count(*) FROM nodes WHERE pending = 1) + (SELECT count(*) FROM tombstones)";
        Ok(self.db().prepare_cached(count)?.query_row([], |r| r.get::<_, i64>(0))?.unsigned_abs())
    }

    /// How much waits, as people count: files, links and what was removed. Folders count only where nothing
    /// else waits, for each new file changes its folder's times.
    pub fn pending_things(&self) -> Result<u64> {
        let count = "SELECT CASE WHEN things > 0 THEN things ELSE folders END FROM (SELECT \
            (SELECT count(*) FROM nodes WHERE pending = 1 AND kind != 1) \
                + (SELECT count(*) FROM tombstones) AS things, \
            (SELECT count(*) FROM nodes WHERE pending = 1 AND kind = 1) AS folders)";
        Ok(self.db().prepare_cached(count)?.query_row([], |r| r.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Whether anything that the remote has was removed here.
    pub fn any_removed(&self) -> Result<bool> {
        let any = "SELECT EXISTS (SELECT 1 FROM tombstones)";
        Ok(self.db().prepare_cached(any)?.query_row([], |r| r.get(0))?)
    }

    /// Notes what is about to be sent, so that it is recognised among the remote's events if the answer
    /// is lost.
    pub fn sending<'a>(&self, what: impl Iterator<Item = &'a Pending>) -> Result<()> {
        self.change(|tx| {
            for what in what {
                if let Some(node) = as_sent(what, Version(0), None) {
                    row::set_sent(tx, &node)?;
                }
            }
            Ok(())
        })
    }

    /// Notes that the remote has not committed it.
    pub fn not_sent(&self, what: &Pending) -> Result<()> {
        let (Pending::Put { id, .. } | Pending::Remove { id, .. }) = what;
        Ok(row::clear_sent(&self.db(), *id)?)
    }

    /// Whatever was sent before is answered, or was not committed.
    pub fn nothing_sent(&self) -> Result<()> {
        self.db().execute("DELETE FROM sent", [])?;
        Ok(())
    }

    /// Notes that the remote has committed exactly `what`. What changed here since stays pending.
    pub fn published(&self, what: &Pending, version: Version, content: Option<Content>) -> Result<()> {
        self.change(|tx| {
            match what {
                Pending::Remove { id, .. } => row::unbury(tx, *id)?,
                Pending::Put { ino, id, .. } => {
                    row::clear_sent(tx, *id)?;
                    let Some(now) = as_sent(what, version, content) else { return Ok(()) };
                    match row::get(tx, *ino)? {
                        Some(node) if node.parent.is_some() || *ino == Ino::ROOT => {
                            row::set_synced(tx, *ino, &now)?;
                            row::judge(tx, *ino)?;
                        }
                        // Unlinked while it was on its way: now the remote has it, and must lose it.
                        gone => {
                            if gone.is_some() {
                                row::set_synced(tx, *ino, &now)?;
                            }
                            row::bury(tx, &now)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

/// What the remote has once it has committed a put.
fn as_sent(what: &Pending, version: Version, content: Option<Content>) -> Option<RemoteNode> {
    let Pending::Put { id, parent, name, meta, kind, target, have, .. } = what else { return None };
    let body = match kind {
        Kind::Dir => Body::Dir,
        Kind::Symlink => Body::Symlink(target.clone().unwrap_or_default()),
        Kind::File => Body::File(content.or(*have).unwrap_or(Content::EMPTY)),
    };
    Some(RemoteNode { id: *id, parent: *parent, name: name.clone(), version, meta: *meta, body })
}

/// About `limit` of the removals. A folder can only go with or after what was in it. So where not all fit,
/// those come first that nothing stands on.
fn removals(tx: &Connection, limit: usize) -> Sql<Vec<Pending>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let fit: bool = tx
        .prepare_cached("SELECT (SELECT count(*) FROM (SELECT 1 FROM tombstones LIMIT ?1 + 1)) <= ?1")?
        .query_row([limit.min(i64::MAX - 1)], |r| r.get(0))?;
    let mut q = tx.prepare_cached(
        "SELECT rid, version, s_parent, s_name FROM tombstones t \
         WHERE ?2 OR NOT EXISTS (SELECT 1 FROM tombstones c WHERE c.s_parent = t.rid) LIMIT ?1",
    )?;
    let rows = q.query_map(params![limit, fit], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, String>(3)?))
    })?;
    let mut out = Vec::new();
    for r in rows {
        let (rid, version, parent, name) = r?;
        let replaced_by = at_place(tx, parent, &name)?;
        let expect = Version(version.cast_unsigned());
        out.push(Pending::Remove { id: id_of(rid), expect, replaced_by });
    }
    Ok(out)
}

fn put(db: &Connection, node: &Node) -> Sql<Pending> {
    let id = row::remote_id(db, node.ino)?;
    let (parent, mut needs) = match node.parent {
        None => (NodeId::ROOT, Vec::new()),
        Some(parent) => {
            let id = row::remote_id(db, parent)?;
            let known: bool = db
                .prepare_cached("SELECT s_version IS NOT NULL FROM nodes WHERE ino = ?")?
                .query_row([sql(parent)], |r| r.get(0))?;
            (id, if known { Vec::new() } else { vec![id] })
        }
    };
    if node.parent.is_some() {
        // Whoever is in this place at the remote must leave it in the same batch.
        let place = params![id_sql(parent), node.name.as_str()];
        let leaving = [
            "SELECT rid FROM tombstones WHERE s_parent = ? AND s_name = ?",
            "SELECT rid FROM nodes WHERE s_version IS NOT NULL AND s_parent = ? AND s_name = ? AND pending = 1",
        ];
        for q in leaving {
            let mut q = db.prepare_cached(q)?;
            for other in q.query_map(place, |r| r.get(0).map(id_of))? {
                let other = other?;
                if other != id {
                    needs.push(other);
                }
            }
        }
    }
    Ok(Pending::Put {
        ino: node.ino,
        id,
        expect: node.synced.as_ref().map(|s| s.version),
        parent,
        name: node.name.clone(),
        meta: Meta { mode: node.mode, uid: node.uid, gid: node.gid, mtime: node.mtime, btime: node.btime },
        kind: node.kind,
        target: node.target.clone(),
        have: row::content(node),
        data_dirty: node.data_dirty,
        needs,
    })
}

/// The node that is here in the place that the remote knows by its folder's number and a name.
fn at_place(db: &Connection, parent: i64, name: &str) -> Sql<Option<Ino>> {
    let mut q = db.prepare_cached(
        "SELECT n.ino FROM nodes n JOIN nodes p ON n.parent = p.ino \
         WHERE p.rid = ? AND (p.parent IS NOT NULL OR p.ino = 1) AND n.name = ?",
    )?;
    q.query_row(params![parent, name], |r| r.get(0).map(ino_of)).optional()
}
