//! What survives a crash: the journal of one staged file.
//!
//! A journal is a chain of 64-byte [`Record`]s, each with a checksum over itself and its predecessor's
//! checksum. [`State`] is the fold of its records: the memory of a running process and the replay after
//! a crash are the same [`State::apply`], so they can't differ. Reading stops at the first record that
//! does not check; what follows was never answered for (or, after power loss, never synced).
//!
//! # What holds after a crash
//!
//! The bytes lie in a sparse file beside the journal, and neither is written in one step with the
//! other. Two facts are always kept:
//!
//! * A byte that the state calls *present* is there: data is written first, its record second.
//! * A byte that the state calls *clean* is the base's, and one that is in flight and not dirty again is
//!   the flight's: before such bytes are overwritten a [`Record::Dirty`] says that they are the file's own
//!   (they still hold the same bytes then, so nothing wrong is said whenever the process dies).
//!
//! **`kill -9`** loses nothing that was written to either file; only the call in progress may be half
//! done, inside the range it was to change. What lies in the data file outside of `present`, or at or
//! after `size`, is junk that nobody believes; growing the file zeroes it first.
//!
//! **Power loss** may lose or keep any page of either file since its last `fsync`. So after a reboot
//! the state is that of the last [`Record::Sync`], which says that all before it had been synced, and
//! later records are dropped. That is sound only if the data file still holds what that older state
//! believes of it:
//!
//! | it believes | later done in place | why it still holds |
//! |---|---|---|
//! | dirty bytes | overwritten, zeroed | old or new, the user wrote both |
//! | dirty bytes | cut off by a truncate | the data file is only cut after a later `Sync` is durable |
//! | dirty bytes | committed, then evicted or replaced by a newer base | `Evict` is synced before it punches; a new base starts a new journal, synced before anything is written |
//! | bytes in flight | overwritten | old or new; but the flight is then *doubtful*: once it is committed its bytes are not believed to be the new base's, and are fetched |
//! | clean bytes | overwritten, zeroed, evicted | clean bytes count only if *trusted*; a [`Record::Doubt`] or [`Record::Evict`] is synced first, and takes the trust away even though it comes after the last `Sync` |
//! | a gap | filled, written | a gap is believed to be nothing: the base is asked |
//! | a size | grown | what lies beyond the size is junk |
//! | a size | cut | as "cut off by a truncate" |
//! | a flush in flight | committed or given up | [`Record::Intent`] is part of a full sync, so whoever finds it asks the remote and says again which it was; a lost `Freeze` only means that no flush had begun. (A `Freeze` without `Intent` is over when it is replayed: its upload was not complete and died with its process.) |
//! | times | changed | the older times come back |
//!
//! A file that was never synced falls back to its base as a whole: a lost truncate must not empty it.
//! Clean bytes that were not trusted fall back to the base, which costs a download and no content.

mod log;
mod record;
mod replay;
mod state;

pub use log::Log;
pub use record::{RECORD, Record, VERSION, decode, encode};
pub use replay::{Damage, Replayed, replay};
pub use state::{Flight, State};

/// Names one run of the machine: changes at every boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootId(pub [u8; 32]);

impl BootId {
    /// From the operating system's text, whatever it looks like.
    pub fn new(text: &str) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(xet_core_structures::merklehash::compute_data_hash(text.as_bytes()).as_bytes());
        BootId(id)
    }
}
