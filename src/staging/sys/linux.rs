//! Linux: holes by `fallocate(2)`.

use std::{fs::File, io, ops::Range};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

pub(super) fn punch(file: &File, range: Range<u64>) -> io::Result<bool> {
    loop {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(file, flags, range.start, range.end - range.start) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
    }
}
