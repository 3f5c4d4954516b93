//! The change feed.

use std::time::Duration;

use lacuna_test_hub::Hub;
use reqwest::Response;
use serde_json::Value;

use crate::client::{Client, header};

/// An open stream: its events one by one.
struct Feed {
    response: Response,
    seen: String,
}

impl Feed {
    async fn open(hub: &Hub, query: &str) -> Feed {
        let response = Client::new(hub).get(&format!("/api/buckets/ada/x/events{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
        assert_eq!(header(&response, "content-type").as_deref(), Some("text/event-stream"));
        Feed { response, seen: String::new() }
    }

    /// The next block of lines, or `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.seen.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.seen = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            let chunk = chunk.expect("nothing came").unwrap()?;
            self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event that is no ping.
    async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let (Some(name), Some(data)) = (line("event:"), line("data:")) {
                return Some((name.to_owned(), serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next event's changes, as `op path`, and its cursor.
    async fn changes(&mut self) -> (Vec<String>, String) {
        let (name, data) = self.event().await.expect("the stream ended");
        assert_eq!(name, "changes", "{data}");
        let show = |change: &Value| {
            format!("{} {}", change["op"].as_str().unwrap(), change["path"].as_str().unwrap())
        };
        let changes = data["changes"].as_array().unwrap().iter().map(show).collect();
        (changes, data["cursor"].as_str().unwrap().to_owned())
    }

    async fn ready(&mut self) -> String {
        let (name, data) = self.event().await.expect("the stream ended");
        assert_eq!(name, "ready", "{data}");
        data["cursor"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn changes_are_told_live_and_again_from_a_cursor_or_an_instant() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_file(&bucket, "a", "1").unwrap();
    let mut live = Feed::open(&hub, "").await;
    let start = live.ready().await;
    let (_, info) = Client::new(&hub).json("/api/buckets/ada/x").await;
    hub.put_file(&bucket, "a", "2").unwrap();
    hub.rename_file(&bucket, "a", "b").unwrap();
    let (first, cursor) = live.changes().await;
    assert_eq!(first, ["update a"]);
    let (second, end) = live.changes().await;
    assert_eq!(second, ["add b", "delete a"]);

    let mut all = Feed::open(&hub, &format!("?cursor={start}")).await;
    assert_eq!(all.changes().await.0, ["update a"]);
    assert_eq!(all.changes().await.0, ["add b", "delete a"]);
    assert_eq!(all.ready().await, end);
    let mut rest = Feed::open(&hub, &format!("?cursor={cursor}")).await;
    assert_eq!(rest.changes().await.0, ["add b", "delete a"]);
    let since = info["updatedAt"].as_str().unwrap().replace(':', "%3A");
    let mut since = Feed::open(&hub, &format!("?since={since}")).await;
    assert_eq!(since.changes().await.0, ["update a"]);
    let mut none = Feed::open(&hub, &format!("?cursor={end}")).await;
    assert_eq!(none.ready().await, end);
}

#[tokio::test]
async fn a_point_that_is_too_old_is_reset_and_one_that_makes_no_sense_refused() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let start = Feed::open(&hub, "").await.ready().await;
    for n in 0..3 {
        hub.put_file(&bucket, "a", n.to_string()).unwrap();
    }
    hub.forget_history(&bucket, 1);
    for query in [format!("?cursor={start}"), "?since=2020-01-01T00:00:00Z".to_owned()] {
        let mut old = Feed::open(&hub, &query).await;
        assert_eq!(old.event().await.unwrap().0, "reset");
        assert_eq!(old.event().await, None);
    }
    let client = Client::new(&hub);
    for query in ["?cursor=nonsense", "?since=yesterday"] {
        assert_eq!(client.get(&format!("/api/buckets/ada/x/events{query}")).await.status(), 400);
    }
    assert_eq!(Client::with(&hub, Some("hf_fake")).get("/api/buckets/ada/x/events").await.status(), 401);
}

#[tokio::test]
async fn a_stream_pings_and_ends_with_a_cursor_to_go_on_from() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.set_ping(Duration::from_millis(50));
    let mut feed = Feed::open(&hub, "").await;
    feed.ready().await;
    assert!(feed.block().await.unwrap().starts_with(':'), "a comment");
    hub.reconnect_feeds();
    let (name, data) = feed.event().await.unwrap();
    assert_eq!(name, "reconnect");
    assert_eq!(feed.event().await, None);
    hub.put_file(&bucket, "a", "1").unwrap();
    let mut feed = Feed::open(&hub, &format!("?cursor={}", data["cursor"].as_str().unwrap())).await;
    assert_eq!(feed.changes().await.0, ["add a"]);

    hub.set_feed(false);
    while let Ok(Some(_)) = feed.response.chunk().await {}
    assert_eq!(Client::new(&hub).get("/api/buckets/ada/x/events").await.status(), 404);
}
