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
    remote::{Changes, Event},
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
pub async fn pull(core: &Arc<Core>, monitor: &Arc<Monitor>) -> Result<()> {
    loop {
        let cursor = core.ns.cursor()?.unwrap_or_default();
        let (events, cursor, more) = match core.remote.changes(&cursor).await? {
            Changes::Since { events, cursor, more } => (events, cursor, more),
            Changes::Reset { cursor } => {
                let _order = core.order.write().await;
                let _gate = core.gate.write().unwrap_or_else(|e| e.into_inner());
                core.ns.unlist_all()?;
                core.ns.apply(&[], Some(cursor), &**core, &core.ctx())?;
                continue;
            }
        };
        if events.is_empty() && core.ns.cursor()?.as_ref() == Some(&cursor) {
            return Ok(());
        }
        let mut work = (events, cursor);
        loop {
            let settled = core.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            let order = core.order.write().await;
            let (core_, monitor_) = (core.clone(), monitor.clone());
            let (back, folded) = crate::read::blocking(move || {
                let done = fold(&core_, &monitor_, &work.0, &work.1)?;
                Ok((work, done))
            })
            .await?;
            drop(order);
            if folded {
                break;
            }
            work = back;
            settled.await;
        }
        if !more {
            return Ok(());
        }
    }
}

/// Folds events in, unless one is about a node whose batch is at the remote now.
fn fold(core: &Core, monitor: &Monitor, events: &[Event], cursor: &crate::remote::Cursor) -> Result<bool> {
    let _gate = core.gate.write().unwrap_or_else(|e| e.into_inner());
    {
        let in_flight = lock(&core.in_flight);
        if events.iter().any(|e| in_flight.contains(&id(e))) {
            return Ok(false);
        }
    }
    let effects = core.ns.apply(events, Some(cursor.clone()), core, &core.ctx())?;
    for (ours, theirs) in core.carry_out(effects)? {
        monitor.conflict(&ours, &theirs);
    }
    Ok(true)
}

fn id(event: &Event) -> NodeId {
    match event {
        Event::Upsert(node) => node.id,
        Event::Remove(id, _) => *id,
    }
}
