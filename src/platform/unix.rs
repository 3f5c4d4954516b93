//! Linux and macOS alike.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use ::tokio::signal::unix::{SignalKind, signal};
use interprocess::{
    local_socket::{GenericFilePath, ListenerOptions, prelude::*, tokio, traits::tokio::Stream as _},
    os::unix::local_socket::ListenerOptionsExt,
};
use rustix::process::{Resource, geteuid, getrlimit, setrlimit, setsid};

/// A word that differs between the users of a machine.
pub fn user_tag() -> String {
    geteuid().as_raw().to_string()
}

/// Whether this process may do everything.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Makes a folder that only this user may enter, and its parents. One that is there stays as it is.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Replaces a file by a new one that only this user may read, in one step, durably.
pub fn write_private(file: &Path, content: &[u8]) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    // One that a crash left may be open to others.
    match fs::remove_file(&beside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut new = fs::File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    new.write_all(content)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    file.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Bytes that this user can still write beneath a folder.
pub fn free_space(dir: &Path) -> io::Result<u64> {
    let s = rustix::fs::statvfs(dir)?;
    Ok(s.f_bavail.saturating_mul(s.f_frsize))
}

/// Listens at a socket that only this user may connect to. The caller holds the home's lock, so a
/// socket that is there already is a dead agent's and is replaced.
pub fn listen(socket: &Path) -> io::Result<tokio::Listener> {
    if let Some(dir) = socket.parent() {
        private_dir(dir)?;
        // In a shared folder such as /tmp somebody else could have made this one first.
        let meta = fs::symlink_metadata(dir)?;
        if !meta.is_dir() || meta.uid() != geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the folder {} belongs to somebody else", dir.display()),
            ));
        }
    }
    match fs::remove_file(socket) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let name = socket.to_fs_name::<GenericFilePath>()?;
    // The mode is set before the socket gets its name where the system can do that; where not, the
    // peer's user is checked anyway.
    let options = || ListenerOptions::new().name(name.clone());
    let listener = match options().mode(0o600).create_tokio() {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => options().create_tokio()?,
        other => other?,
    };
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to an agent's socket. `None`: nobody listens there.
pub async fn connect(socket: &Path) -> io::Result<Option<tokio::Stream>> {
    let name = socket.to_fs_name::<GenericFilePath>()?;
    match tokio::Stream::connect(name).await {
        Ok(stream) => Ok(Some(stream)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether who is at the other end is this very user.
pub fn peer_is_us(stream: &tokio::Stream) -> bool {
    stream.peer_creds().is_ok_and(|peer| peer.euid() == Some(geteuid().as_raw()))
}

/// Returns when the process is asked to end.
pub async fn asked_to_end() {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    // A handler that can't be set leaves the signal's default, which ends the process.
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    if signals.is_empty() {
        return std::future::pending().await;
    }
    let waits = signals.iter_mut().map(|s| Box::pin(s.recv()));
    futures::future::select_all(waits).await;
}

/// Lets this process open as many files as the system allows; a drive keeps one or two for each
/// changed file.
pub fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays: {e}");
    }
}

/// Prepares a command whose process shall outlive this one. On Unix the process does the rest itself,
/// by [`leave_terminal`].
pub fn detach(_: &mut Command) {}

/// Leaves the terminal's session, so that closing the terminal does not end this process.
pub fn leave_terminal() {
    if let Err(e) = setsid() {
        tracing::debug!("the session stays: {e}");
    }
}
