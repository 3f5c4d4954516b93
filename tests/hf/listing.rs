//! Listings: lazy, each page once, and of what is sent only what can be believed.

use lacuna_test_hub::Operation;

use crate::{kit, support::wait_for};

#[test]
fn each_page_is_fetched_once_and_mounting_waits_for_none() {
    let hub = kit::hub();
    hub.set_page(250);
    let paths = (0..12_000).map(|i| format!("d{}/e{}/file {i}", i % 4, i % 12));
    kit::many(&hub, b"content", paths);
    hub.forget_counts();
    let m = kit::machine(&hub);
    assert_eq!(hub.counts().requests("/tree"), 0, "nobody has looked yet");
    assert_eq!(kit::names(&m.mnt()), ["d0", "d1", "d2", "d3"]);
    assert_eq!(hub.counts().requests("/tree"), 1);
    let list = || {
        let out = std::process::Command::new("ls").arg("-lR").arg(m.mnt()).output().unwrap();
        assert!(out.status.success());
        String::from_utf8_lossy(&out.stdout).lines().filter(|l| l.contains("file ")).count()
    };
    assert_eq!(list(), 12_000);
    // The root, 4 folders of 3, and 12 of 1,000 in 4 pages each.
    assert_eq!(hub.counts().requests("/tree"), 1 + 4 + 12 * 4);
    assert_eq!(list(), 12_000);
    m.crash();
    assert_eq!(list(), 12_000);
    assert_eq!(hub.counts().requests("/tree"), 1 + 4 + 12 * 4, "what is known is not asked for again");
    assert_eq!(hub.counts().requests("HEAD") + hub.counts().cas().requests, 0);
}

#[test]
fn only_folders_that_changed_are_listed_again_where_there_is_a_feed() {
    let hub = kit::hub();
    kit::many(&hub, b"content", (0..40).map(|i| format!("d{i}/f")));
    let m = kit::machine(&hub);
    assert_eq!(kit::files(&m.mnt()).len(), 40);
    wait_for("the feed", || hub.counts().requests("/events") > 0);
    // What was before the feed was ready is compared once.
    std::thread::sleep(std::time::Duration::from_secs(2));
    hub.put_file(kit::BUCKET, "first", "1").unwrap();
    wait_for("the first", || m.mnt().join("first").exists());
    let before = hub.counts();
    hub.put_file(kit::BUCKET, "d7/new", "x").unwrap();
    wait_for("the new file", || m.mnt().join("d7/new").exists());
    let listings = hub.counts().since(&before).requests("/tree");
    assert!((1..=2).contains(&listings), "{listings} listings");
    // Our own batches are told of too, and are no news.
    let before = hub.counts();
    std::fs::write(m.mnt().join("d8/ours"), "y").unwrap();
    m.flush();
    std::thread::sleep(std::time::Duration::from_secs(7));
    assert_eq!(hub.counts().since(&before).requests("/tree"), 0);
}

#[test]
fn a_key_that_is_a_file_and_a_folder_is_a_file() {
    let hub = kit::hub();
    kit::many(&hub, b"content", ["both", "both/x", "ok"].into_iter().map(str::to_owned));
    let m = kit::machine(&hub);
    assert_eq!(kit::names(&m.mnt()), ["both", "ok"]);
    assert_eq!(std::fs::read(m.mnt().join("both")).unwrap(), b"content");
    hub.mutate(kit::BUCKET, vec![Operation::DeleteFile { path: "both".into() }]).unwrap();
    wait_for("the folder", || m.mnt().join("both/x").exists());
}
