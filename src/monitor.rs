//! What a drive is doing and what is wrong with it, as the status shows it. Flush and sync report here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::{
    activity::Activity,
    control::api::{Problem, Save},
    error::{Error, Kind, Result},
    flush::progress::Progress,
    health,
    news::News,
    node::{Ino, Time},
    remote::Receipt,
};

/// The most receipts kept, the newest ones.
const RECEIPTS: usize = 10_000;

/// How a pause ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// By `resume` only.
    Resume,
    /// By itself at this time, or by `resume`.
    Until(Time),
}

/// What the remote was asked to do when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Tell what changed.
    Pull,
    /// Commit what changed here.
    Publish,
    /// Give the bytes of a pinned file.
    Fetch,
}

impl Doing {
    fn prefix(self) -> &'static str {
        match self {
            Doing::Pull => "pull:",
            Doing::Publish => "publish:",
            Doing::Fetch => "fetch:",
        }
    }
}

#[derive(Default)]
struct State {
    pause: Option<Pause>,
    offline: Option<String>,
    /// By kind and path: the kind is the code, or for the remote's failures what was being done too.
    problems: BTreeMap<(String, Option<String>), Problem>,
    sending: HashMap<Ino, Arc<Progress>>,
    /// Refused because the remote has moved on, which is not folded in yet.
    conflicting: HashSet<Ino>,
    /// Why the last try to send a node failed.
    why: HashMap<Ino, String>,
    receipts: HashMap<Ino, Receipt>,
    last_error: Option<(Kind, String)>,
}

/// What survives a restart of it.
#[derive(Default, Serialize, Deserialize)]
struct Saved {
    problems: Vec<Problem>,
}

/// See the module's text.
pub struct Monitor {
    /// The drive's name.
    drive: String,
    /// Where the list of conflicts is kept over restarts.
    file: PathBuf,
    /// Moments only.
    state: Mutex<State>,
    /// How many callers of `flush` wait now.
    forcing: AtomicUsize,
    /// Finished tries of the flusher since the start.
    tries: watch::Sender<u64>,
    /// Rung when the remote should be asked for changes at once.
    pub pull_bell: Notify,
    /// What was saved lately.
    pub activity: Activity,
    /// Told when anything the status shows may have changed.
    news: Arc<News>,
}

/// Held while a caller of `flush` waits.
pub struct Forcing<'a>(&'a Monitor);

