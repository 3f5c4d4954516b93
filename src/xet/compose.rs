//! What a composition changes, decided without I/O: where windows open, what is fed to the chunker, when
//! a window may close, and when a file is so fragmented that a part of it is written anew.
//!
//! A *window* is a run of bytes that are chunked again. It opens at the edge of the old chunk that holds
//! the first changed byte. A chunker starts afresh at each boundary, so the window may close at the first
//! boundary of the new chunks that is a boundary of the old ones too: from there on all chunks are the old
//! ones, up to the next changed byte. No edit moves bytes, so old and new offsets are the same.

use std::ops::Range;

use xet_core_structures::xorb_object::constants::MAX_XORB_BYTES;

use crate::{ranges::RangeSet, remote::Composition};

/// The most that is fed to the chunker at once, bytes.
const BLOCK: u64 = 1 << 20;
const SEGMENTS_FREE: usize = 256;
const SEGMENTS_EACH: usize = 8;

/// Where each byte of a new file comes from.
#[derive(Debug)]
pub(super) struct Plan {
    /// The new file's length, bytes.
    pub size: u64,
    /// The base's length; 0 without a base.
    pub base_size: u64,
    /// Below it bytes come from the base unless they are dirty; at most `size` and `base_size`.
    pub limit: u64,
    dirty: RangeSet,
    local: RangeSet,
    rewrite: RangeSet,
}

/// The bytes that the chunker gets next.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Feed {
    /// From the source.
    Source(Range<u64>),
    /// Zeros.
    Zeros(Range<u64>),
    /// From the base; the caller stops earlier where the old chunk ends.
    Base(Range<u64>),
    /// The file ends here.
    End,
}

impl Plan {
    /// Reads a composition; dirty bytes beyond its size are ignored.
    pub fn new(c: &Composition) -> Plan {
        let base_size = c.base.map_or(0, |b| b.size);
        let limit = c.base_limit.min(base_size).min(c.size);
        let mut dirty = c.dirty.clone();
        dirty.truncate(c.size);
        let mut local = c.local.clone();
        local.truncate(limit);
        Plan { size: c.size, base_size, limit, dirty, local, rewrite: RangeSet::new() }
    }

    /// How many bytes differ from the base (or are zeros that it has not).
    pub fn changed(&self) -> u64 {
        let tail = RangeSet::from(self.limit..self.size);
        let mut all = self.dirty.clone();
        all.union_with(&tail);
        all.bytes()
    }

    /// Whether the new file is the base.
    pub fn nothing(&self) -> bool {
        self.dirty.is_empty() && self.size == self.base_size && self.limit == self.base_size
    }

    /// Has `range` of the base uploaded anew though it did not change.
    pub fn rewrite(&mut self, range: Range<u64>) {
        self.rewrite.insert(range.start..range.end.min(self.limit));
    }

    /// Whether the byte is to be uploaded anew though it did not change.
    pub fn rewrites(&self, at: u64) -> bool {
        self.rewrite.contains(at..at + 1)
    }

    /// The first byte at or after `at` (a boundary up to which all is settled) whose old chunk must be
    /// chunked again; `None` if all from `at` to the limit stays as it is and the file ends there.
    ///
    /// If the answer is the limit, there is nothing left of the base: the window opens at the start of the
    /// old chunk that holds the limit, which may be the limit itself.
    pub fn opens(&self, at: u64) -> Option<u64> {
        let first = |set: &RangeSet| set.first(at..self.limit).map(|r| r.start);
        match (first(&self.dirty), first(&self.rewrite)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (Some(x), None) | (None, Some(x)) => Some(x),
            // The old file's last chunk ends where the file did, not where the chunker would cut.
            (None, None) if self.limit == self.base_size && self.limit < self.size && at < self.limit => {
                Some(self.limit - 1)
            }
            (None, None) if self.limit < self.base_size || self.limit < self.size => Some(self.limit),
            (None, None) => None,
        }
    }

    /// What the chunker gets at `at`.
    pub fn feed(&self, at: u64) -> Feed {
        if at >= self.size {
            return Feed::End;
        }
        let rest = at..self.size.min(at + BLOCK);
        let dirty = self.dirty.first(rest.clone());
        let until = match dirty {
            Some(d) if d.start == at => return Feed::Source(d),
            Some(d) => d.start,
            None => rest.end,
        };
        if at >= self.limit {
            return Feed::Zeros(at..until);
        }
        let until = until.min(self.limit);
        match self.local.first(at..until) {
            Some(l) if l.start == at => Feed::Source(l),
            Some(l) => Feed::Base(at..l.start),
            None => Feed::Base(at..until),
        }
    }

