//! Two machines on one bucket, and a bucket that is away for a while.

use std::{fs::OpenOptions, io::Read, os::unix::fs::FileExt};

use crate::support::{Bucket, Machine, data, wait_for};

#[test]
fn changes_show_elsewhere_by_themselves() {
    let bucket = Bucket::new();
    let (a, b) = (Machine::new(&bucket), Machine::new(&bucket));
    std::fs::create_dir(a.mnt().join("dir")).unwrap();
    std::fs::write(a.mnt().join("dir/file"), "one").unwrap();
    a.flush();
    wait_for("the new file", || std::fs::read(b.mnt().join("dir/file")).is_ok_and(|c| c == b"one"));

    // The kernel's caches of names, attributes and bytes are told, also of an open file.
    let mut open = std::fs::File::open(b.mnt().join("dir/file")).unwrap();
    std::fs::write(a.mnt().join("dir/file"), "two, longer").unwrap();
    a.flush();
    wait_for("the new content", || {
        std::fs::read(b.mnt().join("dir/file")).is_ok_and(|c| c == b"two, longer")
    });
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!(text, "two, longer");

    std::fs::rename(a.mnt().join("dir"), a.mnt().join("renamed")).unwrap();
    a.flush();
    wait_for("the rename", || b.mnt().join("renamed/file").exists() && !b.mnt().join("dir").exists());
    std::fs::remove_dir_all(a.mnt().join("renamed")).unwrap();
    a.flush();
    wait_for("the removal", || std::fs::read_dir(b.mnt()).unwrap().count() == 0);
}

#[test]
fn while_the_bucket_is_away_work_goes_on() {
    let (_, mut rng) = data::rng("offline");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let content = data::bytes(&mut rng, 1 << 20);
    std::fs::write(m.mnt().join("here"), &content).unwrap();
    std::fs::write(m.mnt().join("evicted"), &content).unwrap();
    m.flush();
    m.evict(&m.mnt().join("evicted"));

    let away = bucket.dir.path().join("away");
    std::fs::rename(bucket.path(), &away).unwrap();
    assert!(std::fs::read(m.mnt().join("here")).unwrap() == content, "what is present stays usable");
    std::fs::write(m.mnt().join("new"), "made offline").unwrap();
    OpenOptions::new()
        .write(true)
        .open(m.mnt().join("evicted"))
        .unwrap()
        .write_all_at(b"edit", 500_000)
        .unwrap();
    wait_for("the drive to say that it is offline", || m.drive()["state"] == "offline");
    let out = m.lacuna(&["flush"]);
    assert!(!out.status.success(), "flush can't have worked");
    assert_ne!(m.drive()["pending"]["files"], 0);
    wait_for("a hole to be an error", || match std::fs::read(m.mnt().join("evicted")) {
        Err(_) => true,
        // Until the kernel has forgotten what it had in memory, that may still be read.
        Ok(read) => {
            assert!(read[..500_000] == content[..500_000], "a hole was handed out as data");
            false
        }
    });

    std::fs::rename(&away, bucket.path()).unwrap();
    wait_for("it to go up by itself", || m.drive()["state"] == "synced");
    let second = Machine::new(&bucket);
    assert_eq!(std::fs::read(second.mnt().join("new")).unwrap(), b"made offline");
    let mut want = content;
    want[500_000..500_004].copy_from_slice(b"edit");
    assert!(std::fs::read(second.mnt().join("evicted")).unwrap() == want);
}

/// What people do between two machines without thinking: both make files, at once, in one folder.
#[test]
fn two_machines_fill_one_folder() {
    let bucket = Bucket::new();
    let (a, b) = (Machine::new(&bucket), Machine::new(&bucket));
    std::thread::scope(|s| {
        for (m, tag) in [(&a, "a"), (&b, "b")] {
            s.spawn(move || {
                for i in 0..50 {
                    std::fs::write(m.mnt().join(format!("{tag}{i}")), format!("{tag} {i}")).unwrap();
                    if i % 10 == 9 {
                        m.flush();
                    }
                }
            });
        }
    });
    for m in [&a, &b] {
        wait_for("all files", || std::fs::read_dir(m.mnt()).unwrap().count() == 100);
        for i in 0..50 {
            for tag in ["a", "b"] {
                assert_eq!(
                    std::fs::read_to_string(m.mnt().join(format!("{tag}{i}"))).unwrap(),
                    format!("{tag} {i}")
                );
            }
        }
        assert_eq!(m.drive()["problems"].as_array().map(Vec::len), Some(0), "{}", m.drive());
    }
}
