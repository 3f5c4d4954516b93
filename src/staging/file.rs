//! One staged file: reading, writing, cutting, zeroing, filling.

use std::{
    io,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use super::{Env, Step, disk::Disk, frozen::Keep};
use crate::{
    error::{Error, Kind, Result},
    journal::{Log, Record, State},
    node::{Content, Ino, Time},
    ranges::RangeSet,
    vfs::{self, At, Fault, Seek},
};

/// The largest size of a file, bytes: what every platform's signed offsets can say.
const MAX_SIZE: u64 = i64::MAX as u64;

/// Fills are recorded in one go when there are this many ranges of them.
const PENDING: usize = 64;

/// A file as programs see it: a base with what has been fetched of it and what was changed since.
///
/// All calls are local and may come from any thread; one lock in it orders them. None waits for the
/// remote. A call that fails leaves size, times and all bytes outside of its range as they were.
pub struct StagedFile {
    pub(super) env: Arc<Env>,
    ino: Ino,
    /// For what outlives the caller's borrow: a frozen generation keeps its file alive.
    pub(super) me: Weak<StagedFile>,
    /// Protects everything about the file, its data file and its journal included. Never held together
    /// with another file's.
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) state: State,
    pub(super) log: Log,
    /// Opened when needed; never dropped once the file is unlinked.
    pub(super) disk: Option<Disk>,
    /// Fills that `state` has and the journal has not yet. Losing them costs a download.
    pub(super) pending: RangeSet,
    /// Which base fills must be of. Unique in the process.
    pub(super) epoch: u64,
    pub(super) frozen: Option<Keep>,
    /// Deleted from the folder: nothing is journaled any more.
    pub(super) unlinked: bool,
    /// Counts changes of the data file; `synced` is the count as of the last sync.
    pub(super) changes: u64,
    pub(super) synced: u64,
    /// A sync failed: the system may have forgotten which bytes it had still to write, so that a later
    /// sync that succeeds would prove nothing.
    pub(super) sync_failed: bool,
    /// The clean bytes that a power loss now could bring back as present: those trusted by any `Sync`
    /// that the journal on the disk might end with. More than `state.trusted` until the journal is synced.
    pub(super) believed: RangeSet,
    /// The journal on disk is not what `state` follows from, and must be begun anew before any change.
    pub(super) stale: bool,
    /// The folder's entries for the two files may not survive power loss.
    pub(super) fresh: bool,
    /// The journal is to be compacted when it is longer than this, bytes.
    pub(super) compact_at: u64,
}

impl Inner {
    pub(super) fn created(&mut self, disk: Disk) {
        self.disk = Some(disk);
        self.changes = 1;
        self.fresh = true;
    }

    pub(super) fn loaded(&mut self, rebooted: bool, synced: bool, believed: RangeSet) {
        self.stale = rebooted;
        self.believed = believed;
        // Whoever wrote it may have died before its bytes were synced.
        self.changes = u64::from(!synced);
        self.fresh = true;
    }
}

/// What a staged file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Coverage {
    /// The bytes that are here.
    pub present: RangeSet,
    /// The bytes that the base has not, those in flight included. They are all present.
    pub dirty: RangeSet,
    /// Whether a generation is frozen and neither committed nor thawed.
    pub in_flight: bool,
    /// The bytes of the generation in flight; part of `dirty`.
    pub sending: RangeSet,
    /// Whether the remote lacks anything: something is dirty or in flight, or the size is not the base's.
    /// (A file without a base counts as an edit of the empty content.)
    pub changed: bool,
}

/// What a read found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// All bytes up to the end of the range or of the file.
    Ready(Bytes),
    /// Fetch these bytes, [fill](StagedFile::fill) them in and read again.
    Missing {
        /// In order; they lie within the base.
        gaps: Vec<Range<u64>>,
        /// Where to fetch them.
        base: Content,
        /// For `fill`.
        epoch: u64,
    },
}

/// Bytes of a base that a reader has fetched: good for its read even if they are not kept.
#[derive(Clone, Default, Debug)]
pub struct Fetched {
    epoch: u64,
    parts: Vec<(u64, Bytes)>,
}

impl Fetched {
    /// Takes in parts, each with its offset, of the base that `epoch` means; those of another one go.
    pub fn add(&mut self, epoch: u64, parts: Vec<(u64, Bytes)>) {
        if epoch != self.epoch {
            *self = Fetched { epoch, parts: Vec::new() };
        }
        self.parts.extend(parts);
    }

