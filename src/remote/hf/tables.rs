//! The mirror's tables, and what is done to them within one transaction.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, Transaction, params, params_from_iter};

use super::{
    diff::{Known, Step, What},
    ops::{Act, millis},
    rows::Seen,
};
use crate::{
    node::{Meta, Name, NodeId, Time},
    remote::{
        Body, RemoteNode, Version,
        row::{NODE, WIDTH, int, read, uint, values},
    },
};

pub(super) const LAYOUT: i64 = 1;
/// So many removals are remembered; who asks about older ones must look at everything anew.
pub(super) const REMOVALS: i64 = 20_000;

pub(super) const TABLES: &str = "
    CREATE TABLE place(one INTEGER PRIMARY KEY CHECK (one = 1), url TEXT NOT NULL, id TEXT NOT NULL,
        version INTEGER NOT NULL, floor INTEGER NOT NULL, probe TEXT);
    CREATE TABLE nodes(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
        mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mtime INTEGER NOT NULL,
        btime INTEGER NOT NULL, kind INTEGER NOT NULL, content BLOB, size INTEGER, target TEXT,
        seen INTEGER, listed INTEGER NOT NULL, kept INTEGER NOT NULL);
    CREATE INDEX names ON nodes(parent, name);
    CREATE INDEX versions ON nodes(version);
    CREATE INDEX listed ON nodes(listed) WHERE listed = 1;
    CREATE TABLE gone(id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
    CREATE INDEX gone_versions ON gone(version);
    CREATE TABLE intent(one INTEGER PRIMARY KEY CHECK (one = 1), plan TEXT NOT NULL);
    CREATE TABLE plain(content BLOB PRIMARY KEY, path TEXT NOT NULL, revision TEXT NOT NULL, etag TEXT) WITHOUT ROWID;
";

/// The mirror's place in its own history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Tells this mirror from one that was begun anew.
    pub id: String,
    /// The newest version.
    pub version: u64,
    /// Removals up to this version are forgotten.
    pub floor: u64,
    /// What told the Hub's state when all listed folders were last compared.
    pub probe: Option<String>,
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(48);
    Ok(db)
}

pub(super) fn begin(db: &mut Connection, url: &str, (uid, gid): (u32, u32)) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.execute_batch(TABLES)?;
    tx.execute("INSERT INTO place VALUES (1, ?1, lower(hex(randomblob(8))), 1, 0, NULL)", [url])?;
    let now = Time::now();
    let meta = Meta { mode: 0o755, uid, gid, mtime: now, btime: now };
    let root = RemoteNode {
        id: NodeId::ROOT,
        parent: NodeId::ROOT,
        name: Name::new("root").map_err(|_| rusqlite::Error::InvalidQuery)?,
        version: Version(1),
        meta,
        body: Body::Dir,
    };
    put(&tx, &root, None)?;
    tx.execute("UPDATE nodes SET kept = 1", [])?;
    tx.pragma_update(None, "user_version", LAYOUT)?;
    tx.commit()
}

pub(super) fn place(db: &Connection) -> rusqlite::Result<Place> {
    db.query_row("SELECT id, version, floor, probe FROM place", [], |r| {
        Ok(Place { id: r.get(0)?, version: uint(r, 1)?, floor: uint(r, 2)?, probe: r.get(3)? })
    })
}

pub(super) fn next_version(tx: &Transaction) -> rusqlite::Result<u64> {
    tx.query_row("UPDATE place SET version = version + 1 RETURNING version", [], |r| uint(r, 0))
}

pub(super) fn forget_old(tx: &Transaction) -> rusqlite::Result<()> {
    let oldest: Option<i64> = tx
        .prepare_cached("SELECT version FROM gone ORDER BY version DESC LIMIT 1 OFFSET ?1")?
        .query_row([REMOVALS], |r| r.get(0))
        .optional()?;
    if let Some(oldest) = oldest {
        tx.execute("DELETE FROM gone WHERE version <= ?1", [oldest])?;
        tx.execute("UPDATE place SET floor = ?1", [oldest])?;
    }
    Ok(())
}

