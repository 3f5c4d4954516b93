//! Names: making, removing and moving them. All of it is local; the remote hears of it at the next flush.

use super::{Core, Open};
use crate::{
    flush::queue::REMOVALS,
    namespace::{NewNode, Node},
    node::{Ino, Kind, Name, Time},
    vfs::{Attr, Caller, Fault, Handle, OpenOptions, RenameMode, Result},
};

impl Core {
    pub(super) async fn make(
        &self,
        parent: Ino,
        name: &Name,
        kind: Kind,
        mode: u32,
        target: Option<&str>,
        caller: Caller,
    ) -> Result<Attr> {
        self.writable()?;
        // An existing name must be known before it can be refused.
        self.listed(parent).await?;
        let node = {
            let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
            let new = NewNode {
                kind,
                mode: mode & 0o7777,
                uid: caller.uid,
                gid: caller.gid,
                target: target.map(str::to_owned),
            };
            let node = self.ns.create(parent, name, new, Time::now())?;
            self.touch(node.ino);
            self.touch(parent);
            node
        };
        self.reference(node.ino);
        Ok(self.attr(&node))
    }

    pub(super) async fn make_and_open(
        &self,
        parent: Ino,
        name: &Name,
        mode: u32,
        caller: Caller,
        options: OpenOptions,
    ) -> Result<(Attr, Handle)> {
        let attr = self.make(parent, name, Kind::File, mode, None, caller).await?;
        let handle = self.open_handle(attr.ino, options);
        Ok((attr, handle))
    }

    pub(super) fn open_handle(&self, ino: Ino, options: OpenOptions) -> Handle {
        self.opened(ino);
        self.new_handle(Open { ino, options, ahead: Default::default() })
    }

    pub(super) async fn remove(&self, parent: Ino, name: &Name, dir: bool) -> Result<()> {
        self.writable()?;
        let node = self.find(parent, name).await?;
        if dir && node.kind == Kind::Dir {
            // Whether it is empty can only be said of a folder that is known.
            self.listed(node.ino).await?;
        }
        let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
        let now = Time::now();
        let gone = if dir { self.ns.rmdir(parent, name, now)? } else { self.ns.unlink(parent, name, now)? };
        self.touch(parent);
        self.unnamed(&gone);
        Ok(())
    }

    /// A node lost its name by a local change.
    fn unnamed(&self, node: &Node) {
        self.queue().forget(node.ino);
        self.touch(REMOVALS);
        self.let_go(node.ino);
    }

    pub(super) async fn move_name(
        &self,
        from: (Ino, &Name),
        to: (Ino, &Name),
        mode: RenameMode,
    ) -> Result<()> {
        self.writable()?;
        self.find(from.0, from.1).await?;
        self.listed(to.0).await?;
        if let Some(target) = self.ns.child(to.0, to.1)?
            && target.kind == Kind::Dir
        {
            self.listed(target.ino).await?;
        }
        let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
        let replaced = self.ns.rename(from, to, mode, Time::now())?;
        for (parent, name) in [from, to] {
            self.touch(parent);
            if let Some(node) = self.ns.child(parent, name)? {
                self.touch(node.ino);
            }
        }
        // It may be in a pinned folder now.
        self.pin_bell.notify_one();
        if let Some(node) = replaced {
            self.unnamed(&node);
        }
        Ok(())
    }

    pub(super) fn writable(&self) -> Result<()> {
        if self.read_only { Err(Fault::ReadOnly) } else { Ok(()) }
    }
}
