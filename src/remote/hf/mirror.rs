//! [`Mirror`]: what the Hub has, as far as this machine knows, and what of the drive's tree the Hub can't hold.
//!
//! The Hub speaks of paths and contents, the engine of nodes and versions. The mirror gives every path a
//! [`NodeId`] and every change a version, counted up on this machine alone; and it keeps modes, owners,
//! nanoseconds, symbolic links and empty folders, which no other machine ever sees.
//!
//! # What holds after a crash
//!
//! One SQLite database in WAL mode, each change one transaction, synced (`FULL`): a version that was told
//! to the engine is never counted again, even after power loss. A batch is noted as a whole before its
//! first call, and that note goes with the transaction that takes the batch in; so a batch that was cut
//! off is found, and brought to its end, at the next start (see `publish`).

use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, Transaction, params};

use super::{
    diff::{Known, Step, What},
    ops::{Act, Before, Below, Plan, millis},
    rows::Seen,
};
use crate::{
    error::{Error, Kind, Result},
    node::{Content, ContentId, Meta, Name, NodeId, Time},
    remote::{Body, Event, RemoteNode, Version, store::decide::Tree},
};

const LAYOUT: i64 = 1;
/// So many removals are remembered; who asks about older ones must look at everything anew.
const REMOVALS: i64 = 20_000;

const TABLES: &str = "
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

const NODE: &str = "id, parent, name, version, mode, uid, gid, mtime, btime, kind, content, size, target, seen";

/// The tree as this machine knows it.
pub struct Mirror {
    /// Held for single calls into SQLite.
    db: Mutex<Connection>,
    /// Who owns what others put into the bucket: user and group.
    owner: (u32, u32),
}

/// Where a plain file's bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plain {
    /// Its path in the drive.
    pub path: String,
    /// The commit in which it was seen; empty in a bucket.
    pub revision: String,
    /// The ETag that its bytes had when they were first read.
    pub etag: Option<String>,
}

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

fn sql(e: rusqlite::Error) -> Error {
    let error = |kind| Error::new(kind, format!("the local copy of the Hub's tree fails: {e}"));
    let error = match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            error(Kind::NoSpace).remedy("make room on the disk that holds Lacuna's state")
        }
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => error(Kind::Damaged)
            .remedy("stop the agent and delete hub.db in the drive's state: modes, links and empty folders are lost with it"),
        _ => error(Kind::Other),
    };
    error.because(e)
}

fn int(n: u64) -> i64 {
    n.cast_signed()
}

fn uint(row: &SqlRow, at: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(at)?.cast_unsigned())
}

/// In the table the root is in folder 0, so that it is nobody's child.
fn stored_parent(id: NodeId, parent: NodeId) -> i64 {
    if id == NodeId::ROOT { 0 } else { int(parent.0) }
}

