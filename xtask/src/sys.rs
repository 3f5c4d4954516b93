//! The few things that differ between operating systems here.

use std::process::Command;

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
