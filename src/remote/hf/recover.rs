//! What a batch needs that a crash, or the end of the process, cut off: it is brought to its end.

use std::{collections::HashMap, sync::atomic::Ordering};

use super::{
    Hub, blocking,
    ops::{Act, Op, Plan},
};
use crate::{error::Result, node::Content};

impl Hub {
    /// Brings a batch to its end that a crash, or the end of the process, cut off.
    pub(super) async fn recover(&self) -> Result<()> {
        if self.recovered.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _turn = self.turn.write().await;
        let mirror = self.mirror.clone();
        if let Some(plan) = blocking(move || mirror.intent()).await? {
            self.finish(plan).await?;
        }
        self.recovered.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn finish(&self, plan: Plan) -> Result<()> {
        let all: Vec<&Op> = plan.adds.iter().chain(&plan.deletes).collect();
        let paths: Vec<String> = all.iter().map(|op| op.path.clone()).collect();
        let rows = self.ask(&paths).await?;
        let there: HashMap<&str, Content> =
            rows.iter().filter_map(|r| Some((r.path.as_str(), r.file.as_ref()?.content))).collect();
        let (finish, adds, deletes) = rest(&plan, &there);
        tracing::info!(
            acts = plan.acts.len(),
            done = finish.iter().filter(|f| **f).count(),
            adds = adds.len(),
            deletes = deletes.len(),
            "a batch of before the last end is brought to its end"
        );
        let added = self.send(&adds, true).await?;
        if let Some(e) = added.into_iter().flatten().next() {
            return Err(e);
        }
        let deleted = self.send(&deletes, false).await?;
        if let Some(e) = deleted.into_iter().flatten().next() {
            return Err(e);
        }
        let mirror = self.mirror.clone();
        blocking(move || mirror.done(plan.acts.iter().zip(&finish).filter(|(_, f)| **f).map(|(act, _)| act)))
            .await
            .map(drop)
    }
}

/// What is to be finished of a batch that was cut off: which acts, and with which operations still. `there`
/// says what the Hub has at the batch's paths. An act is finished if anything of it was done, or if it asks
/// nothing of the Hub; but a folder goes only with all that was in it.
fn rest<'a>(plan: &'a Plan, there: &HashMap<&str, Content>) -> (Vec<bool>, Vec<&'a Op>, Vec<&'a Op>) {
    let mut begun = vec![false; plan.acts.len()];
    let mut asks = vec![false; plan.acts.len()];
    for (op, add) in plan.adds.iter().map(|op| (op, true)).chain(plan.deletes.iter().map(|op| (op, false))) {
        let done = match there.get(op.path.as_str()) {
            Some(content) => add && *content == op.content,
            // A deletion comes after its additions, so one that is not needed says nothing.
            None => !add && op.owners.iter().all(|i| matches!(plan.acts[*i], Act::Remove(_))),
        };
        for &i in &op.owners {
            asks[i] = true;
            begun[i] |= done;
        }
    }
    // Whose operation is done, so are begun those whom it stands on: they own it too.
    let all = begun.iter().zip(&asks).all(|(begun, asks)| *begun || !asks);
    let own = |(i, act): (usize, &Act)| begun[i] || (!asks[i] && (all || matches!(act, Act::Put { .. })));
    let finish: Vec<bool> = plan.acts.iter().enumerate().map(own).collect();
    let ours = |op: &&Op| op.owners.iter().all(|&i| finish[i]);
    let adds = plan.adds.iter().filter(ours).filter(|op| there.get(op.path.as_str()) != Some(&op.content));
    let deletes =
        plan.deletes.iter().filter(ours).filter(|op| there.get(op.path.as_str()) == Some(&op.content));
    (finish.clone(), adds.collect(), deletes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::{ContentId, Meta, Name, NodeId, Time},
        remote::Body,
    };

    fn content(n: u8) -> Content {
        Content { id: ContentId([n; 32]), size: 9 }
    }

    fn op(path: &str, n: u8, owners: &[usize]) -> Op {
        Op { path: path.into(), content: content(n), mtime: 5, owners: owners.to_vec() }
    }

    fn put(id: u64, parent: u64, body: Body) -> Act {
        let meta = Meta { mode: 0, uid: 0, gid: 0, mtime: Time(0), btime: Time(0) };
        Act::Put { id: NodeId(id), parent: NodeId(parent), name: Name::new("n").unwrap(), meta, body }
    }

    #[test]
    fn what_a_crash_cut_off_is_finished_if_it_had_begun() {
        let file = |n| Body::File(content(n));
        // 0: a folder that moves two files, 1: a file of its own, 2: a removal, 3: a mode, 4: a folder made,
        // 5: a file in that.
        let acts = vec![
            put(2, 1, Body::Dir),
            put(3, 1, file(3)),
            Act::Remove(NodeId(4)),
            put(5, 1, file(5)),
            put(6, 1, Body::Dir),
            put(7, 6, file(7)),
        ];
        let plan = Plan {
            acts,
            adds: vec![op("new/a", 1, &[0]), op("new/b", 2, &[0]), op("x", 3, &[1]), op("made/y", 7, &[5])],
            deletes: vec![op("old/a", 1, &[0]), op("old/b", 2, &[0]), op("gone", 4, &[2])],
        };
        let paths = |ops: Vec<&Op>| ops.iter().map(|o| o.path.clone()).collect::<Vec<_>>();
        let before = [("old/a", content(1)), ("old/b", content(2)), ("gone", content(4))];

        let (finish, adds, deletes) = rest(&plan, &HashMap::from(before));
        assert_eq!(finish, [false, false, false, true, true, false], "nothing was begun");
        assert!(adds.is_empty() && deletes.is_empty());

        let mut half = HashMap::from(before);
        half.insert("new/a", content(1));
        half.insert("made/y", content(7));
        let (finish, adds, deletes) = rest(&plan, &half);
        assert_eq!(finish, [true, false, false, true, true, true]);
        assert_eq!(
            (paths(adds), paths(deletes)),
            (vec!["new/b".to_owned()], vec!["old/a".to_owned(), "old/b".to_owned()])
        );

        // Somebody else has written to one of the old places since: that stays.
        half.insert("old/b", content(9));
        half.insert("x", content(3));
        half.remove("gone");
        let (finish, _, deletes) = rest(&plan, &half);
        assert_eq!(finish, [true; 6]);
        assert_eq!(paths(deletes), ["old/a"]);
    }
}
