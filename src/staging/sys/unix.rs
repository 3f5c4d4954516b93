//! Unix: positioned reads and writes, blocks, folders that can be synced.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

pub(super) fn make_sparse(_: &File) -> io::Result<()> {
    Ok(()) // every file is
}

pub(super) fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buf, at)
}

/// Appends to `bytes`, which are those from the byte `at` on, until they are `len`, or as many as one call reads.
/// Into memory that nothing was written to yet: zeroing it first would cost as much as half of the reading.
pub(super) fn append_at(file: &File, bytes: &mut Vec<u8>, len: usize, at: u64) -> io::Result<usize> {
    let next = at + bytes.len() as u64;
    bytes.reserve_exact(len.saturating_sub(bytes.len()));
    Ok(rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), next)?)
}

pub(super) fn write_at(file: &File, data: &[u8], at: u64) -> io::Result<usize> {
    file.write_at(data, at)
}

pub(super) fn allocated(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.blocks() * 512)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