impl Mirror {
    /// Opens the mirror of `url` in the file `path`, or begins it. What others made belongs to `owner`.
    pub fn open(path: &Path, url: &str, owner: (u32, u32)) -> Result<Mirror> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)
                .map_err(|e| Error::io("can't make the folder for state", e).at(dir.display()))?;
        }
        let here = |e: rusqlite::Error| sql(e).at(path.display());
        let mut db = connect(path).map_err(here)?;
        let layout: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(here)?;
        match layout {
            0 => begin(&mut db, url, owner).map_err(here)?,
            LAYOUT => {}
            _ => {
                return Err(Error::new(Kind::NewerFormat, "the drive's state was written by a newer Lacuna")
                    .remedy("update Lacuna")
                    .at(path.display()));
            }
        }
        let whose: String = db.query_row("SELECT url FROM place", [], |r| r.get(0)).map_err(here)?;
        if whose != url {
            return Err(Error::new(Kind::Invalid, format!("this is the state of a drive of {whose}"))
                .remedy("give this drive another name: --name N")
                .at(path.display()));
        }
        Ok(Mirror { db: Mutex::new(db), owner })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection is as good as before.
        self.db.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn change<T>(&self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T> {
        let mut db = self.db();
        let tx = db.transaction().map_err(sql)?;
        let answer = work(&tx).map_err(sql)?;
        tx.commit().map_err(sql)?;
        Ok(answer)
    }

    /// Where it stands.
    pub fn place(&self) -> Result<Place> {
        place(&self.db()).map_err(sql)
    }

    /// One node.
    pub fn get(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        Ok(node(&self.db(), id).map_err(sql)?.map(|(node, _)| node))
    }

    /// All children of a folder in the order of their names.
    pub fn children(&self, dir: NodeId) -> Result<Vec<RemoteNode>> {
        let db = self.db();
        let get = || {
            let mut q = db.prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE parent = ?1 ORDER BY name"))?;
            q.query_map([int(dir.0)], |r| read(r).map(|(node, _)| node))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        get().map_err(sql)
    }

    /// The children of a folder as [`diff`](super::diff) wants them; with `names` only those.
    pub fn known(&self, dir: NodeId, names: Option<&[Name]>) -> Result<Vec<Known>> {
        let db = self.db();
        let get = || -> rusqlite::Result<Vec<Known>> {
            let all = match names {
                None => {
                    let mut q = db.prepare_cached(&format!("SELECT {NODE}, kept FROM nodes WHERE parent = ?1"))?;
                    q.query_map([int(dir.0)], known)?.collect::<rusqlite::Result<Vec<_>>>()?
                }
                Some(names) => {
                    let mut q = db
                        .prepare_cached(&format!("SELECT {NODE}, kept FROM nodes WHERE parent = ?1 AND name = ?2"))?;
                    let mut all = Vec::new();
                    for name in names {
                        for row in q.query_map(params![int(dir.0), name.as_str()], known)? {
                            all.push(row?);
                        }
                    }
                    all
                }
            };
            Ok(all)
        };
        get().map_err(sql)
    }

    /// Whether a folder's children are known.
    pub fn is_listed(&self, dir: NodeId) -> Result<bool> {
        let get = |db: &Connection| {
            db.prepare_cached("SELECT listed FROM nodes WHERE id = ?1")?
                .query_row([int(dir.0)], |r| r.get(0))
                .optional()
        };
        Ok(get(&self.db()).map_err(sql)?.unwrap_or(false))
    }

    /// All folders whose children are known, with their paths.
    pub fn listed(&self) -> Result<Vec<(NodeId, String)>> {
        let ids: Vec<NodeId> = {
            let db = self.db();
            let get = || {
                let mut q = db.prepare_cached("SELECT id FROM nodes WHERE listed = 1 AND kind = 0")?;
                q.query_map([], |r| uint(r, 0).map(NodeId))?.collect::<rusqlite::Result<_>>()
            };
            get().map_err(sql)?
        };
        let mut out = Vec::with_capacity(ids.len());
        for id in ids {
            out.extend(self.path(id)?.map(|path| (id, path)));
        }
        Ok(out)
    }

    /// The folders below and including this one whose children are not known.
    pub fn unlisted_below(&self, dir: NodeId) -> Result<Vec<NodeId>> {
        let db = self.db();
        let get = || {
            let mut q = db.prepare_cached(
                "WITH RECURSIVE below(id) AS (SELECT ?1 UNION ALL SELECT n.id FROM nodes n JOIN below b ON n.parent = b.id
                 WHERE n.kind = 0) SELECT n.id FROM nodes n JOIN below b ON n.id = b.id WHERE n.kind = 0 AND n.listed = 0",
            )?;
            q.query_map([int(dir.0)], |r| uint(r, 0).map(NodeId))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        get().map_err(sql)
    }

    /// The path of a node in the drive; `None`: there is no such node.
    pub fn path(&self, id: NodeId) -> Result<Option<String>> {
        path(&self.db(), id).map_err(sql)
    }

    /// The folder at a path, if it is known.
    pub fn folder_at(&self, path: &str) -> Result<Option<NodeId>> {
        let db = self.db();
        let mut at = NodeId::ROOT;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            let get = || {
                db.prepare_cached("SELECT id FROM nodes WHERE parent = ?1 AND name = ?2 AND kind = 0")?
                    .query_row(params![int(at.0), part], |r| uint(r, 0))
                    .optional()
            };
            match get().map_err(sql)? {
                Some(id) => at = NodeId(id),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Takes in what happened at the Hub. `listed`: folders of which all was seen. `probe`: all that was
    /// known has been compared with this state. `revision`: the commit that was listed, or nothing.
    /// Answers whether anything changed.
    pub fn take(
        &self,
        steps: &[Step],
        listed: &[NodeId],
        probe: Option<&str>,
        revision: &str,
    ) -> Result<bool> {
        let owner = self.owner;
        self.change(|tx| {
            for dir in listed {
                tx.prepare_cached("UPDATE nodes SET listed = 1 WHERE id = ?1")?.execute([int(dir.0)])?;
            }
            if let Some(probe) = probe {
                tx.execute("UPDATE place SET probe = ?1", [probe])?;
            }
            if steps.is_empty() {
                return Ok(false);
            }
            let version = next_version(tx)?;
            for step in steps {
                take(tx, step, version, owner)?;
                if let Step::Added(_, row) | Step::Moved(_, _, row) = step
                    && let Some(seen) = &row.file
                {
                    learn_plain(tx, seen, &row.path, revision)?;
                }
                if let Step::Changed(id, seen) = step
                    && let Some(path) = path(tx, *id)?
                {
                    learn_plain(tx, seen, &path, revision)?;
                }
            }
            forget_old(tx)?;
            Ok(true)
        })
    }

    /// Notes a batch that is about to be sent.
    pub fn intend(&self, plan: &Plan) -> Result<()> {
        let text = serde_json::to_string(plan)
            .map_err(|e| Error::new(Kind::Other, format!("a batch can't be noted: {e}")))?;
        self.change(|tx| tx.execute("INSERT OR REPLACE INTO intent VALUES (1, ?1)", [text]).map(drop))
    }

    /// The batch that was noted and not brought to its end.
    pub fn intent(&self) -> Result<Option<Plan>> {
        let text: Option<String> =
            self.db().query_row("SELECT plan FROM intent", [], |r| r.get(0)).optional().map_err(sql)?;
        text.map(|t| serde_json::from_str(&t)).transpose().map_err(|e| {
            Error::new(Kind::Damaged, format!("a noted batch can't be read: {e}"))
                .remedy("stop the agent and delete hub.db in the drive's state: modes, links and empty folders are lost with it")
        })
    }

    /// Takes in those acts of a batch that were done, and forgets the note. Answers their version.
    pub fn done<'a>(&self, acts: impl Iterator<Item = &'a Act>) -> Result<Version> {
        self.change(|tx| {
            tx.execute("DELETE FROM intent", [])?;
            let acts: Vec<&Act> = acts.collect();
            if acts.is_empty() {
                return place(tx).map(|p| Version(p.version));
            }
            let version = next_version(tx)?;
            for act in &acts {
                act_on(tx, act, version)?;
            }
            forget_old(tx)?;
            Ok(Version(version))
        })
    }

    /// What changed after `version`, and up to which version that is.
    pub fn since(&self, version: u64) -> Result<(Vec<Event>, u64)> {
        let db = self.db();
        let get = || -> rusqlite::Result<(Vec<Event>, u64)> {
            let now = place(&db)?.version;
            let mut q = db.prepare_cached("SELECT id, version FROM gone WHERE version > ?1 ORDER BY version")?;
            let gone = q.query_map([int(version)], |r| Ok(Event::Remove(NodeId(uint(r, 0)?), Version(uint(r, 1)?))))?;
            let mut events = gone.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut q =
                db.prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE version > ?1 ORDER BY version, id"))?;
            for row in q.query_map([int(version)], |r| read(r).map(|(node, _)| node))? {
                events.push(Event::Upsert(row?));
            }
            Ok((events, now))
        };
        get().map_err(sql)
    }

    /// Where a content is that is not in the CAS; `None`: it is in the CAS.
    pub fn plain(&self, content: &ContentId) -> Result<Option<Plain>> {
        let get = |db: &Connection| {
            db.prepare_cached("SELECT path, revision, etag FROM plain WHERE content = ?1")?
                .query_row([&content.0[..]], |r| {
                    Ok(Plain { path: r.get(0)?, revision: r.get(1)?, etag: r.get(2)? })
                })
                .optional()
        };
        get(&self.db()).map_err(sql)
    }

    /// Notes the ETag of a plain file's bytes.
    pub fn plain_etag(&self, content: &ContentId, etag: &str) -> Result<()> {
        self.change(|tx| {
            tx.execute("UPDATE plain SET etag = ?2 WHERE content = ?1", params![&content.0[..], etag]).map(drop)
        })
    }
}

impl Tree for Mirror {
    fn node(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        self.get(id)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>> {
        // What the Hub has comes before a link or an empty folder that is only here: it has the name.
        self.db()
            .prepare_cached("SELECT id FROM nodes WHERE parent = ?1 AND name = ?2 ORDER BY kind = 1 DESC, kept LIMIT 1")
            .and_then(|mut q| q.query_row(params![int(parent.0), name.as_str()], |r| uint(r, 0)).optional())
            .map(|id| id.map(NodeId))
            .map_err(sql)
    }

    fn some_children(&self, dir: NodeId, limit: usize) -> Result<Vec<NodeId>> {
        let db = self.db();
        let get = || {
            let mut q = db.prepare_cached("SELECT id FROM nodes WHERE parent = ?1 LIMIT ?2")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            q.query_map(params![int(dir.0), limit], |r| uint(r, 0).map(NodeId))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        get().map_err(sql)
    }
}

impl Before for Mirror {
    type Error = Error;

    fn node(&self, id: NodeId) -> Result<Option<(RemoteNode, Option<i64>)>> {
        node(&self.db(), id).map_err(sql)
    }

    fn below(&self, dir: NodeId) -> Result<Vec<Below>> {
        let db = self.db();
        let get = || {
            let mut q = db.prepare_cached(&format!(
                "WITH RECURSIVE below(at) AS (SELECT ?1 UNION ALL SELECT n.id FROM nodes n JOIN below b ON n.parent = b.at
                 WHERE n.kind = 0) SELECT {NODE} FROM nodes JOIN below ON parent = at WHERE kind = 1"
            ))?;
            q.query_map([int(dir.0)], read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let files = get().map_err(sql)?;
        Ok(files
            .into_iter()
            .filter_map(|(node, seen)| match node.body {
                Body::File(content) => Some(Below {
                    id: node.id,
                    parent: node.parent,
                    name: node.name,
                    content,
                    mtime: seen.unwrap_or(millis(&node.meta)),
                }),
                _ => None,
            })
            .collect())
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.set_prepared_statement_cache_capacity(48);
    Ok(db)
}

fn begin(db: &mut Connection, url: &str, (uid, gid): (u32, u32)) -> rusqlite::Result<()> {
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

fn place(db: &Connection) -> rusqlite::Result<Place> {
    db.query_row("SELECT id, version, floor, probe FROM place", [], |r| {
        Ok(Place { id: r.get(0)?, version: uint(r, 1)?, floor: uint(r, 2)?, probe: r.get(3)? })
    })
}

fn next_version(tx: &Transaction) -> rusqlite::Result<u64> {
    tx.query_row("UPDATE place SET version = version + 1 RETURNING version", [], |r| uint(r, 0))
}

fn forget_old(tx: &Transaction) -> rusqlite::Result<()> {
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

fn read(row: &SqlRow) -> rusqlite::Result<(RemoteNode, Option<i64>)> {
    let id = NodeId(uint(row, 0)?);
    let bad = |at: usize, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Null, what.to_owned().into())
    };
    let body = match row.get(9)? {
        0 => Body::Dir,
        1 => Body::File(Content { id: ContentId(row.get(10)?), size: uint(row, 11)? }),
        2 => Body::Symlink(row.get(12)?),
        _ => return Err(bad(9, "not a kind of node")),
    };
    let node = RemoteNode {
        id,
        parent: if id == NodeId::ROOT { NodeId::ROOT } else { NodeId(uint(row, 1)?) },
        name: Name::new(row.get::<_, String>(2)?).map_err(|_| bad(2, "not a name"))?,
        version: Version(uint(row, 3)?),
        meta: Meta {
            mode: row.get(4)?,
            uid: row.get(5)?,
            gid: row.get(6)?,
            mtime: Time(row.get(7)?),
            btime: Time(row.get(8)?),
        },
        body,
    };
    Ok((node, row.get(13)?))
}

fn known(row: &SqlRow) -> rusqlite::Result<Known> {
    let (node, seen) = read(row)?;
    let what = match node.body {
        Body::File(content) => What::File(content, seen),
        Body::Dir => What::Dir { kept: row.get(14)? },
        Body::Symlink(_) => What::Link,
    };
    Ok(Known { id: node.id, name: node.name, what })
}

fn node(db: &Connection, id: NodeId) -> rusqlite::Result<Option<(RemoteNode, Option<i64>)>> {
    db.prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE id = ?1"))?
        .query_row([int(id.0)], read)
        .optional()
}

fn path(db: &Connection, mut id: NodeId) -> rusqlite::Result<Option<String>> {
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
fn put(tx: &Transaction, n: &RemoteNode, seen: Option<i64>) -> rusqlite::Result<()> {
    let (kind, content, size, target) = match &n.body {
        Body::Dir => (0, None, None, None),
        Body::File(c) => (1, Some(&c.id.0[..]), Some(int(c.size)), None),
        Body::Symlink(target) => (2, None, None, Some(target)),
    };
    let Meta { mode, uid, gid, mtime, btime } = n.meta;
    tx.prepare_cached(&format!(
        "INSERT INTO nodes({NODE}, listed, kept) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,0,0)
         ON CONFLICT(id) DO UPDATE SET parent=?2, name=?3, version=?4, mode=?5, uid=?6, gid=?7, mtime=?8, btime=?9,
         kind=?10, content=?11, size=?12, target=?13, seen=?14"
    ))?
    .execute(params![
        int(n.id.0),
        stored_parent(n.id, n.parent),
        n.name.as_str(),
        int(n.version.0),
        mode,
        uid,
        gid,
        mtime.0,
        btime.0,
        kind,
        content,
        size,
        target,
        seen
    ])
    .map(drop)
}

fn remove(tx: &Transaction, id: NodeId, version: u64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM nodes WHERE id = ?1")?.execute([int(id.0)])?;
    tx.prepare_cached("INSERT OR REPLACE INTO gone VALUES (?1, ?2)")?
        .execute(params![int(id.0), int(version)])
        .map(drop)
}

/// The Hub does not show this node any more. A folder stays, with what in it is only here, if there is such.
fn vanish(tx: &Transaction, id: NodeId, version: u64) -> rusqlite::Result<bool> {
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
fn keep(tx: &Transaction, dir: NodeId) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE nodes SET kept = 1 WHERE id = ?1 AND kind = 0")?.execute([int(dir.0)]).map(drop)
}

/// The time of a file that another machine wrote: what it says, else when the Hub got it.
fn times(seen: Option<&Seen>, known: Option<&Meta>) -> (Time, Time) {
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

fn take(tx: &Transaction, step: &Step, version: u64, (uid, gid): (u32, u32)) -> rusqlite::Result<()> {
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
fn act_on(tx: &Transaction, act: &Act, version: u64) -> rusqlite::Result<()> {
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
                tx.prepare_cached("UPDATE nodes SET listed = 1, kept = 1 WHERE id = ?1")?.execute([int(id.0)])?;
            }
        }
    }
    // A folder that we emptied stays, as in any file system.
    match was {
        Some(was) if !matches!(act, Act::Put { parent, .. } if *parent == was.parent) => keep(tx, was.parent),
        _ => Ok(()),
    }
}

fn learn_plain(tx: &Transaction, seen: &Seen, path: &str, revision: &str) -> rusqlite::Result<()> {
    if !seen.plain {
        return Ok(());
    }
    tx.prepare_cached("INSERT OR REPLACE INTO plain VALUES (?1, ?2, ?3, NULL)")?
        .execute(params![&seen.content.id.0[..], path, revision])
        .map(drop)
}
