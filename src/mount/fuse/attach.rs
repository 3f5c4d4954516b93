//! Mounting and unmounting: by the system's calls where we may, by `fusermount3` where we may not.

use std::{
    ffi::CString,
    fs, io,
    io::Read,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::{
    io::Errno,
    mount::{MountFlags, UnmountFlags},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags},
};

use super::{
    holders,
    system::{Plan, System},
};
use crate::error::{Error, Kind, Result};

/// A busy drive is tried again: file managers and indexers look at a new one for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Mounts at `at` (absolute, without links); answers the connection.
pub fn attach(at: &Path, plan: &Plan) -> Result<OwnedFd> {
    match &plan.helper {
        Some(helper) => by_helper(helper, at, plan),
        None => by_system(at, plan),
    }
}

fn by_system(at: &Path, plan: &Plan) -> Result<OwnedFd> {
    let fail = |doing: &str, e: io::Error| {
        let e = Error::io(doing, e).at(at.display());
        match e.kind() {
            Kind::Denied => e.remedy(
                "mounting needs CAP_SYS_ADMIN; in a container: --device /dev/fuse --cap-add SYS_ADMIN",
            ),
            _ => e,
        }
    };
    let device = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(|e| fail("FUSE can't be opened", e))?;
    // Options of the kernel: Documentation/filesystems/fuse.rst.
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},subtype=lacuna,default_permissions",
        device.as_fd().as_raw_fd(),
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if plan.allow_other {
        data.push_str(",allow_other");
    }
    let data = CString::new(data).map_err(|e| fail("mounting", e.into()))?;
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
    if plan.read_only {
        flags |= MountFlags::RDONLY;
    }
    rustix::mount::mount(plan.source.as_str(), at, "fuse", flags, &*data)
        .map_err(|e| fail("mounting", e.into()))?;
    Ok(device.into())
}

/// The helper mounts and sends the connection through a socket whose number it finds in `_FUSE_COMMFD`;
/// ours is its standard input.
fn by_helper(helper: &Path, at: &Path, plan: &Plan) -> Result<OwnedFd> {
    let broken = |e: io::Error| Error::io(format!("{} did not work", helper.display()), e).at(at.display());
    let mut options = format!("fsname={},subtype=lacuna,default_permissions,nosuid,nodev", plan.source);
    if plan.allow_other {
        options.push_str(",allow_other");
    }
    if plan.read_only {
        options.push_str(",ro");
    }
    let (ours, theirs) = UnixStream::pair().map_err(broken)?;
    let mut child = Command::new(helper)
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(at)
        .env("_FUSE_COMMFD", "0")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    let device = receive(&ours);
    drop(ours);
    let mut says = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut says);
    }
    child.wait().map_err(broken)?;
    match device {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(refusal(&says).at(at.display())),
        Err(e) => Err(broken(e)),
    }
}

/// Takes the descriptor; none if the helper ended without sending one.
fn receive(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8];
    let got = loop {
        let mut iov = [io::IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(socket, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            got => break got?,
        }
    };
    if got.bytes == 0 || got.flags.contains(ReturnFlags::CTRUNC) {
        return Ok(None);
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    }))
}

/// Why the helper refused, by what it says.
fn refusal(says: &str) -> Error {
    let says = says.trim();
    let has = |part: &str| says.contains(part);
    let (kind, remedy) = if has("user_allow_other") {
        (Kind::Denied, "add the line user_allow_other to /etc/fuse.conf")
    } else if has("too many FUSE filesystems") {
        (Kind::Busy, "unmount another drive, or raise mount_max in /etc/fuse.conf")
    } else if has("no write access") || has("not owned by") {
        (Kind::Denied, "choose a folder of your own as mount point")
    } else if has("/dev/fuse") && has("Permission denied") {
        (Kind::Denied, "as root: chmod 666 /dev/fuse")
    } else if has("/dev/fuse") || has("modprobe") {
        (Kind::NotFound, "load FUSE: modprobe fuse; in a container: --device /dev/fuse")
    } else if has("Operation not permitted") || has("Permission denied") {
        // Typically a helper without its set-user-id bit, or a container.
        (
            Kind::Denied,
            "make fusermount3 set-user-id root again (apt install --reinstall fuse3); in a container: --cap-add SYS_ADMIN",
        )
    } else {
        (Kind::Other, "see what fusermount3 says")
    };
    let says = if says.is_empty() { "fusermount3 refused and does not say why" } else { says };
    Error::new(kind, says).remedy(remedy)
}

