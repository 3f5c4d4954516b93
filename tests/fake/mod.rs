//! An agent in the test's own process, over a real socket, whose drives only pretend: what the server,
//! the client and the command line do can be shown without mounting anything.
#![allow(dead_code)] // each test file uses its part

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lacuna::{
    agent::{self, Held, Holder, Wanted},
    config::{DriveConfig, Home},
    control::{
        api::{DriveState, DriveStatus, FileInfo, Pending, Receipt, Request, Status},
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
        self.status.borrow().clone()
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
}

#[async_trait]
impl Holder for FakeHolder {
    async fn hold(&self, wanted: Wanted) -> Result<Arc<dyn Held>> {
        if wanted.drive.url.starts_with("broken:") {
            return Err(Error::new(Kind::Damaged, "the bucket is broken").remedy("mend it"));
        }
        let DriveConfig { name, url, mountpoint, .. } = &wanted.drive;
        let status = DriveStatus::new(name, url, &mountpoint.display().to_string(), DriveState::Synced);
        let drive = Arc::new(FakeDrive {
            status: watch::Sender::new(status),
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
