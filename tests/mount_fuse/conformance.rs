//! The testers of crates.io on the adapter alone.

use crate::{
    Drive,
    support::conformance::{run_fsx, run_pjdfstest},
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
    let report = run_pjdfstest(&drive.at, &[]).unwrap();
    println!("{}", report.text);
    assert_eq!(report.surprises(), Vec::<String>::new());
    // An ordinary user can run few of the cases.
    let least = if rustix::process::geteuid().is_root() { 200 } else { 1 };
    assert!(report.passed >= least, "only {} passed", report.passed);
}
