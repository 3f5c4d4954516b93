//! A drive takes no more of this machine's disk than its limit, by bytes that can be fetched again.

use std::{
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use crate::support::{Bucket, Machine, data, wait_for};

const MB: u64 = 1 << 20;

/// Bytes that the staged files take on the disk.
fn allocated(m: &Machine) -> u64 {
    let dir = m.home().join("drives/test/staging");
    let files = std::fs::read_dir(dir).unwrap().flatten();
    // One may go while it is looked at.
    files.filter_map(|e| e.metadata().ok()).map(|m| m.blocks() * 512).sum()
}

fn cached(m: &Machine) -> u64 {
    m.drive()["cache"]["bytes"].as_u64().unwrap()
}

fn fill(bucket: &Bucket, files: &[(&str, &[u8])]) {
    let writer = Machine::new(bucket);
    for (name, content) in files {
        std::fs::write(writer.mnt().join(name), content).unwrap();
    }
    writer.flush();
}

fn limited(bucket: &Bucket, limit: &str) -> Machine {
    let m = Machine::unmounted(&bucket.url()).with(&["--cache-limit", limit]);
    m.mount();
    m
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn reading_more_than_the_limit_keeps_it_and_drops_what_was_not_used_for_long() {
    let (_, mut rng) = data::rng("cache_limit");
    let bucket = Bucket::new();
    let contents: Vec<Vec<u8>> = (0..8).map(|_| data::bytes(&mut rng, 4 << 20)).collect();
    let names: Vec<String> = (0..8).map(|n| format!("file {n}")).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().zip(&contents).map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    fill(&bucket, &files);

    let m = limited(&bucket, "12MiB");
    assert_eq!(m.drive()["cache"]["limit"], 12 * MB);
    for (name, content) in &files {
        assert!(read(&m.mnt().join(name)) == *content, "{name}");
        // The first is used again and again.
        let first = std::fs::File::open(m.mnt().join("file 0")).unwrap();
        first.read_at(&mut [0; 4096], 0).unwrap();
        assert!(cached(&m) <= 12 * MB, "after {name}: {}", cached(&m));
        assert!(allocated(&m) <= 13 * MB, "after {name}: {} on the disk", allocated(&m));
    }
    let here = m.list("");
    assert!(here["file 7"].present == 4 * MB && here["file 1"].present == 0, "{here:?}");
    assert_eq!(here["file 0"].present, 4 * MB, "used a moment ago: {here:?}");
    // What was dropped is fetched again.
    assert!(read(&m.mnt().join("file 1")) == contents[1]);
    // A file that nobody uses and that has nothing here takes nothing at all.
    m.evict(&m.mnt());
    wait_for("room", || cached(&m) == 0);
    assert!(allocated(&m) <= 256 << 10, "{}", allocated(&m));
    assert!(read(&m.mnt().join("file 2")) == contents[2]);
}

#[test]
fn a_file_larger_than_the_limit_is_read_through() {
    let (_, mut rng) = data::rng("larger_than_limit");
    let bucket = Bucket::new();
    let content = data::bytes(&mut rng, 40 << 20);
    fill(&bucket, &[("big", &content)]);
    // Also where not even one piece fits.
    for limit in ["8MiB", "100KB", "0"] {
        let m = limited(&bucket, limit);
        let most = m.drive()["cache"]["limit"].as_u64().unwrap();
        let file = std::fs::File::open(m.mnt().join("big")).unwrap();
        let mut part = vec![0; 1 << 20];
        for at in (0..40).map(|n| n << 20) {
            file.read_exact_at(&mut part, at).unwrap();
            assert!(part == content[at as usize..at as usize + part.len()], "{limit}: at {at}");
            assert!(cached(&m) <= most, "{limit}: {} at {at}", cached(&m));
            assert!(allocated(&m) <= most + MB, "{limit}: {} on the disk at {at}", allocated(&m));
        }
        let (_, received) = m.moved();
        assert!(received < 64 << 20, "{limit}: {received} bytes came for {}", content.len());
    }
}

#[test]
fn changed_bytes_are_never_dropped_and_count() {
    let (_, mut rng) = data::rng("dirty_over_limit");
    let bucket = Bucket::new();
    let old = data::bytes(&mut rng, 4 << 20);
    fill(&bucket, &[("old", &old)]);
    let m = limited(&bucket, "6MiB");
    assert!(read(&m.mnt().join("old")) == old);
    m.ok(&["pause"]);
    let new = data::bytes(&mut rng, 16 << 20);
    std::fs::write(m.mnt().join("new"), &new).unwrap();
    // What can be fetched again makes way for it.
    wait_for("the clean bytes to go", || m.list("")["old"].present == 0);
    let here = m.list("");
    assert_eq!((here["new"].present, here["new"].dirty), (16 * MB, 16 * MB));
    assert!(read(&m.mnt().join("old")) == old, "it is read without being kept");
    assert!(read(&m.mnt().join("new")) == new);
    m.crash();
    assert_eq!(m.list("")["new"].dirty, 16 * MB);
    m.ok(&["resume"]);
    m.flush();
    // Now the remote has them, so they may go.
    wait_for("the limit", || cached(&m) <= 6 * MB);
    assert!(allocated(&m) <= 7 * MB, "{}", allocated(&m));
    assert!(read(&m.mnt().join("new")) == new);
    let second = Machine::new(&bucket);
    assert!(read(&second.mnt().join("new")) == new);
}

#[test]
fn the_limit_can_be_changed_and_stays() {
    let (_, mut rng) = data::rng("limit_changes");
    let bucket = Bucket::new();
    let content = data::bytes(&mut rng, 8 << 20);
    fill(&bucket, &[("file", &content)]);
    let m = Machine::new(&bucket);
    assert!(read(&m.mnt().join("file")) == content);
    assert_eq!((m.drive()["cache"]["limit"].as_u64(), cached(&m)), (Some(20 << 30), 8 * MB));
    m.ask(lacuna::control::api::Request::CacheLimit { drive: "test".into(), bytes: Some(2 << 20) }).unwrap();
    wait_for("the new limit", || cached(&m) <= 2 * MB);
    m.crash();
    assert_eq!(m.drive()["cache"]["limit"].as_u64(), Some(2 << 20));
    assert!(read(&m.mnt().join("file")) == content);
    assert!(cached(&m) <= 2 * MB);
}
