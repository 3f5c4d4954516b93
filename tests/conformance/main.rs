//! The file system testers of crates.io on a drive with a bucket behind it.

#[path = "../support/mod.rs"]
mod support;

use support::{
    Bucket, Machine,
    conformance::{check_pjdfstest, run_fsx, run_fsx_through},
};

/// Beside reads, writes and truncations, by mapping too.
const EXTRA: &str =
    "posix_fallocate = 1\npunch_hole = 1\nsendfile = 1\nposix_fadvise = 1\ncopy_file_range = 1";

#[test]
fn fsx_finds_nothing() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    for seed in [1, 2, 3] {
        run_fsx(&m.mnt(), seed, 20_000, EXTRA).unwrap();
    }
}

/// fsx is stopped again and again, its file flushed and evicted, and fsx goes on: so its bytes go through
/// the bucket.
#[test]
fn fsx_finds_nothing_through_the_bucket() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let rounds = run_fsx_through(&m, 7, 2_000, EXTRA).unwrap();
    let received = m.moved().1;
    println!("{rounds} rounds of flush and evict, {received} bytes came back");
    assert!(rounds >= 5 && received > 0, "{rounds} rounds and {received} bytes prove nothing");
}

#[test]
fn pjdfstest_finds_nothing() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    check_pjdfstest(&m.mnt());
}
