//! What a CAS tells of the parts of a content that an edit leaves alone, so that the hash of the edited
//! file can be computed without reading them.
//!
//! Asked for some dirty ranges (`GET /v2/file-chunk-hashes/{file}`), it answers *windows*: each dirty range
//! widened to the edges of chunks, and on to where a chunker is certain to be back in step, whatever was
//! written. Between them lie the gaps, each told as a summary of its chunks, some hundred nodes of the
//! file's Merkle tree however long it is (`xet_core_structures::merklehash::MerkleHashSubtree`); and for
//! each segment that no window touches, the hash that verifies it. The chunks in the windows are not told:
//! they are learned by reading the segments that the windows touch.
//!
//! The answer comes from outside: [`Gaps::read`] takes none that does not fit the file.

use std::ops::Range;

use serde::Deserialize;
use xet_client::cas_types::{FileChunkHashesResponse, FileRange};
use xet_core_structures::merklehash::{MerkleHash, MerkleHashSubtree};

use crate::ranges::RangeSet;

/// No more dirty ranges are named in one question: they go into a header of some 20 bytes each.
const RANGES: usize = 200;

/// A part of the content between two windows.
pub(super) struct Gap {
    pub range: Range<u64>,
    pub summary: MerkleHashSubtree,
    /// Whether it reaches to the end of the content.
    pub last: bool,
}

/// An answer that fits the file.
pub(super) struct Gaps {
    /// In order; none is empty. What lies between them is in the windows.
    pub gaps: Vec<Gap>,
    /// For each segment of the file the hash of its chunks' hashes, where it was told.
    pub verification: Vec<Option<MerkleHash>>,
}

/// The dirty ranges to ask about: for each segment the span from the first touched byte to the last, since
/// a segment that is touched is read in any case; neighbours go together if there are too many.
/// `starts`: where each segment starts in the file, and where the last one ends.
pub(super) fn question(touched: &RangeSet, starts: &[u64]) -> Vec<FileRange> {
    let spans = starts.windows(2).filter_map(|s| {
        let within = touched.overlap(s[0]..s[1]);
        Some(FileRange::new(within.first()?.start, within.last()?.end))
    });
    let mut spans: Vec<FileRange> = spans.collect();
    while spans.len() > RANGES {
        let pairs = spans.chunks(2);
        spans = pairs.filter_map(|p| Some(FileRange::new(p.first()?.start, p.last()?.end))).collect();
    }
    spans
}

/// What a summary is made of. The crate does not show it, but writes it.
#[derive(Deserialize)]
struct Shape {
    nodes: Vec<Node>,
    levels: Vec<(usize, usize)>,
    at_start: bool,
    at_end: bool,
}

#[derive(Deserialize)]
struct Node {
    size: u64,
}

