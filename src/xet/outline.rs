//! The outline of a file: what a machine that never saw the file needs to compute the hash of an edit.
//!
//! It holds the nodes of one level of the file's [tree](super::tree), 44 bytes each. The level is chosen
//! so that a node covers about as many chunks as the square root of their number: the cost of an edit is
//! this list, down and up, plus the hashes of the chunks under the two or three nodes that the edit
//! touches, and neither should outgrow the other. A node has 5.2 children on average, so this is 1 KB for
//! 200 MB and 10 KB for 2 GB (level 3), 100 KB for 100 GB (level 4). Files under 1,024 chunks (64 MB) have
//! none: all of their hashes are hardly more.
//!
//! Format, little-endian: `"LACOUTL1"`, level `u32`, number of nodes `u32`, size of the file `u64`, then
//! for each node its hash (32 bytes), bytes `u64`, chunks `u32`. It needs no checksum: the nodes' root is
//! the file's hash, and [`Outline::decode`] compares.

use bytes::{BufMut, Bytes};
use xet_core_structures::{merklehash::MerkleHash, xorb_object::constants::TARGET_CHUNK_SIZE};

use super::tree::{Node, Tree};
use crate::node::Content;

const MAGIC: &[u8; 8] = b"LACOUTL1";
const HEAD: usize = 8 + 4 + 4 + 8;
const NODE: usize = 32 + 8 + 4;
/// A file of fewer chunks, by the average, has no outline.
const MIN_CHUNKS: u64 = 1024;
/// No tree is higher: each level has at most half the nodes of the one below (and 2^40 chunks are enough).
const MAX_LEVEL: u32 = 40;

/// The nodes of one level of a file's tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outline {
    pub level: u8,
    pub nodes: Vec<Node>,
}

/// The level that the outline of a file of `size` bytes has; 0: none is kept.
pub(super) fn level_for(size: u64) -> u8 {
    let chunks = size / *TARGET_CHUNK_SIZE as u64;
    if chunks < MIN_CHUNKS {
        return 0;
    }
    // 5.2^L = sqrt(chunks) at L = log2(chunks) * 0.21. Below 3 is no use: hashes come by the segment.
    ((chunks.ilog2() * 21 + 50) / 100).max(3) as u8
}

impl Outline {
    /// The bytes to store.
    pub fn encode(&self, size: u64) -> Bytes {
        let mut out = Vec::with_capacity(HEAD + NODE * self.nodes.len());
        out.put_slice(MAGIC);
        out.put_u32_le(self.level.into());
        out.put_u32_le(self.nodes.len() as u32);
        out.put_u64_le(size);
        for n in &self.nodes {
            out.put_slice(n.hash.as_bytes());
            out.put_u64_le(n.bytes);
            out.put_u32_le(n.chunks);
        }
        out.into()
    }

    /// Reads an outline of `content`; `None` if it is not one of that content, or damaged.
    pub fn decode(bytes: &[u8], content: &Content) -> Option<Outline> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let (level, count) = (u32_at(8)?, u32_at(12)? as usize);
        let plausible = bytes.starts_with(MAGIC)
            && (1..=MAX_LEVEL).contains(&level)
            && bytes.len().checked_sub(HEAD)? == count.checked_mul(NODE)?
            && u64_at(16)? == content.size;
        if !plausible {
            return None;
        }
        let level = level as u8;
        let mut nodes = Vec::with_capacity(count);
        let mut tree = Tree::new(0);
        let (mut left, mut chunks) = (content.size, 0u32);
        for at in (0..count).map(|i| HEAD + i * NODE) {
            let hash = MerkleHash::from_slice(bytes.get(at..at + 32)?).ok()?;
            let node = Node { hash, bytes: u64_at(at + 32)?, chunks: u32_at(at + 40)? };
            // The sums must not overflow before the hash can be compared.
            left = left.checked_sub(node.bytes)?;
            chunks = chunks.checked_add(node.chunks)?;
            tree.push(level, node);
            nodes.push(node);
        }
        let grown = tree.finish();
        let right = grown.hash == content.id.merkle() && left == 0;
        right.then_some(Outline { level, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Content, Outline) {
        let mut tree = Tree::new(3);
        for i in 0..3000u64 {
            tree.push(0, Node::chunk(MerkleHash::random_from_seed(i), 60_000 + i));
        }
        let grown = tree.finish();
        let content = Content { id: grown.hash.into(), size: grown.bytes };
        (content, Outline { level: 3, nodes: grown.recorded })
    }

    #[test]
    fn an_outline_reads_back_and_is_small() {
        let (content, outline) = sample();
        let bytes = outline.encode(content.size);
        assert!(bytes.len() < 4096, "{} bytes for 180 MB", bytes.len());
        assert_eq!(Outline::decode(&bytes, &content), Some(outline));
    }

    #[test]
    fn a_damaged_outline_is_none() {
        let (content, outline) = sample();
        let good = outline.encode(content.size);
        for at in (0..good.len() - NODE).step_by(7).filter(|at| {
            // The chunk counts are not under the hash; the segments are compared with them later.
            *at < HEAD || (*at - HEAD) % NODE < 40
        }) {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert_eq!(Outline::decode(&bad, &content), None, "byte {at}");
        }
        assert_eq!(Outline::decode(&good[..good.len() - 1], &content), None);
        assert_eq!(Outline::decode(b"", &content), None);
    }

    #[test]
    fn the_level_grows_slowly() {
        let level = |chunks: u64| level_for(chunks * *TARGET_CHUNK_SIZE as u64);
        assert_eq!(level(1023), 0);
        assert_eq!([1024, 3200, 32_768, 1_600_000, 100_000_000].map(level), [3, 3, 3, 4, 5]);
    }
}
