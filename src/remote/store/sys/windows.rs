//! Windows. NTFS journals its folders, and they can't be opened for syncing by ordinary means.

use std::{fs, io, path::Path};

/// Makes the entries of the folder `dir` durable: nothing to do here.
pub fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Gives the synced file `temp` the name `dest` in one step that only one of several processes can
/// win; the others get `AlreadyExists`. `temp` is gone after success.
pub fn publish_new(temp: &Path, dest: &Path) -> io::Result<()> {
    fs::hard_link(temp, dest)?;
    let _ = fs::remove_file(temp);
    Ok(())
}

/// Windows has no numbers for users: as root elsewhere.
pub fn owner() -> (u32, u32) {
    (0, 0)
}
