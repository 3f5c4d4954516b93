//! What is in memory of a node that somebody uses: references, open handles, the staged file.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{Core, error_fault, lock};
use crate::{
    node::{Ino, Kind},
    read::{Ahead, Fetches},
    remote::Body,
    staging::StagedFile,
    vfs::{Fault, Handle, OpenOptions},
};

/// A node in use. Dropped when nobody refers to it, nobody has it open and it has no unsent bytes.
#[derive(Default)]
pub(super) struct Live {
    pub lookups: u64,
    pub opens: u32,
    pub file: Option<Arc<File>>,
}

/// The staged bytes of a file in use.
pub struct File {
    /// The bytes.
    pub staged: Arc<StagedFile>,
    /// Whether the tree knows that the file differs from its base. See the locks of [`super`].
    mark: Mutex<bool>,
    pub(super) fetches: Fetches,
}

impl File {
    /// Takes the mark: while it is held nobody stages bytes and no flush settles.
    pub fn mark(&self) -> MutexGuard<'_, bool> {
        lock(&self.mark)
    }

    /// Whether the tree knows that the file differs. A glance; take the mark to rely on it.
    pub fn is_marked(&self) -> bool {
        *self.mark()
    }
}

/// An open handle.
pub(super) struct Open {
    pub ino: Ino,
    pub options: OpenOptions,
    pub ahead: Mutex<Ahead>,
}

impl Core {
    pub(super) fn open_of(&self, handle: Handle) -> crate::vfs::Result<Arc<Open>> {
        lock(&self.handles).get(&handle.0).cloned().ok_or(Fault::BadHandle)
    }

    /// The file in use, if it is; takes in `staged` if it was not.
    pub(super) fn file(&self, ino: Ino, staged: &Arc<StagedFile>) -> Arc<File> {
        let mut live = lock(&self.live);
        let entry = live.entry(ino).or_default();
        entry
            .file
            .get_or_insert_with(|| {
                Arc::new(File {
                    staged: staged.clone(),
                    mark: Mutex::new(staged.is_changed()),
                    fetches: Fetches::default(),
                })
            })
            .clone()
    }

    /// The staged file of a node, made if there is none: sparse, of the base's size, empty of bytes.
    pub(crate) fn staged(&self, ino: Ino) -> crate::vfs::Result<Arc<File>> {
        if let Some(file) = lock(&self.live).get(&ino).and_then(|l| l.file.clone()) {
            return Ok(file);
        }
        let node = self.ns.node(ino)?;
        if node.kind != Kind::File {
            return Err(if node.kind == Kind::Dir { Fault::IsDir } else { Fault::Invalid });
        }
        let base = match &node.synced {
            Some(s) => match &s.body {
                Body::File(content) => Some(*content),
                _ => None,
            },
            None => None,
        };
        let staged = match self.staging.get(ino) {
            Ok(Some(file)) => Ok(file),
            // `size` differs from the base's only if bytes are staged, and those were just looked for.
            Ok(None) => self.staging.create(ino, base, base.map_or(0, |b| b.size), node.mtime),
            Err(e) => Err(e),
        }
        .map_err(|e| error_fault(ino, &e))?;
        Ok(self.file(ino, &staged))
    }

    /// The file if it is in use: a file with unsent bytes always is.
    pub(crate) fn dirty_file(&self, ino: Ino) -> Option<Arc<File>> {
        lock(&self.live).get(&ino).and_then(|l| l.file.clone())
    }

    /// All files in use.
    pub(crate) fn files(&self) -> Vec<(Ino, Arc<File>)> {
        lock(&self.live).iter().filter_map(|(ino, l)| Some((*ino, l.file.clone()?))).collect()
    }

    pub(super) fn reference(&self, ino: Ino) {
        lock(&self.live).entry(ino).or_default().lookups += 1;
    }

    /// Whether an operating system may have something of the node in memory.
    pub(super) fn is_referenced(&self, ino: Ino) -> bool {
        lock(&self.live).get(&ino).is_some_and(|l| l.lookups > 0)
    }

    pub(super) fn unreference(&self, ino: Ino, n: u64) {
        if let Some(l) = lock(&self.live).get_mut(&ino) {
            l.lookups = l.lookups.saturating_sub(n);
        }
        self.close_if_idle(ino);
    }

    pub(super) fn opened(&self, ino: Ino) {
        lock(&self.live).entry(ino).or_default().opens += 1;
    }

    /// One handle less. An unlinked file that nobody has open any more is really gone.
    pub(super) fn closed(&self, ino: Ino) {
        let last = {
            let mut live = lock(&self.live);
            let Some(l) = live.get_mut(&ino) else { return };
            l.opens = l.opens.saturating_sub(1);
            l.opens == 0
        };
        if !last {
            return;
        }
        match self.ns.node(ino) {
            Ok(node) if node.parent.is_none() && ino != Ino::ROOT => {
                self.let_go(ino);
            }
            _ => self.close_if_idle(ino),
        }
    }

    /// The node has no name any more: forgets its bytes and its row, unless it is still open.
    pub(crate) fn let_go(&self, ino: Ino) {
        {
            let mut live = lock(&self.live);
            if let Some(l) = live.get_mut(&ino) {
                if l.opens > 0 {
                    return;
                }
                l.file = None;
                if l.lookups == 0 {
                    live.remove(&ino);
                }
            }
        }
        lock(&self.queue).forget(ino);
        self.doom(ino);
    }

    /// Lets the memory and descriptors of a node go if nobody uses it. Does not wait for the disk.
    pub(crate) fn close_if_idle(&self, ino: Ino) {
        let file = {
            let mut live = lock(&self.live);
            let Some(l) = live.get_mut(&ino) else {
                drop(live);
                return self.staging.rest(ino);
            };
            if l.opens > 0 {
                return;
            }
            // `live` is held, so nobody can get hold of the file while it is judged: two owners are this
            // table and the judge.
            let idle = match &l.file {
                None => true,
                Some(f) => Arc::strong_count(f) == 1 && !f.is_marked() && f.staged.in_flight().is_none(),
            };
            if !idle {
                return;
            }
            let file = l.file.take();
            if l.lookups == 0 {
                live.remove(&ino);
            }
            file
        };
        // Held until what was fetched is journaled: whoever opens the file meanwhile shares its bytes.
        if let Some(file) = file {
            file.staged.rest();
        }
    }
}
