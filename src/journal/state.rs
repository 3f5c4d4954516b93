//! What a staged file is, as the pure fold of its records.

use super::{BootId, Record, VERSION};
use crate::{
    node::{Content, Ino, Time},
    ranges::RangeSet,
};

/// A staged file without its bytes.
///
/// Always: `dirty ⊆ present ⊆ 0..size`, and every byte at or after `base_limit` is dirty. (With
/// "dirty" is meant here what [`State::all_dirty`] answers.)
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct State {
    /// Whose; none before the header.
    pub ino: Option<Ino>,
    /// The last generation that was frozen.
    pub generation: u64,
    /// The content that shows through where nothing is present. None is as good as the empty one.
    pub base: Option<Content>,
    /// Up to where it may show through.
    pub base_limit: u64,
    /// Length, bytes.
    pub size: u64,
    /// As programs see and set it.
    pub mtime: Time,
    /// Last change of bytes or size.
    pub ctime: Time,
    /// What the data file holds.
    pub present: RangeSet,
    /// What the base has not, without what is in flight.
    pub dirty: RangeSet,
    /// The generation that is being flushed.
    pub flight: Option<Flight>,
    /// Clean bytes that the last sync found here: all that is believed of clean bytes after a reboot.
    pub trusted: RangeSet,
}

/// A flush between its instant and its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Its number.
    pub generation: u64,
    /// The file's size at that instant.
    pub size: u64,
    /// The smallest size since.
    pub low: u64,
    /// What was dirty at that instant and has not been cut off since.
    pub dirty: RangeSet,
    /// What it will be committed as, once the upload is complete.
    pub intent: Option<Content>,
    /// Power was lost meanwhile: its bytes may have been overwritten since its instant, unrecorded.
    pub doubtful: bool,
}

impl State {
    /// A file that is its base and nothing else.
    pub fn clean(ino: Ino, base: Option<Content>, mtime: Time) -> Self {
        let size = base.map_or(0, |b| b.size);
        State { ino: Some(ino), base, base_limit: size, size, mtime, ctime: mtime, ..State::default() }
    }

