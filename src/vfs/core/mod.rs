//! [`Core`]: one mounted drive. The tree, the staged bytes, the remote, and who has what open.
//!
//! # Locks, in the order in which they are taken
//!
//! 1. `order` (async): held to read while a folder is being listed and to write while remote events are
//!    folded in, so that a listing is never older than the events that follow it.
//! 2. `gate`: held to read by every local change for its short local time and to write while remote
//!    events are folded in, so that "unchanged here" stays true until the fold is done.
//! 3. `File::mark` of one file: says whether the tree already knows that the file differs. Held while
//!    bytes are staged and while a flush settles, so that no change goes unnoticed between the two.
//! 4. `live`, `handles`, `queue`, `problems`: moments only, none while another of them is held.
//!
//! None but `order` is ever held across an await.

mod attr;
mod bury;
mod entries;
mod io;
mod list;
mod live;
mod ops;
mod room;
mod show;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub use live::File;
use live::{Live, Open};
pub use ops::CoreVfs;
pub(crate) use show::word;

use crate::{
    error::Result,
    flush::queue::{Queue, REMOVALS, Timing},
    namespace::{Contents, Ctx, Effect, Namespace},
    news::News,
    node::{Content, Ino, NodeId, Time},
    read::Pace,
    remote::Remote,
    staging::Staging,
    vfs::{Fault, Invalidate},
};

/// Told of what the operating system has to forget.
pub type Sink = Arc<dyn Fn(Invalidate) + Send + Sync>;

/// One drive: its tree, its staged bytes, its remote. Implements [`Vfs`](crate::vfs::Vfs).
pub struct Core {
    /// The tree.
    pub ns: Namespace,
    /// The bytes that are here.
    pub staging: Staging,
    /// Where the rest is.
    pub remote: Arc<dyn Remote>,
    /// How long changes may wait.
    pub timing: Timing,
    /// Whether bytes may be written at all.
    pub read_only: bool,
    /// This machine's name, for conflicted copies.
    pub host: String,
    /// The folder under which the cache lies, to tell how much space is left.
    pub cache_dir: std::path::PathBuf,
    /// See the module's text, 1.
    pub(crate) order: tokio::sync::RwLock<()>,
    /// See the module's text, 2.
    pub(crate) gate: RwLock<()>,
    live: Mutex<HashMap<Ino, Live>>,
    handles: Mutex<HashMap<u64, Arc<Open>>>,
    next_handle: AtomicU64,
    queue: Mutex<Queue>,
    /// Rung when the queue may have become due earlier than the flusher thinks.
    pub(crate) queue_bell: tokio::sync::Notify,
    /// After which node the flusher looks for what is due: it goes on where it found nothing, so that many
    /// who may not go yet hold up nobody. Only the flusher sets it.
    pub(crate) look_after: AtomicU64,
    /// Nodes of the batch that is at the remote now: events about them wait until it is settled.
    pub(crate) in_flight: Mutex<HashSet<NodeId>>,
    /// Counts the batches settled. Changed with `gate` held to read.
    pub(crate) batches: AtomicU64,
    /// Nodes whose changes the remote refused in the last batch.
    pub(crate) refused: Mutex<Vec<Ino>>,
    /// Rung when a batch is settled.
    pub(crate) settled: tokio::sync::Notify,
    /// Told when anything that the drive shows of itself may have changed.
    pub news: Arc<News>,
    /// Rung when a pinned file may lack bytes.
    pub(crate) pin_bell: tokio::sync::Notify,
    pins: Mutex<room::Pins>,
    /// One at a time makes room in the cache. Taken before all locks of staged files.
    making_room: Mutex<()>,
    /// How fast bytes come in. Held for moments only, none while another is held.
    pace: Mutex<Pace>,
    /// Nodes without a name whose bytes are to be removed. Moments only.
    doomed: Mutex<Vec<Ino>>,
    /// Rung when there is one.
    doom_bell: tokio::sync::Notify,
    /// One at a time removes them. Taken before all locks of staged files.
    burying: Mutex<()>,
    sinks: RwLock<Vec<Sink>>,
}

/// What [`Core::new`] needs.
pub struct Parts {
    /// The tree.
    pub ns: Namespace,
    /// The bytes that are here.
    pub staging: Staging,
    /// Where the rest is.
    pub remote: Arc<dyn Remote>,
    /// How long changes may wait.
    pub timing: Timing,
    /// Whether bytes may be written at all.
    pub read_only: bool,
    /// This machine's name.
    pub host: String,
    /// Where the cache lies.
    pub cache_dir: std::path::PathBuf,
    /// Told when anything that the drive shows of itself may have changed.
    pub news: Arc<News>,
}

