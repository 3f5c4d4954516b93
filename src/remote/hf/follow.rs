//! Following the Hub: listings, and what has changed.
//!
//! A folder is listed when somebody looks into it, page by page, each once. From then on it is compared
//! with a new listing whenever the Hub says that something changed: the one small question that is asked
//! each time is the bucket's `updatedAt`, or a repository's `sha`. Where the bucket has a change feed, that
//! tells which folders have to be looked at; else all are that were listed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{
    Hub,
    api::{Api, Call},
    blocking,
    diff::{self, Step, What},
    feed::{self, Told, Touched},
    mirror::Mirror,
    place::Place,
    rows::{self, Row},
};
use crate::{
    error::{Error, Kind, Result},
    node::{Content, Name, NodeId},
    remote::{Changes, Cursor, Listing},
};

/// So many folders are listed at once.
const LISTINGS: usize = 8;
/// More pages than any listing has.
const PAGES: usize = 1 << 20;
/// How long a listing waits for a batch that the Hub does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    updated_at: Option<String>,
    sha: Option<String>,
}

/// What changes whenever anything changes there. Fails if there is no such place.
pub(super) async fn state(api: &Api, place: &Place, url: &str) -> Result<String> {
    let info: Info = api.json(&place.probe(), url).await?;
    let told = if place.is_bucket() { info.updated_at } else { info.sha };
    told.ok_or_else(|| {
        Error::new(Kind::Other, "the Hub does not say what state it is in")
            .remedy("update Lacuna, if this does not pass")
            .at(url)
    })
}

impl Hub {
    /// What tells the Hub's state: it differs if anything does.
    pub(super) async fn probe(&self) -> Result<String> {
        match &self.place.revision {
            Some(commit) if self.place.is_fixed() => Ok(commit.clone()),
            _ => self.ask_state().await,
        }
    }

    /// As [`Hub::probe`], asked in any case.
    pub(super) async fn ask_state(&self) -> Result<String> {
        state(&self.api, &self.place, &self.url).await
    }

