//! How many bytes a second may pass. [`Pace`] decides, purely; [`Throttle`] waits.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// What may pass at once after a rest, as a time at the limit.
const BURST: Duration = Duration::from_millis(250);

/// A large object passes in pieces that take this long each, so that a small one need not wait for all of it
/// and a new limit counts soon.
const PIECE: Duration = Duration::from_millis(100);

/// When the next byte may pass.
#[derive(Clone, Copy, Default, Debug)]
pub struct Pace {
    free: Option<Instant>,
}

impl Pace {
    /// Takes room for `bytes` at `limit` bytes a second, after all that was taken before. Answers when they
    /// have passed.
    pub fn take(&mut self, bytes: u64, limit: u64, now: Instant) -> Instant {
        let rested = now.checked_sub(BURST).unwrap_or(now);
        let from = self.free.map_or(rested, |free| free.max(rested));
        let takes = Duration::from_secs_f64(bytes as f64 / limit.max(1) as f64);
        let done = from.checked_add(takes).unwrap_or(from);
        self.free = Some(done);
        done.max(now)
    }
}

/// How many bytes are taken at once.
fn piece(left: u64, limit: u64) -> u64 {
    let most = u64::try_from(PIECE.as_millis()).unwrap_or(1) * limit / 1_000;
    left.min(most.max(1))
}

/// A limit that everybody who moves bytes in one direction shares. Its value may change at any time.
pub struct Throttle {
    /// Bytes a second; none: no limit.
    limit: watch::Sender<Option<u64>>,
    /// Held for moments.
    pace: Mutex<Pace>,
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle { limit: watch::Sender::new(None), pace: Mutex::default() }
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Throttle({:?})", self.limit())
    }
}

impl Throttle {
    /// Bytes a second; none: no limit.
    pub fn limit(&self) -> Option<u64> {
        *self.limit.borrow()
    }

    /// Sets it, for those who wait already, too.
    pub fn set(&self, limit: Option<u64>) {
        let changed = self.limit.send_if_modified(|now| std::mem::replace(now, limit) != limit);
        if changed {
            *self.pace() = Pace::default();
        }
    }

    /// Returns when `bytes` may have passed; `passed` is told of each part of them as it may. Whoever gives up
    /// waiting has taken the part that it waited for.
    pub async fn take(&self, bytes: u64, passed: impl Fn(u64)) {
        let mut limit = self.limit.subscribe();
        let mut left = bytes;
        while left > 0 {
            let Some(now) = *limit.borrow_and_update() else { return passed(left) };
            let some = piece(left, now);
            let done = self.pace().take(some, now, Instant::now());
            tokio::select! {
                () = tokio::time::sleep_until(done) => {
                    left -= some;
                    passed(some);
                }
                // (The sender is part of `self`.) The piece is taken again at the new pace.
                _ = limit.changed() => {}
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Both directions of all drives together.
#[derive(Default, Debug)]
pub struct Bandwidth {
    /// To the remotes.
    pub up: Throttle,
    /// From the remotes.
    pub down: Throttle,
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However it is cut in pieces and whatever pauses are between, no more passes than the limit allows.
        #[test]
        fn never_more_than_the_limit(
            limit in 1u64..10_000_000,
            takes in prop::collection::vec((1u64..5_000_000, 0u64..3_000), 1..40),
        ) {
            let start = Instant::now();
            let (mut pace, mut now, mut sum) = (Pace::default(), start, 0u64);
            for (bytes, pause) in takes {
                now += Duration::from_millis(pause);
                let passed = pace.take(bytes, limit, now);
                sum += bytes;
                let allowed = (passed - start + BURST).as_secs_f64() * limit as f64;
                prop_assert!(sum as f64 <= allowed * 1.000_001 + 1.0, "{sum} of {allowed}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_who_share_a_limit_take_as_long_as_one() {
        let throttle = Arc::new(Throttle::default());
        throttle.set(Some(1_000_000));
        let start = Instant::now();
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let throttle = throttle.clone();
                tokio::spawn(async move { throttle.take(5_000_000, |_| ()).await })
            })
            .collect();
        for taker in takers {
            taker.await.unwrap();
        }
        let took = start.elapsed().as_secs_f64();
        assert!((9.7..10.1).contains(&took), "10 MB at 1 MB/s took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_object_does_not_wait_for_a_large_one() {
        let throttle = Arc::new(Throttle::default());
        throttle.set(Some(1_000_000));
        let large = tokio::spawn({
            let throttle = throttle.clone();
            async move { throttle.take(60_000_000, |_| ()).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        throttle.take(1_000, |_| ()).await;
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        large.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_counts_at_once() {
        let throttle = Arc::new(Throttle::default());
        throttle.set(Some(1_000));
        let slow = tokio::spawn({
            let throttle = throttle.clone();
            async move {
                let passed = AtomicU64::new(0);
                throttle
                    .take(3_600_000, |n| {
                        passed.fetch_add(n, Ordering::Relaxed);
                    })
                    .await;
                passed.into_inner()
            }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        throttle.set(Some(1_000_000));
        throttle.set(None);
        assert_eq!(slow.await.unwrap(), 3_600_000, "each byte is told of once");
        assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
        throttle.take(u64::MAX, |_| ()).await;
        assert!(start.elapsed() < Duration::from_millis(10));
    }
}
