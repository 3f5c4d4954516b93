//! What this machine knows about contents: the hashes and lengths of xorbs' chunks, and the segments and
//! outlines of files. One SQLite file; disposable: without it the same is learned from the remote.
//!
//! Lists are kept for xorbs and not for files, packed (36 bytes a chunk) in pieces of 256 chunks. A file's
//! list is that of its segments, so an edit adds only what is new, and a list is never whole in memory.
//!
//! A failure of the database costs economy, never correctness: it is logged, and the answer is "unknown".
//! Write-ahead logging keeps it whole over a crash, and hashes are compared in full before they are used.

use std::{
    collections::HashMap,
    ops::Range,
    path::Path,
    sync::{Mutex, MutexGuard},
};

use rusqlite::{Connection, OptionalExtension, params};
use xet_core_structures::{merklehash::MerkleHash, metadata_shard::file_structs::MDBFileInfo};

use crate::{
    error::{Error, Kind, Result},
    node::ContentId,
};

/// The hash and length of consecutive chunks of a xorb.
pub(super) type Rows = Vec<(MerkleHash, u32)>;

const ROW: usize = 36;
const PIECE: u32 = 256;
/// How many places of a chunk are tried for the longest run.
const CANDIDATES: u32 = 4;
/// A database that has grown beyond this, bytes, is begun anew when it is opened: it covers some 5 TB.
const MAX_BYTES: u64 = 4 << 30;
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS xorb(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS piece(xorb INTEGER, piece INTEGER, first INTEGER, rows BLOB,
        PRIMARY KEY(xorb, piece)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS chunk(prefix INTEGER, xorb INTEGER, at INTEGER,
        PRIMARY KEY(prefix, xorb, at)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS file(id BLOB PRIMARY KEY, info BLOB NOT NULL, outline BLOB) WITHOUT ROWID;
";

/// Runs of rows by the xorb's number here and the piece.
type Islands = HashMap<(i64, u32), Vec<(u32, Rows)>>;

/// So many pieces wait in memory for what lies between their runs, at most 9 KB each.
const ISLANDS: usize = 1024;

pub(super) struct Known {
    /// Held for one look-up or one transaction.
    db: Mutex<Connection>,
    /// A piece holds one run. Reads that run ahead of each other bring several: those that do not touch it
    /// wait here for what lies between. Locked while `db` is.
    islands: Mutex<Islands>,
}

impl Known {
    /// Opens or begins the database in `dir`. One that cannot be read is begun anew.
    pub fn open(dir: &Path) -> Result<Known> {
        std::fs::create_dir_all(dir)
            .map_err(|e| Error::io("making the folder of known chunks", e).at(dir.display()))?;
        let path = dir.join("chunks.db");
        if std::fs::metadata(&path).is_ok_and(|m| m.len() > MAX_BYTES) {
            discard(&path);
        }
        let db = connect(&path).or_else(|why| {
            tracing::warn!("the list of known chunks is begun anew: {why}");
            discard(&path);
            connect(&path)
        });
        let db = db.map_err(|e| {
            Error::new(Kind::Other, format!("the list of known chunks can't be opened: {e}"))
                .at(path.display())
                .because(e)
        })?;
        Ok(Known { db: Mutex::new(db), islands: Mutex::default() })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The chunks `range` of a xorb, if all are known.
    pub fn rows(&self, xorb: &MerkleHash, range: Range<u32>) -> Option<Rows> {
        let db = self.db();
        quiet(xorb_id(&db, xorb)).flatten().and_then(|id| quiet(rows(&db, id, range)).flatten())
    }

    /// Keeps the chunks of a xorb from `first` on. The remote must have the xorb.
    pub fn add(&self, xorb: &MerkleHash, first: u32, new: &[(MerkleHash, u32)]) {
        let mut db = self.db();
        let mut islands = self.islands.lock().unwrap_or_else(|e| e.into_inner());
        if islands.len() > ISLANDS {
            islands.clear();
        }
        quiet(add(&mut db, &mut islands, xorb, first, new));
    }

    /// Where these chunks are, as many of them from the first as lie in a row: `(xorb, index, how many)`.
    pub fn find(&self, hashes: &[MerkleHash]) -> Option<(MerkleHash, u32, usize)> {
        let db = self.db();
        quiet(find(&db, hashes)).flatten()
    }

    /// How many of these chunks lie in a row in a xorb from index `at` on.
    pub fn matches(&self, xorb: &MerkleHash, at: u32, hashes: &[MerkleHash]) -> usize {
        let db = self.db();
        let found = quiet(xorb_id(&db, xorb)).flatten().map(|id| quiet(matches(&db, id, at, hashes)));
        found.flatten().unwrap_or(0)
    }

    /// A file's segments, and the bytes of its outline.
    pub fn file(&self, id: &ContentId) -> Option<(MDBFileInfo, Option<Vec<u8>>)> {
        let found = quiet(
            self.db()
                .prepare_cached("SELECT info, outline FROM file WHERE id = ?")
                .and_then(|mut s| s.query_row([&id.0[..]], |r| Ok((r.get(0)?, r.get(1)?))).optional()),
        );
        let (info, outline): (Vec<u8>, Option<Vec<u8>>) = found.flatten()?;
        Some((MDBFileInfo::deserialize(&mut &info[..]).ok()??, outline))
    }

    /// Keeps a file's segments and outline.
    pub fn add_file(&self, id: &ContentId, info: &MDBFileInfo, outline: Option<&[u8]>) {
        let mut bytes = Vec::new();
        if info.serialize(&mut bytes).is_err() {
            return;
        }
        let db = self.db();
        quiet(db.execute("INSERT OR REPLACE INTO file VALUES(?, ?, ?)", params![&id.0[..], bytes, outline]));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let sql = "BEGIN; DELETE FROM chunk; DELETE FROM piece; DELETE FROM xorb; DELETE FROM file; COMMIT;";
        quiet(self.db().execute_batch(sql));
    }
}

/// NORMAL: after power loss the newest lines may be gone, but none is half there.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    let version: i64 = db.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if version != VERSION {
        db.execute_batch(
            "DROP TABLE IF EXISTS xorb; DROP TABLE IF EXISTS piece; DROP TABLE IF EXISTS chunk; DROP TABLE IF EXISTS file;",
        )?;
        db.pragma_update(None, "user_version", VERSION)?;
    }
    db.execute_batch(SCHEMA)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

fn discard(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name); // it may not be there
    }
}

fn quiet<T>(result: rusqlite::Result<T>) -> Option<T> {
    result.inspect_err(|e| tracing::warn!("the list of known chunks: {e}")).ok()
}

/// Short, since the index has a line for each chunk; the packed rows have all of the hash to compare.
fn prefix(hash: &MerkleHash) -> i64 {
    hash[0] as i64
}

fn xorb_id(db: &Connection, xorb: &MerkleHash) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM xorb WHERE hash = ?")?
        .query_row([xorb.as_bytes()], |r| r.get(0))
        .optional()
}

