//! A small file system in memory, right but simple, so that an adapter can be tested alone.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use lacuna::{
    node::{Ino, Kind, Name, Time},
    vfs::*,
};
use tokio::sync::Semaphore;

use super::tree::{Body, PAGE, State, kill_set_id, modified, pages, put, resize, take, zero};

/// Reads of a file of this name wait until [`TestFs::let_go`].
pub const SLOW: &str = "slow";

type Sink = Arc<dyn Fn(Invalidate) + Send + Sync>;

/// The file system, and what tests do to it behind the adapter's back.
#[derive(Default)]
pub struct TestFs {
    state: Mutex<State>,
    gate: Gate,
    sinks: Mutex<Vec<Sink>>,
}

struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Gate(Semaphore::new(0))
    }
}

impl TestFs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets `n` waiting reads of slow files go on.
    pub fn let_go(&self, n: usize) {
        self.gate.0.add_permits(n);
    }

    /// Changes a file in the root as if it happened elsewhere; the kernel is not told.
    pub fn change_behind(&self, name: &str, content: &[u8]) -> Ino {
        let mut state = self.state();
        let name = Name::new(name).unwrap();
        let ino = match state.child(Ino::ROOT, &name).unwrap() {
            Some((_, ino)) => ino,
            None => {
                let by = Caller { uid: 0, gid: 0 };
                let body = Body::File(BTreeMap::new());
                let attr = state.make(Ino::ROOT, &name, body, 0o644, by).unwrap();
                state.get(attr.ino).unwrap().refs = 0;
                attr.ino
            }
        };
        let node = state.get(ino).unwrap();
        resize(node, 0).unwrap();
        put(node, 0, content).unwrap();
        ino
    }

    /// Removes a name from the root as if it happened elsewhere.
    pub fn remove_behind(&self, name: &str) {
        let mut state = self.state();
        let (cookie, _) = state.child(Ino::ROOT, &Name::new(name).unwrap()).unwrap().expect("is there");
        let ino = state.unlink(Ino::ROOT, cookie).unwrap();
        state.drop_name(ino).unwrap();
    }

    /// Tells the adapter.
    pub fn emit(&self, what: Invalidate) {
        for sink in self.sinks.lock().unwrap().iter() {
            sink(what.clone());
        }
    }

    /// The next lookup of `name` does not find it, as if it were made just after.
    pub fn blind(&self, name: &str) {
        self.state().blind = Some(Name::new(name).unwrap());
    }

    /// What a file in the root holds.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let mut state = self.state();
        let (_, ino) = state.child(Ino::ROOT, &Name::new(name).unwrap()).unwrap().expect("there");
        take(state.get(ino).unwrap(), 0..u64::MAX).unwrap()
    }

    /// The longest single write, bytes.
    pub fn largest_write(&self) -> usize {
        self.state().largest_write
    }

    /// Nodes without a name, handles, and whether more references came back than were given.
    pub fn leftovers(&self) -> (usize, usize, bool) {
        let state = self.state();
        let orphans = state.nodes.values().filter(|n| n.parent.is_none()).count();
        (orphans, state.handles.len(), state.overdrawn)
    }
}

#[async_trait]
impl Vfs for TestFs {
    async fn lookup(&self, parent: Ino, name: &Name) -> Result<Attr> {
        let mut state = self.state();
        if state.blind.as_ref() == Some(name) {
            state.blind = None;
            return Err(Fault::NotFound);
        }
        let (_, ino) = state.child(parent, name)?.ok_or(Fault::NotFound)?;
        let node = state.get(ino)?;
        node.refs += 1;
        Ok(node.attr.clone())
    }

    async fn parent(&self, ino: Ino) -> Result<Ino> {
        Ok(self.state().get(ino)?.parent.unwrap_or(Ino::ROOT))
    }

    fn forget(&self, ino: Ino, n: u64) {
        let mut state = self.state();
        if ino != Ino::ROOT {
            match state.nodes.get_mut(&ino) {
                Some(node) if node.refs >= n => node.refs -= n,
                _ => state.overdrawn = true,
            }
            state.sweep(ino);
        }
    }

    async fn getattr(&self, ino: Ino) -> Result<Attr> {
        Ok(self.state().get(ino)?.attr.clone())
    }

