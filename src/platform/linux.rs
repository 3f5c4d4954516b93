//! Linux: what mounting by FUSE needs, and which mounts are dead.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::health::DriverFacts;

/// What is there of the things that mounting needs. `path` is the search path for programs.
pub fn driver_facts(path: &[PathBuf]) -> DriverFacts {
    let device = fs::File::options().read(true).write(true).open("/dev/fuse");
    DriverFacts::Fuse {
        device: device.map(drop).map_err(|e| e.kind()),
        helper: path.iter().any(|dir| dir.join("fusermount3").is_file()),
        mtab: Path::new("/etc/mtab").exists(),
        allow_other: fs::read_to_string("/etc/fuse.conf").is_ok_and(|text| allows_other(&text)),
        root: super::is_root(),
    }
}

/// Whether a `fuse.conf` lets users show their mounts to others.
fn allows_other(conf: &str) -> bool {
    conf.lines().any(|line| line.split('#').next().is_some_and(|l| l.trim() == "user_allow_other"))
}

/// Mount points of ours whose agent is gone: every access to them fails. Never waits long for one that
/// hangs.
pub fn dead_mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    ours(&table).into_iter().filter(|at| is_dead(at.clone())).collect()
}

/// The mount points of this program in a `mountinfo` table (proc_pid_mountinfo(5)): field 5 is the
/// mount point, the first field after ` - ` the type.
fn ours(table: &str) -> Vec<PathBuf> {
    let mine = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let mut words = right.split(' ');
        let (kind, source) = (words.next()?, words.next()?);
        let ours = kind == "fuse.lacuna" || (kind == "fuse" && source.starts_with("lacuna"));
        ours.then(|| left.split(' ').nth(4).map(|at| PathBuf::from(unescape(at))))?
    };
    table.lines().filter_map(mine).collect()
}

/// Undoes the kernel's octal escapes (`\040` is a space).
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let code = rest.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match code.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                bytes = &rest[3..];
            }
            _ => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_dead(at: PathBuf) -> bool {
    // A mount that hangs holds its thread; it is not waited for, and not called dead.
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let gone = fs::metadata(at).is_err_and(|e| e.kind() == io::ErrorKind::NotConnected);
        // Nobody listens any more: the time is over.
        let _ = tell.send(gone);
    });
    told.recv_timeout(Duration::from_secs(2)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mounts_are_found_in_the_kernels_table() {
        let table = "\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 25 0:50 / /home/u/My\\040Drive rw,nosuid shared:9 - fuse.lacuna lacuna rw,user_id=0
91 25 0:51 / /mnt/x rw - fuse lacuna:photos rw
92 25 0:52 / /mnt/y rw - fuse.rclone r: rw
garbage
";
        assert_eq!(ours(table), [PathBuf::from("/home/u/My Drive"), PathBuf::from("/mnt/x")]);
    }

    #[test]
    fn a_comment_allows_nothing() {
        assert!(allows_other("# mount_max = 1000\nuser_allow_other\n"));
        assert!(allows_other(" user_allow_other # yes"));
        assert!(!allows_other("#user_allow_other\n"));
    }

    #[test]
    fn escapes_are_undone_and_lone_backslashes_stay() {
        for (from, to) in
            [("a\\040b", "a b"), ("a\\134", "a\\"), ("\\04", "\\04"), ("\\xyz", "\\xyz"), ("", "")]
        {
            assert_eq!(unescape(from), to);
        }
    }
}
