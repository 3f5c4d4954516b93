//! [`RangeSet`]: pure arithmetic on half-open byte ranges.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A set of bytes as sorted, disjoint, non-adjacent, non-empty half-open ranges.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Range<u64>>", into = "Vec<Range<u64>>")]
pub struct RangeSet {
    ranges: Vec<Range<u64>>,
    /// How many bytes they are, kept so that asking for it costs nothing.
    bytes: u64,
}

impl RangeSet {
    /// No bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<u64>> + '_ {
        self.ranges.iter().cloned()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many bytes. Kept, not counted.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a range.
    pub fn insert(&mut self, r: Range<u64>) {
        if r.start >= r.end {
            return;
        }
        let lo = self.ranges.partition_point(|x| x.end < r.start);
        let hi = self.ranges.partition_point(|x| x.start <= r.end);
        if lo == hi {
            self.bytes += r.end - r.start;
            self.ranges.insert(lo, r);
        } else {
            let merged = r.start.min(self.ranges[lo].start)..r.end.max(self.ranges[hi - 1].end);
            self.bytes += merged.end - merged.start - total(&self.ranges[lo..hi]);
            self.ranges.splice(lo..hi, [merged]);
        }
    }

    /// Takes a range away.
    pub fn remove(&mut self, r: Range<u64>) {
        if r.start >= r.end {
            return;
        }
        let lo = self.ranges.partition_point(|x| x.end <= r.start);
        let hi = self.ranges.partition_point(|x| x.start < r.end);
        if lo >= hi {
            return;
        }
        let left = self.ranges[lo].start..r.start;
        let right = r.end..self.ranges[hi - 1].end;
        let stays = left.end.saturating_sub(left.start) + right.end.saturating_sub(right.start);
        self.bytes -= total(&self.ranges[lo..hi]) - stays;
        self.ranges.splice(lo..hi, [left, right].into_iter().filter(|x| x.start < x.end));
    }

    /// Takes away everything from `end` on.
    pub fn truncate(&mut self, end: u64) {
        self.remove(end..u64::MAX);
    }

    /// Whether every byte of `r` is in the set.
    pub fn contains(&self, r: Range<u64>) -> bool {
        r.start >= r.end || {
            let i = self.ranges.partition_point(|x| x.end <= r.start);
            self.ranges.get(i).is_some_and(|x| x.start <= r.start && r.end <= x.end)
        }
    }

    /// Whether any byte of `r` is in the set.
    pub fn touches(&self, r: Range<u64>) -> bool {
        let i = self.ranges.partition_point(|x| x.end <= r.start);
        r.start < r.end && self.ranges.get(i).is_some_and(|x| x.start < r.end)
    }

    /// The parts of `r` that are in the set, in order.
    pub fn overlap(&self, r: Range<u64>) -> Vec<Range<u64>> {
        let i = self.ranges.partition_point(|x| x.end <= r.start);
        self.ranges[i..]
            .iter()
            .take_while(|x| x.start < r.end)
            .map(|x| x.start.max(r.start)..x.end.min(r.end))
            .filter(|x| x.start < x.end)
            .collect()
    }

    /// The first part of `r` that is in the set.
    pub fn first(&self, r: Range<u64>) -> Option<Range<u64>> {
        let x = self.ranges.get(self.ranges.partition_point(|x| x.end <= r.start))?;
        let part = x.start.max(r.start)..x.end.min(r.end);
        (part.start < part.end).then_some(part)
    }

    /// The parts of `r` that are not in the set, in order.
    pub fn gaps(&self, r: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = r.start;
        for have in self.overlap(r.clone()) {
            if at < have.start {
                gaps.push(at..have.start);
            }
            at = have.end;
        }
        if at < r.end {
            gaps.push(at..r.end);
        }
        gaps
    }

    /// Adds every range of `other`.
    pub fn union_with(&mut self, other: &RangeSet) {
        for r in other.iter() {
            self.insert(r);
        }
    }

    /// Takes away every range of `other`.
    pub fn subtract(&mut self, other: &RangeSet) {
        for r in other.iter() {
            self.remove(r);
        }
    }
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|r| r.end - r.start).sum()
}

impl From<Vec<Range<u64>>> for RangeSet {
    fn from(ranges: Vec<Range<u64>>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<RangeSet> for Vec<Range<u64>> {
    fn from(set: RangeSet) -> Self {
        set.ranges
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = RangeSet::new();
        for r in ranges {
            set.insert(r);
        }
        set
    }
}

impl From<Range<u64>> for RangeSet {
    fn from(r: Range<u64>) -> Self {
        RangeSet::from_iter([r])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACE: u64 = 48;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Range<u64>),
        Remove(Range<u64>),
        Truncate(u64),
    }

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0..SPACE, 0..SPACE).prop_map(|(a, b)| a.min(b)..a.max(b))
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            range().prop_map(Op::Insert),
            range().prop_map(Op::Remove),
            (0..SPACE).prop_map(Op::Truncate),
        ]
    }

    proptest! {
        /// Against a plain array of booleans, byte by byte.
        #[test]
        fn like_an_array_of_booleans(ops in prop::collection::vec(op(), 0..40), ask in range()) {
            let mut set = RangeSet::new();
            let mut model = [false; SPACE as usize];
            for op in ops {
                match op {
                    Op::Insert(r) => {
                        set.insert(r.clone());
                        model[r.start as usize..r.end as usize].fill(true);
                    }
                    Op::Remove(r) => {
                        set.remove(r.clone());
                        model[r.start as usize..r.end as usize].fill(false);
                    }
                    Op::Truncate(n) => {
                        set.truncate(n);
                        model[n as usize..].fill(false);
                    }
                }
            }
            let parts: Vec<_> = set.iter().collect();
            prop_assert!(parts.iter().all(|r| r.start < r.end));
            prop_assert!(parts.windows(2).all(|w| w[0].end < w[1].start), "sorted and apart: {parts:?}");
            for (i, &want) in model.iter().enumerate() {
                let i = i as u64;
                prop_assert_eq!(set.contains(i..i + 1), want);
            }
            let slice = &model[ask.start as usize..ask.end as usize];
            prop_assert_eq!(set.contains(ask.clone()), slice.iter().all(|&b| b));
            prop_assert_eq!(set.touches(ask.clone()), slice.iter().any(|&b| b));
            prop_assert_eq!(set.first(ask.clone()), set.overlap(ask.clone()).first().cloned());
            let inside: u64 = set.overlap(ask.clone()).iter().map(|r| r.end - r.start).sum();
            let outside: u64 = set.gaps(ask.clone()).iter().map(|r| r.end - r.start).sum();
            prop_assert_eq!(inside, slice.iter().filter(|&&b| b).count() as u64);
            prop_assert_eq!(outside, slice.iter().filter(|&&b| !b).count() as u64);
            prop_assert_eq!(set.bytes(), model.iter().filter(|&&b| b).count() as u64);
        }
    }
}
