//! [`Mirror`]: the bucket's tree at the newest commit that this machine knows, in a SQLite file.
//!
//! It is disposable: what does not fit the bucket (another one's, an older layout, damaged, ahead of a
//! bucket that was restored from a backup) is thrown away and rebuilt from the newest snapshot and the
//! commits after it. So it is not synced; SQLite's journal keeps it whole when the process is killed.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use xet_core_structures::merklehash::MerkleHash;

use super::{
    decide::Tree,
    format::{BucketInfo, Commit, Entry, Located, Node},
};
use crate::{
    error::{Error, Kind, Result},
    node::{ContentId, Meta, Name, NodeId},
    remote::{
        Body, RemoteNode, Version,
        row::{NODE, int, read, uint, values},
    },
};

/// The layout of the tables; another number, and the file is begun anew.
const LAYOUT: i64 = 1;

/// Commits of which the mirror keeps the text, so that `changes` need not fetch them again.
const KEPT: u64 = 1024;

const TABLES: &str = "
    CREATE TABLE place(one INTEGER PRIMARY KEY CHECK (one = 1), bucket TEXT NOT NULL, number INTEGER NOT NULL,
        id TEXT NOT NULL, building INTEGER NOT NULL);
    CREATE TABLE nodes(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
        mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mtime INTEGER NOT NULL,
        btime INTEGER NOT NULL, kind INTEGER NOT NULL, content BLOB, size INTEGER, target TEXT);
    CREATE UNIQUE INDEX names ON nodes(parent, name);
    CREATE TABLE contents(content BLOB PRIMARY KEY, size INTEGER NOT NULL, shard BLOB NOT NULL, at INTEGER NOT NULL,
        len INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE log(number INTEGER PRIMARY KEY, id TEXT NOT NULL, text BLOB NOT NULL);
";

/// The tree of a bucket on this machine.
pub struct Mirror {
    /// One writer and few, short reads: a lock is enough. Held only for calls into SQLite.
    db: Mutex<Connection>,
    path: PathBuf,
    /// The root folder before any commit has said something about it.
    root: RemoteNode,
}

/// A place in the history: the commit after which the tree is so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The commit's number; 0 before the first.
    pub number: u64,
    /// Its id; before the first the bucket's.
    pub id: String,
}

fn sql(e: rusqlite::Error) -> Error {
    let error = |kind| Error::new(kind, format!("the local copy of the bucket's tree fails: {e}"));
    let error = match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            error(Kind::NoSpace).remedy("make room on the disk that holds Lacuna's state")
        }
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            error(Kind::Damaged)
                .remedy("stop the agent and delete mirror.db in the drive's state: it is made anew")
        }
        _ => error(Kind::Other),
    };
    error.because(e)
}

fn damaged(why: impl Into<String>) -> Error {
    Error::new(Kind::Damaged, why).remedy("run `lacuna store check`; restore the bucket from a backup")
}

