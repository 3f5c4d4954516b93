//! The agent and its control socket, with drives that only pretend.

mod fake;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use fake::start;
use lacuna::{
    agent,
    config::{Home, Settings},
    control::{
        api::{AgentSettings, DriveState, Event, Found, Pending, Reply, Request, VERSION},
        server::MAX_LINE,
    },
    error::Kind,
    node::Time,
    platform,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A connection by hand, for what the client would never send.
struct Raw {
    from: BufReader<tokio::io::ReadHalf<interprocess::local_socket::tokio::Stream>>,
    to: tokio::io::WriteHalf<interprocess::local_socket::tokio::Stream>,
}

impl Raw {
    async fn connect(socket: &Path) -> Raw {
        let (from, to) = tokio::io::split(platform::connect(socket).await.unwrap().unwrap());
        Raw { from: BufReader::new(from), to }
    }

    async fn greeted(socket: &Path) -> Raw {
        let mut raw = Raw::connect(socket).await;
        raw.send(&format!(r#"{{"id":0,"ask":"hello","version":{VERSION}}}"#)).await;
        assert_eq!(raw.next().await.unwrap()["reply"]["hello"]["version"], VERSION);
        raw
    }

    async fn send(&mut self, line: &str) {
        self.to.write_all(line.as_bytes()).await.unwrap();
        self.to.write_all(b"\n").await.unwrap();
    }

    /// The next line; none when the agent hung up.
    async fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        // A connection that the agent closed with bytes of ours unread may be reset: also an end.
        match self.from.read_line(&mut line).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        }
    }
}

fn mountpoint(dir: &Path, name: &str) -> PathBuf {
    let at = dir.join(name);
    fs::create_dir_all(&at).unwrap();
    at
}

#[tokio::test]
async fn another_protocol_version_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let mut raw = Raw::connect(&agent.home.socket()).await;
    raw.send(r#"{"id":4,"ask":"hello","version":999}"#).await;
    let answer = raw.next().await.unwrap();
    assert_eq!(answer["id"], 4);
    assert_eq!(answer["error"]["kind"], "newer-format");
    assert!(answer["error"]["remedy"].is_string());
    assert!(raw.next().await.is_none());
    // Without a hello nothing is answered, either.
    let mut raw = Raw::connect(&agent.home.socket()).await;
    raw.send(r#"{"id":5,"ask":"status"}"#).await;
    assert_eq!(raw.next().await.unwrap()["error"]["kind"], "invalid");
    assert!(raw.next().await.is_none());
    agent.end().await;
}

#[tokio::test]
async fn what_is_no_request_gets_an_error_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let mut raw = Raw::greeted(&agent.home.socket()).await;
    for (line, id) in [
        ("nonsense", Value::Null),
        ("", Value::Null),
        ("[]", Value::Null),
        (r#"{"ask":"status"}"#, Value::Null),
        (r#"{"id":-1,"ask":"status"}"#, Value::Null),
        (r#"{"id":6,"ask":"explode"}"#, json!(6)),
        (r#"{"id":7,"ask":"unmount"}"#, json!(7)),
        (r#"{"id":8,"ask":"unmount","drive":9}"#, json!(8)),
    ] {
        raw.send(line).await;
        let answer = raw.next().await.unwrap();
        assert_eq!(answer["error"]["kind"], "invalid", "{line}: {answer}");
        assert_eq!(answer["id"], id, "{line}");
    }
    raw.send(r#"{"id":9,"ask":"status"}"#).await;
    assert_eq!(raw.next().await.unwrap(), json!({"id":9,"reply":{"status":{"version":VERSION,"drives":[]}}}));
    agent.end().await;
}

#[tokio::test]
async fn an_endless_line_ends_its_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let mut raw = Raw::greeted(&agent.home.socket()).await;
    raw.to.write_all(&vec![b'x'; MAX_LINE + 1]).await.unwrap();
    let answer = raw.next().await.unwrap();
    assert_eq!(answer["error"]["kind"], "invalid");
    assert!(raw.next().await.is_none());
    agent.client().await.status().await.unwrap();
    agent.end().await;
}

#[tokio::test]
async fn a_long_request_holds_up_no_other_and_a_client_may_vanish() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "m")).await;
    drive.pend(1, 10);
    let mut raw = Raw::greeted(&agent.home.socket()).await;
    raw.send(r#"{"id":1,"ask":"flush"}"#).await;
    drive.flushing.notified().await;
    raw.send(r#"{"id":2,"ask":"status"}"#).await;
    assert_eq!(raw.next().await.unwrap()["id"], 2);

    let mut gone = Raw::greeted(&agent.home.socket()).await;
    gone.send(r#"{"id":1,"ask":"flush"}"#).await;
    drive.flushing.notified().await;
    drop(gone);
    let mut half = Raw::greeted(&agent.home.socket()).await;
    half.to.write_all(br#"{"id":1,"as"#).await.unwrap();
    drop(half);

    drive.pend(0, 0);
    assert_eq!(raw.next().await.unwrap(), json!({"id":1,"reply":"done"}));
    agent.client().await.status().await.unwrap();
    agent.end().await;
}

#[tokio::test]
async fn a_watcher_is_told_of_every_last_state() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "m")).await;
    let mut client = agent.client().await;
    client.watch().await.unwrap();
    let Event::Status(first) = client.event().await.unwrap();
    assert_eq!(first.drives[0].pending, Pending::default());
    for files in 1..=100 {
        drive.pend(files, files);
    }
    loop {
        let Event::Status(status) = client.event().await.unwrap();
        if status.drives[0].pending.files == 100 {
            break;
        }
    }
    agent.end().await;
}

#[tokio::test]
async fn a_home_has_one_agent_and_a_dead_ones_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let second = lacuna::agent::run(agent.home.clone(), agent.holder.clone(), None, std::future::pending());
    let e = second.await.unwrap_err();
    assert_eq!(e.kind(), Kind::Busy);
    assert!(e.cause().contains(&std::process::id().to_string()), "{e}");
    // The first one has not been disturbed.
    agent.client().await.status().await.unwrap();
    let home = agent.home.clone();
    agent.end().await;
    assert!(lacuna::control::client::Client::connect(&home).await.unwrap().is_none());

    // What a killed agent leaves: its socket's file, and nobody who listens.
    fs::write(home.socket(), "").unwrap();
    start(dir.path()).await.end().await;
}

#[tokio::test]
async fn a_very_long_home_works_alike() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("long-".repeat(40));
    let agent = start(&long).await;
    assert!(!agent.home.socket().starts_with(&long));
    // A client with another idea of where sockets go finds it by the home.
    let mut other = agent.home.clone();
    other.runtime = dir.path().join("elsewhere");
    lacuna::control::client::Client::connect(&other).await.unwrap().unwrap().status().await.unwrap();
    agent.end().await;
}

#[tokio::test]
async fn mounted_drives_come_back_and_a_broken_one_stops_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await.pend(2, 20);
    agent.mount("store:/srv/b", &mountpoint(dir.path(), "b")).await;
    agent.client().await.ask(Request::Unmount { drive: "b".into() }).await.unwrap();
    let file = agent.home.settings();
    // Ended with something pending: it says so, and keeps the drive listed.
    assert_eq!(agent.end().await, [("a".to_owned(), Pending { files: 2, bytes: 20 })]);
    let mut settings = Settings::load(&file).unwrap();
    assert_eq!(settings.drives.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let mut broken = settings.drives[0].clone();
    (broken.name, broken.url) = ("x".into(), "broken:/".into());
    broken.mountpoint = dir.path().join("x");
    let mut nameless = broken.clone();
    (nameless.name, nameless.mountpoint) = ("../escape".into(), dir.path().join("y"));
    settings.drives.extend([broken, nameless]);
    settings.save(&file).unwrap();

    let agent = start(dir.path()).await;
    let status =
        agent.status_when(|s| s.drives.iter().any(|d| d.name == "a" && d.state == DriveState::Synced)).await;
    let status = if status.drives[2].problems.is_empty() {
        agent.status_when(|s| s.drives[2].state == DriveState::Problem).await
    } else {
        status
    };
    assert_eq!(status.drives.len(), 3);
    let problem = &status.drives[2].problems[0];
    assert_eq!((problem.code.as_str(), problem.cause.as_str()), ("mount-failed", "the bucket is broken"));
    assert_eq!(problem.remedy, "mend it");
    assert_eq!(status.drives[0].problems[0].code, "mount-failed");
    assert!(!dir.path().join("escape").exists());
    // Flushing all can't be said to be done while one is not there.
    let e = agent.client().await.ask(Request::Flush { drive: None }).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Busy);
    // It can be taken off the list, and the name and place are free again.
    agent.client().await.ask(Request::Unmount { drive: "x".into() }).await.unwrap();
    agent.mount("store:/srv/x", &dir.path().join("x")).await;
    agent.end().await;
}

#[tokio::test]
async fn names_and_places_are_not_taken_twice() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let (a, b) = (mountpoint(dir.path(), "a"), mountpoint(dir.path(), "b"));
    let mut client = agent.client().await;
    let mount = |url: &str, at: &Path, name: Option<&str>| Request::Mount {
        url: url.into(),
        mountpoint: at.to_str().unwrap().into(),
        name: name.map(str::to_owned),
        read_only: false,
    };
    let named = |name: &str, already| Reply::Mounted { name: name.into(), already };
    assert_eq!(client.ask(mount("store:/srv/d", &a, None)).await.unwrap(), named("d", false));
    assert_eq!(client.ask(mount("store:/srv/d", &a, None)).await.unwrap(), named("d", true));
    assert_eq!(client.ask(mount("store:/other/d", &b, None)).await.unwrap(), named("d-2", false));
    for (request, kind) in [
        (mount("store:/srv/e", &a, None), Kind::Busy),
        (mount("store:/srv/e", &dir.path().join("c"), Some("d")), Kind::Busy),
        (mount("store:/srv/e", &dir.path().join("c"), Some("../d")), Kind::Invalid),
        (mount("store:/srv/e", Path::new("relative"), None), Kind::Invalid),
        (mount("broken:/srv/e", &dir.path().join("c"), Some("typo")), Kind::Damaged),
    ] {
        assert_eq!(client.ask(request.clone()).await.unwrap_err().kind(), kind, "{request:?}");
    }
    assert_eq!(client.status().await.unwrap().drives.len(), 2);
    // What could not be mounted has taken no name.
    let c = dir.path().join("c");
    assert_eq!(client.ask(mount("store:/srv/e", &c, Some("typo"))).await.unwrap(), named("typo", false));
    // A name's journal belongs to its remote for good.
    client.ask(Request::Unmount { drive: a.to_str().unwrap().into() }).await.unwrap();
    let e = client.ask(mount("store:/srv/e", &a, Some("d"))).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Invalid);
    assert!(e.cause().contains("store:/srv/d"), "{e}");
    // And the remote finds its journal again.
    assert_eq!(client.ask(mount("store:/srv/d", &a, None)).await.unwrap(), named("d", false));
    agent.end().await;
}

