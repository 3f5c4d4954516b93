//! The Merkle tree over a file's chunks: its root, salted, is the file's hash.
//!
//! xet's own functions want every chunk at once, or answer opaque summaries of some 4 KB for each
//! gigabyte-sized range. This one takes the nodes one after the other, of any level, and keeps at most
//! one unfinished group for each level, so that the hash of a file costs no memory, and a part of an old
//! file that did not change goes in as one node.
//!
//! The rule, which is xet's (format: `xet_core_structures::merklehash`): the nodes of a level are grouped
//! from the left. A group ends with the first node, from its third on, whose hash is a multiple of 4, at
//! the latest with its ninth, or at the end. A parent's hash is that of one line `HASH : SIZE` for each
//! child. The level that has one node has the root. So a group depends on nothing before its first node,
//! and where two trees begin a group at the same place, they agree from there on for as long as their
//! nodes do.

use std::fmt::Write;

use xet_core_structures::merklehash::{MerkleHash, compute_internal_node_hash};

/// From this many nodes on, a group may end.
const GROUP_MIN: usize = 3;
/// With this many nodes a group ends.
const GROUP_MAX: usize = 9;
/// A group ends with a node whose hash is a multiple of this.
const BRANCHING: u64 = 4;

/// A node and what is under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub hash: MerkleHash,
    /// How many bytes of the file.
    pub bytes: u64,
    /// How many chunks. Not part of the hash.
    pub chunks: u32,
}

impl Node {
    /// A chunk: a node of level 0.
    pub fn chunk(hash: MerkleHash, bytes: u64) -> Node {
        Node { hash, bytes, chunks: 1 }
    }
}

#[derive(Default)]
struct Level {
    /// The group that is not finished.
    group: Vec<Node>,
    /// How many nodes this level has had; nodes under one that came in whole count as two.
    total: u64,
}

/// A tree being built from the left.
pub(super) struct Tree {
    levels: Vec<Level>,
    record: usize,
    recorded: Vec<Node>,
    bytes: u64,
    chunks: u64,
}

/// A finished tree.
pub(super) struct Grown {
    /// The file's hash; all zeros if there are no chunks.
    pub hash: MerkleHash,
    /// All nodes of the recorded level; none if the root lies below it.
    pub recorded: Vec<Node>,
    pub bytes: u64,
    pub chunks: u64,
}

impl Tree {
    /// An empty tree that remembers its nodes of level `record` (0: none).
    pub fn new(record: u8) -> Tree {
        Tree { levels: Vec::new(), record: record.into(), recorded: Vec::new(), bytes: 0, chunks: 0 }
    }

    /// Adds the next node. Above level 0 only where the tree [is aligned](Tree::aligned).
    pub fn push(&mut self, level: u8, node: Node) {
        self.bytes += node.bytes;
        self.chunks += u64::from(node.chunks);
        for below in 0..level.into() {
            self.level(below).total += 2;
        }
        self.add(level.into(), node);
    }

    /// Whether no group below `level` is unfinished, so that the next node may be one of `level`.
    pub fn aligned(&self, level: u8) -> bool {
        self.levels.iter().take(level.into()).all(|l| l.group.is_empty())
    }

    /// The end: closes what is open.
    pub fn finish(mut self) -> Grown {
        let mut level = 0;
        let root = loop {
            let Some(l) = self.levels.get_mut(level) else { break None };
            match l.group[..] {
                [only] if l.total == 1 => break Some(only),
                [] => {}
                _ => {
                    let parent = parent(&std::mem::take(&mut l.group));
                    self.add(level + 1, parent);
                }
            }
            level += 1;
        };
        Grown {
            hash: root.map_or(MerkleHash::default(), |r| r.hash.hmac(MerkleHash::default())),
            recorded: self.recorded,
            bytes: self.bytes,
            chunks: self.chunks,
        }
    }

