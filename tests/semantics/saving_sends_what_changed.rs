//! Promise 2: a flush moves, up and down together, at most the dirty bytes, 4 chunks for each dirty
//! range, and metadata. 1 KiB in the middle of 200 MB: under 512 KiB in all.

use std::{fs::OpenOptions, os::unix::fs::FileExt};

use crate::support::{Bucket, Machine, data};

const SIZE: usize = 200 << 20;
/// Under this, bytes, up and down together, for a single edit.
const BAR: u64 = 512 << 10;

#[test]
fn saving_sends_what_changed() {
    let (_, mut rng) = data::rng("saving_sends_what_changed");
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    let mut content = data::bytes(&mut rng, SIZE);
    std::fs::write(writer.mnt().join("big"), &content).unwrap();
    writer.flush();
    drop(writer);

    // Each edit from a machine with an empty cache that has never seen the file.
    let edit = |what: &str, content: &[u8], f: &dyn Fn(&std::fs::File)| {
        let m = Machine::new(&bucket);
        let path = m.mnt().join("big");
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let before = m.moved();
        f(&file);
        drop(file);
        m.flush();
        let after = m.moved();
        let (up, down) = (after.0 - before.0, after.1 - before.1);
        println!("{what}: {up} up, {down} down; receipt {}", m.info(&path)["receipt"]);
        assert!(up + down < BAR, "{what}: {up} up and {down} down, over {BAR}");
        let second = Machine::new(&bucket);
        let read = std::fs::read(second.mnt().join("big")).unwrap();
        assert!(read == content, "{what}: read back from a second machine it is other");
    };

    let new = data::bytes(&mut rng, 1024);
    content[SIZE / 2..SIZE / 2 + 1024].copy_from_slice(&new);
    edit("1 KiB in the middle", &content, &|f| f.write_all_at(&new, SIZE as u64 / 2).unwrap());

    let at = content.len() as u64;
    content.extend_from_slice(&new);
    edit("1 KiB appended", &content, &|f| f.write_all_at(&new, at).unwrap());

    content.truncate(SIZE / 2);
    edit("truncated to half", &content, &|f| f.set_len(SIZE as u64 / 2).unwrap());
}

#[test]
fn a_rewrite_and_rename_sends_what_changed() {
    let (_, mut rng) = data::rng("a_rewrite_and_rename");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let (path, temp) = (m.mnt().join("doc"), m.mnt().join("doc.tmp"));
    let mut content = data::bytes(&mut rng, 60 << 20);
    std::fs::write(&path, &content).unwrap();
    m.flush();
    let before = m.moved();
    content[30 << 20..(30 << 20) + 1024].fill(7);
    std::fs::write(&temp, &content).unwrap();
    std::fs::rename(&temp, &path).unwrap();
    m.flush();
    let after = m.moved();
    let moved = after.0 - before.0 + after.1 - before.1;
    println!("saved by rewrite and rename: {moved} bytes");
    assert!(moved < 1 << 20, "{moved} bytes for 1 KiB in 60 MB");
    let second = Machine::new(&bucket);
    assert!(std::fs::read(second.mnt().join("doc")).unwrap() == content);
}

/// A save leaves a receipt that adds up.
#[test]
fn a_save_leaves_a_receipt() {
    let (_, mut rng) = data::rng("receipt");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let path = m.mnt().join("file");
    std::fs::write(&path, data::bytes(&mut rng, 8 << 20)).unwrap();
    m.flush();
    let f = OpenOptions::new().write(true).open(&path).unwrap();
    f.write_all_at(b"changed", 4 << 20).unwrap();
    drop(f);
    m.flush();
    let info = m.info(&path);
    let get = |k: &str| info["receipt"][k].as_u64().unwrap_or_else(|| panic!("no {k} in {info}"));
    assert_eq!(info["state"], "synced");
    assert_eq!(get("changed"), 7);
    assert!(get("sent") > 0 && get("sent") < 512 << 10, "{info}");
    assert!(get("reused") > 7 << 20, "{info}");
}
