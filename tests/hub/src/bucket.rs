//! A bucket: its files by path, what changed when, and what a batch does to it. Pure; times come from outside.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use tokio::sync::watch;

use crate::{batch::Operation, clock::Millis};

/// The hash of no bytes at all.
pub const EMPTY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A file of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its length.
    pub size: u64,
    /// Its content: 64 hex digits.
    pub xet_hash: String,
    /// The time its writer gave it.
    pub mtime: Option<Millis>,
    /// When it was put there.
    pub uploaded_at: Millis,
    /// The type its writer gave it.
    pub content_type: Option<String>,
}

/// What happened to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It is new.
    Add,
    /// It has another content or time.
    Update,
    /// It is gone.
    Delete,
}

/// One file's change, as the feed tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which file.
    pub path: String,
    /// What happened.
    pub op: Op,
    /// What it is now, unless it is gone.
    pub file: Option<File>,
}

/// The changes of one batch.
#[derive(Clone, Debug)]
pub struct Changes {
    /// Counts the bucket's batches, from 1.
    pub number: u64,
    /// When it was applied.
    pub at: Millis,
    /// One a file.
    pub changes: Vec<Change>,
}

/// An operation that was not done, as the answer to the batch tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The operation's path.
    pub path: String,
    /// Why.
    pub error: String,
}

/// A bucket.
pub struct Bucket {
    /// Whether only its owner sees it.
    pub private: bool,
    /// When it was created.
    pub created_at: Millis,
    /// When it last changed, by anything.
    pub updated_at: Millis,
    /// By path.
    pub files: BTreeMap<String, File>,
    /// What the feed can replay, oldest first.
    pub log: VecDeque<Changes>,
    /// The newest batch that is no longer in `log`: its number and instant.
    pub forgotten: (u64, Millis),
    /// The number of the last batch that changed something.
    pub last: u64,
    /// Says `last` to those who follow the feed.
    pub follow: watch::Sender<u64>,
}

impl Bucket {
    /// An empty one.
    pub fn new(private: bool, at: Millis) -> Bucket {
        Bucket {
            private,
            created_at: at,
            updated_at: at,
            files: BTreeMap::new(),
            log: VecDeque::new(),
            forgotten: (0, 0),
            last: 0,
            follow: watch::Sender::new(0),
        }
    }

    /// The sum of its files' lengths.
    pub fn size(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }

    /// Keeps only so many batches to replay.
    pub fn forget(&mut self, keep: usize) {
        while self.log.len() > keep {
            if let Some(oldest) = self.log.pop_front() {
                self.forgotten = (oldest.number, oldest.at);
            }
        }
    }

    /// Does what it can of `operations` at the instant `at`. `size` tells the length of a content that
    /// the CAS knows; `source` whether a copy's source has the content.
    pub fn apply(
        &mut self,
        operations: &[Operation],
        at: Millis,
        size: impl Fn(&str) -> Option<u64>,
        source: impl Fn(&Operation) -> bool,
    ) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut changes = Vec::new();
        for operation in operations {
            let path = operation.path();
            let done = check(path).and_then(|()| match operation {
                Operation::AddFile { xet_hash, mtime, content_type, .. }
                | Operation::CopyFile { xet_hash, mtime, content_type, .. } => {
                    if !source(operation) {
                        return Err(format!("the source has no content {xet_hash}"));
                    }
                    let size = size(xet_hash).ok_or_else(|| format!("unknown content {xet_hash}"))?;
                    Ok(Some(File {
                        size,
                        xet_hash: xet_hash.clone(),
                        mtime: *mtime,
                        uploaded_at: at,
                        content_type: content_type.clone(),
                    }))
                }
                Operation::DeleteFile { .. } => Ok(None),
            });
            match done {
                Err(error) => failed.push(Failed { path: path.to_owned(), error }),
                Ok(Some(file)) => {
                    let op = match self.files.insert(path.to_owned(), file.clone()) {
                        None => Op::Add,
                        Some(_) => Op::Update,
                    };
                    changes.push(Change { path: path.to_owned(), op, file: Some(file) });
                }
                // Deleting what is not there is no failure: a batch may be sent again after a lost answer.
                Ok(None) => {
                    if self.files.remove(path).is_some() {
                        changes.push(Change { path: path.to_owned(), op: Op::Delete, file: None });
                    }
                }
            }
        }
        if failed.len() < operations.len() {
            self.updated_at = at;
        }
        if !changes.is_empty() {
            self.last += 1;
            self.log.push_back(Changes { number: self.last, at, changes });
            self.follow.send_replace(self.last);
        }
        failed
    }
}

/// Whether a path can be a key: relative, without empty, `.` and `..` parts and control characters.
pub fn check(path: &str) -> Result<(), String> {
    let bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.split('/').any(bad) || path.chars().any(char::is_control) {
        return Err(format!("invalid path {path:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &str, hash: &str) -> Operation {
        Operation::AddFile { path: path.into(), xet_hash: hash.into(), mtime: Some(7), content_type: None }
    }

    fn delete(path: &str) -> Operation {
        Operation::DeleteFile { path: path.into() }
    }

    fn apply(bucket: &mut Bucket, operations: &[Operation], at: Millis) -> Vec<String> {
        let known = |hash: &str| (hash == "known").then_some(5);
        bucket.apply(operations, at, known, |_| true).into_iter().map(|failed| failed.path).collect()
    }

    #[test]
    fn a_batch_does_what_it_can() {
        let mut bucket = Bucket::new(false, 1);
        let batch = [add("a", "known"), add("b", "unknown"), add("../c", "known"), delete("nothing")];
        assert_eq!(apply(&mut bucket, &batch, 2), ["b", "../c"]);
        assert_eq!(bucket.files.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(bucket.files["a"].size, 5);
        assert_eq!((bucket.updated_at, bucket.last, bucket.log.len()), (2, 1, 1));
        assert_eq!(bucket.log[0].changes.len(), 1);
    }

    #[test]
    fn nothing_changes_where_all_fails() {
        let mut bucket = Bucket::new(false, 1);
        assert_eq!(apply(&mut bucket, &[add("a", "unknown")], 2), ["a"]);
        assert_eq!((bucket.updated_at, bucket.last), (1, 0));
    }

    #[test]
    fn the_log_tells_adding_updating_and_deleting_apart() {
        let mut bucket = Bucket::new(false, 1);
        apply(&mut bucket, &[add("a", "known")], 2);
        apply(&mut bucket, &[add("a", "known"), add("b", "known")], 3);
        apply(&mut bucket, &[add("c", "known"), delete("a")], 4);
        let ops = |at: usize| bucket.log[at].changes.iter().map(|c| c.op).collect::<Vec<_>>();
        assert_eq!(ops(0), [Op::Add]);
        assert_eq!(ops(1), [Op::Update, Op::Add]);
        assert_eq!(ops(2), [Op::Add, Op::Delete]);
        assert_eq!(*bucket.follow.borrow(), 3);
    }
}
