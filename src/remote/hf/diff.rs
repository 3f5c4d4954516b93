//! What happened at the Hub, from what was known and what a listing says. Pure.

use std::collections::{HashMap, HashSet};

use super::rows::{Row, Seen};
use crate::node::{Content, Name, NodeId};

/// A node of a folder as it was known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub what: What,
}

/// What a known node is, as far as the Hub is concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A file that the Hub had, with its time there.
    File(Content, Option<i64>),
    /// A folder; `kept`: it stays though the Hub does not show it, because an empty folder is nothing there.
    Dir {
        /// See above.
        kept: bool,
    },
    /// A link: the Hub knows nothing of it.
    Link,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The node is gone; of a file what it held.
    Gone(NodeId, Option<Content>),
    /// The file has other content or another time.
    Changed(NodeId, Seen),
    /// The file is in this folder under this name now.
    Moved(NodeId, NodeId, Row),
    /// New in this folder.
    Added(NodeId, Row),
}

/// Compares one folder with its listing (or a part of it with what was asked about that part).
pub fn folder(dir: NodeId, known: &[Known], rows: &[Row]) -> Vec<Step> {
    let mut by_name: HashMap<&Name, &Row> = HashMap::with_capacity(rows.len());
    for row in rows {
        // Keys can be a file and a folder of one name; no drive can. The file stays.
        let other = by_name.entry(&row.name).or_insert(row);
        if other.file.is_none() && row.file.is_some() {
            *other = row;
        }
    }
    let mut steps = Vec::new();
    let mut met = HashSet::new();
    for old in known {
        let row = by_name.get(&old.name).copied();
        match (&old.what, row) {
            (What::File(content, time), Some(Row { file: Some(seen), .. })) => {
                met.insert(&old.name);
                // A time that is not told is no news.
                let other_time = seen.mtime.is_some() && seen.mtime != *time;
                if seen.content != *content || other_time {
                    steps.push(Step::Changed(old.id, seen.clone()));
                }
            }
            (What::File(content, _), _) => steps.push(Step::Gone(old.id, Some(*content))),
            (What::Dir { .. }, Some(Row { file: None, .. })) => {
                met.insert(&old.name);
            }
            (What::Dir { kept: true }, _) | (What::Link, _) => {}
            (What::Dir { kept: false }, _) => steps.push(Step::Gone(old.id, None)),
        }
    }
    let mut added: Vec<&Row> = by_name.into_values().filter(|r| !met.contains(&r.name)).collect();
    added.sort_by(|a, b| a.name.cmp(&b.name));
    steps.extend(added.into_iter().map(|row| Step::Added(dir, row.clone())));
    steps
}

