//! The agent's drives as they are: an engine [`Drive`] and its mount.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use super::held::{Held, Holder, Wanted};
use crate::{
    account::SignIn,
    control::api::{DriveStatus, FileInfo, Found, Listing, Save},
    drive::{Drive, Options},
    error::Result,
    mount::{self, MountOptions, Mounted},
    node::Time,
    remote,
};

/// Opens drives and mounts them in this system's way.
pub struct Mounter {
    /// For `hf://`: which Hub, and who is signed in there.
    pub hub: Arc<SignIn>,
}

struct MountedDrive {
    drive: Arc<Drive>,
    mounted: Mounted,
}

#[async_trait]
impl Holder for Mounter {
    async fn hold(&self, wanted: Wanted) -> Result<Arc<dyn Held>> {
        let config = wanted.drive;
        let at = Path::new(&config.mountpoint).to_owned();
        let mut options = Options::new(&config.name, &config.url, &at, &wanted.state_dir);
        options.read_only = config.read_only || !remote::can_write(&config.url);
        options.cache_limit = config.cache_limit;
        options.bandwidth = wanted.bandwidth;
        options.hub = self.hub.access();
        let mount_options = MountOptions { name: config.name.clone(), read_only: options.read_only };
        let drive = Drive::open(options).await?;
        let vfs = drive.vfs();
        let runtime = tokio::runtime::Handle::current();
        match crate::read::blocking(move || mount::mount(vfs, &at, &mount_options, runtime)).await {
            Ok(mounted) => Ok(Arc::new(MountedDrive { drive, mounted })),
            Err(e) => {
                drive.close().await;
                Err(e)
            }
        }
    }

    async fn probe(&self, url: &str) -> Result<Found> {
        remote::probe(url, &self.hub.access()).await
    }

    fn hub(&self) -> Option<Arc<SignIn>> {
        Some(self.hub.clone())
    }
}

#[async_trait]
impl Held for MountedDrive {
    async fn status(&self) -> DriveStatus {
        self.drive.status()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.drive.changes()
    }

    async fn flush(&self) -> Result<()> {
        self.drive.flush().await
    }

    async fn pause(&self, until: Option<Time>) {
        self.drive.pause(until);
    }

    async fn resume(&self) {
        self.drive.resume();
    }

    async fn info(&self, path: &str) -> Result<FileInfo> {
        self.drive.info(path).await
    }

    async fn evict(&self, path: &str) -> Result<u64> {
        self.drive.evict(path).await
    }

    async fn pin(&self, path: &str) -> Result<()> {
        self.drive.pin(path).await
    }

    async fn unpin(&self, path: &str) -> Result<()> {
        self.drive.unpin(path).await
    }

    async fn list(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Listing> {
        self.drive.list(path, after, limit).await
    }

    async fn activity(&self, limit: usize) -> Vec<Save> {
        self.drive.activity(limit)
    }

    async fn set_cache_limit(&self, bytes: Option<u64>) {
        self.drive.set_cache_limit(bytes);
    }

    async fn retry(&self) {
        self.drive.retry();
    }

    async fn unmount(&self) -> Result<()> {
        tokio::task::block_in_place(|| self.mounted.unmount())?;
        self.drive.close().await;
        Ok(())
    }

    async fn close(&self) {
        self.drive.close().await;
    }

    fn is_alive(&self) -> bool {
        self.mounted.is_alive()
    }
}