    fn parts(&self) -> impl Iterator<Item = (Range<u64>, &Bytes)> {
        self.parts.iter().map(|(at, bytes)| (*at..at.saturating_add(bytes.len() as u64), bytes))
    }

    fn covers(&self, range: &Range<u64>) -> bool {
        self.parts().map(|(part, _)| part).collect::<RangeSet>().contains(range.clone())
    }

    /// Copies the bytes of `range` into `buf`, which is as long.
    fn copy(&self, range: &Range<u64>, buf: &mut [u8]) {
        for (part, bytes) in self.parts() {
            let both = part.start.max(range.start)..part.end.min(range.end);
            if both.start < both.end {
                let from = (both.start - part.start) as usize..(both.end - part.start) as usize;
                let to = (both.start - range.start) as usize..(both.end - range.start) as usize;
                buf[to].copy_from_slice(&bytes[from]);
            }
        }
    }
}

impl StagedFile {
    pub(super) fn new(env: Arc<Env>, ino: Ino, state: State, log: Log) -> Arc<StagedFile> {
        let inner = Inner {
            state,
            disk: None,
            pending: RangeSet::new(),
            epoch: next_epoch(),
            frozen: None,
            unlinked: false,
            changes: 0,
            synced: 0,
            sync_failed: false,
            believed: RangeSet::new(),
            stale: false,
            fresh: false,
            compact_at: env.compact.max(4 * log.len()),
            log,
        };
        Arc::new_cyclic(|me| StagedFile { env, ino, me: me.clone(), inner: Mutex::new(inner) })
    }

    /// Which file.
    pub fn ino(&self) -> Ino {
        self.ino
    }

    /// Length, bytes.
    pub fn size(&self) -> u64 {
        self.lock().state.size
    }

    /// As programs see and set it.
    pub fn mtime(&self) -> Time {
        self.lock().state.mtime
    }

    /// Last change of bytes or size.
    pub fn ctime(&self) -> Time {
        self.lock().state.ctime
    }

    /// The content that shows through where nothing is present.
    pub fn base(&self) -> Option<Content> {
        self.lock().state.base
    }

    /// What is here, and what of it is new.
    pub fn coverage(&self) -> Coverage {
        let i = self.lock();
        Coverage {
            present: i.state.present.clone(),
            dirty: i.state.all_dirty(),
            in_flight: i.state.flight.is_some(),
            sending: i.state.flight.as_ref().map(|f| f.dirty.clone()).unwrap_or_default(),
            changed: i.state.changed(),
        }
    }

    /// Whether the remote lacks anything of it: [`Coverage::changed`] without the ranges.
    pub fn is_changed(&self) -> bool {
        self.lock().state.changed()
    }

    /// How many bytes the base has not, those in flight included.
    pub fn dirty_bytes(&self) -> u64 {
        self.lock().state.all_dirty().bytes()
    }

    /// How many bytes are here.
    pub fn present_bytes(&self) -> u64 {
        self.lock().state.present.bytes()
    }

    /// The first bytes at or after `from` that are not here and in the base, at most `most` of them, with the
    /// base and the epoch for [`fill`](Self::fill).
    pub fn next_gap(&self, from: u64, most: u64) -> Option<(Range<u64>, Content, u64)> {
        let i = self.lock();
        let end = i.state.base_limit.min(i.state.size);
        let here = i.state.present.iter().skip_while(|r| r.end <= from);
        let mut gap = from..end;
        for r in here {
            if r.start > gap.start {
                gap.end = gap.end.min(r.start);
                break;
            }
            gap.start = r.end;
        }
        gap.end = gap.end.min(gap.start.saturating_add(most));
        let base = i.state.base?;
        (gap.start < gap.end).then_some((gap, base, i.epoch))
    }

    /// The generation that is frozen and neither committed nor thawed.
    pub fn in_flight(&self) -> Option<u64> {
        self.lock().state.flight.as_ref().map(|f| f.generation)
    }

