//! Linux and macOS.

use std::{fs, io, path::Path};

/// Makes the entries of the folder `dir` durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Gives the synced file `temp` the name `dest` in one step that only one of several processes can
/// win; the others get `AlreadyExists`. `temp` is gone after success.
///
/// A hard link is the step that every local and network file system has; those without hard links
/// (exFAT, some FUSE mounts) mostly have a rename that does not replace.
pub fn publish_new(temp: &Path, dest: &Path) -> io::Result<()> {
    match fs::hard_link(temp, dest) {
        Ok(()) => {
            // A leftover name is only a leftover: the object is complete.
            let _ = fs::remove_file(temp);
            Ok(())
        }
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            rename_new(temp, dest)
        }
        Err(e) => Err(e),
    }
}

fn rename_new(temp: &Path, dest: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, temp, CWD, dest, RenameFlags::NOREPLACE)?)
}

/// The user and group of this process.
pub fn owner() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}
