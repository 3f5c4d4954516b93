//! Folder listings: `.` is at offset 1, `..` at 2, the entries at their cookies.

use fuser::{INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use super::{
    shared::{GENERATION, KEEP, Shared},
    translate,
};
use crate::{
    node::Ino,
    vfs::{self, Attr},
};

/// How many entries are asked for at a time; the kernel's buffers hold some 25 to 250.
const BATCH: usize = 128;

/// A reply that takes entries until it is full.
pub trait Listing {
    /// Adds one; false if it has no room.
    fn add(&mut self, s: &Shared, offset: u64, name: &str, attr: &Attr) -> bool;
}

impl Listing for ReplyDirectory {
    fn add(&mut self, _s: &Shared, offset: u64, name: &str, attr: &Attr) -> bool {
        !ReplyDirectory::add(self, INodeNo(attr.ino.0), offset, translate::kind(attr.kind), name)
    }
}

impl Listing for ReplyDirectoryPlus {
    fn add(&mut self, s: &Shared, offset: u64, name: &str, attr: &Attr) -> bool {
        let (ino, shown) = (INodeNo(attr.ino.0), s.show(attr));
        let added = !ReplyDirectoryPlus::add(self, ino, offset, name, &KEEP, &shown, GENERATION);
        // The kernel gives back a reference for each entry it was given, before we hear that it has it:
        // take it first. It takes none for these two.
        if added && offset > 2 {
            s.vfs.remember(attr.ino);
        }
        added
    }
}

/// Fills `reply` with what comes after `offset`.
pub async fn fill(s: &Shared, dir: Ino, offset: u64, reply: &mut (impl Listing + Send)) -> vfs::Result<()> {
    if offset < 1 && !reply.add(s, 1, ".", &s.vfs.getattr(dir).await?) {
        return Ok(());
    }
    if offset < 2 {
        let parent = s.vfs.parent(dir).await?;
        if !reply.add(s, 2, "..", &s.vfs.getattr(parent).await?) {
            return Ok(());
        }
    }
    let mut cookie = if offset <= 2 { 0 } else { offset };
    let mut some = offset < 2;
    loop {
        let entries = match s.vfs.readdir(dir, cookie, BATCH).await {
            Ok(entries) => entries,
            // What is in the reply has its references: give it, the next request meets the fault again.
            Err(_) if some => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            if !reply.add(s, entry.cookie, entry.name.as_str(), &entry.attr) {
                return Ok(());
            }
            cookie = entry.cookie;
            some = true;
        }
    }
}
