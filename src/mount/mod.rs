//! Shows a [`Vfs`] as a folder of this system. Only translation: what the drive does is in [`crate::vfs`].

use std::{path::Path, sync::Arc};

use crate::{error::Result, vfs::Vfs};

#[cfg(target_os = "linux")]
mod fuse;
#[cfg(target_os = "linux")]
use fuse as platform;

#[cfg(not(target_os = "linux"))]
mod unsupported;
#[cfg(not(target_os = "linux"))]
use unsupported as platform;

/// How a drive is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountOptions {
    /// The drive's name, shown by `mount` and file managers.
    pub name: String,
    /// Nothing may be written: the system refuses before we are asked.
    pub read_only: bool,
}

/// Shows `vfs` at the empty folder `at` and answers once it is usable.
///
/// Blocks for a moment: call it where blocking is allowed. What is not known locally is waited for on
/// `runtime`. A dead mount that a killed agent left at `at` is taken away first.
///
/// # Errors
/// Each says what is in the way and what to do about it: `NotFound` (no such folder, no FUSE), `Invalid`
/// (not a folder, not empty), `Busy` (something is mounted there), `Denied` (no right to mount).
pub fn mount(
    vfs: Arc<dyn Vfs>,
    at: &Path,
    options: &MountOptions,
    runtime: tokio::runtime::Handle,
) -> Result<Mounted> {
    platform::mount(vfs, at, options, runtime).map(Mounted)
}

/// A drive that is shown. Dropping it takes it away lazily: programs keep what they have open.
pub struct Mounted(platform::Mounted);

impl Mounted {
    /// Takes the drive away. Blocks until the system has handed over what programs had written.
    ///
    /// # Errors
    /// `Busy` if programs use it, naming them where that can be seen; it then stays mounted.
    pub fn unmount(&self) -> Result<()> {
        self.0.unmount()
    }

    /// Takes the name away at once; programs that have files open keep them until they close them.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn detach(&self) -> Result<()> {
        self.0.detach()
    }

    /// False once it is unmounted, also by somebody else (`umount`, `fusermount3 -u`).
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }
}
