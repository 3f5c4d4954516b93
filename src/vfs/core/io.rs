//! Bytes: open, read, write, sync.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Core, error_fault, lock};
use crate::{
    node::{Ino, Kind, Time},
    read::Keeper,
    staging::{Fetched, Read},
    vfs::{Allocate, At, Fault, Handle, OpenOptions, Result, Seek},
};

/// The largest file, bytes: what every system's signed 64-bit offsets can say.
const MAX_SIZE: u64 = i64::MAX as u64;

/// Left free on the cache's disk for the tree, the journals and what the remote keeps here, bytes.
pub(super) const RESERVE: u64 = 8 << 20;

impl Core {
    pub(super) fn open_file(&self, ino: Ino, options: OpenOptions) -> Result<Handle> {
        let node = self.ns.node(ino)?;
        if node.kind == Kind::Dir {
            return Err(Fault::IsDir);
        }
        if options.write || options.truncate {
            self.writable()?;
        }
        if options.truncate && self.attr(&node).size > 0 {
            let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
            self.change(ino, |file| file.truncate(0, Time::now()))?;
        }
        self.staging.ledger().used(ino, Time::now());
        Ok(self.open_handle(ino, options))
    }

    pub(super) async fn read_bytes(self: &Arc<Self>, handle: Handle, range: Range<u64>) -> Result<Bytes> {
        let open = self.open_of(handle)?;
        if !open.options.read {
            return Err(Fault::BadHandle);
        }
        let file = self.staged(open.ino)?;
        let ledger = self.staging.ledger();
        ledger.used(open.ino, Time::now());
        let ahead = lock(&open.ahead).note(&range);
        let ahead = ledger.ahead(ahead.min(lock(&self.pace).limit()));
        let keeper: Arc<dyn Keeper> = self.clone();
        // What was fetched serves this read even where there was no room to keep it.
        let mut fetched = Fetched::default();
        // It can be lost to a new base; a few rounds are plenty, and an endless one would hang the program.
        for _ in 0..16 {
            match file.staged.read_with(range.clone(), &fetched).map_err(|e| error_fault(open.ino, &e))? {
                Read::Ready(bytes) => {
                    if ahead > 0 {
                        file.fetches.ahead(&self.remote, &keeper, &file.staged, range.end, ahead);
                    }
                    return Ok(bytes);
                }
                Read::Missing { gaps, base, epoch } => {
                    let parts = file
                        .fetches
                        .fetch(&self.remote, &keeper, &file.staged, base, epoch, &gaps, ahead)
                        .await
                        .map_err(|e| error_fault(open.ino, &e))?;
                    fetched.add(epoch, parts);
                }
            }
        }
        Err(Fault::Io)
    }

    pub(super) fn write_bytes(&self, handle: Handle, at: At, data: &[u8]) -> Result<()> {
        let open = self.open_of(handle)?;
        if !open.options.write {
            return Err(Fault::BadHandle);
        }
        if let At::Offset(at) = at
            && at.checked_add(data.len() as u64).is_none_or(|end| end > MAX_SIZE)
        {
            return Err(Fault::TooBig);
        }
        // Removing files must work on a full disk, and takes a little room in the tree's database.
        let full =
            || fs4::available_space(&self.cache_dir).is_ok_and(|free| free < RESERVE + data.len() as u64);
        // What was removed a moment ago makes room.
        if full() && (self.bury().is_err() || full()) {
            self.news.tell();
            return Err(Fault::NoSpace);
        }
        let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
        self.change(open.ino, |file| file.write(at, data, Time::now()).map(drop))
    }

    pub(super) async fn sync_file(self: &Arc<Self>, handle: Handle) -> Result<()> {
        let open = self.open_of(handle)?;
        let core = self.clone();
        let ino = open.ino;
        crate::read::blocking(move || {
            if let Some(file) = core.dirty_file(ino) {
                file.staged.sync()?;
            }
            core.ns.sync()
        })
        .await
        .map_err(|e| error_fault(ino, &e))
    }

