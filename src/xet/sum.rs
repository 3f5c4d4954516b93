//! The hash of a file that is being put together, from its start to its end.

use xet_core_structures::merklehash::{MerkleHash, MerkleHashSubtree};

use super::{
    gaps::Gap,
    tree::{Grown, Node, Tree},
};

/// So many chunks are summarised at once.
const BATCH: usize = 1024;

/// Takes chunks, and in their place what is known of many at once.
pub(super) enum Sum {
    /// Out of chunks and the nodes of an outline.
    Tree(Tree),
    /// Out of chunks and the summaries of gaps.
    Merged(Merged),
}

/// Summaries merged from the left. Some hundred nodes, however long the file.
#[derive(Default)]
pub(super) struct Merged {
    sum: Option<MerkleHashSubtree>,
    /// The chunks that follow.
    pending: Vec<(MerkleHash, u64)>,
    bytes: u64,
    chunks: u64,
    /// A summary that reaches to the end of its file was taken: nothing may follow.
    ended: bool,
}

impl Sum {
    /// The next node. Above level 0 only where that [is possible](Sum::aligned).
    pub fn push(&mut self, level: u8, node: Node) -> Result<(), String> {
        match self {
            Sum::Tree(tree) => tree.push(level, node),
            Sum::Merged(_) if level > 0 => return Err("a node is no summary".to_owned()),
            Sum::Merged(merged) => {
                merged.pending.push((node.hash, node.bytes));
                merged.bytes += node.bytes;
                merged.chunks += 1;
                if merged.pending.len() >= BATCH {
                    merged.settle(false)?;
                }
            }
        }
        Ok(())
    }

    /// The next `chunks` chunks, all of a gap.
    pub fn gap(&mut self, gap: &Gap, chunks: u64) -> Result<(), String> {
        match self {
            Sum::Tree(_) => Err("a summary is no node".to_owned()),
            Sum::Merged(merged) => merged.gap(gap, chunks),
        }
    }

    /// Whether the next node may be one of `level`.
    pub fn aligned(&self, level: u8) -> bool {
        match self {
            Sum::Tree(tree) => tree.aligned(level),
            Sum::Merged(_) => level == 0,
        }
    }

    /// The end.
    pub fn finish(self) -> Result<Grown, String> {
        match self {
            Sum::Tree(tree) => Ok(tree.finish()),
            Sum::Merged(merged) => merged.finish(),
        }
    }
}

impl Merged {
    fn gap(&mut self, gap: &Gap, chunks: u64) -> Result<(), String> {
        if !self.pending.is_empty() {
            self.settle(false)?;
        }
        if gap.range.start != self.bytes {
            return Err(format!("the summary of {:?} comes at {}", gap.range, self.bytes));
        }
        self.bytes = gap.range.end;
        self.chunks += chunks;
        self.merge(&gap.summary, gap.last)
    }

    fn settle(&mut self, end: bool) -> Result<(), String> {
        let next = MerkleHashSubtree::from_chunks(self.sum.is_none(), &self.pending, end);
        self.pending.clear();
        self.merge(&next, end)
    }

    fn merge(&mut self, next: &MerkleHashSubtree, end: bool) -> Result<(), String> {
        if self.ended {
            return Err("something follows the end of the file".to_owned());
        }
        match &mut self.sum {
            None => self.sum = Some(next.clone()),
            Some(sum) => sum.merge_into(next).map_err(|e| format!("summaries don't fit together: {e}"))?,
        }
        self.ended = end;
        Ok(())
    }

    fn finish(mut self) -> Result<Grown, String> {
        if !self.ended {
            self.settle(true)?;
        }
        // The crate takes for granted that a closed summary has one node; this one is of foreign parts.
        let root = self.sum.filter(|sum| sum.num_nodes() <= 1);
        let root = root.and_then(|sum| sum.final_hash()).ok_or("the summaries have no root")?;
        let hash = if self.chunks == 0 { root } else { root.hmac(MerkleHash::default()) };
        Ok(Grown { hash, recorded: Vec::new(), bytes: self.bytes, chunks: self.chunks })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xet_core_structures::merklehash::file_hash;

    use super::*;

    fn chunk(seed: u64) -> Node {
        Node::chunk(MerkleHash::random_from_seed(seed), 1 + seed % 100_000)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// However gaps and chunks follow each other, the root is that of all chunks; so is it where the
        /// file ends at the end of a gap that had something behind it.
        #[test]
        fn the_root_is_xets(seed in any::<u32>(), parts in prop::collection::vec((any::<bool>(), 0usize..400), 0..8), cut in any::<bool>()) {
            let mut next = u64::from(seed) << 20;
            let mut all = Vec::new();
            let mut sum = Sum::Merged(Merged::default());
            let mut bytes = 0;
            for (i, (as_gap, n)) in parts.iter().enumerate() {
                let chunks: Vec<Node> = (0..*n).map(|_| { next += 1; chunk(next) }).collect();
                let pairs: Vec<_> = chunks.iter().map(|c| (c.hash, c.bytes)).collect();
                let len: u64 = chunks.iter().map(|c| c.bytes).sum();
                if *as_gap && *n > 0 {
                    let last = i + 1 == parts.len() && !cut;
                    let summary = MerkleHashSubtree::from_chunks(bytes == 0, &pairs, last);
                    // As it comes from the remote.
                    let text = serde_json::to_string(&summary).unwrap();
                    let summary = serde_json::from_str(&text).unwrap();
                    sum.gap(&Gap { range: bytes..bytes + len, summary, last }, *n as u64).unwrap();
                } else {
                    chunks.iter().for_each(|c| sum.push(0, *c).unwrap());
                }
                bytes += len;
                all.extend(pairs);
            }
            let grown = sum.finish().unwrap();
            prop_assert_eq!(grown.hash, file_hash(&all));
            prop_assert_eq!((grown.bytes, grown.chunks), (bytes, all.len() as u64));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let pairs: Vec<_> = (0..50).map(|i| (chunk(i).hash, chunk(i).bytes)).collect();
        let len: u64 = pairs.iter().map(|p| p.1).sum();
        let gap = |start: u64, last| Gap {
            range: start..start + len,
            summary: MerkleHashSubtree::from_chunks(start == 0, &pairs, last),
            last,
        };
        let mut sum = Merged::default();
        assert!(sum.gap(&gap(7, false), 50).is_err(), "not at its place");
        assert!(sum.gap(&gap(0, true), 50).is_ok());
        assert!(sum.gap(&gap(len, false), 50).is_err(), "after the end");
        assert!(Sum::Merged(Merged::default()).push(3, chunk(1)).is_err());
        assert!(Sum::Tree(Tree::new(0)).gap(&gap(0, true), 50).is_err());
    }
}
