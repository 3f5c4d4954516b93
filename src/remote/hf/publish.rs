//! Publishing a batch: upload, announce, look, decide, note, send, take in.
//!
//! The Hub takes no conditions. So right before a batch every path that it is about is asked for, a thousand
//! in a call; what differs from what this machine knew is taken into the mirror, and a change that was
//! based on something else is answered with [`Outcome::Conflict`]. **A window remains**: what another writer
//! commits to the same path between the answer to that question and the Hub's receipt of the batch, mostly
//! well under a second, is overwritten. Nobody is told of it but by the bucket's own history, if it has one.
//!
//! A batch is noted in the mirror before its first call and its note goes with the transaction that takes it
//! in. Additions are sent first; deletions only when the Hub has said that the additions are there. When an
//! answer is lost the paths are asked for until the Hub tells whether it was done: a batch never ends in
//! doubt. One that a crash cut off is brought to its end at the next start (`recover`): what had
//! begun to move is moved, what had not is left to the next flush.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{
    Hub,
    api::{Call, NoAnswer},
    blocking, limit,
    ops::{self, Act, Op, Plan},
};
use crate::{
    error::{Error, Kind, Result},
    node::{Content, ContentId, NodeId},
    remote::{
        Body, Change, Composition, NewBody, Op as Wanted, Outcome, Receipt, RemoteNode, Version,
        store::{
            decide::{Tree as _, Verdict, Wish, decide},
            format::Node,
            publish::{announce, is_the_buckets, refusal},
        },
    },
};

const SOON: Duration = Duration::from_secs(5);

/// What became of the content of one change.
enum Upload {
    None,
    Done(Content, Receipt),
    Failed(Error),
}

/// What became of one operation: `None` is done.
type Fate = Option<Error>;

#[derive(Deserialize, Default)]
struct Answered {
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    path: String,
    #[serde(default)]
    error: String,
}

