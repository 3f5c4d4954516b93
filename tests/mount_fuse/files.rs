//! Bytes and attributes of one file.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Mode, SeekFrom as Whence, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};

use crate::Drive;

fn both() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true).clone()
}

#[test]
fn what_is_written_is_read() {
    let drive = Drive::new();
    let path = drive.path("a");
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    fs::write(&path, &data).unwrap();
    assert_eq!(fs::read(&path).unwrap(), data);
    assert_eq!(drive.fs.content("a"), data, "no write-back cache: it is in the file system already");

    let file = both().open(&path).unwrap();
    file.write_all_at(b"hello", 1_000_000).unwrap();
    let mut five = [0; 5];
    file.read_exact_at(&mut five, 1_000_000).unwrap();
    assert_eq!(&five, b"hello");
    assert_eq!(file.read_at(&mut five, 2_999_998).unwrap(), 2, "short only at the end");
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    File::open(&drive.at).unwrap().sync_all().unwrap();
}

#[test]
fn truncating_and_growing_give_zeros() {
    let drive = Drive::new();
    let path = drive.path("a");
    fs::write(&path, [7; 10_000]).unwrap();
    let file = both().open(&path).unwrap();
    file.set_len(5_000).unwrap();
    file.set_len(9_000).unwrap();
    let mut want = vec![7; 5_000];
    want.resize(9_000, 0);
    assert_eq!(fs::read(&path).unwrap(), want);
    assert_eq!(drive.fs.content("a"), want);
    drop(file);

    File::create(&path).unwrap().write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new", "O_TRUNC leaves nothing");
}

#[test]
fn appending_from_two_handles_loses_nothing() {
    let drive = Drive::new();
    let path = drive.path("log");
    let open = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let (mut a, mut b) = (open(), open());
    for i in 0..200 {
        a.write_all(format!("a{i:03}\n").as_bytes()).unwrap();
        b.write_all(format!("b{i:03}\n").as_bytes()).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let want: String = (0..200).map(|i| format!("a{i:03}\nb{i:03}\n")).collect();
    assert_eq!(text, want);
}

#[test]
fn mappings_read_and_write() {
    let drive = Drive::new();
    let path = drive.path("a");
    fs::write(&path, [1; 20_000]).unwrap();
    let file = both().open(&path).unwrap();
    // SAFETY: the file is this test's own and is not cut while it is mapped.
    let mut map = unsafe { memmap2::MmapMut::map_mut(&file).unwrap() };
    assert!(map.iter().all(|b| *b == 1));
    map[12_345] = 9;
    map.flush().unwrap();
    assert_eq!(drive.fs.content("a")[12_345], 9, "msync brings it to the file system");
    map[0] = 8;
    // SAFETY: as above.
    let other = unsafe { memmap2::Mmap::map(&file).unwrap() };
    assert_eq!((other[0], other[12_345]), (8, 9));
    drop((map, other, file));
    assert_eq!(fs::read(&path).unwrap()[0], 8);
}

#[test]
fn a_mapping_of_a_file_that_is_open_for_appending_writes_in_place() {
    let drive = Drive::new();
    let path = drive.path("a");
    fs::write(&path, [1; 8192]).unwrap();
    let file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
    // SAFETY: the file is this test's own and is not cut while it is mapped.
    let mut map = unsafe { memmap2::MmapMut::map_mut(&file).unwrap() };
    map[100] = 5;
    map.flush().unwrap();
    let content = drive.fs.content("a");
    assert_eq!((content.len(), content[100]), (8192, 5));
}

#[test]
fn an_unlinked_file_lives_while_it_is_open() {
    let drive = Drive::new();
    let path = drive.path("a");
    let mut file = both().open(&path).unwrap();
    file.write_all(b"still").unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!path.exists());
    file.write_all(b" here").unwrap();
    file.set_len(8).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still he");
    assert_eq!((file.metadata().unwrap().len(), file.metadata().unwrap().nlink()), (8, 0));
    drop(file);
    crate::eventually("the orphan is let go", || drive.fs.leftovers().0 == 0);
}

#[test]
fn holes_are_made_and_found() {
    let drive = Drive::new();
    let file = both().open(drive.path("a")).unwrap();
    file.write_all_at(&[3; 40_960], 0).unwrap();
    let allocate = |how, at, len| rustix::fs::fallocate(&file, how, at, len);
    let keep = FallocateFlags::KEEP_SIZE;
    allocate(FallocateFlags::PUNCH_HOLE | keep, 8192, 8192).unwrap();
    allocate(FallocateFlags::ZERO_RANGE, 36_864, 12_288).unwrap();
    allocate(keep, 0, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 49_152);
    allocate(FallocateFlags::empty(), 0, 50_000).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 50_000);
    assert_eq!(allocate(FallocateFlags::COLLAPSE_RANGE, 0, 4096), Err(rustix::io::Errno::OPNOTSUPP));

    let mut want = vec![3; 50_000];
    want[8192..16_384].fill(0);
    want[36_864..].fill(0);
    assert_eq!(fs::read(drive.path("a")).unwrap(), want);
    let seek = |whence| rustix::fs::seek(&file, whence);
    assert_eq!(seek(Whence::Hole(0)), Ok(8192));
    assert_eq!(seek(Whence::Data(8192)), Ok(16_384));
    assert_eq!(seek(Whence::Data(50_000)), Err(rustix::io::Errno::NXIO));
    assert_eq!(seek(Whence::End(0)), Ok(50_000));
}

#[test]
fn copies_within_the_drive_fall_back_to_reading_and_writing() {
    let drive = Drive::new();
    fs::write(drive.path("a"), [5; 300_000]).unwrap();
    assert_eq!(fs::copy(drive.path("a"), drive.path("b")).unwrap(), 300_000);
    assert_eq!(drive.fs.content("b"), [5; 300_000]);
}

#[test]
fn times_go_to_the_nanosecond_and_before_1970() {
    let drive = Drive::new();
    let path = drive.path("a");
    File::create(&path).unwrap();
    let set = |atime: Timespec, mtime: Timespec| {
        let times = Timestamps { last_access: atime, last_modification: mtime };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
        let m = fs::metadata(&path).unwrap();
        ((m.atime(), m.atime_nsec()), (m.mtime(), m.mtime_nsec()))
    };
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let omit = time(0, UTIME_OMIT);
    for (s, n) in [(0, 0), (1_700_000_000, 123_456_789), (-1, 999_999_999), (-2, 1), (-3, 0)] {
        assert_eq!(set(time(s, n as _), time(s + 7, n as _)), ((s, n), (s + 7, n)));
    }
    let before = set(time(5, 6), time(7, 8));
    assert_eq!(set(omit, omit), before);
    let (atime, (now, _)) = set(omit, time(0, UTIME_NOW));
    assert_eq!(atime, (5, 6));
    assert!(now > 1_700_000_000);
}

#[test]
fn modes_follow_the_umask_and_writing_takes_set_id_bits_away() {
    let drive = Drive::new();
    let path = drive.path("a");
    let file = rustix::fs::open(
        &path,
        rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY,
        Mode::from_raw_mode(0o666),
    );
    drop(file.unwrap());
    // Tests run side by side in one process: read the umask where it is shown instead of setting it.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|l| l.strip_prefix("Umask:")).unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o666 & !umask);

    fs::set_permissions(&path, PermissionsExt::from_mode(0o6777)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o6777);
    let me = fs::metadata(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(me.uid()), Some(me.gid())).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o777, "a new owner takes them away");
}
