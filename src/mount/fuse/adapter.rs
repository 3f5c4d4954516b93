//! The requests of the kernel, each translated to one call of the drive.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt, path::Path, sync::Arc, time::SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl,
    ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::OFlags;

use super::{
    answer,
    invalidate::Queue,
    negotiate::negotiate,
    readdir,
    shared::{GENERATION, KEEP, Make, Shared},
    translate::{self, errno, ino},
};
use crate::vfs::{At, Caller, Fault, Handle, SetAttr, Vfs};

/// The translation.
pub struct Adapter(pub(super) Arc<Shared>);

impl Adapter {
    pub fn new(vfs: Arc<dyn Vfs>, runtime: tokio::runtime::Handle, invalidations: Arc<Queue>) -> Self {
        Adapter(Arc::new(Shared::new(vfs, runtime, invalidations)))
    }
}

fn caller(req: &Request) -> Caller {
    Caller { uid: req.uid(), gid: req.gid() }
}

fn handle(fh: FileHandle) -> Handle {
    Handle(fh.0)
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        negotiate(config);
        Ok(())
    }

    fn destroy(&mut self) {
        self.0.close();
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = translate::name(name);
        self.run(|s| async move {
            let answer = match name {
                Ok(name) => s.vfs.lookup(ino(parent), &name).await,
                Err(fault) => Err(fault),
            };
            s.entry(reply, answer);
        });
    }

    fn forget(&self, _req: &Request, node: INodeNo, n: u64) {
        let _ = self.now(|s| {
            s.vfs.forget(ino(node), n);
            Ok(())
        });
    }

    fn getattr(&self, _req: &Request, node: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        self.run(|s| async move {
            let answer = s.vfs.getattr(ino(node)).await;
            s.attr(reply, answer);
        });
    }

    fn setattr(
        &self,
        req: &Request,
        node: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // With HANDLE_KILLPRIV_V2 a new owner always takes the set-id bits away, a new length does if the
        // caller lacks CAP_FSETID. fuser does not pass on the kernel's flag for it: root has it, others not.
        let owner = uid.is_some() || gid.is_some();
        let set = SetAttr {
            mode: mode.map(|m| m & 0o7777),
            uid,
            gid,
            size,
            atime: atime.map(translate::time),
            mtime: mtime.map(translate::time),
            btime: crtime.map(Into::into),
            kill_suid: owner || (size.is_some() && req.uid() != 0),
        };
        self.run(|s| async move {
            let answer = s.vfs.setattr(ino(node), fh.map(handle), set).await;
            s.attr(reply, answer);
        });
    }

    fn readlink(&self, _req: &Request, node: INodeNo, reply: ReplyData) {
        self.run(|s| async move {
            answer::data(reply, s.vfs.readlink(ino(node)).await);
        });
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        // mknod(2): EPERM where the file system has no such kind of node (fifo, socket, device).
        if !translate::is_regular(mode) {
            return reply.error(Errno::EPERM);
        }
        let (name, caller) = (translate::name(name), caller(req));
        self.run(|s| async move {
            let answer = s.make(ino(parent), name, Make::File(mode & 0o7777), caller).await;
            s.entry(reply, answer);
        });
    }

    fn mkdir(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        // The kernel has taken the umask away from the mode, here and in mknod and create.
        let (name, caller) = (translate::name(name), caller(req));
        self.run(|s| async move {
            let answer = s.make(ino(parent), name, Make::Dir(mode & 0o7777), caller).await;
            s.entry(reply, answer);
        });
    }

    fn symlink(&self, req: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, caller) = (translate::name(name), caller(req));
        let target = String::from_utf8(target.as_os_str().as_bytes().to_vec());
        self.run(|s| async move {
            let answer = match &target {
                Ok(target) => s.make(ino(parent), name, Make::Symlink(target), caller).await,
                Err(_) => Err(Fault::IllegalName),
            };
            s.entry(reply, answer);
        });
    }

    fn unlink(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = translate::name(name);
        self.run(|s| async move {
            let answer = match name {
                Ok(name) => s.vfs.unlink(ino(parent), &name).await,
                Err(fault) => Err(fault),
            };
            answer::empty(reply, answer);
        });
    }

    fn rmdir(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = translate::name(name);
        self.run(|s| async move {
            let answer = match name {
                Ok(name) => s.vfs.rmdir(ino(parent), &name).await,
                Err(fault) => Err(fault),
            };
            answer::empty(reply, answer);
        });
    }

    fn rename(
        &self,
        _req: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let request = translate::rename_mode(flags)
            .and_then(|mode| Ok((translate::name(name)?, translate::name(new_name)?, mode)));
        self.run(|s| async move {
            let answer = match request {
                Ok((from, to, mode)) => {
                    s.vfs.rename((ino(parent), &from), (ino(new_parent), &to), mode).await
                }
                Err(fault) => Err(fault),
            };
            answer::empty(reply, answer);
        });
    }

    fn link(
        &self,
        _req: &Request,
        _node: INodeNo,
        _new_parent: INodeNo,
        _new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        // link(2): EPERM where the file system has no hard links.
        reply.error(Errno::EPERM);
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (name, caller) = (translate::name(name), caller(req));
        let options = translate::open_options(OpenFlags(flags));
        let exclusive = translate::has(flags, OFlags::EXCL);
        self.run(|s| async move {
            match s.create(ino(parent), name, mode & 0o7777, caller, options).await {
                Ok((attr, handle)) => reply.created(
                    &KEEP,
                    &s.show(&attr),
                    GENERATION,
                    FileHandle(handle.0),
                    FopenFlags::FOPEN_KEEP_CACHE,
                ),
                // Somebody else made it after the kernel looked. ESTALE lets the kernel look again and open
                // it as any file that exists, with its checks of permission, which it has not made here.
                Err(Fault::Exists) if !exclusive => reply.error(Errno::ESTALE),
                Err(fault) => reply.error(errno(fault)),
            }
        });
    }

    fn open(&self, req: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (options, root) = (translate::open_options(flags), req.uid() == 0);
        self.run(|s| async move {
            match s.open(ino(node), options, root).await {
                Ok((handle, flags)) => reply.opened(FileHandle(handle.0), flags),
                Err(fault) => reply.error(errno(fault)),
            }
        });
    }

    fn read(
        &self,
        _req: &Request,
        _node: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let range = offset..offset.saturating_add(size.into());
        self.run(|s| async move {
            answer::data(reply, s.vfs.read(handle(fh), range).await);
        });
    }

    fn write(
        &self,
        _req: &Request,
        node: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // Dirty pages of a mapping (WRITE_CACHE) belong where they are, whatever handle brings them.
        let cached = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let at =
            if translate::has(flags.0, OFlags::APPEND) && !cached { At::Append } else { At::Offset(offset) };
        let size = data.len() as u32;
        let kill = write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
        if !(kill && self.0.has_set_id(ino(node))) {
            return answer::written(reply, size, self.now(|s| s.vfs.write(handle(fh), at, data)));
        }
        let data = data.to_vec();
        self.run(|s| async move {
            let answer = s.write_without_set_id(ino(node), handle(fh), at, &data).await;
            answer::written(reply, size, answer);
        });
    }

    fn flush(
        &self,
        _req: &Request,
        _node: INodeNo,
        fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        answer::empty(reply, self.now(|s| s.vfs.flush(handle(fh))));
    }

    fn release(
        &self,
        _req: &Request,
        _node: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let released = self.now(|s| {
            s.released(handle(fh));
            Ok(())
        });
        answer::empty(reply, released);
    }

    fn fsync(&self, _req: &Request, _node: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        self.run(|s| async move { answer::empty(reply, s.vfs.fsync(handle(fh)).await) });
    }

    fn fsyncdir(&self, _req: &Request, node: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        self.run(|s| async move { answer::empty(reply, s.vfs.fsyncdir(ino(node)).await) });
    }

    fn readdir(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.run(|s| async move {
            match readdir::fill(&s, ino(node), offset, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(fault) => reply.error(errno(fault)),
            }
        });
    }

    fn readdirplus(
        &self,
        _req: &Request,
        node: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.run(|s| async move {
            match readdir::fill(&s, ino(node), offset, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(fault) => reply.error(errno(fault)),
            }
        });
    }

    fn statfs(&self, _req: &Request, _node: INodeNo, reply: ReplyStatfs) {
        self.run(|s| async move { answer::statfs(reply, s.vfs.statfs().await) });
    }

    fn fallocate(
        &self,
        _req: &Request,
        _node: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.run(|s| async move {
            let range = offset..offset.saturating_add(length);
            let answer = match translate::allocate(mode) {
                Ok(how) => s.vfs.fallocate(handle(fh), how, range).await,
                Err(fault) => Err(fault),
            };
            answer::empty(reply, answer);
        });
    }

    fn lseek(
        &self,
        _req: &Request,
        _node: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let request = u64::try_from(offset)
            .map_err(|_| Fault::NoData)
            .and_then(|from| Ok((from, translate::seek(whence)?)));
        self.run(|s| async move {
            let answer = match request {
                Ok((from, what)) => s.vfs.lseek(handle(fh), from, what).await,
                Err(fault) => Err(fault),
            };
            answer::lseek(reply, answer);
        });
    }

    fn getxattr(&self, _req: &Request, node: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.to_str().map(str::to_owned);
        self.run(|s| async move {
            let answer = match name {
                Some(name) => s.vfs.getxattr(ino(node), &name).await,
                None => Err(Fault::NoData),
            };
            answer::getxattr(reply, size, answer);
        });
    }

    // What the drive does not have. ENOSYS makes the kernel stop asking and do what it can by itself:
    // copy_file_range by reading and writing, poll as always ready, setting and listing xattrs as not supported.

    fn setxattr(
        &self,
        _req: &Request,
        _node: INodeNo,
        _name: &OsStr,
        _value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _req: &Request, _node: INodeNo, _size: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn removexattr(&self, _req: &Request, _node: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn copy_file_range(
        &self,
        _req: &Request,
        _ino_in: INodeNo,
        _fh_in: FileHandle,
        _offset_in: u64,
        _ino_out: INodeNo,
        _fh_out: FileHandle,
        _offset_out: u64,
        _len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn poll(
        &self,
        _req: &Request,
        _node: INodeNo,
        _fh: FileHandle,
        _ph: PollNotifier,
        _events: PollEvents,
        _flags: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _req: &Request,
        _node: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }
}
