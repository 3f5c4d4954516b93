//! Values of the kernel's protocol to ours and back. Pure.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    time::{SystemTime, UNIX_EPOCH},
};

use fuser::{Errno, FileAttr, FileType, INodeNo, OpenAccMode, OpenFlags, RenameFlags, TimeOrNow};
use rustix::fs::{FallocateFlags, OFlags};

use crate::{
    node::{Ino, Kind, Name, Time},
    vfs::{Allocate, Attr, Fault, OpenOptions, RenameMode, Seek},
};

/// Set-user-id and set-group-id.
pub const SET_ID: u32 = 0o6000;

/// The errno of each fault.
pub fn errno(fault: Fault) -> Errno {
    match fault {
        Fault::NotFound => Errno::ENOENT,
        Fault::Exists => Errno::EEXIST,
        Fault::NotDir => Errno::ENOTDIR,
        Fault::IsDir => Errno::EISDIR,
        Fault::NotEmpty => Errno::ENOTEMPTY,
        Fault::Invalid => Errno::EINVAL,
        Fault::IllegalName => Errno::EILSEQ,
        Fault::NameTooLong => Errno::ENAMETOOLONG,
        Fault::NoSpace => Errno::ENOSPC,
        Fault::ReadOnly => Errno::EROFS,
        Fault::Denied => Errno::EACCES,
        Fault::NotPermitted => Errno::EPERM,
        Fault::BadHandle => Errno::EBADF,
        Fault::TooBig => Errno::EFBIG,
        // lseek(2): no data at or after the offset.
        Fault::NoData => Errno::ENXIO,
        Fault::NotSupported => Errno::EOPNOTSUPP,
        // Programs print its text, "Network is unreachable", which says more than EIO.
        Fault::Offline => Errno::ENETUNREACH,
        Fault::Io => Errno::EIO,
    }
}

/// A name as the kernel gives it.
pub fn name(name: &OsStr) -> Result<Name, Fault> {
    Name::from_bytes(name.as_bytes()).map_err(Fault::from)
}

pub fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Dir => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
    }
}

pub fn attr(a: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(a.ino.0),
        size: a.size,
        blocks: a.size.div_ceil(512),
        atime: a.atime.into(),
        mtime: a.mtime.into(),
        ctime: a.ctime.into(),
        crtime: a.btime.into(),
        kind: kind(a.kind),
        perm: (a.mode & 0o7777) as u16,
        nlink: a.nlink,
        uid: a.uid,
        gid: a.gid,
        rdev: 0,
        // Programs that buffer by it (stdio) then write 64 KiB a request instead of 4.
        blksize: 64 << 10,
        flags: 0,
    }
}

/// A time that a program sets.
///
/// The kernel sends seconds rounded down and nanoseconds after them; fuser 0.18 makes of (-2 s, 800 ms)
/// the time 2.8 s before 1970 where 1.2 s is meant. This takes it apart and puts it together right.
pub fn time(t: TimeOrNow) -> Time {
    let t = match t {
        TimeOrNow::Now => SystemTime::now(),
        TimeOrNow::SpecificTime(t) => t,
    };
    match UNIX_EPOCH.duration_since(t) {
        Ok(before) if before.subsec_nanos() > 0 => {
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            Time(
                seconds
                    .saturating_neg()
                    .saturating_mul(1_000_000_000)
                    .saturating_add(before.subsec_nanos().into()),
            )
        }
        _ => t.into(),
    }
}

pub fn open_options(flags: OpenFlags) -> OpenOptions {
    OpenOptions {
        read: flags.acc_mode() != OpenAccMode::O_WRONLY,
        write: flags.acc_mode() != OpenAccMode::O_RDONLY,
        truncate: has(flags.0, OFlags::TRUNC),
    }
}

/// Whether open flags hold `flag`.
pub fn has(flags: i32, flag: OFlags) -> bool {
    OFlags::from_bits_retain(flags as _).contains(flag)
}

/// What kind of rename is asked for; others (whiteouts of overlay file systems) are refused.
pub fn rename_mode(flags: RenameFlags) -> Result<RenameMode, Fault> {
    if flags.is_empty() {
        Ok(RenameMode::Replace)
    } else if flags == RenameFlags::RENAME_NOREPLACE {
        Ok(RenameMode::NoReplace)
    } else if flags == RenameFlags::RENAME_EXCHANGE {
        Ok(RenameMode::Exchange)
    } else {
        Err(Fault::Invalid)
    }
}

/// What kind of fallocate is asked for; collapsing and inserting ranges are refused.
pub fn allocate(mode: i32) -> Result<Allocate, Fault> {
    let (keep, punch, zero) =
        (FallocateFlags::KEEP_SIZE, FallocateFlags::PUNCH_HOLE, FallocateFlags::ZERO_RANGE);
    let mode = FallocateFlags::from_bits_retain(mode as u32);
    if mode.is_empty() {
        Ok(Allocate::Extend)
    } else if mode == keep {
        Ok(Allocate::Reserve)
    } else if mode == punch | keep {
        Ok(Allocate::PunchHole)
    } else if mode == zero {
        Ok(Allocate::Zero)
    } else if mode == zero | keep {
        Ok(Allocate::ZeroKeepSize)
    } else {
        Err(Fault::NotSupported)
    }
}