impl Drop for Forcing<'_> {
    fn drop(&mut self) {
        self.0.forcing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Monitor {
    /// Takes up what was known of a drive before the last end, from the files `monitor.json` and
    /// `activity.jsonl` of its state folder. A damaged one costs the list of old conflicts or saves, no data, and
    /// is said in the log.
    pub fn open(drive: &str, state_dir: &Path, news: Arc<News>) -> Self {
        let file = state_dir.join("monitor.json");
        let saved = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_else(|e| {
                tracing::warn!(file = %file.display(), error = %e, "unreadable; problems of before are forgotten");
                Saved::default()
            }),
            Err(_) => Saved::default(),
        };
        let problems = saved.problems.into_iter().map(|p| ((p.code.clone(), p.path.clone()), p)).collect();
        Monitor {
            drive: drive.to_owned(),
            file,
            activity: Activity::open(state_dir.join("activity.jsonl")),
            news,
            state: Mutex::new(State { problems, ..State::default() }),
            forcing: AtomicUsize::new(0),
            tries: watch::Sender::new(0),
            pull_bell: Notify::new(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn save(&self, state: &State) {
        let saved =
            Saved { problems: state.problems.values().filter(|p| p.code == "conflict").cloned().collect() };
        let write = || -> std::io::Result<()> {
            let new = self.file.with_extension("new");
            std::fs::write(&new, serde_json::to_vec_pretty(&saved)?)?;
            std::fs::rename(&new, &self.file)
        };
        if let Err(e) = write() {
            tracing::warn!(file = %self.file.display(), error = %e, "problems are not kept");
        }
    }

    /// Holds all sending.
    pub fn pause(&self, pause: Option<Pause>) {
        self.state().pause = pause;
        self.news.tell();
    }

    /// Whether sending is held now.
    pub fn paused(&self) -> bool {
        self.pause_left().is_some()
    }

    /// How long sending is held still; a very long time for a pause without end.
    pub fn pause_left(&self) -> Option<Duration> {
        match self.state().pause? {
            Pause::Resume => Some(Duration::from_secs(u64::MAX >> 20)),
            Pause::Until(t) => {
                let left = t.0.saturating_sub(Time::now().0);
                (left > 0).then(|| Duration::from_nanos(left.unsigned_abs()))
            }
        }
    }

    /// As the user set it, if it still holds.
    pub fn pause_now(&self) -> Option<Pause> {
        self.pause_left().and(self.state().pause)
    }

    /// Whether the flusher may send.
    pub fn may_flush(&self) -> bool {
        !self.paused()
    }

    /// Whether somebody waits in `flush`.
    pub fn forced(&self) -> bool {
        self.forcing.load(Ordering::SeqCst) > 0
    }

    /// Makes everything due until the guard is dropped.
    pub fn force(&self) -> Forcing<'_> {
        self.forcing.fetch_add(1, Ordering::SeqCst);
        Forcing(self)
    }

    /// Counts the flusher's finished tries.
    pub fn tries(&self) -> watch::Receiver<u64> {
        self.tries.subscribe()
    }

    /// A try of the flusher ended.
    pub fn attempted(&self, result: &Result<usize>) {
        match result {
            Ok(done) => {
                let mut state = self.state();
                state.last_error = None;
                if *done > 0 {
                    state.offline = None;
                    state.problems.retain(|(key, _), _| !key.starts_with(Doing::Publish.prefix()));
                }
            }
            Err(e) => {
                self.state().last_error = Some((e.kind(), e.to_string()));
                self.remote_failed(Doing::Publish, e);
            }
        }
        self.tries.send_modify(|n| *n += 1);
        self.news.tell();
    }

    /// Why the last try of the flusher failed, if it did.
    pub fn last_error(&self) -> Option<(Kind, String)> {
        self.state().last_error.clone()
    }

    /// The remote's changes could be read: what stood in the way of that is over.
    pub fn remote_reachable(&self) {
        let mut state = self.state();
        state.offline = None;
        state.conflicting.clear();
        state.problems.retain(|(key, _), _| !key.starts_with(Doing::Pull.prefix()));
        drop(state);
        self.news.tell();
    }

    /// The remote did not do what was asked: offline, or a problem that stays until it does.
    pub fn remote_failed(&self, doing: Doing, e: &Error) {
        if e.kind() == Kind::Offline {
            self.state().offline = Some(e.to_string());
            self.news.tell();
            return;
        }
        // What lies in the drive's own folder is on this machine.
        let here = |path: &str| self.file.parent().is_some_and(|dir| Path::new(path).starts_with(dir));
        let code = match e.kind() {
            Kind::NoSpace if e.path().is_some_and(here) => "disk-full",
            kind => health::code_of(kind),
        };
        self.insert(format!("{}{code}", doing.prefix()), health::problem_of(code, e));
    }

    /// What was asked is done: what stood in the way of it is over.
    pub fn remote_did(&self, doing: Doing) {
        self.state().problems.retain(|(key, _), _| !key.starts_with(doing.prefix()));
        self.news.tell();
    }

    /// Adds a problem, or renews it.
    pub fn add(&self, problem: Problem) {
        self.insert(problem.code.clone(), problem);
    }

    fn insert(&self, key: String, problem: Problem) {
        tracing::warn!(code = problem.code, path = ?problem.path, cause = problem.cause, "problem");
        let mut state = self.state();
        state.problems.insert((key, problem.path.clone()), problem);
        self.save(&state);
        drop(state);
        self.news.tell();
    }

    /// Both versions were kept.
    pub fn conflict(&self, ours: &str, theirs: &str) {
        let cause =
            format!("{theirs} was changed elsewhere while it was changed here; both versions are kept");
        self.add(health::problem("conflict", cause, Some(ours.to_owned())));
    }

    /// The remote will never take this change as it stands.
    pub fn rejected(&self, path: Option<String>, why: &Error) {
        self.add(Problem { path, ..health::problem_of("rejected", why) });
    }

    /// The remote has moved on from what a change was based on; both are kept as soon as that is folded in.
    pub fn conflicting(&self, ino: Ino) {
        self.state().conflicting.insert(ino);
        self.news.tell();
    }

    /// A try to send a node failed.
    pub fn not_sent(&self, ino: Ino, why: &Error) {
        self.state().why.insert(ino, why.cause().to_owned());
        self.news.tell();
    }

    /// A save has reached the remote.
    /// `path` is from the drive's root, `size` the file's length in bytes. Without a receipt no content was sent.
    pub fn saved(&self, ino: Ino, path: Option<String>, size: u64, receipt: Option<Receipt>) {
        let mut state = self.state();
        state.why.remove(&ino);
        state.conflicting.remove(&ino);
        state.problems.remove(&("rejected".to_owned(), path.clone()));
        if let Some(receipt) = receipt {
            let (drive, path) = (self.drive.clone(), path.unwrap_or_default());
            self.activity.add(Save { drive, path, at: Time::now(), size, receipt });
            if state.receipts.len() >= RECEIPTS {
                state.receipts.clear();
            }
            state.receipts.insert(ino, receipt);
        }
    }

    /// What the last save of a file cost.
    pub fn receipt(&self, ino: Ino) -> Option<Receipt> {
        self.state().receipts.get(&ino).copied()
    }

    /// Which nodes are on their way now, and how far.
    pub fn sending(&self, now: HashMap<Ino, Arc<Progress>>) {
        self.state().sending = now;
        self.news.tell();
    }

    /// How far a node is that is on its way now.
    pub fn progress(&self, ino: Ino) -> Option<Arc<Progress>> {
        self.state().sending.get(&ino).cloned()
    }

    /// Whether the remote refused a node because it has moved on.
    pub fn is_conflicting(&self, ino: Ino) -> bool {
        self.state().conflicting.contains(&ino)
    }

    /// Why the last try to send a node failed.
    pub fn why(&self, ino: Ino) -> Option<String> {
        self.state().why.get(&ino).cloned()
    }

    /// Why the remote can't be reached, if it can't.
    pub fn offline(&self) -> Option<String> {
        self.state().offline.clone()
    }

    /// What is wrong. `exists` tells whether a path is still there: a conflict is solved when the copy
    /// is gone or renamed, and so is a refusal.
    pub fn problems(&self, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut state = self.state();
        let before = state.problems.len();
        let of_a_file = |code: &str| matches!(code, "conflict" | "rejected");
        state.problems.retain(|(code, path), _| !of_a_file(code) || path.as_deref().is_none_or(&exists));
        if state.problems.len() != before {
            self.save(&state);
        }
        state.problems.values().cloned().collect()
    }
}
