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

pub(super) fn write_at(file: &File, data: &[u8], at: u64) -> io::Result<usize> {
    file.write_at(data, at)
}

pub(super) fn allocated(path: &Path) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.blocks() * 512)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