impl Mirror {
    /// Opens the mirror of the bucket `info` in the file `path`, or begins it.
    pub fn open(path: &Path, info: &BucketInfo) -> Result<Mirror> {
        let bucket = info.uuid.as_str();
        let root = root_of_nothing(info);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)
                .map_err(|e| Error::io("can't make the folder for state", e).at(dir.display()))?;
        }
        let fits = |db: &Connection| -> rusqlite::Result<bool> {
            let layout: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
            if layout != LAYOUT {
                return Ok(false);
            }
            db.query_row("SELECT bucket = ?1 AND NOT building FROM place", [bucket], |r| r.get(0))
        };
        if let Ok(db) = connect(path)
            && matches!(fits(&db), Ok(true))
        {
            return Ok(Mirror { db: Mutex::new(db), path: path.to_owned(), root });
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            match std::fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("can't begin the local copy of the bucket's tree anew", e)
                        .at(path.display()));
                }
                _ => {}
            }
        }
        let db = connect(path).map_err(|e| sql(e).at(path.display()))?;
        db.execute_batch(TABLES).map_err(sql)?;
        db.pragma_update(None, "user_version", LAYOUT).map_err(sql)?;
        db.execute("INSERT INTO place VALUES (1, ?1, 0, ?1, 0)", [bucket]).map_err(sql)?;
        let mirror = Mirror { db: Mutex::new(db), path: path.to_owned(), root };
        mirror.transaction(|tx| insert(tx, &mirror.root))?;
        Ok(mirror)
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction rolled it back: the connection is as good as before.
        self.db.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn transaction<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let mut db = self.db();
        let tx = db.transaction().map_err(sql)?;
        let answer = work(&tx)?;
        tx.commit().map_err(sql)?;
        Ok(answer)
    }

    /// After which commit the tree is.
    pub fn place(&self) -> Result<Place> {
        place(&self.db())
    }

    /// One node.
    pub fn get(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        self.db()
            .prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE id = ?1"))
            .and_then(|mut q| q.query_row([int(id.0)], read).optional())
            .map_err(sql)
    }

    /// All children of a folder in the order of their names.
    pub fn children(&self, dir: NodeId) -> Result<Vec<RemoteNode>> {
        let db = self.db();
        let mut q = db
            .prepare_cached(&format!("SELECT {NODE} FROM nodes WHERE parent = ?1 ORDER BY name"))
            .map_err(sql)?;
        let rows = q.query_map([int(dir.0)], read).map_err(sql)?;
        rows.collect::<rusqlite::Result<_>>().map_err(sql)
    }

    /// Where a content is.
    pub fn locate(&self, content: &ContentId) -> Result<Option<Located>> {
        self.db()
            .prepare_cached("SELECT content, size, shard, at, len, crc FROM contents WHERE content = ?1")
            .and_then(|mut q| q.query_row([&content.0[..]], located).optional())
            .map_err(sql)
    }

    /// The id and, if it is kept, the text of a commit that is part of this tree.
    pub fn logged(&self, number: u64) -> Result<Option<(String, Vec<u8>)>> {
        self.db()
            .prepare_cached("SELECT id, text FROM log WHERE number = ?1")
            .and_then(|mut q| q.query_row([int(number)], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(sql)
    }

    /// Does what the next commit says; `text` is the commit as it stands in the bucket.
    ///
    /// # Errors
    /// `Damaged` if it is not the next one, or does not fit the tree.
    pub fn apply(&self, commit: &Commit, text: &[u8]) -> Result<()> {
        self.transaction(|tx| {
            let now = place(tx)?;
            if commit.number != now.number + 1 || commit.previous != now.id {
                return Err(damaged(format!(
                    "commit {} does not follow commit {}",
                    commit.number, now.number
                )));
            }
            let misfit = |e| damaged(format!("commit {} does not fit the tree: {e}", commit.number));
            for entry in &commit.changes {
                tx.prepare_cached("DELETE FROM nodes WHERE id = ?1")
                    .and_then(|mut q| q.execute([int(entry.id().0)]))
                    .map_err(sql)?;
            }
            // Only now: in a batch two nodes may have swapped their names.
            for entry in &commit.changes {
                if let Entry::Put(node) = entry {
                    insert(tx, &node.at(Version(commit.number))).map_err(misfit)?;
                }
            }
            for content in &commit.contents {
                learn(tx, content)?;
            }
            tx.prepare_cached("INSERT OR REPLACE INTO log VALUES (?1, ?2, ?3)")
                .and_then(|mut q| q.execute(params![int(commit.number), commit.id, text]))
                .map_err(sql)?;
            tx.prepare_cached("DELETE FROM log WHERE number <= ?1")
                .and_then(|mut q| q.execute([int(commit.number.saturating_sub(KEPT))]))
                .map_err(sql)?;
            set_place(tx, commit.number, &commit.id, false)
        })
    }

    /// Forgets everything: the tree is as before the first commit. Until [`Mirror::rebuilt`] a restart
    /// begins anew.
    pub fn rebuild(&self) -> Result<()> {
        self.transaction(|tx| {
            tx.execute_batch("DELETE FROM nodes; DELETE FROM contents; DELETE FROM log;").map_err(sql)?;
            let bucket: String = tx.query_row("SELECT bucket FROM place", [], |r| r.get(0)).map_err(sql)?;
            set_place(tx, 0, &bucket, true)?;
            insert(tx, &self.root)
        })
    }

    /// Takes in one part of a snapshot.
    pub fn load(&self, nodes: &[Node], contents: &[Located]) -> Result<()> {
        self.transaction(|tx| {
            for node in nodes {
                if node.id == NodeId::ROOT {
                    tx.execute("DELETE FROM nodes WHERE id = 1", []).map_err(sql)?;
                }
                let version =
                    node.version.ok_or_else(|| damaged("a snapshot has a node without a version"))?;
                insert(tx, &node.at(Version(version)))?;
            }
            contents.iter().try_for_each(|content| learn(tx, content))
        })
    }

    /// The snapshot is in: the tree is that after the commit `at`.
    pub fn rebuilt(&self, at: &Place) -> Result<()> {
        self.transaction(|tx| set_place(tx, at.number, &at.id, false))
    }

    /// Calls `begin`, then `on_node` and then `on_content` for all there is, in the order of their ids,
    /// as of one instant; answers after which commit that is. Commits may be applied meanwhile. Nothing is
    /// held in memory.
    pub fn walk(
        &self,
        begin: impl FnOnce(&Place),
        mut on_node: impl FnMut(RemoteNode) -> Result<()>,
        mut on_content: impl FnMut(Located) -> Result<()>,
    ) -> Result<Place> {
        // A connection of its own: in SQLite's write-ahead log a transaction sees one instant.
        let mut db = connect(&self.path).map_err(sql)?;
        let tx = db.transaction().map_err(sql)?;
        let at = place(&tx)?;
        begin(&at);
        let mut q = tx.prepare(&format!("SELECT {NODE} FROM nodes ORDER BY id")).map_err(sql)?;
        let mut rows = q.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            on_node(read(row).map_err(sql)?)?;
        }
        let mut q = tx
            .prepare("SELECT content, size, shard, at, len, crc FROM contents ORDER BY content")
            .map_err(sql)?;
        let mut rows = q.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            on_content(located(row).map_err(sql)?)?;
        }
        Ok(at)
    }
}