fn pack(rows: &[(MerkleHash, u32)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * ROW);
    for (hash, len) in rows {
        out.extend_from_slice(hash.as_bytes());
        out.extend_from_slice(&len.to_le_bytes());
    }
    out
}

fn unpack(bytes: &[u8]) -> Rows {
    let row = |r: &[u8]| {
        let hash = MerkleHash::from_slice(r.get(..32)?).ok()?;
        Some((hash, u32::from_le_bytes(r.get(32..ROW)?.try_into().ok()?)))
    };
    bytes.chunks_exact(ROW).map_while(row).collect()
}

fn piece(db: &Connection, id: i64, piece: u32) -> rusqlite::Result<Option<(u32, Rows)>> {
    db.prepare_cached("SELECT first, rows FROM piece WHERE xorb = ? AND piece = ?")?
        .query_row(params![id, piece], |r| Ok((r.get(0)?, unpack(r.get_ref(1)?.as_blob()?))))
        .optional()
}

fn rows(db: &Connection, id: i64, range: Range<u32>) -> rusqlite::Result<Option<Rows>> {
    let mut out = Vec::with_capacity(range.len());
    while out.len() < range.len() {
        let at = range.start + out.len() as u32;
        let Some((first, have)) = piece(db, id, at / PIECE)? else { return Ok(None) };
        let rest = at.checked_sub(first).and_then(|skip| have.get(skip as usize..)).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        out.extend_from_slice(&rest[..rest.len().min(range.len() - out.len())]);
    }
    Ok(Some(out))
}

