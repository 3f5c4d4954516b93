//! The data file of one staged file: bytes, with no notion of which of them are believed.

use std::{fs::File, io, ops::Range, path::Path, sync::Arc};

use super::sys;

/// An open data file. What lies beyond its end reads as zeros.
#[derive(Debug)]
pub(super) struct Disk {
    file: Arc<File>,
    /// No byte at or after this one has ever been written (or it was cut off since).
    len: u64,
}

impl Disk {
    pub(super) fn create(path: &Path) -> io::Result<Disk> {
        Ok(Disk { file: Arc::new(sys::create_sparse(path)?), len: 0 })
    }

    pub(super) fn open(path: &Path) -> io::Result<Disk> {
        let file = sys::open(path)?;
        let len = file.metadata()?.len();
        Ok(Disk { file: Arc::new(file), len })
    }

    /// For syncing without holding the lock.
    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// `len` bytes from the byte `at` on.
    pub(super) fn read(&self, len: usize, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = sys::read(&self.file, len, at)?;
        bytes.resize(len, 0);
        Ok(bytes)
    }

    pub(super) fn read_into(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        let n = sys::read_at(&self.file, buf, at)?;
        buf[n..].fill(0);
        Ok(())
    }

    pub(super) fn write(&mut self, data: &[u8], at: u64) -> io::Result<()> {
        // Before, because a write that fails may have done a part.
        self.len = self.len.max(at + data.len() as u64);
        sys::write_all_at(&self.file, data, at)
    }

    /// Makes `range` read as zeros.
    pub(super) fn zero(&mut self, range: Range<u64>) -> io::Result<()> {
        sys::zero(&self.file, range.start..range.end.min(self.len))
    }

    /// Gives space back; answers whether that was possible. The bytes are zeros then, or as they were.
    pub(super) fn punch(&self, range: Range<u64>) -> io::Result<bool> {
        sys::punch(&self.file, range.start..range.end.min(self.len))
    }

    /// Cuts the file off at `len`, if it is longer.
    pub(super) fn trim(&mut self, len: u64) -> io::Result<()> {
        if self.len > len {
            self.file.set_len(len)?;
            self.len = len;
        }
        Ok(())
    }
}