/// Sees a file that is gone here and new there as one that was moved, where nothing else can be meant. Puts
/// files that are gone before what is new, and folders that are gone last: what was moved out of them is.
pub fn moves(steps: Vec<Step>) -> Vec<Step> {
    #[derive(Default)]
    struct Pair {
        gone: Vec<NodeId>,
        added: Vec<(NodeId, Row)>,
    }
    let mut pairs: HashMap<Content, Pair> = HashMap::new();
    let mut out = Vec::with_capacity(steps.len());
    let (mut added, mut folders) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Gone(id, None) => folders.push(Step::Gone(id, None)),
            Step::Gone(id, Some(content)) if content != Content::EMPTY => {
                pairs.entry(content).or_default().gone.push(id);
            }
            Step::Added(dir, row) => match &row.file {
                Some(seen) if seen.content != Content::EMPTY => {
                    pairs.entry(seen.content).or_default().added.push((dir, row));
                }
                _ => added.push(Step::Added(dir, row)),
            },
            other => out.push(other),
        }
    }
    let mut pairs: Vec<(Content, Pair)> = pairs.into_iter().collect();
    pairs.sort_by_key(|(content, _)| content.id);
    for (content, pair) in pairs {
        match (&pair.gone[..], &pair.added[..]) {
            ([id], [(dir, row)]) => added.push(Step::Moved(*id, *dir, row.clone())),
            _ => {
                out.extend(pair.gone.iter().map(|id| Step::Gone(*id, Some(content))));
                added.extend(pair.added.into_iter().map(|(dir, row)| Step::Added(dir, row)));
            }
        }
    }
    out.extend(added);
    out.extend(folders);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::node::ContentId;

    fn content(n: u8) -> Content {
        Content { id: ContentId([n; 32]), size: n.into() }
    }

    fn name(n: &str) -> Name {
        Name::new(n).unwrap()
    }

    fn file(n: &str, c: u8, t: i64) -> Row {
        let seen = Seen { content: content(c), mtime: Some(t), uploaded: Some(t), plain: false };
        Row { name: name(n), path: n.into(), file: Some(seen) }
    }

    fn dir(n: &str) -> Row {
        Row { name: name(n), path: n.into(), file: None }
    }

    fn known(id: u64, n: &str, what: What) -> Known {
        Known { id: NodeId(id), name: name(n), what }
    }

    const D: NodeId = NodeId(1);

    #[test]
    fn each_case_of_the_table() {
        let f = |c, t| What::File(content(c), Some(t));
        let seen = |r: &Row| r.file.clone().unwrap();
        let (new, later) = (file("a", 2, 5), file("a", 1, 9));
        let table: Vec<(Known, Vec<Row>, Vec<Step>)> = vec![
            (known(7, "a", f(1, 5)), vec![file("a", 1, 5)], vec![]),
            (known(7, "a", f(1, 5)), vec![new.clone()], vec![Step::Changed(NodeId(7), seen(&new))]),
            (known(7, "a", f(1, 5)), vec![later.clone()], vec![Step::Changed(NodeId(7), seen(&later))]),
            (known(7, "a", f(1, 5)), vec![], vec![Step::Gone(NodeId(7), Some(content(1)))]),
            (
                known(7, "a", f(1, 5)),
                vec![dir("a")],
                vec![Step::Gone(NodeId(7), Some(content(1))), Step::Added(D, dir("a"))],
            ),
            (known(7, "a", What::Dir { kept: false }), vec![dir("a")], vec![]),
            (known(7, "a", What::Dir { kept: false }), vec![], vec![Step::Gone(NodeId(7), None)]),
            (known(7, "a", What::Dir { kept: true }), vec![], vec![]),
            (known(7, "a", What::Dir { kept: true }), vec![new.clone()], vec![Step::Added(D, new.clone())]),
            (known(7, "a", What::Link), vec![], vec![]),
            (known(7, "a", What::Link), vec![dir("a")], vec![Step::Added(D, dir("a"))]),
            (known(7, "b", What::Link), vec![dir("a"), new.clone()], vec![Step::Added(D, new.clone())]),
        ];
        for (old, rows, want) in table {
            assert_eq!(folder(D, std::slice::from_ref(&old), &rows), want, "{old:?} {rows:?}");
        }
        let mut untimed = file("a", 1, 0);
        untimed.file.as_mut().unwrap().mtime = None;
        assert_eq!(folder(D, &[known(7, "a", f(1, 5))], &[untimed]), vec![]);
    }

    #[test]
    fn a_move_is_seen_only_where_nothing_else_can_be_meant() {
        let gone = |id, c| Step::Gone(NodeId(id), Some(content(c)));
        let added = |d, n: &str, c| Step::Added(NodeId(d), file(n, c, 1));
        assert_eq!(
            moves(vec![gone(7, 1), added(2, "x", 1)]),
            vec![Step::Moved(NodeId(7), NodeId(2), file("x", 1, 1))]
        );
        let two = vec![gone(7, 1), gone(8, 1), added(2, "x", 1)];
        assert_eq!(moves(two.clone()), two);
        let copies = vec![gone(7, 1), added(2, "x", 1), added(2, "y", 1)];
        assert_eq!(moves(copies.clone()), copies);
        let empty = vec![gone(7, 0), added(2, "x", 0)];
        assert!(!moves(empty).iter().any(|s| matches!(s, Step::Moved(..))));
        assert_eq!(moves(vec![added(2, "x", 3), gone(7, 1)]), vec![gone(7, 1), added(2, "x", 3)]);
    }

    proptest! {
        /// Whatever was known, after the steps the folder holds what was listed, and what is only here.
        #[test]
        fn the_steps_lead_to_the_listing(
            old in prop::collection::btree_map("[a-d]", (0u8..4, 0u8..3), 0..5),
            new in prop::collection::btree_map("[a-d]", (0u8..2, 0u8..3), 0..5),
        ) {
            let old: Vec<Known> = old.iter().enumerate().map(|(i, (n, (kind, c)))| known(10 + i as u64, n, match kind {
                0 => What::File(content(*c), Some(1)),
                1 => What::Dir { kept: false },
                2 => What::Dir { kept: true },
                _ => What::Link,
            })).collect();
            let rows: Vec<Row> = new.iter().map(|(n, (kind, c))| if *kind == 0 { file(n, *c, 1) } else { dir(n) }).collect();
            let mut have: HashMap<NodeId, (Name, Option<Content>)> = old.iter().map(|k| (k.id, (k.name.clone(), match k.what {
                What::File(c, _) => Some(c),
                _ => None,
            }))).collect();
            let mut next = 100;
            for step in moves(folder(D, &old, &rows)) {
                match step {
                    Step::Gone(id, _) => prop_assert!(have.remove(&id).is_some()),
                    Step::Changed(id, seen) => have.get_mut(&id).unwrap().1 = Some(seen.content),
                    Step::Moved(id, dir, row) => {
                        prop_assert_eq!(dir, D);
                        have.get_mut(&id).unwrap().0 = row.name;
                    }
                    Step::Added(_, row) => {
                        next += 1;
                        have.insert(NodeId(next), (row.name, row.file.map(|f| f.content)));
                    }
                }
            }
            let mut got: Vec<_> = have.into_values().collect();
            let mut want: Vec<_> = rows.iter().map(|r| (r.name.clone(), r.file.as_ref().map(|f| f.content))).collect();
            for k in &old {
                let stays = matches!(k.what, What::Link | What::Dir { kept: true });
                let met = rows.iter().any(|r| r.name == k.name && r.file.is_none() && matches!(k.what, What::Dir { .. }));
                if stays && !met {
                    want.push((k.name.clone(), None));
                }
            }
            let order = |(name, content): &(Name, Option<Content>)| (name.clone(), content.map(|c| c.id));
            got.sort_by_key(order);
            want.sort_by_key(order);
            prop_assert_eq!(got, want);
        }
    }
}
