//! What this app knows of the agent, and how it comes by it.

mod backoff;
mod link;
mod start;

use lacuna::control::api::{Failure, Pending, Status};
use serde::Serialize;

pub use link::{Link, ask};
pub use start::Program;

/// The agent as this app sees it.
#[derive(Clone, PartialEq, Debug)]
pub enum Agent {
    /// It was not asked yet.
    Unknown,
    /// It tells.
    Up(Status),
    /// It does not, and why.
    Down(Failure),
}

/// The payload of the page's event `agent`.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Told<'a> {
    Up { status: &'a Status },
    Down { cause: &'a str, remedy: Option<&'a str> },
}

impl Agent {
    pub fn status(&self) -> Option<&Status> {
        match self {
            Agent::Up(status) => Some(status),
            Agent::Unknown | Agent::Down(_) => None,
        }
    }

    /// For the page; nothing while there is nothing to tell.
    pub fn told(&self) -> Option<Told<'_>> {
        match self {
            Agent::Unknown => None,
            Agent::Up(status) => Some(Told::Up { status }),
            Agent::Down(f) => Some(Told::Down { cause: &f.cause, remedy: f.remedy.as_deref() }),
        }
    }
}

/// What waits in all drives.
pub fn pending(status: &Status) -> Pending {
    status.drives.iter().fold(Pending::default(), |sum, d| Pending {
        files: sum.files + d.pending.files,
        bytes: sum.bytes + d.pending.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_in_the_agreed_words() {
        let told = |agent: &Agent| serde_json::to_value(agent.told()).unwrap();
        let up = Agent::Up(Status { version: 1, drives: vec![] });
        assert_eq!(told(&up), serde_json::json!({"state": "up", "status": {"version": 1, "drives": []}}));
        let why = Failure { kind: "other".into(), cause: "c".into(), remedy: Some("r".into()), path: None };
        assert_eq!(
            told(&Agent::Down(why)),
            serde_json::json!({"state": "down", "cause": "c", "remedy": "r"})
        );
        assert_eq!(told(&Agent::Unknown), serde_json::Value::Null);
    }
}
