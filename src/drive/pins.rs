//! Pinning, and the two tasks that see to a drive's cache: one fetches what pinned files lack, one drops clean
//! bytes when the files take more than their limit.

use std::{sync::Arc, time::Duration};

use super::Drive;
use crate::{
    error::{Error, Kind, Result},
    flush::queue::backoff,
    monitor::{Doing, Monitor},
    namespace::Node,
    node::{Ino, Kind as NodeKind},
    read::blocking,
    vfs::core::{Core, fault_error},
};

/// Children of a folder that are looked at in one go.
const PAGE: usize = 1000;

/// How long the trimmer rests when there is more than the limit and nothing that may go.
const REST: Duration = Duration::from_secs(1);

impl Drive {
    /// Keeps a file, or all that is and will be below a folder, on this machine. Survives a power loss when it
    /// returns; the bytes are fetched in the background.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] for a link.
    pub async fn pin(&self, path: &str) -> Result<()> {
        let node = self.core.resolve(path).await?;
        if node.kind == NodeKind::Symlink {
            return Err(Error::new(Kind::Invalid, "a link has no bytes to keep")
                .remedy("pin what it leads to")
                .at(path));
        }
        self.on_tree(move |core| core.ns.pin(node.ino)).await
    }

    /// No longer keeps it. Nothing is removed at once.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] if it is kept because a folder above it is pinned.
    pub async fn unpin(&self, path: &str) -> Result<()> {
        let node = self.core.resolve(path).await?;
        let ino = node.ino;
        self.on_tree(move |core| core.ns.unpin(ino)).await?;
        match self.core.ns.pinned_by(ino)? {
            None => Ok(()),
            Some(by) => {
                let by = self.core.ns.path(by).unwrap_or_default();
                let by = if by.is_empty() { "/" } else { &by };
                Err(Error::new(Kind::Invalid, format!("it is kept because the folder '{by}' is pinned"))
                    .remedy(format!("unpin '{by}'"))
                    .at(path))
            }
        }
    }

    async fn on_tree(&self, change: impl FnOnce(&Core) -> Result<()> + Send + 'static) -> Result<()> {
        let core = self.core.clone();
        blocking(move || change(&core)).await?;
        self.core.pin_bell.notify_one();
        self.core.staging.ledger().over.notify_one();
        self.core.news.tell();
        Ok(())
    }
}

/// Fetches what pinned files lack, one file at a time and in pieces, so that programs that read wait for no
/// more than they ask for. Looks again whenever something pinned may have changed.
pub(super) async fn run(core: Arc<Core>, monitor: Arc<Monitor>) {
    let mut failures = 0;
    loop {
        match fetch_all(&core).await {
            Ok(()) => {
                if failures > 0 {
                    failures = 0;
                    monitor.remote_did(Doing::Fetch);
                }
                core.pin_bell.notified().await;
            }
            Err(e) => {
                failures += 1;
                tracing::warn!(error = ?e, failures, "a pinned file could not be fetched");
                monitor.remote_failed(Doing::Fetch, &e);
                tokio::select! {
                    () = core.pin_bell.notified() => {}
                    () = tokio::time::sleep(backoff(failures)) => {}
                }
            }
        }
    }
}

/// A file that fails keeps no other from being fetched, unless the remote can't be reached at all.
async fn fetch_all(core: &Arc<Core>) -> Result<()> {
    let mut failed = None;
    let mut folders = Vec::new();
    for pin in core.ns.pins()? {
        match core.ns.node(pin) {
            Ok(node) if node.parent.is_none() && pin != Ino::ROOT => {}
            Ok(node) if node.kind == NodeKind::Dir => folders.push(pin),
            Ok(node) => note(&mut failed, fetch(core, &node).await)?,
            Err(_) => {}
        }
    }
    while let Some(dir) = folders.pop() {
        if let Err(f) = core.listed(dir).await {
            // It may have been removed a moment ago.
            if core.ns.node(dir).is_ok() {
                note(&mut failed, Err(fault_error(f).at(core.ns.path(dir).unwrap_or_default())))?;
            }
            continue;
        }
        let mut cookie = 0;
        while let Ok(children) = core.ns.children(dir, cookie, PAGE) {
            let Some((last, _)) = children.last() else { break };
            cookie = *last;
            for (_, node) in &children {
                match node.kind {
                    NodeKind::Dir => folders.push(node.ino),
                    NodeKind::File => note(&mut failed, fetch(core, node).await)?,
                    NodeKind::Symlink => {}
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Keeps the first failure; one of the whole remote ends the round.
fn note(failed: &mut Option<Error>, done: Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() == Kind::Offline => return Err(e),
        Err(e) => drop(failed.get_or_insert(e)),
        Ok(()) => {}
    }
    Ok(())
}

async fn fetch(core: &Arc<Core>, node: &Node) -> Result<()> {
    // The file itself knows better if it is changed, but then it is in use, and looking costs little.
    if core.is_whole(node.ino, core.attr(node).size) {
        return Ok(());
    }
    let mut from = 0;
    let done = loop {
        match core.fetch_pinned(node.ino, from).await {
            Ok(Some(next)) => from = next,
            Ok(None) => break Ok(()),
            // Removed a moment ago.
            Err(_) if core.ns.node(node.ino).map_or(true, |n| n.parent.is_none()) => break Ok(()),
            Err(e) => break Err(e),
        }
    };
    let (core, ino) = (core.clone(), node.ino);
    // What was fetched to stay shall be there after a reboot.
    blocking(move || {
        if let Some(file) = core.dirty_file(ino) {
            file.staged.close_idle();
        }
        core.close_if_idle(ino);
        Ok(())
    })
    .await?;
    done
}

/// Drops clean bytes whenever there is more than the limit: changed bytes grew, or became clean, or were
/// unpinned, or the limit is another.
pub(super) async fn trim(core: Arc<Core>) {
    loop {
        core.staging.ledger().over.notified().await;
        let trimmed = {
            let core = core.clone();
            blocking(move || core.make_room(0, None)).await
        };
        if let Err(e) = trimmed {
            tracing::warn!(error = ?e, "the cache is over its limit");
        }
        if core.staging.ledger().excess(0).is_some() {
            tokio::time::sleep(REST).await;
        }
    }
}
