//! Rows of the tree, read and written.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Node, Synced, schema};
use crate::{
    node::{Content, Ino, Kind, Meta, Name, NodeId, Time},
    remote::{Body, RemoteNode, Version},
};

type Sql<T> = rusqlite::Result<T>;

const COLUMNS: &str = "ino, parent, name, cookie, kind, mode, uid, gid, size, atime, mtime, ctime, btime, target, \
    listed, data_dirty, rid, s_version, s_parent, s_name, s_mode, s_uid, s_gid, s_mtime, s_btime, s_body";

pub(super) fn ino_of(i: i64) -> Ino {
    Ino(i.cast_unsigned())
}

pub(super) fn sql(ino: Ino) -> i64 {
    ino.0.cast_signed()
}

pub(super) fn id_of(i: i64) -> NodeId {
    NodeId(i.cast_unsigned())
}

pub(super) fn id_sql(id: NodeId) -> i64 {
    id.0.cast_signed()
}

pub(super) fn kind_sql(kind: Kind) -> i64 {
    match kind {
        Kind::File => 0,
        Kind::Dir => 1,
        Kind::Symlink => 2,
    }
}

pub(super) fn kind_of_body(body: &Body) -> Kind {
    match body {
        Body::Dir => Kind::Dir,
        Body::File(_) => Kind::File,
        Body::Symlink(_) => Kind::Symlink,
    }
}

/// A value that only a damaged database has.
pub(super) fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        0,
        rusqlite::types::Type::Null,
        format!("the tree holds {what}").into(),
    )
}

fn name_of(name: String) -> Sql<Name> {
    Name::new(name).map_err(|_| damaged("a name that is none"))
}

fn read(r: &Row<'_>) -> Sql<(i64, Node)> {
    let kind = match r.get::<_, i64>(4)? {
        0 => Kind::File,
        1 => Kind::Dir,
        2 => Kind::Symlink,
        _ => return Err(damaged("a node of no kind")),
    };
    let synced = match r.get::<_, Option<i64>>(17)? {
        None => None,
        Some(version) => Some(Synced {
            id: id_of(r.get(16)?),
            version: Version(version.cast_unsigned()),
            parent: id_of(r.get(18)?),
            name: name_of(r.get(19)?)?,
            meta: Meta {
                mode: r.get(20)?,
                uid: r.get(21)?,
                gid: r.get(22)?,
                mtime: Time(r.get(23)?),
                btime: Time(r.get(24)?),
            },
            body: body_of(&r.get::<_, String>(25)?)?,
        }),
    };
    let node = Node {
        ino: ino_of(r.get(0)?),
        parent: r.get::<_, Option<i64>>(1)?.map(ino_of),
        name: name_of(r.get(2)?)?,
        kind,
        mode: r.get(5)?,
        uid: r.get(6)?,
        gid: r.get(7)?,
        nlink: 1,
        size: r.get::<_, i64>(8)?.cast_unsigned(),
        atime: Time(r.get(9)?),
        mtime: Time(r.get(10)?),
        ctime: Time(r.get(11)?),
        btime: Time(r.get(12)?),
        target: r.get(13)?,
        listed: r.get(14)?,
        data_dirty: r.get(15)?,
        synced,
    };
    Ok((r.get(3)?, node))
}

fn body_of(json: &str) -> Sql<Body> {
    serde_json::from_str(json).map_err(|_| damaged("a body that can't be read"))
}

fn body_sql(body: &Body) -> Sql<String> {
    serde_json::to_string(body).map_err(|_| damaged("a body that can't be written"))
}

/// Counts a folder's links: itself, its `.`, and the `..` of each folder in it.
fn with_links(db: &Connection, mut node: Node) -> Sql<Node> {
    if node.kind == Kind::Dir {
        let mut q = db.prepare_cached("SELECT count(*) FROM nodes WHERE parent = ? AND kind = 1")?;
        let folders: u32 = q.query_row([sql(node.ino)], |r| r.get(0))?;
        // 1 is how file systems say that they do not count: what is in it is not known yet.
        node.nlink = if node.listed { 2u32.saturating_add(folders) } else { 1 };
    }
    if node.parent.is_none() && node.ino != Ino::ROOT {
        node.nlink = 0;
    }
    Ok(node)
}

