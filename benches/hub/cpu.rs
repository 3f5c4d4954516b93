//! Processor time that was spent, by proc(5).

use std::fmt;

use rustix::param::clock_ticks_per_second;

/// Seconds of processor time.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    /// By this process, in which the Hub and the reader are, and by the commands that it ran to their end.
    here: f64,
    /// By the agent.
    agent: f64,
}

impl Spent {
    pub fn all(self) -> f64 {
        self.here + self.agent
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processor: agent {:.2} s, the Hub and the reader {:.2} s", self.agent, self.here)
    }
}

/// What is spent while `what` is done.
pub fn of(agent: Option<i32>, what: impl FnOnce()) -> Spent {
    let before = spent(agent);
    what();
    let after = spent(agent);
    Spent { here: after.here - before.here, agent: after.agent - before.agent }
}

/// What was spent until now.
fn spent(agent: Option<i32>) -> Spent {
    let ticks = |process: &str, fields: &[usize]| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name, in brackets, may have spaces; the third field follows it.
        let fields_from_third: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let of = |field: usize| {
            fields_from_third.get(field - 3).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0)
        };
        fields.iter().map(|&field| of(field)).sum::<f64>() / clock_ticks_per_second() as f64
    };
    Spent {
        here: ticks("self", &[14, 15, 16, 17]),
        agent: agent.map_or(0.0, |pid| ticks(&pid.to_string(), &[14, 15])),
    }
}
