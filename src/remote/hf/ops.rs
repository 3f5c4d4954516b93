//! A batch as the Hub understands it: which files get which content at which path, and which paths go. Pure.
//!
//! The Hub has no folders and no moves. A moved file is an addition and a deletion, a moved folder that for
//! each file below it. Additions come before deletions, in calls of their own: a deletion is sent when the
//! Hub has said that what it makes room for is there.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    node::{Content, Meta, Name, NodeId},
    remote::{Body, RemoteNode},
};

/// The most operations in one call.
pub const AT_ONCE: usize = 1000;

/// What one change makes of the mirror's tree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Act {
    /// The node is this, there.
    Put {
        /// Its number.
        id: NodeId,
        /// The folder.
        parent: NodeId,
        /// The name.
        name: Name,
        /// Its attributes.
        meta: Meta,
        /// What it holds.
        body: Body,
    },
    /// The node is gone.
    Remove(NodeId),
}

impl Act {
    /// Which node.
    pub fn id(&self) -> NodeId {
        match self {
            Act::Put { id, .. } | Act::Remove(id) => *id,
        }
    }
}

/// One operation. `owners` are the acts, by their index, that fail if it does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Op {
    /// The path in the drive.
    pub path: String,
    /// What shall be there, or, of a deletion, what is.
    pub content: Content,
    /// Of an addition: its time, milliseconds since 1970.
    pub mtime: i64,
    /// See above.
    pub owners: Vec<usize>,
}

/// What a batch asks of the Hub.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// All acts, those without operations too.
    pub acts: Vec<Act>,
    /// First these.
    pub adds: Vec<Op>,
    /// Then these.
    pub deletes: Vec<Op>,
}

/// A file below a folder.
pub struct Below {
    /// Its number.
    pub id: NodeId,
    /// The folder it is in.
    pub parent: NodeId,
    /// Its name.
    pub name: Name,
    /// What it holds.
    pub content: Content,
    /// Its time at the Hub.
    pub mtime: i64,
}

/// What a plan must know of the tree before the batch.
pub trait Before {
    /// What can fail.
    type Error;
    /// A node and its time at the Hub.
    fn node(&self, id: NodeId) -> Result<Option<(RemoteNode, Option<i64>)>, Self::Error>;
    /// All files below a folder.
    fn below(&self, dir: NodeId) -> Result<Vec<Below>, Self::Error>;
}

/// The milliseconds of a time, as the Hub keeps it.
pub fn millis(meta: &Meta) -> i64 {
    meta.mtime.0.div_euclid(1_000_000)
}

/// Places after the batch.
struct After<'a, B: Before> {
    before: &'a B,
    acts: HashMap<NodeId, (usize, &'a Act)>,
    /// Folders' paths before and after, and whose move they depend on.
    paths: HashMap<NodeId, Option<(String, Vec<usize>)>>,
    old: HashMap<NodeId, Option<String>>,
}

fn join(folder: &str, name: &Name) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

impl<B: Before> After<'_, B> {
    /// The path of a folder before the batch; `None`: it is in no place.
    fn old(&mut self, dir: NodeId) -> Result<Option<String>, B::Error> {
        if dir == NodeId::ROOT {
            return Ok(Some(String::new()));
        }
        if let Some(known) = self.old.get(&dir) {
            return Ok(known.clone());
        }
        let path = match self.before.node(dir)? {
            None => None,
            Some((node, _)) => self.old(node.parent)?.map(|folder| join(&folder, &node.name)),
        };
        self.old.insert(dir, path.clone());
        Ok(path)
    }

    /// The path of a folder after the batch, and the acts on the way that move folders.
    fn later(&mut self, dir: NodeId) -> Result<Option<(String, Vec<usize>)>, B::Error> {
        if dir == NodeId::ROOT {
            return Ok(Some((String::new(), Vec::new())));
        }
        if let Some(known) = self.paths.get(&dir) {
            return Ok(known.clone());
        }
        // A circle has no path.
        self.paths.insert(dir, None);
        let act = self.acts.get(&dir).copied();
        let (parent, name, owner) = match (act, self.before.node(dir)?) {
            (Some((_, Act::Remove(_))), _) | (None, None) => return Ok(None),
            (Some((i, Act::Put { parent, name, .. })), was) => {
                let moved = was.is_none_or(|(node, _)| (node.parent, &node.name) != (*parent, name));
                (*parent, name.clone(), moved.then_some(i))
            }
            (None, Some((node, _))) => (node.parent, node.name, None),
        };
        let path = self.later(parent)?.map(|(folder, mut owners)| {
            owners.extend(owner);
            (join(&folder, &name), owners)
        });
        self.paths.insert(dir, path.clone());
        Ok(path)
    }
}

