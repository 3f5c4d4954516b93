//! A node in a mirror's table. Each mirror of a remote's tree has a table `nodes` of its own; the columns that say what
//! a [`RemoteNode`] is are the same, so they are read and written here.

use rusqlite::{
    Row,
    types::{Null, ToSqlOutput, Type},
};

use super::{Body, RemoteNode, Version};
use crate::node::{Content, ContentId, Meta, Name, NodeId, Time};

/// The columns of a node, in the order of [`read`] and [`values`].
pub const NODE: &str = "id, parent, name, version, mode, uid, gid, mtime, btime, kind, content, size, target";

/// How many these are: what a mirror selects after them begins at this index.
pub const WIDTH: usize = 13;

/// SQLite's integers are signed; ids, versions and sizes use all 64 bits.
pub fn int(n: u64) -> i64 {
    n.cast_signed()
}

/// The inverse of [`int`].
///
/// # Errors
/// If there is no integer at `at`.
pub fn uint(row: &Row, at: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(at)?.cast_unsigned())
}

/// The node in a row that begins with [`NODE`].
///
/// # Errors
/// If SQLite fails, or the row is none that [`values`] made.
pub fn read(row: &Row) -> rusqlite::Result<RemoteNode> {
    let id = NodeId(uint(row, 0)?);
    let bad = |at: usize, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(at, Type::Null, what.to_owned().into())
    };
    let body = match row.get(9)? {
        0 => Body::Dir,
        1 => Body::File(Content { id: ContentId(row.get(10)?), size: uint(row, 11)? }),
        2 => Body::Symlink(row.get(12)?),
        _ => return Err(bad(9, "not a kind of node")),
    };
    Ok(RemoteNode {
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
    })
}

/// What is written to the columns [`NODE`].
pub fn values(n: &RemoteNode) -> [ToSqlOutput<'_>; WIDTH] {
    // In the table the root is in folder 0, so that it is nobody's child, its own least of all.
    let parent = if n.id == NodeId::ROOT { 0 } else { int(n.parent.0) };
    let [kind, content, size, target] = match &n.body {
        Body::Dir => [0.into(), Null.into(), Null.into(), Null.into()],
        Body::File(c) => [1.into(), c.id.0.as_slice().into(), int(c.size).into(), Null.into()],
        Body::Symlink(target) => [2.into(), Null.into(), Null.into(), target.as_str().into()],
    };
    let Meta { mode, uid, gid, mtime, btime } = n.meta;
    [
        int(n.id.0).into(),
        parent.into(),
        n.name.as_str().into(),
        int(n.version.0).into(),
        mode.into(),
        uid.into(),
        gid.into(),
        mtime.0.into(),
        btime.0.into(),
        kind,
        content,
        size,
        target,
    ]
}