#[tokio::test]
async fn a_busy_drive_stays_and_one_unmounted_from_outside_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    drive.busy.store(true, Ordering::SeqCst);
    let mut client = agent.client().await;
    let e = client.ask(Request::Unmount { drive: "a".into() }).await.unwrap_err();
    assert_eq!((e.kind(), e.remedy_text()), (Kind::Busy, Some("close it")));
    client.ask(Request::Info { drive: "a".into(), path: "f".into() }).await.unwrap();

    drive.alive.store(false, Ordering::SeqCst);
    agent.status_when(|s| s.drives.is_empty()).await;
    assert_eq!(client.ask(Request::Unmount { drive: "a".into() }).await.unwrap_err().kind(), Kind::NotFound);
    while !drive.closed.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    agent.end().await;
}

#[tokio::test]
async fn a_pause_outlives_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    agent.mount("store:/srv/b", &mountpoint(dir.path(), "b")).await;
    let mut client = agent.client().await;
    let end = Time(i64::MAX - 1);
    client.ask(Request::Pause { drive: None, until: Some(end) }).await.unwrap();
    client.ask(Request::Resume { drive: Some("b".into()) }).await.unwrap();
    agent.end().await;
    let agent = start(dir.path()).await;
    let status = agent.status_when(|s| s.drives.iter().all(|d| d.state != DriveState::Syncing)).await;
    assert_eq!(status.drives[0].state, DriveState::Paused);
    assert_eq!(status.drives[0].problems[0].cause, format!("{:?}", Some(end)));
    assert_eq!(status.drives[1].state, DriveState::Synced);
    agent.end().await;
}