    async fn setattr(&self, ino: Ino, handle: Option<Handle>, set: SetAttr) -> Result<Attr> {
        let mut state = self.state();
        if handle.is_some_and(|h| !state.handles.contains_key(&h)) {
            return Err(Fault::BadHandle);
        }
        let node = state.get(ino)?;
        if let Some(size) = set.size {
            resize(node, size)?;
        }
        let attr = &mut node.attr;
        if set.kill_suid {
            kill_set_id(attr);
        }
        attr.mode = set.mode.unwrap_or(attr.mode);
        attr.uid = set.uid.unwrap_or(attr.uid);
        attr.gid = set.gid.unwrap_or(attr.gid);
        attr.atime = set.atime.unwrap_or(attr.atime);
        attr.mtime = set.mtime.unwrap_or(attr.mtime);
        attr.btime = set.btime.unwrap_or(attr.btime);
        attr.ctime = Time::now();
        Ok(attr.clone())
    }

    async fn readlink(&self, ino: Ino) -> Result<String> {
        match &self.state().get(ino)?.body {
            Body::Symlink(target) => Ok(target.clone()),
            _ => Err(Fault::Invalid),
        }
    }

    async fn mkdir(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr> {
        self.state().make(parent, name, Body::Dir(BTreeMap::new()), mode, caller)
    }

    async fn symlink(&self, parent: Ino, name: &Name, target: &str, caller: Caller) -> Result<Attr> {
        self.state().make(parent, name, Body::Symlink(target.into()), 0o777, caller)
    }

    async fn mknod(&self, parent: Ino, name: &Name, mode: u32, caller: Caller) -> Result<Attr> {
        self.state().make(parent, name, Body::File(BTreeMap::new()), mode, caller)
    }

    async fn create(
        &self,
        parent: Ino,
        name: &Name,
        mode: u32,
        caller: Caller,
        options: OpenOptions,
    ) -> Result<(Attr, Handle)> {
        let mut state = self.state();
        let attr = state.make(parent, name, Body::File(BTreeMap::new()), mode, caller)?;
        let handle = state.open(attr.ino, options)?;
        Ok((attr, handle))
    }

    async fn unlink(&self, parent: Ino, name: &Name) -> Result<()> {
        let mut state = self.state();
        let (cookie, ino) = state.child(parent, name)?.ok_or(Fault::NotFound)?;
        if state.get(ino)?.attr.kind == Kind::Dir {
            return Err(Fault::IsDir);
        }
        state.unlink(parent, cookie)?;
        state.drop_name(ino)
    }

    async fn rmdir(&self, parent: Ino, name: &Name) -> Result<()> {
        let mut state = self.state();
        let (cookie, ino) = state.child(parent, name)?.ok_or(Fault::NotFound)?;
        if !state.dir(ino)?.is_empty() {
            return Err(Fault::NotEmpty);
        }
        state.unlink(parent, cookie)?;
        state.drop_name(ino)
    }

    async fn rename(&self, from: (Ino, &Name), to: (Ino, &Name), mode: RenameMode) -> Result<()> {
        let mut state = self.state();
        let (from_cookie, ino) = state.child(from.0, from.1)?.ok_or(Fault::NotFound)?;
        let target = state.child(to.0, to.1)?;
        if target.is_some_and(|(_, t)| t == ino) {
            return Ok(());
        }
        if state.is_inside(to.0, ino) {
            return Err(Fault::Invalid);
        }
        let is_dir = state.get(ino)?.attr.kind == Kind::Dir;
        match (target, mode) {
            (Some(_), RenameMode::NoReplace) => return Err(Fault::Exists),
            (None, RenameMode::Exchange) => return Err(Fault::NotFound),
            (Some((to_cookie, other)), RenameMode::Exchange) => {
                if state.is_inside(from.0, other) {
                    return Err(Fault::Invalid);
                }
                state.unlink(to.0, to_cookie)?;
                state.unlink(from.0, from_cookie)?;
                state.link(from.0, from.1, other)?;
                state.get(other)?.attr.ctime = Time::now();
            }
            (Some((to_cookie, other)), RenameMode::Replace) => {
                match (is_dir, state.get(other)?.attr.kind == Kind::Dir) {
                    (true, false) => return Err(Fault::NotDir),
                    (false, true) => return Err(Fault::IsDir),
                    (true, true) if !state.dir(other)?.is_empty() => return Err(Fault::NotEmpty),
                    _ => {}
                }
                state.unlink(to.0, to_cookie)?;
                state.drop_name(other)?;
                state.unlink(from.0, from_cookie)?;
            }
            (None, _) => drop(state.unlink(from.0, from_cookie)?),
        }
        state.link(to.0, to.1, ino)?;
        state.get(ino)?.attr.ctime = Time::now();
        Ok(())
    }

    async fn open(&self, ino: Ino, options: OpenOptions) -> Result<Handle> {
        self.state().open(ino, options)
    }

    async fn read(&self, handle: Handle, range: Range<u64>) -> Result<Bytes> {
        let slow = {
            let mut state = self.state();
            let (node, options) = state.opened(handle)?;
            if !options.read {
                return Err(Fault::BadHandle);
            }
            let (ino, parent) = (node.attr.ino, node.parent);
            let slow = Name::new(SLOW).unwrap();
            match parent {
                Some(dir) => state.child(dir, &slow)?.is_some_and(|(_, i)| i == ino),
                None => false,
            }
        };
        if slow {
            self.gate.0.acquire().await.map_err(|_| Fault::Io)?.forget();
        }
        Ok(take(self.state().opened(handle)?.0, range)?.into())
    }

    fn write(&self, handle: Handle, at: At, data: &[u8]) -> Result<()> {
        let mut state = self.state();
        let (node, options) = state.opened(handle)?;
        if !options.write {
            return Err(Fault::BadHandle);
        }
        let offset = match at {
            At::Offset(offset) => offset,
            At::Append => node.attr.size,
        };
        put(node, offset, data)?;
        state.largest_write = state.largest_write.max(data.len());
        Ok(())
    }

    fn flush(&self, handle: Handle) -> Result<()> {
        self.state().opened(handle).map(drop)
    }

    async fn fsync(&self, handle: Handle) -> Result<()> {
        // Goes through the runtime, as a real one does.
        tokio::task::spawn_blocking(|| ()).await.map_err(|_| Fault::Io)?;
        self.state().opened(handle).map(drop)
    }

    async fn fsyncdir(&self, ino: Ino) -> Result<()> {
        self.state().dir(ino).map(drop)
    }

    fn release(&self, handle: Handle) {
        let mut state = self.state();
        if let Some((ino, _)) = state.handles.remove(&handle) {
            if let Ok(node) = state.get(ino) {
                node.opens -= 1;
            }
            state.sweep(ino);
        }
    }

    async fn readdir(&self, ino: Ino, cookie: u64, limit: usize) -> Result<Vec<DirEntry>> {
        let mut state = self.state();
        let some: Vec<_> = state
            .dir(ino)?
            .range(cookie + 1..)
            .take(limit)
            .map(|(cookie, (name, ino))| (*cookie, name.clone(), *ino))
            .collect();
        some.into_iter()
            .map(|(cookie, name, ino)| Ok(DirEntry { name, attr: state.get(ino)?.attr.clone(), cookie }))
            .collect()
    }

    fn remember(&self, ino: Ino) {
        if let Ok(node) = self.state().get(ino) {
            node.refs += 1;
        }
    }

    async fn statfs(&self) -> Result<StatFs> {
        let files = self.state().nodes.len() as u64;
        Ok(StatFs { block: 4096, blocks: 1 << 30, free: 1 << 29, files })
    }

    async fn fallocate(&self, handle: Handle, how: Allocate, range: Range<u64>) -> Result<()> {
        let mut state = self.state();
        let (node, options) = state.opened(handle)?;
        if !options.write {
            return Err(Fault::BadHandle);
        }
        let size = node.attr.size;
        match how {
            Allocate::Reserve => return Ok(()),
            Allocate::Extend => {
                if range.end > size {
                    resize(node, range.end)?;
                }
            }
            Allocate::PunchHole | Allocate::ZeroKeepSize => zero(node, range)?,
            Allocate::Zero => {
                zero(node, range.clone())?;
                resize(node, size.max(range.end))?;
            }
        }
        modified(node);
        Ok(())
    }

    async fn lseek(&self, handle: Handle, from: u64, what: Seek) -> Result<u64> {
        let mut state = self.state();
        let (node, _) = state.opened(handle)?;
        let size = node.attr.size;
        if from >= size {
            return Err(Fault::NoData);
        }
        let pages = pages(node)?;
        match what {
            Seek::Data => {
                let page = pages.range(from / PAGE..).next().map(|(p, _)| p * PAGE);
                page.map(|p| p.max(from)).filter(|p| *p < size).ok_or(Fault::NoData)
            }
            Seek::Hole => {
                let hole = (from / PAGE..).find(|p| !pages.contains_key(p)).unwrap_or(u64::MAX);
                Ok((hole * PAGE).max(from).min(size))
            }
        }
    }

    async fn getxattr(&self, ino: Ino, name: &str) -> Result<String> {
        let kind = self.state().get(ino)?.attr.kind;
        match name {
            STATE => Ok(format!("{kind:?}")),
            _ => Err(Fault::NoData),
        }
    }

    fn read_only(&self) -> bool {
        false
    }

    fn subscribe(&self, sink: Sink) {
        self.sinks.lock().unwrap().push(sink);
    }
}