    /// Some places at or after `from` whose old chunks will be needed, in order: the edges of what changed.
    pub fn edges(&self, from: u64, most: usize) -> Vec<u64> {
        let mut edges = Vec::with_capacity(most);
        let mut at = from;
        while edges.len() < most {
            let Some(r) = self.dirty.first(at..self.limit) else {
                edges.extend((at < self.limit && self.size != self.base_size).then(|| self.limit - 1));
                break;
            };
            edges.extend([r.start, r.end].into_iter().filter(|e| *e < self.limit));
            at = r.end;
        }
        edges
    }

    /// Whether some byte of an old chunk can only be had from the remote.
    pub fn needs(&self, chunk: Range<u64>) -> bool {
        let below = chunk.start..chunk.end.min(self.limit);
        self.dirty.gaps(below).into_iter().any(|gap| !self.local.contains(gap))
    }

    /// The bytes of the base that do not stay as they are, and of a file that grows its last one: its last
    /// chunk is chunked again.
    pub fn touched(&self) -> RangeSet {
        let mut all = self.dirty.clone();
        all.truncate(self.limit);
        all.union_with(&self.rewrite);
        match self.limit < self.base_size {
            true => all.insert(self.limit..self.base_size),
            false if self.size > self.limit && self.limit > 0 => all.insert(self.limit - 1..self.limit),
            false => {}
        }
        all
    }

    /// Whether the byte belongs to the base: only there may a window close.
    pub fn may_close(&self, at: u64) -> bool {
        at < self.limit && !self.dirty.contains(at..at + 1) && !self.rewrites(at)
    }
}

/// How many segments a file of `size` bytes may have: 256, and 8 more for each xorb's worth.
pub(super) fn segments_allowed(size: u64) -> usize {
    SEGMENTS_FREE + SEGMENTS_EACH * (size / *MAX_XORB_BYTES as u64) as usize
}

