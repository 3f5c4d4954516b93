//! What a drive shows of itself, its folders and its files is so.

use std::time::Duration;

use lacuna::control::api::{AgentSettings, Reply, Request, Save};

use crate::support::{Bucket, Machine, attribute, data, state, wait_for};

#[test]
fn files_tell_their_state_as_an_attribute() {
    let (_, mut rng) = data::rng("attributes");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    m.ok(&["pause"]);
    let path = m.mnt().join("file");
    std::fs::write(&path, data::bytes(&mut rng, 100_000)).unwrap();
    assert_eq!(state(&path), "new");
    m.ok(&["resume"]);
    m.flush();
    assert_eq!((state(&path), state(&m.mnt())), ("synced".into(), "synced".into()));
    m.ok(&["pause"]);
    std::fs::write(&path, "short").unwrap();
    assert_eq!(state(&path), "modified");
    m.ok(&["resume"]);
    m.flush();
    m.evict(&path);
    assert_eq!(state(&path), "online");
    assert_eq!(std::fs::read(&path).unwrap(), b"short");
    assert_eq!(state(&path), "synced");

    assert_eq!(attribute(&path, "user.lacuna.pinned").unwrap(), "0");
    m.ok(&["pin", m.mnt().to_str().unwrap()]);
    assert_eq!(attribute(&path, "user.lacuna.pinned").unwrap(), "1");
    // The length is told before, a buffer that is too small is refused.
    assert_eq!(rustix::fs::getxattr_query(&path, "user.lacuna.state"), Ok(6));
    let small = rustix::fs::getxattr(&path, "user.lacuna.state", &mut [0; 3][..]);
    assert_eq!(small, Err(rustix::io::Errno::RANGE));
    for other in ["user.lacuna.other", "user.mine", "security.capability"] {
        assert_eq!(attribute(&path, other), Err(rustix::io::Errno::NODATA), "{other}");
    }
    let set = rustix::fs::setxattr(&path, "user.lacuna.pinned", b"1", rustix::fs::XattrFlags::empty());
    assert_eq!(set, Err(rustix::io::Errno::OPNOTSUPP));
    // In no list, so that nobody copies them.
    let listed = rustix::fs::listxattr(&path, &mut [0; 64][..]);
    assert!(matches!(listed, Ok(0) | Err(rustix::io::Errno::OPNOTSUPP)), "{listed:?}");
}

fn activity(m: &Machine) -> Vec<Save> {
    match m.ask(Request::Activity { drive: None, limit: 10 }).unwrap() {
        Reply::Activity(saves) => saves,
        other => panic!("{other:?}"),
    }
}

#[test]
fn saves_are_listed_and_outlive_the_agent() {
    let (_, mut rng) = data::rng("activity");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    assert_eq!((activity(&m), m.drive()["saves"].as_u64()), (vec![], Some(0)));
    let content = data::bytes(&mut rng, 300_000);
    std::fs::create_dir(m.mnt().join("d")).unwrap();
    std::fs::write(m.mnt().join("d/one"), &content).unwrap();
    m.flush();
    std::fs::write(m.mnt().join("two"), &content[..10]).unwrap();
    m.flush();
    // No content is sent for a new name.
    std::fs::rename(m.mnt().join("two"), m.mnt().join("three")).unwrap();
    m.flush();
    let saves = activity(&m);
    let seen: Vec<_> = saves.iter().map(|s| (s.path.as_str(), s.size, s.receipt.changed)).collect();
    assert_eq!(seen, [("two", 10, 10), ("d/one", 300_000, 300_000)]);
    assert!(saves[0].at > saves[1].at && saves[0].drive == "test");
    assert_eq!(m.drive()["saves"], 2);
    m.crash();
    assert_eq!(activity(&m), saves);
    assert_eq!(m.drive()["saves"], 0, "counted since the mount");
    assert!(m.ok(&["log"]).contains("test: d/one (300 kB): 300 kB changed"));
}

