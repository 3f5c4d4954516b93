//! An agent in the test's own process, over a real socket, whose drives only pretend: what the server,
//! the client and the command line do can be shown without mounting anything.
#![allow(dead_code)] // each test file uses its part

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lacuna::{
    agent::{self, Held, Holder, Wanted},
    config::{DriveConfig, Home},
    control::{
        api::{
            DriveState, DriveStatus, Entry, FileInfo, Found, Listing, Pending, Receipt, Request, Save, Status,
        },
        client::Client,
    },
    error::{Error, Kind, Result},
    health,
    node::Time,
};
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
};

/// A drive that only remembers what was done to it.
pub struct FakeDrive {
    pub wanted: Wanted,
    /// What its status says; a flush waits until nothing is pending.
    pub status: watch::Sender<DriveStatus>,
    /// Counts its changes.
    changes: watch::Sender<u64>,
    /// How often its status was asked for.
    pub looks: AtomicU64,
    /// Every call of those that only note something, as words.
    pub calls: Mutex<Vec<String>>,
    /// What a flush answers while something is pending.
    pub flush_fails: Mutex<Option<Kind>>,
    pub flushing: Notify,
    pub busy: AtomicBool,
    pub alive: AtomicBool,
    pub closed: AtomicBool,
}

impl FakeDrive {
    pub fn set(&self, change: impl FnOnce(&mut DriveStatus)) {
        self.status.send_modify(change);
        self.changes.send_modify(|n| *n += 1);
    }

    fn called(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    pub fn pend(&self, files: u64, bytes: u64) {
        self.set(|s| {
            s.pending = Pending { files, bytes };
            s.state = if files == 0 { DriveState::Synced } else { DriveState::Syncing };
        });
    }
}

#[async_trait]
impl Held for FakeDrive {
    async fn status(&self) -> DriveStatus {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.status.borrow().clone()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn flush(&self) -> Result<()> {
        self.flushing.notify_one();
        let fails = *self.flush_fails.lock().unwrap();
        let mut status = self.status.subscribe();
        if let Some(kind) = fails
            && status.borrow().pending.files > 0
        {
            return Err(Error::new(kind, "no way to the remote").remedy("wait"));
        }
        let synced = status.wait_for(|s| s.pending.files == 0).await;
        synced.map(drop).map_err(|_| Error::new(Kind::Other, "gone"))
    }

    async fn pause(&self, until: Option<Time>) {
        self.set(|s| {
            s.state = DriveState::Paused;
            s.problems = vec![health::problem("paused", format!("{until:?}"), None)];
        });
    }

    async fn resume(&self) {
        self.set(|s| {
            s.state = DriveState::Synced;
            s.problems.clear();
        });
    }

    async fn info(&self, path: &str) -> Result<FileInfo> {
        if path == "missing" {
            return Err(Error::new(Kind::NotFound, "no such file").at(path));
        }
        Ok(FileInfo {
            path: path.into(),
            size: 200,
            base: Some("ab".repeat(32)),
            present: vec![[0, 100]],
            dirty: vec![[10, 20]],
            state: "modified".into(),
            receipt: Some(Receipt { changed: 10, sent: 20, reused: 180, reread: 5, ms: 3 }),
            kind: lacuna::node::Kind::File,
            pinned: false,
            sending: vec![],
        })
    }

    async fn evict(&self, _: &str) -> Result<u64> {
        Ok(1_234)
    }

    async fn pin(&self, path: &str) -> Result<()> {
        self.called(format!("pin {path}"));
        Ok(())
    }

    async fn unpin(&self, path: &str) -> Result<()> {
        self.called(format!("unpin {path}"));
        Ok(())
    }

    async fn list(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Listing> {
        let entry = |n: usize| Entry {
            name: format!("{path}{n:04}"),
            kind: lacuna::node::Kind::File,
            size: 1,
            mtime: Time(1),
            present: 0,
            dirty: 0,
            pinned: false,
            state: "synced".into(),
        };
        let all = (0..2_000).map(entry).filter(|e| after.is_none_or(|after| e.name.as_str() > after));
        Ok(Listing { entries: all.take(limit).collect(), more: true })
    }

    async fn activity(&self, limit: usize) -> Vec<Save> {
        let drive = &self.wanted.drive.name;
        let save = |n: i64| Save {
            drive: drive.clone(),
            path: format!("{n}"),
            at: Time(n * 10 + drive.len() as i64),
            size: 1,
            receipt: Receipt::default(),
        };
        (0..5).rev().map(save).take(limit).collect()
    }

    async fn set_cache_limit(&self, bytes: Option<u64>) {
        self.called(format!("cache limit {bytes:?}"));
    }

    async fn retry(&self) {
        self.called("retry".into());
    }

    async fn unmount(&self) -> Result<()> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Busy, "a program uses it").remedy("close it"));
        }
        self.alive.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }
}

