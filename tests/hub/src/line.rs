//! A line of limited bandwidth, which all that uses it shares.

use std::{sync::Mutex, time::Duration};

use tokio::time::{Instant, sleep_until};

/// What passes is paced in pieces of this size, bytes.
pub const PIECE: usize = 16 << 10;

/// One direction of it.
pub struct Line {
    free: Mutex<Instant>,
    bandwidth: u64,
    slack: Duration,
}

impl Line {
    /// So many bytes in a second. As timers wake a little late, it is slower than that by some, unless up to
    /// `slack` of lost time is made up for.
    pub fn new(bandwidth: u64, slack: Duration) -> Line {
        Line { free: Mutex::new(Instant::now()), bandwidth: bandwidth.max(1), slack }
    }

    /// Waits until so many bytes have passed after all that came before.
    pub async fn pass(&self, bytes: usize) {
        let done = {
            let mut free = self.free.lock().expect("no panic under the lock");
            let took = Duration::from_secs_f64(bytes as f64 / self.bandwidth as f64);
            let now = Instant::now();
            *free = (*free).max(now.checked_sub(self.slack).unwrap_or(now)) + took;
            *free
        };
        sleep_until(done).await;
    }
}
