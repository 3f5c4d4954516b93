//! Random operations against a tree in memory, the database closed and opened in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::vfs::Fault;

/// The plain truth: nodes by number, each with its children by name.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    kind: Kind,
    children: BTreeMap<String, u64>,
}

struct Model {
    nodes: BTreeMap<u64, Plain>,
}

#[derive(Clone, Debug)]
enum Op {
    Create(usize, u8, u8),
    Unlink(usize, u8),
    Rmdir(usize, u8),
    Rename(usize, u8, usize, u8, u8),
    Publish,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..99, 0u8..5, 0u8..3).prop_map(|(d, n, k)| Op::Create(d, n, k)),
        2 => (0usize..99, 0u8..5).prop_map(|(d, n)| Op::Unlink(d, n)),
        2 => (0usize..99, 0u8..5).prop_map(|(d, n)| Op::Rmdir(d, n)),
        8 => (0usize..99, 0u8..5, 0usize..99, 0u8..5, 0u8..4).prop_map(|(a, b, c, d, m)| Op::Rename(a, b, c, d, m)),
        1 => Just(Op::Publish),
        1 => Just(Op::Reopen),
    ]
}

impl Model {
    fn dir(&self, pick: usize) -> u64 {
        let dirs: Vec<u64> =
            self.nodes.iter().filter(|(_, n)| n.kind == Kind::Dir).map(|(i, _)| *i).collect();
        dirs[pick % dirs.len()]
    }

    fn within(&self, ino: u64, top: u64) -> bool {
        ino == top || self.nodes[&top].children.values().any(|c| self.within(ino, *c))
    }

    fn get(&self, dir: u64, n: &str) -> Option<u64> {
        self.nodes[&dir].children.get(n).copied()
    }

    fn remove(&mut self, dir: u64, n: &str, folder: bool) -> Result<(), Fault> {
        let ino = self.get(dir, n).ok_or(Fault::NotFound)?;
        let node = &self.nodes[&ino];
        match (node.kind == Kind::Dir, folder) {
            (true, false) => return Err(Fault::IsDir),
            (false, true) => return Err(Fault::NotDir),
            _ if !node.children.is_empty() => return Err(Fault::NotEmpty),
            _ => {}
        }
        self.nodes.get_mut(&dir).unwrap().children.remove(n);
        self.nodes.remove(&ino);
        Ok(())
    }

    fn rename(&mut self, from: (u64, &str), to: (u64, &str), mode: RenameMode) -> Result<(), Fault> {
        let ino = self.get(from.0, from.1).ok_or(Fault::NotFound)?;
        let there = self.get(to.0, to.1);
        match mode {
            RenameMode::NoReplace if there.is_some() => return Err(Fault::Exists),
            RenameMode::Exchange if there.is_none() => return Err(Fault::NotFound),
            _ => {}
        }
        if there == Some(ino) {
            return Ok(());
        }
        if self.within(to.0, ino) {
            return Err(Fault::Invalid);
        }
        if let Some(there) = there {
            if mode == RenameMode::Exchange {
                if self.within(from.0, there) {
                    return Err(Fault::Invalid);
                }
                self.nodes.get_mut(&from.0).unwrap().children.insert(from.1.into(), there);
                self.nodes.get_mut(&to.0).unwrap().children.insert(to.1.into(), ino);
                return Ok(());
            }
            let (a, b) = (self.nodes[&ino].kind == Kind::Dir, &self.nodes[&there]);
            match (a, b.kind == Kind::Dir) {
                (true, false) => return Err(Fault::NotDir),
                (false, true) => return Err(Fault::IsDir),
                _ if !b.children.is_empty() => return Err(Fault::NotEmpty),
                _ => self.nodes.remove(&there),
            };
        }
        self.nodes.get_mut(&from.0).unwrap().children.remove(from.1);
        self.nodes.get_mut(&to.0).unwrap().children.insert(to.1.into(), ino);
        Ok(())
    }
}

