use std::collections::HashMap;

use proptest::prelude::*;

use super::super::decide::{Tree, Verdict, Wish, decide};
use super::super::format::Node;
use super::*;

/// A tree in memory.
#[derive(Clone, Default, Debug)]
struct Model(HashMap<u64, RemoteNode>);

impl Tree for Model {
    fn node(&self, id: NodeId) -> Result<Option<RemoteNode>> {
        Ok(self.0.get(&id.0).cloned())
    }

    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>> {
        let is = |n: &&RemoteNode| n.id != NodeId::ROOT && n.parent == parent && n.name == *name;
        Ok(self.0.values().find(is).map(|n| n.id))
    }

    fn some_children(&self, dir: NodeId, limit: usize) -> Result<Vec<NodeId>> {
        let is = |n: &&RemoteNode| n.id != NodeId::ROOT && n.parent == dir;
        Ok(self.0.values().filter(is).map(|n| n.id).take(limit).collect())
    }
}

fn node(id: u64, parent: u64, called: &str, dir: bool, version: u64) -> RemoteNode {
    let body = if dir { Body::Dir } else { Body::File(Content::EMPTY) };
    RemoteNode {
        id: NodeId(id),
        parent: NodeId(parent),
        name: name(called),
        version: Version(version),
        meta: meta(),
        body,
    }
}

impl Model {
    fn of(nodes: impl IntoIterator<Item = RemoteNode>) -> Model {
        let root = node(1, 1, "root", true, 0);
        Model(nodes.into_iter().chain([root]).map(|n| (n.id.0, n)).collect())
    }

    /// What holds, done.
    fn after(&self, batch: &[Wish], verdicts: &[Verdict]) -> Model {
        let mut after = self.clone();
        for (wish, verdict) in batch.iter().zip(verdicts) {
            if *verdict == Verdict::Holds {
                after.0.remove(&wish.id.0);
                after.0.extend(wish.put.as_ref().map(|n| (n.id.0, n.at(Version(100)))));
            }
        }
        after
    }

    /// Whether it is a tree.
    fn fault(&self) -> Option<String> {
        let mut names = HashMap::new();
        for n in self.0.values().filter(|n| n.id != NodeId::ROOT) {
            if let Some(other) = names.insert((n.parent, n.name.clone()), n.id) {
                return Some(format!("{:?} and {other:?} have one name", n.id));
            }
            let (mut at, mut steps) = (n.parent, 0);
            while at != NodeId::ROOT {
                match self.0.get(&at.0) {
                    Some(up) if up.body == Body::Dir && steps < 100 => at = up.parent,
                    _ => return Some(format!("{:?} is not below the root", n.id)),
                }
                steps += 1;
            }
        }
        None
    }
}

fn wish(id: u64, expect: Option<u64>, to: Option<(u64, &str, bool)>) -> Wish {
    let put = to.map(|(parent, called, dir)| {
        let n = node(id, parent, called, dir, 0);
        Node::new(n.id, n.parent, n.name, Meta { mode: 0o600, ..meta() }, &n.body, None)
    });
    Wish { id: NodeId(id), expect: expect.map(Version), put, failed: false }
}

use Verdict::{Conflict, Holds, Waits};

fn check(tree: &Model, batch: Vec<Wish>, want: &[Verdict]) {
    let verdicts = decide(&batch, tree).unwrap();
    assert_eq!(verdicts, want);
    assert_eq!(tree.after(&batch, &verdicts).fault(), None);
}