/// What a batch asks of the Hub. The acts hold together, as decided.
pub fn plan<B: Before>(acts: Vec<Act>, before: &B) -> Result<Plan, B::Error> {
    let by_id = acts.iter().enumerate().map(|(i, act)| (act.id(), (i, act))).collect();
    let mut after = After { before, acts: by_id, paths: HashMap::new(), old: HashMap::new() };
    let (mut adds, mut deletes): (Vec<Op>, Vec<Op>) = (Vec::new(), Vec::new());
    let mut done = HashSet::new();
    for (i, act) in acts.iter().enumerate() {
        let was = before.node(act.id())?;
        let here = match &was {
            Some((node, _)) => after.old(node.parent)?.map(|folder| join(&folder, &node.name)),
            None => None,
        };
        let held = match &was {
            Some((RemoteNode { body: Body::File(content), .. }, mtime)) => Some((*content, *mtime)),
            _ => None,
        };
        match act {
            Act::Remove(_) => {
                if let (Some(path), Some((content, _))) = (here, held) {
                    deletes.push(Op { path, content, mtime: 0, owners: vec![i] });
                }
            }
            Act::Put { parent, name, meta, body: Body::File(content), .. } => {
                let Some((folder, mut owners)) = after.later(*parent)? else { continue };
                owners.push(i);
                let path = join(&folder, name);
                let time = millis(meta);
                let same = here.as_deref() == Some(&path);
                if same && held == Some((*content, Some(time))) {
                    continue;
                }
                if let (false, Some(old), Some((was, _))) = (same, here, held) {
                    deletes.push(Op { path: old, content: was, mtime: 0, owners: owners.clone() });
                }
                adds.push(Op { path, content: *content, mtime: time, owners });
            }
            // The root is nowhere else, whatever name it is given.
            Act::Put { id, body: Body::Dir, .. } if *id != NodeId::ROOT => {
                let Some(old) = here else { continue };
                if after.later(*id)?.is_none_or(|(new, _)| new == old) {
                    continue;
                }
                for file in before.below(*id)? {
                    // Who is in the batch speaks for itself; who is below two moved folders goes once.
                    if after.acts.contains_key(&file.id) || !done.insert(file.id) {
                        continue;
                    }
                    let Some((folder, owners)) = after.later(file.parent)? else { continue };
                    let Some(from) = after.old(file.parent)? else { continue };
                    let (from, to) = (join(&from, &file.name), join(&folder, &file.name));
                    if from != to {
                        adds.push(Op {
                            path: to,
                            content: file.content,
                            mtime: file.mtime,
                            owners: owners.clone(),
                        });
                        deletes.push(Op { path: from, content: file.content, mtime: 0, owners });
                    }
                }
            }
            Act::Put { .. } => {}
        }
    }
    drop(after);
    // Who goes from a place that another takes is gone when that one has come, and not before.
    let taken: HashMap<String, usize> = adds.iter().enumerate().map(|(i, op)| (op.path.clone(), i)).collect();
    let mut rest = Vec::with_capacity(deletes.len());
    for op in deletes {
        match taken.get(&op.path) {
            Some(&add) => adds[add].owners.extend(op.owners),
            None => rest.push(op),
        }
    }
    Ok(Plan { acts, adds, deletes: rest })
}

impl Plan {
    /// Marks, of all acts, those that fail because one of these operations did: its owners, and whoever
    /// stands on a folder that one of them was to move.
    pub fn fell<'a>(&self, failed: impl Iterator<Item = &'a Op>) -> Vec<bool> {
        let mut fallen = vec![false; self.acts.len()];
        for op in failed {
            for &i in &op.owners {
                fallen[i] = true;
            }
        }
        loop {
            let mut more = false;
            for op in self.adds.iter().chain(&self.deletes) {
                if op.owners.iter().any(|&i| fallen[i]) {
                    for &i in &op.owners {
                        more |= !std::mem::replace(&mut fallen[i], true);
                    }
                }
            }
            let ids: HashSet<NodeId> =
                self.acts.iter().zip(&fallen).filter(|(_, f)| **f).map(|(a, _)| a.id()).collect();
            for (act, fallen) in self.acts.iter().zip(&mut fallen) {
                if let Act::Put { parent, .. } = act
                    && !*fallen
                    && ids.contains(parent)
                {
                    *fallen = true;
                    more = true;
                }
            }
            if !more {
                // A folder goes only with all that was in it.
                if fallen.contains(&true) {
                    let asks: HashSet<usize> =
                        self.adds.iter().chain(&self.deletes).flat_map(|op| &op.owners).copied().collect();
                    for (i, act) in self.acts.iter().enumerate() {
                        fallen[i] |= matches!(act, Act::Remove(_)) && !asks.contains(&i);
                    }
                }
                return fallen;
            }
        }
    }
}

