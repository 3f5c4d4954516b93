//! What programs here do to the tree.

use rusqlite::{Connection, params};

use super::{
    Namespace, NewNode, Node, row,
    row::{judge, sql},
    schema,
};
use crate::{
    node::{Ino, Kind, Name, Time},
    vfs::{self, Fault, RenameMode, SetAttr},
};

impl Namespace {
    /// Makes a node.
    pub fn create(&self, parent: Ino, name: &Name, new: NewNode, now: Time) -> vfs::Result<Node> {
        let made = self.change(|tx| {
            folder(tx, parent)?;
            if row::child(tx, parent, name)?.is_some() {
                return Err(Fault::Exists);
            }
            let ino = row::insert(tx, parent, name, &new, now)?;
            entries_changed(tx, parent, now)?;
            row::get(tx, ino)?.ok_or(Fault::Io)
        });
        self.moved();
        made
    }

    /// Takes the name of a file or link away. The node stays until [`Namespace::drop_orphan`].
    pub fn unlink(&self, parent: Ino, name: &Name, now: Time) -> vfs::Result<Node> {
        self.change(|tx| {
            folder(tx, parent)?;
            let node = row::child(tx, parent, name)?.ok_or(Fault::NotFound)?;
            if node.kind == Kind::Dir {
                return Err(Fault::IsDir);
            }
            orphan(tx, &node, now)?;
            entries_changed(tx, parent, now)?;
            row::get(tx, node.ino)?.ok_or(Fault::Io)
        })
    }

    /// Takes the name of an empty folder away.
    pub fn rmdir(&self, parent: Ino, name: &Name, now: Time) -> vfs::Result<Node> {
        self.change(|tx| {
            folder(tx, parent)?;
            let node = row::child(tx, parent, name)?.ok_or(Fault::NotFound)?;
            if node.kind != Kind::Dir {
                return Err(Fault::NotDir);
            }
            empty(tx, node.ino)?;
            orphan(tx, &node, now)?;
            entries_changed(tx, parent, now)?;
            row::get(tx, node.ino)?.ok_or(Fault::Io)
        })
    }

    /// Moves a name; answers the node that lost its name to it.
    pub fn rename(
        &self,
        from: (Ino, &Name),
        to: (Ino, &Name),
        mode: RenameMode,
        now: Time,
    ) -> vfs::Result<Option<Node>> {
        let replaced = self.change(|tx| {
            folder(tx, from.0)?;
            folder(tx, to.0)?;
            let node = row::child(tx, from.0, from.1)?.ok_or(Fault::NotFound)?;
            let target = row::child(tx, to.0, to.1)?;
            match (mode, &target) {
                (RenameMode::NoReplace, Some(_)) => return Err(Fault::Exists),
                (RenameMode::Exchange, None) => return Err(Fault::NotFound),
                (_, Some(t)) if t.ino == node.ino => return Ok(None),
                _ => {}
            }
            if node.kind == Kind::Dir && below(tx, to.0, node.ino)? {
                return Err(Fault::Invalid);
            }
            let replaced = match (mode, target) {
                (RenameMode::Exchange, Some(t)) => {
                    if t.kind == Kind::Dir && below(tx, from.0, t.ino)? {
                        return Err(Fault::Invalid);
                    }
                    park(tx, t.ino)?;
                    put(tx, node.ino, to.0, to.1, now)?;
                    put(tx, t.ino, from.0, from.1, now)?;
                    None
                }
                (_, Some(t)) => {
                    match (node.kind == Kind::Dir, t.kind == Kind::Dir) {
                        (true, false) => return Err(Fault::NotDir),
                        (false, true) => return Err(Fault::IsDir),
                        (true, true) => empty(tx, t.ino)?,
                        (false, false) => {}
                    }
                    orphan(tx, &t, now)?;
                    put(tx, node.ino, to.0, to.1, now)?;
                    // Programs save by putting a new file in the old one's place; the wish was for the name.
                    tx.prepare_cached("UPDATE OR REPLACE pins SET ino = ? WHERE ino = ?")?
                        .execute([sql(node.ino), sql(t.ino)])?;
                    row::get(tx, t.ino)?
                }
                (_, None) => {
                    put(tx, node.ino, to.0, to.1, now)?;
                    None
                }
            };
            entries_changed(tx, from.0, now)?;
            entries_changed(tx, to.0, now)?;
            Ok(replaced)
        });
        self.moved();
        replaced
    }

