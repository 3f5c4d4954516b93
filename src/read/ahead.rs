//! How far to read ahead. Pure: a handle's reads in, a number of bytes out.

use std::ops::Range;

use super::{fetch::PIECE, pace::MOST};

/// The first read-ahead of a handle that reads in order, bytes.
const FIRST: u64 = 512 << 10;
/// A whole read-ahead is fetched in so many pieces, or more, which are under way together.
const PIECES: u64 = 4;
/// A read may start this far behind or ahead of the last one's end and still count as in order: kernels
/// send the reads of one program out of order.
const SLACK: u64 = 4 << 20;

/// What one handle has read so far.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ahead {
    /// The furthest byte read in order.
    end: u64,
    /// The present read-ahead; 0: does not read in order.
    window: u64,
}

impl Ahead {
    /// Notes a read and answers how many bytes beyond it are worth fetching with it.
    pub fn note(&mut self, read: &Range<u64>) -> u64 {
        let in_order = read.start <= self.end.saturating_add(SLACK.min(self.window))
            && read.start.saturating_add(SLACK) >= self.end
            && (self.end > 0 || read.start == 0);
        if in_order {
            if self.end > 0 && read.end > self.end {
                self.window = (self.window * 2).clamp(FIRST, MOST);
            }
            self.end = self.end.max(read.end);
        } else {
            *self = Ahead { end: read.end, window: 0 };
        }
        self.window
    }
}

/// Where reading `ahead` bytes beyond the byte `end` of a file of `size` stops: at an edge of pieces whose size
/// grows with the read-ahead. Whoever reads in little steps has few large pieces fetched, not one more little one
/// with each step.
pub fn until(end: u64, ahead: u64, size: u64) -> u64 {
    let far = end.saturating_add(ahead);
    if far >= size {
        return size.max(end);
    }
    // Powers of two: where the pieces grow or shrink, their edges stay edges.
    let unit = 1 << (ahead / PIECES).clamp(1, PIECE).ilog2();
    (far - far % unit).max(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_in_order_and_stops_at_a_jump() {
        let mut a = Ahead::default();
        assert_eq!(a.note(&(0..4096)), 0, "one read is no habit");
        assert_eq!(a.note(&(4096..8192)), FIRST);
        assert_eq!(a.note(&(8192..12288)), 2 * FIRST);
        for i in 3..40 {
            a.note(&(i * 4096..(i + 1) * 4096));
        }
        assert_eq!(a.note(&(40 * 4096..41 * 4096)), MOST);
        assert_eq!(a.note(&(1 << 30..(1 << 30) + 4096)), 0, "a random read fetches itself alone");
    }

    #[test]
    fn reading_ahead_stops_at_edges_of_pieces() {
        const M: u64 = 1 << 20;
        const AHEAD: u64 = 16 * M;
        for (end, ahead, size, want) in [
            (0, 0, 100 * M, 0),
            (5, 0, 100 * M, 5),
            (M, AHEAD, 100 * M, 16 * M),
            (M + 1, AHEAD, 100 * M, 16 * M),
            (4 * M - 1, AHEAD, 100 * M, 16 * M),
            (4 * M, AHEAD, 100 * M, 20 * M),
            (8192, FIRST, 100 * M, FIRST),
            (90 * M, AHEAD, 100 * M + 3, 100 * M + 3),
            (100 * M, AHEAD, 100 * M, 100 * M),
            (100 * M, AHEAD, 99 * M, 100 * M),
            (7, 1, 100, 8),
            (M, 5 * M + 7, 100 * M, 6 * M),
            (M, 64 * M, 100 * M, 64 * M),
            (u64::MAX - 5, AHEAD, u64::MAX, u64::MAX),
        ] {
            assert_eq!(until(end, ahead, size), want, "{ahead} beyond {end} of {size}");
        }
    }

    #[test]
    fn random_reads_never_read_ahead() {
        let mut a = Ahead::default();
        for at in [100u64 << 20, 3 << 20, 700 << 20, 50 << 20] {
            assert_eq!(a.note(&(at..at + 4096)), 0);
        }
    }
}
