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