#[tokio::test]
async fn quit_unmounts_and_ends_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    assert_eq!(agent.client().await.ask(Request::Quit).await.unwrap(), Reply::Done);
    assert!(!drive.alive.load(Ordering::SeqCst));
    agent.ended().await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_be_read_stop_the_agent_and_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.json");
    fs::write(&file, "{\"version\":1,").unwrap();
    let home = lacuna::config::Home::under(dir.path(), dir.path());
    let holder = Arc::new(fake::FakeHolder::default());
    let e = lacuna::agent::run(home, holder, None, std::future::pending()).await.unwrap_err();
    assert_eq!(e.kind(), Kind::Damaged);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"version\":1,");
}

#[tokio::test]
async fn requests_for_one_drive_reach_it() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    let mut client = agent.client().await;
    let (name, path) = (|| "a".to_owned(), || "x/y".to_owned());
    for request in [
        Request::Pin { drive: name(), path: path() },
        Request::Unpin { drive: name(), path: path() },
        Request::Retry { drive: Some(name()) },
        Request::Retry { drive: None },
        Request::CacheLimit { drive: name(), bytes: None },
    ] {
        assert_eq!(client.ask(request).await.unwrap(), Reply::Done);
    }
    let calls = drive.calls.lock().unwrap().clone();
    assert_eq!(calls, ["pin x/y", "unpin x/y", "retry", "retry", "cache limit None"]);
    let list =
        Request::List { drive: name(), path: "p".into(), after: Some("p0009".into()), limit: u32::MAX };
    let Reply::List(listing) = client.ask(list).await.unwrap() else { panic!("no list") };
    assert_eq!((listing.entries.len(), listing.entries[0].name.as_str()), (1_000, "p0010"));
    for request in [
        Request::Pin { drive: "none".into(), path: path() },
        Request::List { drive: "none".into(), path: path(), after: None, limit: 1 },
        Request::Activity { drive: Some("none".into()), limit: 1 },
        Request::Retry { drive: Some("none".into()) },
        Request::CacheLimit { drive: "none".into(), bytes: None },
    ] {
        assert_eq!(client.ask(request.clone()).await.unwrap_err().kind(), Kind::NotFound, "{request:?}");
    }
    agent.end().await;
}

