//! Names, folders, links.

use std::{
    collections::HashSet,
    fs::{self, File},
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, RenameFlags, renameat_with},
    io::Errno,
};

use crate::Drive;

#[test]
fn folders_and_links_are_made_and_removed() {
    let drive = Drive::new();
    fs::create_dir_all(drive.path("a/b/c")).unwrap();
    fs::write(drive.path("a/b/c/file"), "x").unwrap();
    symlink("b/c/file", drive.path("a/link")).unwrap();
    assert_eq!(fs::read_link(drive.path("a/link")).unwrap().to_str(), Some("b/c/file"));
    assert_eq!(fs::read_to_string(drive.path("a/link")).unwrap(), "x");
    assert_eq!(fs::metadata(drive.path("a")).unwrap().nlink(), 3);
    assert_eq!(fs::metadata(&drive.at).unwrap().ino(), 1);

    let e = fs::remove_dir(drive.path("a/b")).unwrap_err();
    assert_eq!(e.raw_os_error(), Some(Errno::NOTEMPTY.raw_os_error()));
    let e = fs::create_dir(drive.path("a/b")).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::AlreadyExists);
    fs::remove_dir_all(drive.path("a")).unwrap();
    assert_eq!(fs::read_dir(&drive.at).unwrap().count(), 0);
}

#[test]
fn renames_replace_refuse_or_exchange() {
    let drive = Drive::new();
    let (a, b, dir) = (drive.path("a"), drive.path("b"), drive.path("dir"));
    fs::write(&a, "a").unwrap();
    fs::write(&b, "b").unwrap();
    fs::create_dir(&dir).unwrap();
    let rename = |from: &Path, to: &Path, flags| renameat_with(CWD, from, CWD, to, flags);

    assert_eq!(rename(&a, &b, RenameFlags::NOREPLACE), Err(Errno::EXIST));
    rename(&a, &b, RenameFlags::EXCHANGE).unwrap();
    assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (b"b".to_vec(), b"a".to_vec()));
    rename(&a, &dir, RenameFlags::EXCHANGE).unwrap();
    assert!(a.is_dir() && dir.is_file(), "a file and a folder change places");
    rename(&a, &dir, RenameFlags::EXCHANGE).unwrap();
    assert_eq!(rename(&a, &b, RenameFlags::WHITEOUT), Err(Errno::INVAL));

    rename(&a, &b, RenameFlags::empty()).unwrap();
    assert_eq!(fs::read(&b).unwrap(), b"b");
    assert!(!a.exists());
    rename(&b, &dir.join("c"), RenameFlags::NOREPLACE).unwrap();
    assert_eq!(rename(&dir, &dir.join("inside"), RenameFlags::empty()), Err(Errno::INVAL));
    assert_eq!(fs::read(dir.join("c")).unwrap(), b"b");
}

#[test]
fn a_big_folder_is_listed_exactly_once_while_entries_go() {
    let drive = Drive::new();
    for i in 0..10_000 {
        File::create(drive.path(&format!("file-{i:05}"))).unwrap();
    }
    let mut seen = HashSet::new();
    let mut gone = HashSet::new();
    for (n, entry) in fs::read_dir(&drive.at).unwrap().enumerate() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(seen.insert(name), "listed twice");
        // One that was listed and one from the end of the folder, which may have been listed or not.
        if n % 10 == 0 {
            for i in [n, 9_999 - n / 2] {
                let name = format!("file-{i:05}");
                if fs::remove_file(drive.path(&name)).is_ok() {
                    gone.insert(name);
                }
            }
        }
    }
    assert!(gone.len() > 1_000);
    let missed: Vec<_> = (0..10_000)
        .map(|i| format!("file-{i:05}"))
        .filter(|name| !seen.contains(name) && !gone.contains(name))
        .collect();
    assert_eq!(missed, Vec::<String>::new());

    let left: HashSet<_> =
        fs::read_dir(&drive.at).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left.len(), 10_000 - gone.len());
}

#[test]
fn the_two_dots_are_this_folder_and_the_one_above() {
    let drive = Drive::new();
    fs::create_dir_all(drive.path("a/b")).unwrap();
    let dir = rustix::fs::Dir::new(File::open(drive.path("a/b")).unwrap()).unwrap();
    let found: Vec<_> = dir
        .map(|e| e.unwrap())
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.ino(), e.file_type()))
        .collect();
    let ino = |name| fs::metadata(drive.path(name)).unwrap().ino();
    let want = vec![
        (".".to_owned(), ino("a/b"), FileType::Directory),
        ("..".to_owned(), ino("a"), FileType::Directory),
    ];
    assert_eq!(found, want);
}

#[test]
fn what_the_drive_does_not_have_is_refused_as_the_manual_says() {
    let drive = Drive::new();
    let path = drive.path("a");
    File::create(&path).unwrap();
    let mode = Mode::from_raw_mode(0o644);
    let fifo = rustix::fs::mknodat(CWD, drive.path("fifo"), FileType::Fifo, mode, 0);
    assert_eq!(fifo, Err(Errno::PERM));
    let e = fs::hard_link(&path, drive.path("b")).unwrap_err();
    assert_eq!(e.raw_os_error(), Some(Errno::PERM.raw_os_error()));
    let set = || rustix::fs::setxattr(&path, "user.a", b"v", rustix::fs::XattrFlags::empty());
    assert_eq!((set(), set()), (Err(Errno::OPNOTSUPP), Err(Errno::OPNOTSUPP)));
    rustix::fs::mknodat(CWD, drive.path("plain"), FileType::RegularFile, mode, 0).unwrap();
    assert!(drive.path("plain").is_file());

    let name = |bytes: &[u8]| {
        use std::os::unix::ffi::OsStrExt;
        File::create(drive.at.join(std::ffi::OsStr::from_bytes(bytes)))
            .map(drop)
            .map_err(|e| e.raw_os_error())
    };
    assert_eq!(name(b"\xff"), Err(Some(Errno::ILSEQ.raw_os_error())));
    assert_eq!(name(&[b'x'; 256]), Err(Some(Errno::NAMETOOLONG.raw_os_error())));
    assert_eq!(name(&[b'x'; 255]), Ok(()));
}

#[test]
fn a_folder_with_the_set_group_id_bit_gives_its_group() {
    let drive = Drive::new();
    let dir = drive.path("shared");
    fs::create_dir(&dir).unwrap();
    let group = fs::metadata(&dir).unwrap().gid();
    rustix::fs::chmod(&dir, Mode::from_raw_mode(0o2775)).unwrap();
    fs::create_dir(dir.join("below")).unwrap();
    File::create(dir.join("file")).unwrap();
    assert_eq!(fs::metadata(dir.join("below")).unwrap().mode() & 0o2000, 0o2000);
    assert_eq!(fs::metadata(dir.join("file")).unwrap().gid(), group);
}

#[test]
fn sizes_of_the_drive_are_told() {
    let drive = Drive::new();
    let f = rustix::fs::statvfs(&drive.at).unwrap();
    assert_eq!((f.f_bsize, f.f_frsize, f.f_namemax), (4096, 4096, 255));
    assert_eq!((f.f_blocks, f.f_bavail), (1 << 30, 1 << 29));
    assert!(f.f_ffree > 0);
}
