//! What goes wrong on a person's machine: each has a clear error with its remedy, and nothing is lost.

use std::{path::Path, process::Command};

use crate::support::{Bucket, Machine, data, run, text, wait_for};

/// The mount is refused, by this exit code, with words of the cause and of the remedy.
fn refused(m: &Machine, words: &[&str]) {
    let out = m.try_mount();
    let said = text(&out);
    assert_eq!(out.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.to_lowercase().contains(&word.to_lowercase()), "{word:?} is not in: {said}");
    }
}

#[test]
fn mount_points_that_will_not_do() {
    let bucket = Bucket::new();
    let m = Machine::unmounted(&bucket.url());
    std::fs::write(m.mnt().join("mine"), "x").unwrap();
    refused(&m, &["not empty"]);
    assert_eq!(std::fs::read(m.mnt().join("mine")).unwrap(), b"x");
    std::fs::remove_file(m.mnt().join("mine")).unwrap();
    std::fs::remove_dir(m.mnt()).unwrap();
    refused(&m, &["does not exist", "mkdir"]);
    std::fs::write(m.mnt(), "a file").unwrap();
    refused(&m, &["not a folder"]);
    std::fs::remove_file(m.mnt()).unwrap();
    std::fs::create_dir(m.mnt()).unwrap();
    run(Path::new("/"), "mount", &["-t", "tmpfs", "tmpfs", m.mnt().to_str().unwrap()]);
    refused(&m, &["already", "mount"]);
    run(Path::new("/"), "umount", &[m.mnt().to_str().unwrap()]);
    m.mount();
}

#[test]
fn buckets_that_will_not_do() {
    let dir = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("store:{}", dir.path().join(name).display());
    refused(&Machine::unmounted(&url("missing")), &["missing", "lacuna store init"]);
    std::fs::write(dir.path().join("file"), "x").unwrap();
    refused(&Machine::unmounted(&url("file")), &["file"]);
    std::fs::create_dir(dir.path().join("photos")).unwrap();
    std::fs::write(dir.path().join("photos/a.jpg"), "x").unwrap();
    refused(&Machine::unmounted(&url("photos")), &["photos"]);
    refused(&Machine::unmounted("ftp://example"), &["ftp"]);
    assert_eq!(
        std::fs::read_dir(dir.path().join("photos")).unwrap().count(),
        1,
        "nothing was written into it"
    );
}

#[test]
fn a_bucket_of_a_newer_format() {
    let bucket = Bucket::new();
    let marker = bucket.path().join("lacuna.json");
    let json = std::fs::read_to_string(&marker).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json["format"] = 999.into();
    std::fs::write(&marker, json.to_string()).unwrap();
    refused(&Machine::unmounted(&bucket.url()), &["newer", "update"]);
}

/// One object of `folder`, the largest.
fn object(bucket: &Bucket, folder: &str) -> std::path::PathBuf {
    let mut found = Vec::new();
    let mut todo = vec![bucket.path().join(folder)];
    while let Some(dir) = todo.pop() {
        for e in std::fs::read_dir(dir).unwrap().flatten() {
            let m = e.metadata().unwrap();
            if m.is_dir() { todo.push(e.path()) } else { found.push((m.len(), e.path())) }
        }
    }
    found.into_iter().max().expect("an object").1
}

#[test]
fn damaged_and_missing_objects() {
    let (_, mut rng) = data::rng("damaged");
    for folder in ["xorbs", "shards"] {
        let bucket = Bucket::new();
        let writer = Machine::new(&bucket);
        let content = data::bytes(&mut rng, 1 << 20);
        std::fs::write(writer.mnt().join("file"), &content).unwrap();
        std::fs::write(writer.mnt().join("other"), "small, in the same bucket").unwrap();
        writer.flush();
        drop(writer);
        let victim = object(&bucket, folder);
        let whole = std::fs::read(&victim).unwrap();

        std::fs::remove_file(&victim).unwrap();
        let m = Machine::new(&bucket);
        wait_for("the listing", || m.mnt().join("file").exists());
        assert!(
            std::fs::read(m.mnt().join("file")).is_err(),
            "{folder}: a missing object is an error, never zeros"
        );
        let check = m.lacuna(&["store", "check", bucket.path().to_str().unwrap()]);
        assert_eq!(check.status.code(), Some(1), "{}", text(&check));
        drop(m);

        let mut damaged = whole.clone();
        for i in (0..damaged.len()).step_by(997) {
            damaged[i] ^= 0x55;
        }
        std::fs::write(&victim, damaged).unwrap();
        let m = Machine::new(&bucket);
        let read = std::fs::read(m.mnt().join("file"));
        // Of a shard not every byte is needed to read a file; of a xorb every one is.
        assert!(
            read.is_err() || (folder == "shards" && read.is_ok_and(|r| r == content)),
            "{folder}: damage was handed out"
        );
        drop(m);

        std::fs::write(&victim, whole).unwrap();
        let m = Machine::new(&bucket);
        assert!(std::fs::read(m.mnt().join("file")).unwrap() == content, "mended, it is whole again");
    }
}

