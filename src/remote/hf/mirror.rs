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

use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub use super::tables::Place;
use super::{
    diff::{Known, Step},
    ops::{Act, Before, Below, Plan, millis},
    tables::{
        LAYOUT, act_on, begin, connect, forget_old, known, learn_plain, next_version, node, path, place,
        read_seen, take,
    },
};
use crate::{
    error::{Error, Kind, Result},
    node::{ContentId, Name, NodeId},
    remote::{
        Body, Event, RemoteNode, Version,
        row::{NODE, int, read, uint},
        store::decide::Tree,
    },
};

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
            let mut q =
                db.prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE parent = ?1 ORDER BY name"))?;
            q.query_map([int(dir.0)], read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        get().map_err(sql)
    }

    /// The children of a folder as [`diff`](super::diff) wants them; with `names` only those.
    pub fn known(&self, dir: NodeId, names: Option<&[Name]>) -> Result<Vec<Known>> {
        let db = self.db();
        let get = || -> rusqlite::Result<Vec<Known>> {
            let children = format!("SELECT {NODE}, seen, kept FROM nodes WHERE parent = ?1");
            let all = match names {
                None => {
                    let mut q = db.prepare_cached(&children)?;
                    q.query_map([int(dir.0)], known)?.collect::<rusqlite::Result<Vec<_>>>()?
                }
                Some(names) => {
                    let mut q = db.prepare_cached(&format!("{children} AND name = ?2"))?;
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
            let mut q =
                db.prepare_cached("SELECT id, version FROM gone WHERE version > ?1 ORDER BY version")?;
            let gone = q.query_map([int(version)], |r| {
                Ok(Event::Remove(NodeId(uint(r, 0)?), Version(uint(r, 1)?)))
            })?;
            let mut events = gone.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut q = db.prepare_cached(&format!(
                "SELECT {NODE} FROM nodes WHERE version > ?1 ORDER BY version, id"
            ))?;
            for row in q.query_map([int(version)], read)? {
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
            tx.execute("UPDATE plain SET etag = ?2 WHERE content = ?1", params![&content.0[..], etag])
                .map(drop)
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
            .prepare_cached(
                "SELECT id FROM nodes WHERE parent = ?1 AND name = ?2 ORDER BY kind = 1 DESC, kept LIMIT 1",
            )
            .and_then(|mut q| q.query_row(params![int(parent.0), name.as_str()], |r| uint(r, 0)).optional())
            .map(|id| id.map(NodeId))
            .map_err(sql)
    }

    fn some_children(&self, dir: NodeId, limit: usize) -> Result<Vec<NodeId>> {
        let db = self.db();
        let get = || {
            let mut q = db.prepare_cached("SELECT id FROM nodes WHERE parent = ?1 LIMIT ?2")?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            q.query_map(params![int(dir.0), limit], |r| uint(r, 0).map(NodeId))?
                .collect::<rusqlite::Result<Vec<_>>>()
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
                 WHERE n.kind = 0) SELECT {NODE}, seen FROM nodes JOIN below ON parent = at WHERE kind = 1"
            ))?;
            q.query_map([int(dir.0)], read_seen)?.collect::<rusqlite::Result<Vec<_>>>()
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
