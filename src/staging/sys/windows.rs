//! Windows: sparse files and holes by control codes of the file system.
#![allow(unsafe_code)]

use std::{
    ffi::c_void,
    fs::File,
    io,
    ops::Range,
    os::windows::{
        ffi::OsStrExt,
        fs::FileExt,
        io::{AsRawHandle, RawHandle},
    },
    path::Path,
    ptr,
};

use windows_sys::Win32::{
    Foundation::{
        ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, GetLastError, NO_ERROR,
        SetLastError,
    },
    Storage::FileSystem::{GetCompressedFileSizeW, INVALID_FILE_SIZE},
    System::{
        IO::DeviceIoControl,
        Ioctl::{FILE_ZERO_DATA_INFORMATION, FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA},
    },
};

/// Sends a control code; `false` where the file system does not know it.
fn control(handle: RawHandle, code: u32, input: *const c_void, len: u32) -> io::Result<bool> {
    let mut returned = 0;
    // SAFETY: the handle is open for the length of the call, `input` points to `len` readable bytes (or is
    // null with 0), there is no output buffer, and the call is synchronous (no OVERLAPPED).
    let done = unsafe {
        DeviceIoControl(handle, code, input, len, ptr::null_mut(), 0, &mut returned, ptr::null_mut())
    };
    if done != 0 {
        return Ok(true);
    }
    let e = io::Error::last_os_error();
    match e.raw_os_error().map(|n| n as u32) {
        Some(ERROR_INVALID_FUNCTION | ERROR_NOT_SUPPORTED | ERROR_INVALID_PARAMETER) => Ok(false),
        _ => Err(e),
    }
}

pub(super) fn make_sparse(file: &File) -> io::Result<()> {
    // FAT has no sparse files: all works, but holes take space.
    control(file.as_raw_handle(), FSCTL_SET_SPARSE, ptr::null(), 0).map(|_| ())
}

pub(super) fn punch(file: &File, range: Range<u64>) -> io::Result<bool> {
    let (Ok(start), Ok(end)) = (i64::try_from(range.start), i64::try_from(range.end)) else {
        return Ok(false);
    };
    let input = FILE_ZERO_DATA_INFORMATION { FileOffset: start, BeyondFinalZero: end };
    let len = size_of_val(&input) as u32;
    control(file.as_raw_handle(), FSCTL_SET_ZERO_DATA, ptr::from_ref(&input).cast(), len)
}

pub(super) fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buf, at)
}

/// Appends to `bytes`, which are those from the byte `at` on, until they are `len`, or as many as one call reads.
pub(super) fn append_at(file: &File, bytes: &mut Vec<u8>, len: usize, at: u64) -> io::Result<usize> {
    let have = bytes.len();
    bytes.resize(len, 0);
    let read = read_at(file, &mut bytes[have..], at + have as u64);
    bytes.truncate(have + *read.as_ref().unwrap_or(&0));
    read
}

pub(super) fn write_at(file: &File, data: &[u8], at: u64) -> io::Result<usize> {
    file.seek_write(data, at)
}

pub(super) fn allocated(path: &Path) -> io::Result<u64> {
    let wide: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut high = 0;
    // SAFETY: `wide` is a NUL-terminated string and `high` a writable number, both outlive the call.
    // INVALID_FILE_SIZE is an error only if the last error says so, which is cleared before.
    let (low, error) = unsafe {
        SetLastError(NO_ERROR);
        let low = GetCompressedFileSizeW(wide.as_ptr(), &mut high);
        (low, GetLastError())
    };
    if low == INVALID_FILE_SIZE && error != NO_ERROR {
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    Ok(u64::from(high) << 32 | u64::from(low))
}

pub(super) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(()) // NTFS journals its names; a folder can't be flushed
}
