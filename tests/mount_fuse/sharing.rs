//! Several programs at once.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    sync::mpsc,
};

use rustix::fs::FlockOperation;

use crate::{Drive, again, role, support::testfs::SLOW};

const LOCKS: &str = "sharing::locks_hold_between_programs";

/// Exit codes of the other program.
const FREE: i32 = 10;
const HELD: i32 = 11;

#[test]
fn locks_hold_between_programs() {
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    if let Some((role, path)) = role() {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let got = match role.as_str() {
            "flock" => rustix::fs::flock(&file, exclusive),
            _ => rustix::fs::fcntl_lock(&file, exclusive),
        };
        std::process::exit(if got.is_ok() { FREE } else { HELD });
    }
    let drive = Drive::new();
    let path = drive.path("locked");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.unwrap();
    let other = |role| again(LOCKS, role, &path).status().unwrap().code();

    assert_eq!(other("flock"), Some(FREE));
    rustix::fs::flock(&file, exclusive).unwrap();
    assert_eq!(other("flock"), Some(HELD));
    rustix::fs::flock(&file, FlockOperation::Unlock).unwrap();
    assert_eq!(other("flock"), Some(FREE));

    assert_eq!(other("fcntl"), Some(FREE));
    rustix::fs::fcntl_lock(&file, exclusive).unwrap();
    assert_eq!(other("fcntl"), Some(HELD));
    rustix::fs::fcntl_lock(&file, FlockOperation::Unlock).unwrap();
    assert_eq!(other("fcntl"), Some(FREE));
}

#[test]
fn slow_reads_hold_up_nobody_else() {
    let drive = Drive::new();
    let n = 40; // more than there are threads that answer the kernel
    fs::write(drive.path("quick"), "quick").unwrap();
    drive.fs.change_behind(SLOW, &vec![b's'; n << 20]);
    let file = File::open(drive.path(SLOW)).unwrap();
    let (send, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for i in 0..n {
            let (file, send) = (&file, send.clone());
            scope.spawn(move || {
                let mut byte = [0];
                file.read_exact_at(&mut byte, (i << 20) as u64).unwrap();
                send.send(byte[0]).unwrap();
            });
        }
        assert!(done.try_recv().is_err(), "they wait");
        assert_eq!(fs::read_dir(&drive.at).unwrap().count(), 2);
        assert_eq!(fs::read_to_string(drive.path("quick")).unwrap(), "quick");
        fs::write(drive.path("other"), "written meanwhile").unwrap();
        File::open(drive.path("other")).unwrap().sync_all().unwrap();
        assert_eq!(fs::metadata(drive.path(SLOW)).unwrap().len(), (n << 20) as u64);
        fs::rename(drive.path("other"), drive.path("another")).unwrap();
        assert!(done.try_recv().is_err(), "they still wait");

        drive.fs.let_go(100_000);
        for _ in 0..n {
            assert_eq!(done.recv().unwrap(), b's');
        }
    });
}

#[test]
fn big_requests_reach_the_drive_whole() {
    let drive = Drive::new();
    let file = File::create(drive.path("a")).unwrap();
    assert_eq!(rustix::io::write(&file, &vec![1; 4 << 20]).unwrap(), 4 << 20);
    assert_eq!(drive.fs.largest_write(), 1 << 20);
}