fn one(db: &Connection, filter: &str, args: impl rusqlite::Params) -> Sql<Option<Node>> {
    let mut q = db.prepare_cached(&format!("SELECT {COLUMNS} FROM nodes WHERE {filter}"))?;
    match q.query_row(args, read).optional()? {
        Some((_, node)) => with_links(db, node).map(Some),
        None => Ok(None),
    }
}

pub(super) fn get(db: &Connection, ino: Ino) -> Sql<Option<Node>> {
    one(db, "ino = ?", [sql(ino)])
}

pub(super) fn child(db: &Connection, parent: Ino, name: &Name) -> Sql<Option<Node>> {
    one(db, "parent = ? AND name = ?", params![sql(parent), name.as_str()])
}

/// The node that has this number at the remote, unless it is unlinked here.
pub(super) fn by_id(db: &Connection, id: NodeId) -> Sql<Option<Node>> {
    if id == NodeId::ROOT {
        return get(db, Ino::ROOT);
    }
    one(db, "rid = ? AND parent IS NOT NULL", [id_sql(id)])
}

pub(super) fn children(db: &Connection, parent: Ino, cookie: u64, limit: usize) -> Sql<Vec<(u64, Node)>> {
    let mut q = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM nodes WHERE parent = ? AND cookie > ? ORDER BY cookie LIMIT ?"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = q.query_map(params![sql(parent), cookie.cast_signed(), limit], read)?;
    rows.map(|r| r.and_then(|(cookie, node)| Ok((cookie.cast_unsigned(), with_links(db, node)?)))).collect()
}

/// Each with whether it differs from what the remote has. (No name is empty, so all come after "".)
pub(super) fn children_by_name(
    db: &Connection,
    parent: Ino,
    after: &str,
    limit: usize,
) -> Sql<Vec<(Node, bool)>> {
    let mut q = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, pending FROM nodes WHERE parent = ? AND name > ? ORDER BY name LIMIT ?"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = q.query_map(params![sql(parent), after, limit], |r| Ok((read(r)?.1, r.get(26)?)))?;
    rows.collect()
}

pub(super) fn differs(db: &Connection, ino: Ino) -> Sql<bool> {
    let mut q = db.prepare_cached("SELECT pending FROM nodes WHERE ino = ?")?;
    q.query_row([sql(ino)], |r| r.get(0)).optional().map(|p| p.unwrap_or(false))
}