impl Tree for Mirror {
    fn node(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        self.get(id)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>> {
        self.db()
            .prepare_cached("SELECT id FROM nodes WHERE parent = ?1 AND name = ?2")
            .and_then(|mut q| q.query_row(params![int(parent.0), name.as_str()], |r| uint(r, 0)).optional())
            .map(|id| id.map(NodeId))
            .map_err(sql)
    }

    fn some_children(&self, dir: NodeId, limit: usize) -> Result<Vec<NodeId>> {
        let db = self.db();
        let mut q = db.prepare_cached("SELECT id FROM nodes WHERE parent = ?1 LIMIT ?2").map_err(sql)?;
        let rows = q.query_map([int(dir.0), limit as i64], |r| uint(r, 0).map(NodeId)).map_err(sql)?;
        rows.collect::<rusqlite::Result<_>>().map_err(sql)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

fn place(db: &Connection) -> Result<Place> {
    db.query_row("SELECT number, id FROM place", [], |r| Ok(Place { number: uint(r, 0)?, id: r.get(1)? }))
        .map_err(sql)
}

fn set_place(tx: &Transaction, number: u64, id: &str, building: bool) -> Result<()> {
    tx.prepare_cached("UPDATE place SET number = ?1, id = ?2, building = ?3")
        .and_then(|mut q| q.execute(params![int(number), id, building]))
        .map(drop)
        .map_err(sql)
}

/// The root before any commit has said something about it.
fn root_of_nothing(info: &BucketInfo) -> RemoteNode {
    let (uid, gid) = info.owner;
    RemoteNode {
        id: NodeId::ROOT,
        parent: NodeId::ROOT,
        name: root_name(),
        version: Version(0),
        meta: Meta { mode: 0o755, uid, gid, mtime: info.created, btime: info.created },
        body: Body::Dir,
    }
}

/// The root has no name; where one is needed it is this.
fn root_name() -> Name {
    Name::new("root").unwrap_or_else(|_| unreachable!("it is a name"))
}

fn insert(tx: &Transaction, node: &RemoteNode) -> Result<()> {
    tx.prepare_cached(&format!(
        "INSERT INTO nodes({NODE}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
    ))
    .and_then(|mut q| q.execute(values(node)))
    .map(drop)
    .map_err(sql)
}

fn learn(tx: &Transaction, c: &Located) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO contents VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .and_then(|mut q| {
            q.execute(params![&c.content.0[..], int(c.size), c.shard.as_bytes(), int(c.at), c.len, c.crc])
        })
        .map(drop)
        .map_err(sql)
}

fn located(row: &Row) -> rusqlite::Result<Located> {
    Ok(Located {
        content: ContentId(row.get(0)?),
        size: uint(row, 1)?,
        shard: MerkleHash::from(&row.get::<_, [u8; 32]>(2)?),
        at: uint(row, 3)?,
        len: row.get(4)?,
        crc: row.get(5)?,
    })
}
