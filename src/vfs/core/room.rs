//! Room in the cache, and the pinned files that are exempt from it.

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use super::{Core, error_fault, fault_error, io::RESERVE, lock};
use crate::{
    cache::plan::{self, Cached},
    error::{Error, Kind, Result},
    node::Ino,
    read::{Keeper, PIECE},
    staging::StagedFile,
};

/// What a program writes in one call at most, bytes.
const MAX_WRITE: u64 = 1 << 20;

/// What was pinned when the tree's places were counted so.
#[derive(Default)]
pub(super) struct Pins {
    places: Option<u64>,
    all: Arc<HashSet<Ino>>,
}

impl Core {
    /// Everything that is pinned. Kept until the tree changes.
    pub(crate) fn all_pinned(&self) -> Result<Arc<HashSet<Ino>>> {
        let places = self.ns.places();
        let mut pins = lock(&self.pins);
        if pins.places != Some(places) {
            pins.all = Arc::new(self.ns.all_pinned()?);
            pins.places = Some(places);
        }
        Ok(pins.all.clone())
    }

    /// Whether a file is kept by the user's wish. If that can't be told, it is: nothing is dropped by mistake.
    fn is_pinned(&self, ino: Ino) -> bool {
        self.all_pinned().map_or(true, |all| all.contains(&ino))
    }

    /// Drops clean bytes, least recently used first, until `more` fit, as far as there are any. `coming`: the
    /// bytes for which room is made, of which file; of that one they only go if no others are left, and what lies
    /// around stays.
    pub(crate) fn make_room(&self, more: u64, coming: Option<(Ino, &Range<u64>)>) -> Result<()> {
        let _turn = lock(&self.making_room);
        let ledger = self.staging.ledger();
        let Some((need, beyond)) = ledger.excess(more) else { return Ok(()) };
        let pinned = self.all_pinned()?;
        let mut files = Vec::new();
        for (ino, bytes, used) in ledger.files() {
            files.push(Cached { ino, clean: bytes, used, pinned: pinned.contains(&ino) });
        }
        for file in &mut files {
            if let Some(live) = self.dirty_file(file.ino)
                && live.is_marked()
            {
                file.clean = file.clean.saturating_sub(live.staged.dirty_bytes());
            }
        }
        let current = coming.map(|(ino, _)| ino);
        let mut freed = 0;
        for ino in plan::choose(files, current, need, beyond) {
            match self.drop_clean(ino) {
                Ok(bytes) => freed += bytes,
                // Others may do.
                Err(e) => tracing::warn!(%ino, error = ?e, "bytes that may go stay"),
            }
        }
        if let Some((ino, coming)) = coming
            && ledger.excess(more).is_some()
            && !pinned.contains(&ino)
            && let Some(file) = self.dirty_file(ino)
        {
            let kept = plan::keep_around(coming, ledger.limit().unwrap_or(u64::MAX));
            freed += file.staged.evict_but(kept)?;
        }
        if freed > 0 {
            tracing::debug!(freed, "made room in the cache");
            self.news.tell();
        }
        Ok(())
    }

    /// Fetches the next piece of a pinned file's missing bytes, from the byte `from` on. Answers where to go on;
    /// `None`: all of it is here (or it is no longer wanted).
    pub(crate) async fn fetch_pinned(self: &Arc<Self>, ino: Ino, from: u64) -> Result<Option<u64>> {
        if !self.is_pinned(ino) {
            return Ok(None);
        }
        let file = self.staged(ino).map_err(|f| fault_error(f).at(self.shown(ino)))?;
        let Some((piece, base, epoch)) = file.staged.next_gap(from, PIECE) else { return Ok(None) };
        let keeper: Arc<dyn Keeper> = self.clone();
        let need = [piece.clone()];
        let fetched = file.fetches.fetch(&self.remote, &keeper, &file.staged, base, epoch, &need, 0).await;
        fetched.map_err(|e| e.again().at(self.shown(ino)))?;
        if file.staged.next_gap(piece.start, 1).is_some_and(|(gap, ..)| gap.start == piece.start)
            && self.is_pinned(ino)
        {
            let place = self.cache_dir.join("staging");
            return Err(Error::new(Kind::NoSpace, "a pinned file's bytes can't be kept on this machine")
                .remedy("free space on the disk that holds this folder, or unpin something")
                .at(place.display()));
        }
        Ok(Some(piece.end))
    }

    /// How little is free on the cache's disk, bytes, if it is too little for programs to go on writing.
    pub(crate) fn no_space(&self) -> Option<u64> {
        fs4::available_space(&self.cache_dir).ok().filter(|free| *free < RESERVE + MAX_WRITE)
    }

    /// Whether all bytes of a file are here, as far as can be told without opening it.
    pub(crate) fn is_whole(&self, ino: Ino, size: u64) -> bool {
        self.staging.ledger().bytes_of(ino) >= size
    }

    fn shown(&self, ino: Ino) -> String {
        self.ns.path(ino).unwrap_or_else(|| format!("node {ino}"))
    }
}

impl Keeper for Core {
    fn keep(&self, file: &StagedFile, epoch: u64, offset: u64, bytes: &[u8]) -> Result<()> {
        let ledger = self.staging.ledger();
        let (ino, len) = (file.ino(), bytes.len() as u64);
        let mut room = ledger.reserve(len);
        if room.is_none() {
            let coming = offset..offset.saturating_add(len);
            if let Err(e) = self.make_room(len, Some((ino, &coming))) {
                error_fault(ino, &e);
            }
            room = ledger.reserve(len);
        }
        if room.is_none() && !self.is_pinned(ino) {
            // All the room there is is taken by what must stay. The reader has the bytes.
            return Ok(());
        }
        let kept = file.fill(epoch, offset, bytes);
        self.news.tell();
        kept
    }

    fn came(&self, under_way: u64, took: Duration) {
        lock(&self.pace).came(under_way, took);
    }
}