impl Hub {
    /// See [`crate::remote::Remote::publish`].
    pub(super) async fn publish_batch(&self, changes: Vec<Change>) -> Result<Vec<Outcome>> {
        if self.read_only || !self.place.is_bucket() {
            return Err(Error::new(Kind::ReadOnly, "the drive is mounted read-only")
                .remedy("mount a bucket, without --read-only")
                .at(&self.url));
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.recover().await?;
        let began = Instant::now();
        let uploads = self.upload(&changes).await?;
        let acts: Vec<Act> = changes.iter().zip(&uploads).map(|(c, u)| act(c, u)).collect();

        // From here on nobody else changes the mirror.
        let _turn = self.turn.write().await;
        self.learn_folders(&acts).await?;
        self.look_at(&acts).await?;
        let wishes: Vec<Wish> = changes
            .iter()
            .zip(&acts)
            .zip(&uploads)
            .map(|((change, act), upload)| Wish {
                id: change.id,
                expect: change.expect,
                put: as_node(act),
                failed: matches!(upload, Upload::Failed(_)),
            })
            .collect();
        let mirror = self.mirror.clone();
        let (verdicts, plan, index) = blocking(move || {
            let verdicts = decide(&wishes, &*mirror)?;
            let (mut held, mut index) = (Vec::new(), vec![None; acts.len()]);
            for (i, act) in acts.into_iter().enumerate() {
                if verdicts[i] == Verdict::Holds {
                    index[i] = Some(held.len());
                    held.push(act);
                }
            }
            Ok((verdicts, ops::plan(held, &*mirror)?, index))
        })
        .await?;
        let plan = Arc::new(plan);
        let sent = self.carry_out(&plan).await;
        if sent.is_err() {
            // The note may have stayed, of a batch that the Hub has.
            self.recovered.store(false, Ordering::SeqCst);
        }
        let (version, fates) = sent?;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let cause = uploads.iter().find_map(|u| match u {
            Upload::Failed(e) => Some(e.again()),
            _ => None,
        });
        let outcomes = verdicts.into_iter().zip(uploads).zip(changes).zip(index);
        Ok(outcomes
            .map(|(((verdict, upload), change), index)| match (verdict, upload) {
                (Verdict::Waits, Upload::Failed(e)) => refusal(e),
                (Verdict::Waits, _) => {
                    let why = cause.as_ref().map(Error::again);
                    let why =
                        why.unwrap_or_else(|| Error::new(Kind::Other, "another change must come first"));
                    Outcome::Retry { after: SOON, why }
                }
                (Verdict::Conflict, _) => Outcome::Conflict,
                (Verdict::Senseless(why), _) => Outcome::Rejected(Error::new(Kind::Invalid, why)),
                (Verdict::Holds | Verdict::Already(_), upload) => {
                    if let Some(Some(e)) = index.map(|i| &fates[i]) {
                        return refusal(e.again());
                    }
                    let version = match verdict {
                        Verdict::Already(version) if version.0 > 0 => version,
                        _ => version,
                    };
                    let (content, receipt) = match (upload, change.op) {
                        (Upload::Done(content, receipt), _) => {
                            (Some(content), Some(Receipt { ms, ..receipt }))
                        }
                        (_, Wanted::Put { body: NewBody::Have(content), .. }) => (Some(content), None),
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
            Wanted::Put { body: NewBody::Compose(composition), .. } => Some(composition.clone()),
            _ => None,
        };
        let files: Vec<Composition> = changes.iter().filter_map(composition).collect();
        if files.is_empty() {
            return Ok(changes.iter().map(|_| Upload::None).collect());
        }
        self.cas.must_write().await?;
        let sources: Vec<_> = files.iter().map(|f| f.source.clone()).collect();
        let mut answers = self.xet.upload(files).await.into_iter().zip(sources);
        let mut uploads = Vec::with_capacity(changes.len());
        for change in changes {
            if composition(change).is_none() {
                uploads.push(Upload::None);
                continue;
            }
            uploads.push(match answers.next() {
                Some((Ok(done), source)) => match announce(source, done.content).await {
                    Ok(()) => Upload::Done(done.content, done.receipt),
                    Err(e) => Upload::Failed(e),
                },
                Some((Err(e), _)) if is_the_buckets(&e) => return Err(e),
                Some((Err(e), _)) => Upload::Failed(e),
                None => Upload::Failed(Error::new(Kind::Other, "the upload gave no answer")),
            });
        }
        Ok(uploads)
    }

    /// A folder that moves takes all files below it along: they must be known.
    async fn learn_folders(&self, acts: &[Act]) -> Result<()> {
        for act in acts {
            let Act::Put { id, parent, name, body: Body::Dir, .. } = act else { continue };
            loop {
                let (mirror, id, parent, name) = (self.mirror.clone(), *id, *parent, name.clone());
                let unlisted = blocking(move || match mirror.get(id)? {
                    Some(was) if id != NodeId::ROOT && (was.parent, &was.name) != (parent, &name) => {
                        mirror.unlisted_below(id)
                    }
                    _ => Ok(Vec::new()),
                })
                .await?;
                if unlisted.is_empty() {
                    break;
                }
                for dir in unlisted {
                    self.learn(dir).await?;
                }
            }
        }
        Ok(())
    }

    /// Asks the Hub for every path that the batch is about.
    async fn look_at(&self, acts: &[Act]) -> Result<()> {
        let (mirror, acts) = (self.mirror.clone(), acts.to_vec());
        let (paths, ours) = blocking(move || {
            let plan = ops::plan(acts, &*mirror)?;
            let ours: HashMap<String, Content> =
                plan.adds.iter().map(|op| (op.path.clone(), op.content)).collect();
            let mut paths: HashSet<String> = ours.keys().cloned().collect();
            paths.extend(plan.deletes.iter().map(|op| op.path.clone()));
            // A folder that is only here may be somebody's file there by now.
            let folders: Vec<String> = super::feed::folders_of(ours.keys().map(String::as_str))
                .into_iter()
                .filter(|f| !f.is_empty())
                .collect();
            paths.extend(folders);
            Ok((paths.into_iter().collect::<Vec<_>>(), ours))
        })
        .await?;
        if paths.is_empty() { Ok(()) } else { self.look(paths, &ours).await }
    }

    /// Sends what a plan asks of the Hub and takes in what was done. Answers the version, and for each act
    /// why it was not done.
    async fn carry_out(&self, plan: &Arc<Plan>) -> Result<(Version, Vec<Fate>)> {
        if !plan.adds.is_empty() || !plan.deletes.is_empty() {
            let (mirror, noted) = (self.mirror.clone(), plan.clone());
            blocking(move || mirror.intend(&noted)).await?;
        }
        let adds: Vec<&Op> = plan.adds.iter().collect();
        let added = match self.send(&adds, true).await {
            Ok(fates) => fates,
            Err(e) => {
                // Certainly nothing was done.
                let mirror = self.mirror.clone();
                blocking(move || mirror.done(std::iter::empty())).await?;
                return Err(e);
            }
        };
        let failed = adds.iter().zip(&added).filter(|(_, fate)| fate.is_some()).map(|(op, _)| *op);
        let mut fallen = plan.fell(failed);
        // What was added for a change that failed is taken back, where nothing was before.
        let undo: Vec<&Op> = adds
            .iter()
            .zip(&added)
            .filter(|(op, fate)| fate.is_none() && op.owners.iter().any(|&i| fallen[i]))
            .map(|(op, _)| *op)
            .collect();
        self.take_back(&undo).await;
        let deletes: Vec<&Op> =
            plan.deletes.iter().filter(|op| !op.owners.iter().any(|&i| fallen[i])).collect();
        let deleted = match self.send(&deletes, false).await {
            Ok(fates) => fates,
            Err(e) => deletes.iter().map(|_| Some(e.again())).collect(),
        };
        let stuck: Vec<&Op> =
            deletes.iter().zip(&deleted).filter(|(_, fate)| fate.is_some()).map(|(op, _)| *op).collect();
        if !stuck.is_empty() {
            let more = plan.fell(stuck.iter().copied());
            let undo: Vec<&Op> =
                adds.iter().filter(|op| op.owners.iter().any(|&i| more[i] && !fallen[i])).copied().collect();
            self.take_back(&undo).await;
            for (fallen, more) in fallen.iter_mut().zip(more) {
                *fallen |= more;
            }
        }
        let (mirror, noted, left_out) = (self.mirror.clone(), plan.clone(), fallen.clone());
        let version = blocking(move || {
            mirror.done(noted.acts.iter().zip(&left_out).filter(|(_, fallen)| !**fallen).map(|(act, _)| act))
        })
        .await?;
        let all = adds.iter().zip(&added).chain(deletes.iter().zip(&deleted));
        let mut why: Vec<Fate> = (0..plan.acts.len()).map(|_| None).collect();
        for (op, fate) in all {
            if let Some(e) = fate {
                for &i in &op.owners {
                    why[i].get_or_insert_with(|| e.again());
                }
            }
        }
        for (why, fallen) in why.iter_mut().zip(&fallen) {
            match fallen {
                true => drop(why.get_or_insert_with(|| {
                    Error::new(Kind::Other, "another change of the same batch must come first")
                })),
                false => *why = None,
            }
        }
        Ok((version, why))
    }

    /// Deletes what was added for nothing. If that fails, it is found as a copy.
    async fn take_back(&self, added: &[&Op]) {
        let mut fresh = Vec::new();
        for op in added {
            let (mirror, path) = (self.mirror.clone(), op.path.clone());
            let known = blocking(move || {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let (Some(dir), Ok(name)) = (mirror.folder_at(folder)?, crate::node::Name::new(name)) else {
                    return Ok(false);
                };
                match mirror.child(dir, &name)? {
                    Some(id) => Ok(matches!(mirror.get(id)?, Some(RemoteNode { body: Body::File(_), .. }))),
                    None => Ok(false),
                }
            });
            if !known.await.unwrap_or(true) {
                fresh.push(*op);
            }
        }
        match self.send(&fresh, false).await {
            Ok(fates) if fates.iter().all(Option::is_none) => {}
            Ok(_) | Err(_) => {
                tracing::warn!("a copy that a failed move left at the Hub could not be taken back")
            }
        }
    }

    /// Sends additions or deletions, at most a thousand in a call. One fate for each. An `Err` says that
    /// nothing at all was done.
    pub(super) async fn send(&self, all: &[&Op], add: bool) -> Result<Vec<Fate>> {
        let mut fates = Vec::with_capacity(all.len());
        for part in all.chunks(ops::AT_ONCE) {
            match self.send_part(part, add).await {
                Ok(done) => fates.extend(done),
                Err(e) if fates.is_empty() => return Err(e),
                Err(e) => fates.extend(part.iter().map(|_| Some(e.again()))),
            }
        }
        Ok(fates)
    }

    async fn send_part(&self, part: &[&Op], add: bool) -> Result<Vec<Fate>> {
        let body = lines(part, add, |path| self.place.key(path));
        let at = format!("{}/batch", self.place.api());
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.api.call(Call::post(&at, "application/x-ndjson", body.clone(), false)).await;
            let doubt = match answer {
                Ok(answer) if answer.status == 422 || (200..300).contains(&answer.status) => {
                    let told = answer.json::<Answered>(&self.url);
                    match told {
                        Ok(told) if answer.status != 422 || !told.failed.is_empty() => {
                            return Ok(self.fates(part, told.failed));
                        }
                        Ok(_) => return Err(answer.refusal(&self.url)),
                        Err(e) => e,
                    }
                }
                Ok(answer) if answer.status == 429 || answer.status < 500 && answer.status != 408 => {
                    return Err(answer.refusal(&self.url));
                }
                Ok(answer) if answer.status == 507 => return Err(answer.refusal(&self.url)),
                Ok(answer) => answer.refusal(&self.url),
                Err(NoAnswer::NotMade(e)) if tries >= limit::TRIES => return Err(e),
                Err(NoAnswer::NotMade(_)) => {
                    tokio::time::sleep(limit::backoff(tries)).await;
                    continue;
                }
                Err(NoAnswer::Unknown(e)) => e,
            };
            tracing::info!("a batch was sent and its answer is not known: {doubt}");
            let done = self.done_of(part, add).await;
            let none = !done.iter().any(|d| *d);
            if done.iter().all(|d| *d) || tries >= limit::TRIES {
                if none {
                    return Err(doubt);
                }
                return Ok(done.iter().map(|done| (!done).then(|| doubt.again())).collect());
            }
            tokio::time::sleep(limit::backoff(tries)).await;
        }
    }

    /// Which of these operations the Hub has done: asked until it tells.
    async fn done_of(&self, part: &[&Op], add: bool) -> Vec<bool> {
        let paths: Vec<String> = part.iter().map(|op| op.path.clone()).collect();
        let mut failed = 0;
        loop {
            match self.ask(&paths).await {
                Ok(rows) => {
                    let there: HashMap<&str, Content> = rows
                        .iter()
                        .filter_map(|r| Some((r.path.as_str(), r.file.as_ref()?.content)))
                        .collect();
                    let done = |op: &&Op| match there.get(op.path.as_str()) {
                        Some(content) => add && *content == op.content,
                        None => !add,
                    };
                    return part.iter().map(done).collect();
                }
                Err(e) => {
                    failed += 1;
                    tracing::debug!("what became of a batch is not known yet: {e}");
                    tokio::time::sleep(limit::backoff(failed)).await;
                }
            }
        }
    }

    /// Puts the failures that an answer names to the operations.
    fn fates(&self, part: &[&Op], failed: Vec<Failed>) -> Vec<Fate> {
        let failed: HashMap<String, String> = failed.into_iter().map(|f| (f.path, f.error)).collect();
        part.iter()
            .map(|op| {
                let said = failed.get(&self.place.key(&op.path))?;
                let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
                let kind = if ops::is_final(&said) { Kind::Invalid } else { Kind::Other };
                let e = Error::new(kind, format!("the Hub refuses this file: {said}")).at(&op.path);
                Some(match kind {
                    Kind::Invalid => e.remedy("rename the file, or move it out of the drive"),
                    _ => e.remedy("it is tried again by itself"),
                })
            })
            .collect()
    }
}

/// What a change makes of the tree; of a failed upload what it would, but for the content.
fn act(change: &Change, upload: &Upload) -> Act {
    match &change.op {
        Wanted::Remove => Act::Remove(change.id),
        Wanted::Put { parent, name, meta, body } => {
            let body = match (body, upload) {
                (NewBody::Dir, _) => Body::Dir,
                (NewBody::Symlink(target), _) => Body::Symlink(target.clone()),
                (NewBody::Have(content), _) | (_, Upload::Done(content, _)) => Body::File(*content),
                (NewBody::Compose(c), _) => Body::File(Content { id: ContentId::EMPTY, size: c.size }),
            };
            Act::Put { id: change.id, parent: *parent, name: name.clone(), meta: *meta, body }
        }
    }
}

fn as_node(act: &Act) -> Option<Node> {
    match act {
        Act::Remove(_) => None,
        Act::Put { id, parent, name, meta, body } => {
            let parent: NodeId = *parent;
            Some(Node::new(*id, parent, name.clone(), *meta, body, None))
        }
    }
}

/// A batch as it is sent: one JSON object a line.
fn lines(part: &[&Op], add: bool, key: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for op in part {
        let line = match add {
            true => serde_json::json!({
                "type": "addFile", "path": key(&op.path), "xetHash": op.content.id.hex(), "mtime": op.mtime,
            }),
            false => serde_json::json!({ "type": "deleteFile", "path": key(&op.path) }),
        };
        out.push_str(&line.to_string());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(n: u8) -> Content {
        Content { id: ContentId([n; 32]), size: 9 }
    }

    fn op(path: &str, n: u8, owners: &[usize]) -> Op {
        Op { path: path.into(), content: content(n), mtime: 5, owners: owners.to_vec() }
    }

    #[test]
    fn a_batch_is_lines_of_json() {
        let op = op("a \"b\"", 0, &[0]);
        let text = lines(&[&op], true, |p| format!("top/{p}"));
        assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["path"], "top/a \"b\"");
        assert_eq!(json["xetHash"], "0".repeat(64));
        assert_eq!(
            lines(&[&op], false, str::to_owned),
            "{\"path\":\"a \\\"b\\\"\",\"type\":\"deleteFile\"}\n"
        );
    }
}
