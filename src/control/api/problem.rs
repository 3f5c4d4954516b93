//! What is wrong with a drive, and the step that mends it.

use serde::{Deserialize, Serialize};

/// One thing that is wrong, its cause and the step that mends it. Stays until it is solved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs, such as `conflict` or `bucket-full`.
    pub code: String,
    /// A line for people.
    pub title: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// How bad.
    pub severity: Severity,
    /// Which file, from the drive's root; none: the whole drive.
    pub path: Option<String>,
    /// What a client can offer as a button, if the remedy is something that it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Will matter.
    Warning,
    /// Something is not synced because of it.
    Error,
}

/// A remedy that is one step of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Show the file in the file manager.
    Reveal,
    /// Try again at once: [`Request::Retry`](super::Request::Retry).
    Retry,
    /// Free the space of what the remote has: [`Request::Evict`](super::Request::Evict) of the whole drive.
    Evict,
    /// Sign in to the remote: [`Request::SignIn`](super::Request::SignIn).
    SignIn,
}
