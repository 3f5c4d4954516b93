//! What the command line wires together: the agent's drives and the buckets' housekeeping.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use lacuna::{
    agent::{Held, Holder, Wanted},
    error::{Error, Kind, Result},
};

/// Opens and mounts real drives.
struct Drives;

#[async_trait]
impl Holder for Drives {
    async fn hold(&self, wanted: Wanted) -> Result<Arc<dyn Held>> {
        Err(Error::new(Kind::Other, "drives are not built yet").at(wanted.drive.url))
    }
}

/// What the agent mounts with.
pub fn holder() -> Arc<dyn Holder> {
    Arc::new(Drives)
}

/// Makes a bucket in a folder.
pub async fn store_init(path: &Path) -> Result<()> {
    Err(Error::new(Kind::Other, "buckets are not built yet").at(path.display()))
}

/// Reads a bucket through and checks everything in it.
pub async fn store_check(path: &Path) -> Result<()> {
    Err(Error::new(Kind::Other, "buckets are not built yet").at(path.display()))
}