impl Gaps {
    /// Takes an answer to `asked` about a file of segments that start at `starts` (and the file's size at the
    /// end) and have `chunks` chunks together. The error says what is wrong with it.
    pub fn read(
        answer: FileChunkHashesResponse,
        asked: &[FileRange],
        starts: &[u64],
        chunks: u64,
    ) -> Result<Gaps, String> {
        let size = starts.last().copied().unwrap_or(0);
        if (answer.file_size, answer.total_chunks) != (size, chunks) {
            return Err(format!(
                "it is about a file of {} bytes and {} chunks, not of {size} and {chunks}",
                answer.file_size, answer.total_chunks
            ));
        }
        let windows: Vec<Range<u64>> =
            answer.windows.iter().map(|w| w.dirty_byte_range[0]..w.dirty_byte_range[1]).collect();
        let apart = windows.windows(2).all(|w| w[0].end <= w[1].start);
        if !apart || windows.iter().any(|w| w.is_empty() || w.end > size) {
            return Err(format!("its windows are {windows:?} in a file of {size} bytes"));
        }
        let covered: RangeSet = windows.iter().cloned().collect();
        if let Some(left) = asked.iter().find(|r| !covered.contains(r.start..r.end)) {
            return Err(format!("no window covers the bytes {}..{}", left.start, left.end));
        }
        if answer.hash_ranges.len() != windows.len() + 1 {
            return Err(format!("{} summaries for {} windows", answer.hash_ranges.len(), windows.len()));
        }
        let edges = |i: usize| {
            let start = i.checked_sub(1).and_then(|i| windows.get(i)).map_or(0, |w| w.end);
            start..windows.get(i).map_or(size, |w| w.start)
        };
        let mut gaps = Vec::new();
        for (i, summary) in answer.hash_ranges.into_iter().enumerate() {
            let range = edges(i);
            match summary {
                Some(summary) => {
                    check(&summary, &range, size)?;
                    let last = range.end == size;
                    gaps.push(Gap { range, summary, last });
                }
                None if range.is_empty() => {}
                None => return Err(format!("nothing is told of the bytes {range:?}")),
            }
        }
        let alone = |s: &[u64]| !covered.touches(s[0]..s[1]);
        let told = &answer.gap_verification;
        let verification = match starts.windows(2).filter(|s| alone(s)).count() {
            n if n == told.len() => {
                let mut told = told.iter();
                let each = starts.windows(2);
                each.map(|s| alone(s).then(|| told.next().map(|h| (*h).into())).flatten()).collect()
            }
            // A file that was registered without them.
            _ if told.is_empty() => vec![None; starts.len().saturating_sub(1)],
            n => return Err(format!("{} verifications for {n} segments", told.len())),
        };
        Ok(Gaps { gaps, verification })
    }

    /// The gap that starts at `at`.
    pub fn at(&self, at: u64) -> Option<&Gap> {
        self.gaps.binary_search_by_key(&at, |g| g.range.start).ok().and_then(|i| self.gaps.get(i))
    }

    /// Where the first gap after `at` starts.
    pub fn after(&self, at: u64) -> Option<u64> {
        self.gaps.get(self.gaps.partition_point(|g| g.range.start <= at)).map(|g| g.range.start)
    }
}

/// Whether a summary can be that of the bytes `range` of a file of `size`. Merging relies on it.
fn check(summary: &MerkleHashSubtree, range: &Range<u64>, size: u64) -> Result<(), String> {
    let shape = serde_json::to_value(summary).and_then(serde_json::from_value::<Shape>);
    let shape = shape.map_err(|e| format!("the summary of {range:?} can't be read: {e}"))?;
    let bytes = shape.nodes.iter().try_fold(0u64, |sum, n| sum.checked_add(n.size));
    let nodes = shape
        .levels
        .iter()
        .try_fold(0usize, |sum, l| sum.checked_add(l.0).and_then(|sum| sum.checked_add(l.1)));
    let right = bytes == Some(range.end.saturating_sub(range.start))
        && nodes == Some(shape.nodes.len())
        && shape.at_start == (range.start == 0)
        && shape.at_end == (range.end == size);
    if right { Ok(()) } else { Err(format!("the summary of {range:?} is not of these bytes")) }
}

#[cfg(test)]
mod tests {
    use xet_client::cas_client::chunk_window_builder::build_file_chunk_hashes_response;
    use xet_core_structures::metadata_shard::file_structs::{
        FileDataSequenceEntry, FileDataSequenceHeader, FileVerificationEntry, MDBFileInfo,
    };

    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn a_question_names_one_span_for_each_segment() {
        let starts = [0, 100, 200, 300];
        let ask = |touched: &[Range<u64>]| {
            let spans = question(&touched.iter().cloned().collect(), &starts);
            spans.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>()
        };
        assert_eq!(ask(&[]), []);
        assert_eq!(ask(&[10..20, 50..60, 250..251]), [(10, 60), (250, 251)]);
        assert_eq!(ask(&[90..210]), [(90, 100), (100, 200), (200, 210)]);
        let many: Vec<u64> = (0..=1000).map(|i| i * 10).collect();
        let spans = question(&RangeSet::from(0..10_000), &many);
        assert!(spans.len() <= RANGES);
        assert_eq!((spans[0].start, spans.last().unwrap().end), (0, 10_000));
    }

