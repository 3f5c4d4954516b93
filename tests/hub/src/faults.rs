//! Faults on demand: which requests go wrong, how, and how often. The decisions are pure; `front` does them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a request goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "act")]
pub enum Act {
    /// Is answered with a status and does nothing. 429 comes with `RateLimit`, `RateLimit-Policy` and
    /// `Retry-After` of `retry_after` seconds, 503 with the last if there is any.
    Status {
        /// Of the answer.
        status: u16,
        /// Seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Waits, then goes its way.
    Hang {
        /// Milliseconds.
        ms: u64,
    },
    /// Is answered, but the connection breaks after so many bytes of the answer's body.
    Cut {
        /// Bytes.
        after: u64,
    },
    /// The connection breaks before anything is done.
    Drop,
    /// Everything is done, then the connection breaks without an answer.
    Lose,
    /// Takes time both ways and moves no more bytes than so many a second, each way. All requests of one
    /// such fault share its line.
    Slow {
        /// Milliseconds, before the request is seen and before the answer is sent.
        latency_ms: u64,
        /// Bytes in a second; no limit if absent.
        #[serde(default)]
        bandwidth: Option<u64>,
    },
    /// A batch does all but these paths and names them in `failed`.
    FailPaths {
        /// Of the operations.
        paths: Vec<String>,
        /// The reason given.
        error: String,
    },
}

/// Which requests go wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// Only this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths that start so (as sent: percent-encoded, without the query).
    #[serde(default)]
    pub prefix: String,
    /// Only paths that contain this.
    #[serde(default)]
    pub containing: String,
    /// For how many requests; for all until the faults are cleared if absent.
    #[serde(default)]
    pub times: Option<u64>,
    /// How many requests that match go their way first.
    #[serde(default)]
    pub after: u64,
    /// How.
    #[serde(flatten)]
    pub act: Act,
}

impl Fault {
    /// All requests go wrong so, until the faults are cleared.
    pub fn new(act: Act) -> Fault {
        Fault { method: None, prefix: String::new(), containing: String::new(), times: None, after: 0, act }
    }

    /// Only requests of this method whose path contains `part`.
    pub fn on(mut self, method: &str, part: &str) -> Fault {
        self.method = Some(method.to_owned());
        self.containing = part.to_owned();
        self
    }

    /// Only so many.
    pub fn times(mut self, times: u64) -> Fault {
        self.times = Some(times);
        self
    }

    /// Only after so many have gone their way.
    pub fn after(mut self, requests: u64) -> Fault {
        self.after = requests;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && path.starts_with(&self.prefix)
            && path.contains(&self.containing)
    }
}

/// The faults that are set, with what names their lines.
#[derive(Default, Debug)]
pub struct Faults {
    set: Vec<(u64, Fault)>,
    made: u64,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.made += 1;
        self.set.push((self.made, fault));
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.set.clear();
    }

    /// What is left to happen.
    pub fn left(&self) -> Vec<Fault> {
        self.set.iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// What happens to this request, in the order in which the faults were set, and counts it. Each comes
    /// with the number of its fault. Of the acts that end a request only the first is taken, so that a later
    /// one is left for the next request.
    pub fn take(&mut self, method: &str, path: &str) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        let mut ended = false;
        for (number, fault) in &mut self.set {
            let ends = !matches!(fault.act, Act::Hang { .. } | Act::Slow { .. });
            if !fault.matches(method, path) || (ends && ended) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            if let Some(times) = &mut fault.times {
                if *times == 0 {
                    continue;
                }
                *times -= 1;
            }
            ended |= ends;
            acts.push((*number, fault.act.clone()));
        }
        self.set.retain(|(_, fault)| fault.times != Some(0));
        acts
    }
}

/// A limit of requests for each window of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Requests in a window.
    pub quota: u64,
    /// Seconds.
    pub window: u64,
}

/// How many requests a window has seen.
#[derive(Debug)]
pub struct Window {
    rate: Rate,
    start: Duration,
    used: u64,
}

impl Window {
    /// A fresh window; `now` is the time since any fixed instant.
    pub fn new(rate: Rate, now: Duration) -> Window {
        Window { rate, start: now, used: 0 }
    }

    /// Counts a request: how many are left, or in how many seconds the window ends if none was.
    pub fn count(&mut self, now: Duration) -> Result<u64, u64> {
        let length = Duration::from_secs(self.rate.window);
        if now >= self.start + length {
            (self.start, self.used) = (now, 0);
        }
        if self.used >= self.rate.quota {
            let left = (self.start + length).saturating_sub(now);
            return Err(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        }
        self.used += 1;
        Ok(self.rate.quota - self.used)
    }

    /// The limit.
    pub fn rate(&self) -> &Rate {
        &self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Act {
        Act::Status { status, retry_after: None }
    }

    fn taken(faults: &mut Faults, method: &str, path: &str) -> Vec<Act> {
        faults.take(method, path).into_iter().map(|(_, act)| act).collect()
    }

    #[test]
    fn a_fault_hits_what_it_names_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.add(Fault::new(status(503)).on("POST", "/batch").times(2).after(1));
        assert_eq!(taken(&mut faults, "GET", "/api/buckets/n/x/batch"), []);
        assert_eq!(taken(&mut faults, "POST", "/api/buckets/n/x/tree"), []);
        let hits: Vec<usize> = (0..5).map(|_| taken(&mut faults, "POST", "/n/x/batch").len()).collect();
        assert_eq!(hits, [0, 1, 1, 0, 0]);
        assert!(faults.left().is_empty());
    }

    #[test]
    fn faults_that_end_a_request_come_one_after_the_other() {
        let mut faults = Faults::default();
        let slow = Act::Slow { latency_ms: 1, bandwidth: None };
        faults.add(Fault::new(slow.clone()));
        faults.add(Fault::new(status(500)).times(1));
        faults.add(Fault::new(status(429)).times(1));
        assert_eq!(taken(&mut faults, "GET", "/"), [slow.clone(), status(500)]);
        assert_eq!(taken(&mut faults, "GET", "/"), [slow.clone(), status(429)]);
        assert_eq!(taken(&mut faults, "GET", "/"), [slow]);
    }

    #[test]
    fn a_fault_is_read_from_json() {
        let fault: Fault =
            serde_json::from_str(r#"{"method":"GET","prefix":"/api","times":3,"act":"status","status":500}"#)
                .unwrap();
        assert_eq!((fault.prefix.as_str(), fault.times, fault.act), ("/api", Some(3), status(500)));
        let fault: Fault = serde_json::from_str(r#"{"act":"slow","latency-ms":5,"bandwidth":1000}"#).unwrap();
        assert_eq!(fault.act, Act::Slow { latency_ms: 5, bandwidth: Some(1000) });
    }

    #[test]
    fn a_window_lets_its_quota_through_and_then_starts_again() {
        let at = Duration::from_millis;
        let mut window = Window::new(Rate { quota: 2, window: 10 }, at(0));
        assert_eq!(window.count(at(1)), Ok(1));
        assert_eq!(window.count(at(2)), Ok(0));
        assert_eq!(window.count(at(2_500)), Err(8));
        assert_eq!(window.count(at(10_000)), Ok(1));
    }
}