impl Core {
    /// Takes the parts, and from what the staging folder holds finds again what was open or changed
    /// when the last process ended.
    pub fn new(parts: Parts, recovered: Vec<Ino>) -> Result<Arc<Core>> {
        let Parts { ns, staging, remote, timing, read_only, host, cache_dir, news } = parts;
        let core = Arc::new(Core {
            ns,
            staging,
            remote,
            timing,
            read_only,
            host,
            cache_dir,
            order: tokio::sync::RwLock::new(()),
            gate: RwLock::new(()),
            live: Mutex::default(),
            handles: Mutex::default(),
            next_handle: AtomicU64::new(1),
            queue: Mutex::default(),
            queue_bell: tokio::sync::Notify::new(),
            look_after: AtomicU64::new(0),
            in_flight: Mutex::default(),
            batches: AtomicU64::new(0),
            refused: Mutex::default(),
            settled: tokio::sync::Notify::new(),
            news,
            pin_bell: tokio::sync::Notify::new(),
            pins: Mutex::default(),
            making_room: Mutex::default(),
            pace: Mutex::default(),
            doomed: Mutex::default(),
            doom_bell: tokio::sync::Notify::new(),
            burying: Mutex::default(),
            sinks: RwLock::default(),
        });
        core.recover(recovered)?;
        Ok(core)
    }

    /// After a crash: nodes that were unlinked but open are nobody's now; staged bytes that differ from
    /// their base are queued, with the length and time that the journal has.
    fn recover(&self, staged: Vec<Ino>) -> Result<()> {
        lock(&self.doomed).extend(self.ns.orphans()?);
        self.bury()?;
        for ino in staged {
            let node = match self.ns.node(ino) {
                Ok(node) => node,
                Err(Fault::NotFound) => {
                    self.staging.remove(ino)?;
                    continue;
                }
                Err(e) => return Err(fault_error(e)),
            };
            let Some(file) = self.staging.get(ino)? else { continue };
            if let Some((generation, announced)) = file.intent()
                && node.synced.as_ref().is_some_and(|s| s.body == crate::remote::Body::File(announced))
            {
                file.commit(generation, announced)?;
            }
            let changed = file.is_changed();
            if changed || node.data_dirty {
                self.ns
                    .set_data(ino, file.size(), file.mtime(), file.ctime(), changed)
                    .map_err(fault_error)?;
            }
            if changed {
                self.touch(ino);
                *self.file(ino, &file).mark() = true;
            } else {
                self.staging.close_idle(ino);
            }
        }
        let now = Instant::now();
        if self.ns.any_removed()? {
            lock(&self.queue).touch(REMOVALS, now);
        }
        for p in self.ns.pending(usize::MAX)? {
            if let crate::namespace::Pending::Put { ino, data_dirty, .. } = p {
                lock(&self.queue).touch(ino, now);
                if data_dirty && self.dirty_file(ino).is_none() && self.staging.get(ino)?.is_none() {
                    // Made, and killed before its first byte was staged: an empty file.
                    tracing::debug!(%ino, "changed without staged bytes");
                }
            }
        }
        Ok(())
    }

    /// The node changed: the flusher will look at it.
    pub(crate) fn touch(&self, ino: Ino) {
        lock(&self.queue).touch(ino, Instant::now());
        self.queue_bell.notify_one();
        self.news.tell();
    }

    /// Looks at or changes the queue.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Adds one who is told of what to forget.
    pub fn add_sink(&self, sink: Sink) {
        self.sinks.write().unwrap_or_else(|e| e.into_inner()).push(sink);
    }

    pub(crate) fn emit(&self, what: Invalidate) {
        for sink in self.sinks.read().unwrap_or_else(|e| e.into_inner()).iter() {
            sink(what.clone());
        }
    }

    /// What the tree needs to know when it folds in remote events.
    pub(crate) fn ctx(&self) -> Ctx {
        Ctx::new(self.host.clone(), Time::now())
    }