#[tokio::test]
async fn the_newest_saves_of_all_drives_come_first() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    agent.mount("store:/srv/bb", &mountpoint(dir.path(), "b")).await;
    let mut client = agent.client().await;
    let mut ask = async |drive: Option<&str>, limit| {
        let request = Request::Activity { drive: drive.map(str::to_owned), limit };
        let Reply::Activity(saves) = client.ask(request).await.unwrap() else { panic!("no saves") };
        saves.into_iter().map(|s| format!("{}/{}", s.drive, s.path)).collect::<Vec<_>>()
    };
    assert_eq!(ask(None, 3).await, ["bb/4", "a/4", "bb/3"]);
    assert_eq!(ask(Some("a"), 2).await, ["a/4", "a/3"]);
    assert_eq!(ask(None, 99).await.len(), 10);
    agent.end().await;
}

#[tokio::test]
async fn limits_outlive_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    assert_eq!(drive.wanted.drive.cache_limit, Some(20 << 30));
    let mut client = agent.client().await;
    let settings = AgentSettings { upload_limit: Some(1_000), download_limit: None };
    assert_eq!(client.ask(Request::Configure { settings }).await.unwrap(), Reply::Done);
    assert_eq!(drive.wanted.bandwidth.up.limit(), Some(1_000), "drives that are mounted hear of it");
    let nothing = AgentSettings { upload_limit: Some(0), download_limit: None };
    let e = client.ask(Request::Configure { settings: nothing }).await.unwrap_err();
    assert!(e.kind() == Kind::Invalid && e.remedy_text().is_some());
    client.ask(Request::CacheLimit { drive: "a".into(), bytes: Some(5_000) }).await.unwrap();
    agent.end().await;

    let agent = start(dir.path()).await;
    agent.status_when(|s| s.drives[0].state == DriveState::Synced).await;
    let wanted = agent.drive("a").wanted.clone();
    assert_eq!(wanted.drive.cache_limit, Some(5_000));
    assert_eq!((wanted.bandwidth.up.limit(), wanted.bandwidth.down.limit()), (Some(1_000), None));
    assert_eq!(agent.client().await.ask(Request::Settings).await.unwrap(), Reply::Settings(settings));
    agent.client().await.ask(Request::Unmount { drive: "a".into() }).await.unwrap();
    agent.end().await;

    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    assert_eq!(drive.wanted.drive.cache_limit, Some(5_000), "it outlives an unmount");
    let file = agent.home.settings();
    agent.end().await;

    // Settings of before there was a list of limits have it at the drive alone.
    let mut older: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(older.as_object_mut().unwrap().remove("cache_limits"), Some(json!({ "a": 5_000 })));
    std::fs::write(&file, older.to_string()).unwrap();
    let agent = start(dir.path()).await;
    agent.status_when(|s| s.drives[0].state == DriveState::Synced).await;
    agent.client().await.ask(Request::Unmount { drive: "a".into() }).await.unwrap();
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    assert_eq!(drive.wanted.drive.cache_limit, Some(5_000));
    agent.end().await;
}

