//! What goes over the control socket: one JSON object a line, requests up, replies and events down.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
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

/// What can be asked, one JSON object a line: `{"id":7,"ask":"flush","drive":"photos"}`. The first one
/// on a connection is `hello`. Fields that are not known are ignored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Who is there? Answered by [`Reply::Hello`], or refused if the versions differ.
    Hello {
        /// The client's [`VERSION`].
        version: u32,
    },
    /// Everything about all drives. [`Reply::Status`].
    Status,
    /// From now on [`Event::Status`] whenever something changed, at most five a second; the first at
    /// once. [`Reply::Done`].
    Watch,
    /// Mounts a remote; answered when it is mounted. [`Reply::Mounted`].
    Mount {
        /// The remote. A `store:` path is absolute.
        url: String,
        /// Where, absolute.
        mountpoint: String,
        /// The drive's name; none: made from the URL.
        name: Option<String>,
        /// Programs may only read.
        #[serde(default)]
        read_only: bool,
    },
    /// Unmounts. What is pending stays in the journal and goes up after the next mount.
    /// [`Reply::Unmounted`].
    Unmount {
        /// A name or a mount point.
        drive: String,
    },
    /// Answered when nothing is pending, or by an error if that can't be reached. [`Reply::Done`].
    Flush {
        /// Which; none: all.
        drive: Option<String>,
    },
    /// Holds uploads. [`Reply::Done`].
    Pause {
        /// Which; none: all.
        drive: Option<String>,
        /// Up to when; none: until `resume`.
        until: Option<crate::node::Time>,
    },
    /// Lets them go again. [`Reply::Done`].
    Resume {
        /// Which; none: all.
        drive: Option<String>,
    },
    /// About one file. [`Reply::Info`].
    Info {
        /// Which drive.
        drive: String,
        /// From the drive's root.
        path: String,
    },
    /// Drops this machine's copy of what the remote has. [`Reply::Evicted`].
    Evict {
        /// Which drive.
        drive: String,
        /// A file or folder, from the drive's root; empty: all of it.
        path: String,
    },
    /// Unmounts everything and ends the agent. [`Reply::Done`], then the connection ends.
    Quit,
}

/// A request with the number that its reply will carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Chosen by the client.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To `hello`.
    Hello {
        /// The agent's [`VERSION`].
        version: u32,
        /// The agent's program version.
        program: String,
        /// The agent's process.
        pid: u32,
    },
    /// It is so.
    Done,
    /// To `status`.
    Status(Status),
    /// To `mount`.
    Mounted {
        /// The drive's name.
        name: String,
        /// It was so before.
        already: bool,
    },
    /// To `unmount`.
    Unmounted {
        /// The drive's name.
        name: String,
        /// What still waits in its journal.
        pending: Pending,
    },
    /// To `info`.
    Info(FileInfo),
    /// To `evict`.
    Evicted {
        /// Bytes freed on this machine.
        bytes: u64,
    },
}

/// What the agent tells without being asked again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The drives as they are now.
    Status(Status),
}

/// A failure as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word: one of [`KINDS`].
    pub kind: String,
    /// Why, one sentence.
    pub cause: String,
    /// What to do, if it is known.
    pub remedy: Option<String>,
    /// Which file, folder or object it is about.
    pub path: Option<String>,
}

/// One line from the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// It went well.
    Reply {
        /// The request's number.
        id: u64,
        /// The answer.
        reply: Reply,
    },
    /// It did not. Without a number if the line was too broken to hold one.
    Error {
        /// The request's number.
        id: Option<u64>,
        /// Why.
        error: Failure,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
}

/// The kinds of failure and their words, which are part of the protocol.
pub const KINDS: [(Kind, &str); 11] = [
    (Kind::NotFound, "not-found"),
    (Kind::Offline, "offline"),
    (Kind::Conflict, "conflict"),
    (Kind::NoSpace, "no-space"),
    (Kind::Damaged, "damaged"),
    (Kind::NewerFormat, "newer-format"),
    (Kind::ReadOnly, "read-only"),
    (Kind::Denied, "denied"),
    (Kind::Invalid, "invalid"),
    (Kind::Busy, "busy"),
    (Kind::Other, "other"),
];

impl From<&Error> for Failure {
    fn from(e: &Error) -> Failure {
        let word = KINDS.iter().find(|(kind, _)| *kind == e.kind()).map_or("other", |(_, word)| word);
        Failure {
            kind: word.into(),
            cause: e.cause().into(),
            remedy: e.remedy_text().map(str::to_owned),
            path: e.path().map(str::to_owned),
        }
    }
}

impl From<Failure> for Error {
    fn from(f: Failure) -> Error {
        let kind = KINDS.iter().find(|(_, word)| *word == f.kind).map_or(Kind::Other, |(kind, _)| *kind);
        let mut e = Error::new(kind, f.cause);
        if let Some(remedy) = f.remedy {
            e = e.remedy(remedy);
        }
        if let Some(path) = f.path {
            e = e.at(path);
        }
        e
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_as_documented() {
        let ask = Ask { id: 7, request: Request::Flush { drive: Some("photos".into()) } };
        let line = r#"{"id":7,"ask":"flush","drive":"photos"}"#;
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
        assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
        // Optional fields may be left out, unknown ones may be there.
        let loose: Ask = serde_json::from_str(r#"{"id":1,"ask":"pause","colour":"red"}"#).unwrap();
        assert_eq!(loose.request, Request::Pause { drive: None, until: None });
    }

    #[test]
    fn lines_from_the_agent_are_told_apart() {
        let error = Failure::from(&Error::new(Kind::Busy, "c").remedy("r").at("p"));
        for line in [
            Line::Reply { id: 1, reply: Reply::Done },
            Line::Reply { id: 2, reply: Reply::Mounted { name: "a".into(), already: false } },
            Line::Error { id: Some(3), error: error.clone() },
            Line::Error { id: None, error },
            Line::Event { event: Event::Status(Status { version: VERSION, drives: vec![] }) },
        ] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
        }
    }

    #[test]
    fn failures_survive_the_journey() {
        for (kind, word) in KINDS {
            let failure = Failure::from(&Error::new(kind, "cause").remedy("mend").at("file"));
            assert_eq!(failure.kind, word);
            let back = Error::from(failure);
            assert_eq!(back.kind(), kind);
            assert_eq!(
                (back.cause(), back.remedy_text(), back.path()),
                ("cause", Some("mend"), Some("file"))
            );
        }
        let new = Failure { kind: "of-tomorrow".into(), cause: "c".into(), remedy: None, path: None };
        assert_eq!(Error::from(new).kind(), Kind::Other);
    }
}