#[test]
fn a_batch_is_a_statement_without_order() {
    let tree = Model::of([
        node(2, 1, "a", true, 1),
        node(3, 1, "b", true, 1),
        node(4, 2, "f", false, 1),
        node(5, 1, "old", false, 1),
    ]);
    // Two folders swap their names.
    check(
        &tree,
        vec![wish(2, Some(1), Some((1, "b", true))), wish(3, Some(1), Some((1, "a", true)))],
        &[Holds; 2],
    );
    // A file in a folder in a folder, all new, children first.
    let new = vec![
        wish(12, None, Some((11, "f", false))),
        wish(11, None, Some((10, "d", true))),
        wish(10, None, Some((1, "d", true))),
    ];
    check(&tree, new, &[Holds; 3]);
    // A folder goes with all that is in it, or by what is in it moving out.
    check(&tree, vec![wish(2, Some(1), None), wish(4, Some(1), None)], &[Holds; 2]);
    check(&tree, vec![wish(2, Some(1), None), wish(4, Some(1), Some((1, "f", false)))], &[Holds; 2]);
    // Saved by rename: the new file takes the place of the old one.
    check(&tree, vec![wish(5, Some(1), None), wish(13, None, Some((1, "old", false)))], &[Holds; 2]);
}

#[test]
fn what_does_not_hold_takes_with_it_what_stands_on_it() {
    let tree = Model::of([
        node(2, 1, "a", true, 1),
        node(3, 1, "b", true, 2),
        node(4, 2, "f", false, 1),
        node(5, 1, "old", false, 1),
    ]);
    // The swap's other half has moved on.
    check(
        &tree,
        vec![wish(2, Some(1), Some((1, "b", true))), wish(3, Some(1), Some((1, "a", true)))],
        &[Conflict; 2],
    );
    // No parent, no child; what has nothing to do with it goes through.
    let batch = vec![
        wish(10, Some(7), Some((1, "d", true))),
        wish(11, None, Some((10, "f", false))),
        wish(5, Some(1), Some((1, "new", false))),
    ];
    check(&tree, batch, &[Conflict, Conflict, Holds]);
    // Not empty; filled by the batch; a name that is taken; a file for a folder.
    check(&tree, vec![wish(2, Some(1), None)], &[Conflict]);
    check(
        &tree,
        vec![wish(4, Some(1), None), wish(2, Some(1), None), wish(9, None, Some((2, "x", false)))],
        &[Holds, Conflict, Conflict],
    );
    check(&tree, vec![wish(9, None, Some((1, "old", false)))], &[Conflict]);
    check(&tree, vec![wish(9, None, Some((5, "x", false)))], &[Conflict]);
    // Each into the other: one of them is enough to keep from it.
    check(
        &tree,
        vec![wish(2, Some(1), Some((3, "x", true))), wish(3, Some(2), Some((2, "x", true)))],
        &[Holds, Conflict],
    );
    // The save by rename: if the new one does not come, the old one does not go.
    check(&tree, vec![wish(5, Some(1), None), wish(4, Some(9), Some((1, "old", false)))], &[Conflict; 2]);
}

#[test]
fn a_failed_upload_makes_wait_what_stands_on_it() {
    let tree = Model::of([node(5, 1, "old", false, 1), node(6, 1, "other", false, 1)]);
    let mut batch = vec![
        wish(5, Some(1), None),
        wish(9, None, Some((1, "old", false))),
        wish(6, Some(1), None),
        wish(7, Some(3), None),
    ];
    batch[1].failed = true;
    check(&tree, batch.clone(), &[Waits, Waits, Holds, Verdict::Already(Version(0))]);
    batch[1].expect = Some(Version(4));
    check(&tree, batch, &[Conflict, Conflict, Holds, Verdict::Already(Version(0))]);
}

