//! What goes over the control socket: one JSON object a line, requests up, replies and events down.
//!
//! Here is the conversation, all that can be asked and answered; the things that it is about have a file each.

use serde::{Deserialize, Serialize};

use crate::node::Time;
pub use crate::remote::Receipt;

mod account;
mod drive;
mod failure;
mod file;
mod found;
mod problem;
mod queue;
mod save;
mod settings;

pub use account::{Bucket, Buckets, HubAccount, Secret, TokenAt, User};
pub use drive::{Cache, DriveState, DriveStatus, Paused, Pending, Rate, Status};
pub use failure::{Failure, KINDS};
pub use file::{Entry, FileInfo, Listing};
pub use found::Found;
pub use problem::{Action, Problem, Severity};
pub use queue::{QueueItem, QueueState};
pub use save::Save;
pub use settings::AgentSettings;

/// The protocol's version. Both sides refuse another one.
pub const VERSION: u32 = 1;

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
        until: Option<Time>,
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
    /// Keeps a file, or all that is and will be below a folder, on this machine: missing bytes are fetched,
    /// nothing of it is evicted. [`Reply::Done`] as soon as that is noted.
    Pin {
        /// Which drive.
        drive: String,
        /// From the drive's root; empty: all of it.
        path: String,
    },
    /// No longer. Nothing is removed at once. [`Reply::Done`].
    Unpin {
        /// Which drive.
        drive: String,
        /// From the drive's root.
        path: String,
    },
    /// What is in a folder. [`Reply::List`].
    List {
        /// Which drive.
        drive: String,
        /// The folder, from the drive's root; empty: the root.
        path: String,
        /// Go on after this name.
        #[serde(default)]
        after: Option<String>,
        /// At most so many (and at most 1,000).
        limit: u32,
    },
    /// The newest saves, newest first. [`Reply::Activity`].
    Activity {
        /// Of which drive; none: of all.
        drive: Option<String>,
        /// At most so many (and at most 1,000).
        limit: u32,
    },
    /// What holds for all drives. [`Reply::Settings`].
    Settings,
    /// Changes that, at once and for good. [`Reply::Done`].
    Configure {
        /// All of it.
        settings: AgentSettings,
    },
    /// Sets how much a drive may take on this machine's disk. [`Reply::Done`].
    CacheLimit {
        /// Which drive.
        drive: String,
        /// Bytes; none: no limit.
        bytes: Option<u64>,
    },
    /// Tries again at once what waits after a failure. [`Reply::Done`].
    Retry {
        /// Which; none: all.
        drive: Option<String>,
    },
    /// Looks what is at a URL, without mounting it. [`Reply::Probed`].
    Probe {
        /// The remote.
        url: String,
    },
    /// Makes a bucket. [`Reply::Done`]; no harm if it is one already.
    Init {
        /// The remote; a `store:` path is absolute.
        url: String,
    },
    /// Who is signed in at the Hugging Face Hub: the token that counts there is looked for, and the Hub asked whose
    /// it is. [`Reply::Account`].
    Account,
    /// Signs in at the Hub: a token is checked there at once, and kept if it is good. Drives that wait for it go on.
    /// [`Reply::SignedIn`].
    SignIn {
        /// The token; none: the one that is on this machine already ([`HubAccount::other`], or else the one that counts).
        #[serde(default)]
        token: Option<Secret>,
    },
    /// Forgets the token that was kept. [`Reply::Account`]: one that is kept elsewhere goes on counting.
    SignOut,
    /// The buckets of the Hub that the account can see, its own first. [`Reply::Buckets`].
    Buckets {
        /// [`Buckets::next`] of the page before; none: the first page.
        #[serde(default)]
        page: Option<String>,
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
    /// To `list`.
    List(Listing),
    /// To `activity`.
    Activity(Vec<Save>),
    /// To `settings`.
    Settings(AgentSettings),
    /// To `probe`.
    Probed {
        /// What is there.
        found: Found,
        /// The name that a drive of it would get.
        name: String,
    },
    /// To `account` and `sign-out`.
    Account(HubAccount),
    /// To `sign-in`.
    SignedIn {
        /// Where the token is now.
        kept: TokenAt,
        /// What holds since. [`HubAccount::token`] is another one if `HF_TOKEN` comes before it.
        account: HubAccount,
    },
    /// To `buckets`.
    Buckets(Buckets),
}

/// What the agent tells without being asked again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The drives as they are now.
    Status(Status),
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

#[cfg(test)]
mod tests;