/// A node and its column `seen`, which is selected after it.
pub(super) fn read_seen(row: &SqlRow) -> rusqlite::Result<(RemoteNode, Option<i64>)> {
    Ok((read(row)?, row.get(WIDTH)?))
}

pub(super) fn known(row: &SqlRow) -> rusqlite::Result<Known> {
    let (node, seen) = read_seen(row)?;
    let what = match node.body {
        Body::File(content) => What::File(content, seen),
        Body::Dir => What::Dir { kept: row.get(WIDTH + 1)? },
        Body::Symlink(_) => What::Link,
    };
    Ok(Known { id: node.id, name: node.name, what })
}

pub(super) fn node(db: &Connection, id: NodeId) -> rusqlite::Result<Option<(RemoteNode, Option<i64>)>> {
    db.prepare_cached(&format!("SELECT {NODE}, seen FROM nodes WHERE id = ?1"))?
        .query_row([int(id.0)], read_seen)
        .optional()
}

pub(super) fn path(db: &Connection, mut id: NodeId) -> rusqlite::Result<Option<String>> {
    let mut parts = Vec::new();
    let mut q = db.prepare_cached("SELECT parent, name FROM nodes WHERE id = ?1")?;
    while id != NodeId::ROOT {
        let above = q.query_row([int(id.0)], |r| Ok((uint(r, 0)?, r.get::<_, String>(1)?))).optional()?;
        let Some((parent, name)) = above else { return Ok(None) };
        parts.push(name);
        id = NodeId(parent);
    }
    parts.reverse();
    Ok(Some(parts.join("/")))
}

/// Writes the whole of a node; whether a folder is listed or kept stays as it was.
pub(super) fn put(tx: &Transaction, n: &RemoteNode, seen: Option<i64>) -> rusqlite::Result<()> {
    tx.prepare_cached(&format!(
        "INSERT INTO nodes({NODE}, seen, listed, kept) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,0,0)
         ON CONFLICT(id) DO UPDATE SET parent=?2, name=?3, version=?4, mode=?5, uid=?6, gid=?7, mtime=?8, btime=?9,
         kind=?10, content=?11, size=?12, target=?13, seen=?14"
    ))?
    .execute(params_from_iter(values(n).into_iter().chain([seen.to_sql()?])))
    .map(drop)
}

pub(super) fn remove(tx: &Transaction, id: NodeId, version: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM nodes WHERE id = ?1")?.execute([int(id.0)])?;
    tx.prepare_cached("INSERT OR REPLACE INTO gone VALUES (?1, ?2)")?
        .execute(params![int(id.0), int(version)])
        .map(drop)
}

