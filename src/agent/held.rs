//! The seam between the agent and what it holds: a drive with its mount.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;

use crate::{
    config::DriveConfig,
    control::api::{DriveStatus, FileInfo},
    error::Result,
    node::Time,
};

/// What is needed to hold a drive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Name, URL, mount point, read-only.
    pub drive: DriveConfig,
    /// The drive's own folder on this machine; exists.
    pub state_dir: PathBuf,
}

/// A drive that is mounted. All methods may be called at once from several tasks.
#[async_trait]
pub trait Held: Send + Sync + 'static {
    /// As it is now: quick, never waits for the remote. Still answers after [`Held::unmount`].
    async fn status(&self) -> DriveStatus;
    /// Returns when nothing is pending, or why that can't be reached. Giving up the wait does no harm.
    async fn flush(&self) -> Result<()>;
    /// Holds uploads, up to a moment or until resumed.
    async fn pause(&self, until: Option<Time>);
    /// Lets them go.
    async fn resume(&self);
    /// About one file, by its path from the drive's root.
    async fn info(&self, path: &str) -> Result<FileInfo>;
    /// Drops what the remote has too, of a file or a folder; bytes freed.
    async fn evict(&self, path: &str) -> Result<u64>;
    /// Takes the mount away and stops the drive; what is pending stays in its journal.
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::error::Kind::Busy) while a program uses it: then it is mounted and works as before.
    async fn unmount(&self) -> Result<()>;
    /// Stops the drive without touching the mount: it is gone already, or the process is about to end.
    async fn close(&self);
    /// False after somebody took the mount away from outside.
    fn is_alive(&self) -> bool;
}

/// Opens and mounts drives.
#[async_trait]
pub trait Holder: Send + Sync + 'static {
    /// Returns when the drive is mounted and answers.
    async fn hold(&self, wanted: Wanted) -> Result<Arc<dyn Held>>;
}
