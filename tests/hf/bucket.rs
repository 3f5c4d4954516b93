//! The ordinary life of a bucket: read what others wrote, write what they read.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, SystemTime},
};

use lacuna::control::api::{AgentSettings, Request};

use crate::{
    kit,
    support::{self, data, wait_for},
};

#[test]
fn what_is_written_is_at_the_hub_and_what_is_there_is_read() {
    let (_, mut rng) = data::rng("hf_bucket");
    let hub = kit::hub();
    let theirs = data::bytes(&mut rng, 3 << 20);
    hub.put_file(kit::BUCKET, "from/them/big.bin", theirs.clone()).unwrap();
    hub.put_file(kit::BUCKET, "empty", "").unwrap();
    let m = kit::machine(&hub);
    assert!(std::fs::read(m.mnt().join("from/them/big.bin")).unwrap() == theirs);
    assert_eq!(std::fs::read(m.mnt().join("empty")).unwrap(), b"");
    let ours = data::bytes(&mut rng, 2 << 20);
    std::fs::create_dir_all(m.mnt().join("from/us")).unwrap();
    std::fs::write(m.mnt().join("from/us/ü #1.bin"), &ours).unwrap();
    std::fs::write(m.mnt().join("none"), "").unwrap();
    m.flush();
    assert!(kit::at_hub(&hub) == kit::files(&m.mnt()));
    assert_eq!(kit::at_hub(&hub).len(), 4);
    let second = kit::machine(&hub);
    assert!(kit::files(&second.mnt()) == kit::files(&m.mnt()));
}