    pub(super) async fn sync_dir(self: &Arc<Self>, ino: Ino) -> Result<()> {
        let core = self.clone();
        crate::read::blocking(move || core.ns.sync()).await.map_err(|e| error_fault(ino, &e))
    }

    pub(super) fn allocate(&self, handle: Handle, how: Allocate, range: Range<u64>) -> Result<()> {
        let open = self.open_of(handle)?;
        if !open.options.write {
            return Err(Fault::BadHandle);
        }
        if range.start >= range.end {
            return Err(Fault::Invalid);
        }
        if range.end > MAX_SIZE {
            return Err(Fault::TooBig);
        }
        let _gate = self.gate.read().unwrap_or_else(|e| e.into_inner());
        let size = self.staged(open.ino)?.staged.size();
        let now = Time::now();
        match how {
            // Space is the cache disk's matter; bytes that no one wrote take none.
            Allocate::Reserve => Ok(()),
            Allocate::Extend if range.end <= size => Ok(()),
            Allocate::Extend => self.change(open.ino, |file| file.truncate(range.end, now)),
            Allocate::PunchHole | Allocate::ZeroKeepSize => {
                let range = range.start..range.end.min(size);
                if range.start >= range.end {
                    return Ok(());
                }
                self.change(open.ino, |file| file.zero(range, false, now))
            }
            Allocate::Zero => self.change(open.ino, |file| file.zero(range, true, now)),
        }
    }

    /// Frees a file's bytes that the remote has too, of a file that nobody uses with its journal. Answers how
    /// many; what an operating system has of it in memory stays.
    pub(super) fn drop_clean(&self, ino: Ino) -> crate::error::Result<u64> {
        let freed = match self.dirty_file(ino) {
            Some(file) => file.staged.evict()?,
            // Where the commit of these bytes was not durable, a power loss would leave a file that has changed and
            // has none.
            None => match self.ns.sync().and_then(|()| self.staging.discard(ino))? {
                // Perhaps somebody looks at it just now.
                0 => self.staging.get(ino)?.map_or(Ok(0), |file| file.evict())?,
                freed => freed,
            },
        };
        self.close_if_idle(ino);
        Ok(freed)
    }

    /// Frees a file's bytes that the remote has too; answers how many.
    pub(crate) fn evict(&self, ino: Ino) -> crate::error::Result<u64> {
        let freed = self.drop_clean(ino)?;
        if freed > 0 {
            self.news.tell();
        }
        // What an operating system still has of it in memory goes too, also what was read without being kept:
        // evicted means gone from here.
        if freed > 0 || self.is_referenced(ino) {
            self.emit(crate::vfs::Invalidate::Node(ino));
        }
        Ok(freed)
    }

    /// Generations of before the last end that the remote's events did not show committed: their bytes
    /// are dirty again.
    pub(crate) fn thaw_leftovers(&self) {
        if let Err(e) = self.ns.nothing_sent() {
            tracing::warn!(error = ?e, "forgetting what was sent before");
        }
        for (ino, file) in self.files() {
            let _mark = file.mark();
            if let Some(generation) = file.staged.in_flight()
                && let Err(e) = file.staged.thaw(generation)
            {
                error_fault(ino, &e);
            }
        }
    }

    pub(super) fn seek(&self, handle: Handle, from: u64, what: Seek) -> Result<u64> {
        let open = self.open_of(handle)?;
        self.staged(open.ino)?.staged.seek(from, what)
    }

    /// A descriptor was closed. The bytes are in the staged file and the journal since `write`; closing
    /// needs to do nothing for them.
    pub(super) fn close_descriptor(&self, handle: Handle) -> Result<()> {
        self.open_of(handle).map(drop)
    }

    pub(super) fn release_handle(&self, handle: Handle) {
        let open = lock(&self.handles).remove(&handle.0);
        if let Some(open) = open {
            let ino = open.ino;
            drop(open);
            self.closed(ino);
        }
    }
}
