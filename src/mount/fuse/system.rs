//! Looks whether a drive can be mounted here, and says what is in the way.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::io::Errno;

use super::{
    attach,
    mountinfo::{self, MountPoint},
};
use crate::{
    error::{Error, Kind, Result},
    mount::MountOptions,
};

/// The type that our mounts have in the system's tables.
pub const FSTYPE: &str = "fuse.lacuna";

/// How many dead mounts at one place are taken away: each killed agent leaves one at most.
const MAX_STALE: usize = 16;

/// Where things are on this machine.
pub struct System {
    /// The device of FUSE.
    pub device: PathBuf,
    /// The settings of `fusermount3`.
    pub conf: PathBuf,
    /// What is mounted.
    pub mountinfo: PathBuf,
    /// Names or paths of the helper that mounts for ordinary users.
    pub helpers: Vec<PathBuf>,
    /// Who we are.
    pub root: bool,
}

/// How to mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The first field of the system's tables.
    pub source: String,
    /// Others than the owner of this process may use it.
    pub allow_other: bool,
    /// Nothing may be written.
    pub read_only: bool,
    /// The helper, if it is needed and there.
    pub helper: Option<PathBuf>,
}

impl System {
    pub fn this() -> System {
        System {
            device: "/dev/fuse".into(),
            conf: "/etc/fuse.conf".into(),
            mountinfo: "/proc/self/mountinfo".into(),
            // The bare name is looked up in PATH.
            helpers: ["fusermount3", "/usr/bin/fusermount3", "/bin/fusermount3"].map(PathBuf::from).into(),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// All mounts; none if the table can't be read.
    pub fn mounts(&self) -> Vec<MountPoint> {
        fs::read(&self.mountinfo).map(|text| mountinfo::parse(&text)).unwrap_or_default()
    }

    pub fn mounted_at(&self, path: &Path) -> Option<MountPoint> {
        mountinfo::at(&self.mounts(), path).cloned()
    }

    /// Makes sure that `at` is an empty folder where nothing is mounted; answers it without links. Takes
    /// away dead mounts of ours.
    pub fn prepare(&self, at: &Path) -> Result<PathBuf> {
        let fail = |kind, cause: String| Error::new(kind, cause).at(at.display());
        for _ in 0..MAX_STALE {
            let found = match fs::canonicalize(at) {
                Ok(found) => found,
                Err(e) if is_dead(&e) => {
                    self.recover(at)?;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(fail(Kind::NotFound, "the mount point does not exist".into())
                        .remedy(format!("create it: mkdir -p '{}'", at.display())));
                }
                Err(e) => return Err(Error::io("the mount point can't be used", e).at(at.display())),
            };
            // A dead mount may still answer from what the kernel remembers of its root.
            match fs::metadata(&found) {
                Err(e) if is_dead(&e) => {
                    self.recover(at)?;
                    continue;
                }
                Err(e) => return Err(Error::io("the mount point can't be used", e).at(at.display())),
                Ok(meta) if !meta.is_dir() => {
                    return Err(fail(Kind::Invalid, "the mount point is not a folder".into())
                        .remedy("choose or create an empty folder"));
                }
                Ok(_) => {}
            }
            let mount = self.mounted_at(&found);
            match (fs::read_dir(&found).map(|mut entries| entries.next().is_some()), mount) {
                (Err(e), Some(m)) if is_dead(&e) && m.fstype == FSTYPE => self.recover(at)?,
                (_, Some(m)) => {
                    return Err(fail(
                        Kind::Busy,
                        format!("the mount point is already a mount of {}", m.describe()),
                    )
                    .remedy(format!("unmount it (umount '{}') or choose another folder", found.display())));
                }
                (Err(e), None) => {
                    return Err(Error::io("the mount point can't be read", e)
                        .at(at.display())
                        .remedy("choose a folder of your own"));
                }
                (Ok(true), None) => {
                    return Err(fail(Kind::Invalid, "the mount point is not empty".into())
                        .remedy("choose or create an empty folder"));
                }
                (Ok(false), None) => {
                    // fusermount3 refuses folders that the user may not write; say it in our words.
                    if !self.root && rustix::fs::access(&found, rustix::fs::Access::WRITE_OK).is_err() {
                        return Err(fail(
                            Kind::Denied,
                            "an ordinary user can only mount on a folder of their own".into(),
                        )
                        .remedy("choose a folder in your home"));
                    }
                    return Ok(found);
                }
            }
        }
        Err(fail(Kind::Busy, "dead mounts keep appearing at the mount point".into())
            .remedy(format!("unmount them: umount -l '{}'", at.display())))
    }

    /// Takes the dead mount at `at` away if it is one of ours.
    fn recover(&self, at: &Path) -> Result<()> {
        // The dead folder itself can't be asked; the folder it is in can.
        let full = match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                fs::canonicalize(parent)
                    .map_err(|e| Error::io("the mount point can't be used", e).at(at.display()))?
                    .join(name)
            }
            _ => at.to_path_buf(),
        };
        let dead = |what: &str| {
            Error::new(Kind::Busy, format!("the mount point is a dead mount{what}"))
                .remedy(format!("unmount it: fusermount3 -u -z '{0}' or umount -l '{0}'", full.display()))
                .at(at.display())
        };
        match self.mounted_at(&full) {
            Some(m) if m.fstype == FSTYPE => {
                tracing::warn!(at = %full.display(), "taking away the dead mount of an agent that was killed");
                attach::detach(&full).map_err(|e| dead(" of an agent that was killed").because(e))
            }
            Some(m) => Err(dead(&format!(" of {}", m.describe()))),
            None => Err(dead("")),
        }
    }