#[test]
fn what_the_hub_cannot_hold_stays_on_this_machine_over_restarts() {
    let hub = kit::hub();
    hub.put_file(kit::BUCKET, "theirs", "x").unwrap();
    let m = kit::machine(&hub);
    let at = |p: &str| m.mnt().join(p);
    std::fs::create_dir_all(at("empty/deep")).unwrap();
    std::fs::create_dir(at("dir")).unwrap();
    std::fs::write(at("dir/run"), "#!/bin/sh").unwrap();
    std::fs::set_permissions(at("dir/run"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(at("theirs"), PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("dir/run", at("link")).unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
    std::fs::File::options().write(true).open(at("dir/run")).unwrap().set_modified(then).unwrap();
    m.flush();
    let before = hub.counts().requests("/batch");

    let look = |m: &support::Machine| {
        let at = |p: &str| m.mnt().join(p);
        assert_eq!(kit::names(&m.mnt()), ["dir", "empty", "link", "theirs"]);
        assert_eq!(kit::names(&at("empty")), ["deep"]);
        assert_eq!(std::fs::read_link(at("link")).unwrap().to_str(), Some("dir/run"));
        assert_eq!(std::fs::metadata(at("dir/run")).unwrap().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::metadata(at("theirs")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(at("dir/run")).unwrap().modified().unwrap(), then);
    };
    look(&m);
    m.unmount();
    m.mount();
    look(&m);
    m.crash();
    look(&m);
    // A change of another client lets everything be compared; what is only here stays.
    hub.put_file(kit::BUCKET, "dir/new", "y").unwrap();
    wait_for("their file", || at("dir/new").exists());
    look(&m);
    // The last file of a folder goes; the folder stays, here.
    std::fs::remove_file(at("dir/run")).unwrap();
    std::fs::remove_file(at("dir/new")).unwrap();
    m.flush();
    assert_eq!(hub.tree(kit::BUCKET).len(), 1);
    assert!(hub.counts().requests("/batch") > before, "removals are sent");
    m.crash();
    assert_eq!(kit::names(&at("dir")), Vec::<String>::new());
    // Another machine sees what the Hub has, with its milliseconds.
    assert_eq!(kit::names(&kit::machine(&hub).mnt()), ["theirs"]);
}

#[test]
fn others_changes_arrive_with_a_feed_and_without() {
    for feed in [true, false] {
        let hub = kit::hub();
        hub.set_feed(feed);
        for (path, text) in [("a/one", "1"), ("a/two", "22"), ("b/three", "333"), ("top", "4444")] {
            hub.put_file(kit::BUCKET, path, text).unwrap();
        }
        let m = kit::machine(&hub);
        let at = |p: &str| m.mnt().join(p);
        assert_eq!(kit::files(&m.mnt()).len(), 4);
        hub.put_file(kit::BUCKET, "a/one", "1 changed").unwrap();
        hub.delete_file(kit::BUCKET, "b/three").unwrap();
        hub.rename_file(kit::BUCKET, "a/two", "a/moved").unwrap();
        hub.put_file(kit::BUCKET, "new/deep/er", "5").unwrap();
        wait_for("their changes", || {
            let files = kit::files(&m.mnt());
            kit::names(&m.mnt()) == ["a", "new", "top"] && files.len() == 4 && files == kit::at_hub(&hub)
        });
        assert_eq!(std::fs::read(at("a/one")).unwrap(), b"1 changed");
        assert_eq!(m.drive()["state"], "synced", "{}", m.drive());
        assert_eq!(hub.counts().requests("HEAD"), 0, "files are never asked for one by one");
    }
}

#[test]
fn a_folders_rename_moves_no_bytes() {
    let (_, mut rng) = data::rng("hf_rename");
    let hub = kit::hub();
    let paths = (0..1500).map(|i| format!("old/{}/f{i}", i % 7));
    kit::many(&hub, b"the same everywhere", paths);
    hub.put_file(kit::BUCKET, "old/big", data::bytes(&mut rng, 5 << 20)).unwrap();
    let m = kit::machine(&hub);
    let before = hub.counts();
    let want = hub.tree(kit::BUCKET);
    std::fs::rename(m.mnt().join("old"), m.mnt().join("new")).unwrap();
    m.flush();
    let moved = hub.counts().since(&before);
    let tree = hub.tree(kit::BUCKET);
    assert_eq!(tree.len(), 1501);
    for (path, file) in &tree {
        let was = &want[&path.replace("new/", "old/")];
        assert_eq!((&file.xet_hash, file.mtime), (&was.xet_hash, was.mtime), "{path}");
    }
    assert_eq!(moved.cas().up + moved.cas().down, 0, "{moved:?}");
    assert_eq!(moved.requests("/batch"), 4, "1501 additions and as many deletions, a thousand in a call");
    assert_eq!(kit::names(&m.mnt()), ["new"]);
    m.crash();
    assert_eq!(kit::names(&m.mnt().join("new")).len(), 8);
}

#[test]
fn a_copy_and_a_swap_send_nothing_twice() {
    let (_, mut rng) = data::rng("hf_copy");
    let hub = kit::hub();
    let (a, b) = (data::bytes(&mut rng, 4 << 20), data::bytes(&mut rng, 2 << 20));
    let m = kit::machine(&hub);
    let at = |p: &str| m.mnt().join(p);
    std::fs::write(at("a"), &a).unwrap();
    std::fs::write(at("b"), &b).unwrap();
    m.flush();
    let before = hub.counts();
    std::fs::copy(at("a"), at("copy")).unwrap();
    std::fs::rename(at("a"), at("x")).unwrap();
    std::fs::rename(at("b"), at("a")).unwrap();
    std::fs::rename(at("x"), at("b")).unwrap();
    m.flush();
    let moved = hub.counts().since(&before);
    assert!(moved.cas().up < 64 << 10, "{moved:?}");
    let there = kit::at_hub(&hub);
    assert!(there["a"] == b && there["b"] == a && there["copy"] == a && there.len() == 3);
}

#[test]
fn a_thousand_new_files_make_a_few_calls() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    m.ok(&["pause"]);
    std::fs::create_dir(m.mnt().join("many")).unwrap();
    for i in 0..1000 {
        std::fs::write(m.mnt().join(format!("many/{i}")), format!("{i} ").repeat(1000)).unwrap();
    }
    let before = hub.counts();
    m.ok(&["resume"]);
    m.flush();
    let moved = hub.counts().since(&before);
    assert_eq!(hub.tree(kit::BUCKET).len(), 1000);
    let all = moved.of("").requests;
    assert!(moved.requests("/batch") <= 3, "{moved:?}");
    assert!(all < 60, "{all} calls: {moved:?}");
    assert!(kit::at_hub(&hub).iter().all(|(path, bytes)| {
        let i = path.strip_prefix("many/").unwrap();
        *bytes == format!("{i} ").repeat(1000).into_bytes()
    }));
}

#[test]
fn a_folder_of_a_bucket_is_a_drive() {
    let hub = kit::hub();
    for path in ["top/a", "topper", "other/x", "top/sub/b"] {
        hub.put_file(kit::BUCKET, path, path).unwrap();
    }
    let m = kit::machine_at(&hub, "hf://buckets/ada/data/top");
    m.mount();
    assert_eq!(kit::names(&m.mnt()), ["a", "sub"]);
    std::fs::write(m.mnt().join("sub/c"), "new").unwrap();
    std::fs::remove_file(m.mnt().join("a")).unwrap();
    m.flush();
    let paths: Vec<String> = hub.tree(kit::BUCKET).into_keys().collect();
    assert_eq!(paths, ["other/x", "top/sub/b", "top/sub/c", "topper"]);
}

/// The limit counts for plain bytes and for the CAS, in both directions. (That bytes take at least so long
/// is no matter of how busy the machine is.)
#[test]
fn the_bandwidth_limit_is_kept() {
    const LIMIT: u64 = 2_000_000;
    let (_, mut rng) = data::rng("hf_bandwidth");
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let settings = AgentSettings { upload_limit: Some(LIMIT), download_limit: Some(LIMIT) };
    m.ask(Request::Configure { settings }).unwrap();
    let path = m.mnt().join("file");
    // Nothing of it can be compressed.
    let mut bytes = vec![0; 5_000_000];
    rand::RngCore::fill_bytes(&mut rng, &mut bytes);
    std::fs::write(&path, bytes).unwrap();
    let took = |what: &str, work: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        work();
        // A quarter of a second's worth may pass at once.
        assert!(start.elapsed().as_secs_f64() > 5_000_000.0 / LIMIT as f64 - 0.3, "{what}");
    };
    took("up", &mut || m.flush());
    m.evict(&path);
    took("down", &mut || drop(std::fs::read(&path).unwrap()));
    assert!(hub.read_file(kit::BUCKET, "file").unwrap() == std::fs::read(&path).unwrap());
}