/// Whether a refused operation will be refused for ever, by what the Hub says about it; in doubt it will not.
pub fn is_final(said: &str) -> bool {
    let said = said.to_lowercase();
    ["invalid", "not allowed", "forbidden", "too long", "unsupported", "reserved", "illegal"]
        .iter()
        .any(|w| said.contains(w))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        node::{ContentId, Time},
        remote::Version,
    };

    fn meta(ms: i64) -> Meta {
        Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time(ms * 1_000_000 + 7), btime: Time(0) }
    }

    fn content(n: u8) -> Content {
        Content { id: ContentId([n; 32]), size: 1 + u64::from(n) }
    }

    fn put(id: u64, parent: u64, name: &str, body: Body) -> Act {
        Act::Put {
            id: NodeId(id),
            parent: NodeId(parent),
            name: Name::new(name).unwrap(),
            meta: meta(5),
            body,
        }
    }

    #[derive(Default, Clone)]
    struct Tree(BTreeMap<u64, (u64, String, Body)>);

    impl Tree {
        fn with(mut self, id: u64, parent: u64, name: &str, body: Body) -> Self {
            self.0.insert(id, (parent, name.into(), body));
            self
        }

        fn path(&self, id: u64) -> String {
            let (parent, name, _) = &self.0[&id];
            if *parent == 1 { name.clone() } else { format!("{}/{name}", self.path(*parent)) }
        }

        fn files(&self) -> BTreeMap<String, Content> {
            let file = |(id, (.., body)): (&u64, &(u64, String, Body))| match body {
                Body::File(c) => Some((self.path(*id), *c)),
                _ => None,
            };
            self.0.iter().filter_map(file).collect()
        }

        fn inside(&self, mut id: u64, dir: u64) -> bool {
            while let Some((parent, ..)) = self.0.get(&id) {
                if *parent == dir {
                    return true;
                }
                id = *parent;
            }
            false
        }
    }

    impl Before for Tree {
        type Error = Infallible;
        fn node(&self, id: NodeId) -> Result<Option<(RemoteNode, Option<i64>)>, Infallible> {
            Ok(self.0.get(&id.0).map(|(parent, name, body)| {
                let (parent, name) = (NodeId(*parent), Name::new(name.as_str()).unwrap());
                let node =
                    RemoteNode { id, parent, name, version: Version(1), meta: meta(5), body: body.clone() };
                (node, Some(5))
            }))
        }
        fn below(&self, dir: NodeId) -> Result<Vec<Below>, Infallible> {
            let file = |(&id, (parent, name, body)): (&u64, &(u64, String, Body))| match body {
                Body::File(content) if self.inside(id, dir.0) => Some(Below {
                    id: NodeId(id),
                    parent: NodeId(*parent),
                    name: Name::new(name.as_str()).unwrap(),
                    content: *content,
                    mtime: 5,
                }),
                _ => None,
            };
            Ok(self.0.iter().filter_map(file).collect())
        }
    }

    fn tree() -> Tree {
        Tree::default()
            .with(2, 1, "a", Body::Dir)
            .with(3, 2, "x", Body::File(content(3)))
            .with(4, 2, "sub", Body::Dir)
            .with(5, 4, "y", Body::File(content(5)))
            .with(6, 1, "b", Body::Dir)
            .with(7, 6, "z", Body::File(content(7)))
    }

    /// What the Hub has after the calls.
    fn run(tree: &Tree, plan: &Plan) -> BTreeMap<String, Content> {
        let mut files = tree.files();
        for op in &plan.adds {
            files.insert(op.path.clone(), op.content);
        }
        for op in &plan.deletes {
            assert!(files.remove(&op.path).is_some(), "{op:?}");
        }
        files
    }

    fn after(tree: &Tree, acts: &[Act]) -> Tree {
        let mut tree = tree.clone();
        for act in acts {
            tree.0.remove(&act.id().0);
        }
        for act in acts {
            if let Act::Put { id, parent, name, body, .. } = act {
                tree.0.insert(id.0, (parent.0, name.to_string(), body.clone()));
            }
        }
        tree
    }

    #[test]
    fn moves_swaps_and_attributes() {
        let tree = tree();
        let f = |n| Body::File(content(n));
        let table: Vec<(Vec<Act>, usize, usize)> = vec![
            (vec![put(3, 2, "x", f(3))], 0, 0),
            (vec![put(3, 2, "x", f(9))], 1, 0),
            (vec![put(3, 6, "x", f(3))], 1, 1),
            (vec![Act::Remove(NodeId(3))], 0, 1),
            (vec![put(2, 1, "c", Body::Dir)], 2, 2),
            (vec![put(2, 1, "b", Body::Dir), put(6, 1, "a", Body::Dir)], 3, 3),
            (vec![put(3, 6, "z", f(3)), put(7, 2, "x", f(7))], 2, 0),
            (
                vec![
                    put(9, 1, "new", Body::Dir),
                    put(10, 9, "n", f(1)),
                    put(11, 9, "l", Body::Symlink("n".into())),
                ],
                1,
                0,
            ),
            (vec![put(3, 6, "z", f(3)), Act::Remove(NodeId(7))], 1, 1),
            (vec![put(2, 6, "a", Body::Dir), put(4, 1, "top", Body::Dir), put(3, 2, "x", f(8))], 2, 2),
        ];
        for (acts, adds, deletes) in table {
            let plan = plan(acts.clone(), &tree).unwrap();
            assert_eq!((plan.adds.len(), plan.deletes.len()), (adds, deletes), "{acts:?}: {plan:?}");
            assert_eq!(run(&tree, &plan), after(&tree, &acts).files(), "{acts:?}");
        }
    }

    #[test]
    fn a_failed_operation_fells_only_whom_it_concerns() {
        let acts = vec![
            put(2, 1, "c", Body::Dir),
            put(12, 2, "new", Body::File(content(1))),
            put(7, 6, "z", Body::File(content(8))),
        ];
        let plan = plan(acts, &tree()).unwrap();
        let hit = |path: &str| plan.adds.iter().find(|op| op.path == path).unwrap();
        assert_eq!(plan.fell(std::iter::once(hit("b/z"))), [false, false, true]);
        assert_eq!(plan.fell(std::iter::once(hit("c/sub/y"))), [true, true, false]);
        assert_eq!(plan.fell(std::iter::empty()), [false; 3]);
        let acts =
            vec![Act::Remove(NodeId(7)), Act::Remove(NodeId(6)), put(3, 2, "x", Body::File(content(9)))];
        let plan = super::plan(acts, &tree()).unwrap();
        assert_eq!(plan.fell(plan.deletes.iter()), [true, true, false], "a folder goes with its files");
        assert!(is_final("Invalid path") && !is_final("internal error"));
    }

    proptest! {
        /// Whatever sound batch: after its calls the Hub has the files of the tree after it.
        #[test]
        fn the_calls_lead_to_the_tree(moves in prop::collection::vec((0usize..6, 0usize..4, "[abx-z]|sub", 0u8..4), 1..5)) {
            let tree = tree();
            let ids = [2u64, 3, 4, 5, 6, 7];
            let dirs = [1u64, 2, 4, 6];
            let mut acts: Vec<Act> = Vec::new();
            for (who, to, name, c) in moves {
                let id = ids[who];
                if acts.iter().any(|a| a.id().0 == id) {
                    continue;
                }
                let act = match (&tree.0[&id].2, c) {
                    (Body::File(_), 0) => Act::Remove(NodeId(id)),
                    (Body::File(old), 1) => put(id, dirs[to], &name, Body::File(*old)),
                    (Body::File(_), c) => put(id, dirs[to], &name, Body::File(content(c))),
                    (body, _) => put(id, dirs[to], &name, body.clone()),
                };
                let mut tried = acts.clone();
                tried.push(act);
                let end = after(&tree, &tried);
                let mut places = HashSet::new();
                let unique = end.0.values().all(|(p, n, _)| places.insert((*p, n.clone())));
                let rooted = end.0.keys().all(|&id| {
                    let mut at = id;
                    (0..20).any(|_| { at = end.0.get(&at).map_or(1, |n| n.0); at == 1 })
                });
                if unique && rooted {
                    acts = tried;
                }
            }
            let plan = plan(acts.clone(), &tree).unwrap();
            prop_assert_eq!(run(&tree, &plan), after(&tree, &acts).files());
        }
    }
}
