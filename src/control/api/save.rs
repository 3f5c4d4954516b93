//! A save and what it cost, as the list of the newest ones has it.

use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::node::Time;

/// A save that the remote has committed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Save {
    /// Which drive.
    pub drive: String,
    /// From the drive's root, as it was called then.
    pub path: String,
    /// When.
    pub at: Time,
    /// The file's length then, bytes.
    pub size: u64,
    /// What it cost.
    pub receipt: Receipt,
}