#[test]
fn what_is_there_already_is_no_conflict_and_nonsense_is_named() {
    let tree = Model::of([node(5, 1, "f", false, 7)]);
    let mut same = wish(5, Some(3), Some((1, "f", false)));
    same.put.as_mut().unwrap().mode = meta().mode;
    check(&tree, vec![same], &[Verdict::Already(Version(7))]);
    for batch in [
        vec![wish(1, Some(0), None)],
        vec![wish(1, Some(0), Some((5, "x", true)))],
        vec![wish(1, Some(0), Some((1, "x", false)))],
        vec![wish(5, Some(7), Some((1, "f", true)))],
        vec![wish(0, None, Some((1, "x", true)))],
    ] {
        assert!(matches!(decide(&batch, &tree).unwrap()[0], Verdict::Senseless(_)), "{batch:?}");
    }
    let twice = vec![wish(5, Some(7), None), wish(5, Some(7), None)];
    assert!(matches!(decide(&twice, &tree).unwrap()[..], [Holds, Verdict::Senseless(_)]));
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A random tree: each node in a folder made before it, if the name is free.
fn any_tree() -> impl Strategy<Value = Model> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..3usize, any::<bool>(), 1..3u64), 0..12).prop_map(
        |specs| {
            let mut tree = Model::of([]);
            for (i, (parent, called, dir, version)) in specs.into_iter().enumerate() {
                let mut dirs: Vec<u64> =
                    tree.0.values().filter(|n| n.body == Body::Dir).map(|n| n.id.0).collect();
                dirs.sort_unstable();
                let parent = dirs[parent.index(dirs.len())];
                if tree.child(NodeId(parent), &name(NAMES[called])).unwrap().is_none() {
                    let id = i as u64 + 2;
                    tree.0.insert(id, node(id, parent, NAMES[called], dir, version));
                }
            }
            tree
        },
    )
}

type Spec = (u64, Option<u64>, Option<(u64, usize, bool)>, bool);

fn any_batch() -> impl Strategy<Value = Vec<Wish>> {
    let to = prop::option::weighted(0.7, (1..18u64, 0..3usize, any::<bool>()));
    prop::collection::vec((1..18u64, prop::option::of(1..3u64), to, prop::bool::weighted(0.1)), 0..10)
        .prop_map(|specs| {
            let one = |(id, expect, to, failed): Spec| {
                let to = to.map(|(parent, called, dir)| (parent, NAMES[called], dir));
                Wish { failed, ..wish(id, expect, to) }
            };
            specs.into_iter().map(one).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What holds makes a tree, names the versions that are, and is not taken back by deciding again.
    #[test]
    fn what_holds_makes_a_tree(tree in any_tree(), batch in any_batch()) {
        prop_assert_eq!(tree.fault(), None);
        let verdicts = decide(&batch, &tree).unwrap();
        prop_assert_eq!(verdicts.len(), batch.len());
        prop_assert_eq!(tree.after(&batch, &verdicts).fault(), None);
        for (wish, verdict) in batch.iter().zip(&verdicts) {
            if *verdict == Holds {
                prop_assert!(!wish.failed);
                prop_assert_eq!(tree.0.get(&wish.id.0).map(|n| n.version), wish.expect);
            }
        }
        let held: Vec<Wish> =
            batch.iter().zip(&verdicts).filter(|(_, v)| **v == Holds).map(|(w, _)| w.clone()).collect();
        prop_assert!(decide(&held, &tree).unwrap().iter().all(|v| *v == Holds));
    }

    /// A batch that leads from one tree to another goes through whole, in whatever order it is told.
    #[test]
    fn a_good_batch_goes_through_whole(from in any_tree(), to in any_tree(), seed in any::<u64>()) {
        // As the nodes of `to` have other kinds than their namesakes in `from`, give them other numbers then.
        let target: Vec<RemoteNode> = to.0.values().cloned().collect();
        let renumber = |id: NodeId| match (from.0.get(&id.0), to.0.get(&id.0)) {
            (Some(a), Some(b)) if (a.body == Body::Dir) != (b.body == Body::Dir) => id.0 + 1000,
            _ => id.0,
        };
        let mut batch: Vec<Wish> = Vec::new();
        for n in target.iter().filter(|n| n.id != NodeId::ROOT) {
            let id = renumber(n.id);
            let expect = from.0.get(&id).map(|o| o.version.0);
            batch.push(wish(id, expect, Some((renumber(n.parent), n.name.as_str(), n.body == Body::Dir))));
        }
        for n in from.0.values().filter(|n| n.id != NodeId::ROOT) {
            if !batch.iter().any(|w| w.id == n.id) {
                batch.push(wish(n.id.0, Some(n.version.0), None));
            }
        }
        use rand::seq::SliceRandom;
        batch.shuffle(&mut StdRng::seed_from_u64(seed));
        let verdicts = decide(&batch, &from).unwrap();
        prop_assert!(verdicts.iter().all(|v| *v == Holds), "{:?}", verdicts);
    }
}