pub(super) fn pending(db: &Connection, after: Ino, limit: usize) -> Sql<Vec<Node>> {
    let mut q = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM nodes WHERE pending = 1 AND ino > ? ORDER BY ino LIMIT ?"
    ))?;
    let rows = q.query_map(params![sql(after), i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
    rows.map(|r| r.map(|(_, node)| node)).collect()
}

pub(super) fn orphans(db: &Connection) -> Sql<Vec<Ino>> {
    let mut q = db.prepare_cached("SELECT ino FROM nodes WHERE parent IS NULL AND ino != 1")?;
    q.query_map([], |r| r.get(0).map(ino_of))?.collect()
}

/// From the drive's root; `None`: unlinked, here or above.
pub(super) fn path(db: &Connection, mut ino: Ino) -> Sql<Option<String>> {
    let mut parts = Vec::new();
    let mut q = db.prepare_cached("SELECT parent, name FROM nodes WHERE ino = ?")?;
    while ino != Ino::ROOT {
        let above: Option<(Option<i64>, String)> =
            q.query_row([sql(ino)], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        let Some((Some(parent), name)) = above else { return Ok(None) };
        parts.push(name);
        ino = ino_of(parent);
    }
    parts.reverse();
    Ok(Some(parts.join("/")))
}

/// The remote's number of a node, drawn now if it has none.
pub(super) fn remote_id(db: &Connection, ino: Ino) -> Sql<NodeId> {
    let mut q = db.prepare_cached("SELECT rid FROM nodes WHERE ino = ?")?;
    if let Some(id) = q.query_row([sql(ino)], |r| r.get::<_, Option<i64>>(0))? {
        return Ok(id_of(id));
    }
    // 64 random bits: two machines meet by chance once in some billions of buckets, and are told of it
    // then (the node must be new at the remote). The lowest numbers are the remote's own.
    let id: i64 = db.query_row("SELECT random() | 1024", [], |r| r.get(0))?;
    db.prepare_cached("UPDATE nodes SET rid = ? WHERE ino = ?")?.execute(params![id, sql(ino)])?;
    Ok(id_of(id))
}

pub(super) fn insert_root(db: &Connection, root: &RemoteNode) -> Sql<()> {
    db.execute(
        "INSERT INTO nodes(ino, parent, name, cookie, kind, mode, uid, gid, size, atime, mtime, ctime, btime, \
         listed, data_dirty, pending, rid) VALUES(1, NULL, '-', 3, 1, 0, 0, 0, 0, ?1, 0, ?1, 0, 0, 0, 0, 1)",
        [Time::now().0],
    )?;
    take(db, Ino::ROOT, root)?;
    set_synced(db, Ino::ROOT, root)
}

/// A new row. `parent` is known to be a folder, the name to be free.
pub(super) fn insert(db: &Connection, parent: Ino, name: &Name, new: &super::NewNode, now: Time) -> Sql<Ino> {
    let cookie = schema::next_cookie(db)?;
    let mut q = db.prepare_cached(
        "INSERT INTO nodes(parent, name, cookie, kind, mode, uid, gid, size, atime, mtime, ctime, btime, target, \
         listed, data_dirty, pending) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8, ?8, ?8, ?9, ?10, 0, 1)",
    )?;
    q.execute(params![
        sql(parent),
        name.as_str(),
        cookie,
        kind_sql(new.kind),
        new.mode,
        new.uid,
        new.gid,
        now.0,
        new.target,
        new.kind == Kind::Dir
    ])?;
    Ok(ino_of(db.last_insert_rowid()))
}

/// Makes the row's own attributes the remote's.
pub(super) fn take(db: &Connection, ino: Ino, n: &RemoteNode) -> Sql<()> {
    let (size, target) = match &n.body {
        Body::File(c) => (c.size, None),
        Body::Dir => (0, None),
        Body::Symlink(t) => (0, Some(t)),
    };
    let mut q = db.prepare_cached(
        "UPDATE nodes SET mode = ?, uid = ?, gid = ?, mtime = ?, btime = ?, size = ?, target = ? WHERE ino = ?",
    )?;
    let m = &n.meta;
    q.execute(params![m.mode, m.uid, m.gid, m.mtime.0, m.btime.0, size.cast_signed(), target, sql(ino)])?;
    Ok(())
}

/// Notes what the remote has.
pub(super) fn set_synced(db: &Connection, ino: Ino, n: &RemoteNode) -> Sql<()> {
    let mut q = db.prepare_cached(
        "UPDATE nodes SET rid = ?, s_version = ?, s_parent = ?, s_name = ?, s_mode = ?, s_uid = ?, s_gid = ?, \
         s_mtime = ?, s_btime = ?, s_body = ? WHERE ino = ?",
    )?;
    let m = &n.meta;
    q.execute(params![
        id_sql(n.id),
        n.version.0.cast_signed(),
        id_sql(n.parent),
        n.name.as_str(),
        m.mode,
        m.uid,
        m.gid,
        m.mtime.0,
        m.btime.0,
        body_sql(&n.body)?,
        sql(ino)
    ])?;
    Ok(())
}

/// Notes that the remote has it not: it is a new node from now on.
pub(super) fn clear_synced(db: &Connection, ino: Ino) -> Sql<()> {
    let mut q = db.prepare_cached(
        "UPDATE nodes SET rid = NULL, s_version = NULL, s_parent = NULL, s_name = NULL, s_mode = NULL, \
         s_uid = NULL, s_gid = NULL, s_mtime = NULL, s_btime = NULL, s_body = NULL WHERE ino = ?",
    )?;
    q.execute([sql(ino)])?;
    Ok(())
}

/// Sees whether the row differs from what the remote has.
pub(super) fn judge(db: &Connection, ino: Ino) -> Sql<()> {
    let mut q = db.prepare_cached(
        "UPDATE nodes SET pending = (ino != 1 OR s_version IS NOT NULL) AND (parent IS NOT NULL OR ino = 1) AND ( \
           s_version IS NULL OR data_dirty OR mode != s_mode OR uid != s_uid OR gid != s_gid OR mtime != s_mtime \
           OR btime != s_btime OR (ino != 1 AND (name != s_name \
             OR s_parent IS NOT (SELECT p.rid FROM nodes p WHERE p.ino = nodes.parent)))) \
         WHERE ino = ?",
    )?;
    q.execute([sql(ino)])?;
    Ok(())
}

/// What a synced node is at the remote.
pub(super) fn remote_node(s: &Synced) -> RemoteNode {
    RemoteNode {
        id: s.id,
        parent: s.parent,
        name: s.name.clone(),
        version: s.version,
        meta: s.meta,
        body: s.body.clone(),
    }
}

/// The content that the remote has of a file.
pub(super) fn content(node: &Node) -> Option<Content> {
    match node.synced.as_ref().map(|s| &s.body) {
        Some(Body::File(content)) => Some(*content),
        _ => None,
    }
}

/// Notes that a node which the remote has is gone here.
pub(super) fn bury(db: &Connection, n: &RemoteNode) -> Sql<()> {
    let json = serde_json::to_string(n).map_err(|_| damaged("a node that can't be written"))?;
    let mut q = db.prepare_cached(
        "INSERT OR REPLACE INTO tombstones(rid, version, s_parent, s_name, node) VALUES(?, ?, ?, ?, ?)",
    )?;
    q.execute(params![id_sql(n.id), n.version.0.cast_signed(), id_sql(n.parent), n.name.as_str(), json])?;
    Ok(())
}

/// What was buried under a number.
pub(super) fn buried(db: &Connection, id: NodeId) -> Sql<Option<RemoteNode>> {
    let mut q = db.prepare_cached("SELECT node FROM tombstones WHERE rid = ?")?;
    let json: Option<String> = q.query_row([id_sql(id)], |r| r.get(0)).optional()?;
    json.map(|j| serde_json::from_str(&j).map_err(|_| damaged("a tombstone that can't be read"))).transpose()
}

pub(super) fn unbury(db: &Connection, id: NodeId) -> Sql<()> {
    db.prepare_cached("DELETE FROM tombstones WHERE rid = ?")?.execute([id_sql(id)])?;
    Ok(())
}

/// Notes as what a node is sent; content and version are not known yet and do not count.
pub(super) fn set_sent(db: &Connection, n: &RemoteNode) -> Sql<()> {
    let json = serde_json::to_string(n).map_err(|_| damaged("a node that can't be written"))?;
    let mut q = db.prepare_cached("INSERT OR REPLACE INTO sent(rid, node) VALUES(?, ?)")?;
    q.execute(params![id_sql(n.id), json]).map(drop)
}

pub(super) fn clear_sent(db: &Connection, id: NodeId) -> Sql<()> {
    db.prepare_cached("DELETE FROM sent WHERE rid = ?")?.execute([id_sql(id)]).map(drop)
}

/// As what a node was last sent, if the answer is not noted.
pub(super) fn sent(db: &Connection, id: NodeId) -> Sql<Option<RemoteNode>> {
    let mut q = db.prepare_cached("SELECT node FROM sent WHERE rid = ?")?;
    let json: Option<String> = q.query_row([id_sql(id)], |r| r.get(0)).optional()?;
    json.map(|j| serde_json::from_str(&j).map_err(|_| damaged("a sent node that can't be read"))).transpose()
}
