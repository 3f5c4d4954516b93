//! Windows: named pipes for sockets, console events for signals.

use std::{
    fs, io,
    os::windows::{ffi::OsStrExt, process::CommandExt},
    path::Path,
    process::Command,
};

use interprocess::{
    local_socket::{GenericNamespaced, ListenerOptions, Name, prelude::*, tokio, traits::tokio::Stream as _},
    os::windows::{local_socket::ListenerOptionsExt, security_descriptor::SecurityDescriptor},
};
use widestring::u16cstr;

/// `CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP` (processthreadsapi.h).
const DETACHED: u32 = 0x0800_0000 | 0x0000_0200;

/// A word that differs between the users of a machine. Pipes are kept apart by their homes here.
pub fn user_tag() -> String {
    "user".into()
}

/// Whether this process may do everything. No decision on Windows depends on it.
pub fn is_root() -> bool {
    false
}

/// Makes a folder and its parents; a user's folders are private by inheritance.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Replaces a file by a new one; in a user's folders it is private by inheritance.
pub fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let mut new = fs::File::create(&beside)?;
    new.write_all(content)?;
    new.sync_all()?;
    fs::rename(&beside, file)
}

/// NTFS journals its names; there is nothing to ask for.
pub fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Bytes that this user can still write beneath a folder.
#[allow(unsafe_code)]
pub fn free_space(dir: &Path) -> io::Result<u64> {
    let wide: Vec<u16> = dir.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0u64;
    // SAFETY: `wide` ends with a NUL and outlives the call; `free` is a valid place for the answer, and
    // the two answers that are not wanted may be null.
    let ok = unsafe {
        windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW(
            wide.as_ptr(),
            &mut free,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(free) }
}

/// The pipe that stands for a socket's path: pipes have one flat space of names.
fn pipe(socket: &Path) -> io::Result<Name<'static>> {
    let flat: String = socket
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    format!("lacuna-{flat}").to_ns_name::<GenericNamespaced>()
}

/// Listens at a pipe that only its owner (and the system) may open.
pub fn listen(socket: &Path) -> io::Result<tokio::Listener> {
    let owner_only = SecurityDescriptor::deserialize(u16cstr!("D:P(A;;GA;;;OW)(A;;GA;;;SY)"))?;
    ListenerOptions::new().name(pipe(socket)?).security_descriptor(owner_only).create_tokio()
}

/// Connects to an agent's pipe. `None`: nobody listens there.
pub async fn connect(socket: &Path) -> io::Result<Option<tokio::Stream>> {
    match tokio::Stream::connect(pipe(socket)?).await {
        Ok(stream) => Ok(Some(stream)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether who is at the other end may be there: the pipe's own access list has decided.
pub fn peer_is_us(_: &tokio::Stream) -> bool {
    true
}

/// Returns when the process is asked to end.
pub async fn asked_to_end() {
    use ::tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
    match (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_shutdown()) {
        (Ok(mut c), Ok(mut b), Ok(mut close), Ok(mut down)) => ::tokio::select! {
            _ = c.recv() => {}
            _ = b.recv() => {}
            _ = close.recv() => {}
            _ = down.recv() => {}
        },
        _ => std::future::pending().await,
    }
}

/// Windows has no such limit.
pub fn raise_open_files() {}

/// Prepares a command whose process shall outlive this one's console.
pub fn detach(command: &mut Command) {
    command.creation_flags(DETACHED);
}

/// The parent has done it, by [`detach`].
pub fn leave_terminal() {}
