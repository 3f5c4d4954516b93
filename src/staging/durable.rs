//! One staged file: syncing, compacting its journal, evicting, following a new base, going idle.

use std::{io, ops::Range};

use super::{
    StagedFile, Step,
    file::{Inner, next_epoch},
};
use crate::{
    error::Result,
    journal::{Record, State},
    node::Content,
    ranges::RangeSet,
};

impl StagedFile {
    /// Makes everything that was written so far survive power loss: data first, then the journal.
    pub fn sync(&self) -> Result<()> {
        self.settle(None, false).map_err(|e| self.failed("sync the staged file", e))
    }

    /// Syncs all; `intent` is recorded with it. `clean`: bytes of the base shall be trusted, too.
    pub(super) fn settle(&self, intent: Option<(u64, Content)>, clean: bool) -> io::Result<()> {
        // Once without the lock, so that programs can write meanwhile, then again for what they wrote.
        let (file, seen) = {
            let mut i = self.lock();
            self.ready(&mut i)?;
            if i.sync_failed {
                return Err(io::Error::other("an earlier sync failed, so bytes may have been lost"));
            }
            let seen = i.changes;
            let todo = i.synced != seen && !i.unlinked;
            (if todo { Some(self.disk(&mut i)?.file()) } else { None }, seen)
        };
        if let Some(file) = file {
            self.env.at(Step::DataSync)?;
            file.sync_data().inspect_err(|_| self.lock().sync_failed = true)?;
        }
        let mut i = self.lock();
        if intent.is_none() && i.synced == i.changes && i.log.durable() == i.log.len() && !i.fresh && !clean {
            return Ok(()); // nothing since the last time
        }
        if let Some((generation, content)) = intent {
            self.check_flight(&i, generation, content)?;
        }
        if i.changes == seen {
            i.synced = seen;
        }
        self.sync_data(&mut i)?;
        if let Some((generation, content)) = intent {
            self.append(&mut i, Record::Intent { generation, content })?;
        }
        self.append(&mut i, Record::Sync { clean })?;
        self.sync_log(&mut i)?;
        // The old size can't come back now, so the space beyond the new one can be given back.
        let end = i.state.size.max(i.frozen.as_ref().map_or(0, |f| f.size));
        if let Err(e) = self.disk(&mut i)?.trim(end) {
            tracing::warn!(ino = self.ino().0, "staged bytes beyond the end stay on the disk: {e}");
        }
        self.compact_if_long(&mut i, 1);
        Ok(())
    }

    /// Syncs the data file, with the lock held.
    fn sync_data(&self, i: &mut Inner) -> io::Result<()> {
        if i.synced != i.changes && !i.unlinked {
            self.env.at(Step::DataSync)?;
            let file = self.disk(i)?.file();
            file.sync_data().inspect_err(|_| i.sync_failed = true)?;
            i.synced = i.changes;
        }
        Ok(())
    }

    /// Syncs the journal (and the first time the names of both files), with the lock held.
    pub(super) fn sync_log(&self, i: &mut Inner) -> io::Result<()> {
        if i.unlinked {
            return Ok(());
        }
        self.env.at(Step::LogSync)?;
        // The system may forget what it failed to write, so only a new journal is sure after that.
        i.log.sync().inspect_err(|_| i.stale = true)?;
        i.believed = i.state.trusted.clone();
        if std::mem::take(&mut i.fresh) {
            super::sys::sync_dir(&self.env.dir).inspect_err(|_| i.fresh = true)?;
        }
        Ok(())
    }

    /// Before anything is changed: begins the journal anew if it tells of times before a reboot, or is
    /// far too long.
    pub(super) fn ready(&self, i: &mut Inner) -> io::Result<()> {
        if i.stale {
            return self.compact(i);
        }
        self.compact_if_long(i, 64);
        Ok(())
    }

    /// Compacts a journal that is `times` as long as it may be. Failing to is no failure of the caller's.
    pub(super) fn compact_if_long(&self, i: &mut Inner, times: u64) {
        if i.log.len() > times * i.compact_at
            && let Err(e) = self.compact(i)
        {
            tracing::warn!(ino = self.ino().0, "the journal could not be compacted: {e}");
            i.compact_at = i.log.len(); // not at every call
        }
    }

    fn compact(&self, i: &mut Inner) -> io::Result<()> {
        if i.unlinked {
            i.stale = false;
            return Ok(());
        }
        if i.sync_failed {
            return Err(io::Error::other("an earlier sync failed"));
        }
        self.sync_data(i)?;
        self.rewrite(i)
    }

    /// Begins the journal anew with the state as it is, all of which must have been synced.
    fn rewrite(&self, i: &mut Inner) -> io::Result<()> {
        self.env.at(Step::Rewrite)?;
        i.log.rewrite(&i.state.snapshot(self.env.boot))?;
        self.env.at(Step::Rewritten)?;
        i.state.apply(&Record::Sync { clean: true });
        i.pending = RangeSet::new();
        i.compact_at = self.env.compact.max(4 * i.log.len());
        i.believed = i.state.trusted.clone();
        (i.stale, i.fresh) = (false, false);
        Ok(())
    }

