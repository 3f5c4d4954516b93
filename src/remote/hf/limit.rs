//! When and after how long a call is tried again. Pure.

use std::time::Duration;

use super::api::Status;

/// How often a call is made at most, the first time included.
pub const TRIES: u32 = 3;
/// The longest wait within a call; who is told to wait longer gives the call up and says so.
pub const LONGEST: Duration = Duration::from_secs(30);

/// The wait before the try after the `failed`-th (from 1): half a second, doubled each time.
pub fn backoff(failed: u32) -> Duration {
    Duration::from_millis(500).saturating_mul(1 << failed.saturating_sub(1).min(6)).min(LONGEST)
}

/// Whether an answer says that the same call may succeed later.
pub fn is_passing(status: Status) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long an answer asks to wait: `Retry-After` (seconds; a date is not read and counts as nothing), else
/// `t` of the first limit of `RateLimit: "api";r=0;t=12` that has nothing left.
pub fn asked_wait(retry_after: Option<&str>, rate_limit: Option<&str>) -> Option<Duration> {
    if let Some(seconds) = retry_after.and_then(|s| s.trim().parse::<u64>().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    let field = |limit: &str, name: &str| {
        limit
            .split(';')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.trim().parse::<u64>().ok())
    };
    let waits = rate_limit?.split(',').filter(|limit| field(limit, "r").is_none_or(|left| left == 0));
    waits.filter_map(|limit| field(limit, "t")).max().map(Duration::from_secs)
}

/// How long to sleep before asking again whether anything changed, after `idle` times of asking in vain.
pub fn pause(poll: Duration, idle: u32) -> Duration {
    const SLOWEST: Duration = Duration::from_secs(60);
    poll.saturating_mul(1 << (idle / 4).min(6)).clamp(poll.min(SLOWEST), SLOWEST.max(poll))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_asks_for_is_read() {
        let s = Duration::from_secs;
        for (retry, limit, want) in [
            (None, None, None),
            (Some("7"), None, Some(s(7))),
            (Some(" 7 "), Some("\"api\";r=0;t=12"), Some(s(7))),
            (None, Some("\"api\";r=0;t=12"), Some(s(12))),
            (None, Some("\"api\"; r=0; t=12"), Some(s(12))),
            (None, Some("\"api\";r=5;t=12"), None),
            (None, Some("\"api\";r=5;t=12, \"pages\";r=0;t=3"), Some(s(3))),
            (Some("Wed, 21 Oct 2026 07:28:00 GMT"), Some("\"api\";r=0;t=4"), Some(s(4))),
            (Some("-1"), Some("nonsense"), None),
            (None, Some("\"api\";t=9"), Some(s(9))),
        ] {
            assert_eq!(asked_wait(retry, limit), want, "{retry:?} {limit:?}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!([1, 2, 3].map(backoff).map(|d| d.as_millis()), [500, 1000, 2000]);
        assert_eq!(backoff(40), LONGEST);
        let poll = Duration::from_secs(5);
        assert_eq!([0, 3, 4, 8, 16, 1000].map(|i| pause(poll, i).as_secs()), [5, 5, 10, 20, 60, 60]);
        assert_eq!(pause(Duration::from_secs(300), 9).as_secs(), 300);
        assert!(is_passing(503) && is_passing(429) && !is_passing(404) && !is_passing(200));
    }
}
