//! Promise 3, the half of `kill -9`: what an operation answered OK to is there after the process is
//! killed. (`tests/crash` does it a hundred times at random moments.)

use std::{
    fs::OpenOptions,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt},
};

use crate::support::{Bucket, Machine, data};

#[test]
fn an_acknowledged_write_survives_kill_9() {
    let (_, mut rng) = data::rng("acknowledged");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let at = |p: &str| m.mnt().join(p);
    let base = data::bytes(&mut rng, 3 << 20);
    std::fs::write(at("base"), &base).unwrap();
    std::fs::write(at("gone"), "x").unwrap();
    m.flush();

    // Nothing of this is flushed: the drive is paused.
    m.ok(&["pause"]);
    let mut want = base.clone();
    let f = OpenOptions::new().read(true).write(true).open(at("base")).unwrap();
    f.write_all_at(b"hello", 1 << 20).unwrap();
    want[1 << 20..(1 << 20) + 5].copy_from_slice(b"hello");
    f.set_len(2 << 20).unwrap();
    want.truncate(2 << 20);
    f.write_all_at(b"end", 4 << 20).unwrap();
    want.resize(4 << 20, 0);
    want.extend_from_slice(b"end");
    std::fs::create_dir_all(at("dir/sub")).unwrap();
    std::fs::write(at("dir/sub/new"), "new").unwrap();
    std::fs::rename(at("dir/sub"), at("moved")).unwrap();
    std::fs::remove_file(at("gone")).unwrap();
    std::os::unix::fs::symlink("moved/new", at("link")).unwrap();
    std::fs::set_permissions(at("moved/new"), std::fs::Permissions::from_mode(0o640)).unwrap();

    m.crash();
    let look = |m: &Machine| {
        let at = |p: &str| m.mnt().join(p);
        assert!(std::fs::read(at("base")).unwrap() == want, "the edited file is other");
        assert_eq!(std::fs::read(at("link")).unwrap(), b"new");
        assert_eq!(std::fs::metadata(at("moved/new")).unwrap().mode() & 0o777, 0o640);
        assert!(!at("gone").exists() && !at("dir/sub").exists() && at("dir").is_dir());
    };
    look(&m);
    assert_ne!(m.drive()["pending"]["files"], 0, "the queue goes on after the crash");
    m.ok(&["resume"]);
    m.flush();
    look(&Machine::new(&bucket));
}