    /// Follows the remote: the file becomes `base` (none: empty), of which nothing is here. Answers
    /// `false`, having done nothing, if it was changed on this machine. Survives power loss.
    pub fn rebase(&self, base: Option<Content>) -> Result<bool> {
        let mut i = self.lock();
        if i.state.changed() {
            return Ok(false);
        }
        if i.state.base == base {
            return Ok(true);
        }
        let new = State { generation: i.state.generation, ..State::clean(self.ino(), base, i.state.mtime) };
        let old = std::mem::replace(&mut i.state, new);
        if !i.unlinked
            && let Err(e) = self.rewrite(&mut i)
        {
            i.state = old;
            // Whether the new journal took its place is not known, so it is written again before anything
            // else is done: the old state is as good as the new, nothing of either being changed here.
            i.stale = true;
            return Err(self.failed("follow the remote's new version", e));
        }
        i.epoch = next_epoch();
        i.pending = RangeSet::new();
        self.account(&i);
        let drop = self.disk(&mut i).and_then(|d| d.trim(0));
        if let Err(e) = drop {
            tracing::warn!(ino = self.ino().0, "the old version's bytes stay on the disk: {e}");
        }
        Ok(true)
    }

    /// Gives back the space of all bytes that can be fetched again. Answers how many were given back.
    pub fn evict(&self) -> Result<u64> {
        self.evict_but(0..0)
    }

    /// The same, but for those in `keep`.
    pub fn evict_but(&self, keep: Range<u64>) -> Result<u64> {
        let mut i = self.lock();
        self.drop_clean(&mut i, keep).map_err(|e| self.failed("free the space of fetched bytes", e))
    }

    pub(super) fn drop_clean(&self, i: &mut Inner, keep: Range<u64>) -> io::Result<u64> {
        let dirty = i.state.all_dirty();
        let mut clean = i.state.present.clone();
        clean.subtract(&dirty);
        let kept = clean.overlap(keep.clone());
        clean.remove(keep);
        if clean.is_empty() {
            return Ok(0);
        }
        self.ready(i)?;
        // The last synced state may still call some of these bytes dirty (a commit is not synced), so
        // this one must be durable before they go. If nothing stays, there is no data to sync for that.
        if !dirty.is_empty() {
            self.sync_data(i)?;
        }
        self.append(i, Record::Evict)?;
        // What stays was perhaps never synced, so it is not trusted for it.
        let synced = kept.is_empty();
        for part in kept {
            self.append(i, Record::Fill(part))?;
        }
        self.append(i, Record::Sync { clean: synced })?;
        self.sync_log(i)?;
        self.env.at(Step::Punch)?;
        let mut freed = 0;
        if let Some(keep) = &i.frozen {
            // Bytes that a frozen generation may still read stay, unbelieved.
            clean.subtract(&keep.ranges);
        } else if i.state.present.is_empty() {
            self.disk(i)?.trim(0)?;
            return Ok(clean.bytes());
        }
        let disk = self.disk(i)?;
        for r in clean.iter() {
            if disk.punch(r.clone())? {
                freed += r.end - r.start;
            }
        }
        Ok(freed)
    }

    /// Nobody uses the file for now: makes what was fetched survive a reboot, if it is much, and drops the
    /// descriptors. Whoever still has the file can go on using it.
    pub(crate) fn close_idle(&self) {
        let unsaved = {
            let i = self.lock();
            let mut clean = i.state.present.clone();
            clean.subtract(&i.state.all_dirty());
            clean.subtract(&i.state.trusted);
            clean.bytes()
        };
        if unsaved >= self.env.worth_a_sync
            && let Err(e) = self.settle(None, true)
        {
            tracing::debug!(ino = self.ino().0, "fetched bytes may have to be fetched again: {e}");
        }
        self.rest();
    }

    /// The same without waiting for the disk: what was fetched survives the death of the process.
    pub(crate) fn rest(&self) {
        let mut i = self.lock();
        let saved = self.save_fills(&mut i);
        if let Err(e) = saved {
            tracing::debug!(ino = self.ino().0, "fetched bytes may have to be fetched again: {e}");
        }
        self.trust(&mut i);
        self.compact_if_long(&mut i, 1);
        if !i.unlinked {
            i.disk = None;
            i.log.close();
        }
    }

    /// If the data file happens to be synced, says so, which costs one record and makes clean bytes last
    /// over a reboot.
    pub(super) fn trust(&self, i: &mut Inner) {
        let news = i.state.trusted.bytes() + i.state.all_dirty().bytes() != i.state.present.bytes();
        if i.synced == i.changes && !i.sync_failed && !i.stale && news {
            // Failing costs a download after a reboot.
            let _ = self.append(i, Record::Sync { clean: true });
        }
    }

    /// Cuts the file loose from its folder, which forgets it.
    pub(super) fn unlink(&self) {
        let mut i = self.lock();
        if let Err(e) = self.disk(&mut i) {
            tracing::warn!(ino = self.ino().0, "a removed file's bytes can't be read any more: {e}");
        }
        i.unlinked = true;
        i.log.close();
    }

    /// Refuses a generation that is not in flight, or a content that can't be it.
    pub(super) fn check_flight(&self, i: &Inner, generation: u64, content: Content) -> io::Result<()> {
        match &i.state.flight {
            Some(f) if f.generation == generation && f.size == content.size => Ok(()),
            Some(f) if f.generation == generation => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("generation {generation} has {} bytes, not {}", f.size, content.size),
            )),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("generation {generation} is not in flight"),
            )),
        }
    }
}
