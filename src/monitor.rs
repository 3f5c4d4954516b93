//! What a drive is doing and what is wrong with it, as the status shows it. Flush and sync report here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::{
    control::api::{Problem, Severity},
    error::{Error, Kind, Result},
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
}

impl Doing {
    fn prefix(self) -> &'static str {
        match self {
            Doing::Pull => "pull:",
            Doing::Publish => "publish:",
        }
    }
}

#[derive(Default)]
struct State {
    pause: Option<Pause>,
    offline: Option<String>,
    /// By kind and path: the kind is the code, or for the remote's failures what was being done too.
    problems: BTreeMap<(String, Option<String>), Problem>,
    sending: HashSet<Ino>,
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
    /// Rung when anything the status shows may have changed.
    pub changed: Notify,
}

/// Held while a caller of `flush` waits.
pub struct Forcing<'a>(&'a Monitor);

impl Drop for Forcing<'_> {
    fn drop(&mut self) {
        self.0.forcing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Monitor {
    /// Takes up what was known before the last end. A damaged file costs the list of old
    /// conflicts, no data, and is said in the log.
    pub fn open(file: PathBuf) -> Self {
        let saved = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_else(|e| {
                tracing::warn!(file = %file.display(), error = %e, "unreadable; problems of before are forgotten");
                Saved::default()
            }),
            Err(_) => Saved::default(),
        };
        let problems = saved.problems.into_iter().map(|p| ((p.code.clone(), p.path.clone()), p)).collect();
        Monitor {
            file,
            state: Mutex::new(State { problems, ..State::default() }),
            forcing: AtomicUsize::new(0),
            tries: watch::Sender::new(0),
            pull_bell: Notify::new(),
            changed: Notify::new(),
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
        self.changed.notify_waiters();
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
        self.changed.notify_waiters();
    }

    /// Why the last try of the flusher failed, if it did.
    pub fn last_error(&self) -> Option<(Kind, String)> {
        self.state().last_error.clone()
    }

    /// The remote's changes could be read: what stood in the way of that is over.
    pub fn remote_reachable(&self) {
        let mut state = self.state();
        state.offline = None;
        state.problems.retain(|(key, _), _| !key.starts_with(Doing::Pull.prefix()));
        drop(state);
        self.changed.notify_waiters();
    }

    /// The remote did not do what was asked: offline, or a problem that stays until it does.
    pub fn remote_failed(&self, doing: Doing, e: &Error) {
        let (code, title, remedy) = match e.kind() {
            Kind::Offline => {
                self.state().offline = Some(e.to_string());
                self.changed.notify_waiters();
                return;
            }
            Kind::NoSpace => ("remote-full", "No space left", "Free space there; sending goes on by itself."),
            Kind::ReadOnly | Kind::Denied => (
                "remote-denied",
                "Not allowed to write",
                "Give this user the right to write, or mount with --read-only.",
            ),
            Kind::NewerFormat => ("remote-newer", "The bucket is of a newer format", "Update Lacuna."),
            Kind::Damaged => ("remote-damaged", "The bucket is damaged", "Run `lacuna store check`."),
            _ => ("remote-failed", "The remote failed", "It is tried again by itself; see the log."),
        };
        let problem = Problem {
            code: code.into(),
            title: title.into(),
            cause: e.cause().to_owned(),
            remedy: e.remedy_text().unwrap_or(remedy).to_owned(),
            severity: Severity::Error,
            path: e.path().map(str::to_owned),
            action: None,
        };
        self.insert(format!("{}{code}", doing.prefix()), problem);
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
        self.changed.notify_waiters();
    }

    /// Both versions were kept.
    pub fn conflict(&self, ours: &str, theirs: &str) {
        self.add(Problem {
            code: "conflict".into(),
            title: "Changed here and elsewhere".into(),
            cause: format!(
                "{theirs} was changed elsewhere while it was changed here; both versions are kept"
            ),
            remedy: "Compare the two, then delete or rename the conflicted copy.".into(),
            severity: Severity::Warning,
            path: Some(ours.to_owned()),
            action: None,
        });
    }

    /// The remote will never take this change as it stands.
    pub fn rejected(&self, path: Option<String>, why: &Error) {
        self.add(Problem {
            code: "rejected".into(),
            title: "The remote refuses a file".into(),
            cause: why.cause().to_owned(),
            remedy: why
                .remedy_text()
                .unwrap_or("Change or rename the file; it is tried again then.")
                .to_owned(),
            severity: Severity::Error,
            path,
            action: None,
        });
    }

    /// A save has reached the remote.
    pub fn saved(&self, ino: Ino, path: Option<String>, receipt: Option<Receipt>) {
        let mut state = self.state();
        state.problems.remove(&("rejected".to_owned(), path));
        if let Some(receipt) = receipt {
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

    /// Which nodes are on their way now.
    pub fn sending(&self, inos: &[Ino]) {
        self.state().sending = inos.iter().copied().collect();
        self.changed.notify_waiters();
    }

    /// Whether a node is on its way now.
    pub fn is_sending(&self, ino: Ino) -> bool {
        self.state().sending.contains(&ino)
    }

    /// Why the remote can't be reached, if it can't.
    pub fn offline(&self) -> Option<String> {
        self.state().offline.clone()
    }

    /// What is wrong. `exists` tells whether a path is still there: a conflict is solved when the copy
    /// is gone or renamed.
    pub fn problems(&self, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
        let mut state = self.state();
        let before = state.problems.len();
        state.problems.retain(|(code, path), _| code != "conflict" || path.as_deref().is_none_or(&exists));
        if state.problems.len() != before {
            self.save(&state);
        }
        state.problems.values().cloned().collect()
    }
}
