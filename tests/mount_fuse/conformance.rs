//! The testers of crates.io on the adapter alone.

use crate::{
    Drive,
    support::conformance::{check_pjdfstest, run_fsx},
};

#[test]
fn fsx_finds_nothing() {
    let drive = Drive::new();
    let extra = "posix_fallocate = 1\npunch_hole = 1\nsendfile = 1\nposix_fadvise = 1\ncopy_file_range = 1";
    run_fsx(&drive.at, 1, 5_000, extra).unwrap();
}

#[test]
fn pjdfstest_finds_nothing() {
    let drive = Drive::new();
    check_pjdfstest(&drive.at);
}
