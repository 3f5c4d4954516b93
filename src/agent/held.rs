//! The seam between the agent and what it holds: a drive with its mount.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    account::SignIn,
    config::DriveConfig,
    control::api::{DriveStatus, FileInfo, Found, Listing, Save},
    error::Result,
    node::Time,
    policy::Bandwidth,
};

/// What is needed to hold a drive.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name, URL, mount point, read-only, cache limit.
    pub drive: DriveConfig,
    /// The drive's own folder on this machine; exists.
    pub state_dir: PathBuf,
    /// What all drives of the agent share.
    pub bandwidth: Arc<Bandwidth>,
}

/// A drive that is mounted. All methods may be called at once from several tasks.
#[async_trait]
pub trait Held: Send + Sync + 'static {
    /// As it is now: quick, never waits for the remote. Still answers after [`Held::unmount`].
    async fn status(&self) -> DriveStatus;
    /// To hear when the status may be another one.
    fn changes(&self) -> watch::Receiver<u64>;
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
    /// Keeps a file, or all that is and will be below a folder, on this machine; noted for good when it returns.
    async fn pin(&self, path: &str) -> Result<()>;
    /// No longer.
    async fn unpin(&self, path: &str) -> Result<()>;
    /// The entries of a folder by name, those after `after`, at most `limit`.
    async fn list(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Listing>;
    /// The newest saves, newest first, at most `limit`.
    async fn activity(&self, limit: usize) -> Vec<Save>;
    /// Sets how many bytes its files may take on this machine; none: no limit.
    async fn set_cache_limit(&self, bytes: Option<u64>);
    /// Tries again at once what waits after a failure.
    async fn retry(&self);
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
    /// Looks what is at a remote's URL, without mounting it.
    async fn probe(&self, url: &str) -> Result<Found>;
    /// The sign-in at the Hub that its drives use, if they use one.
    fn hub(&self) -> Option<Arc<SignIn>> {
        None
    }
}
