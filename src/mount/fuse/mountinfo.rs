//! `/proc/self/mountinfo` (proc_pid_mountinfo(5)): what is mounted where. Pure.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountPoint {
    /// Unique while mounted.
    pub id: u64,
    /// `major:minor` of what `stat` answers as device.
    pub device: String,
    /// Where.
    pub at: PathBuf,
    /// `ext4`, `fuse.lacuna`, ...
    pub fstype: String,
    /// `/dev/sda1`, `lacuna:NAME`, ...
    pub source: OsString,
}

/// All mounts, in the order they were made. Lines that make no sense are left out.
pub fn parse(text: &[u8]) -> Vec<MountPoint> {
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

/// What a path shows: of several mounts at one place the last hides the others.
pub fn at<'a>(mounts: &'a [MountPoint], path: &Path) -> Option<&'a MountPoint> {
    mounts.iter().rev().find(|m| m.at == path)
}

/// `id parent major:minor root mountpoint options [optional...] - fstype source superoptions`.
fn line(line: &[u8]) -> Option<MountPoint> {
    let mut fields = line.split(|b| *b == b' ');
    let id = text(fields.next()?)?.parse().ok()?;
    let _parent = fields.next()?;
    let device = text(fields.next()?)?.to_owned();
    let _root = fields.next()?;
    let at = PathBuf::from(unescape(fields.next()?));
    let _options = fields.next()?;
    fields.find(|f| *f == b"-")?;
    let fstype = String::from_utf8_lossy(unescape(fields.next()?).as_bytes()).into_owned();
    let source = unescape(fields.next()?);
    Some(MountPoint { id, device, at, fstype, source })
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

/// Blanks, tabs, newlines, backslashes (and `#`) come as a backslash and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if byte == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        match octal {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    OsString::from_vec(out)
}

impl MountPoint {
    /// What it is, for a person.
    pub fn describe(&self) -> String {
        let source: &OsStr = &self.source;
        format!("{} ({})", source.to_string_lossy(), self.fstype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"\
22 27 0:21 / /proc rw,nosuid - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
91 27 0:50 / /home/u/My\\040Drive\\134x rw,nosuid,nodev shared:7 master:2 - fuse.lacuna lacuna:a\\040b rw,user_id=1000
nonsense
95 27 0:51 / /mnt rw - tmpfs tmpfs rw
96 95 0:52 / /mnt rw - fuse.lacuna lacuna:top rw
97 27 0:53 / /bad\\9 rw - tmpfs none rw
";

    #[test]
    fn reads_every_field_and_octal_escapes() {
        let mounts = parse(SAMPLE);
        assert_eq!(mounts.len(), 6);
        assert_eq!(
            mounts[2],
            MountPoint {
                id: 91,
                device: "0:50".into(),
                at: "/home/u/My Drive\\x".into(),
                fstype: "fuse.lacuna".into(),
                source: "lacuna:a b".into(),
            }
        );
        assert_eq!(mounts[5].at, Path::new("/bad\\9"), "what is no escape stays");
    }

    #[test]
    fn the_last_mount_hides_the_others() {
        let mounts = parse(SAMPLE);
        assert_eq!(at(&mounts, Path::new("/mnt")).map(|m| m.id), Some(96));
        assert_eq!(at(&mounts, Path::new("/home")), None);
        assert_eq!(mounts[4].describe(), "lacuna:top (fuse.lacuna)");
    }

    #[test]
    fn reads_this_machine() {
        let mounts = parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        assert!(mounts.iter().any(|m| m.at == Path::new("/proc") && m.fstype == "proc"));
    }
}