    /// Takes one more record in. Total: a record that makes no sense here changes nothing that matters.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Header { ino, generation, .. } => {
                *self = State { ino: Some(*ino), generation: *generation, ..State::default() };
            }
            Record::Base { content, limit, size } => {
                *self = State {
                    ino: self.ino,
                    generation: self.generation,
                    mtime: self.mtime,
                    ctime: self.ctime,
                    base: *content,
                    base_limit: *limit,
                    size: *size,
                    ..State::default()
                };
            }
            Record::Times { mtime, ctime } => (self.mtime, self.ctime) = (*mtime, *ctime),
            Record::Dirty(r) => {
                self.present.insert(r.clone());
                self.dirty.insert(r.clone());
            }
            Record::Write { range, now } => {
                let own = range.start.min(self.size)..range.end;
                self.size = self.size.max(range.end);
                self.present.insert(own.clone());
                self.dirty.insert(own);
                (self.mtime, self.ctime) = (*now, *now);
            }
            Record::Fill(r) => self.present.insert(r.start..r.end.min(self.size)),
            Record::Truncate { size, now } => self.truncate(*size, *now),
            Record::Evict => {
                self.present = self.all_dirty();
                self.trusted = RangeSet::new();
            }
            Record::Doubt => self.trusted = RangeSet::new(),
            Record::Freeze(generation) => {
                // A flight that a crash ended before its intent was known is not in the journal as such.
                let dirty = self.all_dirty();
                self.dirty = RangeSet::new();
                self.generation = *generation;
                self.flight = Some(Flight {
                    generation: *generation,
                    size: self.size,
                    low: self.size,
                    dirty,
                    intent: None,
                    doubtful: false,
                });
            }
            Record::Flight { generation, size, low, doubtful } => {
                self.flight = Some(Flight {
                    generation: *generation,
                    size: *size,
                    low: *low,
                    dirty: RangeSet::new(),
                    intent: None,
                    doubtful: *doubtful,
                });
            }
            Record::InFlight(r) => {
                if let Some(flight) = &mut self.flight {
                    flight.dirty.insert(r.clone());
                    self.present.insert(r.clone());
                }
            }
            Record::Intent { generation, content } => {
                if let Some(flight) = self.flight.as_mut().filter(|f| f.generation == *generation) {
                    flight.intent = Some(*content);
                }
            }
            Record::Commit { generation, content } => {
                if let Some(flight) = self.flight.take_if(|f| f.generation == *generation) {
                    self.base = Some(*content);
                    // What was cut off since and has grown again is zeros, and dirty.
                    self.base_limit = content.size.min(flight.low);
                    if flight.doubtful {
                        self.present.subtract(&flight.dirty);
                        self.present.union_with(&self.dirty);
                    }
                }
            }
            Record::Thaw(generation) => {
                if let Some(flight) = self.flight.take_if(|f| f.generation == *generation) {
                    self.dirty.union_with(&flight.dirty);
                }
            }
            Record::Sync { clean } => {
                let mut here = self.present.clone();
                here.subtract(&self.all_dirty());
                // Bytes overwritten since were doubted first, so what is left of `trusted` was synced before.
                self.trusted = if *clean { here } else { intersection(&self.trusted, &here) };
            }
        }
    }

    fn truncate(&mut self, size: u64, now: Time) {
        if size < self.size {
            self.present.truncate(size);
            self.dirty.truncate(size);
            self.base_limit = self.base_limit.min(size);
            if let Some(flight) = &mut self.flight {
                flight.low = flight.low.min(size);
                flight.dirty.truncate(size);
            }
            // `trusted` stays: it says what the last synced state believes, which still has the old size.
        } else {
            self.present.insert(self.size..size);
            self.dirty.insert(self.size..size);
        }
        self.size = size;
        (self.mtime, self.ctime) = (now, now);
    }

    /// After a reboot: clean bytes count only as far as they are trusted, and not at all if a doubt was
    /// recorded after the last sync.
    pub(super) fn settle(&mut self, doubt: bool) {
        if doubt {
            self.trusted = RangeSet::new();
        }
        if let Some(flight) = &mut self.flight {
            flight.doubtful = true;
        }
        let mut here = self.all_dirty();
        here.union_with(&intersection(&self.trusted, &self.present));
        self.present = here;
    }

    /// What the base has not: dirty since the last freeze, or in flight.
    pub fn all_dirty(&self) -> RangeSet {
        let mut all = self.dirty.clone();
        if let Some(flight) = &self.flight {
            all.union_with(&flight.dirty);
        }
        all
    }

    /// The parts of `r` that are present and not changed since the last freeze: the base's, or what will be
    /// the base's when the flight is committed.
    pub fn unchanged_parts(&self, r: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
        self.present.overlap(r).into_iter().flat_map(|p| self.dirty.gaps(p)).collect()
    }

    /// The parts of `r` that are present and the base's.
    pub fn clean_parts(&self, r: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
        let unchanged = self.unchanged_parts(r);
        match &self.flight {
            Some(flight) => unchanged.into_iter().flat_map(|p| flight.dirty.gaps(p)).collect(),
            None => unchanged,
        }
    }

    /// Whether the remote lacks anything of this file, as far as is known here.
    pub fn changed(&self) -> bool {
        self.flight.is_some() || !self.dirty.is_empty() || self.size != self.base.map_or(0, |b| b.size)
    }

    /// The records of a new journal that folds to this state, all of its data having been synced.
    pub fn snapshot(&self, boot: BootId) -> Vec<Record> {
        let ino = self.ino.unwrap_or(Ino(0));
        let mut records = vec![
            Record::Header { version: VERSION, ino, generation: self.generation, boot },
            Record::Base { content: self.base, limit: self.base_limit, size: self.size },
            Record::Times { mtime: self.mtime, ctime: self.ctime },
        ];
        records.extend(self.present.iter().map(Record::Fill));
        records.extend(self.dirty.iter().map(Record::Dirty));
        if let Some(f) = &self.flight {
            let Flight { generation, size, low, doubtful, .. } = *f;
            records.push(Record::Flight { generation, size, low, doubtful });
            records.extend(f.dirty.iter().map(Record::InFlight));
            records.extend(f.intent.map(|content| Record::Intent { generation: f.generation, content }));
        }
        records.push(Record::Sync { clean: true });
        records
    }

    /// What is wrong with it, if anything: a damaged journal must not be believed.
    pub fn fault(&self) -> Option<&'static str> {
        let within = |set: &RangeSet| set.iter().all(|r| r.end <= self.size);
        let dirty = self.all_dirty();
        if self.ino.is_none() {
            Some("has no header")
        } else if !within(&self.present) {
            Some("has bytes beyond its size")
        } else if !dirty.iter().all(|r| self.present.contains(r)) {
            Some("has changed bytes that it does not hold")
        } else if self.base_limit > self.base.map_or(0, |b| b.size).min(self.size) {
            Some("shows more of its base than there is")
        } else if !dirty.contains(self.base_limit..self.size) {
            Some("has bytes that are neither its own nor its base's")
        } else {
            None
        }
    }
}

/// The bytes in both.
pub(super) fn intersection(a: &RangeSet, b: &RangeSet) -> RangeSet {
    b.iter().flat_map(|r| a.overlap(r)).collect()
}