/// `SEEK_DATA` and `SEEK_HOLE` (linux/fs.h); the kernel does the others itself.
pub fn seek(whence: i32) -> Result<Seek, Fault> {
    match whence {
        3 => Ok(Seek::Data),
        4 => Ok(Seek::Hole),
        _ => Err(Fault::Invalid),
    }
}

/// Whether a mode given to mknod asks for a regular file (also said by no type at all, mknod(2)).
pub fn is_regular(mode: u32) -> bool {
    matches!(mode & 0o170_000, 0 | 0o100_000)
}

/// Our number of the kernel's.
pub fn ino(ino: INodeNo) -> Ino {
    Ino(ino.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_fault_has_its_own_errno() {
        // A new fault does not compile until `errno` knows it; here each is compared with what it should say.
        let table = [
            (Fault::NotFound, Errno::ENOENT),
            (Fault::Exists, Errno::EEXIST),
            (Fault::NotDir, Errno::ENOTDIR),
            (Fault::IsDir, Errno::EISDIR),
            (Fault::NotEmpty, Errno::ENOTEMPTY),
            (Fault::Invalid, Errno::EINVAL),
            (Fault::IllegalName, Errno::EILSEQ),
            (Fault::NameTooLong, Errno::ENAMETOOLONG),
            (Fault::NoSpace, Errno::ENOSPC),
            (Fault::ReadOnly, Errno::EROFS),
            (Fault::Denied, Errno::EACCES),
            (Fault::NotPermitted, Errno::EPERM),
            (Fault::BadHandle, Errno::EBADF),
            (Fault::TooBig, Errno::EFBIG),
            (Fault::NoData, Errno::ENXIO),
            (Fault::NotSupported, Errno::EOPNOTSUPP),
            (Fault::Offline, Errno::ENETUNREACH),
            (Fault::Io, Errno::EIO),
        ];
        let mut seen = std::collections::HashSet::new();
        for (fault, want) in table {
            assert_eq!(errno(fault), want, "{fault:?}");
            assert!(seen.insert(want.code()), "{fault:?} shares its errno");
        }
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        assert_eq!(name(OsStr::new("a")), Ok(Name::new("a").unwrap()));
        assert_eq!(name(OsStr::from_bytes(b"\xff")), Err(Fault::IllegalName));
        assert_eq!(name(OsStr::new(&"x".repeat(256))), Err(Fault::NameTooLong));
        assert_eq!(name(OsStr::new(".")), Err(Fault::Invalid));
    }

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        // What fuser makes of the kernel's seconds and nanoseconds.
        let from_wire = |secs: i64, nanos: u32| {
            TimeOrNow::SpecificTime(if secs >= 0 {
                UNIX_EPOCH + Duration::new(secs as u64, nanos)
            } else {
                UNIX_EPOCH - Duration::new(secs.unsigned_abs(), nanos)
            })
        };
        for (secs, nanos) in [(0, 0), (0, 1), (5, 999_999_999), (-1, 0), (-1, 1), (-2, 800_000_000)] {
            let want = Time(secs * 1_000_000_000 + i64::from(nanos));
            assert_eq!(time(from_wire(secs, nanos)), want, "{secs} s {nanos} ns");
        }
    }

    #[test]
    fn flags_become_choices() {
        let flags = |f: OFlags| open_options(OpenFlags(f.bits() as i32));
        assert_eq!(flags(OFlags::RDONLY), OpenOptions { read: true, write: false, truncate: false });
        assert_eq!(
            flags(OFlags::WRONLY | OFlags::TRUNC),
            OpenOptions { read: false, write: true, truncate: true }
        );
        assert_eq!(flags(OFlags::RDWR), OpenOptions { read: true, write: true, truncate: false });

        assert_eq!(rename_mode(RenameFlags::empty()), Ok(RenameMode::Replace));
        assert_eq!(rename_mode(RenameFlags::RENAME_NOREPLACE), Ok(RenameMode::NoReplace));
        assert_eq!(rename_mode(RenameFlags::RENAME_EXCHANGE), Ok(RenameMode::Exchange));
        assert_eq!(rename_mode(RenameFlags::RENAME_WHITEOUT), Err(Fault::Invalid));

        assert_eq!(allocate(0), Ok(Allocate::Extend));
        assert_eq!(allocate(1), Ok(Allocate::Reserve));
        assert_eq!(allocate(2), Err(Fault::NotSupported));
        assert_eq!(allocate(3), Ok(Allocate::PunchHole));
        assert_eq!(allocate(16), Ok(Allocate::Zero));
        assert_eq!(allocate(17), Ok(Allocate::ZeroKeepSize));
        assert_eq!(allocate(8), Err(Fault::NotSupported));

        assert_eq!(seek(3), Ok(Seek::Data));
        assert_eq!(seek(4), Ok(Seek::Hole));
        assert_eq!(seek(0), Err(Fault::Invalid));
    }

    #[test]
    fn only_regular_files_are_made() {
        assert!(is_regular(0o644) && is_regular(0o100_644));
        for special in [0o010_000, 0o020_000, 0o060_000, 0o140_000, 0o040_000] {
            assert!(!is_regular(special | 0o644));
        }
    }
}
