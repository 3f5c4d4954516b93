//! How long to wait before the agent is looked for again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// A connection that lived so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// Doubles from a second to a minute; an agent that worked for a while starts it anew.
#[derive(Default, Debug)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause, after a connection that lived for `lived` (zero: there was none).
    pub fn next(&mut self, lived: Duration) -> Duration {
        if lived >= GOOD {
            self.tries = 0;
        }
        let pause = FIRST.saturating_mul(1 << self.tries.min(6)).min(LONGEST);
        self.tries += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_connection_was_good() {
        let mut b = Backoff::default();
        let mut next = |lived| b.next(Duration::from_secs(lived)).as_secs();
        assert_eq!([next(0), next(0), next(3), next(0)], [1, 2, 4, 8]);
        assert_eq!(next(30), 1);
        assert_eq!(
            [next(0), next(0), next(0), next(0), next(0), next(0), next(0)],
            [2, 4, 8, 16, 32, 60, 60]
        );
    }
}