/// The Hub does not show this node any more. A folder stays, with what in it is only here, if there is such.
pub(super) fn vanish(tx: &Transaction, id: NodeId, version: u64) -> rusqlite::Result<bool> {
    let children: Vec<(u64, i64, bool)> = tx
        .prepare_cached("SELECT id, kind, kept FROM nodes WHERE parent = ?1")?
        .query_map([int(id.0)], |r| Ok((uint(r, 0)?, r.get(1)?, r.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut stays = false;
    for (child, kind, kept) in children {
        stays |= match kind {
            0 => vanish(tx, NodeId(child), version)? || kept,
            1 => {
                remove(tx, NodeId(child), version)?;
                false
            }
            _ => true,
        };
    }
    let kept: bool = tx
        .prepare_cached("SELECT kept FROM nodes WHERE id = ?1")?
        .query_row([int(id.0)], |r| r.get(0))
        .optional()?
        .unwrap_or(false);
    if stays || kept {
        keep(tx, id)?;
        return Ok(true);
    }
    remove(tx, id, version)?;
    Ok(false)
}

/// The folder stays here whatever the Hub shows.
pub(super) fn keep(tx: &Transaction, dir: NodeId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE nodes SET kept = 1 WHERE id = ?1 AND kind = 0")?.execute([int(dir.0)]).map(drop)
}

/// The time of a file that another machine wrote: what it says, else when the Hub got it.
pub(super) fn times(seen: Option<&Seen>, known: Option<&Meta>) -> (Time, Time) {
    let nanos = |ms: i64| Time(ms.saturating_mul(1_000_000));
    let Some(seen) = seen else { return (Time::now(), Time::now()) };
    let stated = seen.mtime.or(seen.uploaded);
    let mtime = match (stated, known) {
        (Some(ms), Some(meta)) if millis(meta) == ms => meta.mtime,
        (Some(ms), _) => nanos(ms),
        (None, _) => Time::now(),
    };
    (mtime, seen.uploaded.or(seen.mtime).map_or(mtime, nanos))
}

pub(super) fn take(
    tx: &Transaction,
    step: &Step,
    version: u64,
    (uid, gid): (u32, u32),
) -> rusqlite::Result<()> {
    match step {
        Step::Gone(id, Some(_)) => remove(tx, *id, version),
        Step::Gone(id, None) => vanish(tx, *id, version).map(drop),
        Step::Changed(id, seen) => {
            let Some((mut was, _)) = node(tx, *id)? else { return Ok(()) };
            was.meta.mtime = times(Some(seen), Some(&was.meta)).0;
            was.version = Version(version);
            was.body = Body::File(seen.content);
            put(tx, &was, seen.mtime)
        }
        Step::Moved(id, dir, row) => {
            let Some((mut was, _)) = node(tx, *id)? else { return Ok(()) };
            was.meta.mtime = times(row.file.as_ref(), Some(&was.meta)).0;
            was.version = Version(version);
            (was.parent, was.name) = (*dir, row.name.clone());
            put(tx, &was, row.file.as_ref().and_then(|f| f.mtime))
        }
        Step::Added(dir, row) => {
            // As the engine draws them: the lowest numbers are not given.
            let id: i64 = tx.query_row("SELECT random() | 1024", [], |r| r.get(0))?;
            let (mtime, btime) = times(row.file.as_ref(), None);
            let node = RemoteNode {
                id: NodeId(id.cast_unsigned()),
                parent: *dir,
                name: row.name.clone(),
                version: Version(version),
                meta: Meta { mode: if row.file.is_some() { 0o644 } else { 0o755 }, uid, gid, mtime, btime },
                body: row.file.as_ref().map_or(Body::Dir, |f| Body::File(f.content)),
            };
            put(tx, &node, row.file.as_ref().and_then(|f| f.mtime))
        }
    }
}

/// Does to the tree what one of our own changes says.
pub(super) fn act_on(tx: &Transaction, act: &Act, version: u64) -> rusqlite::Result<()> {
    let was = node(tx, act.id())?.map(|(node, _)| node);
    match act {
        Act::Remove(id) => remove(tx, *id, version)?,
        Act::Put { id, parent, name, meta, body } => {
            let node = RemoteNode {
                id: *id,
                parent: *parent,
                name: name.clone(),
                version: Version(version),
                meta: *meta,
                body: body.clone(),
            };
            put(tx, &node, matches!(body, Body::File(_)).then(|| millis(meta)))?;
            tx.prepare_cached("DELETE FROM gone WHERE id = ?1")?.execute([int(id.0)])?;
            if was.is_none() && *body == Body::Dir {
                // New here, so all that is in it is known.
                tx.prepare_cached("UPDATE nodes SET listed = 1, kept = 1 WHERE id = ?1")?
                    .execute([int(id.0)])?;
            }
        }
    }
    // A folder that we emptied stays, as in any file system.
    match was {
        Some(was) if !matches!(act, Act::Put { parent, .. } if *parent == was.parent) => keep(tx, was.parent),
        _ => Ok(()),
    }
}

pub(super) fn learn_plain(tx: &Transaction, seen: &Seen, path: &str, revision: &str) -> rusqlite::Result<()> {
    if !seen.plain {
        return Ok(());
    }
    tx.prepare_cached("INSERT OR REPLACE INTO plain VALUES (?1, ?2, ?3, NULL)")?
        .execute(params![&seen.content.id.0[..], path, revision])
        .map(drop)
}
