//! Lacuna: remote storage as a drive whose files are gaps until they are touched. This page is the map.
//!
//! # The life of a read
//!
//! A kernel asks the adapter ([`mount`]), which asks the drive ([`vfs::Vfs`], done by [`vfs::core`]). A name
//! is looked up in the tree ([`namespace`], SQLite); a folder that was never listed is listed at the
//! remote first. Bytes come from the staged file ([`staging`]) where they are present; the gaps are
//! fetched from the base version ([`read`] asks [`remote::Remote::read`], which over [`xet`] fetches the
//! chunks that hold them), kept if there is room ([`cache`]), and read ahead of a program that reads in order. Opening does none of
//! this.
//!
//! # The life of a save
//!
//! 1. **write**: the bytes go into the staged sparse file, then the range into its journal
//!    ([`journal`]), then the program is answered. The tree knows that the file differs before that.
//! 2. **quiet**: [`flush::queue`] waits until the file has not changed for 2 s, at most 30 s.
//! 3. **freeze**: [`flush::run`] takes the dirty ranges of one instant. Programs go on writing; what they
//!    overwrite is copied aside first ([`staging`]).
//! 4. **compose**: the new content is put together from old chunks and the re-chunked windows around the
//!    dirty ranges; new chunks go up in xorbs, the file's list of segments in a shard ([`xet`]).
//! 5. **announce**: the new content's id is journaled, so that a lost answer is recognised.
//! 6. **commit**: [`remote::store`] puts the next object of the commit log, if it does not exist, saying
//!    "this node has this content, if it still was at that version". [`remote::hf`] asks what the Hub has, and
//!    then sends a batch.
//! 7. **settle**: the tree notes the version, the staged file's base becomes the new content, and what was
//!    written since the freeze stays dirty.
//!
//! # The life of somebody else's change
//!
//! [`sync::watch`] hears of a new commit and pulls it. [`namespace`] folds it in, deciding by pure functions
//! over what we had agreed on, what is here and what is there ([`sync::reconcile`]). Where both sides
//! changed a content, theirs gets the name and ours a conflicted copy beside it. The kernel is told what
//! to forget.
//!
//! # The life of a crash
//!
//! The tree is one SQLite transaction for each operation, the staged bytes have their journal: at the
//! start both are read back ([`vfs::core::Core::new`]), remote events are folded in, and only then is
//! anything flushed: a commit whose answer was lost shows up among the events under the content that was
//! announced, and is settled, not repeated. What each record means after a power loss is in [`journal`]; the tree
//! is synced before anything that rests on it is sent to the remote or removed for good (`vfs/core/bury.rs`).
//!
//! # Who holds what
//!
//! [`drive::Drive`] is one remote with its cache and its tasks. The agent holds drives and their
//! mounts; the command line and the desktop app talk to it through [`control`] alike. [`monitor`] is what
//! a drive shows of itself: offline, paused, problems, receipts; [`activity`] what it saved lately; [`news`]
//! tells those who look that there is something new to see. [`cache`] says what of fetched bytes goes when
//! they are too many, [`policy`] how fast bytes may move. [`account`] knows who is signed in where.
//!
//! The engine reads no environment, prints nothing and opens no window.
#![warn(missing_docs)]
#![deny(unused_must_use)]
#![deny(unsafe_code)]

pub mod account;
pub mod activity;
pub mod agent;
pub mod cache;
pub mod config;
pub mod control;
pub mod drive;
pub mod error;
pub mod flush;
pub mod health;
pub mod journal;
pub mod monitor;
pub mod mount;
pub mod namespace;
pub mod news;
pub mod node;
pub mod platform;
pub mod policy;
pub mod ranges;
pub mod read;
pub mod remote;
pub mod staging;
pub mod sync;
pub mod sys;
pub mod vfs;
pub mod xet;
