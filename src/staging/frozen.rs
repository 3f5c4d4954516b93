//! One instant of a staged file, readable while programs write on.

use std::{fs, io, ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;

use super::{
    StagedFile, Step,
    disk::Disk,
    file::{Inner, next_epoch},
};
use crate::{
    error::{Kind, Result},
    journal::Record,
    node::{Content, Time},
    ranges::RangeSet,
    remote::{Composition, Source},
};

/// Clean bytes this near to dirty ones (bytes) are offered to the upload: it reads whole chunks.
const NEAR: u64 = 256 << 10;

/// Bytes are copied and read in pieces of this size, bytes; the lock is free between two of a read.
const PIECE: u64 = 1 << 20;

/// A generation of a staged file: its content at one instant.
pub struct Frozen {
    /// Its number, for [`StagedFile::commit`] and [`StagedFile::thaw`].
    pub generation: u64,
    /// The file's length at that instant, bytes.
    pub size: u64,
    /// The file's time at that instant.
    pub mtime: Time,
    /// The content, as an edit of the base. Its source can be read until the generation is committed or
    /// thawed, and keeps the file in memory.
    pub composition: Composition,
}

/// What the file keeps for a generation that may still be read.
pub(super) struct Keep {
    generation: u64,
    pub(super) size: u64,
    /// What may be read.
    pub(super) ranges: RangeSet,
    /// What of it has been overwritten since; the old bytes are in `side`, at the same offsets.
    saved: RangeSet,
    side: Option<Disk>,
    path: PathBuf,
}

impl Drop for Keep {
    fn drop(&mut self) {
        if self.side.take().is_some() {
            // What stays is removed when the folder is opened.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl StagedFile {
    /// Takes the file's content at this instant, to be uploaded; `None` if it is not changed. One at a time:
    /// fails with [`Kind::Busy`] if a generation is in flight (also after a crash), which must be
    /// committed or thawed first.
    pub fn freeze(&self) -> Result<Option<Arc<Frozen>>> {
        let mut i = self.lock();
        if i.state.flight.is_some() {
            return Err(self.error(Kind::Busy, "an upload of this file is still in flight"));
        }
        if !i.state.changed() {
            return Ok(None);
        }
        let generation = i.state.generation + 1;
        self.ready(&mut i)
            .and_then(|()| self.append(&mut i, Record::Freeze(generation)))
            .map_err(|e| self.failed("note the upload", e))?;
        let s = &i.state;
        let dirty = s.all_dirty();
        let mut local = RangeSet::new();
        for r in dirty.iter() {
            let near = r.start.saturating_sub(NEAR)..r.end.saturating_add(NEAR);
            for part in s.clean_parts(near) {
                local.insert(part);
            }
        }
        let mut ranges = dirty.clone();
        ranges.union_with(&local);
        let keep = Keep {
            generation,
            size: s.size,
            ranges,
            saved: RangeSet::new(),
            side: None,
            path: self.env.unique(self.ino(), "side"),
        };
        let (size, mtime, base, base_limit) = (s.size, s.mtime, s.base, s.base_limit);
        i.frozen = Some(keep);
        // `me` is alive while `self` is borrowed from it.
        let file = self.me.upgrade().ok_or_else(|| self.error(Kind::Other, "the file is being closed"))?;
        let source = Arc::new(Instant { file, generation });
        let composition = Composition { base, base_limit, size, dirty, local, source };
        Ok(Some(Arc::new(Frozen { generation, size, mtime, composition })))
    }

    /// The remote has committed a generation as `base`, which is the file's base from now on; what was
    /// changed since the freeze stays dirty. Need not survive power loss: then the generation is in flight
    /// again, with its [intent](Self::intent).
    pub fn commit(&self, generation: u64, base: Content) -> Result<()> {
        let mut i = self.lock();
        self.check_flight(&i, generation, base)
            .and_then(|()| self.ready(&mut i))
            .and_then(|()| self.append(&mut i, Record::Commit { generation, content: base }))
            .map_err(|e| self.failed("note the commit", e))?;
        i.epoch = next_epoch();
        i.frozen = None;
        if i.sync_failed && !i.state.changed() {
            // The remote has all of it, and what is here can't be relied on.
            match self.drop_clean(&mut i, 0..0) {
                Ok(_) => i.sync_failed = false,
                Err(e) => tracing::warn!(ino = self.ino().0, "bytes that failed to sync stay: {e}"),
            }
        }
        self.trust(&mut i);
        self.compact_if_long(&mut i, 1);
        Ok(())
    }

    /// The flush of a generation was given up: what it held is dirty as before.
    pub fn thaw(&self, generation: u64) -> Result<()> {
        let mut i = self.lock();
        if i.state.flight.as_ref().is_none_or(|f| f.generation != generation) {
            let cause = format!("generation {generation} is not in flight");
            return Err(self.error(Kind::Invalid, &cause));
        }
        self.ready(&mut i)
            .and_then(|()| self.append(&mut i, Record::Thaw(generation)))
            .map_err(|e| self.failed("note the end of the upload", e))?;
        i.frozen = None;
        Ok(())
    }

    /// The generation in flight whose upload was complete, and the content it was to be committed as. Also
    /// after a crash, even a power loss: then only the remote knows whether it was.
    pub fn intent(&self) -> Option<(u64, Content)> {
        let i = self.lock();
        i.state.flight.as_ref().and_then(|f| Some((f.generation, f.intent?)))
    }

    /// Before `range` is overwritten: puts those bytes aside that a frozen generation may still read.
    pub(super) fn save_old(&self, i: &mut Inner, range: &Range<u64>) -> io::Result<()> {
        let Some(mut keep) = i.frozen.take() else { return Ok(()) };
        let saved = (|| {
            for part in keep.ranges.overlap(range.clone()) {
                for todo in keep.saved.gaps(part) {
                    self.env.at(Step::SaveOld)?;
                    for piece in pieces(todo) {
                        let mut buf = vec![0; (piece.end - piece.start) as usize];
                        self.disk(i)?.read_into(&mut buf, piece.start)?;
                        let side = match &mut keep.side {
                            Some(side) => side,
                            none => none.insert(Disk::create(&keep.path)?),
                        };
                        side.write(&buf, piece.start)?;
                        keep.saved.insert(piece);
                    }
                }
            }
            Ok(())
        })();
        i.frozen = Some(keep);
        saved
    }

    /// Reads a piece of a frozen generation, with the lock held.
    fn read_frozen(&self, generation: u64, range: Range<u64>, buf: &mut [u8]) -> io::Result<()> {
        let mut i = self.lock();
        let keep = match i.frozen.take() {
            Some(keep) if keep.generation == generation => keep,
            other => {
                i.frozen = other;
                return Err(io::Error::other(format!("generation {generation} is over")));
            }
        };
        let read = (|| {
            if !keep.ranges.contains(range.clone()) {
                let what = format!("bytes {range:?} are not part of generation {generation}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            self.disk(&mut i)?.read_into(buf, range.start)?;
            for old in keep.saved.overlap(range.clone()) {
                let part = &mut buf[(old.start - range.start) as usize..(old.end - range.start) as usize];
                if let Some(side) = &keep.side {
                    side.read_into(part, old.start)?;
                }
            }
            Ok(())
        })();
        i.frozen = Some(keep);
        read
    }
}

/// The source of a composition.
struct Instant {
    file: Arc<StagedFile>,
    generation: u64,
}

impl Source for Instant {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let len = range.end.saturating_sub(range.start);
        let mut buf = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        for piece in pieces(range.clone()) {
            let part = (piece.start - range.start) as usize..(piece.end - range.start) as usize;
            self.file.read_frozen(self.generation, piece, &mut buf[part])?;
        }
        Ok(buf.into())
    }

    fn composed(&self, content: Content) -> io::Result<()> {
        self.file.settle(Some((self.generation, content)), false)
    }
}

impl Drop for Instant {
    fn drop(&mut self) {
        // Nobody can read it any more, so nothing need be put aside for it. Whether it was committed is
        // another question, which `commit` or `thaw` answers.
        let mut i = self.file.lock();
        if i.frozen.as_ref().is_some_and(|k| k.generation == self.generation) {
            i.frozen = None;
        }
    }
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    (range.start..range.end).step_by(PIECE as usize).map(move |at| at..range.end.min(at + PIECE))
}
