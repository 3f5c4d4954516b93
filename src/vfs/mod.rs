//! What the drive does, in words of no platform: the trait that every adapter translates to.
//!
//! # How adapters sit on it
//!
//! | here | FUSE (`fuser`) | WinFsp (`FileSystemContext`) | NFSv3 (`nfsserve`) |
//! |---|---|---|---|
//! | [`Ino`] | inode number | kept in the file context; `resolve` from a path by `lookup` | file id |
//! | [`Handle`] | `fh` | kept in the file context | a pool: reading handles, one becomes a writing one at the first WRITE |
//! | `lookup` / `forget` | the same | `get_security_by_name`, `open` | LOOKUP; the pool forgets |
//! | `write` with [`At::Append`] | `O_APPEND` of the handle | `write_to_eof` | never |
//! | `flush` | FLUSH (each close) | `cleanup` | COMMIT |
//! | `release` | RELEASE (last close) | `close` | dropped from the pool |
//! | `fsync` | FSYNC | `flush` | COMMIT |
//! | `readdir` cookies | offsets | the name after which to go on, looked up | cookies |
//! | `rename` with [`RenameMode`] | `RENAME_*` flags | `replace_if_exists` | `Replace` |
//! | [`Fault`] | errno | NTSTATUS | nfsstat3 |
//! | [`Invalidate`] | `notify_inval_*` | `notify` | (clients poll) |
//!
//! Methods that may have to ask the remote are `async` but have a synchronous fast path: whatever is
//! known on this machine is answered at the first poll, so an adapter polls once on its own thread and
//! only moves the future to a task if it is not ready. An adapter with synchronous callbacks on a
//! thread pool blocks on the future instead.

pub mod core;

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::node::{Ino, Kind, Name, Time};

/// An open file. Unique while the drive is mounted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handle(pub u64);

/// Who asks: becomes the owner of what is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Everything about a node that a program can ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attr {
    /// Its number.
    pub ino: Ino,
    /// What it is.
    pub kind: Kind,
    /// Length in bytes (of a link: of its target; of a folder: 0).
    pub size: u64,
    /// Permission bits: the low 12 bits of a Unix mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names; for a folder 2 and one for each folder in it.
    pub nlink: u32,
    /// Last read (kept on this machine only).
    pub atime: Time,
    /// Last change of the content.
    pub mtime: Time,
    /// Last change of anything.
    pub ctime: Time,
    /// When it was made.
    pub btime: Time,
}

/// What to change of a node; `None` leaves as is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SetAttr {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// New length in bytes: cuts, or grows by zeros.
    pub size: Option<u64>,
    /// Last read.
    pub atime: Option<Time>,
    /// Last change of the content.
    pub mtime: Option<Time>,
    /// When it was made.
    pub btime: Option<Time>,
    /// Take the set-id bits away because the content or the owner changes hands.
    pub kill_suid: bool,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OpenOptions {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// Starts at no bytes.
    pub truncate: bool,
}

/// Where a write goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// At this byte.
    Offset(u64),
    /// At the end as it is at that moment.
    Append,
}

/// What a rename does about an existing target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails with [`Fault::Exists`].
    NoReplace,
    /// The two swap their places.
    Exchange,
}

/// One entry of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirEntry {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub attr: Attr,
    /// Pass it to [`Vfs::readdir`] to go on after this entry. Above 2; stable while the entry lives.
    pub cookie: u64,
}

/// Where the next data or hole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seek {
    /// The next byte that is not in a hole.
    Data,
    /// The next byte in a hole, or the end.
    Hole,
}

/// What to do to the space of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocate {
    /// Grow the file to hold the range; bytes stay.
    Extend,
    /// Keep the length and the bytes.
    Reserve,
    /// Zeros in the range; the length stays.
    PunchHole,
    /// Zeros in the range; the file grows to hold it.
    Zero,
    /// Zeros in the range; the length stays.
    ZeroKeepSize,
}

/// Sizes of the drive, bytes and counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatFs {
    /// Unit of the next two, bytes.
    pub block: u32,
    /// All blocks.
    pub blocks: u64,
    /// Blocks that can still be written.
    pub free: u64,
    /// Nodes that are known.
    pub files: u64,
}

/// What an adapter has to tell its operating system to forget.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invalidate {
    /// Attributes and bytes of a node changed from elsewhere.
    Node(Ino),
    /// A name in a folder means something else now, or nothing.
    Entry(Ino, Name),
}

/// Why an operation fails, in words of no platform.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Fault {
    #[error("no such file or folder")]
    NotFound,
    #[error("exists already")]
    Exists,
    #[error("not a folder")]
    NotDir,
    #[error("is a folder")]
    IsDir,
    #[error("folder is not empty")]
    NotEmpty,
    #[error("invalid argument")]
    Invalid,
    #[error("the name is not UTF-8")]
    IllegalName,
    #[error("name too long")]
    NameTooLong,
    #[error("no space left")]
    NoSpace,
    #[error("read-only")]
    ReadOnly,
    #[error("permission denied")]
    Denied,
    #[error("not permitted")]
    NotPermitted,
    #[error("handle is not open, or not for this")]
    BadHandle,
    #[error("file too big")]
    TooBig,
    #[error("no data there")]
    NoData,
    #[error("not supported")]
    NotSupported,
    /// The bytes are at the remote, which can't be reached.
    #[error("the remote can't be reached")]
    Offline,
    #[error("input/output error")]
    Io,
}

