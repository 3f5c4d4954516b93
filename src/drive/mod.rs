//! [`Drive`]: one remote, its cache and its tasks (flush, sync, pins, trim), ready to be mounted.

mod list;
mod pins;
mod status;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    cache,
    control::api::{FileInfo, Save},
    error::{Error, Kind, Result},
    flush::{self, queue::Timing},
    monitor::{Monitor, Pause},
    namespace::Namespace,
    news::News,
    node::{Kind as NodeKind, Time},
    policy::Bandwidth,
    remote::{self, Remote},
    staging::Staging,
    sync,
    vfs::core::{Core, CoreVfs, Parts},
};

/// What a drive is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, unique in the agent.
    pub name: String,
    /// The remote, such as `store:/srv/bucket`.
    pub url: String,
    /// Where it is (to be) mounted; only for the status.
    pub mountpoint: PathBuf,
    /// The folder that holds the tree, the staged bytes and what the remote keeps on this machine.
    pub state_dir: PathBuf,
    /// Refuse writes.
    pub read_only: bool,
    /// A file is sent when it has not changed for this long (2 s by default).
    pub quiet: Duration,
    /// Or when its first unsent change is this old (30 s by default).
    pub latest: Duration,
    /// How often a remote that can't tell is asked for changes (5 s by default).
    pub poll: Duration,
    /// Clean bytes go when its files would take more than this on this machine (20 GiB by default); none: no
    /// limit.
    pub cache_limit: Option<u64>,
    /// How fast bytes may move; shared with other drives (no limit by default).
    pub bandwidth: Arc<Bandwidth>,
    /// For `hf://`: which Hub, and who asks (Hugging Face's own, nobody).
    pub hub: remote::hf::Access,
}

impl Options {
    /// The usual timing.
    pub fn new(name: &str, url: &str, mountpoint: &Path, state_dir: &Path) -> Self {
        Options {
            name: name.to_owned(),
            url: url.to_owned(),
            mountpoint: mountpoint.to_owned(),
            state_dir: state_dir.to_owned(),
            read_only: false,
            quiet: Duration::from_secs(2),
            latest: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            cache_limit: Some(cache::DEFAULT_LIMIT),
            bandwidth: Arc::default(),
            hub: remote::hf::Access::default(),
        }
    }
}

/// One drive. Dropping it without [`Drive::close`] leaves its tasks running until the process ends.
pub struct Drive {
    options: Options,
    core: Arc<Core>,
    monitor: Arc<Monitor>,
    tasks: Vec<JoinHandle<()>>,
    rates: status::Rates,
}

impl Drive {
    /// Opens the remote and the state folder, replays what the last process left, and starts to flush
    /// and to follow the remote.
    pub async fn open(options: Options) -> Result<Arc<Drive>> {
        let dir = &options.state_dir;
        let about = |e: Error| if e.path().is_some() { e } else { e.at(format!("drive {}", options.name)) };
        std::fs::create_dir_all(dir)
            .map_err(|e| Error::io("making the drive's state folder", e).at(dir.display()))?;
        let remote_options = remote::Options {
            state_dir: dir.join("remote"),
            poll: options.poll,
            read_only: options.read_only,
            bandwidth: options.bandwidth.clone(),
            hub: options.hub.clone(),
        };
        let remote = remote::open(&options.url, remote_options).await.map_err(about)?;
        Self::with_remote(options, remote).await
    }

    /// As [`Drive::open`], over a remote that is already open.
    pub async fn with_remote(options: Options, remote: Arc<dyn Remote>) -> Result<Arc<Drive>> {
        let dir = &options.state_dir;
        let ns = Namespace::open(&dir.join("tree.db"))?;
        if ns.cursor()?.is_none() {
            let cursor = remote.head().await?;
            ns.init_root(&remote.root().await?, cursor)?;
        }
        let (staging, recovered) = Staging::open(&dir.join("staging"), &crate::sys::boot_id())?;
        staging.ledger().set_limit(options.cache_limit);
        let news = Arc::new(News::default());
        let parts = Parts {
            ns,
            staging,
            remote,
            timing: Timing { quiet: options.quiet, latest: options.latest },
            read_only: options.read_only,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            cache_dir: dir.clone(),
            news: news.clone(),
        };
        let core = Core::new(parts, recovered)?;
        let monitor = Arc::new(Monitor::open(&options.name, dir, news));
        let pulled = Arc::new(AtomicBool::new(false));
        let sync = tokio::spawn(sync::watch::run(core.clone(), monitor.clone(), pulled.clone()));
        let flush = tokio::spawn({
            let (core, monitor) = (core.clone(), monitor.clone());
            async move {
                // See `flush::run`: what was announced before the last end must be looked for first.
                while !pulled.load(Ordering::SeqCst) {
                    core.queue_bell.notified().await;
                }
                if !core.read_only {
                    flush::run::run(core, monitor).await;
                }
            }
        });
        let pins = tokio::spawn(pins::run(core.clone(), monitor.clone()));
        let trim = tokio::spawn(pins::trim(core.clone()));
        let bury = tokio::spawn(core.clone().bury_all());
        let tasks = vec![sync, flush, pins, trim, bury];
        Ok(Arc::new(Drive { options, core, monitor, tasks, rates: Default::default() }))
    }

