//! What is pinned is on this machine: fetched, kept, and fetched again when others change it.

use lacuna::control::api::Request;

use crate::support::{Bucket, Machine, data, text, wait_for};

const MB: u64 = 1 << 20;

fn pin(m: &Machine, path: &str) {
    m.ok(&["pin", m.mnt().join(path).to_str().unwrap()]);
}

fn unpin(m: &Machine, path: &str) {
    m.ok(&["unpin", m.mnt().join(path).to_str().unwrap()]);
}

/// Waits until all of a file is here.
fn whole(m: &Machine, folder: &str, name: &str, size: u64) {
    wait_for(&format!("all of {name}"), || {
        m.list(folder).get(name).is_some_and(|e| e.size == size && e.present == size)
    });
}

#[test]
fn a_pinned_folder_is_fetched_and_follows_the_bucket() {
    let (_, mut rng) = data::rng("pinned_folder");
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    std::fs::create_dir_all(writer.mnt().join("music/deep")).unwrap();
    let (a, b) = (data::bytes(&mut rng, 6 << 20), data::bytes(&mut rng, 2 << 20));
    std::fs::write(writer.mnt().join("music/a"), &a).unwrap();
    std::fs::write(writer.mnt().join("music/deep/b"), &b).unwrap();
    std::fs::write(writer.mnt().join("other"), &a).unwrap();
    writer.flush();

    // More is pinned than the limit allows.
    let m = Machine::unmounted(&bucket.url()).with(&["--cache-limit", "4MiB"]);
    m.mount();
    pin(&m, "music");
    whole(&m, "music", "a", 6 * MB);
    whole(&m, "music/deep", "b", 2 * MB);
    let other = &m.list("")["other"];
    assert_eq!((other.present, other.pinned), (0, false));
    assert!(m.list("")["music"].pinned && m.list("music/deep")["b"].pinned);
    assert_eq!(m.info(&m.mnt().join("music/a"))["pinned"], true);
    assert_eq!(m.drive()["cache"]["pinned"], 8 * MB);

    // It is changed elsewhere, and there is something new.
    let (a2, c) = (data::bytes(&mut rng, 3 << 20), data::bytes(&mut rng, 1 << 20));
    std::fs::write(writer.mnt().join("music/a"), &a2).unwrap();
    std::fs::write(writer.mnt().join("music/deep/c"), &c).unwrap();
    writer.flush();
    whole(&m, "music", "a", 3 * MB);
    whole(&m, "music/deep", "c", MB);

    // Nothing else pushes it out, and it is not evicted.
    assert!(std::fs::read(m.mnt().join("other")).unwrap() == a);
    let out = m.lacuna(&["evict", m.mnt().join("music/deep/b").to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out).contains("pinned") && text(&out).contains("unpin 'music'"), "{}", text(&out));
    m.evict(&m.mnt());
    for (folder, name, size) in [("music", "a", 3), ("music/deep", "b", 2), ("music/deep", "c", 1)] {
        assert_eq!(m.list(folder)[name].present, size * MB, "{name}");
    }

    // Where there is no bucket any more, it still can be read.
    let away = bucket.dir.path().join("away");
    std::fs::rename(bucket.path(), &away).unwrap();
    assert!(std::fs::read(m.mnt().join("music/a")).unwrap() == a2);
    assert!(std::fs::read(m.mnt().join("music/deep/b")).unwrap() == b);
    assert!(std::fs::read(m.mnt().join("music/deep/c")).unwrap() == c);
    assert!(std::fs::read(m.mnt().join("other")).is_err(), "this one is not here");
    std::fs::rename(&away, bucket.path()).unwrap();

    // A pin is let go, and then the limit counts again.
    let e = m.ask(Request::Unpin { drive: "test".into(), path: "music/deep".into() }).unwrap_err();
    assert!(e.remedy_text().is_some_and(|r| r.contains("'music'")), "{e}");
    unpin(&m, "music");
    wait_for("the limit", || m.drive()["cache"]["bytes"].as_u64().unwrap() <= 4 * MB);
    assert_eq!(m.drive()["cache"]["pinned"], 0);
    m.evict(&m.mnt().join("music"));
}

#[test]
fn a_pin_survives_renames_restarts_and_kills() {
    let (_, mut rng) = data::rng("pin_survives");
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    let content = data::bytes(&mut rng, 24 << 20);
    std::fs::write(writer.mnt().join("film"), &content).unwrap();
    std::fs::create_dir(writer.mnt().join("kept")).unwrap();
    std::fs::write(writer.mnt().join("small"), &content[..MB as usize]).unwrap();
    writer.flush();

    let m = Machine::new(&bucket);
    pin(&m, "film");
    // Killed while it is being fetched; the rest comes by itself afterwards.
    m.crash();
    whole(&m, "", "film", 24 * MB);
    std::fs::rename(m.mnt().join("film"), m.mnt().join("kept/renamed")).unwrap();
    m.flush();
    m.unmount();
    m.mount();
    assert!(m.list("kept")["renamed"].pinned);
    m.ask(Request::CacheLimit { drive: "test".into(), bytes: Some(MB) }).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(m.list("kept")["renamed"].present, 24 * MB);

    // A program saves it by putting a new file in its place: the wish stays.
    std::fs::write(m.mnt().join("kept/new"), &content[..2 << 20]).unwrap();
    std::fs::rename(m.mnt().join("kept/new"), m.mnt().join("kept/renamed")).unwrap();
    m.flush();
    assert!(m.list("kept")["renamed"].pinned);
    // What is moved into a pinned folder is fetched, too.
    pin(&m, "kept");
    std::fs::rename(m.mnt().join("small"), m.mnt().join("kept/small")).unwrap();
    whole(&m, "kept", "small", MB);
    whole(&m, "kept", "renamed", 2 * MB);
}
