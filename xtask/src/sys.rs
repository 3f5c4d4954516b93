//! The few things that differ between operating systems here.

use std::{io, path::Path, process::Command};

/// Puts a command into a process group of its own, so that the terminal's Ctrl-C reaches only us and
/// the drive can be drained in good order.
#[cfg(unix)]
pub fn detach(command: &mut Command) -> &mut Command {
    std::os::unix::process::CommandExt::process_group(command, 0)
}

/// Puts a command into a process group of its own, so that the console's Ctrl-C reaches only us.
#[cfg(windows)]
pub fn detach(command: &mut Command) -> &mut Command {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP)
}

/// Sets a file's or folder's permissions.
#[cfg(unix)]
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// There are none like Unix's.
#[cfg(windows)]
pub fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file's permissions.
#[cfg(unix)]
pub fn mode(meta: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777
}

/// There are none like Unix's.
#[cfg(windows)]
pub fn mode(_: &std::fs::Metadata) -> u32 {
    0
}

/// Makes a symbolic link.
#[cfg(unix)]
pub fn symlink(target: &str, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

/// Packages for Linux are not made there.
#[cfg(windows)]
pub fn symlink(_: &str, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
