//! The drive's answers as replies to the kernel, where the answer is all that the reply needs. Those that hold
//! attributes are in [`Shared`](super::shared::Shared), which notes something of them.

use fuser::{Errno, ReplyData, ReplyEmpty, ReplyLseek, ReplyStatfs, ReplyWrite, ReplyXattr};

use super::translate::errno;
use crate::{
    node::Name,
    vfs::{Fault, Result, StatFs},
};

pub fn empty(reply: ReplyEmpty, answer: Result<()>) {
    match answer {
        Ok(()) => reply.ok(),
        Err(fault) => reply.error(errno(fault)),
    }
}

pub fn data(reply: ReplyData, answer: Result<impl AsRef<[u8]>>) {
    match answer {
        Ok(bytes) => reply.data(bytes.as_ref()),
        Err(fault) => reply.error(errno(fault)),
    }
}

/// All `size` bytes were written or none.
pub fn written(reply: ReplyWrite, size: u32, answer: Result<()>) {
    match answer {
        Ok(()) => reply.written(size),
        Err(fault) => reply.error(errno(fault)),
    }
}

pub fn statfs(reply: ReplyStatfs, answer: Result<StatFs>) {
    // There is no bound to the number of nodes; programs want to see one.
    const FREE_NODES: u64 = 1 << 32;
    match answer {
        Ok(f) => reply.statfs(
            f.blocks,
            f.free,
            f.free,
            f.files.saturating_add(FREE_NODES),
            FREE_NODES,
            f.block,
            Name::MAX_BYTES as u32,
            f.block,
        ),
        Err(fault) => reply.error(errno(fault)),
    }
}

pub fn lseek(reply: ReplyLseek, answer: Result<u64>) {
    match answer.map(i64::try_from) {
        Ok(Ok(offset)) => reply.offset(offset),
        Ok(Err(_)) => reply.error(Errno::EOVERFLOW),
        Err(fault) => reply.error(errno(fault)),
    }
}

/// `size`: how many bytes the program has room for.
pub fn getxattr(reply: ReplyXattr, size: u32, answer: Result<String>) {
    match answer {
        // getxattr(2): a size of 0 asks for the length.
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(value.as_bytes()),
        Err(Fault::NoData) => reply.error(Errno::ENODATA),
        Err(fault) => reply.error(errno(fault)),
    }
}
