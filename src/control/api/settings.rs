//! What the user sets for all drives alike.

use serde::{Deserialize, Serialize};

/// What holds for all drives of an agent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct AgentSettings {
    /// At most so many bytes a second to the remotes, all together; none: no limit.
    #[serde(default)]
    pub upload_limit: Option<u64>,
    /// At most so many bytes a second from the remotes, all together; none: no limit.
    #[serde(default)]
    pub download_limit: Option<u64>,
}
