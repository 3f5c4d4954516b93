//! [`Feed`]: the bucket's change feed, server-sent events.
//!
//! What it tells is a hint where to look, never what is there: each path that it names is compared with the
//! mirror, and its folder listed if they differ. When it breaks off and can't be resumed, everything that
//! was listed has to be looked at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use reqwest::header;
use serde::Deserialize;
use tokio::sync::Notify;

use super::{
    api::{Api, Call},
    limit,
    place::Place,
    rows,
};

/// Comments come every 30 s; who is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// How long until a Hub that has no feed is asked again.
const LATER: Duration = Duration::from_secs(600);
/// The longest event that is read, bytes.
const LONGEST: usize = 16 << 20;
/// More paths than this are not worth telling apart.
const MANY: usize = 50_000;

/// Where something may have changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Touched {
    /// Nobody can tell: if the Hub's state is another one, anywhere.
    Anything,
    /// The feed was relied on and broke off: everything must be looked at once.
    Everything,
    /// At these paths in the drive: what is there now, `None`: nothing.
    These(HashMap<String, Option<Told>>),
}

/// What the feed says of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Its content.
    pub hash: Option<String>,
    /// Its time, milliseconds since 1970.
    pub mtime: Option<i64>,
}

/// The folders that hold these paths, up to the root.
pub fn folders_of<'a>(paths: impl Iterator<Item = &'a str>) -> HashSet<String> {
    let mut folders = HashSet::new();
    for path in paths {
        let mut at = path;
        while let Some((folder, _)) = at.rsplit_once('/') {
            if !folders.insert(folder.to_owned()) {
                break;
            }
            at = folder;
        }
        folders.insert(String::new());
    }
    folders
}

#[derive(Default)]
struct State {
    /// Something may have been missed.
    gap: bool,
    /// It was relied on, and broke off.
    broke: bool,
    paths: HashMap<String, Option<Told>>,
}

/// What the feed has told.
pub struct Feed {
    state: Mutex<State>,
    /// It is open, and told everything since it was last ready.
    live: AtomicBool,
    bell: Arc<Notify>,
}

/// What the stream says at last.
enum End {
    /// There is none here.
    None,
    /// It broke, or was ended.
    Broken,
}

#[derive(Deserialize)]
struct Changes {
    cursor: Option<String>,
    #[serde(default)]
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    path: String,
    #[serde(default)]
    op: String,
    xet_hash: Option<String>,
    mtime: Option<String>,
}

#[derive(Deserialize, Default)]
struct Mark {
    cursor: Option<String>,
}

impl Feed {
    /// One that has told nothing; `bell` is rung when it does.
    pub fn new(bell: Arc<Notify>) -> Feed {
        Feed {
            state: Mutex::new(State { gap: true, ..State::default() }),
            live: AtomicBool::new(false),
            bell,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether it can be relied on to ring.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::SeqCst)
    }

    /// Whether something was told, or missed while nobody could tell, since the last [`Feed::take`].
    pub fn take(&self) -> Touched {
        let live = self.is_live();
        let mut state = self.state();
        let paths = std::mem::take(&mut state.paths);
        // What comes from now on is told only if it is live.
        let gap = std::mem::replace(&mut state.gap, !live);
        if std::mem::take(&mut state.broke) {
            Touched::Everything
        } else if gap || !live {
            Touched::Anything
        } else {
            Touched::These(paths)
        }
    }

    /// What was taken was not looked at.
    pub fn give_back(&self, touched: Touched) {
        let mut state = self.state();
        match touched {
            Touched::Anything => state.gap = true,
            Touched::Everything => (state.gap, state.broke) = (true, true),
            Touched::These(paths) => {
                for (path, hash) in paths {
                    state.paths.entry(path).or_insert(hash);
                }
            }
        }
    }

    fn missed(&self) {
        let was_live = self.live.swap(false, Ordering::SeqCst);
        let mut state = self.state();
        state.gap = true;
        state.broke |= was_live;
    }

    /// Follows until it is dropped.
    pub async fn follow(&self, api: &Api, place: &Place) {
        let mut cursor: Option<String> = None;
        let mut failed = 0;
        loop {
            let before = cursor.clone();
            match self.once(api, place, &mut cursor).await {
                End::None => {
                    self.missed();
                    cursor = None;
                    failed = 0;
                    tokio::time::sleep(LATER).await;
                }
                End::Broken => {
                    // With a place to go on from nothing is missed, only told later.
                    if cursor.is_none() {
                        self.missed();
                        self.bell.notify_one();
                    }
                    failed = if cursor == before { failed + 1 } else { 1 };
                    tokio::time::sleep(limit::backoff(failed + 1)).await;
                }
            }
        }
    }

