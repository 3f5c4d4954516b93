//! What a client learns of a remote before it mounts it.

use serde::{Deserialize, Serialize};

/// What is at a remote's URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A remote that can be mounted.
    Ready,
    /// The same, but it may not be written to.
    ReadOnly,
    /// A place where [`Request::Init`](super::Request::Init) can make one: a folder that is missing or empty.
    Free,
}
