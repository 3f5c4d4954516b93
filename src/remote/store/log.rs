//! [`Log`]: the commits of a bucket, read into the mirror and written one by one.
//!
//! A commit is put only if there is none of its number, which is the one point where writers meet: who
//! loses pulls the winner's commit, decides again and tries the next number. Each commit names the one
//! before it by its random id, so a mirror notices that a bucket was replaced or put back to an older state.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    bucket::{Bucket, at, damaged},
    format::{Commit, unseal},
    mirror::{Mirror, Place},
    snapshot,
};
use crate::error::{Error, Kind, Result};

/// Commits fetched at once when there are many.
const AHEAD: u64 = 32;
/// How often a put whose answer was an error is tried again.
const RETRIES: u32 = 3;

/// The commits of a bucket and the mirror of what they say.
pub struct Log {
    bucket: Arc<Bucket>,
    mirror: Arc<Mirror>,
    /// Held by whoever reads commits into the mirror or writes one: inside a process they take turns.
    turn: Mutex<()>,
}

/// The right to change the mirror.
pub struct Turn<'a> {
    log: &'a Log,
    _guard: MutexGuard<'a, ()>,
}

enum Step {
    Applied,
    AtHead,
    /// The bucket's history is not the one that the mirror knows.
    Rewritten,
}

/// Runs what blocks, such as SQLite, off the runtime's threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(Kind::Other, format!("a task failed: {e}")))?
}

/// Reads a commit of this number.
pub fn read_commit(number: u64, text: &[u8]) -> Result<Commit> {
    let path = at::commit(number);
    let commit: Commit = unseal(text, &format!("commit {number}")).map_err(|e| match e.kind() {
        Kind::Damaged => damaged(&path, e.cause()),
        _ => e.at(&path),
    })?;
    if commit.number != number {
        return Err(damaged(&path, "a commit has the wrong name"));
    }
    Ok(commit)
}

impl Log {
    /// Over a bucket and its mirror, which may be behind; nothing is read yet.
    pub fn new(bucket: Arc<Bucket>, mirror: Arc<Mirror>) -> Log {
        Log { bucket, mirror, turn: Mutex::new(()) }
    }

    /// Waits for the right to change the mirror.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { log: self, _guard: self.turn.lock().await }
    }

    /// Brings the mirror up to the newest commit.
    pub async fn pull(&self) -> Result<Place> {
        self.turn().await.pull().await
    }

    /// Brings the mirror up to the newest commit for the first time since the start: finds out whether it is
    /// of this history, whether a snapshot is quicker than the commits (there is one every `every`
    /// commits), and whether commits are missing. Answers the number of the newest snapshot, or 0.
    pub async fn start(&self, every: u64) -> Result<u64> {
        let turn = self.turn().await;
        let newest = snapshot::numbers(&self.bucket).await?.first().copied().unwrap_or(0);
        let now = self.mirror.place()?;
        let known = match now.number {
            0 => true,
            n => match self.bucket.get(&at::commit(n)).await? {
                Some(text) => read_commit(n, &text)?.id == now.id,
                None => false,
            },
        };
        let behind = if now.number == 0 { 0 } else { every };
        if !known || newest > now.number + behind {
            if !known {
                tracing::warn!(
                    bucket = self.bucket.name(),
                    "the bucket's history has changed; reading it anew"
                );
            }
            turn.rebuild().await?;
        }
        let mut head = turn.pull().await?;
        // Nothing must come after the head. What does may have come this instant, so look once more.
        let after = self.bucket.list("commits", Some(&at::commit(head.number))).await?;
        if !after.is_empty() {
            head = turn.pull().await?;
            if after.iter().filter_map(|(path, _)| at::commit_number(path)).any(|n| n > head.number) {
                return Err(damaged(
                    &at::commit(head.number + 1),
                    "a commit is missing, and later ones are there",
                ));
            }
        }
        Ok(newest)
    }

    async fn window(&self, from: u64, count: u64) -> Result<Vec<Option<Bytes>>> {
        let paths: Vec<_> = (from..from + count).map(at::commit).collect();
        let gets: Vec<_> = paths.iter().map(|path| self.bucket.get(path)).collect();
        futures::future::try_join_all(gets).await
    }
}

