//! What a drive shows of itself.

use std::{
    collections::HashMap,
    ops::Range,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::Drive;
use crate::{
    control::api::{
        Cache, DriveState, DriveStatus, FileInfo, Paused, Pending, QueueItem, QueueState, Rate, Severity,
    },
    error::Result,
    health,
    monitor::{Monitor, Pause},
    namespace::{self, Node},
    node::{Ino, Kind},
    ranges::RangeSet,
    remote::Body,
    vfs::core::{Core, lock, word},
};

/// The most entries of the queue that are shown.
const SHOWN: usize = 1000;
/// Rates are over this long.
const WINDOW: Duration = Duration::from_secs(3);

/// Counts of the last seconds.
#[derive(Default)]
pub(super) struct Rates(Mutex<Vec<(Instant, u64, u64)>>);

impl Rates {
    fn note(&self, now: Instant, up: u64, down: u64) -> Rate {
        let mut samples = lock(&self.0);
        samples.push((now, up, down));
        // One sample older than the window stays, to measure from.
        while samples.len() > 2 && samples.get(1).is_some_and(|s| now - s.0 > WINDOW) {
            samples.remove(0);
        }
        let Some(&(then, up0, down0)) = samples.first() else { return Rate::default() };
        let ms = u64::try_from((now - then).as_millis()).unwrap_or(u64::MAX).max(1);
        Rate { up: (up - up0) * 1000 / ms, down: (down - down0) * 1000 / ms }
    }
}

impl Drive {
    /// Its state, what waits, what is wrong.
    pub fn status(&self) -> DriveStatus {
        let core = &self.core;
        let now = Instant::now();
        let (sent_bytes, received_bytes) = core.remote.moved();
        let mut problems = self.monitor.problems(|path| exists(core, path));
        if let Some(free) = core.no_space() {
            let place = core.cache_dir.display();
            let cause = format!("only {free} bytes are free at {place}, so programs can't write");
            problems.push(health::problem("disk-full", cause, None));
        }
        let (pending, queue) = self.pending(now);
        let state = if problems.iter().any(|p| p.severity >= Severity::Warning) {
            DriveState::Problem
        } else if self.monitor.offline().is_some() {
            DriveState::Offline
        } else if self.monitor.paused() {
            DriveState::Paused
        } else if pending.files > 0 {
            DriveState::Syncing
        } else {
            DriveState::Synced
        };
        DriveStatus {
            name: self.options.name.clone(),
            remote: self.options.url.clone(),
            mountpoint: self.options.mountpoint.display().to_string(),
            state,
            pending,
            sent_bytes,
            received_bytes,
            rate: self.rates.note(now, sent_bytes, received_bytes),
            queue,
            problems,
            read_only: self.options.read_only,
            paused: self.monitor.pause_now().map(|pause| match pause {
                Pause::Resume => Paused { until: None },
                Pause::Until(end) => Paused { until: Some(end) },
            }),
            cache: self.cache(),
            saves: self.monitor.activity.count(),
        }
    }

    fn cache(&self) -> Cache {
        let ledger = self.core.staging.ledger();
        let pinned = self.core.all_pinned().map_or(0, |all| ledger.bytes_of_all(all.iter()));
        Cache { bytes: ledger.bytes(), pinned, limit: ledger.limit() }
    }

    fn pending(&self, now: Instant) -> (Pending, Vec<QueueItem>) {
        let core = &self.core;
        let changed: HashMap<Ino, u64> = core
            .files()
            .into_iter()
            .filter(|(_, f)| f.is_marked() && f.staged.is_changed())
            .filter(|(ino, _)| core.ns.node(*ino).is_ok_and(|n| n.parent.is_some()))
            .map(|(ino, f)| (ino, f.staged.dirty_bytes()))
            .collect();
        let shown = core.ns.pending(SHOWN).unwrap_or_default();
        let files = core.ns.pending_things().unwrap_or(shown.len() as u64);
        let mut queue: Vec<QueueItem> = shown
            .iter()
            .filter_map(|p| match p {
                namespace::Pending::Remove { .. } => None,
                namespace::Pending::Put { ino, kind, .. } if *kind != Kind::Dir => {
                    self.item(*ino, changed.get(ino).copied().unwrap_or(0), now)
                }
                namespace::Pending::Put { .. } => None,
            })
            .collect();
        queue.sort_by_key(|item| !matches!(item.state, QueueState::Uploading | QueueState::Committing));
        (Pending { files, bytes: changed.values().sum() }, queue)
    }

    /// One change of the queue; `None`: it was removed a moment ago.
    fn item(&self, ino: Ino, bytes: u64, now: Instant) -> Option<QueueItem> {
        let (core, monitor) = (&self.core, &self.monitor);
        let path = core.ns.path(ino)?;
        let size = match core.dirty_file(ino) {
            Some(file) => file.staged.size(),
            None => core.ns.node(ino).ok()?.size,
        };
        let entry = core.queue().get(ino);
        let backing_off = entry.and_then(|e| e.backing_off(now));
        let progress = monitor.progress(ino);
        let quiet = entry.is_some_and(|e| e.due(core.timing) > now);
        let composed = progress.as_ref().map(|p| p.composed());
        let state = queue_state(composed, monitor.is_conflicting(ino), backing_off.is_some(), quiet);
        Some(QueueItem {
            path,
            bytes,
            // What is changed meanwhile counts in `bytes` only.
            sent: progress.map_or(0, |p| p.sent().min(bytes)),
            state,
            attempts: entry.map_or(0, |e| e.attempts),
            size,
            retry_ms: backing_off
                .filter(|_| state == QueueState::Retry)
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            why: monitor.why(ino),
        })
    }
}

/// What a queued change is doing. `composed`: it is on its way, and whether all its bytes are at the remote;
/// `refused`: the remote has moved on; `failed`: it waits before another try; `quiet`: the file still changes.
/// Pure.
fn queue_state(composed: Option<bool>, refused: bool, failed: bool, quiet: bool) -> QueueState {
    match (composed, refused, failed, quiet) {
        (Some(true), ..) => QueueState::Committing,
        (Some(false), ..) => QueueState::Uploading,
        (None, true, ..) => QueueState::Conflict,
        (None, false, true, _) => QueueState::Retry,
        (None, false, false, true) => QueueState::Quiet,
        (None, false, false, false) => QueueState::Ready,
    }
}

fn exists(core: &Core, path: &str) -> bool {
    let mut ino = Ino::ROOT;
    for part in path.split('/') {
        let Ok(name) = crate::node::Name::new(part) else { return false };
        match core.ns.child(ino, &name) {
            Ok(Some(node)) => ino = node.ino,
            _ => return false,
        }
    }
    true
}

fn pairs(set: &RangeSet) -> Vec<[u64; 2]> {
    set.iter().map(|Range { start, end }| [start, end]).collect()
}

/// What `lacuna info` shows of one node.
pub(super) fn info(core: &Core, monitor: &Monitor, node: &Node) -> Result<FileInfo> {
    let staged = match core.dirty_file(node.ino) {
        Some(file) => Some(file.staged.clone()),
        None if node.kind == Kind::File => core.staging.get(node.ino)?,
        None => None,
    };
    let base = match node.synced.as_ref().map(|s| &s.body) {
        Some(Body::File(content)) => Some(content.id.hex()),
        _ => None,
    };
    let coverage = staged.as_ref().map(|s| s.coverage());
    let changed = coverage.as_ref().is_some_and(|c| c.changed);
    let differs = changed || core.ns.differs(node.ino).unwrap_or(false);
    let sending = monitor.progress(node.ino).is_some();
    let info = FileInfo {
        path: core.ns.path(node.ino).unwrap_or_default(),
        size: if changed { staged.as_ref().map_or(node.size, |s| s.size()) } else { node.size },
        base,
        present: coverage.as_ref().map_or_else(Vec::new, |c| pairs(&c.present)),
        dirty: coverage.as_ref().map_or_else(Vec::new, |c| pairs(&c.dirty)),
        state: word(node, differs, sending).to_owned(),
        receipt: monitor.receipt(node.ino),
        kind: node.kind,
        pinned: core.ns.pinned_by(node.ino)?.is_some(),
        sending: coverage.as_ref().map_or_else(Vec::new, |c| pairs(&c.sending)),
    };
    core.close_if_idle(node.ino);
    Ok(info)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        error::{Error, Kind as Failure},
        flush::progress::Progress,
        news::News,
    };

    #[test]
    fn what_is_on_its_way_is_said_first_then_why_it_waits() {
        let table = [
            ((Some(false), true, true, true), QueueState::Uploading),
            ((Some(true), true, true, true), QueueState::Committing),
            ((None, true, true, true), QueueState::Conflict),
            ((None, false, true, true), QueueState::Retry),
            ((None, false, false, true), QueueState::Quiet),
            ((None, false, false, false), QueueState::Ready),
        ];
        for ((composed, refused, failed, quiet), want) in table {
            assert_eq!(queue_state(composed, refused, failed, quiet), want);
        }
    }

    #[test]
    fn a_refusal_is_shown_until_the_remotes_changes_are_folded_in() {
        let dir = tempfile::tempdir().unwrap();
        let monitor = Monitor::open("d", dir.path(), Arc::new(News::default()));
        let ino = Ino(20);
        monitor.conflicting(ino);
        monitor.not_sent(ino, &Error::new(Failure::Offline, "no route"));
        assert!(monitor.is_conflicting(ino));
        monitor.remote_reachable();
        assert!(!monitor.is_conflicting(ino));
        assert_eq!(monitor.why(ino).as_deref(), Some("no route"));
        monitor.sending([(ino, Arc::new(Progress::without_bytes()))].into());
        assert!(monitor.progress(ino).is_some_and(|p| p.composed()));
        monitor.saved(ino, Some("f".into()), 0, None);
        assert_eq!((monitor.why(ino), monitor.activity.count()), (None, 0));
    }
}
