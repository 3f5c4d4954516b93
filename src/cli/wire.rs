//! What the command line wires together: the agent's drives and the buckets' housekeeping.

use std::{path::Path, sync::Arc};

use lacuna::{
    agent::{Holder, Mounter},
    error::{Error, Kind, Result},
    remote::store,
};

/// What the agent mounts with.
pub fn holder() -> Arc<dyn Holder> {
    Arc::new(Mounter)
}

fn url(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::new(Kind::Invalid, "a bucket's path must be UTF-8").at(path.display()))
}

/// Makes a bucket in a folder. Answers false if it was one already.
pub async fn store_init(path: &Path) -> Result<bool> {
    store::init(url(path)?).await
}

/// Reads a bucket through and checks everything in it. `scratch` is a folder for a temporary file.
pub async fn store_check(path: &Path, scratch: &Path) -> Result<store::Report> {
    store::check(url(path)?, scratch).await
}