    /// Decides how to mount, or says why it can't be done.
    pub fn plan(&self, options: &MountOptions) -> Result<Plan> {
        let install = "install it: apt install fuse3 (Debian, Ubuntu), dnf install fuse3 (Fedora)";
        let opened = fs::OpenOptions::new().read(true).write(true).open(&self.device);
        let helper = (!self.root).then(|| self.helper()).flatten();
        match opened {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound || is_absent(&e) => {
                return Err(Error::new(
                    Kind::NotFound,
                    "this system has no FUSE, which shows drives to programs",
                )
                .at(self.device.display())
                .remedy(format!(
                    "load it: modprobe fuse; or {install}; in a container: pass the device in (--device /dev/fuse --cap-add SYS_ADMIN)"
                ))
                .because(e));
            }
            // The helper is no way around: it opens the device as the user that calls it.
            Err(e) => {
                return Err(Error::new(Kind::Denied, format!("FUSE can't be opened: {e}"))
                    .at(self.device.display())
                    .remedy("as root: chmod 666 /dev/fuse; in a container: pass the device in (--device /dev/fuse --cap-add SYS_ADMIN)")
                    .because(e));
            }
        }
        if !self.root && helper.is_none() {
            return Err(Error::new(
                Kind::NotFound,
                "fusermount3, which mounts for ordinary users, is not installed",
            )
            .remedy(install));
        }
        Ok(Plan {
            source: source(&options.name),
            allow_other: self.root || allows_others(&fs::read_to_string(&self.conf).unwrap_or_default()),
            read_only: options.read_only,
            helper,
        })
    }

    fn helper(&self) -> Option<PathBuf> {
        let runs = |helper: &&PathBuf| {
            let mut command = Command::new(helper);
            command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok()
        };
        self.helpers.iter().find(runs).cloned()
    }
}

/// What a mount answers whose agent is gone.
fn is_dead(e: &io::Error) -> bool {
    [Errno::NOTCONN, Errno::CONNABORTED].iter().any(|n| e.raw_os_error() == Some(n.raw_os_error()))
}

/// The device's file is there but nothing behind it.
fn is_absent(e: &io::Error) -> bool {
    [Errno::NODEV, Errno::NXIO].iter().any(|n| e.raw_os_error() == Some(n.raw_os_error()))
}

/// The source's name. What has a meaning in lists of mount options is replaced.
fn source(name: &str) -> String {
    let clean = |c: char| if c == ',' || c == '\\' || c.is_control() { '_' } else { c };
    format!("lacuna:{}", name.chars().map(clean).collect::<String>())
}

/// Whether fuse.conf(5) lets ordinary users share their mounts.
fn allows_others(conf: &str) -> bool {
    conf.lines().any(|line| line.trim() == "user_allow_other")
}

/// Lets the kernel read ahead by our largest request; it starts with 128 KiB. Only root may; without it
/// reading is right, only in smaller steps.
pub fn raise_readahead(device: &str) {
    let _ = fs::write(format!("/sys/class/bdi/{device}/read_ahead_kb"), "1024");
}

#[cfg(test)]
#[path = "system_tests.rs"]
mod tests;
