//! What a click in the tray's menu asks for. A command travels as the id of its menu item.

use serde::{Deserialize, Serialize};

/// How long to pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseFor {
    HalfHour,
    Hour,
    Ever,
}

/// One command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Open a drive in the file manager.
    Open(String),
    /// Show one drive in the window.
    Drive(String),
    Pause(PauseFor),
    Resume,
    Flush,
    /// Show the saves in the window.
    Activity,
    /// Show what is wrong in the window.
    Problems,
    Window,
    StartAgent,
    Quit,
    /// No longer wait for the end of a flush to quit.
    Stay,
}

impl Command {
    /// The id of its menu item.
    pub fn id(&self) -> String {
        // An enum of words and texts always has a JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The command of an item; none for one that is not ours.
    pub fn of_id(id: &str) -> Option<Command> {
        serde_json::from_str(id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back() {
        for command in [
            Command::Open("a \"b\"".into()),
            Command::Drive(String::new()),
            Command::Pause(PauseFor::Hour),
            Command::Resume,
            Command::Quit,
        ] {
            assert_eq!(Command::of_id(&command.id()), Some(command));
        }
        assert_eq!(Command::of_id("line-3"), None);
    }
}
