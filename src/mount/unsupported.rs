//! Systems whose adapter is not written yet.

use std::{path::Path, sync::Arc};

use super::MountOptions;
use crate::{
    error::{Error, Kind, Result},
    vfs::Vfs,
};

/// Never made.
pub enum Mounted {}

pub fn mount(
    _vfs: Arc<dyn Vfs>,
    at: &Path,
    _options: &MountOptions,
    _runtime: tokio::runtime::Handle,
) -> Result<Mounted> {
    Err(Error::new(Kind::Other, "mounting is not built yet on this system")
        .at(at.display())
        .remedy("use Linux for now"))
}

impl Mounted {
    pub fn unmount(&self) -> Result<()> {
        match *self {}
    }

    pub fn detach(&self) -> Result<()> {
        match *self {}
    }

    pub fn is_alive(&self) -> bool {
        match *self {}
    }
}
