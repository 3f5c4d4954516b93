//! What the requests of one session share: the drive, and what the adapter itself has to remember.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use fuser::{FopenFlags, Generation, ReplyAttr, ReplyEntry};

use super::{
    invalidate::Queue,
    translate::{self, SET_ID, errno},
};
use crate::{
    node::{Ino, Kind, Name},
    vfs::{self, At, Attr, Caller, Handle, OpenOptions, SetAttr, Vfs},
};

/// How long the kernel may keep names and attributes: the drive tells of every change from elsewhere.
/// Names that do not exist are not kept at all, so a file made elsewhere never stays unseen.
pub const KEEP: Duration = Duration::from_secs(24 * 3600);

/// Inodes are never reused, so one generation does.
pub const GENERATION: Generation = Generation(0);

/// What requests that have moved to the runtime need.
pub struct Shared {
    pub vfs: Arc<dyn Vfs>,
    pub runtime: tokio::runtime::Handle,
    invalidations: Arc<Queue>,
    /// Nodes last seen with a set-id bit. Ordinary users' writes all ask to take these bits away, and
    /// nearly no file has one: only for these is the drive asked.
    set_id: RwLock<HashSet<Ino>>,
    /// What the kernel has open; none once the session is over.
    open: Mutex<Option<HashSet<Handle>>>,
}

impl Shared {
    pub fn new(vfs: Arc<dyn Vfs>, runtime: tokio::runtime::Handle, invalidations: Arc<Queue>) -> Self {
        Shared {
            vfs,
            runtime,
            invalidations,
            set_id: RwLock::default(),
            open: Mutex::new(Some(HashSet::new())),
        }
    }

    /// The session is over. The kernel drops what it has not sent when the last mount goes, a release may
    /// be among it: give back what is still open.
    pub fn close(&self) {
        let open = self.open.lock().unwrap_or_else(|e| e.into_inner()).take();
        for handle in open.into_iter().flatten() {
            self.vfs.release(handle);
        }
    }

    /// Attributes for the kernel; notes who has set-id bits.
    pub fn show(&self, attr: &Attr) -> fuser::FileAttr {
        let marked = attr.kind == Kind::File && attr.mode & SET_ID != 0;
        let known = self.set_id.read().unwrap_or_else(|e| e.into_inner()).contains(&attr.ino);
        if marked != known {
            let mut set = self.set_id.write().unwrap_or_else(|e| e.into_inner());
            if marked {
                set.insert(attr.ino);
            } else {
                set.remove(&attr.ino);
            }
        }
        translate::attr(attr)
    }

    /// Notes that the kernel gets this handle. After the end of the session nobody would give it back.
    fn opened(&self, handle: Handle) {
        match &mut *self.open.lock().unwrap_or_else(|e| e.into_inner()) {
            Some(open) => drop(open.insert(handle)),
            None => self.vfs.release(handle),
        }
    }

    pub fn released(&self, handle: Handle) {
        if let Some(open) = &mut *self.open.lock().unwrap_or_else(|e| e.into_inner()) {
            open.remove(&handle);
        }
        self.vfs.release(handle);
    }

    pub fn has_set_id(&self, ino: Ino) -> bool {
        self.set_id.read().unwrap_or_else(|e| e.into_inner()).contains(&ino)
    }

    pub fn entry(&self, reply: ReplyEntry, answer: vfs::Result<Attr>) {
        match answer {
            Ok(attr) => reply.entry(&KEEP, &self.show(&attr), GENERATION),
            Err(fault) => reply.error(errno(fault)),
        }
    }

    pub fn attr(&self, reply: ReplyAttr, answer: vfs::Result<Attr>) {
        match answer {
            Ok(attr) => reply.attr(&KEEP, &self.show(&attr)),
            Err(fault) => reply.error(errno(fault)),
        }
    }

    /// Who owns what is made in `parent`: in a folder with the set-group-id bit the folder's group, and a
    /// folder made there has the bit too (inode(7)).
    async fn owner(&self, parent: Ino, caller: Caller) -> vfs::Result<(Caller, u32)> {
        let parent = self.vfs.getattr(parent).await?;
        if parent.mode & 0o2000 == 0 {
            return Ok((caller, 0));
        }
        Ok((Caller { gid: parent.gid, ..caller }, 0o2000))
    }

    pub async fn make(
        &self,
        parent: Ino,
        name: vfs::Result<Name>,
        what: Make<'_>,
        caller: Caller,
    ) -> vfs::Result<Attr> {
        let name = name?;
        let (caller, set_group) = self.owner(parent, caller).await?;
        match what {
            Make::Dir(mode) => self.vfs.mkdir(parent, &name, mode | set_group, caller).await,
            Make::File(mode) => self.vfs.mknod(parent, &name, mode, caller).await,
            Make::Symlink(target) => self.vfs.symlink(parent, &name, target, caller).await,
        }
    }

    pub async fn create(
        &self,
        parent: Ino,
        name: vfs::Result<Name>,
        mode: u32,
        caller: Caller,
        options: OpenOptions,
    ) -> vfs::Result<(Attr, Handle)> {
        let name = name?;
        let (caller, _) = self.owner(parent, caller).await?;
        let (attr, handle) = self.vfs.create(parent, &name, mode, caller, options).await?;
        self.opened(handle);
        Ok((attr, handle))
    }

    /// Opens. The kernel may keep the bytes that it has unless it has yet to be told that they changed.
    pub async fn open(
        &self,
        ino: Ino,
        options: OpenOptions,
        privileged: bool,
    ) -> vfs::Result<(Handle, FopenFlags)> {
        let handle = self.vfs.open(ino, options).await?;
        if options.truncate && !privileged && self.has_set_id(ino) {
            let set = SetAttr { kill_suid: true, ..SetAttr::default() };
            if let Err(fault) = self.vfs.setattr(ino, Some(handle), set).await {
                self.vfs.release(handle);
                return Err(fault);
            }
        }
        self.opened(handle);
        let mut flags = FopenFlags::empty();
        if !self.invalidations.is_pending(ino) {
            flags |= FopenFlags::FOPEN_KEEP_CACHE;
        }
        if !options.write {
            // Closing what was only read has nothing to say.
            flags |= FopenFlags::FOPEN_NOFLUSH;
        }
        Ok((handle, flags))
    }

    /// Takes the set-id bits away, then writes.
    pub async fn write_without_set_id(
        &self,
        ino: Ino,
        handle: Handle,
        at: At,
        data: &[u8],
    ) -> vfs::Result<()> {
        let set = SetAttr { kill_suid: true, ..SetAttr::default() };
        let attr = self.vfs.setattr(ino, Some(handle), set).await?;
        self.show(&attr);
        self.vfs.write(handle, at, data)
    }
}

/// What is made in a folder, with its mode or target.
pub enum Make<'a> {
    Dir(u32),
    File(u32),
    Symlink(&'a str),
}
