//! What the tree promises.

mod folding;
mod local;
mod model;
mod pins;

use tempfile::TempDir;

use super::*;
use crate::vfs::{RenameMode, SetAttr};

pub(super) fn name(s: &str) -> Name {
    Name::new(s).unwrap()
}

pub(super) fn root() -> RemoteNode {
    let meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: Time(1), btime: Time(1) };
    RemoteNode {
        id: NodeId::ROOT,
        parent: NodeId::ROOT,
        name: name("root"),
        version: Version(1),
        meta,
        body: Body::Dir,
    }
}

pub(super) fn new(kind: Kind) -> NewNode {
    let target = (kind == Kind::Symlink).then(|| "to/where".to_string());
    NewNode { kind, mode: 0o644, uid: 7, gid: 8, target }
}

/// A tree in a folder of its own, with a listed root.
pub(super) struct Bed {
    pub dir: TempDir,
    pub ns: Option<Namespace>,
    pub clock: i64,
}

impl Bed {
    pub fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let ns = Namespace::open(&dir.path().join("tree.db")).unwrap();
        ns.init_root(&root(), Cursor("0".into())).unwrap();
        let mut bed = Bed { dir, ns: Some(ns), clock: 1000 };
        bed.ns.as_mut().unwrap().adopt_listing(Ino::ROOT, &[], &Still, &ctx()).unwrap();
        bed
    }

    /// As after `kill -9`: what the database file has is all there is.
    pub fn reopen(&mut self) {
        self.ns = None;
        self.ns = Some(Namespace::open(&self.dir.path().join("tree.db")).unwrap());
    }

    pub fn now(&mut self) -> Time {
        self.clock += 1;
        Time(self.clock)
    }

    pub fn make(&mut self, parent: Ino, n: &str, kind: Kind) -> Node {
        let now = self.now();
        self.create(parent, &name(n), new(kind), now).unwrap()
    }
}

impl std::ops::Deref for Bed {
    type Target = Namespace;
    fn deref(&self) -> &Namespace {
        self.ns.as_ref().unwrap()
    }
}

pub(super) fn ctx() -> Ctx {
    Ctx { host: "HOST".into(), now: Time(500_000), date: "2026-11-23".into() }
}

/// Nothing is staged.
pub(super) struct Still;

impl Contents for Still {
    fn changed(&self, _: Ino) -> bool {
        false
    }
    fn intent(&self, _: Ino) -> Option<Content> {
        None
    }
}