    fn level(&mut self, level: usize) -> &mut Level {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Level::default);
        }
        &mut self.levels[level]
    }

    fn add(&mut self, mut level: usize, mut node: Node) {
        loop {
            if level == self.record && level > 0 {
                self.recorded.push(node);
            }
            let l = self.level(level);
            l.total += 1;
            l.group.push(node);
            let n = l.group.len();
            if n < GROUP_MAX && (n < GROUP_MIN || node.hash % BRANCHING != 0) {
                return;
            }
            node = parent(&std::mem::take(&mut l.group));
            level += 1;
        }
    }
}

fn parent(group: &[Node]) -> Node {
    let mut lines = String::with_capacity(group.len() * 88);
    for n in group {
        let _ = writeln!(lines, "{} : {}", n.hash.hex(), n.bytes); // a String takes every write
    }
    Node {
        hash: compute_internal_node_hash(lines.as_bytes()),
        bytes: group.iter().map(|n| n.bytes).sum(),
        chunks: group.iter().map(|n| n.chunks).sum(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xet_core_structures::merklehash::file_hash;

    use super::*;

    fn chunks(seed: u64, n: usize) -> Vec<Node> {
        (0..n as u64)
            .map(|i| {
                let h = MerkleHash::random_from_seed(seed.wrapping_mul(1_000_003).wrapping_add(i));
                Node::chunk(h, 1 + i * 37 % 100_000)
            })
            .collect()
    }

    fn grow(nodes: &[Node], record: u8) -> Grown {
        let mut tree = Tree::new(record);
        nodes.iter().for_each(|n| tree.push(0, *n));
        tree.finish()
    }

    fn theirs(nodes: &[Node]) -> MerkleHash {
        file_hash(&nodes.iter().map(|n| (n.hash, n.bytes)).collect::<Vec<_>>())
    }

    #[test]
    fn the_root_is_xets_for_every_small_number_of_chunks() {
        for n in 0..300 {
            let c = chunks(n as u64, n);
            assert_eq!(grow(&c, 0).hash, theirs(&c), "{n} chunks");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_root_is_xets(seed in any::<u64>(), n in 0usize..5000) {
            let c = chunks(seed, n);
            let g = grow(&c, 0);
            prop_assert_eq!(g.hash, theirs(&c));
            prop_assert_eq!(g.chunks, n as u64);
        }

        /// What did not change goes in as nodes of a higher level, wherever the tree is aligned.
        #[test]
        fn whole_nodes_stand_for_their_chunks(
            seed in any::<u64>(), n in 1usize..4000, level in 1u8..5,
            from in 0usize..4000, len in 0usize..40, with in 0usize..40, above in 0u8..2,
        ) {
            let old = chunks(seed, n);
            let nodes = grow(&old, level).recorded;
            let (mut from, to) = (from.min(n), (from + len).min(n));
            if with > 0 && from == n {
                from = n - 1; // as in a file: appending opens the last chunk again
            }
            let added = chunks(!seed, with);
            let mut new = old.clone();
            new.splice(from..to.max(from), added.iter().copied());

            let mut starts = std::collections::HashMap::new();
            nodes.iter().fold(0, |at, node| { starts.insert(at, *node); at + node.chunks as usize });
            let mut tree = Tree::new(level + above); // a file that grew records a higher level
            let keep = |tree: &mut Tree, mut at: usize, end: usize| while at < end {
                match starts.get(&at) {
                    Some(node) if at + node.chunks as usize <= end && tree.aligned(level) => {
                        tree.push(level, *node);
                        at += node.chunks as usize;
                    }
                    _ => { tree.push(0, old[at]); at += 1; }
                }
            };
            keep(&mut tree, 0, from);
            added.iter().for_each(|c| tree.push(0, *c));
            keep(&mut tree, to.max(from), n);

            let grown = tree.finish();
            prop_assert_eq!(grown.hash, theirs(&new));
            prop_assert_eq!(grown.recorded, grow(&new, level + above).recorded);
            prop_assert_eq!(grown.chunks, new.len() as u64);
        }
    }
}
