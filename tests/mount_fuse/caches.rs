//! What the kernel keeps, and what makes it forget.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
};

use lacuna::{
    node::{Ino, Name},
    vfs::Invalidate,
};

use crate::{Drive, eventually};

#[test]
fn an_invalidation_reaches_what_the_kernel_has_cached() {
    let drive = Drive::new();
    fs::write(drive.path("a"), "before").unwrap();
    let file = File::open(drive.path("a")).unwrap();
    let read = || {
        let mut text = [0; 6];
        file.read_exact_at(&mut text, 0).unwrap();
        text
    };
    assert_eq!(&read(), b"before");

    // Of the same length, so that only the invalidation can make a difference.
    let ino = drive.fs.change_behind("a", b"behind");
    assert_eq!(&read(), b"before", "the kernel keeps what it was not told to forget");
    drive.fs.emit(Invalidate::Node(ino));
    eventually("the open file shows the new bytes", || &read() == b"behind");

    let ino = drive.fs.change_behind("a", b"longer than before");
    drive.fs.emit(Invalidate::Node(ino));
    eventually("the new length shows", || fs::metadata(drive.path("a")).unwrap().len() == 18);
}

#[test]
fn an_open_after_an_invalidation_never_shows_old_bytes() {
    let drive = Drive::new();
    fs::write(drive.path("a"), "0000").unwrap();
    for i in 1..200 {
        let want = format!("{i:04}");
        let ino = drive.fs.change_behind("a", want.as_bytes());
        drive.fs.emit(Invalidate::Node(ino));
        assert_eq!(fs::read_to_string(drive.path("a")).unwrap(), want);
    }
}

#[test]
fn names_made_and_removed_elsewhere_show() {
    let drive = Drive::new();
    let path = drive.path("new");
    assert!(!path.exists());
    drive.fs.change_behind("new", b"x");
    assert!(path.exists(), "names that do not exist are not cached");

    drive.fs.remove_behind("new");
    assert!(path.exists(), "the kernel keeps the name until it is told");
    drive.fs.emit(Invalidate::Entry(Ino::ROOT, Name::new("new").unwrap()));
    eventually("the name is gone", || !path.exists());
}

#[test]
fn a_file_made_elsewhere_just_now_is_opened_and_not_refused() {
    let drive = Drive::new();
    let open = |name, exclusive| {
        drive.fs.change_behind(name, b"theirs");
        drive.fs.blind(name);
        let mut options = OpenOptions::new();
        options.append(true).read(true).create(true).create_new(exclusive);
        options.open(drive.path(name))
    };
    open("shared", false).unwrap().write_all(b" and ours").unwrap();
    assert_eq!(fs::read_to_string(drive.path("shared")).unwrap(), "theirs and ours");
    let refused = open("exclusive", true).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
}