/// Compares piece by piece: where a piece ends before its place does, the rest is not known.
fn matches(db: &Connection, id: i64, at: u32, hashes: &[MerkleHash]) -> rusqlite::Result<usize> {
    let mut n = 0;
    while n < hashes.len() {
        let at = at + n as u32;
        let Some((first, have)) = piece(db, id, at / PIECE)? else { break };
        let rest = at.checked_sub(first).and_then(|skip| have.get(skip as usize..)).unwrap_or_default();
        let same = rest.iter().zip(&hashes[n..]).take_while(|((have, _), want)| have == *want).count();
        n += same;
        if same == 0 || same < rest.len() {
            break;
        }
    }
    Ok(n)
}

fn find(db: &Connection, hashes: &[MerkleHash]) -> rusqlite::Result<Option<(MerkleHash, u32, usize)>> {
    let Some(first) = hashes.first() else { return Ok(None) };
    let mut places =
        db.prepare_cached("SELECT xorb, at FROM chunk WHERE prefix = ? ORDER BY xorb, at LIMIT ?")?;
    let places = places.query_map(params![prefix(first), CANDIDATES], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let mut best: Option<(i64, u32, usize)> = None;
    for place in places {
        let (id, at): (i64, u32) = place?;
        let n = matches(db, id, at, hashes)?;
        if n > best.map_or(0, |b| b.2) {
            best = Some((id, at, n));
        }
    }
    let Some((id, at, n)) = best else { return Ok(None) };
    let hash: Vec<u8> =
        db.prepare_cached("SELECT hash FROM xorb WHERE id = ?")?.query_row([id], |r| r.get(0))?;
    Ok(MerkleHash::from_slice(&hash).ok().map(|xorb| (xorb, at, n)))
}

fn add(
    db: &mut Connection,
    islands: &mut Islands,
    xorb: &MerkleHash,
    first: u32,
    new: &[(MerkleHash, u32)],
) -> rusqlite::Result<()> {
    let tx = db.transaction()?;
    tx.prepare_cached("INSERT OR IGNORE INTO xorb(hash) VALUES(?)")?.execute([xorb.as_bytes()])?;
    let Some(id) = xorb_id(&tx, xorb)? else { return Ok(()) };
    let mut done = 0;
    while done < new.len() {
        let at = first + done as u32;
        let n = ((PIECE - at % PIECE) as usize).min(new.len() - done);
        let mut runs = islands.remove(&(id, at / PIECE)).unwrap_or_default();
        runs.extend(piece(&tx, id, at / PIECE)?);
        runs.push((at, new[done..done + n].to_vec()));
        let (part, apart) = join(runs);
        if !apart.is_empty() {
            islands.insert((id, at / PIECE), apart);
        }
        tx.prepare_cached("INSERT OR REPLACE INTO piece VALUES(?, ?, ?, ?)")?.execute(params![
            id,
            at / PIECE,
            part.0,
            pack(&part.1)
        ])?;
        for (i, (hash, _)) in new[done..done + n].iter().enumerate() {
            tx.prepare_cached("INSERT OR IGNORE INTO chunk VALUES(?, ?, ?)")?.execute(params![
                prefix(hash),
                id,
                at + i as u32
            ])?;
        }
        done += n;
    }
    tx.commit()
}

/// Runs of rows of one piece as one where they touch: the longest, and the others.
fn join(mut runs: Vec<(u32, Rows)>) -> ((u32, Rows), Vec<(u32, Rows)>) {
    runs.sort_by_key(|run| run.0);
    let mut apart: Vec<(u32, Rows)> = Vec::with_capacity(runs.len());
    for run in runs {
        match apart.last_mut() {
            Some(last) if last.0 as usize + last.1.len() >= run.0 as usize => {
                let overlap = last.0 as usize + last.1.len() - run.0 as usize;
                last.1.extend_from_slice(run.1.get(overlap..).unwrap_or_default());
            }
            _ => apart.push(run),
        }
    }
    let longest = (0..apart.len()).max_by_key(|&i| apart[i].1.len()).map(|i| apart.swap_remove(i));
    (longest.unwrap_or_default(), apart)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(i: u32) -> (MerkleHash, u32) {
        (MerkleHash::random_from_seed(i.into()), 1000 + i)
    }

    fn xorb(i: u64) -> MerkleHash {
        MerkleHash::random_from_seed(1 << 40 | i)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// What is answered was added; what was added in one call is answered.
        #[test]
        fn rows_are_what_was_added(adds in prop::collection::vec((0u32..1500, 1u32..700), 1..6), ask in (0u32..1500, 1u32..700)) {
            let dir = tempfile::tempdir().unwrap();
            let known = Known::open(dir.path()).unwrap();
            for &(first, n) in &adds {
                let rows: Rows = (first..first + n).map(row).collect();
                known.add(&xorb(1), first, &rows);
            }
            let &(first, n) = adds.last().unwrap();
            for range in [first..first + n, ask.0..ask.0 + ask.1] {
                if let Some(rows) = known.rows(&xorb(1), range.clone()) {
                    prop_assert_eq!(rows, range.clone().map(row).collect::<Vec<_>>());
                }
            }
            let known = Known::open(dir.path()).unwrap();
            let only: Rows = (0..900).map(row).collect();
            known.clear();
            known.add(&xorb(2), 0, &only);
            prop_assert_eq!(known.rows(&xorb(2), 100..900), Some(only[100..].to_vec()));
            prop_assert_eq!(known.rows(&xorb(2), 100..901), None);
        }
    }

    #[test]
    fn runs_are_found_the_longest_first() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::open(dir.path()).unwrap();
        let rows: Rows = (0..1000).map(row).collect();
        known.add(&xorb(1), 0, &rows[..300]);
        known.add(&xorb(2), 0, &rows);
        let ask: Vec<_> = (290..600).map(|i| row(i).0).collect();
        assert_eq!(known.find(&ask), Some((xorb(2), 290, 310)));
        assert_eq!(known.find(&[MerkleHash::random_from_seed(77_777)]), None);
        assert_eq!(known.matches(&xorb(2), 290, &ask), 310);
        assert_eq!(known.matches(&xorb(1), 290, &ask), 10);
        assert_eq!(known.matches(&xorb(1), 291, &ask), 0);
    }

    #[test]
    fn what_comes_in_any_order_is_whole_when_all_has_come() {
        let dir = tempfile::tempdir().unwrap();
        let known = Known::open(dir.path()).unwrap();
        let rows: Rows = (0..600).map(row).collect();
        for first in [40, 0, 80, 300, 20, 560, 60, 100, 580, 200] {
            known.add(&xorb(1), first, &rows[first as usize..first as usize + 20]);
        }
        assert_eq!(known.rows(&xorb(1), 0..120), Some(rows[..120].to_vec()));
        assert_eq!(known.rows(&xorb(1), 560..600), Some(rows[560..].to_vec()));
        assert_eq!(known.rows(&xorb(1), 0..121), None);
    }

    #[test]
    fn a_broken_database_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("chunks.db"), vec![7u8; 9000]).unwrap();
        let known = Known::open(dir.path()).unwrap();
        known.add(&xorb(1), 0, &[row(1)]);
        assert_eq!(known.rows(&xorb(1), 0..1), Some(vec![row(1)]));
    }
}