#[test]
fn folders_are_listed_by_name_with_what_is_here() {
    let (_, mut rng) = data::rng("listing");
    let bucket = Bucket::new();
    let writer = Machine::new(&bucket);
    let content = data::bytes(&mut rng, 200_000);
    std::fs::create_dir_all(writer.mnt().join("many")).unwrap();
    for n in 0..25 {
        std::fs::write(writer.mnt().join(format!("many/{n:02}")), &content[..n * 100]).unwrap();
    }
    std::os::unix::fs::symlink("many/01", writer.mnt().join("link")).unwrap();
    writer.flush();

    let m = Machine::new(&bucket);
    let root = m.list("");
    assert_eq!(root.keys().collect::<Vec<_>>(), ["link", "many"]);
    assert_eq!((root["many"].kind, root["many"].state.as_str()), (lacuna::node::Kind::Dir, "synced"));
    // Nobody has looked into it on this machine.
    let page = |after: Option<&str>| {
        let (path, after) = ("many".to_owned(), after.map(str::to_owned));
        match m.ask(Request::List { drive: "test".into(), path, after, limit: 10 }).unwrap() {
            Reply::List(listing) => {
                (listing.entries.into_iter().map(|e| e.name).collect::<Vec<_>>(), listing.more)
            }
            other => panic!("{other:?}"),
        }
    };
    let names = |r: std::ops::Range<u32>| r.map(|n| format!("{n:02}")).collect::<Vec<_>>();
    assert_eq!(page(None), (names(0..10), true));
    assert_eq!(page(Some("09")), (names(10..20), true));
    assert_eq!(page(Some("19")), (names(20..25), false));

    m.ok(&["pause"]);
    std::fs::read(m.mnt().join("many/20")).unwrap();
    std::fs::write(m.mnt().join("many/new"), &content).unwrap();
    std::fs::rename(m.mnt().join("many/03"), m.mnt().join("many/moved")).unwrap();
    let many = m.list("many");
    let of = |name: &str| (many[name].size, many[name].present, many[name].dirty, many[name].state.as_str());
    assert_eq!(of("20"), (2_000, 2_000, 0, "synced"));
    assert_eq!(of("21"), (2_100, 0, 0, "synced"));
    assert_eq!(of("new"), (200_000, 200_000, 200_000, "new"));
    assert_eq!(of("moved"), (300, 0, 0, "modified"));
    let e = m.ask(Request::List { drive: "test".into(), path: "many/20".into(), after: None, limit: 1 });
    assert_eq!(e.unwrap_err().kind(), lacuna::error::Kind::Invalid);
}

#[test]
fn an_upload_shows_how_far_it_is() {
    let (_, mut rng) = data::rng("progress");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let configure = |upload_limit| {
        let settings = AgentSettings { upload_limit, download_limit: None };
        m.ask(Request::Configure { settings }).unwrap();
    };
    configure(Some(200_000));
    let path = m.mnt().join("file");
    std::fs::write(&path, data::bytes(&mut rng, 3 << 20)).unwrap();
    let item = || m.drive()["queue"][0].clone();
    wait_for("the upload", || item()["state"] == "uploading");
    assert_eq!((item()["path"].as_str(), item()["size"].as_u64()), (Some("file"), Some(3 << 20)));
    wait_for("its bytes to be taken", || item()["sent"].as_u64().is_some_and(|sent| sent > 0));
    let info = m.info(&path);
    assert_eq!(info["state"], "uploading");
    assert_eq!(info["sending"], serde_json::json!([[0, 3 << 20]]));
    // 3 MB at 200 kB/s would take a quarter of a minute.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(m.drive()["state"], "syncing", "the limit holds");
    assert!(m.moved().0 < 1 << 20, "{:?}", m.moved());
    configure(None);
    m.flush();
    assert_eq!(m.drive()["queue"].as_array().unwrap().len(), 0);
    assert_eq!(m.info(&path)["sending"], serde_json::json!([]));
}

#[test]
fn what_fails_says_why_and_a_retry_is_at_once() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let away = bucket.dir.path().join("away");
    // Nothing is sent, and so nothing fails, before the remote's changes were heard for the first time.
    std::fs::write(m.mnt().join("first"), "some words").unwrap();
    m.flush();
    std::fs::rename(bucket.path(), &away).unwrap();
    std::fs::write(m.mnt().join("file"), "some words").unwrap();
    let item = || m.drive()["queue"][0].clone();
    wait_for("some failures", || item()["attempts"].as_u64().is_some_and(|n| n >= 4));
    wait_for("the next wait", || item()["state"] == "retry");
    let item = item();
    assert!(item["why"].as_str().is_some_and(|why| !why.is_empty()), "{item}");
    assert!(item["retry_ms"].as_u64().is_some_and(|ms| ms > 0), "{item}");
    assert_eq!(m.drive()["state"], "offline");
    std::fs::rename(&away, bucket.path()).unwrap();
    let start = std::time::Instant::now();
    m.ask(Request::Retry { drive: None }).unwrap();
    wait_for("it to be sent", || m.drive()["state"] == "synced");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
