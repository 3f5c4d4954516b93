//! What staging needs of an operating system: sparse files, positioned reads and writes, holes.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(all(unix, not(target_os = "linux")))]
mod punchless;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as holes;
#[cfg(all(unix, not(target_os = "linux")))]
use punchless as holes;
#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as holes;
#[cfg(windows)]
use windows as platform;

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Range,
    path::Path,
};

/// Makes an empty sparse file, in place of an older one.
pub fn create_sparse(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    platform::make_sparse(&file)?;
    Ok(file)
}

/// Opens a file to read and write.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Reads `len` bytes from the byte `at` on; less than all only at the end of the file.
pub fn read(file: &File, len: usize, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        match platform::append_at(file, &mut bytes, len, at) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// Fills `buf` from the byte `at` on; less than all only at the end of the file.
pub fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match platform::read_at(file, &mut buf[done..], at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of `data` from the byte `at` on.
pub fn write_all_at(file: &File, data: &[u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < data.len() {
        match platform::write_at(file, &data[done..], at + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Gives the space of `range` back; it then reads as zeros. `false`: the file system can't, and nothing
/// was done. Must lie within the file.
pub fn punch(file: &File, range: Range<u64>) -> io::Result<bool> {
    if range.start >= range.end {
        return Ok(true);
    }
    holes::punch(file, range)
}

/// Makes `range` read as zeros, by a hole if possible. Must lie within the file.
pub fn zero(file: &File, range: Range<u64>) -> io::Result<()> {
    if punch(file, range.clone())? {
        return Ok(());
    }
    let zeros = vec![0; (range.end - range.start).min(1 << 20) as usize];
    let mut at = range.start;
    while at < range.end {
        let n = (range.end - at).min(zeros.len() as u64);
        write_all_at(file, &zeros[..n as usize], at)?;
        at += n;
    }
    Ok(())
}

/// How much space a file takes, bytes.
pub fn allocated(path: &Path) -> io::Result<u64> {
    platform::allocated(path)
}

/// Makes the names in a folder survive power loss.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    platform::sync_dir(path)
}