/// Holds fake drives. A URL that begins with `broken:` can't be mounted.
#[derive(Default)]
pub struct FakeHolder {
    pub drives: Mutex<BTreeMap<String, Arc<FakeDrive>>>,
    pub tries: AtomicU64,
    /// How long it takes to mount one.
    pub takes: Duration,
}

#[async_trait]
impl Holder for FakeHolder {
    async fn hold(&self, wanted: Wanted) -> Result<Arc<dyn Held>> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        if wanted.drive.url.starts_with("broken:") {
            return Err(Error::new(Kind::Damaged, "the bucket is broken").remedy("mend it"));
        }
        let DriveConfig { name, url, mountpoint, .. } = &wanted.drive;
        let status = DriveStatus::new(name, url, &mountpoint.display().to_string(), DriveState::Synced);
        let drive = Arc::new(FakeDrive {
            status: watch::Sender::new(status),
            changes: watch::Sender::new(0),
            looks: AtomicU64::new(0),
            calls: Mutex::default(),
            flush_fails: Mutex::new(None),
            flushing: Notify::new(),
            busy: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            wanted: wanted.clone(),
        });
        self.drives.lock().unwrap().insert(wanted.drive.name, drive.clone());
        Ok(drive)
    }

    async fn probe(&self, url: &str) -> Result<Found> {
        lacuna::remote::probe(url, &Default::default()).await
    }
}

type Ended = Result<Vec<(String, Pending)>>;

/// A running agent.
pub struct Running {
    pub home: Home,
    pub holder: Arc<FakeHolder>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Ended>,
}

/// Starts an agent and waits until it answers.
pub async fn start(dir: &Path) -> Running {
    let home = Home::under(dir, &std::env::temp_dir());
    let holder = Arc::new(FakeHolder::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async {
        // A dropped sender is a stop, too.
        let _ = stopped.await;
    };
    let task = tokio::spawn(agent::run(home.clone(), holder.clone(), None, stopping));
    while !task.is_finished() && !matches!(Client::connect(&home).await, Ok(Some(_))) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!task.is_finished(), "the agent ended at once: {:?}", task.await);
    Running { home, holder, stop: Some(stop), task }
}

impl Running {
    pub async fn client(&self) -> Client {
        Client::connect(&self.home).await.unwrap().expect("the agent listens")
    }

    pub async fn mount(&self, url: &str, mountpoint: &Path) -> Arc<FakeDrive> {
        let request = Request::Mount {
            url: url.into(),
            mountpoint: mountpoint.to_str().unwrap().into(),
            name: None,
            read_only: false,
        };
        let reply = self.client().await.ask(request).await.unwrap();
        let lacuna::control::api::Reply::Mounted { name, .. } = reply else { panic!("{reply:?}") };
        self.drive(&name)
    }

    pub fn drive(&self, name: &str) -> Arc<FakeDrive> {
        self.holder.drives.lock().unwrap()[name].clone()
    }

    /// The status as soon as it is as wanted.
    pub async fn status_when(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut client = self.client().await;
        loop {
            let status = client.status().await.unwrap();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as a signal would.
    pub async fn end(mut self) -> Vec<(String, Pending)> {
        drop(self.stop.take());
        self.task.await.unwrap().unwrap()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(self) -> Ended {
        self.task.await.unwrap()
    }
}