impl From<crate::node::BadName> for Fault {
    fn from(e: crate::node::BadName) -> Self {
        match e {
            crate::node::BadName::TooLong => Fault::NameTooLong,
            crate::node::BadName::Reserved => Fault::Invalid,
            crate::node::BadName::NotUtf8 => Fault::IllegalName,
        }
    }
}

/// What an operation on the drive answers.
pub type Result<T> = std::result::Result<T, Fault>;

/// The extended attribute that says how a node stands: `synced`, `modified`, `uploading`, `new`, or `online` for a
/// file that is synced and of which nothing is on this machine. It is in no list of attributes, so that programs
/// that copy files with all their attributes do not copy it.
pub const STATE: &str = "user.lacuna.state";

/// The extended attribute that is `1` for what is kept on this machine and `0` for all else; in no list either.
pub const PINNED: &str = "user.lacuna.pinned";

/// The drive. See the module's text for how adapters use it.
#[async_trait]
pub trait Vfs: Send + Sync + 'static {
    /// Finds a name in a folder; the kernel holds one more reference to the node, given back by `forget`.
    async fn lookup(&self, parent: Ino, name: &Name) -> Result<Attr>;

    /// The folder that a folder is in (the root: itself). Takes no reference.
    async fn parent(&self, ino: Ino) -> Result<Ino>;

    /// Gives back `n` references.
    fn forget(&self, ino: Ino, n: u64);

    /// The attributes.
    async fn getattr(&self, ino: Ino) -> Result<Attr>;

    /// Changes attributes; answers the new ones. A handle that may write allows a new length.
    async fn setattr(&self, ino: Ino, handle: Option<Handle>, set: SetAttr) -> Result<Attr>;

    /// Where a link leads.
    async fn readlink(&self, ino: Ino) -> Result<String>;

    /// Makes a folder (one reference, as `lookup`).
    async fn mkdir(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr>;

    /// Makes a symbolic link (one reference).
    async fn symlink(&self, parent: Ino, name: &Name, target: &str, caller: Caller) -> Result<Attr>;

    /// Makes an empty file without opening it (one reference).
    async fn mknod(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr>;

    /// Makes and opens a file (one reference). Fails with [`Fault::Exists`] if the name is taken.
    async fn create(
        &self,
        parent: Ino,
        name: &Name,
        mode: u32,
        caller: Caller,
        options: OpenOptions,
    ) -> Result<(Attr, Handle)>;

    /// Removes a name that is no folder's. Open handles go on working.
    async fn unlink(&self, parent: Ino, name: &Name) -> Result<()>;

    /// Removes an empty folder.
    async fn rmdir(&self, parent: Ino, name: &Name) -> Result<()>;

    /// Moves a name.
    async fn rename(&self, from: (Ino, &Name), to: (Ino, &Name), mode: RenameMode) -> Result<()>;

    /// Opens a file. Moves no bytes.
    async fn open(&self, ino: Ino, options: OpenOptions) -> Result<Handle>;

    /// Reads up to the end of the file: shorter than `range` only there.
    async fn read(&self, handle: Handle, range: Range<u64>) -> Result<Bytes>;

    /// Writes all of `data`; when it returns, the bytes survive the death of this process.
    fn write(&self, handle: Handle, at: At, data: &[u8]) -> Result<()>;

    /// A descriptor of the file was closed; there may be others.
    fn flush(&self, handle: Handle) -> Result<()>;

    /// What was written survives power loss when it returns.
    async fn fsync(&self, handle: Handle) -> Result<()>;

    /// What was done in this folder survives power loss when it returns.
    async fn fsyncdir(&self, ino: Ino) -> Result<()>;

    /// The last descriptor of the handle was closed.
    fn release(&self, handle: Handle);

    /// Entries after `cookie` (0: from the first), about `limit` of them, without `.` and `..`; none: the
    /// end. Takes no references.
    async fn readdir(&self, ino: Ino, cookie: u64, limit: usize) -> Result<Vec<DirEntry>>;

    /// Takes a reference, as `lookup` does, for an entry that was given to a kernel with its attributes.
    fn remember(&self, ino: Ino);

    /// Space.
    async fn statfs(&self) -> Result<StatFs>;

    /// Changes the space of a range.
    async fn fallocate(&self, handle: Handle, how: Allocate, range: Range<u64>) -> Result<()>;

    /// Finds data or a hole at or after a byte. [`Fault::NoData`] past the end.
    async fn lseek(&self, handle: Handle, from: u64, what: Seek) -> Result<u64>;

    /// An extended attribute of a node by its full name; [`Fault::NoData`] if it has none of it. There are two,
    /// which say how it stands with the remote and can only be read: [`STATE`] and [`PINNED`].
    async fn getxattr(&self, ino: Ino, name: &str) -> Result<String>;

    /// Whether bytes may be written at all.
    fn read_only(&self) -> bool;

    /// Who is to be told of [`Invalidate`]; called from any thread, must not block.
    fn subscribe(&self, sink: Arc<dyn Fn(Invalidate) + Send + Sync>);
}
