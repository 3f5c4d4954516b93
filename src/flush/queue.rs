//! When a changed node is due: after a quiet time, at the latest some time after its first change, and
//! not before its back-off has run out. Pure values; the clock is an argument.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::node::Ino;

/// How long changes may wait.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// A file is sent when it has not changed for this long,
    pub quiet: Duration,
    /// or when its first unsent change is this old, even if programs keep changing it.
    pub latest: Duration,
}

/// The first wait after a failure; each further failure doubles it.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The wait after the `attempts`-th failure in a row (1 is the first).
pub fn backoff(attempts: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_BACKOFF)
}

/// One changed node.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    first: Instant,
    last: Instant,
    not_before: Option<Instant>,
    /// Failures in a row.
    pub attempts: u32,
}

/// All changed nodes and when they are due.
#[derive(Default, Debug)]
pub struct Queue {
    entries: HashMap<Ino, Entry>,
}

impl Queue {
    /// The node changed now.
    pub fn touch(&mut self, ino: Ino, now: Instant) {
        let fresh = Entry { first: now, last: now, not_before: None, attempts: 0 };
        self.entries.entry(ino).or_insert(fresh).last = now;
    }

    /// The node was sent as it was at `frozen`: later changes stay queued, counted from there.
    pub fn sent(&mut self, ino: Ino, frozen: Instant) {
        if let Some(e) = self.entries.get_mut(&ino) {
            if e.last <= frozen {
                self.entries.remove(&ino);
            } else {
                *e = Entry { first: frozen, last: e.last, not_before: None, attempts: 0 };
            }
        }
    }

    /// Sending the node failed: it waits at least `after`, longer at each failure in a row.
    pub fn failed(&mut self, ino: Ino, after: Duration, now: Instant) {
        let fresh = Entry { first: now, last: now, not_before: None, attempts: 0 };
        let e = self.entries.entry(ino).or_insert(fresh);
        e.attempts = e.attempts.saturating_add(1);
        e.not_before = Some(now + after.max(backoff(e.attempts)));
    }

    /// Sending the node was given up; it stays as due as it was.
    pub fn touch_quietly(&mut self, ino: Ino) {
        let now = Instant::now();
        let fresh = Entry { first: now, last: now, not_before: None, attempts: 0 };
        self.entries.entry(ino).or_insert(fresh);
    }

    /// Forgets the due nodes that turn out not to differ from the remote.
    pub fn keep(&mut self, differs: impl Fn(Ino) -> bool, now: Instant) {
        self.entries.retain(|ino, e| e.last > now || differs(*ino));
    }

    /// The node is gone.
    pub fn forget(&mut self, ino: Ino) {
        self.entries.remove(&ino);
    }

    /// Back-off is over for everyone: the remote is back, or the user asked.
    pub fn retry_now(&mut self) {
        for e in self.entries.values_mut() {
            e.not_before = None;
        }
    }

    /// What is known of a node that waits.
    pub fn get(&self, ino: Ino) -> Option<Entry> {
        self.entries.get(&ino).copied()
    }

    /// When the node is due; a node never touched is due at once.
    pub fn due(&self, ino: Ino, timing: Timing) -> Option<Instant> {
        self.entries.get(&ino).map(|e| e.due(timing))
    }

    /// The earliest moment at which any node is due.
    pub fn next_due(&self, timing: Timing) -> Option<Instant> {
        self.entries.values().map(|e| e.due(timing)).min()
    }
}

impl Entry {
    /// When it is due.
    pub fn due(&self, timing: Timing) -> Instant {
        let due = (self.last + timing.quiet).min(self.first + timing.latest);
        self.not_before.map_or(due, |t| t.max(due))
    }

    /// How long it still waits because it failed; `None`: not for that.
    pub fn backing_off(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|t| t.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timing = Timing { quiet: Duration::from_secs(2), latest: Duration::from_secs(30) };
    const A: Ino = Ino(20);

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn due_after_the_quiet_time_and_at_the_latest() {
        let t0 = Instant::now();
        let mut q = Queue::default();
        q.touch(A, t0);
        assert_eq!(q.due(A, T), Some(t0 + s(2)));
        for i in 1..=40 {
            q.touch(A, t0 + s(i));
        }
        assert_eq!(q.due(A, T), Some(t0 + s(30)), "a file that never rests is sent all the same");
    }

    #[test]
    fn changes_during_the_sending_stay_queued() {
        let t0 = Instant::now();
        let mut q = Queue::default();
        q.touch(A, t0);
        q.sent(A, t0 + s(3));
        assert_eq!(q.due(A, T), None);
        q.touch(A, t0 + s(10));
        q.touch(A, t0 + s(12));
        q.sent(A, t0 + s(11));
        assert_eq!(q.due(A, T), Some(t0 + s(14)));
    }

    #[test]
    fn failures_wait_longer_each_time_and_up_to_a_minute() {
        let t0 = Instant::now();
        let mut q = Queue::default();
        q.touch(A, t0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            q.failed(A, Duration::ZERO, t0 + s(100));
            waits.push((q.due(A, T).unwrap() - (t0 + s(100))).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let e = q.get(A).unwrap();
        assert_eq!(e.backing_off(t0 + s(130)), Some(s(30)));
        assert_eq!(e.backing_off(t0 + s(160)), None);
        q.failed(A, s(300), t0 + s(100));
        assert_eq!(q.due(A, T), Some(t0 + s(400)), "the remote's own wish counts if it is longer");
        q.retry_now();
        assert_eq!(q.due(A, T), Some(t0 + s(2)));
    }
}