    const SEGMENT: u64 = 20 * 60_000;

    /// The answer about a file of five segments of 20 chunks of 60,000 bytes, whose second is touched.
    fn answer() -> (FileChunkHashesResponse, Vec<FileRange>, Vec<u64>) {
        let hash = MerkleHash::random_from_seed;
        let entry = |i: u64| FileDataSequenceEntry::new(hash(i), SEGMENT as u32, 0, 20);
        let info = MDBFileInfo {
            metadata: FileDataSequenceHeader::new(hash(9), 5, true, false),
            segments: (0..5).map(entry).collect(),
            verification: (0..5).map(|i| FileVerificationEntry::new(hash(100 + i))).collect(),
            metadata_ext: None,
        };
        let asked = vec![FileRange::new(SEGMENT + 100, SEGMENT + 200)];
        let chunks = (0..100).map(|i| (hash(1000 + i), 60_000));
        let answer = build_file_chunk_hashes_response(&info, asked.clone(), chunks).unwrap();
        (answer, asked, (0..=5).map(|i| i * SEGMENT).collect())
    }

    #[test]
    fn an_answer_is_read() {
        let (answer, asked, starts) = answer();
        assert_eq!(answer.windows.len(), 1);
        let [start, end] = answer.windows[0].dirty_byte_range;
        let window = start..end;
        let gaps = Gaps::read(answer, &asked, &starts, 100).unwrap();
        assert_eq!(window.start, SEGMENT);
        let ranges: Vec<_> = gaps.gaps.iter().map(|g| (g.range.clone(), g.last)).collect();
        assert_eq!(ranges, [(0..SEGMENT, false), (window.end..5 * SEGMENT, true)]);
        let told: Vec<_> = gaps.verification.iter().map(Option::is_some).collect();
        assert_eq!(told, [true, false, true, true, true]);
        assert!(gaps.at(0).is_some() && gaps.at(1).is_none() && gaps.at(window.end).is_some());
        assert_eq!((gaps.after(0), gaps.after(window.end)), (Some(window.end), None));
    }

    #[test]
    fn an_answer_that_does_not_fit_is_refused() {
        type Spoil = fn(&mut FileChunkHashesResponse);
        let spoils: [(&str, Spoil); 11] = [
            ("another size", |a| a.file_size += 1),
            ("another number of chunks", |a| a.total_chunks += 1),
            ("windows beyond the end", |a| a.windows[0].dirty_byte_range[1] = u64::MAX),
            ("an empty window", |a| a.windows[0].dirty_byte_range[1] = a.windows[0].dirty_byte_range[0]),
            ("a window elsewhere", |a| a.windows[0].dirty_byte_range = [0, 60_000]),
            ("no windows", |a| a.windows.clear()),
            ("a summary too few", |a| drop(a.hash_ranges.pop())),
            ("an untold gap", |a| a.hash_ranges[0] = None),
            ("summaries of other bytes", |a| a.hash_ranges.swap(0, 1)),
            ("a verification too many", |a| a.gap_verification.push(a.gap_verification[0])),
            ("a summary with more nodes than it has", |a| {
                let mut shape = serde_json::to_value(&a.hash_ranges[0]).unwrap();
                shape["levels"][0][0] = u64::MAX.into();
                a.hash_ranges[0] = serde_json::from_value(shape).unwrap_or(None);
            }),
        ];
        for (name, spoil) in spoils {
            let (mut answer, asked, starts) = answer();
            spoil(&mut answer);
            assert!(Gaps::read(answer, &asked, &starts, 100).is_err(), "{name}");
        }
        let (mut answer, asked, starts) = answer();
        answer.gap_verification.clear();
        let gaps = Gaps::read(answer, &asked, &starts, 100).unwrap();
        assert!(gaps.verification.iter().all(Option::is_none), "a file without them");
    }
}
