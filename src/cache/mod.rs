//! How much of a drive's files is on this machine, and what goes when it is too much.
//!
//! [`Ledger`] keeps what each staged file takes, in memory, told by the files themselves as they change;
//! [`plan`] decides which files' clean bytes go. [`vfs::core`](crate::vfs::core) does it.
//!
//! The limit is kept by clean bytes: before fetched bytes are kept, room is made for them, and where there
//! is none they are handed to the reader and not kept. Bytes that the remote has not, and those of pinned
//! files, are never dropped, so that a drive can take more than its limit by these.

mod ledger;
pub mod plan;

pub use ledger::{Ledger, Room};

/// The limit of a drive whose user set none, bytes.
pub const DEFAULT_LIMIT: u64 = 20 << 30;
