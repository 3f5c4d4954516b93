//! Repositories: read-only, plain files by ranges, moving branches followed, commits that never change.

use std::os::unix::fs::FileExt;

use lacuna_test_hub::{Act, Fault, Kind};

use crate::{
    kit,
    support::{data, wait_for},
};

#[test]
fn plain_files_and_files_of_the_cas_are_read_and_nothing_is_written() {
    let (_, mut rng) = data::rng("hf_repos");
    let hub = kit::hub();
    let (plain, big) = (data::bytes(&mut rng, 300_000), data::bytes(&mut rng, 6 << 20));
    for kind in [Kind::Model, Kind::Dataset, Kind::Space] {
        hub.repo(kind, "ada/repo");
        hub.put_plain(kind, "ada/repo", "main", "dir/config.json", plain.clone()).unwrap();
        hub.put_xet(kind, "ada/repo", "main", "big.bin", big.clone()).unwrap();
        let word = match kind {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
            Kind::Space => "spaces",
        };
        let m = kit::machine_at(&hub, &format!("hf://{word}/ada/repo"));
        m.mount();
        assert_eq!(kit::names(&m.mnt()), ["big.bin", "dir"]);
        let f = std::fs::File::open(m.mnt().join("dir/config.json")).unwrap();
        let mut part = vec![0; 1000];
        f.read_exact_at(&mut part, 250_000).unwrap();
        assert!(part == plain[250_000..251_000]);
        assert!(std::fs::read(m.mnt().join("dir/config.json")).unwrap() == plain);
        assert!(std::fs::read(m.mnt().join("big.bin")).unwrap() == big);
        let refused = std::fs::write(m.mnt().join("x"), "x").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(30), "read-only file system: {refused}");
    }
}

#[test]
fn a_branch_is_followed_and_a_commit_never_asked_about() {
    let hub = kit::hub();
    hub.repo(Kind::Model, "ada/repo");
    let first = hub.put_plain(Kind::Model, "ada/repo", "main", "a", "first").unwrap();
    let branch = kit::machine_at(&hub, "hf://models/ada/repo@main");
    let fixed = kit::machine_at(&hub, &format!("hf://models/ada/repo@{first}"));
    branch.mount();
    fixed.mount();
    assert_eq!(std::fs::read(branch.mnt().join("a")).unwrap(), b"first");
    hub.put_plain(Kind::Model, "ada/repo", "main", "a", "second, longer").unwrap();
    hub.put_plain(Kind::Model, "ada/repo", "main", "b", "new").unwrap();
    wait_for("the new commit", || branch.mnt().join("b").exists());
    // The kernel is told to forget what it has of the old one a moment after the new commit shows.
    wait_for("the new content", || std::fs::read(branch.mnt().join("a")).unwrap() == b"second, longer");
    assert_eq!(kit::names(&fixed.mnt()), ["a"]);
    assert_eq!(std::fs::read(fixed.mnt().join("a")).unwrap(), b"first");
    let asked = |hub: &lacuna_test_hub::Hub| hub.seen().iter().filter(|s| s.contains(&first)).count();
    let before = asked(&hub);
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(asked(&hub), before);
}

#[test]
fn a_connection_that_breaks_in_a_plain_file_is_made_again() {
    let hub = kit::hub();
    hub.repo(Kind::Dataset, "ada/repo");
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    hub.put_plain(Kind::Dataset, "ada/repo", "main", "file", bytes.clone()).unwrap();
    let m = kit::machine_at(&hub, "hf://datasets/ada/repo");
    m.mount();
    let _ = kit::names(&m.mnt());
    hub.fault(Fault::new(Act::Cut { after: 5000 }).on("GET", "/resolve/").times(2));
    assert!(std::fs::read(m.mnt().join("file")).unwrap() == bytes);
    assert!(hub.faults().is_empty());
}