    /// One connection, until it ends.
    async fn once(&self, api: &Api, place: &Place, cursor: &mut Option<String>) -> End {
        let query = cursor.as_ref().map(|c| format!("?cursor={}", escape(c))).unwrap_or_default();
        let path = format!("{}/events{query}", place.api());
        let mut call = Call::get(&path);
        call.headers.push((header::ACCEPT, "text/event-stream".into()));
        let opened = tokio::time::timeout(SILENCE, api.open(&call)).await;
        let Ok(Ok(response)) = opened else { return End::Broken };
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        match response.status().as_u16() {
            200 if kind.starts_with("text/event-stream") => {}
            // The place to go on from is refused.
            400 if cursor.take().is_some() => return End::Broken,
            408 | 425 | 429 | 500 | 502..=504 => return End::Broken,
            _ => return End::None,
        }
        let mut stream = response.bytes_stream();
        let mut parser = Parser::default();
        loop {
            let part = match tokio::time::timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(part))) => part,
                _ => return End::Broken,
            };
            api.moved.down(part.len() as u64);
            let Some(events) = parser.push(&part) else { return End::Broken };
            for (event, data) in events {
                if !self.told(&event, &data, place, cursor) {
                    return End::Broken;
                }
            }
        }
    }

    /// One event. Answers whether the stream goes on.
    fn told(&self, event: &str, data: &str, place: &Place, cursor: &mut Option<String>) -> bool {
        match event {
            "changes" => {
                let Ok(told) = serde_json::from_str::<Changes>(data) else {
                    self.missed();
                    *cursor = None;
                    return false;
                };
                if told.cursor.is_some() {
                    *cursor = told.cursor;
                }
                let mut state = self.state();
                for change in told.changes {
                    match place.path(&change.path) {
                        Some(path) if rows::is_path(path) => {
                            // An update that does not tell the hash tells only that there is something.
                            let told = (change.op != "delete").then(|| Told {
                                hash: change.xet_hash,
                                mtime: change.mtime.as_deref().and_then(rows::millis),
                            });
                            state.paths.insert(path.to_owned(), told);
                        }
                        _ => {}
                    }
                }
                if state.paths.len() > MANY {
                    state.paths.clear();
                    state.gap = true;
                }
                drop(state);
                self.bell.notify_one();
                true
            }
            "ready" => {
                let mark: Mark = serde_json::from_str(data).unwrap_or_default();
                if mark.cursor.is_some() {
                    *cursor = mark.cursor;
                }
                self.live.store(true, Ordering::SeqCst);
                self.bell.notify_one();
                true
            }
            "reset" => {
                self.missed();
                *cursor = None;
                false
            }
            "reconnect" => {
                if let Some(at) = serde_json::from_str::<Mark>(data).unwrap_or_default().cursor {
                    *cursor = Some(at);
                }
                false
            }
            _ => true,
        }
    }
}

fn escape(cursor: &str) -> String {
    cursor
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Cuts a stream into events.
#[derive(Default)]
struct Parser {
    rest: Vec<u8>,
    event: String,
    data: String,
}

impl Parser {
    /// The events that are whole now; `None`: it is too long for one.
    fn push(&mut self, part: &[u8]) -> Option<Vec<(String, String)>> {
        self.rest.extend_from_slice(part);
        if self.rest.len() + self.data.len() > LONGEST {
            return None;
        }
        let mut events = Vec::new();
        let mut done = 0;
        while let Some(end) = self.rest[done..].iter().position(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[done..done + end]).into_owned();
            done += end + 1;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                if !event.is_empty() || !data.is_empty() {
                    events.push((event, data));
                }
            } else if let Some((field, value)) = line.split_once(':') {
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => self.event = value.to_owned(),
                    "data" => {
                        if !self.data.is_empty() {
                            self.data.push('\n');
                        }
                        self.data.push_str(value);
                    }
                    // A comment, or what we have no use for.
                    _ => {}
                }
            }
        }
        self.rest.drain(..done);
        Some(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = ": ping\n\nevent: changes\ndata: {\"a\":1,\r\ndata: \"b\":2}\n\nevent: ready\ndata: {}\n\nevent: half\n";
        let want = vec![
            ("changes".to_owned(), "{\"a\":1,\n\"b\":2}".to_owned()),
            ("ready".to_owned(), "{}".to_owned()),
        ];
        for cut in 1..text.len() {
            let mut parser = Parser::default();
            let parts: Vec<_> = text.as_bytes().chunks(cut).flat_map(|p| parser.push(p).unwrap()).collect();
            assert_eq!(parts, want, "cut {cut}");
        }
        assert!(Parser::default().push(&vec![b'x'; LONGEST + 1]).is_none());
    }

    #[test]
    fn only_a_live_feed_without_a_gap_tells_where() {
        let feed = Feed::new(Arc::default());
        let place = Place::parse("hf://buckets/o/n/top").unwrap();
        let mut cursor = None;
        assert_eq!(feed.take(), Touched::Anything);
        assert!(feed.told("ready", "{\"cursor\":\"c1\"}", &place, &mut cursor));
        assert_eq!(feed.take(), Touched::Anything, "what was before it was ready");
        assert_eq!(feed.take(), Touched::These(HashMap::new()));
        let changes = r#"{"cursor":"c2","changes":[{"path":"top/a/b","op":"add","xetHash":"h"},{"path":"other/x","op":"add"},
            {"path":"top/../x","op":"add"},{"path":"top/c","op":"delete"}]}"#;
        assert!(feed.told("changes", changes, &place, &mut cursor));
        assert_eq!(cursor.as_deref(), Some("c2"));
        let touched = feed.take();
        let Touched::These(paths) = &touched else { panic!("{touched:?}") };
        assert_eq!(paths.len(), 2);
        assert_eq!(paths["a/b"].as_ref().and_then(|t| t.hash.as_deref()), Some("h"));
        assert_eq!(paths["c"], None);
        feed.give_back(touched.clone());
        assert_eq!(feed.take(), touched);
        assert!(!feed.told("reset", "{}", &place, &mut cursor));
        assert_eq!((feed.take(), cursor), (Touched::Everything, None));
        assert_eq!(feed.take(), Touched::Anything);
    }

    #[test]
    fn a_path_touches_its_folders() {
        let mut folders: Vec<String> = folders_of(["a/b/c", "a/d", "e"].into_iter()).into_iter().collect();
        folders.sort();
        assert_eq!(folders, ["", "a", "a/b"]);
    }
}