    /// Changes attributes. The length is staging's matter.
    pub fn setattr(&self, ino: Ino, set: &SetAttr, now: Time) -> vfs::Result<Node> {
        self.change(|tx| {
            let mut n = row::get(tx, ino)?.ok_or(Fault::NotFound)?;
            let owner_changes = set.uid.is_some() || set.gid.is_some();
            n.uid = set.uid.unwrap_or(n.uid);
            n.gid = set.gid.unwrap_or(n.gid);
            n.atime = set.atime.unwrap_or(n.atime);
            n.mtime = set.mtime.unwrap_or(n.mtime);
            n.btime = set.btime.unwrap_or(n.btime);
            if n.kind == Kind::File && (set.kill_suid || owner_changes) {
                n.mode = without_set_id(n.mode);
            }
            if let Some(mode) = set.mode {
                n.mode = mode & 0o7777;
            }
            let mut q = tx.prepare_cached(
                "UPDATE nodes SET mode = ?, uid = ?, gid = ?, atime = ?, mtime = ?, btime = ?, ctime = ? WHERE ino = ?",
            )?;
            q.execute(params![n.mode, n.uid, n.gid, n.atime.0, n.mtime.0, n.btime.0, now.0, sql(ino)])?;
            judge(tx, ino)?;
            row::get(tx, ino)?.ok_or(Fault::NotFound)
        })
    }

    /// Notes the state of a file's content as staging has it.
    pub fn set_data(&self, ino: Ino, size: u64, mtime: Time, ctime: Time, dirty: bool) -> vfs::Result<()> {
        self.change(|tx| {
            let mut q = tx.prepare_cached(
                "UPDATE nodes SET size = ?, mtime = ?, ctime = max(ctime, ?), data_dirty = ? WHERE ino = ?",
            )?;
            if q.execute(params![size.cast_signed(), mtime.0, ctime.0, dirty, sql(ino)])? == 0 {
                return Err(Fault::NotFound);
            }
            Ok(judge(tx, ino)?)
        })
    }

    /// Nobody has the unlinked node open any more: forgets it.
    pub fn drop_orphan(&self, ino: Ino) -> vfs::Result<()> {
        self.change(|tx| {
            let mut q =
                tx.prepare_cached("DELETE FROM nodes WHERE ino = ? AND parent IS NULL AND ino != 1")?;
            if q.execute([sql(ino)])? == 0 {
                return Err(Fault::NotFound);
            }
            tx.prepare_cached("DELETE FROM pins WHERE ino = ?")?.execute([sql(ino)])?;
            Ok(())
        })
    }
}

/// Taken away when a file changes hands: the set-user bit always, the set-group bit only where the group
/// may execute (without, it means something else).
fn without_set_id(mode: u32) -> u32 {
    let mode = mode & !0o4000;
    if mode & 0o010 != 0 { mode & !0o2000 } else { mode }
}

/// A folder that has a name.
fn folder(db: &Connection, ino: Ino) -> vfs::Result<()> {
    match row::get(db, ino)? {
        Some(n) if n.kind != Kind::Dir => Err(Fault::NotDir),
        Some(n) if n.parent.is_none() && ino != Ino::ROOT => Err(Fault::NotFound),
        Some(_) => Ok(()),
        None => Err(Fault::NotFound),
    }
}

fn empty(db: &Connection, ino: Ino) -> vfs::Result<()> {
    if row::children(db, ino, 0, 1)?.is_empty() { Ok(()) } else { Err(Fault::NotEmpty) }
}

/// Whether `ino` is `top` or lies below it.
pub(super) fn below(db: &Connection, mut ino: Ino, top: Ino) -> rusqlite::Result<bool> {
    loop {
        if ino == top {
            return Ok(true);
        }
        match row::get(db, ino)?.and_then(|n| n.parent) {
            Some(parent) => ino = parent,
            None => return Ok(false),
        }
    }
}

/// Takes a node out of its place for a moment, so that another can have it.
pub(super) fn park(db: &Connection, ino: Ino) -> rusqlite::Result<()> {
    // A parent that no node can have; the pair with it is unique because each node has its own.
    db.prepare_cached("UPDATE nodes SET parent = -ino WHERE ino = ?")?.execute([sql(ino)]).map(drop)
}

/// Puts a node in a place that is free.
pub(super) fn put(db: &Connection, ino: Ino, parent: Ino, name: &Name, now: Time) -> rusqlite::Result<()> {
    let cookie = schema::next_cookie(db)?;
    let mut q =
        db.prepare_cached("UPDATE nodes SET parent = ?, name = ?, cookie = ?, ctime = ? WHERE ino = ?")?;
    q.execute(params![sql(parent), name.as_str(), cookie, now.0, sql(ino)])?;
    judge(db, ino)
}

/// Takes a node's name away, and notes that the remote has it still.
pub(super) fn orphan(db: &Connection, node: &Node, now: Time) -> rusqlite::Result<()> {
    if let Some(s) = &node.synced {
        row::bury(db, &row::remote_node(s))?;
    }
    unname(db, node.ino, now)
}

/// Takes a node's name away.
pub(super) fn unname(db: &Connection, ino: Ino, now: Time) -> rusqlite::Result<()> {
    let mut q = db.prepare_cached("UPDATE nodes SET parent = NULL, pending = 0, ctime = ? WHERE ino = ?")?;
    q.execute(params![now.0, sql(ino)]).map(drop)
}

fn entries_changed(db: &Connection, parent: Ino, now: Time) -> rusqlite::Result<()> {
    let mut q = db.prepare_cached("UPDATE nodes SET mtime = ?, ctime = ? WHERE ino = ?")?;
    q.execute(params![now.0, now.0, sql(parent)])?;
    judge(db, parent)
}
