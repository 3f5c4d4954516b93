//! The flusher: one batch at a time, frozen, published, settled.
//!
//! # What holds after a crash
//!
//! - Before the freeze is journaled: nothing has happened.
//! - After it, before the content is announced: at the next start the generation is thawed. Before anything is
//!   sent, the tree that it rests on, the numbers of new nodes and what is sent survive a power loss.
//! - After the announcement: the commit may or may not have happened. The next start folds the remote's
//!   events in before it flushes; if one shows the announced content under our node, the generation is
//!   settled, else it is thawed.
//! - After the tree has noted the commit, before the staged file has: the start sees that the announced
//!   content is what the tree calls committed, and settles.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Kind, Result},
    flush::{
        plan,
        progress::{Progress, Watched},
        queue::REMOVALS,
    },
    monitor::Monitor,
    namespace::Pending,
    node::{Content, Ino, Kind as NodeKind},
    remote::{Change, NewBody, Op, Outcome},
    staging::Frozen,
    vfs::core::{Core, File, error_fault, fault_error, lock},
};

/// Pending changes looked at for one batch.
const LOOK: usize = 4 * plan::MAX_CHANGES;

/// One change of a batch that is being published.
struct Flight {
    what: Pending,
    file: Option<(Arc<File>, Arc<Frozen>)>,
    frozen_at: Instant,
    progress: Arc<Progress>,
}

impl Flight {
    fn ino(&self) -> Option<Ino> {
        put_ino(&self.what)
    }

    /// Under which number it waits in the queue.
    fn queued(&self) -> Ino {
        self.ino().unwrap_or(REMOVALS)
    }
}

fn put_ino(p: &Pending) -> Option<Ino> {
    match p {
        Pending::Put { ino, .. } => Some(*ino),
        Pending::Remove { .. } => None,
    }
}

