//! Publishing a batch: upload, announce, decide, commit.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::{
    Store,
    decide::{Verdict, Wish, decide},
    format::{Commit, Entry, FORMAT, Located, Node, NodeBody, random_id, seal},
    log::blocking,
    mirror::Place,
};
use crate::{
    error::{Error, Kind, Result},
    node::{Content, Time},
    remote::{Body, Change, Composition, NewBody, Op, Outcome, Receipt, Source, Version},
    xet::Uploaded,
};

/// How long to wait before trying again, by default and when a disk is full.
const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_secs(30);

/// Each announcement is a sync of a file's journal; the disk does many together as fast as one.
const ANNOUNCED_AT_ONCE: usize = 16;

/// What became of the content of one change.
enum Upload {
    /// There was none to upload.
    None,
    Done(Content, Receipt),
    Failed(Error),
}

/// An error of the whole bucket: with it no change gets through, and none is to blame.
pub(in crate::remote) fn is_the_buckets(e: &Error) -> bool {
    matches!(e.kind(), Kind::Offline | Kind::ReadOnly | Kind::Denied | Kind::SignedOut)
}

pub(in crate::remote) fn refusal(e: Error) -> Outcome {
    match e.kind() {
        Kind::Damaged | Kind::NotFound | Kind::Invalid | Kind::NewerFormat => Outcome::Rejected(e),
        Kind::NoSpace => Outcome::Retry { after: LATER, why: e },
        _ => Outcome::Retry { after: SOON, why: e },
    }
}

/// Tells the source of a composition which content it became, before any commit can name it.
pub(in crate::remote) async fn announce(source: Arc<dyn Source>, content: Content) -> Result<()> {
    blocking(move || source.composed(content).map_err(|e| Error::io("noting what is about to be saved", e)))
        .await
}

/// What came of an upload, announced if it is complete. Fails only by what concerns all changes.
async fn announced(answer: Result<Uploaded>, source: Arc<dyn Source>) -> Result<Upload> {
    match answer {
        Ok(done) => Ok(match announce(source, done.content).await {
            Ok(()) => Upload::Done(done.content, done.receipt),
            Err(e) => Upload::Failed(e),
        }),
        Err(e) if is_the_buckets(&e) => Err(e),
        Err(e) => Ok(Upload::Failed(e)),
    }
}

