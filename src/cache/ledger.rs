//! [`Ledger`]: what each staged file takes on this machine, and when it was last used.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::Notify;

use crate::node::{Ino, Time};

/// Some 40 bytes of memory for each file that has bytes here.
#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: u64,
    used: Time,
}

#[derive(Default)]
struct Inner {
    files: HashMap<Ino, Held>,
    /// The sum of `files`.
    bytes: u64,
    /// Bytes that are about to be kept.
    reserved: u64,
    limit: Option<u64>,
}

/// See the module's text. Bytes that are present count, holes do not; so do zeros that a program made by
/// growing a file, though most disks hold them for nothing.
#[derive(Default)]
pub struct Ledger {
    /// Moments only. Taken while a staged file is locked, so nothing is locked while it is held.
    inner: Mutex<Inner>,
    /// Rung when there is more than the limit.
    pub over: Notify,
}

/// Room for bytes that are about to be kept; given back when dropped, when they have been counted.
pub struct Room<'a>(&'a Ledger, u64);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.inner().reserved -= self.1;
    }
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A file of an earlier life of the process, last used at about `used`.
    pub(crate) fn found(&self, ino: Ino, used: Time) {
        self.inner().files.insert(ino, Held { bytes: 0, used });
    }

    /// What a file takes now.
    pub(crate) fn set(&self, ino: Ino, bytes: u64) {
        let mut inner = self.inner();
        let before = if bytes == 0 {
            inner.files.remove(&ino).map_or(0, |h| h.bytes)
        } else {
            let held = inner.files.entry(ino).or_insert_with(|| Held { bytes: 0, used: Time::now() });
            std::mem::replace(&mut held.bytes, bytes)
        };
        inner.bytes = inner.bytes - before + bytes;
        // Also if it takes no more than before: what was changed may have become clean.
        let over = inner.limit.is_some_and(|limit| inner.bytes > limit);
        drop(inner);
        if over {
            self.over.notify_one();
        }
    }

    /// A program opened or read the file.
    pub fn used(&self, ino: Ino, now: Time) {
        if let Some(held) = self.inner().files.get_mut(&ino) {
            held.used = now;
        }
    }

    /// Bytes of a file.
    pub fn bytes_of(&self, ino: Ino) -> u64 {
        self.inner().files.get(&ino).map_or(0, |h| h.bytes)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.inner().bytes
    }

    /// Bytes of some files.
    pub fn bytes_of_all<'a>(&self, inos: impl IntoIterator<Item = &'a Ino>) -> u64 {
        let inner = self.inner();
        inos.into_iter().filter_map(|ino| inner.files.get(ino)).map(|h| h.bytes).sum()
    }

    /// Each file with its bytes and when it was last used.
    pub fn files(&self) -> Vec<(Ino, u64, Time)> {
        self.inner().files.iter().map(|(ino, h)| (*ino, h.bytes, h.used)).collect()
    }

    /// Bytes that the drive may take; none: no limit.
    pub fn limit(&self) -> Option<u64> {
        self.inner().limit
    }

    /// Sets that.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.inner().limit = limit;
        self.over.notify_one();
    }

    /// Takes room for `bytes`, if there is as much.
    pub fn reserve(&self, bytes: u64) -> Option<Room<'_>> {
        let mut inner = self.inner();
        let fits = inner.limit.is_none_or(|limit| inner.bytes + inner.reserved + bytes <= limit);
        if !fits {
            return None;
        }
        inner.reserved += bytes;
        Some(Room(self, bytes))
    }

    /// How many bytes have to go so that `more` fit, and what may be freed beyond them at the same time, so
    /// that the next ones fit too.
    pub fn excess(&self, more: u64) -> Option<(u64, u64)> {
        let inner = self.inner();
        let limit = inner.limit?;
        let excess = (inner.bytes + inner.reserved + more).saturating_sub(limit);
        (excess > 0).then_some((excess, limit / 16))
    }

    /// The longest read-ahead that makes sense, bytes: what is read ahead shall not push itself out.
    pub fn ahead(&self, wanted: u64) -> u64 {
        self.limit().map_or(wanted, |limit| wanted.min(limit / 8))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_those_of_the_files(sets in prop::collection::vec((0u64..6, 0u64..100), 0..60)) {
            let ledger = Ledger::default();
            let mut model = [0u64; 6];
            for (ino, bytes) in sets {
                ledger.set(Ino(ino), bytes);
                model[ino as usize] = bytes;
                prop_assert_eq!(ledger.bytes(), model.iter().sum::<u64>());
                prop_assert_eq!(ledger.bytes_of(Ino(ino)), bytes);
            }
            prop_assert_eq!(ledger.files().len(), model.iter().filter(|b| **b > 0).count());
        }
    }

    #[test]
    fn room_is_taken_once_and_given_back() {
        let ledger = Ledger::default();
        assert!(ledger.reserve(u64::MAX / 2).is_some(), "without a limit there is room for anything");
        ledger.set_limit(Some(100));
        ledger.set(Ino(20), 40);
        let room = ledger.reserve(60).expect("it fits exactly");
        assert!(ledger.reserve(1).is_none());
        assert_eq!(ledger.excess(0), None);
        assert_eq!(ledger.excess(10), Some((10, 6)));
        drop(room);
        assert!(ledger.reserve(61).is_none());
        assert!(ledger.reserve(60).is_some());
    }
}