    /// The parts of `range` that a read would have to fetch: not here, and in the base.
    pub fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let i = self.lock();
        let end = range.end.min(i.state.base_limit).min(i.state.size);
        if range.start >= end { Vec::new() } else { i.state.present.gaps(range.start..end) }
    }

    /// Writes all of `data` and answers where. When it returns the bytes survive the death of the process.
    pub fn write(&self, at: At, data: &[u8], now: Time) -> Result<Range<u64>> {
        let mut i = self.lock();
        let start = match at {
            At::Offset(start) => start,
            At::Append => i.state.size,
        };
        let range = start..self.within_max(start.checked_add(data.len() as u64))?;
        if data.is_empty() {
            return Ok(range);
        }
        (|| {
            self.prepare(&mut i, &range)?;
            self.env.at(Step::Data)?;
            self.disk(&mut i)?.write(data, start)?;
            self.append(&mut i, Record::Write { range: range.clone(), now })
        })()
        .map_err(|e| self.failed("write to the staged file", e))?;
        Ok(range)
    }

    /// Sets the size: cuts, or grows by zeros.
    pub fn truncate(&self, size: u64, now: Time) -> Result<()> {
        let mut i = self.lock();
        self.within_max(Some(size))?;
        // Cutting moves no bytes: what lies beyond the size counts as junk from then on, and the space is
        // given back at the next sync, when no crash can bring the old size back.
        (|| {
            self.prepare(&mut i, &(size..size))?;
            self.append(&mut i, Record::Truncate { size, now })
        })()
        .map_err(|e| self.failed("resize the staged file", e))
    }

    /// Makes a range zeros. If it ends beyond the file, the file grows to hold it or, without `grow`, only
    /// the part within it is meant.
    pub fn zero(&self, range: Range<u64>, grow: bool, now: Time) -> Result<()> {
        let mut i = self.lock();
        let end = if grow { self.within_max(Some(range.end))? } else { range.end.min(i.state.size) };
        let range = range.start..end;
        if range.start >= range.end {
            return Ok(());
        }
        (|| {
            self.prepare(&mut i, &range)?;
            self.env.at(Step::Data)?;
            self.disk(&mut i)?.zero(range.clone())?;
            self.append(&mut i, Record::Write { range, now })
        })()
        .map_err(|e| self.failed("zero bytes of the staged file", e))
    }

    /// Sets the time of the last change as programs see it.
    pub fn set_mtime(&self, mtime: Time) -> Result<()> {
        let mut i = self.lock();
        let ctime = i.state.ctime;
        (|| {
            self.reserve(&mut i, 1)?;
            self.append(&mut i, Record::Times { mtime, ctime })
        })()
        .map_err(|e| self.failed("set the time of the staged file", e))
    }

    /// Reads a range, clipped to the size.
    pub fn read(&self, range: Range<u64>) -> Result<Read> {
        self.read_with(range, &Fetched::default())
    }

    /// As [`read`](Self::read), taking what is not here from what was fetched, as far as it is still the base's.
    pub fn read_with(&self, range: Range<u64>, fetched: &Fetched) -> Result<Read> {
        let mut i = self.lock();
        let range = range.start..range.end.min(i.state.size);
        if range.start >= range.end {
            return Ok(Read::Ready(Bytes::new()));
        }
        let gaps = i.state.present.gaps(range.clone());
        if let (false, Some(base)) = (gaps.is_empty(), i.state.base) {
            let known = fetched.epoch == i.epoch && gaps.iter().all(|gap| fetched.covers(gap));
            if !known {
                return Ok(Read::Missing { gaps, base, epoch: i.epoch });
            }
        }
        let read = |i: &mut Inner| {
            let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut buf = self.disk(i)?.read(len, range.start)?;
            for gap in &gaps {
                fetched.copy(
                    gap,
                    &mut buf[(gap.start - range.start) as usize..(gap.end - range.start) as usize],
                );
            }
            Ok(Read::Ready(buf.into()))
        };
        read(&mut i).map_err(|e| self.failed("read the staged file", e))
    }

    /// Keeps bytes of the base, `data` from the byte `offset` on, as far as they are still missing. Does
    /// nothing if the base has changed since the read that answered `epoch`.
    pub fn fill(&self, epoch: u64, offset: u64, data: &[u8]) -> Result<()> {
        let mut i = self.lock();
        if epoch != i.epoch {
            return Ok(());
        }
        let end = offset.saturating_add(data.len() as u64).min(i.state.base_limit);
        if offset >= end {
            return Ok(());
        }
        (|| {
            self.ready(&mut i)?;
            for gap in i.state.present.gaps(offset..end) {
                self.env.at(Step::Data)?;
                let part = &data[(gap.start - offset) as usize..(gap.end - offset) as usize];
                i.changes += 1;
                self.disk(&mut i)?.write(part, gap.start)?;
                i.state.apply(&Record::Fill(gap.clone()));
                i.pending.insert(gap);
                self.account(&i);
            }
            if i.pending.iter().len() >= PENDING { self.save_fills(&mut i) } else { Ok(()) }
        })()
        .map_err(|e| self.failed("keep fetched bytes in the staged file", e))
    }

    /// Finds data or a hole at or after `from`. Every byte counts as data; the hole is at the end.
    pub fn seek(&self, from: u64, what: Seek) -> vfs::Result<u64> {
        let size = self.size();
        match what {
            _ if from >= size => Err(Fault::NoData),
            Seek::Data => Ok(from),
            Seek::Hole => Ok(size),
        }
    }

    /// Makes ready for `range` to be overwritten, zeroing what lies between the end and its start.
    ///
    /// The order matters: room in the journal (a full disk is noticed before anything is done), the old
    /// bytes of a frozen generation aside, trust in clean bytes taken away, unchanged bytes called dirty. A
    /// crash between any two leaves the content as it is.
    fn prepare(&self, i: &mut Inner, range: &Range<u64>) -> io::Result<()> {
        self.ready(i)?;
        let size = i.state.size;
        let touched = range.start.min(size)..range.end;
        let cut = range.start == range.end && range.end < size;
        if cut {
            return self.reserve(i, 1);
        }
        let unchanged = i.state.unchanged_parts(touched.clone());
        self.reserve(i, unchanged.len() + 2)?;
        self.save_old(i, &touched)?;
        if i.believed.touches(touched) {
            self.append(i, Record::Doubt)?;
            self.sync_log(i)?;
        }
        for part in unchanged {
            self.append(i, Record::Dirty(part))?;
        }
        i.changes += 1;
        if size < range.start {
            self.env.at(Step::Data)?;
            self.disk(i)?.zero(size..range.start)?;
        }
        Ok(())
    }

    /// Journals a record and takes it in. Fills that are not yet recorded go before it, so that the
    /// journal has all in the order of the memory.
    pub(super) fn append(&self, i: &mut Inner, record: Record) -> io::Result<()> {
        if !i.unlinked {
            self.env.at(Step::Record)?;
            let mut records: Vec<_> = i.pending.iter().map(Record::Fill).collect();
            records.push(record.clone());
            let last = records.len() - 1;
            // On a full disk the fills may be forgotten, which is always true to say.
            let appended = i.log.append(&records).or_else(|e| match last {
                0 => Err(e),
                _ => i.log.append(&records[last..]),
            });
            // What it left behind in the journal is not known.
            appended.inspect_err(|_| i.stale = true)?;
        }
        i.pending = RangeSet::new();
        i.state.apply(&record);
        self.account(i);
        if let Record::Sync { .. } = record {
            i.believed.union_with(&i.state.trusted);
        }
        Ok(())
    }

    /// Tells the drive what the file takes now.
    pub(super) fn account(&self, i: &Inner) {
        if !i.unlinked {
            self.env.ledger.set(self.ino, i.state.present.bytes());
        }
    }

    pub(super) fn save_fills(&self, i: &mut Inner) -> io::Result<()> {
        let records: Vec<_> = std::mem::take(&mut i.pending).iter().map(Record::Fill).collect();
        if i.unlinked || records.is_empty() { Ok(()) } else { i.log.append(&records) }
    }

    fn reserve(&self, i: &mut Inner, records: usize) -> io::Result<()> {
        self.ready(i)?;
        if i.unlinked {
            return Ok(());
        }
        self.env.at(Step::Reserve)?;
        i.log.reserve(records + i.pending.iter().len())
    }

    pub(super) fn disk<'a>(&self, i: &'a mut Inner) -> io::Result<&'a mut Disk> {
        match &mut i.disk {
            Some(disk) => Ok(disk),
            none => Ok(none.insert(Disk::open(&self.env.path(self.ino, "data"))?)),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn within_max(&self, end: Option<u64>) -> Result<u64> {
        end.filter(|&e| e <= MAX_SIZE)
            .ok_or_else(|| self.error(Kind::Invalid, "the file would be larger than 2^63 - 1 bytes"))
    }

    pub(super) fn error(&self, kind: Kind, cause: &str) -> Error {
        Error::new(kind, cause).at(self.env.path(self.ino, "data").display())
    }

    pub(super) fn failed(&self, doing: &str, e: io::Error) -> Error {
        let error = Error::io(doing, e).at(self.env.path(self.ino, "data").display());
        if error.kind() == Kind::NoSpace {
            return error.remedy("free space on the disk that holds this file");
        }
        error
    }
}

pub(super) fn next_epoch() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
