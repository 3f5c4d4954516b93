//! How fast bytes come in, which says how far it is worth reading ahead. Pure: the fetches that ended in, a number
//! of bytes out.

use std::time::Duration;

/// As much is read ahead as comes in within this time. Over a slow link more would be fetched for nothing when the
/// reader stops, and be in the way of what others want; over a fast one with long ways less leaves it idle.
const WITHIN: Duration = Duration::from_secs(1);
/// Before anything is known, bytes.
const START: u64 = 4 << 20;
/// The shortest limit, bytes.
const LEAST: u64 = 1 << 20;
/// The longest, bytes: they are in memory while they come in.
pub const MOST: u64 = 64 << 20;

/// How far ahead the readers of one drive may read.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    limit: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { limit: START }
    }
}

impl Pace {
    /// The longest read-ahead that makes sense at present, bytes.
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// Notes that a fetch took so long, from its start, when `under_way` bytes of its file were being fetched with
    /// its own among them. By Little's law these over the time is how many come in a second.
    pub fn came(&mut self, under_way: u64, took: Duration) {
        // Fewer bytes say how long an answer takes, but not what the link would carry.
        if under_way < self.limit / 2 {
            return;
        }
        let within = u128::from(under_way) * WITHIN.as_micros() / took.as_micros().max(1);
        let within = u64::try_from(within).unwrap_or(MOST).min(MOST);
        // Half way there, so that one odd fetch does little.
        self.limit = (self.limit / 2 + within / 2).clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    /// Where the limit comes to rest on a link that carries `rate` bytes a second, for a reader that always waits,
    /// if an answer takes `latency` beside.
    fn rest(rate: u64, latency: Duration) -> u64 {
        let mut pace = Pace::default();
        for _ in 0..50 {
            let under_way = pace.limit();
            pace.came(under_way, latency + Duration::from_secs_f64(under_way as f64 / rate as f64));
        }
        pace.limit()
    }

    #[test]
    fn a_fast_link_is_kept_busy_over_long_ways() {
        // Gigabit and 100 ms there and back, twice for a fetch: the address, and the bytes.
        assert!(rest(125_000_000, Duration::from_millis(200)) > MOST / 10 * 9);
        assert!(rest(1_000_000_000, Duration::ZERO) > MOST / 10 * 9);
    }

    #[test]
    fn over_a_slow_link_little_is_fetched_for_nothing() {
        for rate in [2 * M, 5 * M, 10 * M] {
            let limit = rest(rate, Duration::from_millis(100));
            assert!(limit <= rate && limit >= rate * 4 / 5, "{limit} at {rate} a second");
        }
        assert_eq!(rest(100_000, Duration::from_millis(100)), LEAST);
    }

    #[test]
    fn single_small_fetches_say_nothing() {
        let mut pace = Pace::default();
        pace.came(64 << 10, Duration::from_secs(3));
        pace.came(64 << 10, Duration::from_micros(1));
        assert_eq!(pace.limit(), START);
    }

    #[test]
    fn no_time_and_no_end_are_borne() {
        let mut pace = Pace::default();
        pace.came(u64::MAX, Duration::ZERO);
        assert!(pace.limit() <= MOST && pace.limit() > START);
        pace.came(u64::MAX, Duration::MAX);
        assert!(pace.limit() >= LEAST);
    }
}
