//! A drive as clients see it: its state, what it moves, and what it takes on this machine.

use serde::{Deserialize, Serialize};

use super::{Problem, QueueItem};
use crate::node::Time;

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

/// What waits to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Files and links with changes that the remote has not committed, and what was removed; folders only
    /// where nothing else waits. 0: nothing waits.
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

/// A pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Paused {
    /// Up to when; none: until `resume`.
    pub until: Option<Time>,
}

/// What a drive takes on this machine's disk, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Cache {
    /// All bytes of files that are here.
    pub bytes: u64,
    /// Of them those of pinned files.
    pub pinned: u64,
    /// Clean bytes go when `bytes` would be more; none: no limit.
    pub limit: Option<u64>,
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
    /// Whether programs may only read.
    #[serde(default)]
    pub read_only: bool,
    /// Held by the user, whatever `state` says that is worse.
    #[serde(default)]
    pub paused: Option<Paused>,
    /// What it takes on this machine's disk.
    #[serde(default)]
    pub cache: Cache,
    /// Counts the saves that the remote committed since the mount: when it differs,
    /// [`Request::Activity`](super::Request::Activity) has news.
    #[serde(default)]
    pub saves: u64,
}

impl DriveStatus {
    /// A drive of which nothing else is known: nothing moved, nothing waits, nothing is wrong.
    pub fn new(name: &str, remote: &str, mountpoint: &str, state: DriveState) -> DriveStatus {
        DriveStatus {
            name: name.to_owned(),
            remote: remote.to_owned(),
            mountpoint: mountpoint.to_owned(),
            state,
            pending: Pending::default(),
            sent_bytes: 0,
            received_bytes: 0,
            rate: Rate::default(),
            queue: Vec::new(),
            problems: Vec::new(),
            read_only: false,
            paused: None,
            cache: Cache::default(),
            saves: 0,
        }
    }
}

/// The answer to `status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`](super::VERSION).
    pub version: u32,
    /// All drives.
    pub drives: Vec<DriveStatus>,
}