#[tokio::test]
async fn a_drive_that_could_not_be_mounted_is_retried_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    agent.mount("store:/srv/a", &mountpoint(dir.path(), "a")).await;
    let file = agent.home.settings();
    agent.end().await;
    let mut settings = Settings::load(&file).unwrap();
    settings.drives[0].url = "broken:/".into();
    settings.save(&file).unwrap();
    fs::remove_dir_all(dir.path().join("drives")).unwrap();

    let agent = start(dir.path()).await;
    let status = agent.status_when(|s| s.drives[0].state == DriveState::Problem).await;
    assert_eq!(status.drives[0].cache.limit, Some(20 << 30), "also of one that is not there");
    let tries = || agent.holder.tries.load(Ordering::SeqCst);
    let before = tries();
    agent.client().await.ask(Request::Retry { drive: Some("a".into()) }).await.unwrap();
    let start = std::time::Instant::now();
    while tries() == before {
        assert!(start.elapsed() < Duration::from_secs(5), "the next try would come after 15 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    agent.status_when(|s| s.drives[0].state == DriveState::Problem).await;
    agent.end().await;
}

#[tokio::test]
async fn a_bucket_is_found_or_made() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(&dir.path().join("home")).await;
    let mut client = agent.client().await;
    let at = |name: &str| dir.path().join(name);
    let url = |name: &str| format!("store:{}", at(name).display());
    let probe = |name: &str| Request::Probe { url: url(name) };
    let probed = |found, name: &str| Reply::Probed { found, name: name.into() };
    assert_eq!(client.ask(probe("new")).await.unwrap(), probed(Found::Free, "new"));
    assert!(!at("new").exists(), "looking makes nothing");
    for _ in 0..2 {
        assert_eq!(client.ask(Request::Init { url: url("new") }).await.unwrap(), Reply::Done);
    }
    let files = || {
        let mut names: Vec<_> = fs::read_dir(at("new")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.extend(fs::read_dir(at("new/commits")).unwrap().map(|e| e.unwrap().file_name()));
        names
    };
    let before = files();
    assert_eq!(client.ask(probe("new")).await.unwrap(), probed(Found::Ready, "new"));
    assert_eq!(files(), before, "looking leaves nothing");
    // The name is one that is free.
    agent.mount(&url("new"), &mountpoint(dir.path(), "m")).await;
    assert_eq!(client.ask(probe("new")).await.unwrap(), probed(Found::Ready, "new-2"));

    fs::create_dir(at("photos")).unwrap();
    fs::write(at("photos/a.jpg"), "x").unwrap();
    fs::write(at("file"), "x").unwrap();
    for name in ["photos", "file"] {
        for request in [probe(name), Request::Init { url: url(name) }] {
            let e = client.ask(request.clone()).await.unwrap_err();
            assert_eq!(e.kind(), Kind::Invalid, "{request:?}");
        }
    }
    assert_eq!(fs::read_dir(at("photos")).unwrap().count(), 1);
    for url in ["store:relative", "ftp://example", "nothing"] {
        for request in [Request::Probe { url: url.into() }, Request::Init { url: url.into() }] {
            let e = client.ask(request.clone()).await.unwrap_err();
            assert!(e.kind() == Kind::Invalid && e.remedy_text().is_some(), "{request:?}: {e}");
        }
    }
    agent.end().await;
}

#[tokio::test]
async fn nobody_looks_while_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(dir.path()).await;
    let drive = agent.mount("store:/srv/a", &mountpoint(dir.path(), "m")).await;
    let mut client = agent.client().await;
    client.watch().await.unwrap();
    let _first = client.event().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let looks = || drive.looks.load(Ordering::SeqCst);
    let before = looks();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(looks(), before, "a watcher costs nothing");
    for _ in 0..50 {
        drive.pend(1, 1);
        drive.pend(2, 2);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(looks() - before <= 6, "at most five a second: {}", looks() - before);
    loop {
        let Event::Status(status) = client.event().await.unwrap();
        if status.drives[0].pending.files == 2 {
            break;
        }
    }
    agent.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_socket_and_the_home_are_the_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let agent = start(&dir.path().join("home")).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&agent.home.socket()), 0o600);
    assert_eq!(mode(&agent.home.state), 0o700);
    agent.end().await;
}

/// Two engines over one journal would be the end of it. A drive that is being mounted when the agent comes to those
/// of its settings was once taken for one of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_drive_that_an_agent_begins_with_is_mounted_once() {
    for round in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path(), &std::env::temp_dir());
        let holder = Arc::new(fake::FakeHolder { takes: Duration::from_millis(20), ..Default::default() });
        let first = agent::First {
            url: "store:/bucket".into(),
            mountpoint: dir.path().join("mnt"),
            name: Some("first".into()),
            read_only: false,
            cache_limit: None,
            tell: |_| {},
        };
        // Every drive is mounted before an agent ends.
        let stop = tokio::time::sleep(Duration::from_millis(10));
        agent::run(home, holder.clone(), Some(first), stop).await.unwrap();
        assert_eq!(holder.tries.load(Ordering::SeqCst), 1, "round {round}");
    }
}
