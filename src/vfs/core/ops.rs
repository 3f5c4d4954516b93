//! [`Drive operations`](Vfs) over [`Core`]: each only names the part that does it.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::Core;
use crate::{
    node::{Ino, Kind, Name},
    vfs::{
        Allocate, At, Attr, Caller, DirEntry, Fault, Handle, Invalidate, OpenOptions, RenameMode, Result,
        Seek, SetAttr, StatFs, Vfs,
    },
};

/// Unit of the sizes in [`StatFs`], bytes.
const BLOCK: u32 = 4096;

/// [`Core`] as adapters see it. A type of its own because its operations outlive the call that started
/// them and so hold the core themselves.
#[derive(Clone)]
pub struct CoreVfs(pub Arc<Core>);

#[async_trait]
impl Vfs for CoreVfs {
    async fn lookup(&self, parent: Ino, name: &Name) -> Result<Attr> {
        let node = self.0.find(parent, name).await?;
        self.0.reference(node.ino);
        Ok(self.0.attr(&node))
    }

    async fn parent(&self, ino: Ino) -> Result<Ino> {
        Ok(self.0.ns.node(ino)?.parent.unwrap_or(Ino::ROOT))
    }

    fn forget(&self, ino: Ino, n: u64) {
        self.0.unreference(ino, n);
    }

    async fn getattr(&self, ino: Ino) -> Result<Attr> {
        Ok(self.0.attr(&self.0.ns.node(ino)?))
    }

    async fn setattr(&self, ino: Ino, handle: Option<Handle>, set: SetAttr) -> Result<Attr> {
        self.0.set_attr(ino, handle, set)
    }

    async fn readlink(&self, ino: Ino) -> Result<String> {
        self.0.ns.node(ino)?.target.ok_or(Fault::Invalid)
    }

    async fn mkdir(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr> {
        self.0.make(parent, name, Kind::Dir, mode, None, caller).await
    }

    async fn symlink(&self, parent: Ino, name: &Name, target: &str, caller: Caller) -> Result<Attr> {
        self.0.make(parent, name, Kind::Symlink, 0o777, Some(target), caller).await
    }

    async fn mknod(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr> {
        self.0.make(parent, name, Kind::File, mode, None, caller).await
    }

    async fn create(
        &self,
        parent: Ino,
        name: &Name,
        mode: u32,
        caller: Caller,
        options: OpenOptions,
    ) -> Result<(Attr, Handle)> {
        self.0.make_and_open(parent, name, mode, caller, options).await
    }

    async fn unlink(&self, parent: Ino, name: &Name) -> Result<()> {
        self.0.remove(parent, name, false).await
    }

    async fn rmdir(&self, parent: Ino, name: &Name) -> Result<()> {
        self.0.remove(parent, name, true).await
    }

    async fn rename(&self, from: (Ino, &Name), to: (Ino, &Name), mode: RenameMode) -> Result<()> {
        self.0.move_name(from, to, mode).await
    }

    async fn open(&self, ino: Ino, options: OpenOptions) -> Result<Handle> {
        self.0.open_file(ino, options)
    }

    async fn read(&self, handle: Handle, range: Range<u64>) -> Result<Bytes> {
        self.0.read_bytes(handle, range).await
    }

    fn write(&self, handle: Handle, at: At, data: &[u8]) -> Result<()> {
        self.0.write_bytes(handle, at, data)
    }

    fn flush(&self, handle: Handle) -> Result<()> {
        self.0.close_descriptor(handle)
    }

    async fn fsync(&self, handle: Handle) -> Result<()> {
        self.0.sync_file(handle).await
    }

    async fn fsyncdir(&self, ino: Ino) -> Result<()> {
        self.0.sync_dir(ino).await
    }

    fn release(&self, handle: Handle) {
        self.0.release_handle(handle);
    }

    async fn readdir(&self, ino: Ino, cookie: u64, limit: usize) -> Result<Vec<DirEntry>> {
        let dir = self.0.ns.node(ino)?;
        if dir.parent.is_none() && ino != Ino::ROOT {
            // Removed while open: it has no entries any more.
            return Ok(Vec::new());
        }
        self.0.listed(ino).await?;
        let children = self.0.ns.children(ino, cookie, limit)?;
        Ok(children
            .into_iter()
            .map(|(cookie, node)| DirEntry { name: node.name.clone(), attr: self.0.attr(&node), cookie })
            .collect())
    }

    fn remember(&self, ino: Ino) {
        self.0.reference(ino);
    }

    async fn statfs(&self) -> Result<StatFs> {
        // Unsent bytes need room on this machine, so that is the room there is.
        let (total, free) = fs4::statvfs(&self.0.cache_dir)
            .map(|s| (s.total_space(), s.available_space()))
            .map_err(|_| Fault::Io)?;
        Ok(StatFs {
            block: BLOCK,
            blocks: total / u64::from(BLOCK),
            free: free / u64::from(BLOCK),
            files: self.0.ns.count().map_err(|_| Fault::Io)?,
        })
    }

    async fn fallocate(&self, handle: Handle, how: Allocate, range: Range<u64>) -> Result<()> {
        self.0.allocate(handle, how, range)
    }

    async fn lseek(&self, handle: Handle, from: u64, what: Seek) -> Result<u64> {
        self.0.seek(handle, from, what)
    }

    async fn getxattr(&self, ino: Ino, name: &str) -> Result<String> {
        self.0.shown_attribute(ino, name)
    }

    fn read_only(&self) -> bool {
        self.0.read_only
    }

    fn subscribe(&self, sink: Arc<dyn Fn(Invalidate) + Send + Sync>) {
        self.0.add_sink(sink);
    }
}