impl Store {
    /// See [`crate::remote::Remote::publish`].
    pub(super) async fn publish_batch(&self, changes: Vec<Change>) -> Result<Vec<Outcome>> {
        if self.read_only {
            return Err(Error::new(Kind::ReadOnly, "the bucket is mounted read-only")
                .remedy("mount it without --read-only")
                .at(&self.url));
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let mut uploads = self.upload(&changes).await?;
        let mut wishes = Vec::with_capacity(changes.len());
        for (change, upload) in changes.iter().zip(&mut uploads) {
            wishes.push(self.wish(change, upload).await?);
        }
        let committed = self.commit(wishes).await?;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        // Whom the waiting ones wait for.
        let cause = uploads.iter().find_map(|u| match u {
            Upload::Failed(e) => Some(e.again()),
            _ => None,
        });
        let waiting = || match &cause {
            Some(e) => e.again(),
            None => Error::new(Kind::Other, "another change must come first"),
        };
        Ok(committed
            .verdicts
            .into_iter()
            .zip(uploads)
            .zip(changes)
            .map(|((verdict, upload), change)| match (verdict, upload) {
                (Verdict::Waits, Upload::Failed(e)) => refusal(e),
                (Verdict::Waits, _) => Outcome::Retry { after: SOON, why: waiting() },
                (Verdict::Conflict, _) => Outcome::Conflict,
                (Verdict::Senseless(why), _) => Outcome::Rejected(Error::new(Kind::Invalid, why)),
                (Verdict::Holds | Verdict::Already(_), upload) => {
                    if let (Verdict::Holds, Some(e)) = (verdict, &committed.failed) {
                        return refusal(e.again());
                    }
                    let version = match verdict {
                        Verdict::Already(version) if version.0 > 0 => version,
                        _ => Version(committed.at),
                    };
                    let (content, receipt) = match (upload, change.op) {
                        (Upload::Done(content, receipt), _) => {
                            (Some(content), Some(Receipt { ms, ..receipt }))
                        }
                        (_, Op::Put { body: NewBody::Have(content), .. }) => (Some(content), None),
                        _ => (None, None),
                    };
                    Outcome::Done { version, content, receipt }
                }
            })
            .collect())
    }

    /// Uploads all contents in one session, and announces each.
    async fn upload(&self, changes: &[Change]) -> Result<Vec<Upload>> {
        let composition = |change: &Change| match &change.op {
            Op::Put { body: NewBody::Compose(composition), .. } => Some(composition.clone()),
            _ => None,
        };
        let files: Vec<Composition> = changes.iter().filter_map(composition).collect();
        if files.is_empty() {
            return Ok(changes.iter().map(|_| Upload::None).collect());
        }
        let sources: Vec<_> = files.iter().map(|f| f.source.clone()).collect();
        let answers = self.xet.upload(files).await.into_iter().zip(sources);
        let announced: Vec<_> = answers.map(|(answer, source)| announced(answer, source).boxed()).collect();
        let announced = stream::iter(announced).buffered(ANNOUNCED_AT_ONCE).try_collect::<Vec<_>>();
        let mut answers = announced.await?.into_iter();
        let uploads = changes.iter().map(|change| match composition(change) {
            None => Upload::None,
            Some(_) => answers
                .next()
                .unwrap_or_else(|| Upload::Failed(Error::new(Kind::Other, "the upload gave no answer"))),
        });
        Ok(uploads.collect())
    }

    /// The change as [`decide`] wants it. A content that the bucket does not have fails the change.
    async fn wish(&self, change: &Change, upload: &mut Upload) -> Result<Wish> {
        let put = match &change.op {
            Op::Remove => None,
            Op::Put { parent, name, meta, body } => {
                let body = match (body, &*upload) {
                    (NewBody::Dir, _) => Body::Dir,
                    (NewBody::Symlink(target), _) => Body::Symlink(target.clone()),
                    (NewBody::Have(content), _) | (_, Upload::Done(content, _)) => {
                        let content = *content;
                        match self.must_have(&content).await {
                            Err(e) if is_the_buckets(&e) => return Err(e),
                            Err(e) => *upload = Upload::Failed(e),
                            Ok(()) => {}
                        }
                        Body::File(content)
                    }
                    (NewBody::Compose(composition), _) => {
                        Body::File(Content { size: composition.size, ..Content::EMPTY })
                    }
                };
                Some(Node::new(change.id, *parent, name.clone(), *meta, &body, None))
            }
        };
        let failed = matches!(upload, Upload::Failed(_));
        Ok(Wish { id: change.id, expect: change.expect, put, failed })
    }

    async fn commit(&self, wishes: Vec<Wish>) -> Result<Committed> {
        let wishes = Arc::new(wishes);
        let turn = self.log.turn().await;
        loop {
            let head = turn.pull().await?;
            self.watch.came(head.number);
            let (mirror, cas, batch) = (self.mirror.clone(), self.cas.clone(), wishes.clone());
            let at = head.clone();
            let (verdicts, draft) = blocking(move || {
                let verdicts = decide(&batch, &*mirror)?;
                let draft = draft(&batch, &verdicts, &at, |content| match mirror.locate(content)? {
                    Some(_) => Ok(None),
                    None => cas.locate(content),
                })?;
                Ok((verdicts, draft))
            })
            .await?;
            let Some(commit) = draft else {
                return Ok(Committed { at: head.number, verdicts, failed: None });
            };
            let number = commit.number;
            let contents = commit.contents.clone();
            let text = seal(&commit)?;
            match turn.commit(commit, text).await {
                Ok(true) => {
                    drop(turn);
                    self.cas.committed(&contents);
                    self.watch.came(number);
                    self.snapshot_if_due(number);
                    return Ok(Committed { at: number, verdicts, failed: None });
                }
                Ok(false) => continue,
                // The contents are there; the commit follows when there is room again.
                Err(e) if e.kind() == Kind::NoSpace => {
                    return Ok(Committed { at: head.number, verdicts, failed: Some(e) });
                }
                Err(e) => return Err(e),
            }
        }
    }
}

struct Committed {
    /// The newest commit.
    at: u64,
    verdicts: Vec<Verdict>,
    /// Why those that hold are not committed after all.
    failed: Option<Error>,
}

/// The commit after `head` of all that holds; `None` if nothing does. `locate` answers where a content is
/// that no commit has named yet.
fn draft(
    batch: &[Wish],
    verdicts: &[Verdict],
    head: &Place,
    locate: impl Fn(&crate::node::ContentId) -> Result<Option<Located>>,
) -> Result<Option<Commit>> {
    let mut changes = Vec::new();
    let mut contents: Vec<Located> = Vec::new();
    let mut named = HashSet::new();
    for (wish, verdict) in batch.iter().zip(verdicts) {
        if *verdict != Verdict::Holds {
            continue;
        }
        changes.push(match &wish.put {
            Some(node) => Entry::Put(node.clone()),
            None => Entry::Remove(wish.id),
        });
        if let Some(Node { body: NodeBody::File { content, size }, .. }) = &wish.put
            && *size > 0
            && named.insert(*content)
            && let Some(located) = locate(content)?
        {
            contents.push(located);
        }
    }
    Ok((!changes.is_empty()).then(|| Commit {
        format: FORMAT,
        number: head.number + 1,
        id: random_id(),
        previous: head.id.clone(),
        time: Time::now(),
        changes,
        contents,
    }))
}