fn same(bed: &Bed, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(bed.count().unwrap(), model.nodes.len() as u64);
    for (ino, plain) in &model.nodes {
        let node = bed.node(Ino(*ino)).unwrap();
        prop_assert_eq!(node.kind, plain.kind);
        let dirs = plain.children.values().filter(|c| model.nodes[c].kind == Kind::Dir).count() as u32;
        prop_assert_eq!(node.nlink, if plain.kind == Kind::Dir { 2 + dirs } else { 1 });
        if plain.kind != Kind::Dir {
            continue;
        }
        let mut found = BTreeMap::new();
        let (mut cookie, mut chunk) = (0, 1);
        loop {
            let some = bed.children(Ino(*ino), cookie, chunk).unwrap();
            let Some(last) = some.last() else { break };
            (cookie, chunk) = (last.0, chunk + 1);
            for (_, n) in some {
                prop_assert_eq!(n.parent, Some(Ino(*ino)));
                prop_assert_eq!(&bed.child(Ino(*ino), &n.name).unwrap().unwrap(), &n);
                found.insert(n.name.to_string(), n.ino.0);
            }
        }
        prop_assert_eq!(&found, &plain.children);
    }
    Ok(())
}

/// What is pending is closed over its needs, and published as told it leaves nothing.
fn publishable(bed: &Bed, version: u64) -> Result<(), TestCaseError> {
    let all = bed.pending(usize::MAX).unwrap();
    prop_assert_eq!(all.len() as u64, bed.pending_count().unwrap());
    let id = |p: &Pending| match p {
        Pending::Put { id, .. } | Pending::Remove { id, .. } => *id,
    };
    let ids: std::collections::HashSet<NodeId> = all.iter().map(id).collect();
    prop_assert_eq!(ids.len(), all.len());
    for p in &all {
        if let Pending::Put { needs, .. } = p {
            prop_assert!(needs.iter().all(|n| ids.contains(n)), "{:?} of {:?}", p, all);
        }
        bed.published(p, Version(version), None).unwrap();
    }
    prop_assert_eq!(bed.pending(usize::MAX).unwrap(), []);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_tree_is_what_the_operations_make_it(ops in prop::collection::vec(op(), 1..70)) {
        let mut bed = Bed::new();
        let mut model = Model { nodes: BTreeMap::new() };
        model.nodes.insert(1, Plain { kind: Kind::Dir, children: BTreeMap::new() });
        let mut version = 1;
        for op in ops {
            let now = bed.now();
            match op {
                Op::Create(d, n, k) => {
                    let (dir, n) = (model.dir(d), format!("n{n}"));
                    let kind = [Kind::File, Kind::Dir, Kind::Symlink][k as usize];
                    let made = bed.create(Ino(dir), &name(&n), new(kind), now);
                    if model.get(dir, &n).is_some() {
                        prop_assert_eq!(made, Err(Fault::Exists));
                    } else {
                        let made = made.unwrap();
                        prop_assert_eq!(&bed.node(made.ino).unwrap(), &made);
                        model.nodes.get_mut(&dir).unwrap().children.insert(n, made.ino.0);
                        model.nodes.insert(made.ino.0, Plain { kind, children: BTreeMap::new() });
                    }
                }
                Op::Unlink(d, n) | Op::Rmdir(d, n) => {
                    let folder = matches!(op, Op::Rmdir(..));
                    let (dir, n) = (model.dir(d), format!("n{n}"));
                    let f = if folder { Namespace::rmdir } else { Namespace::unlink };
                    let done = f(&bed, Ino(dir), &name(&n), now);
                    prop_assert_eq!(done.clone().map(|_| ()), model.remove(dir, &n, folder));
                    if let Ok(gone) = done {
                        prop_assert_eq!(&bed.node(gone.ino).unwrap(), &gone);
                        bed.drop_orphan(gone.ino).unwrap();
                        prop_assert_eq!(bed.node(gone.ino), Err(Fault::NotFound));
                    }
                }
                Op::Rename(a, b, c, d, m) => {
                    let (from, b) = (model.dir(a), format!("n{b}"));
                    let (to, d) = (model.dir(c), format!("n{d}"));
                    let mode = match m {
                        0 => RenameMode::NoReplace,
                        1 => RenameMode::Exchange,
                        _ => RenameMode::Replace,
                    };
                    let done = bed.rename((Ino(from), &name(&b)), (Ino(to), &name(&d)), mode, now);
                    if let Ok(Some(gone)) = &done {
                        bed.drop_orphan(gone.ino).unwrap();
                    }
                    prop_assert_eq!(done.map(|_| ()), model.rename((from, &b), (to, &d), mode));
                }
                Op::Publish => {
                    version += 1;
                    publishable(&bed, version)?;
                }
                Op::Reopen => bed.reopen(),
            }
            same(&bed, &model)?;
        }
        bed.reopen();
        same(&bed, &model)?;
        publishable(&bed, version + 1)?;
        same(&bed, &model)?;
    }
}
