//! What goes over the control socket: one JSON object a line, requests up, replies and events down.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
pub use crate::remote::Receipt;

mod account;

pub use account::{Bucket, Buckets, HubAccount, Secret, TokenAt, User};

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
    /// What a client can offer as a button, if the remedy is something that it can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// A remedy that is one step of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Show the file in the file manager.
    Reveal,
    /// Try again at once: [`Request::Retry`].
    Retry,
    /// Free the space of what the remote has: [`Request::Evict`] of the whole drive.
    Evict,
    /// Sign in to the remote: [`Request::SignIn`].
    SignIn,
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

/// A pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Paused {
    /// Up to when; none: until `resume`.
    pub until: Option<crate::node::Time>,
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
    /// Counts the saves that the remote committed since the mount: when it differs, [`Request::Activity`]
    /// has news.
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
    /// What it is.
    #[serde(default = "file")]
    pub kind: crate::node::Kind,
    /// Whether it, or a folder above it, is kept on this machine.
    #[serde(default)]
    pub pinned: bool,
    /// Byte ranges of the generation that is being sent; part of `dirty`.
    #[serde(default)]
    pub sending: Vec<[u64; 2]>,
}

fn file() -> crate::node::Kind {
    crate::node::Kind::File
}

/// One node of a folder, as the file browser shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: crate::node::Kind,
    /// Length in bytes; of a folder 0.
    pub size: u64,
    /// Last change of the content.
    pub mtime: crate::node::Time,
    /// Bytes of it that are on this machine.
    pub present: u64,
    /// Bytes of it that the remote has not committed.
    pub dirty: u64,
    /// Whether it, or a folder above it, is kept on this machine.
    pub pinned: bool,
    /// As in [`FileInfo`]; of a folder `synced` or `modified`, by its own place and attributes.
    pub state: String,
}

/// Some of the nodes of a folder, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// In the order of their names (by bytes).
    pub entries: Vec<Entry>,
    /// There are more after the last one.
    pub more: bool,
}

/// A save that the remote has committed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Save {
    /// Which drive.
    pub drive: String,
    /// From the drive's root, as it was called then.
    pub path: String,
    /// When.
    pub at: crate::node::Time,
    /// The file's length then, bytes.
    pub size: u64,
    /// What it cost.
    pub receipt: Receipt,
}

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

/// What is at a remote's URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A remote that can be mounted.
    Ready,
    /// The same, but it may not be written to.
    ReadOnly,
    /// A place where [`Request::Init`] can make one: a folder that is missing or empty.
    Free,
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
pub const KINDS: [(Kind, &str); 12] = [
    (Kind::NotFound, "not-found"),
    (Kind::Offline, "offline"),
    (Kind::Conflict, "conflict"),
    (Kind::NoSpace, "no-space"),
    (Kind::Damaged, "damaged"),
    (Kind::NewerFormat, "newer-format"),
    (Kind::ReadOnly, "read-only"),
    (Kind::Denied, "denied"),
    (Kind::SignedOut, "signed-out"),
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
mod tests;