    /// The rows of one folder.
    async fn list(&self, path: &str, commit: &str) -> Result<Vec<Row>> {
        let mut at = self.place.tree(path, commit);
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let answer = self.api.call(Call::get(&at)).await?;
            // Repositories say so of a folder that is gone, buckets list nothing.
            if answer.status == 404 && answer.header("x-error-code") == Some("EntryNotFound") {
                break;
            }
            let answer = answer.ok(&self.url)?;
            all.extend(rows::rows(answer.json(&self.url)?, &self.place, Some(path)));
            match self.api.next_page(&answer) {
                Some(next) if next != at => at = next,
                _ => break,
            }
        }
        Ok(all)
    }

    /// Where a repository stands; nothing of a bucket.
    pub(super) fn commit(&self) -> Result<String> {
        match &self.place.revision {
            None => Ok(String::new()),
            Some(revision) => Ok(self.mirror.place()?.probe.unwrap_or_else(|| revision.clone())),
        }
    }

    /// See [`crate::remote::Remote::children`].
    pub(super) async fn list_children(&self, dir: NodeId) -> Result<Listing> {
        let mirror = self.mirror.clone();
        if !blocking(move || mirror.is_listed(dir)).await? {
            let turn = tokio::time::timeout(PATIENCE, self.turn.read()).await.map_err(|_| {
                Error::new(Kind::Offline, "the Hub does not answer a batch that must be known first")
                    .remedy("it goes on by itself when the Hub can be reached")
                    .at(&self.url)
            })?;
            self.learn(dir).await?;
            drop(turn);
        }
        let mirror = self.mirror.clone();
        blocking(move || mirror.children(dir)).await.map(|nodes| Listing { nodes })
    }

    /// Lists a folder that is not listed. The turn is held.
    pub(super) async fn learn(&self, dir: NodeId) -> Result<()> {
        let lock = {
            let mut locks = self.listing.lock().unwrap_or_else(|e| e.into_inner());
            locks.entry(dir).or_default().clone()
        };
        let _one = lock.lock().await;
        let mirror = self.mirror.clone();
        let path =
            blocking(move || Ok(if mirror.is_listed(dir)? { None } else { mirror.path(dir)? })).await?;
        if let Some(path) = path {
            let commit = self.commit()?;
            let rows = self.list(&path, &commit).await?;
            let mirror = self.mirror.clone();
            let changed = blocking(move || {
                let steps = diff::folder(dir, &mirror.known(dir, None)?, &rows);
                mirror.take(&steps, &[dir], None, &commit)
            })
            .await?;
            tracing::debug!(path, changed, "listed");
        }
        self.listing.lock().unwrap_or_else(|e| e.into_inner()).remove(&dir);
        Ok(())
    }

    /// See [`crate::remote::Remote::changes`].
    pub(super) async fn changes_since(&self, since: &Cursor) -> Result<Changes> {
        // Asked outside of the turn: who is offline shall hear of it though a batch hangs.
        let probe = self.probe().await?;
        self.recover().await?;
        let touched = self.feed.take();
        let mirror = self.mirror.clone();
        let place = blocking(move || mirror.place()).await?;
        let look = match &touched {
            Touched::Everything => true,
            Touched::These(paths) if !paths.is_empty() => true,
            _ => place.probe.as_ref() != Some(&probe),
        };
        if look {
            match self.compare(&probe, &touched).await {
                Ok(changed) => self.idle(!changed),
                Err(e) => {
                    self.feed.give_back(touched);
                    return Err(e);
                }
            }
        } else {
            self.idle(true);
        }
        let (mirror, since) = (self.mirror.clone(), since.clone());
        blocking(move || {
            let place = mirror.place()?;
            let cursor = |version: u64| Cursor(format!("{}.{version}", place.id));
            let at = since.0.split_once('.').filter(|(id, _)| *id == place.id);
            match at.and_then(|(_, version)| version.parse::<u64>().ok()) {
                Some(version) if version <= place.version && version >= place.floor => {
                    let (events, now) = mirror.since(version)?;
                    Ok(Changes::Since { events, cursor: cursor(now), more: false })
                }
                _ => Ok(Changes::Reset { cursor: cursor(place.version) }),
            }
        })
        .await
    }

    /// Compares what was listed with what the Hub has now. Answers whether anything changed.
    async fn compare(&self, probe: &str, touched: &Touched) -> Result<bool> {
        let _turn = self.turn.read().await;
        let mirror = self.mirror.clone();
        let listed = blocking(move || mirror.listed()).await?;
        let folders: Vec<(NodeId, String)> = match touched {
            Touched::Anything | Touched::Everything => listed,
            Touched::These(paths) => {
                let (mirror, paths) = (self.mirror.clone(), paths.clone());
                let folders = blocking(move || news(&mirror, &paths)).await?;
                listed.into_iter().filter(|(_, folder)| folders.contains(folder)).collect()
            }
        };
        let commit = if self.place.is_bucket() { String::new() } else { probe.to_owned() };
        let commit = &commit;
        let steps: Vec<Vec<Step>> = stream::iter(folders)
            .map(|(dir, path)| async move {
                let rows = self.list(&path, commit).await?;
                let mirror = self.mirror.clone();
                blocking(move || Ok(diff::folder(dir, &mirror.known(dir, None)?, &rows))).await
            })
            .buffer_unordered(LISTINGS)
            .try_collect()
            .await?;
        let steps = diff::moves(steps.into_iter().flatten().collect());
        let (mirror, probe, commit) = (self.mirror.clone(), probe.to_owned(), commit.clone());
        blocking(move || mirror.take(&steps, &[], Some(&probe), &commit)).await
    }

    /// Compares certain paths with what the Hub has now, and takes in what differs. `ours`: contents that,
    /// where they are found, are no news, because a batch of ours has put them there or is about to.
    pub(super) async fn look(&self, paths: Vec<String>, ours: &HashMap<String, Content>) -> Result<()> {
        let rows = self.ask(&paths).await?;
        let found: HashMap<&str, &Row> = rows.iter().map(|r| (r.path.as_str(), r)).collect();
        let mut folders: HashMap<&str, (Vec<Name>, Vec<Row>)> = HashMap::new();
        for path in &paths {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Ok(name) = Name::new(name) else { continue };
            let row = found.get(path.as_str()).copied();
            if let (Some(Row { file: Some(seen), .. }), Some(content)) = (row, ours.get(path))
                && seen.content == *content
            {
                continue;
            }
            let (names, rows) = folders.entry(folder).or_default();
            names.push(name);
            rows.extend(row.cloned());
        }
        let folders: Vec<_> = folders.into_iter().map(|(f, (n, r))| (f.to_owned(), n, r)).collect();
        let mirror = self.mirror.clone();
        let news = blocking(move || {
            let mut steps = Vec::new();
            for (folder, names, rows) in folders {
                if let Some(dir) = mirror.folder_at(&folder)? {
                    let mut known = mirror.known(dir, Some(&names))?;
                    // Of folders the Hub tells nothing here.
                    known.retain(|k| {
                        !matches!(k.what, What::Dir { .. }) || rows.iter().any(|r| r.name == k.name)
                    });
                    steps.extend(diff::folder(dir, &known, &rows));
                }
            }
            // What is gone here may have moved to where nobody looked: the next comparison will tell.
            mirror.take(&steps, &[], None, "")
        })
        .await?;
        if news {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// The files at these paths.
    pub(super) async fn ask(&self, paths: &[String]) -> Result<Vec<Row>> {
        // Owned: borrowed parts would make this future's `Send` depend on their lifetimes.
        let calls: Vec<Vec<String>> = paths.chunks(super::ops::AT_ONCE).map(<[String]>::to_vec).collect();
        let at = format!("{}/paths-info", self.place.api());
        let at = &at;
        let rows: Vec<Vec<Row>> = stream::iter(calls)
            .map(|paths| async move {
                let keys: Vec<String> = paths.iter().map(|p| self.place.key(p)).collect();
                let body = serde_json::to_vec(&serde_json::json!({ "paths": keys }))
                    .map_err(|e| Error::new(Kind::Other, format!("paths can't be asked for: {e}")))?;
                let answer = self.api.call(Call::post(at, "application/json", body, true)).await?;
                Ok::<_, Error>(rows::rows(answer.ok(&self.url)?.json(&self.url)?, &self.place, None))
            })
            .buffer_unordered(LISTINGS)
            .try_collect()
            .await?;
        Ok(rows.into_iter().flatten().filter(|r| r.file.is_some()).collect())
    }
}

/// The folders above those paths that are not as the mirror has them: our own batches are told of too.
fn news(mirror: &Mirror, paths: &HashMap<String, Option<Told>>) -> Result<HashSet<String>> {
    let mut other = Vec::new();
    for (path, told) in paths {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (dir, name) = (mirror.folder_at(folder)?, Name::new(name));
        let known = match (dir, name) {
            (Some(dir), Ok(name)) => mirror.known(dir, Some(&[name]))?,
            _ => Vec::new(),
        };
        let file = known.iter().find_map(|k| match k.what {
            What::File(content, mtime) => Some((content, mtime)),
            _ => None,
        });
        let same = match (file, told) {
            (None, None) => true,
            (Some((content, mtime)), Some(told)) => {
                told.hash.as_deref() == Some(&content.id.hex()) && told.mtime.is_none_or(|t| Some(t) == mtime)
            }
            _ => false,
        };
        if !same {
            other.push(path.as_str());
        }
    }
    Ok(feed::folders_of(other.into_iter()))
}

/// One listing of a folder at a time.
pub(super) type Listings = std::sync::Mutex<HashMap<NodeId, Arc<tokio::sync::Mutex<()>>>>;
