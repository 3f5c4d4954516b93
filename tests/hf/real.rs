//! Against the real Hub: only when asked for, with a token and the name of a bucket that may be written to.

use std::{fs::OpenOptions, os::unix::fs::FileExt};

use crate::support::{Machine, data, wait_for};

/// `HF_TOKEN` (and `HF_ENDPOINT`, if need be) count as for the program itself; what the test makes it removes.
#[test]
#[ignore = "needs HF_TOKEN and LACUNA_TEST_BUCKET=OWNER/NAME"]
fn the_real_hub_is_as_we_believe() {
    let bucket = std::env::var("LACUNA_TEST_BUCKET").expect("LACUNA_TEST_BUCKET=OWNER/NAME");
    let (seed, mut rng) = data::rng("real");
    let url = format!("hf://buckets/{bucket}/lacuna-test-{seed:x}");
    let (a, b) = (Machine::unmounted(&url), Machine::unmounted(&url));
    a.mount();
    let mut bytes = data::bytes(&mut rng, 8 << 20);
    std::fs::create_dir_all(a.mnt().join("dir/sub")).unwrap();
    std::fs::write(a.mnt().join("dir/file"), &bytes).unwrap();
    std::fs::write(a.mnt().join("dir/sub/ü #1%"), "small").unwrap();
    a.flush();
    b.mount();
    assert!(std::fs::read(b.mnt().join("dir/file")).unwrap() == bytes);
    let before = a.moved();
    let f = OpenOptions::new().write(true).open(a.mnt().join("dir/file")).unwrap();
    f.write_all_at(b"changed", 4 << 20).unwrap();
    drop(f);
    bytes[4 << 20..(4 << 20) + 7].copy_from_slice(b"changed");
    std::fs::rename(a.mnt().join("dir"), a.mnt().join("moved")).unwrap();
    a.flush();
    let after = a.moved();
    println!("an edit and a rename: {} up, {} down", after.0 - before.0, after.1 - before.1);
    wait_for("the other machine to see it", || {
        std::fs::read(b.mnt().join("moved/file")).is_ok_and(|read| read == bytes)
            && !b.mnt().join("dir").exists()
    });
    assert_eq!(std::fs::read(b.mnt().join("moved/sub/ü #1%")).unwrap(), b"small");
    std::fs::remove_dir_all(a.mnt().join("moved")).unwrap();
    a.flush();
    wait_for("nothing to be left", || std::fs::read_dir(b.mnt()).unwrap().count() == 0);
}