    /// As adapters see it.
    pub fn vfs(&self) -> Arc<dyn crate::vfs::Vfs> {
        Arc::new(CoreVfs(self.core.clone()))
    }

    /// What it was made from.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Holds all sending, until a time or until [`Drive::resume`]. The agent keeps it over restarts.
    pub fn pause(&self, until: Option<Time>) {
        self.monitor.pause(Some(until.map_or(Pause::Resume, Pause::Until)));
    }

    /// Goes on sending.
    pub fn resume(&self) {
        self.monitor.pause(None);
        self.core.queue().retry_now();
        self.core.queue_bell.notify_one();
    }

    /// To hear when [`Drive::status`] may have changed.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.core.news.follow()
    }

    /// Tries again at once what waits after a failure.
    pub fn retry(&self) {
        self.core.queue().retry_now();
        self.core.queue_bell.notify_one();
        self.core.pin_bell.notify_one();
        self.monitor.pull_bell.notify_one();
        self.core.news.tell();
    }

    /// The newest saves that the remote committed, newest first.
    pub fn activity(&self, limit: usize) -> Vec<Save> {
        self.monitor.activity.newest(limit)
    }

    /// Sets how many bytes its files may take on this machine; none: no limit.
    pub fn set_cache_limit(&self, bytes: Option<u64>) {
        self.core.staging.ledger().set_limit(bytes);
        self.core.news.tell();
    }

    /// Returns when the remote has committed everything that was changed here.
    ///
    /// Fails with [`Kind::Busy`] while paused, else with what the remote failed with; what is pending
    /// stays pending then, and is tried again by itself.
    pub async fn flush(&self) -> Result<()> {
        let _force = self.monitor.force();
        let mut tries = self.monitor.tries();
        let mut failed = 0;
        loop {
            tries.mark_unchanged();
            if !self.anything_pending()? {
                return Ok(());
            }
            if self.monitor.paused() {
                return Err(Error::new(Kind::Busy, "the drive is paused, so nothing is sent")
                    .remedy("run `lacuna resume`")
                    .at(format!("drive {}", self.options.name)));
            }
            self.core.queue().retry_now();
            self.core.queue_bell.notify_one();
            tokio::select! {
                r = tries.changed() => if r.is_err() {
                    return Err(Error::new(Kind::Other, "the drive was closed"));
                },
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
            }
            if let Some((kind, cause)) = self.monitor.last_error() {
                failed += 1;
                // One failure may be of a try that began before this call.
                if failed >= 2 || !matches!(kind, Kind::Offline | Kind::Other) {
                    return Err(Error::new(kind, cause).at(format!("drive {}", self.options.name)));
                }
            } else if let Some(cause) = self.monitor.offline() {
                failed += 1;
                if failed >= 8 {
                    return Err(Error::new(Kind::Offline, cause).at(format!("drive {}", self.options.name)));
                }
            }
        }
    }

    fn anything_pending(&self) -> Result<bool> {
        // A file with unsent bytes is marked in the tree before they are staged. (One that was removed while
        // open is staged too, but nobody waits for its bytes.)
        Ok(self.core.ns.pending_count()? > 0)
    }

    /// What is known of one file, given by its path from the drive's root.
    pub async fn info(&self, path: &str) -> Result<FileInfo> {
        let node = self.core.resolve(path).await?;
        status::info(&self.core, &self.monitor, &node)
    }

    /// Frees what a file, or the files below a folder, take on this machine and the remote has too. What is
    /// pinned below a folder stays. Answers the bytes freed.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for what is pinned itself.
    pub async fn evict(&self, path: &str) -> Result<u64> {
        let node = self.core.resolve(path).await?;
        if let Some(by) = self.core.ns.pinned_by(node.ino)? {
            let by = self.core.ns.path(by).unwrap_or_default();
            return Err(Error::new(Kind::Invalid, "it is pinned, so it stays on this machine")
                .remedy(format!("unpin '{}' first", if by.is_empty() { "/" } else { &by }))
                .at(path));
        }
        let core = self.core.clone();
        crate::read::blocking(move || {
            let pinned = core.all_pinned()?;
            let mut freed = 0;
            let mut todo = vec![node];
            while let Some(node) = todo.pop() {
                if pinned.contains(&node.ino) {
                    continue;
                }
                match node.kind {
                    NodeKind::Dir => {
                        let mut cookie = 0;
                        loop {
                            let children = core
                                .ns
                                .children(node.ino, cookie, 1000)
                                .map_err(crate::vfs::core::fault_error)?;
                            let Some(last) = children.last() else { break };
                            cookie = last.0;
                            todo.extend(children.into_iter().map(|(_, n)| n));
                        }
                    }
                    NodeKind::File => freed += core.evict(node.ino)?,
                    NodeKind::Symlink => {}
                }
            }
            Ok(freed)
        })
        .await
    }

    /// Stops its tasks. What is pending stays journaled and is sent after the next open.
    pub async fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        let core = self.core.clone();
        let synced = crate::read::blocking(move || {
            for (ino, file) in core.files() {
                if file.is_marked() {
                    file.staged.sync()?;
                }
                core.staging.close_idle(ino);
            }
            core.ns.sync()?;
            core.bury()
        })
        .await;
        if let Err(e) = synced {
            tracing::warn!(error = ?e, "closing");
        }
    }
}
