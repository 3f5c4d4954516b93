//! The file that holds a journal.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{RECORD, Record, encode};
use crate::staging::sys;

/// Room is made in steps of this many bytes.
const STEP: u64 = 4096;

/// A journal that can be appended to. Its descriptor is opened when it is needed.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    /// Where the next record goes. What lies behind it in the file is no successor of the last record.
    len: u64,
    /// Checksum of the last record.
    chain: u32,
    /// The last record, if it was a write, and the checksum of the one before it.
    last: Option<(Record, u32)>,
    /// Up to where the file has its space already, so that appending can't fail for want of it.
    room: u64,
    /// Up to where it has been synced.
    durable: u64,
}

impl Log {
    /// Begins a journal in place; a crash may leave it torn, and then nothing has been answered for.
    pub fn create(path: PathBuf, records: &[Record]) -> io::Result<Log> {
        let file = File::create(&path)?;
        let mut log = Log { path, file: Some(file), len: 0, chain: 0, last: None, room: 0, durable: 0 };
        log.append(records)?;
        Ok(log)
    }

    /// A journal that was read: `len` bytes of it count, the last record's checksum is `chain`. How
    /// much of it was synced is not known.
    pub fn reopen(path: PathBuf, len: u64, chain: u32) -> Log {
        Log { path, file: None, len, chain, last: None, room: 0, durable: 0 }
    }

    /// Length, bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no record is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How much of it survives power loss, bytes.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Makes room for `records` more records and some to spare, so that a full disk is noticed before
    /// anything is done. The spare room is for the records that free space: freeze, commit, evict.
    pub fn reserve(&mut self, records: usize) -> io::Result<()> {
        let need = self.len + (records * RECORD) as u64 + STEP;
        if need <= self.room {
            return Ok(());
        }
        let end = need.next_multiple_of(STEP);
        let from = self.room.max(self.len);
        // Zeros are no record, so replay ends before them.
        let zeros = vec![0; usize::try_from(end - from).map_err(io::Error::other)?];
        sys::write_all_at(self.open()?, &zeros, from)?;
        self.room = end;
        Ok(())
    }

    /// Appends all of `records` or, as far as the caller can tell, none.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        if let (Some((last, chain)), [next]) = (&self.last, records)
            && let Some(both) = merged(last, next)
        {
            return self.put(self.len - RECORD as u64, *chain, &[both]);
        }
        self.put(self.len, self.chain, records)
    }

    fn put(&mut self, at: u64, mut chain: u32, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(records.len() * RECORD);
        let mut last = None;
        for r in records {
            last = matches!(r, Record::Write { .. }).then(|| (r.clone(), chain));
            encode(r, &mut chain, &mut bytes);
        }
        sys::write_all_at(self.open()?, &bytes, at)?;
        self.len = at + bytes.len() as u64;
        self.durable = self.durable.min(at);
        (self.chain, self.last) = (chain, last);
        Ok(())
    }

    /// Makes what was appended survive power loss.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.durable != self.len {
            self.open()?.sync_data()?;
            self.durable = self.len;
        }
        Ok(())
    }

    /// Replaces the journal by `records`, durably and in one step: after a crash it is the old or the new.
    pub fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let tmp = self.path.with_extension("tmp");
        let new = (|| {
            let mut new = Log::create(tmp.clone(), records)?;
            new.sync()?;
            Ok::<_, io::Error>(new)
        })();
        let mut new = match new {
            Ok(new) => new,
            Err(e) => {
                let _ = fs::remove_file(&tmp);
                return Err(e);
            }
        };
        // Some systems do not rename a file that is open, or onto one that is.
        new.file = None;
        self.file = None;
        fs::rename(&tmp, &self.path)?;
        new.path = std::mem::take(&mut self.path);
        *self = new;
        sys::sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }

    /// Drops the descriptor.
    pub fn close(&mut self) {
        self.file = None;
        // Room is not known to be there when the file is opened again: a tail is cut off then.
        self.room = 0;
    }

    fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
            // Cuts a torn tail, and spare room that nobody needs now.
            file.set_len(self.len)?;
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| io::Error::other("the journal is closed"))
    }
}

/// One record for two writes of which the second goes on where the first ended, so that copying a file in
/// costs one record and not one for each call. It takes the first one's place, in the same page: whatever
/// a crash leaves there is one of the two, and the bytes of both are there before.
fn merged(last: &Record, next: &Record) -> Option<Record> {
    match (last, next) {
        (Record::Write { range: a, .. }, Record::Write { range: b, now })
            if a.start <= b.start && b.start <= a.end && a.end <= b.end =>
        {
            Some(Record::Write { range: a.start..b.end, now: *now })
        }
        _ => None,
    }
}
