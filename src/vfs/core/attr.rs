//! Attributes: the tree's row, and for a file in use what the staged bytes say.

use super::{Core, error_fault};
use crate::{
    namespace::Node,
    node::{Ino, Kind, Time},
    vfs::{Attr, Fault, Handle, Result, SetAttr},
};

impl Core {
    /// A node's attributes as programs see them.
    pub(crate) fn attr(&self, node: &Node) -> Attr {
        let mut attr = Attr {
            ino: node.ino,
            kind: node.kind,
            size: match node.kind {
                Kind::Symlink => node.target.as_ref().map_or(0, |t| t.len() as u64),
                Kind::Dir => 0,
                Kind::File => node.size,
            },
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            nlink: node.nlink,
            atime: node.atime,
            mtime: node.mtime,
            ctime: node.ctime,
            btime: node.btime,
        };
        if node.kind == Kind::File
            && let Some(file) = self.dirty_file(node.ino)
            && file.is_marked()
        {
            attr.size = file.staged.size();
            attr.mtime = file.staged.mtime();
            attr.ctime = attr.ctime.max(file.staged.ctime());
        }
        attr
    }

    pub(super) fn set_attr(&self, ino: Ino, handle: Option<Handle>, mut set: SetAttr) -> Result<Attr> {
        if self.read_only {
            return Err(Fault::ReadOnly);
        }
        if let Some(h) = handle
            && set.size.is_some()
        {
            let open = self.open_of(h)?;
            if !open.options.write {
                return Err(Fault::Invalid);
            }
        }
        let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
        let now = Time::now();
        let resized = set.size.take();
        if let Some(size) = resized {
            if self.ns.node(ino)?.kind != Kind::File {
                return Err(Fault::IsDir);
            }
            self.change(ino, |file| file.truncate(size, now))?;
        }
        if let Some(mtime) = set.mtime
            && let Some(file) = self.dirty_file(ino)
        {
            let _mark = file.mark();
            file.staged.set_mtime(mtime).map_err(|e| error_fault(ino, &e))?;
        }
        // A call that names nothing to change (`chown` to -1, -1) still is one: it sets `ctime`.
        if set != SetAttr::default() || resized.is_none() {
            self.ns.setattr(ino, &set, now)?;
            self.touch(ino);
        }
        Ok(self.attr(&self.ns.node(ino)?))
    }

    /// Stages a change of a file's bytes and sees to it that the tree knows that the file differs.
    /// `gate` is held.
    pub(super) fn change<T>(
        &self,
        ino: Ino,
        f: impl FnOnce(&crate::staging::StagedFile) -> crate::error::Result<T>,
    ) -> Result<T> {
        let file = self.staged(ino)?;
        let mut mark = file.mark();
        // Marked first: after a kill between the two the file is looked at once more, for nothing.
        // The other way round its bytes would lie staged and never be sent.
        if !*mark {
            let s = &file.staged;
            self.ns.set_data(ino, s.size(), s.mtime(), s.ctime(), true)?;
            *mark = true;
        }
        let done = f(&file.staged).map_err(|e| error_fault(ino, &e))?;
        drop(mark);
        self.touch(ino);
        Ok(done)
    }
}