/// Flushes until told to stop.
pub async fn run(core: Arc<Core>, monitor: Arc<Monitor>) {
    loop {
        let bell = core.queue_bell.notified();
        let wait = if !monitor.may_flush() {
            monitor.pause_left().unwrap_or(Duration::from_secs(3600))
        } else if monitor.forced() {
            Duration::ZERO
        } else {
            core.next_due().unwrap_or(Duration::from_secs(3600))
        };
        if !wait.is_zero() {
            tokio::select! {
                () = bell => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        let result = flush_once(&core, &monitor).await;
        monitor.attempted(&result);
        // What failed backs off in the queue, and what was sent has left it; but what failed before it was
        // chosen, or is due behind very many that are not, shall not spin.
        match result {
            Ok(0) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(_) => {}
            Err(e) => {
                tracing::warn!(error = ?e, "a flush failed");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Publishes one batch of what is due (or of everything, if a flush was asked for). Answers how many
/// changes the remote has committed.
pub async fn flush_once(core: &Arc<Core>, monitor: &Arc<Monitor>) -> Result<usize> {
    let forced = monitor.forced();
    let (changes, flights) = {
        let core = core.clone();
        crate::read::blocking(move || prepare(&core, forced)).await?
    };
    if changes.is_empty() {
        return Ok(0);
    }
    let inos: Vec<Ino> = flights.iter().filter_map(Flight::ino).collect();
    let sending = flights.iter().filter_map(|f| Some((f.ino()?, f.progress.clone())));
    monitor.sending(sending.collect());
    let answer = core.remote.publish(changes).await;
    monitor.sending(Default::default());
    let settled = {
        let (core, monitor) = (core.clone(), monitor.clone());
        crate::read::blocking(move || {
            let result = settle_all(&core, &monitor, flights, answer);
            core.settled.notify_waiters();
            result
        })
        .await
    };
    for ino in inos {
        core.close_if_idle(ino);
    }
    for ino in core.take_refused() {
        // Who is in the way may be in a folder that was not looked into yet.
        let Ok(Some(parent)) = core.ns.node(ino).map(|n| n.parent) else { continue };
        if let Err(e) = core.listed(parent).await {
            tracing::debug!(%ino, error = %e, "the folder of a refused change could not be listed");
        }
    }
    settled
}

/// Chooses a batch and freezes its files. The gate keeps remote events out meanwhile, so what is frozen
/// rests on the version that the change names.
fn prepare(core: &Arc<Core>, forced: bool) -> Result<(Vec<Change>, Vec<Flight>)> {
    let _gate = core.gate.read().unwrap_or_else(|e| e.into_inner());
    let now = Instant::now();
    for (ino, file) in core.files() {
        let due = forced || core.queue().due(ino, core.timing).is_none_or(|t| t <= now);
        if !due {
            continue;
        }
        let mark = file.mark();
        if *mark {
            set_data(core, ino, &file, true)?;
        }
    }
    let after = Ino(core.look_after.load(Ordering::Relaxed));
    let (pending, more) = core.ns.pending_after(after, LOOK)?;
    let chosen = {
        let mut queue = core.queue();
        if after == Ino(0) && pending.len() < LOOK {
            let differs: HashSet<Ino> = pending.iter().map(|p| put_ino(p).unwrap_or(REMOVALS)).collect();
            queue.keep(|ino| differs.contains(&ino), now);
        }
        let bytes = |ino| core.dirty_file(ino).map_or(0, |f| f.staged.dirty_bytes());
        plan::choose(&pending, |ino| {
            let due = queue.due(ino, core.timing).is_none_or(|t| t <= now);
            (forced || due).then(|| bytes(ino))
        })
    };
    if chosen.is_empty() {
        core.look_after.store(more.unwrap_or(Ino(0)).0, Ordering::Relaxed);
    }
    if !chosen.iter().any(|&i| matches!(pending[i], Pending::Remove { .. })) {
        // Those that are left go with what replaces them, when that is due.
        core.queue().forget(REMOVALS);
    }
    let mut changes = Vec::with_capacity(chosen.len());
    let mut flights = Vec::with_capacity(chosen.len());
    let mut pending: Vec<Option<Pending>> = pending.into_iter().map(Some).collect();
    for i in chosen {
        let Some(what) = pending.get_mut(i).and_then(Option::take) else { continue };
        let (change, flight) = match prepare_one(core, what) {
            Ok(Some(pair)) => pair,
            Ok(None) => continue,
            Err(e) => {
                thaw_all(core, &flights);
                return Err(e);
            }
        };
        changes.push(change);
        flights.push(flight);
    }
    // Durably, for after a power loss too our own commit must be known for what it is: else it would be taken for
    // somebody else's file of the same name, and ours be put beside it as a conflicted copy.
    if let Err(e) = core.ns.sending(flights.iter().map(|f| &f.what)).and_then(|()| core.ns.sync()) {
        thaw_all(core, &flights);
        return Err(e);
    }
    lock(&core.in_flight).extend(changes.iter().map(|c| c.id));
    Ok((changes, flights))
}

/// `None`: the node was removed a moment ago.
fn prepare_one(core: &Arc<Core>, mut what: Pending) -> Result<Option<(Change, Flight)>> {
    let frozen_at = Instant::now();
    let mut file = None;
    let mut progress = Arc::new(Progress::without_bytes());
    let change = match &mut what {
        Pending::Remove { id, expect, .. } => Change { id: *id, expect: Some(*expect), op: Op::Remove },
        Pending::Put { ino, id, expect, parent, name, meta, kind, target, have, data_dirty, .. } => {
            let body = match kind {
                NodeKind::Dir => NewBody::Dir,
                NodeKind::Symlink => NewBody::Symlink(target.clone().unwrap_or_default()),
                NodeKind::File => {
                    let frozen = match if *data_dirty { freeze(core, *ino) } else { Ok(None) } {
                        Err(e) if e.kind() == Kind::NotFound => return Ok(None),
                        frozen => frozen?,
                    };
                    match frozen {
                        Some((f, frozen)) => {
                            meta.mtime = frozen.mtime;
                            let mut composition = frozen.composition.clone();
                            progress = Arc::default();
                            composition.source = Watched::new(
                                composition.source,
                                composition.dirty.clone(),
                                progress.clone(),
                                core.news.clone(),
                            );
                            let body = NewBody::Compose(composition);
                            file = Some((f, frozen));
                            body
                        }
                        None => NewBody::Have(have.unwrap_or(Content::EMPTY)),
                    }
                }
            };
            let op = Op::Put { parent: *parent, name: name.clone(), meta: *meta, body };
            Change { id: *id, expect: *expect, op }
        }
    };
    Ok(Some((change, Flight { what, file, frozen_at, progress })))
}

fn freeze(core: &Arc<Core>, ino: Ino) -> Result<Option<(Arc<File>, Arc<Frozen>)>> {
    let file = core.staged(ino).map_err(|f| fault_error(f).at(ino))?;
    let mut mark = file.mark();
    match file.staged.freeze()? {
        Some(frozen) => {
            drop(mark);
            Ok(Some((file, frozen)))
        }
        None => {
            *mark = false;
            set_data(core, ino, &file, false)?;
            drop(mark);
            Ok(None)
        }
    }
}

/// Tells the tree what the staged bytes are. The file's mark is held.
fn set_data(core: &Core, ino: Ino, file: &File, changed: bool) -> Result<()> {
    let s = &file.staged;
    match core.ns.set_data(ino, s.size(), s.mtime(), s.ctime(), changed) {
        Ok(()) | Err(crate::vfs::Fault::NotFound) => Ok(()),
        Err(f) => Err(fault_error(f).at(ino)),
    }
}

fn thaw_all(core: &Core, flights: &[Flight]) {
    for flight in flights {
        thaw(core, flight);
    }
}

fn thaw(core: &Core, flight: &Flight) {
    if let Err(e) = core.ns.not_sent(&flight.what) {
        tracing::warn!(error = ?e, "noting that a change was not sent");
    }
    if let Some((file, frozen)) = &flight.file {
        let _mark = file.mark();
        if let Err(e) = file.staged.thaw(frozen.generation) {
            error_fault(flight.ino().unwrap_or(Ino::ROOT), &e);
        }
    }
    if let Some(ino) = flight.ino() {
        core.queue().touch_quietly(ino);
    }
}

fn settle_all(
    core: &Core,
    monitor: &Monitor,
    flights: Vec<Flight>,
    answer: Result<Vec<Outcome>>,
) -> Result<usize> {
    let _gate = core.gate.read().unwrap_or_else(|e| e.into_inner());
    core.batches.fetch_add(1, Ordering::SeqCst);
    let result = settle_each(core, monitor, flights, answer);
    monitor.activity.write();
    lock(&core.in_flight).clear();
    settle_removals(core)?;
    result
}

/// More was removed than fits into a batch, or since: the rest has its turn like a change of now.
fn settle_removals(core: &Core) -> Result<()> {
    let left = core.ns.any_removed()?;
    let mut queue = core.queue();
    if !left {
        queue.forget(REMOVALS);
    } else if queue.get(REMOVALS).is_none() {
        queue.touch(REMOVALS, Instant::now());
    }
    Ok(())
}

fn settle_each(
    core: &Core,
    monitor: &Monitor,
    flights: Vec<Flight>,
    answer: Result<Vec<Outcome>>,
) -> Result<usize> {
    let outcomes = match answer {
        Ok(outcomes) if outcomes.len() == flights.len() => outcomes,
        Ok(outcomes) => {
            thaw_all(core, &flights);
            let (n, m) = (outcomes.len(), flights.len());
            return Err(Error::new(Kind::Other, format!("the remote answered {n} of {m} changes")));
        }
        Err(e) => {
            let now = Instant::now();
            for flight in &flights {
                thaw(core, flight);
                if let Some(ino) = flight.ino() {
                    monitor.not_sent(ino, &e);
                }
            }
            let waits: HashSet<Ino> = flights.iter().map(Flight::queued).collect();
            for ino in waits {
                core.queue().failed(ino, Duration::ZERO, now);
            }
            return Err(e);
        }
    };
    let mut done = 0;
    let mut first_error = None;
    for (flight, outcome) in flights.iter().zip(outcomes) {
        match settle(core, monitor, flight, outcome) {
            Ok(true) => done += 1,
            Ok(false) => {}
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    first_error.map_or(Ok(done), Err)
}

/// Answers whether the remote has committed the change.
fn settle(core: &Core, monitor: &Monitor, flight: &Flight, outcome: Outcome) -> Result<bool> {
    let now = Instant::now();
    let path = || flight.ino().and_then(|ino| core.ns.path(ino));
    match outcome {
        Outcome::Done { version, content, receipt } => {
            core.ns.published(&flight.what, version, content)?;
            if let (Some((file, frozen)), Some(content)) = (&flight.file, content) {
                let mut mark = file.mark();
                file.staged.commit(frozen.generation, content)?;
                *mark = file.staged.is_changed();
                set_data(core, file.staged.ino(), file, *mark)?;
            }
            core.queue().sent(flight.queued(), flight.frozen_at);
            if let Some(ino) = flight.ino() {
                monitor.saved(ino, path(), content.map_or(0, |c| c.size), receipt);
            }
            Ok(true)
        }
        Outcome::Conflict => {
            thaw(core, flight);
            core.queue().failed(flight.queued(), Duration::ZERO, now);
            if let Some(ino) = flight.ino() {
                lock(&core.refused).push(ino);
                monitor.conflicting(ino);
            }
            monitor.pull_bell.notify_one();
            Ok(false)
        }
        Outcome::Retry { after, why } => {
            thaw(core, flight);
            core.queue().failed(flight.queued(), after, now);
            if let Some(ino) = flight.ino() {
                monitor.not_sent(ino, &why);
            }
            Err(match path() {
                Some(path) => why.at(path),
                None => why,
            })
        }
        Outcome::Rejected(why) => {
            thaw(core, flight);
            core.queue().failed(flight.queued(), Duration::from_secs(60), now);
            if let Some(ino) = flight.ino() {
                monitor.not_sent(ino, &why);
            }
            monitor.rejected(path(), &why);
            Err(why)
        }
    }
}
