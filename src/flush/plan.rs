//! Which of the pending changes go into the next batch. Pure.
//!
//! A batch is committed in one step and says where nodes are, so order does not matter within it; what
//! matters is what must be in it together: a node and its new parents, a replaced file's removal and
//! the file that took its name.

use std::collections::{HashMap, HashSet};

use crate::{
    namespace::Pending,
    node::{Ino, NodeId},
};

/// At most this many changes in a batch.
pub const MAX_CHANGES: usize = 1000;
/// A batch is closed when it holds this many changed bytes; one bigger file makes a batch of its own.
pub const MAX_BYTES: u64 = 64 << 20;

/// Chooses the batch: indices into `pending`, in its order. `bytes` answers `Some(changed bytes)` for a
/// node that is due, `None` for one that shall wait.
///
/// A folder that a chosen node needs is chosen even if it is not due. A removal that belongs to a
/// replacement is chosen exactly when the replacement is (or when there is no such change any more).
pub fn choose(pending: &[Pending], bytes: impl Fn(Ino) -> Option<u64>) -> Vec<usize> {
    let put_by_id: HashMap<NodeId, usize> = pending
        .iter()
        .enumerate()
        .filter_map(|(i, p)| match p {
            Pending::Put { id, .. } => Some((*id, i)),
            Pending::Remove { .. } => None,
        })
        .collect();
    let put_by_ino: HashMap<Ino, usize> = pending
        .iter()
        .enumerate()
        .filter_map(|(i, p)| match p {
            Pending::Put { ino, .. } => Some((*ino, i)),
            Pending::Remove { .. } => None,
        })
        .collect();

    // Small files first, so that they do not wait for a big one.
    let mut due: Vec<(u64, usize)> = pending
        .iter()
        .enumerate()
        .filter_map(|(i, p)| match p {
            Pending::Put { ino, .. } => bytes(*ino).map(|b| (b, i)),
            Pending::Remove { .. } => None,
        })
        .collect();
    due.sort_unstable();

    let mut chosen = HashSet::new();
    let mut total = 0u64;
    for (size, i) in due {
        if chosen.len() >= MAX_CHANGES || (total > 0 && total + size > MAX_BYTES) {
            break;
        }
        total += size;
        let mut todo = vec![i];
        while let Some(i) = todo.pop() {
            if !chosen.insert(i) {
                continue;
            }
            if let Pending::Put { needs, .. } = &pending[i] {
                todo.extend(needs.iter().filter_map(|id| put_by_id.get(id).copied()));
            }
        }
    }
    for (i, p) in pending.iter().enumerate() {
        if let Pending::Remove { replaced_by, .. } = p {
            let alone =
                replaced_by.and_then(|ino| put_by_ino.get(&ino)).is_none_or(|put| chosen.contains(put));
            if alone {
                chosen.insert(i);
            }
        }
    }
    let mut chosen: Vec<usize> = chosen.into_iter().collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        node::{Kind, Meta, Name, Time},
        remote::Version,
    };

    const META: Meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time(0), btime: Time(0) };

    fn put(n: u64, needs: &[u64]) -> Pending {
        Pending::Put {
            ino: Ino(n),
            id: NodeId(n),
            expect: None,
            parent: NodeId::ROOT,
            name: Name::new(format!("n{n}")).unwrap(),
            meta: META,
            kind: Kind::File,
            target: None,
            have: None,
            data_dirty: true,
            needs: needs.iter().copied().map(NodeId).collect(),
        }
    }

    fn remove(n: u64, replaced_by: Option<u64>) -> Pending {
        Pending::Remove { id: NodeId(n), expect: Version(1), replaced_by: replaced_by.map(Ino) }
    }

    fn ino(p: &Pending) -> Option<u64> {
        match p {
            Pending::Put { ino, .. } => Some(ino.0),
            Pending::Remove { .. } => None,
        }
    }

    #[test]
    fn a_file_goes_with_the_folders_it_needs_and_with_whom_it_replaces() {
        let pending =
            [put(1, &[]), put(2, &[1]), put(3, &[2]), remove(8, Some(3)), remove(9, Some(7)), put(7, &[])];
        let due = |wanted: &'static [u64]| move |i: Ino| wanted.contains(&i.0).then_some(10);
        assert_eq!(choose(&pending, due(&[3])), [0, 1, 2, 3]);
        assert_eq!(choose(&pending, due(&[7])), [4, 5]);
        assert_eq!(
            choose(&pending, due(&[])),
            [0; 0],
            "a replaced file is not removed before its replacement"
        );
        assert_eq!(choose(&[remove(4, None), remove(5, Some(99))], due(&[])), [0, 1], "nobody replaces them");
    }

    #[test]
    fn a_batch_is_closed_by_bytes_and_a_bigger_file_goes_alone() {
        let pending = [put(1, &[]), put(2, &[]), put(3, &[])];
        let sizes = |i: Ino| Some([0, MAX_BYTES * 3, MAX_BYTES / 2, MAX_BYTES / 2][i.0 as usize]);
        assert_eq!(choose(&pending, sizes), [1, 2]);
        assert_eq!(choose(&pending[..1], sizes), [0]);
    }

    /// Some puts, each needing some before it, and some removals.
    fn any_pending() -> impl Strategy<Value = Vec<(Pending, Option<u64>)>> {
        let node =
            (any::<[prop::sample::Index; 2]>(), 0..3usize, prop::option::of(0..MAX_BYTES / 2), any::<bool>());
        prop::collection::vec(node, 1..40).prop_map(|nodes| {
            let mut out: Vec<(Pending, Option<u64>)> = Vec::new();
            for (i, (others, n, bytes, is_put)) in nodes.into_iter().enumerate() {
                let before: Vec<u64> = out.iter().filter_map(|(p, _)| ino(p)).collect();
                let some: Vec<u64> =
                    others.iter().take(n).filter(|_| !before.is_empty()).map(|o| *o.get(&before)).collect();
                let number = i as u64 + 100;
                out.push(match is_put {
                    true => (put(number, &some), bytes),
                    false => (remove(number, some.first().copied()), None),
                });
            }
            out
        })
    }

    proptest! {
        #[test]
        fn a_batch_stands_on_its_own(all in any_pending()) {
            let pending: Vec<Pending> = all.iter().map(|(p, _)| p.clone()).collect();
            let due: HashMap<u64, u64> = all.iter().filter_map(|(p, b)| Some((ino(p)?, (*b)?))).collect();
            let chosen = choose(&pending, |i| due.get(&i.0).copied());
            prop_assert!(chosen.is_sorted() && chosen.windows(2).all(|w| w[0] != w[1]));
            let is_in = |n: u64| chosen.iter().any(|&i| ino(&pending[i]) == Some(n));
            let needed: HashSet<u64> = chosen.iter().flat_map(|&i| match &pending[i] {
                Pending::Put { needs, .. } => needs.iter().map(|id| id.0).collect(),
                Pending::Remove { .. } => Vec::new(),
            }).collect();
            for (i, p) in pending.iter().enumerate() {
                match p {
                    Pending::Put { ino, .. } if chosen.contains(&i) => {
                        prop_assert!(due.contains_key(&ino.0) || needed.contains(&ino.0), "{} is neither due nor needed", ino);
                    }
                    Pending::Put { .. } => {}
                    Pending::Remove { replaced_by, .. } => {
                        prop_assert_eq!(chosen.contains(&i), replaced_by.is_none_or(|by| is_in(by.0)));
                    }
                }
            }
            for n in needed {
                prop_assert!(is_in(n), "what a chosen change needs is not chosen");
            }
        }

        /// Batch after batch, everything that is due is sent, and no batch but for one file is too big.
        #[test]
        fn everything_due_is_sent_in_the_end(all in any_pending()) {
            let due: HashMap<u64, u64> = all.iter().filter_map(|(p, b)| Some((ino(p)?, (*b)?))).collect();
            let mut left: Vec<Pending> = all.iter().map(|(p, _)| p.clone()).collect();
            let mut rounds = 0;
            while left.iter().filter_map(ino).any(|n| due.contains_key(&n)) {
                let chosen = choose(&left, |i| due.get(&i.0).copied());
                prop_assert!(!chosen.is_empty(), "something is due and nothing is chosen");
                let sizes = chosen.iter().filter_map(|&i| due.get(&ino(&left[i])?).copied());
                let (mut total, mut last) = (0, 0);
                for size in sizes {
                    total += size;
                    last = last.max(size);
                }
                // Only what another change needs may come on top.
                let alone = |p: &Pending| !matches!(p, Pending::Put { needs, .. } if !needs.is_empty());
                prop_assert!(total - last <= MAX_BYTES || !left.iter().all(alone));
                let mut i = 0;
                left.retain(|_| { i += 1; !chosen.contains(&(i - 1)) });
                rounds += 1;
                prop_assert!(rounds <= all.len());
            }
        }
    }
}