#[test]
fn a_damaged_commit_is_said_and_nothing_is_built_on_it() {
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    std::fs::write(writer.mnt().join("file"), "x").unwrap();
    writer.flush();
    drop(writer);
    let commit = object(&bucket, "commits");
    let whole = std::fs::read(&commit).unwrap();
    std::fs::write(&commit, &whole[..whole.len() / 2]).unwrap();
    let m = Machine::unmounted(&bucket.url());
    let out = m.try_mount();
    if out.status.success() {
        wait_for("the problem", || m.drive()["state"] == "problem");
        assert!(m.drive()["problems"].to_string().contains("damaged"), "{}", m.drive());
    } else {
        assert!(text(&out).contains("damaged"), "{}", text(&out));
    }
}

/// A small file system of its own, so that it can be full. Unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn new(megabytes: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        run(Path::new("/"), "mount", &["-t", "tmpfs", "-o", &size, "tmpfs", dir.path().to_str().unwrap()]);
        Small(dir)
    }

    fn grow(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        run(Path::new("/"), "mount", &["-o", &size, self.0.path().to_str().unwrap()]);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_bucket_waits_for_room() {
    let (_, mut rng) = data::rng("full_bucket");
    let small = Small::new(4);
    let path = small.0.path().join("bucket");
    let any = Machine::unmounted("store:/nowhere");
    any.ok(&["store", "init", path.to_str().unwrap()]);
    let m = Machine::unmounted(&format!("store:{}", path.display()));
    m.mount();
    let content = data::bytes(&mut rng, 12 << 20);
    std::fs::write(m.mnt().join("big"), &content).unwrap();
    let out = m.lacuna(&["flush"]);
    assert!(!out.status.success(), "12 MB can't be in a bucket of 4");
    wait_for("the problem", || m.drive()["state"] == "problem");
    assert!(m.drive()["problems"].to_string().to_lowercase().contains("space"), "{}", m.drive());
    assert!(std::fs::read(m.mnt().join("big")).unwrap() == content, "nothing is lost meanwhile");
    small.grow(64);
    wait_for("it to go on by itself", || m.drive()["state"] == "synced");
    let second = Machine::unmounted(&format!("store:{}", path.display()));
    second.mount();
    assert!(std::fs::read(second.mnt().join("big")).unwrap() == content);
}

#[test]
fn a_full_cache_says_so_to_the_program() {
    let (_, mut rng) = data::rng("full_cache");
    let bucket = Bucket::new();
    let m = Machine::unmounted(&bucket.url());
    std::fs::create_dir(m.home()).unwrap();
    run(Path::new("/"), "mount", &["-t", "tmpfs", "-o", "size=24m", "tmpfs", m.home().to_str().unwrap()]);
    m.mount();
    let content = data::bytes(&mut rng, 40 << 20);
    let error = std::fs::write(m.mnt().join("big"), &content).expect_err("40 MB can't be in a cache of 24");
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NOSPC.raw_os_error()), "{error}");
    let full = |m: &Machine| {
        let problems = m.drive()["problems"].clone();
        problems.as_array().unwrap().iter().find(|p| p["code"] == "disk-full").cloned()
    };
    assert_eq!(full(&m).expect("it is shown, too")["action"], "evict");
    std::fs::remove_file(m.mnt().join("big")).unwrap();
    wait_for("the problem to be over", || full(&m).is_none());
    let half = &content[..8 << 20];
    // The kernel tells of the last close a moment later; then the room is free.
    wait_for("room", || std::fs::write(m.mnt().join("half"), half).is_ok());
    m.flush();
    let second = Machine::new(&bucket);
    assert!(std::fs::read(second.mnt().join("half")).unwrap() == half, "it goes on when there is room");
    m.kill();
    let _ = Command::new("umount").arg("-l").arg(m.mnt()).status();
    run(Path::new("/"), "umount", &["-l", m.home().to_str().unwrap()]);
}