impl Turn<'_> {
    /// Brings the mirror up to the newest commit.
    pub async fn pull(&self) -> Result<Place> {
        let log = self.log;
        let mut count = 1;
        let mut rebuilt = false;
        'windows: loop {
            let from = log.mirror.place()?.number + 1;
            let texts = log.window(from, count).await?;
            for (i, text) in texts.iter().enumerate() {
                let number = from + i as u64;
                let later = texts[i + 1..].iter().any(Option::is_some);
                match self.step(number, text.clone(), later).await? {
                    Step::Applied => {}
                    Step::AtHead => return log.mirror.place(),
                    Step::Rewritten if !rebuilt => {
                        tracing::warn!(
                            bucket = log.bucket.name(),
                            "the bucket's history has changed; reading it anew"
                        );
                        self.rebuild().await?;
                        rebuilt = true;
                        continue 'windows;
                    }
                    Step::Rewritten => {
                        return Err(damaged(
                            &at::commit(number),
                            "a commit does not follow the one before it",
                        ));
                    }
                }
            }
            count = (count * 2).min(AHEAD);
        }
    }

    async fn step(&self, number: u64, text: Option<Bytes>, later: bool) -> Result<Step> {
        let path = at::commit(number);
        let text = match text {
            Some(text) => text,
            None if !later => return Ok(Step::AtHead),
            // Both may have come between the two questions.
            None => match self.log.bucket.get(&path).await? {
                Some(text) => text,
                None => return Err(damaged(&path, "a commit is missing, and later ones are there")),
            },
        };
        let commit = read_commit(number, &text)?;
        let mirror = self.log.mirror.clone();
        blocking(move || {
            if mirror.place()?.id != commit.previous {
                return Ok(Step::Rewritten);
            }
            mirror.apply(&commit, &text)?;
            Ok(Step::Applied)
        })
        .await
    }

    /// Begins the mirror anew, from the newest snapshot that is whole.
    async fn rebuild(&self) -> Result<()> {
        let (bucket, mirror) = (&self.log.bucket, &self.log.mirror);
        for number in snapshot::numbers(bucket).await? {
            let anew = mirror.clone();
            blocking(move || anew.rebuild()).await?;
            match snapshot::read(bucket, mirror, number).await {
                Ok(()) => return Ok(()),
                // The commits are all there still: an older snapshot, or none, only takes longer.
                Err(e) if e.kind() == Kind::Damaged => tracing::warn!("snapshot {number} is not used: {e}"),
                Err(e) => return Err(e),
            }
        }
        let anew = mirror.clone();
        let start = Place { number: 0, id: bucket.uuid().to_owned() };
        blocking(move || anew.rebuild().and_then(|()| anew.rebuilt(&start))).await
    }

    /// Puts the next commit, durably, and brings it into the mirror. Answers false if another writer was
    /// faster: pull and decide again.
    ///
    /// # Errors
    /// Nothing was committed, as far as can be told: if the bucket went away during the put, the commit may
    /// be there when it comes back. Then it is in the history like anybody's.
    pub async fn commit(&self, commit: Commit, text: Vec<u8>) -> Result<bool> {
        let path = at::commit(commit.number);
        let text = Bytes::from(text);
        let mut tries = 0;
        loop {
            match self.log.bucket.create(&path, text.clone()).await {
                Ok(true) => break,
                Ok(false) => {
                    let there = self.log.bucket.get(&path).await?;
                    // An answer was lost on the way: the commit is ours.
                    if there.is_some_and(|there| there == text) {
                        break;
                    }
                    return Ok(false);
                }
                // Whether it was put is not known; a second put tells.
                Err(e) if tries < RETRIES && e.kind() != Kind::ReadOnly => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(20) * 4u32.pow(tries - 1)).await;
                    tracing::debug!("putting commit {} again: {e}", commit.number);
                }
                Err(e) => return Err(e),
            }
        }
        let (mirror, number) = (self.log.mirror.clone(), commit.number);
        if let Err(e) = blocking(move || mirror.apply(&commit, &text)).await {
            // It is committed all the same; the next pull brings the mirror up to it, or says why not.
            tracing::warn!("commit {number} is not in the mirror yet: {e}");
        }
        Ok(true)
    }
}
