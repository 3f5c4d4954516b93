//! What a drive says of one node: its state, as words.

use super::Core;
use crate::{
    namespace::Node,
    node::{Ino, Kind},
    vfs::{Fault, PINNED, Result, STATE},
};

/// The word for a node. `differs`: the remote has not committed something of it; `sending`: that is on its way.
pub(crate) fn word(node: &Node, differs: bool, sending: bool) -> &'static str {
    match (sending, &node.synced, differs) {
        (true, _, _) => "uploading",
        (_, None, _) => "new",
        (_, Some(_), true) => "modified",
        (_, Some(_), false) => "synced",
    }
}

impl Core {
    /// Whether the remote has not committed something of a node that `pending` says nothing of yet.
    pub(crate) fn differs(&self, ino: Ino, pending: bool) -> bool {
        pending || self.dirty_file(ino).is_some_and(|f| f.is_marked() && f.staged.is_changed())
    }

    /// An extended attribute.
    pub(super) fn shown_attribute(&self, ino: Ino, name: &str) -> Result<String> {
        // Programs ask for others at every turn; that costs no look at the tree.
        match name {
            STATE => {
                let node = self.ns.node(ino)?;
                let differs = self.differs(ino, self.ns.differs(ino)?);
                let sending = self.dirty_file(ino).is_some_and(|f| f.staged.in_flight().is_some());
                let word = word(&node, differs, sending);
                let nothing =
                    node.kind == Kind::File && node.size > 0 && self.staging.ledger().bytes_of(ino) == 0;
                Ok(if word == "synced" && nothing { "online" } else { word }.to_owned())
            }
            PINNED => {
                self.ns.node(ino)?;
                let by = self.ns.pinned_by(ino).map_err(|_| Fault::Io)?;
                Ok(if by.is_some() { "1" } else { "0" }.to_owned())
            }
            _ => Err(Fault::NoData),
        }
    }
}
