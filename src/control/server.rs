//! The agent's side of the control socket.

use std::{io, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use interprocess::local_socket::{tokio::Listener, tokio::Stream, traits::tokio::Listener as _};
use tokio::{
    io::{AsyncWriteExt, BufReader, WriteHalf},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use super::{
    api::{Ask, Event, Failure, Line, QueueState, Rate, Reply, Request, Status, VERSION},
    wire::{self, Next},
};
use crate::{
    error::{Error, Kind, Result},
    platform,
};

/// The longest request, in bytes. A path has at most 4 KiB; this is far more than any request needs.
pub const MAX_LINE: usize = 256 << 10;

/// Requests of one connection that may be under way at once; more wait unread.
const AT_ONCE: usize = 64;

/// At most so often is a watcher told.
const PACE: Duration = Duration::from_millis(200);

/// Who answers.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Answers a request (never [`Request::Hello`] nor [`Request::Watch`], which the server sees to).
    async fn answer(&self, request: Request) -> Result<Reply>;

    /// All drives as they are now.
    async fn status(&self) -> Status;

    /// To hear when that may be another one.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// A socket that listens. Gone from the file system when dropped.
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Makes the socket at `path`, for this user alone. The caller holds the home's lock: a socket that is
    /// there is replaced.
    pub fn bind(path: &Path) -> Result<Server> {
        let listener = platform::listen(path).map_err(|e| {
            Error::io("can't make the control socket", e)
                .at(path.display())
                .remedy("choose another home with --home DIR")
        })?;
        Ok(Server { listener })
    }

    /// Serves until dropped.
    pub async fn run(&self, service: Arc<dyn Service>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(stream) => {
                        connections.spawn(connection(stream, service.clone()));
                    }
                    Err(e) => {
                        // Mostly no descriptors left: others have to close first.
                        tracing::warn!("control socket: {e}");
                        tokio::time::sleep(PACE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// One client, from hello to its end. Whatever it sends, only this connection may suffer.
async fn connection(stream: Stream, service: Arc<dyn Service>) {
    let allowed = platform::peer_is_us(&stream);
    let (from, to) = tokio::io::split(stream);
    let (lines, outbox) = mpsc::channel(AT_ONCE);
    let writer = tokio::spawn(write_all(to, outbox));
    if allowed {
        converse(BufReader::new(from), lines, service).await;
    } else {
        let e = Error::new(Kind::Denied, "this agent is another user's")
            .remedy("run the command as the user who started the agent, or use a home of your own");
        // A client that has gone already needs no answer; so for all sends below.
        let _ = lines.send(failed(None, &e)).await;
        drop(lines);
    }
    // Ends when all senders are gone and the last line is out, or when the client is.
    let _ = writer.await;
}

fn failed(id: Option<u64>, e: &Error) -> Line {
    Line::Error { id, error: Failure::from(e) }
}

async fn write_all(mut to: WriteHalf<Stream>, mut outbox: mpsc::Receiver<Line>) -> io::Result<()> {
    while let Some(line) = outbox.recv().await {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        to.write_all(&text).await?;
    }
    to.shutdown().await
}

async fn converse(
    mut from: BufReader<tokio::io::ReadHalf<Stream>>,
    lines: mpsc::Sender<Line>,
    service: Arc<dyn Service>,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Dropped, and so ended, when the client stops talking; requests under way finish, so that one who
    // only shut its sending side gets its answers, and a mount is never left half done.
    let mut watches = JoinSet::new();
    let mut greeted = false;
    loop {
        let line = match wire::next(&mut from, MAX_LINE).await {
            Ok(Next::Line(line)) => line,
            Ok(Next::TooLong) => {
                let cause = format!("a request of more than {} KiB", MAX_LINE >> 10);
                let _ = lines.send(failed(None, &Error::new(Kind::Invalid, cause))).await;
                return;
            }
            Ok(Next::End) | Err(_) => return,
        };
        let ask = match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => ask,
            Err(e) => {
                let e = Error::new(Kind::Invalid, format!("the request can't be understood: {e}"));
                if lines.send(failed(id_of(&line), &e)).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let id = ask.id;
        match ask.request {
            Request::Hello { version } => {
                let answer = hello(version);
                greeted = answer.is_ok();
                if lines.send(line_of(id, answer)).await.is_err() || !greeted {
                    return;
                }
            }
            _ if !greeted => {
                let e = Error::new(Kind::Invalid, "the first request must be hello, with the version");
                let _ = lines.send(failed(Some(id), &e)).await;
                return;
            }
            Request::Watch => {
                if lines.send(line_of(id, Ok(Reply::Done))).await.is_err() {
                    return;
                }
                watches.shutdown().await; // one stream for each connection
                watches.spawn(tell(service.clone(), lines.clone()));
            }
            request => {
                let Ok(place) = room.clone().acquire_owned().await else { return };
                let (service, lines) = (service.clone(), lines.clone());
                tokio::spawn(async move {
                    let answer = service.answer(request).await;
                    let _ = lines.send(line_of(id, answer)).await;
                    drop(place);
                });
            }
        }
    }
}

/// The number in a line that is no request, so that at least its sender knows which one it was.
fn id_of(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(line).ok()?.get("id")?.as_u64()
}

fn line_of(id: u64, answer: Result<Reply>) -> Line {
    match answer {
        Ok(reply) => Line::Reply { id, reply },
        Err(e) => failed(Some(id), &e),
    }
}

fn hello(version: u32) -> Result<Reply> {
    if version == VERSION {
        let (program, pid) = (env!("CARGO_PKG_VERSION").to_owned(), std::process::id());
        return Ok(Reply::Hello { version, program, pid });
    }
    let cause = format!("the agent speaks version {VERSION} of the control protocol, the program {version}");
    Err(Error::new(Kind::NewerFormat, cause)
        .remedy("end the agent and mount again, so that both are of one version"))
}

/// Tells one client of changes. It looks when it hears that there may be one, and by itself only while
/// something is shown that time alone changes. A client that does not read holds up only this task.
async fn tell(service: Arc<dyn Service>, lines: mpsc::Sender<Line>) {
    let mut changes = service.changes();
    let mut last = None;
    loop {
        // Before the look: what changes during it is looked at again.
        changes.mark_unchanged();
        let now = service.status().await;
        let again = next_look(&now);
        if last.as_ref() != Some(&now) {
            last = Some(now.clone());
            if lines.send(Line::Event { event: Event::Status(now) }).await.is_err() {
                return;
            }
        }
        let news = async {
            tokio::time::sleep(PACE).await;
            tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                () = after(again) => true,
            }
        };
        tokio::select! {
            true = news => {}
            () = lines.closed() => return,
            else => return,
        }
    }
}

async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// When a status has to be looked at again although nobody tells of a change. Pure.
fn next_look(status: &Status) -> Option<Duration> {
    let moving = status.drives.iter().any(|d| d.rate != Rate::default());
    let sending = status.drives.iter().flat_map(|d| &d.queue).any(|item| item.state == QueueState::Uploading);
    let waiting = status.drives.iter().any(|d| {
        d.paused.is_some_and(|p| p.until.is_some())
            || d.queue.iter().any(|item| matches!(item.state, QueueState::Quiet | QueueState::Retry))
    });
    match (moving, sending, waiting) {
        // The rate falls by itself.
        (true, _, _) => Some(Duration::ZERO),
        // Bytes may be about to move.
        (false, true, _) => Some(Duration::from_millis(300)),
        (false, false, true) => Some(Duration::from_secs(1)),
        (false, false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::{DriveState, DriveStatus, Paused, QueueItem};

    #[test]
    fn only_what_time_changes_is_looked_at_by_the_clock() {
        let look = |change: fn(&mut DriveStatus)| {
            let mut drive = DriveStatus::new("a", "store:/a", "/m", DriveState::Synced);
            change(&mut drive);
            let still = DriveStatus::new("b", "store:/b", "/n", DriveState::Problem);
            next_look(&Status { version: VERSION, drives: vec![still, drive] })
        };
        let queued = |state| QueueItem {
            path: "f".into(),
            bytes: 1,
            sent: 0,
            state,
            attempts: 0,
            size: 1,
            retry_ms: None,
            why: None,
        };
        assert_eq!(look(|_| {}), None);
        assert_eq!(look(|d| d.paused = Some(Paused { until: None })), None);
        assert_eq!(look(|d| d.rate.up = 1), Some(Duration::ZERO));
        let second = Some(Duration::from_secs(1));
        assert_eq!(look(|d| d.paused = Some(Paused { until: Some(crate::node::Time(1)) })), second);
        for (state, wait) in [
            (QueueState::Quiet, second),
            (QueueState::Retry, second),
            (QueueState::Ready, None),
            (QueueState::Uploading, Some(Duration::from_millis(300))),
        ] {
            let mut drive = DriveStatus::new("a", "store:/a", "/m", DriveState::Syncing);
            drive.queue.push(queued(state));
            assert_eq!(next_look(&Status { version: VERSION, drives: vec![drive] }), wait);
        }
    }
}
