//! A drive's folder on this machine, and whose it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    config,
    error::{Error, Kind, Result},
    platform,
};

/// The file in a drive's folder that says whose journal and cache lie there.
fn owner_file(state_dir: &Path) -> PathBuf {
    state_dir.join("remote.url")
}

/// Whose they are, if anybody's.
pub(super) fn owner(state_dir: &Path) -> Option<String> {
    fs::read_to_string(owner_file(state_dir)).ok().map(|url| url.trim_end().to_owned())
}

/// Makes a drive's folder, or checks that what lies there is of the same remote: a journal must never
/// be replayed into another bucket. Answers whether it was nobody's before.
pub(super) fn claim(state_dir: &Path, url: &str) -> Result<bool> {
    let fail = |e| Error::io("can't make the drive's folder", e).at(state_dir.display());
    platform::private_dir(state_dir).map_err(fail)?;
    match owner(state_dir) {
        None => config::write_atomic(&owner_file(state_dir), url.as_bytes()).map(|()| true).map_err(fail),
        Some(owner) if owner == url => Ok(false),
        Some(owner) => Err(Error::new(Kind::Invalid, format!("this name belongs to a drive of {owner}"))
            .at(state_dir.display())
            .remedy("give this drive another name: --name N")),
    }
}

/// Gives a claim back: its remote could not be mounted, so nothing of it lies there.
pub(super) fn give_back(state_dir: &Path) {
    if let Err(e) = fs::remove_file(owner_file(state_dir)) {
        tracing::debug!("{} stays taken: {e}", state_dir.display());
    }
}
