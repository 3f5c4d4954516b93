//! The database's format.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::error::{Error, Kind, Result};

/// The format's version, in SQLite's `user_version`. Older ones are brought up to it when they are opened:
/// 2 has the table `pins` more than 1.
const VERSION: i64 = 2;

/// `parent` is NULL for the root and for unlinked nodes. `rid` is the remote's number (its 64 bits as a
/// signed number), drawn before the first publication; the `s_` columns are what the remote had when both
/// last agreed, all NULL for a node that it has not. `pending` is whether the row differs from them.
///
/// `sent` says as what a node was last sent, until the answer is noted: an event that says the same is our
/// own commit, whatever happened to the node here since.
///
/// `pins` holds the nodes (`ino`) that the user wants to be kept on this machine with all that is below them.
///
/// A tombstone is a node that the remote has and this machine has not any more; `node` is the
/// [`RemoteNode`](crate::remote::RemoteNode) it was, as JSON.
const SCHEMA: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nodes(
    ino INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER,
    name TEXT NOT NULL,
    cookie INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    size INTEGER NOT NULL,
    atime INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    btime INTEGER NOT NULL,
    target TEXT,
    listed INTEGER NOT NULL,
    data_dirty INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    rid INTEGER,
    s_version INTEGER,
    s_parent INTEGER,
    s_name TEXT,
    s_mode INTEGER,
    s_uid INTEGER,
    s_gid INTEGER,
    s_mtime INTEGER,
    s_btime INTEGER,
    s_body TEXT
);
CREATE UNIQUE INDEX nodes_place ON nodes(parent, name) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX nodes_rid ON nodes(rid) WHERE rid IS NOT NULL AND parent IS NOT NULL;
CREATE INDEX nodes_order ON nodes(parent, cookie) WHERE parent IS NOT NULL;
CREATE INDEX nodes_folders ON nodes(parent) WHERE kind = 1 AND parent IS NOT NULL;
CREATE INDEX nodes_pending ON nodes(ino) WHERE pending = 1;
CREATE INDEX nodes_synced_place ON nodes(s_parent, s_name) WHERE s_version IS NOT NULL;
CREATE INDEX nodes_orphans ON nodes(ino) WHERE parent IS NULL;
CREATE TABLE tombstones(
    rid INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    s_parent INTEGER NOT NULL,
    s_name TEXT NOT NULL,
    node TEXT NOT NULL
);
CREATE TABLE sent(rid INTEGER PRIMARY KEY, node TEXT NOT NULL);
CREATE INDEX tombstones_place ON tombstones(s_parent, s_name);
CREATE INDEX tombstones_parent ON tombstones(s_parent);
INSERT INTO sqlite_sequence(name, seq) VALUES('nodes', 15);
INSERT INTO meta(key, value) VALUES('cookie', '16');
";

/// What version 2 adds to version 1.
const PINS: &str = "CREATE TABLE pins(ino INTEGER PRIMARY KEY);";

pub(super) fn open(path: &Path) -> Result<Connection> {
    let about = |e: Error| e.at(path.display());
    let mut db = Connection::open(path).map_err(|e| about(error(e)))?;
    set_up(&mut db).map_err(|e| {
        if e.kind() == Kind::NewerFormat || e.kind() == Kind::NoSpace {
            about(e)
        } else {
            about(e.remedy(
                "what is staged there is kept; move the drive's folder away to start with an empty cache",
            ))
        }
    })?;
    Ok(db)
}

fn set_up(db: &mut Connection) -> Result<()> {
    let version: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))?;
    match version {
        VERSION | 1 => {}
        0 if tables == 0 => {}
        0 => return Err(Error::new(Kind::Damaged, "the file is a database, but not a drive's tree")),
        newer => {
            let cause = format!("the tree has format {newer}, newer than {VERSION}");
            return Err(Error::new(Kind::NewerFormat, cause).remedy("install the newer version of Lacuna"));
        }
    }
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A transaction is in the operating system's hands when it is answered, on the disk at a sync.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 500)?;
    if version < VERSION {
        let tx = db.transaction()?;
        if version == 0 {
            tx.execute_batch(SCHEMA)?;
        }
        tx.execute_batch(PINS)?;
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
    }
    Ok(())
}

pub(super) fn get(db: &Connection, key: &str) -> Result<Option<String>> {
    let mut q = db.prepare_cached("SELECT value FROM meta WHERE key = ?")?;
    Ok(q.query_row([key], |r| r.get(0)).optional()?)
}

pub(super) fn set(db: &Connection, key: &str, value: &str) -> Result<()> {
    let mut q = db.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)")?;
    q.execute(params![key, value])?;
    Ok(())
}

/// A cookie larger than all before.
pub(super) fn next_cookie(db: &Connection) -> rusqlite::Result<i64> {
    let mut q =
        db.prepare_cached("UPDATE meta SET value = value + 1 WHERE key = 'cookie' RETURNING value")?;
    q.query_row([], |r| r.get::<_, String>(0)).map(|v| v.parse().unwrap_or(i64::MAX))
}

pub(super) fn error(e: rusqlite::Error) -> Error {
    let kind = match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Kind::NoSpace,
        Some(ErrorCode::ReadOnly) => Kind::ReadOnly,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Kind::Denied,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Kind::Damaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Busy,
        _ => Kind::Other,
    };
    Error::new(kind, format!("the tree's database: {e}")).because(e)
}
