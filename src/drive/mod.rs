//! [`Drive`]: one remote, its cache and its two tasks (flush, sync), ready to be mounted.

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
    control::api::FileInfo,
    error::{Error, Kind, Result},
    flush::{self, queue::Timing},
    monitor::{Monitor, Pause},
    namespace::Namespace,
    node::{Kind as NodeKind, Time},
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
        let how = remote::OpenOptions {
            poll: options.poll,
            read_only: options.read_only,
            hub: options.hub.clone(),
        };
        let remote = remote::open(&options.url, &dir.join("remote"), &how).await.map_err(about)?;
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
        let parts = Parts {
            ns,
            staging,
            remote,
            timing: Timing { quiet: options.quiet, latest: options.latest },
            read_only: options.read_only,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            cache_dir: dir.clone(),
        };
        let core = Core::new(parts, recovered)?;
        let monitor = Arc::new(Monitor::open(dir.join("monitor.json")));
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
        Ok(Arc::new(Drive { options, core, monitor, tasks: vec![sync, flush], rates: Default::default() }))
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

    /// Frees what a file, or the files below a folder, take on this machine and the remote has too.
    /// Answers the bytes freed.
    pub async fn evict(&self, path: &str) -> Result<u64> {
        let node = self.core.resolve(path).await?;
        let core = self.core.clone();
        crate::read::blocking(move || {
            let mut freed = 0;
            let mut todo = vec![node];
            while let Some(node) = todo.pop() {
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
            core.ns.sync()
        })
        .await;
        if let Err(e) = synced {
            tracing::warn!(error = ?e, "closing");
        }
    }
}
