//! Which files' clean bytes go so that a drive keeps its limit. Pure.

use crate::node::{Ino, Time};

/// A file that has bytes here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cached {
    /// Which.
    pub ino: Ino,
    /// Its bytes that could be fetched again.
    pub clean: u64,
    /// When a program last opened or read it.
    pub used: Time,
    /// Kept by the user's wish.
    pub pinned: bool,
}

/// Chooses the files whose clean bytes go: those least recently used first, until `need` bytes are free, and
/// if any have to go, on until `need + more` are, so that not every byte that comes has to choose again.
/// Never a pinned file, never `current`, the one for which room is made.
pub fn choose(mut files: Vec<Cached>, current: Option<Ino>, need: u64, more: u64) -> Vec<Ino> {
    files.retain(|f| !f.pinned && f.clean > 0 && Some(f.ino) != current);
    files.sort_unstable_by_key(|f| (f.used, f.ino));
    let enough = if need == 0 { 0 } else { need.saturating_add(more) };
    let mut freed = 0u64;
    let mut chosen = Vec::new();
    for file in files {
        if freed >= enough {
            break;
        }
        freed = freed.saturating_add(file.clean);
        chosen.push(file.ino);
    }
    chosen
}

/// What stays of a file that alone is larger than the room there is, when the bytes `coming` are to be kept:
/// what lies around them, for a program reads on where it is. Half of the limit at most.
pub fn keep_around(coming: &std::ops::Range<u64>, limit: u64) -> std::ops::Range<u64> {
    let side = limit / 4;
    coming.start.saturating_sub(side)..coming.end.saturating_add(side)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file() -> impl Strategy<Value = Cached> {
        (20u64..60, 0u64..1_000, -50i64..50, prop::bool::weighted(0.3))
            .prop_map(|(ino, clean, used, pinned)| Cached { ino: Ino(ino), clean, used: Time(used), pinned })
    }

    proptest! {
        #[test]
        fn the_least_recently_used_go_and_no_more_than_needed(
            mut files in prop::collection::vec(file(), 0..40),
            current in 20u64..60,
            need in 0u64..5_000,
            more in 0u64..500,
        ) {
            files.sort_by_key(|f| f.ino);
            files.dedup_by_key(|f| f.ino);
            let current = Some(Ino(current));
            let chosen = choose(files.clone(), current, need, more);
            let of = |ino: Ino| *files.iter().find(|f| f.ino == ino).unwrap();
            let sum: u64 = chosen.iter().map(|i| of(*i).clean).sum();
            let may = |f: &&Cached| !f.pinned && Some(f.ino) != current && f.clean > 0;
            let all: u64 = files.iter().filter(may).map(|f| f.clean).sum();
            for ino in &chosen {
                prop_assert!(may(&&of(*ino)), "{:?} may not go", of(*ino));
            }
            prop_assert!(sum >= need.min(all), "{sum} of {need}, and there are {all}");
            if let Some(last) = chosen.last() {
                prop_assert!(sum - of(*last).clean < need + more, "the last one was not needed");
                let newest = chosen.iter().map(|i| of(*i).used).max().unwrap();
                let left = files.iter().filter(may).filter(|f| !chosen.contains(&f.ino));
                prop_assert!(left.map(|f| f.used).all(|used| used >= newest), "a newer one went first");
            }
            prop_assert!(need > 0 || chosen.is_empty());
        }

        #[test]
        fn what_is_kept_around_fits(start in 0u64..1 << 40, len in 1u64..1 << 22, limit in 0u64..1 << 40) {
            let coming = start..start + len;
            let kept = keep_around(&coming, limit);
            prop_assert!(kept.start <= coming.start && kept.end >= coming.end);
            prop_assert!(kept.end - kept.start <= limit / 2 + len);
        }
    }
}
