//! What goes over the control socket: one JSON object a line, requests up, replies and events down.

use serde::{Deserialize, Serialize};

pub use crate::remote::Receipt;

/// The protocol's version. Both sides refuse another one.
pub const VERSION: u32 = 1;

/// The state of a drive, the worst that applies: problem, offline, paused, syncing, synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriveState {
    /// The remote has committed everything that is here.
    Synced,
    /// Changes wait or are on their way.
    Syncing,
    /// Held by the user.
    Paused,
    /// The remote can't be reached.
    Offline,
    /// Something needs the user.
    Problem,
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
}

/// What waits to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Files, folders and links with changes that the remote has not committed.
    pub files: u64,
    /// Bytes changed in them.
    pub bytes: u64,
}

/// Bytes a second, over the last seconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// To the remote.
    pub up: u64,
    /// From the remote.
    pub down: u64,
}

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
    /// Waits before another try.
    Retry,
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
}

/// Everything about one drive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DriveStatus {
    /// Its name.
    pub name: String,
    /// The remote's URL.
    pub remote: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// Its state.
    pub state: DriveState,
    /// What waits.
    pub pending: Pending,
    /// Bytes sent to the remote since the mount.
    pub sent_bytes: u64,
    /// Bytes received from the remote since the mount.
    pub received_bytes: u64,
    /// Now.
    pub rate: Rate,
    /// What waits or is on its way, first the next (at most 1,000).
    pub queue: Vec<QueueItem>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// The answer to `status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// All drives.
    pub drives: Vec<DriveStatus>,
}

/// The answer to `info`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileInfo {
    /// From the drive's root.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// The content id of the version it is based on, 64 hexadecimal digits; none: never committed.
    pub base: Option<String>,
    /// Byte ranges that are on this machine.
    pub present: Vec<[u64; 2]>,
    /// Byte ranges that the remote has not committed.
    pub dirty: Vec<[u64; 2]>,
    /// `synced`, `modified`, `uploading` or `new`.
    pub state: String,
    /// What the last save cost, if this machine made it.
    pub receipt: Option<Receipt>,
}