/// How an unmount went.
enum Outcome {
    Done,
    Busy,
}

/// Unmounts; programs that use it keep it mounted and are named in the error.
pub fn unmount(at: &Path) -> Result<()> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        if let Outcome::Done = take_away(at, UnmountFlags::NOFOLLOW)? {
            return Ok(());
        }
    }
    let users = holders::of(at);
    let who = if users.is_empty() {
        "programs that can't be seen from here".to_owned()
    } else {
        users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    Err(Error::new(Kind::Busy, format!("the drive is in use by {who}"))
        .remedy("close them, or their files on the drive, and unmount again")
        .at(at.display()))
}

/// Takes the name away at once; what is open stays usable while its server lives.
pub fn detach(at: &Path) -> Result<()> {
    take_away(at, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH).map(drop)
}

fn take_away(at: &Path, flags: UnmountFlags) -> Result<Outcome> {
    match rustix::mount::unmount(at, flags) {
        // Not a mount any more: somebody was faster.
        Ok(()) | Err(Errno::INVAL) => Ok(Outcome::Done),
        Err(Errno::BUSY) => Ok(Outcome::Busy),
        Err(Errno::PERM) => take_away_by_helper(at, flags.contains(UnmountFlags::DETACH)),
        Err(e) => Err(Error::io("unmounting", e.into()).at(at.display())),
    }
}

fn take_away_by_helper(at: &Path, lazy: bool) -> Result<Outcome> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for helper in System::this().helpers {
        let mut command = Command::new(&helper);
        command.arg("-u").args(lazy.then_some("-z")).arg("--").arg(at).env("LC_ALL", "C");
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => return Ok(Outcome::Done),
            Ok(output) => {
                let says = String::from_utf8_lossy(&output.stderr);
                if says.contains("busy") {
                    return Ok(Outcome::Busy);
                }
                return Err(Error::new(Kind::Denied, says.trim())
                    .remedy(format!("as root: umount '{}'", at.display()))
                    .at(at.display()));
            }
            Err(e) => last = e,
        }
    }
    Err(Error::io("fusermount3, which unmounts for ordinary users, can't be run", last)
        .remedy("install it: apt install fuse3")
        .at(at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_helper_says_becomes_a_remedy() {
        let table = [
            (
                "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n",
                Kind::Denied,
                "user_allow_other",
            ),
            ("fusermount3: failed to open /dev/fuse: Permission denied", Kind::Denied, "chmod 666"),
            ("fusermount3: fuse device not found, try 'modprobe fuse' first", Kind::NotFound, "modprobe"),
            ("fusermount3: user has no write access to mountpoint /mnt", Kind::Denied, "folder of your own"),
            (
                "fusermount3: too many FUSE filesystems mounted; mount_max=N can be set",
                Kind::Busy,
                "mount_max",
            ),
            ("fusermount3: mount failed: Operation not permitted", Kind::Denied, "set-user-id"),
            ("", Kind::Other, "fusermount3"),
        ];
        for (says, kind, remedy) in table {
            let e = refusal(says);
            assert_eq!(e.kind(), kind, "{says}");
            assert!(e.remedy_text().is_some_and(|r| r.contains(remedy)), "{says}: {e}");
            assert!(!e.cause().is_empty());
        }
    }
}