#[test]
fn two_agents_with_one_home() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let out = m.lacuna(&["agent"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    assert!(text(&out).contains("another agent"), "{}", text(&out));
    assert_eq!(m.drive()["name"], "test", "the first one goes on");
}

#[test]
fn exit_codes() {
    let bucket = Bucket::new();
    let m = Machine::unmounted(&bucket.url());
    assert_eq!(m.lacuna(&["status"]).status.code(), Some(3), "no agent");
    assert_eq!(m.lacuna(&["no-such-command"]).status.code(), Some(2), "usage");
    m.mount();
    assert_eq!(m.lacuna(&["status"]).status.code(), Some(0));
    m.ok(&["pause"]);
    std::fs::write(m.mnt().join("x"), "x").unwrap();
    assert_eq!(m.lacuna(&["flush"]).status.code(), Some(4), "still pending");
    m.ok(&["resume"]);
    m.flush();
}

#[test]
fn names_that_no_one_can_keep() {
    use std::os::unix::ffi::OsStrExt;
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let bad = std::ffi::OsStr::from_bytes(b"latin-1 \xe9");
    let e = std::fs::write(m.mnt().join(bad), "x").expect_err("not UTF-8");
    assert_eq!(e.raw_os_error(), Some(rustix::io::Errno::ILSEQ.raw_os_error()));
    let e = std::fs::write(m.mnt().join("x".repeat(256)), "x").expect_err("too long");
    assert_eq!(e.raw_os_error(), Some(rustix::io::Errno::NAMETOOLONG.raw_os_error()));
    std::fs::write(m.mnt().join("x".repeat(255)), "x").unwrap();
}

/// A folder seen a second time, to be read only. Unmounted when dropped.
struct Seen(tempfile::TempDir);

impl Seen {
    fn read_only(folder: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_str().unwrap();
        run(Path::new("/"), "mount", &["--bind", folder.to_str().unwrap(), at]);
        run(Path::new("/"), "mount", &["-o", "remount,bind,ro", at]);
        Seen(dir)
    }

    fn let_write(&self) {
        run(Path::new("/"), "mount", &["-o", "remount,bind,rw", self.0.path().to_str().unwrap()]);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_read_only_bucket_is_read_and_what_is_written_waits() {
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    std::fs::write(writer.mnt().join("there"), "before").unwrap();
    writer.flush();
    let seen = Seen::read_only(&bucket.path());
    let m = Machine::unmounted(&format!("store:{}", seen.0.path().display()));
    m.mount();
    assert_eq!(std::fs::read(m.mnt().join("there")).unwrap(), b"before");
    std::fs::write(m.mnt().join("new"), "waits").unwrap();
    let out = m.lacuna(&["flush"]);
    assert!(!out.status.success(), "{}", text(&out));
    wait_for("the problem", || m.drive()["state"] == "problem");
    let problem = m.drive()["problems"][0].clone();
    assert_eq!(problem["code"], "read-only", "{problem}");
    assert!(problem["remedy"].as_str().is_some_and(|r| !r.is_empty()), "{problem}");
    assert_eq!(std::fs::read(m.mnt().join("new")).unwrap(), b"waits", "nothing is lost meanwhile");
    seen.let_write();
    m.flush();
    wait_for("the other machine to see it", || {
        std::fs::read(writer.mnt().join("new")).is_ok_and(|c| c == b"waits")
    });
    wait_for("the problem to be gone", || m.drive()["state"] == "synced");
}

/// Promise 8: neither a kill nor an unmount nor a wish for space makes a problem or what it is about go away.
#[test]
fn problems_stay_until_they_are_solved() {
    let (_, mut rng) = data::rng("problems_stay");
    let bucket = Bucket::new();
    let seen = Seen::read_only(&bucket.path());
    let m = Machine::unmounted(&format!("store:{}", seen.0.path().display()));
    m.mount();
    let path = m.mnt().join("unsent");
    let content = data::bytes(&mut rng, 3 << 20);
    std::fs::write(&path, &content).unwrap();
    let stands = |what: &str| {
        assert!(!m.lacuna(&["flush"]).status.success(), "{what}: it can't be sent");
        wait_for("the problem", || m.drive()["state"] == "problem");
        let problem = m.drive()["problems"][0].clone();
        assert_eq!(problem["code"], "read-only", "{what}: {problem}");
        for said in ["cause", "remedy"] {
            assert!(problem[said].as_str().is_some_and(|text| !text.is_empty()), "{what}: {said}: {problem}");
        }
        assert!(
            m.drive()["pending"]["bytes"].as_u64().is_some_and(|n| n >= 3 << 20),
            "{what}: {}",
            m.drive()
        );
        assert!(std::fs::read(&path).unwrap() == content, "{what}: the bytes are here");
    };
    stands("at first");
    m.kill();
    m.mount();
    stands("after a kill");
    m.unmount();
    m.mount();
    stands("after an unmount");
    m.evict(&path);
    m.evict(&m.mnt());
    stands("after all was freed that could be");
    seen.let_write();
    m.flush();
    wait_for("the problem to be gone", || m.drive()["state"] == "synced");
    assert_eq!(m.drive()["problems"], serde_json::json!([]));
    assert!(std::fs::read(Machine::new(&bucket).mnt().join("unsent")).unwrap() == content);
}
