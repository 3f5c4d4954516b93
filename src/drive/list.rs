//! What is in a folder, as the file browser shows it.

use super::Drive;
use crate::{
    control::api::{Entry, Listing},
    error::{Error, Kind, Result},
    namespace::Node,
    node::Kind as NodeKind,
    vfs::core::{fault_error, word},
};

/// The most entries of one answer.
const MOST: usize = 1000;

impl Drive {
    /// The entries of a folder in the order of their names, those after `after`, at most `limit` (and 1,000). A
    /// folder that was never looked into is asked from the remote first. No file is opened for it.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Invalid`] if it is no folder, and what the remote fails with.
    pub async fn list(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Listing> {
        let core = &self.core;
        let dir = core.resolve(path).await?;
        if dir.kind != NodeKind::Dir {
            return Err(Error::new(Kind::Invalid, "it is not a folder").at(path));
        }
        core.listed(dir.ino).await.map_err(|f| fault_error(f).at(path))?;
        let limit = limit.min(MOST);
        let mut nodes = core.ns.children_by_name(dir.ino, after, limit + 1).map_err(fault_error)?;
        let more = nodes.len() > limit;
        nodes.truncate(limit);
        let all_pinned = core.ns.pinned_by(dir.ino)?.is_some();
        let pins = core.ns.pins()?;
        let entry = |(node, pending): (Node, bool)| {
            let pinned = all_pinned || pins.binary_search(&node.ino).is_ok();
            self.entry(&node, pending, pinned)
        };
        Ok(Listing { entries: nodes.into_iter().map(entry).collect(), more })
    }

    fn entry(&self, node: &Node, pending: bool, pinned: bool) -> Entry {
        let core = &self.core;
        let attr = core.attr(node);
        let file = core.dirty_file(node.ino).filter(|f| f.is_marked());
        let sending = self.monitor.progress(node.ino).is_some();
        Entry {
            name: node.name.as_str().to_owned(),
            kind: node.kind,
            size: attr.size,
            mtime: attr.mtime,
            present: core.staging.ledger().bytes_of(node.ino),
            dirty: file.map_or(0, |f| f.staged.dirty_bytes()),
            pinned,
            state: word(node, core.differs(node.ino, pending), sending).to_owned(),
        }
    }
}
