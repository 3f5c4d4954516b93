//! What waits to be sent to a remote or is on its way.

use serde::{Deserialize, Serialize};

/// What a queued change is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueState {
    /// Waits until the file has been quiet for a while.
    Quiet,
    /// Waits for its turn (or for `resume`).
    Ready,
    /// Is being sent.
    Uploading,
    /// All bytes are at the remote; its commit is awaited.
    Committing,
    /// Waits before another try.
    Retry,
    /// The remote has moved on: both versions are going to be kept.
    Conflict,
}

/// One change that waits or is on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueItem {
    /// From the drive's root.
    pub path: String,
    /// Bytes changed.
    pub bytes: u64,
    /// Bytes of them sent.
    pub sent: u64,
    /// What it is doing.
    pub state: QueueState,
    /// How often it failed.
    pub attempts: u32,
    /// Its length now, bytes.
    #[serde(default)]
    pub size: u64,
    /// How long it waits before the next try, milliseconds; none: it does not wait for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
