//! Promise 4: shrink-then-grow and write-past-the-end give zeros, never old content; what nobody wrote
//! is what the base holds.

use std::{fs::OpenOptions, os::unix::fs::FileExt};

use crate::support::{Bucket, Machine, data};

#[test]
fn a_hole_is_never_data() {
    let (_, mut rng) = data::rng("hole");
    let bucket = Bucket::new();
    let base = data::bytes(&mut rng, 2 << 20);
    let writer = Machine::new(&bucket);
    for name in ["shrink", "past", "middle", "punch"] {
        std::fs::write(writer.mnt().join(name), &base).unwrap();
    }
    writer.flush();
    drop(writer);

    let m = Machine::new(&bucket);
    let open = |name: &str| OpenOptions::new().read(true).write(true).open(m.mnt().join(name)).unwrap();
    let mut want = std::collections::BTreeMap::new();

    let f = open("shrink");
    f.set_len(700_000).unwrap();
    f.set_len(1_500_000).unwrap();
    let mut w = base[..700_000].to_vec();
    w.resize(1_500_000, 0);
    want.insert("shrink", w);

    let f = open("past");
    f.write_all_at(b"x", (3 << 20) + 5).unwrap();
    let mut w = base.clone();
    w.resize((3 << 20) + 5, 0);
    w.push(b'x');
    want.insert("past", w);

    let f = open("middle");
    f.write_all_at(b"abc", 1_000_001).unwrap();
    let mut w = base.clone();
    w[1_000_001..1_000_004].copy_from_slice(b"abc");
    want.insert("middle", w);

    let f = open("punch");
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&f, flags, 300_000, 400_000).unwrap();
    let mut w = base.clone();
    w[300_000..700_000].fill(0);
    want.insert("punch", w);

    for (name, w) in &want {
        assert!(std::fs::read(m.mnt().join(name)).unwrap() == *w, "{name}: read where it was written");
    }
    m.crash();
    for (name, w) in &want {
        assert!(std::fs::read(m.mnt().join(name)).unwrap() == *w, "{name}: read after a crash");
    }
    m.flush();
    let second = Machine::new(&bucket);
    for (name, w) in &want {
        assert!(std::fs::read(second.mnt().join(name)).unwrap() == *w, "{name}: read elsewhere");
    }
}
