//! Promise 1: open, for reading or writing, moves no file bytes, for 100 GB as for 1 KB.

use std::fs::OpenOptions;

use crate::support::{Bucket, Machine, data, wait_for};

#[test]
fn opening_is_free() {
    let (_, mut rng) = data::rng("opening_is_free");
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    std::fs::write(writer.mnt().join("small"), data::bytes(&mut rng, 1024)).unwrap();
    std::fs::write(writer.mnt().join("big"), data::bytes(&mut rng, 40 << 20)).unwrap();
    writer.flush();

    let reader = Machine::new(&bucket);
    wait_for("the listing", || std::fs::read_dir(reader.mnt()).unwrap().count() == 2);
    let before = reader.moved();
    for name in ["small", "big"] {
        let path = reader.mnt().join(name);
        for _ in 0..20 {
            drop(OpenOptions::new().read(true).open(&path).unwrap());
            drop(OpenOptions::new().read(true).write(true).open(&path).unwrap());
            drop(OpenOptions::new().append(true).open(&path).unwrap());
        }
        assert_eq!(reader.info(&path)["present"].as_array().unwrap().len(), 0, "{name}");
    }
    assert_eq!(reader.moved(), before, "bytes (sent, received)");
}

/// The length of a file costs nothing either: 100 GB that nobody wrote are made, opened and changed
/// without anything of that size being stored or sent.
#[test]
fn a_sparse_giant_is_no_heavier_to_open() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let path = m.mnt().join("giant");
    let f = OpenOptions::new().create_new(true).write(true).open(&path).unwrap();
    f.set_len(100 << 30).unwrap();
    drop(f);
    // Its zeros are chunked when it is sent, which is not what is looked at here.
    m.ok(&["pause"]);
    let before = m.moved();
    for _ in 0..20 {
        drop(OpenOptions::new().read(true).write(true).open(&path).unwrap());
    }
    assert_eq!(m.moved(), before, "bytes (sent, received)");
    assert!(std::fs::metadata(&path).unwrap().len() == 100 << 30);
    let stored: u64 = walk(&m.home());
    assert!(stored < 64 << 20, "the cache took {stored} bytes of disk");
}

fn walk(dir: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for e in std::fs::read_dir(dir).unwrap().flatten() {
        let m = e.path().symlink_metadata().unwrap();
        total += if m.is_dir() { walk(&e.path()) } else { m.blocks() * 512 };
    }
    total
}