/// The run of segments to write anew, if a file of these segments (bytes each) is too fragmented.
///
/// The rule: when it has more than [`segments_allowed`], those
/// consecutive segments that are a quarter of what is allowed and have the fewest bytes together, at most
/// one xorb's worth, go up again as one; if no such run is small enough, half as many, and so on. An edit of
/// one spot makes two segments more, so this happens at most once in some thirty saves, and with edits in
/// one region of a file it costs little. Reads want few segments (each is a fetch of its own), and each
/// segment costs 96 bytes, down and up, for each save.
pub(super) fn fragmented(segments: &[u64]) -> Option<Range<usize>> {
    let xorb = *MAX_XORB_BYTES as u64;
    let allowed = segments_allowed(segments.iter().sum());
    if segments.len() <= allowed {
        return None;
    }
    let mut run = allowed / 4;
    while run >= 2 {
        let mut bytes: u64 = segments[..run].iter().sum();
        let mut best = (bytes, 0);
        for from in 1..=segments.len() - run {
            bytes = bytes + segments[from + run - 1] - segments[from - 1];
            best = best.min((bytes, from));
        }
        if best.0 <= xorb {
            return Some(best.1..best.1 + run);
        }
        run /= 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        node::{Content, ContentId},
        remote::Source,
    };

    struct Nothing;
    impl Source for Nothing {
        fn read(&self, _: Range<u64>) -> io::Result<Bytes> {
            Ok(Bytes::new())
        }
    }

    fn plan(base: u64, limit: u64, size: u64, dirty: &[Range<u64>], local: &[Range<u64>]) -> Plan {
        Plan::new(&Composition {
            base: (base > 0).then_some(Content { id: ContentId([1; 32]), size: base }),
            base_limit: limit,
            size,
            dirty: dirty.iter().cloned().collect(),
            local: local.iter().cloned().collect(),
            source: Arc::new(Nothing),
        })
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn windows_open_at_what_changed() {
        let all = |p: &Plan, at| p.opens(at);
        assert_eq!(all(&plan(100, 100, 100, &[], &[]), 0), None, "nothing changed");
        assert_eq!(all(&plan(100, 100, 100, &[30..40], &[]), 0), Some(30), "overwrite");
        assert_eq!(all(&plan(100, 100, 100, &[30..40], &[]), 40), None, "settled");
        assert_eq!(all(&plan(100, 100, 120, &[100..120], &[]), 0), Some(99), "append: the last chunk");
        assert_eq!(all(&plan(100, 100, 120, &[100..120], &[]), 100), Some(100), "then the new bytes");
        assert_eq!(all(&plan(100, 60, 60, &[], &[]), 0), Some(60), "truncate");
        assert_eq!(all(&plan(100, 60, 90, &[], &[]), 0), Some(60), "shrink, then grow: zeros");
        assert_eq!(all(&plan(0, 0, 90, &[0..90], &[]), 0), Some(0), "new file");
        let mut p = plan(100, 100, 100, &[80..90], &[]);
        p.rewrite(20..200);
        assert_eq!(p.opens(0), Some(20), "written anew");
        assert_eq!(p.edges(0, 9), [80, 90]);
        assert_eq!(plan(100, 100, 120, &[10..20, 100..120], &[]).edges(0, 9), [10, 20, 99]);
        let p2 = plan(100, 100, 100, &[20..40], &[10..20]);
        assert!(!p2.needs(20..40) && !p2.needs(10..30) && p2.needs(9..30) && p2.needs(20..41));
        assert!(p.rewrites(99) && !p.rewrites(19) && !p.may_close(50) && p.may_close(19));
        let touched = |p: &Plan| p.touched().iter().collect::<Vec<_>>();
        assert_eq!(touched(&p), [20..100]);
        assert_eq!(touched(&plan(100, 100, 120, &[10..20, 100..120], &[])), [10..20, 99..100], "append");
        assert_eq!(touched(&plan(100, 60, 60, &[10..20], &[])), [10..20, 60..100], "truncate");
        assert_eq!(touched(&plan(100, 60, 120, &[50..70], &[])), [50..100], "shrink, then grow");
        assert_eq!(touched(&plan(0, 0, 90, &[0..90], &[])), [], "new file");
    }

    proptest! {
        /// Following `feed` from any place gives every byte once, from where it must come.
        #[test]
        fn every_byte_is_fed_from_the_right_place(
            base in 0u64..60, limit in 0u64..60, size in 0u64..60,
            dirty in prop::collection::vec((0u64..60, 0u64..60), 0..4),
            local in prop::collection::vec((0u64..60, 0u64..60), 0..4),
            from in 0u64..60,
        ) {
            let set = |v: &[(u64, u64)]| v.iter().map(|&(a, b)| a.min(b)..a.max(b)).collect::<Vec<_>>();
            let (dirty, local) = (set(&dirty), set(&local));
            let p = plan(base, limit, size, &dirty, &local);
            let within = |v: &[Range<u64>], x: u64| v.iter().any(|r| r.contains(&x));
            let mut at = from;
            loop {
                let (r, kind) = match p.feed(at) {
                    Feed::End => break,
                    Feed::Source(r) => (r, 's'),
                    Feed::Zeros(r) => (r, 'z'),
                    Feed::Base(r) => (r, 'b'),
                };
                prop_assert!(r.start == at && r.end > at && r.end <= size);
                for x in r.clone() {
                    let below = x < limit.min(base);
                    let want = match (within(&dirty, x), below, within(&local, x)) {
                        (true, ..) | (_, true, true) => 's',
                        (_, true, false) => 'b',
                        (_, false, _) => 'z',
                    };
                    prop_assert_eq!(kind, want, "byte {}", x);
                }
                at = r.end;
            }
            prop_assert!(at >= size);
        }

        #[test]
        fn a_fragmented_file_is_mended_where_it_is_cheapest(
            sizes in prop::collection::vec(1u64..2_000_000, 0..700)
        ) {
            let xorb = *MAX_XORB_BYTES as u64;
            let allowed = 256 + 8 * (sizes.iter().sum::<u64>() / xorb) as usize;
            match fragmented(&sizes) {
                None => prop_assert!(sizes.len() <= allowed),
                Some(run) => {
                    prop_assert!(sizes.len() > allowed && run.len() >= 2);
                    let bytes: u64 = sizes[run.clone()].iter().sum();
                    prop_assert!(bytes <= xorb);
                    let least = sizes.windows(run.len()).map(|w| w.iter().sum::<u64>()).min();
                    prop_assert_eq!(Some(bytes), least);
                }
            }
        }
    }
}
