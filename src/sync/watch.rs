//! Following the remote: pull what others committed, fold it in, wait for more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    error::Result,
    flush::queue::backoff,
    monitor::{Doing, Monitor},
    node::NodeId,
    read::blocking,
    remote::{Changes, Cursor, Event},
    vfs::core::{Core, lock},
};

/// Follows until told to stop. `pulled` is set, and `ready` called, after the first success: not before
/// may anything be flushed, because a commit of before the last end may be among the events.
pub async fn run(core: Arc<Core>, monitor: Arc<Monitor>, pulled: Arc<AtomicBool>) {
    let mut failures = 0;
    loop {
        match pull(&core, &monitor).await {
            Ok(()) => {
                if failures > 0 {
                    failures = 0;
                    core.queue().retry_now();
                    core.queue_bell.notify_one();
                }
                monitor.remote_reachable();
                if !pulled.swap(true, Ordering::SeqCst) {
                    core.thaw_leftovers();
                    core.queue_bell.notify_one();
                }
                tokio::select! {
                    () = core.remote.wait() => {}
                    () = monitor.pull_bell.notified() => {}
                }
            }
            Err(e) => {
                failures += 1;
                tracing::warn!(error = ?e, failures, "the remote's changes could not be read");
                monitor.remote_failed(Doing::Pull, &e);
                tokio::select! {
                    () = tokio::time::sleep(backoff(failures).min(Duration::from_secs(15))) => {}
                    () = monitor.pull_bell.notified() => {}
                }
            }
        }
    }
}

/// Folds in everything that the remote has committed by now.
///
/// What is folded in is never older than what is known already: an event that says where a node was before
/// our own last commit, or before a folder was listed, would put it back there. So events are read to the
/// end, while no folder is being listed, and read again if a batch of ours was settled meanwhile.
pub async fn pull(core: &Arc<Core>, monitor: &Arc<Monitor>) -> Result<()> {
    loop {
        let settled = core.settled.notified();
        tokio::pin!(settled);
        settled.as_mut().enable();
        let order = core.order.write().await;
        let batches = core.batches.load(Ordering::SeqCst);
        let before = core.ns.cursor()?.unwrap_or_default();
        let news = read_all(core, &before).await?;
        let folded = {
            let (core, monitor) = (core.clone(), monitor.clone());
            blocking(move || fold(&core, &monitor, news, batches)).await?
        };
        drop(order);
        match folded {
            Folded::Done => return Ok(()),
            Folded::Stale => {}
            Folded::InFlight => settled.await,
        }
    }
}

enum News {
    Events(Vec<Event>, Cursor),
    /// The history is lost: folders must be looked at anew.
    Reset(Cursor),
}

enum Folded {
    Done,
    /// A batch was settled since the events were read.
    Stale,
    /// A batch that events are about is at the remote.
    InFlight,
}

async fn read_all(core: &Core, from: &Cursor) -> Result<News> {
    let mut all = Vec::new();
    let mut at = from.clone();
    loop {
        match core.remote.changes(&at).await? {
            Changes::Since { events, cursor, more } => {
                all.extend(events);
                at = cursor;
                if !more {
                    return Ok(News::Events(all, at));
                }
            }
            Changes::Reset { cursor } => return Ok(News::Reset(cursor)),
        }
    }
}

fn fold(core: &Core, monitor: &Monitor, news: News, batches: u64) -> Result<Folded> {
    let _gate = core.gate.write().unwrap_or_else(|e| e.into_inner());
    if core.batches.load(Ordering::SeqCst) != batches {
        return Ok(Folded::Stale);
    }
    let (events, cursor) = match news {
        News::Events(events, cursor) => (events, cursor),
        News::Reset(cursor) => {
            core.ns.unlist_all()?;
            (Vec::new(), cursor)
        }
    };
    {
        let in_flight = lock(&core.in_flight);
        if events.iter().any(|e| in_flight.contains(&id(e))) {
            return Ok(Folded::InFlight);
        }
    }
    if events.is_empty() && core.ns.cursor()?.as_ref() == Some(&cursor) {
        return Ok(Folded::Done);
    }
    let effects = core.ns.apply(&events, Some(cursor), core, &core.ctx())?;
    for (ours, theirs) in core.carry_out(effects)? {
        monitor.conflict(&ours, &theirs);
    }
    Ok(Folded::Done)
}

fn id(event: &Event) -> NodeId {
    match event {
        Event::Upsert(node) => node.id,
        Event::Remove(id, _) => *id,
    }
}