    /// Does to the staged bytes and tells the kernel what a fold of remote events decided. Answers the
    /// conflicts: `(ours, theirs)`, paths from the drive's root. Called with `gate` held to write, but for
    /// listings, which decide nothing about changed nodes.
    pub(crate) fn carry_out(&self, effects: Vec<Effect>) -> Result<Vec<(String, String)>> {
        let mut conflicts = Vec::new();
        let any = !effects.is_empty();
        for effect in effects {
            match effect {
                Effect::Invalidate(what) => self.emit(what),
                Effect::Rebase { ino, content } => {
                    if let Some(file) = self.staging.get(ino)? {
                        if !file.rebase(content)? {
                            // Cannot be: the gate keeps writers out while the fold decides.
                            tracing::error!(%ino, "a changed file was to follow the remote; kept as it is");
                        }
                        self.close_if_idle(ino);
                    }
                    self.emit(Invalidate::Node(ino));
                }
                Effect::Committed { ino, content } => self.adopt_own_commit(ino, content)?,
                Effect::Conflict { ours, theirs, ino } => {
                    self.touch(ino);
                    conflicts.push((ours, theirs));
                }
                Effect::Gone { ino } => {
                    lock(&self.queue).forget(ino);
                    self.let_go(ino);
                }
                Effect::Requeue { ino } => self.touch(ino),
            }
        }
        // Not before: a pinned file's old bytes must not be taken for the new ones.
        if any {
            self.pin_bell.notify_one();
            self.news.tell();
        }
        Ok(conflicts)
    }

    /// The remote has the content that we announced before the answer was lost (or the process killed).
    fn adopt_own_commit(&self, ino: Ino, content: Content) -> Result<()> {
        let Some(file) = self.dirty_file(ino) else { return Ok(()) };
        let mut mark = file.mark();
        if let Some((generation, announced)) = file.staged.intent()
            && announced == content
        {
            file.staged.commit(generation, content)?;
            *mark = file.staged.is_changed();
            self.ns
                .set_data(ino, file.staged.size(), file.staged.mtime(), file.staged.ctime(), *mark)
                .map_err(fault_error)?;
        }
        Ok(())
    }

    fn new_handle(&self, open: Open) -> crate::vfs::Handle {
        let id = self.next_handle.fetch_add(1, Ordering::Relaxed);
        lock(&self.handles).insert(id, Arc::new(open));
        crate::vfs::Handle(id)
    }

    /// The nodes whose changes the remote refused since the last call.
    pub(crate) fn take_refused(&self) -> Vec<Ino> {
        std::mem::take(&mut *lock(&self.refused))
    }

    /// How long the flusher may sleep.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        lock(&self.queue).next_due(self.timing).map(|t| t.saturating_duration_since(Instant::now()))
    }
}

impl Contents for Core {
    fn changed(&self, ino: Ino) -> bool {
        // The mark is not taken: the gate keeps writers out.
        self.dirty_file(ino).is_some_and(|f| f.staged.is_changed())
    }

    fn intent(&self, ino: Ino) -> Option<Content> {
        self.dirty_file(ino).and_then(|f| f.staged.intent()).map(|(_, content)| content)
    }
}

/// A fault of the tree where the engine's error is asked for.
pub(crate) fn fault_error(f: Fault) -> crate::error::Error {
    use crate::error::{Error, Kind};
    let kind = match f {
        Fault::NotFound => Kind::NotFound,
        Fault::NoSpace => Kind::NoSpace,
        Fault::ReadOnly => Kind::ReadOnly,
        Fault::Denied | Fault::NotPermitted => Kind::Denied,
        Fault::Offline => Kind::Offline,
        Fault::Io | Fault::NoData | Fault::BadHandle => Kind::Other,
        _ => Kind::Invalid,
    };
    Error::new(kind, f.to_string()).because(f)
}

/// What a program is told of a failure; the failure itself goes to the log.
pub(crate) fn error_fault(ino: Ino, e: &crate::error::Error) -> Fault {
    use crate::error::Kind;
    let fault = match e.kind() {
        Kind::NotFound => Fault::Io,
        Kind::Offline => Fault::Offline,
        Kind::NoSpace => Fault::NoSpace,
        Kind::ReadOnly => Fault::ReadOnly,
        Kind::Denied | Kind::SignedOut => Fault::Denied,
        Kind::Invalid => Fault::Invalid,
        Kind::Conflict | Kind::Damaged | Kind::NewerFormat | Kind::Busy | Kind::Other => Fault::Io,
    };
    tracing::warn!(%ino, error = ?e, "answered {fault:?}");
    fault
}

pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}
