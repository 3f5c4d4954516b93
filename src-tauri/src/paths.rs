//! Which paths the page may have opened: drives and what is in them.

use std::path::{Component, Path, PathBuf};

use lacuna::{
    control::api::Status,
    error::{Error, Kind, Result},
};

use crate::words::{Words, fill};

/// A path as it is opened, if it is a drive's mount point or below one.
///
/// # Errors
/// [`Kind::Denied`] for any other path, and for one with `..` in it.
pub fn in_a_drive(status: Option<&Status>, path: &str, words: &Words) -> Result<PathBuf> {
    let path = Path::new(path);
    let plain = path.components().all(|c| !matches!(c, Component::ParentDir | Component::CurDir));
    let drives = status.map_or(&[][..], |s| &s.drives);
    if path.is_absolute() && plain && drives.iter().any(|d| path.starts_with(&d.mountpoint)) {
        return Ok(path.to_owned());
    }
    Err(Error::new(Kind::Denied, &words.not_your_drive)
        .remedy(&words.not_your_drive_remedy)
        .at(path.display()))
}

/// Where a node of a drive is on this machine. `path` is from the drive's root.
pub fn of_node(status: Option<&Status>, drive: &str, path: &str, words: &Words) -> Result<PathBuf> {
    let drives = status.map_or(&[][..], |s| &s.drives);
    let drive = drives
        .iter()
        .find(|d| d.name == drive)
        .ok_or_else(|| Error::new(Kind::NotFound, &words.no_such_drive).at(drive))?;
    let below = Path::new(path);
    if below.components().any(|c| !matches!(c, Component::Normal(_))) {
        return Err(Error::new(Kind::Denied, &words.not_your_drive)
            .remedy(&words.not_your_drive_remedy)
            .at(path));
    }
    Ok(Path::new(&drive.mountpoint).join(below))
}

/// A folder that the page may have made: named in full.
pub fn absolute(path: &str, words: &Words) -> Result<PathBuf> {
    let given = Path::new(path);
    if given.is_absolute() {
        return Ok(given.to_owned());
    }
    let example = std::env::home_dir().unwrap_or_default().join("Lacuna").display().to_string();
    Err(Error::new(Kind::Invalid, &words.not_absolute)
        .remedy(fill(&words.not_absolute_remedy, &[("example", &example)]))
        .at(path))
}

#[cfg(test)]
mod tests {
    use lacuna::control::api::{DriveState, DriveStatus};

    use super::*;
    use crate::words::Language;

    fn status() -> Status {
        let drive = |name, at| DriveStatus::new(name, "store:/b", at, DriveState::Synced);
        Status { version: 1, drives: vec![drive("a", "/home/u/Lacuna"), drive("b", "/mnt/b")] }
    }

    #[test]
    fn only_drives_and_what_is_below_can_be_opened() {
        let words = Language::English.words();
        let status = status();
        let open = |path| in_a_drive(Some(&status), path, words);
        for good in ["/home/u/Lacuna", "/home/u/Lacuna/", "/home/u/Lacuna/x/y.txt", "/mnt/b"] {
            assert_eq!(open(good).unwrap(), Path::new(good));
        }
        for bad in [
            "/home/u/Lacuna2",
            "/home/u",
            "/",
            "",
            "home/u/Lacuna",
            "/home/u/Lacuna/../.ssh/id",
            "/mnt/b/..",
            "file:///mnt/b",
        ] {
            assert_eq!(open(bad).unwrap_err().kind(), Kind::Denied, "{bad}");
        }
        assert!(in_a_drive(None, "/mnt/b", words).is_err());
    }

    #[test]
    fn a_node_is_below_its_drive() {
        let words = Language::English.words();
        let status = status();
        let node = |drive, path| of_node(Some(&status), drive, path, words);
        assert_eq!(node("b", "x/y").unwrap(), Path::new("/mnt/b/x/y"));
        assert_eq!(node("b", "").unwrap(), Path::new("/mnt/b"));
        assert_eq!(node("c", "x").unwrap_err().kind(), Kind::NotFound);
        for bad in ["../x", "/etc/passwd", "x/../../y"] {
            assert_eq!(node("b", bad).unwrap_err().kind(), Kind::Denied, "{bad}");
        }
    }

    #[test]
    fn a_folder_is_named_in_full() {
        let words = Language::English.words();
        assert_eq!(absolute("/x/y", words).unwrap(), Path::new("/x/y"));
        assert!(absolute("x", words).is_err() && absolute("", words).is_err());
    }
}
