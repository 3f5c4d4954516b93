//! The change feed: what happened since a point, then what happens, as server-sent events.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::Response,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Asked;
use crate::{
    answers::{self, Refusal},
    bucket::{Bucket, Changes},
    clock, tree,
    world::World,
};

/// A point in a bucket's history: after which batch it resumes.
fn cursor(bucket: &Bucket, number: u64) -> String {
    tree::seal(&format!("{}:{number}", bucket.created_at))
}

/// What a stream does first.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// Tells all that is after this batch.
    After(u64),
    /// Says that it can't, for what it would have to tell is forgotten.
    Reset,
}

/// Where a request resumes; `Err` if the point makes no sense.
fn resume(bucket: &Bucket, cursor: Option<&str>, since: Option<&str>) -> Result<Start, ()> {
    if let Some(cursor) = cursor {
        let point = tree::unseal(cursor).ok_or(())?;
        let (created, number) = point.split_once(':').ok_or(())?;
        let number: u64 = number.parse().map_err(|_| ())?;
        if created != bucket.created_at.to_string() || number > bucket.last {
            return Err(());
        }
        return Ok(if number < bucket.forgotten.0 { Start::Reset } else { Start::After(number) });
    }
    if let Some(since) = since {
        let since = clock::parse(since).ok_or(())?;
        if since < bucket.forgotten.1 {
            return Ok(Start::Reset);
        }
        let before = bucket.log.iter().take_while(|changes| changes.at <= since).last();
        return Ok(Start::After(before.map_or(bucket.forgotten.0, |changes| changes.number)));
    }
    Ok(Start::After(bucket.last))
}

fn changes(bucket: &Bucket, changes: &Changes) -> Event {
    let list: Vec<Value> = changes
        .changes
        .iter()
        .map(|change| {
            let mut told = json!({ "path": change.path, "op": change.op });
            if let Some(file) = &change.file {
                told["size"] = file.size.into();
                told["xetHash"] = file.xet_hash.as_str().into();
                told["uploadedAt"] = clock::json(file.uploaded_at).into();
                if let Some(mtime) = file.mtime {
                    told["mtime"] = clock::json(mtime).into();
                }
            }
            told
        })
        .collect();
    event("changes", &json!({ "cursor": cursor(bucket, changes.number), "changes": list }))
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// What is to be told of a bucket after a batch, and the last batch told; `None` if it is gone or no longer
/// knows.
fn news(world: &World, id: &str, created: clock::Millis, after: u64) -> Option<(Vec<Event>, u64)> {
    let state = world.state();
    let bucket = state.buckets.get(id).filter(|bucket| bucket.created_at == created)?;
    if after < bucket.forgotten.0 {
        return None;
    }
    let new = bucket.log.iter().filter(|entry| entry.number > after);
    Some((new.map(|entry| changes(bucket, entry)).collect(), bucket.last))
}

pub fn follow(world: &Arc<World>, asked: &Asked, id: &str) -> Result<Response<Body>, Refusal> {
    let caller = world.caller(&asked.headers)?;
    let state = world.state();
    let bucket = state.readable(caller.as_ref(), id)?;
    if !state.feed.on {
        return Err(answers::no_route());
    }
    let (point, since) = (asked.query.get("cursor"), asked.query.get("since"));
    let from = resume(bucket, point.map(String::as_str), since.map(String::as_str));
    let from = from.map_err(|()| answers::bad("Invalid resume point"))?;
    let (sender, receiver) = mpsc::channel(64);
    let stream = Stream {
        world: Arc::clone(world),
        id: id.to_owned(),
        created: bucket.created_at,
        follow: bucket.follow.subscribe(),
        reconnect: state.feed.reconnect.subscribe(),
        sender,
    };
    let ping = KeepAlive::new().interval(state.feed.ping).text("ping");
    tokio::spawn(async move {
        // `None`: the client is gone.
        let _ = stream.run(from).await;
    });
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(ping).into_response())
}

/// An open stream.
struct Stream {
    world: Arc<World>,
    id: String,
    created: clock::Millis,
    follow: tokio::sync::watch::Receiver<u64>,
    reconnect: tokio::sync::watch::Receiver<u64>,
    sender: mpsc::Sender<Result<Event, Infallible>>,
}

impl Stream {
    async fn tell(&self, event: Event) -> Option<()> {
        self.sender.send(Ok(event)).await.ok()
    }

    /// The cursor after a batch.
    fn cursor(&self, after: u64) -> Value {
        let point = tree::seal(&format!("{}:{after}", self.created));
        json!({ "cursor": point })
    }

    async fn run(mut self, from: Start) -> Option<()> {
        let reset = event("reset", &json!({ "reason": "the resume point is too old" }));
        let Start::After(mut after) = from else { return self.tell(reset).await };
        let mut ready = false;
        loop {
            self.follow.mark_unchanged();
            let Some((events, last)) = news(&self.world, &self.id, self.created, after) else {
                return self.tell(reset).await;
            };
            for event in events {
                self.tell(event).await?;
            }
            after = last;
            if !ready {
                ready = true;
                self.tell(event("ready", &self.cursor(after))).await?;
            }
            tokio::select! {
                changed = self.follow.changed() => {
                    // The bucket is gone.
                    changed.ok()?;
                }
                _ = self.reconnect.changed() => {
                    return self.tell(event("reconnect", &self.cursor(after))).await;
                }
                () = self.sender.closed() => return None,
            }
        }
    }
}
