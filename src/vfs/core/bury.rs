//! Removing the staged bytes of files that lost their name, not before the tree says so durably.
//!
//! A rename over a file, as every editor saves, is one transaction of the tree, which a power loss can take back as
//! long as nobody synced it; the file that was replaced has its name again then. Its bytes lie outside of the tree,
//! so they must not have gone for good meanwhile. They are removed by a task that syncs the tree once for all that
//! came together; until then their nodes are the tree's orphans, which every start looks for.

use std::{sync::Arc, time::Duration};

use super::{Core, fault_error, lock};
use crate::{error::Result, node::Ino, read::blocking, vfs::Fault};

/// What could not be removed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(5);

impl Core {
    /// The bytes of a node without a name are not needed any more.
    pub(super) fn doom(&self, ino: Ino) {
        lock(&self.doomed).push(ino);
        self.doom_bell.notify_one();
    }

    /// Removes what is doomed now. Waits for the disk.
    pub(crate) fn bury(&self) -> Result<()> {
        let _one = lock(&self.burying);
        let mut doomed = std::mem::take(&mut *lock(&self.doomed));
        if doomed.is_empty() {
            return Ok(());
        }
        let done = self.ns.sync().and_then(|()| {
            while let Some(&ino) = doomed.last() {
                self.staging.remove(ino)?;
                match self.ns.drop_orphan(ino) {
                    Ok(()) | Err(Fault::NotFound) => {}
                    Err(e) => return Err(fault_error(e).at(ino)),
                }
                doomed.pop();
            }
            Ok(())
        });
        // Those that are left have another turn.
        lock(&self.doomed).extend(doomed);
        done
    }

    /// Buries whenever there is something to.
    pub(crate) async fn bury_all(self: Arc<Self>) {
        loop {
            self.doom_bell.notified().await;
            let core = self.clone();
            if let Err(e) = blocking(move || core.bury()).await {
                tracing::warn!(error = ?e, "the bytes of removed files stay on the disk for now");
                tokio::time::sleep(AGAIN).await;
                self.doom_bell.notify_one();
            }
        }
    }
}
