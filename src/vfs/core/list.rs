//! Learning what is in a folder, when somebody asks for the first time.

use super::{Core, error_fault, fault_error};
use crate::{
    namespace::Node,
    node::{Ino, Kind, Name},
    vfs::{Fault, Result},
};

impl Core {
    /// A folder whose children are all known, asked from the remote if they were not.
    pub(crate) async fn listed(&self, ino: Ino) -> Result<Node> {
        let node = self.ns.node(ino)?;
        if node.kind != Kind::Dir {
            return Err(Fault::NotDir);
        }
        if node.listed {
            return Ok(node);
        }
        // No event is folded in between the remote's answer and its adoption, else the answer could
        // be older than the event and stay.
        let _order = self.order.read().await;
        let node = self.ns.node(ino)?;
        if node.listed {
            return Ok(node);
        }
        let id = node.synced.as_ref().map(|s| s.id).ok_or(Fault::Io)?;
        let listing = self.remote.children(id).await.map_err(|e| error_fault(ino, &e))?;
        {
            let _gate = self.gate.write().unwrap_or_else(|e| e.into_inner());
            let effects = self
                .ns
                .adopt_listing(ino, &listing.nodes, self, &self.ctx())
                .map_err(|e| error_fault(ino, &e))?;
            self.carry_out(effects).map_err(|e| error_fault(ino, &e))?;
        }
        self.ns.node(ino)
    }

    /// The node of a name.
    pub(super) async fn find(&self, parent: Ino, name: &Name) -> Result<Node> {
        if let Some(node) = self.ns.child(parent, name)? {
            return Ok(node);
        }
        if self.listed(parent).await?.parent.is_none() && parent != Ino::ROOT {
            return Err(Fault::NotFound);
        }
        self.ns.child(parent, name)?.ok_or(Fault::NotFound)
    }

    /// The node at a path from the drive's root, such as `a/b.txt`.
    pub async fn resolve(&self, path: &str) -> crate::error::Result<Node> {
        let mut node = self.ns.node(Ino::ROOT).map_err(fault_error)?;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            let name = Name::new(part).map_err(|e| fault_error(e.into()).at(path))?;
            node = self.find(node.ino, &name).await.map_err(|f| fault_error(f).at(path))?;
        }
        Ok(node)
    }
}
