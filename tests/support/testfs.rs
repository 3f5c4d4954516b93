//! A small file system in memory, right but simple, so that an adapter can be tested alone.

use std::{
    collections::{BTreeMap, HashMap},
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

/// Reads of a file of this name wait until [`TestFs::let_go`].
pub const SLOW: &str = "slow";

const PAGE: u64 = 4096;
const MAX_SIZE: u64 = 1 << 50;

type Sink = Arc<dyn Fn(Invalidate) + Send + Sync>;

/// Where a set of node numbers goes.
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

struct State {
    nodes: HashMap<Ino, Node>,
    handles: HashMap<Handle, (Ino, OpenOptions)>,
    next: u64,
    /// The next lookup of this name answers "not found" though it is there.
    blind: Option<Name>,
    /// More references given back than taken.
    overdrawn: bool,
    kills: u64,
}

struct Node {
    attr: Attr,
    body: Body,
    /// None: unlinked.
    parent: Option<Ino>,
    refs: u64,
    opens: u64,
}

enum Body {
    /// Pages that are not there are holes.
    File(BTreeMap<u64, Box<[u8; PAGE as usize]>>),
    Dir(BTreeMap<u64, (Name, Ino)>),
    Symlink(String),
}

impl Default for State {
    fn default() -> Self {
        let root = node(Ino::ROOT, Body::Dir(BTreeMap::new()), 0o755, Caller { uid: 0, gid: 0 });
        let root = Node { parent: Some(Ino::ROOT), ..root };
        State {
            nodes: HashMap::from([(Ino::ROOT, root)]),
            handles: HashMap::new(),
            next: 100,
            blind: None,
            overdrawn: false,
            kills: 0,
        }
    }
}

fn node(ino: Ino, body: Body, mode: u32, caller: Caller) -> Node {
    let now = Time::now();
    let (kind, size, nlink) = match &body {
        Body::File(_) => (Kind::File, 0, 1),
        Body::Dir(_) => (Kind::Dir, 0, 2),
        Body::Symlink(target) => (Kind::Symlink, target.len() as u64, 1),
    };
    let Caller { uid, gid } = caller;
    let (atime, mtime, ctime, btime) = (now, now, now, now);
    let attr = Attr { ino, kind, size, mode, uid, gid, nlink, atime, mtime, ctime, btime };
    Node { attr, body, parent: None, refs: 0, opens: 0 }
}

impl State {
    fn get(&mut self, ino: Ino) -> Result<&mut Node> {
        self.nodes.get_mut(&ino).ok_or(Fault::NotFound)
    }

    fn dir(&mut self, ino: Ino) -> Result<&mut BTreeMap<u64, (Name, Ino)>> {
        match &mut self.get(ino)?.body {
            Body::Dir(entries) => Ok(entries),
            _ => Err(Fault::NotDir),
        }
    }

    fn child(&mut self, dir: Ino, name: &Name) -> Result<Option<(u64, Ino)>> {
        let found = self.dir(dir)?.iter().find(|(_, (n, _))| n == name);
        Ok(found.map(|(cookie, (_, ino))| (*cookie, *ino)))
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Puts a node under a name; the folder's times and link count follow.
    fn link(&mut self, dir: Ino, name: &Name, ino: Ino) -> Result<()> {
        let cookie = self.fresh();
        self.dir(dir)?.insert(cookie, (name.clone(), ino));
        self.get(ino)?.parent = Some(dir);
        let is_dir = self.get(ino)?.attr.kind == Kind::Dir;
        self.touch(dir, if is_dir { 1 } else { 0 })
    }

    fn unlink(&mut self, dir: Ino, cookie: u64) -> Result<Ino> {
        let (_, ino) = self.dir(dir)?.remove(&cookie).ok_or(Fault::NotFound)?;
        let is_dir = self.get(ino)?.attr.kind == Kind::Dir;
        self.touch(dir, if is_dir { -1 } else { 0 })?;
        self.get(ino)?.parent = None;
        Ok(ino)
    }

    fn touch(&mut self, dir: Ino, links: i32) -> Result<()> {
        let attr = &mut self.get(dir)?.attr;
        attr.mtime = Time::now();
        attr.ctime = attr.mtime;
        attr.nlink = attr.nlink.saturating_add_signed(links);
        Ok(())
    }

    fn drop_name(&mut self, ino: Ino) -> Result<()> {
        let attr = &mut self.get(ino)?.attr;
        attr.nlink = 0;
        attr.ctime = Time::now();
        self.sweep(ino);
        Ok(())
    }

    /// Forgets a node that has no name, no reference and no handle.
    fn sweep(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_some_and(|n| n.parent.is_none() && n.refs + n.opens == 0) {
            self.nodes.remove(&ino);
        }
    }

    fn make(&mut self, dir: Ino, name: &Name, body: Body, mode: u32, by: Caller) -> Result<Attr> {
        if self.child(dir, name)?.is_some() {
            return Err(Fault::Exists);
        }
        if self.get(dir)?.parent.is_none() {
            return Err(Fault::NotFound);
        }
        let ino = Ino(self.fresh());
        let node = Node { refs: 1, ..node(ino, body, mode, by) };
        self.nodes.insert(ino, node);
        self.link(dir, name, ino)?;
        Ok(self.get(ino)?.attr.clone())
    }

    fn open(&mut self, ino: Ino, options: OpenOptions) -> Result<Handle> {
        let node = self.get(ino)?;
        if node.attr.kind == Kind::Dir {
            return Err(Fault::IsDir);
        }
        node.opens += 1;
        if options.truncate {
            resize(node, 0)?;
        }
        let handle = Handle(self.fresh());
        self.handles.insert(handle, (ino, options));
        Ok(handle)
    }

    fn opened(&mut self, handle: Handle) -> Result<(&mut Node, OpenOptions)> {
        let (ino, options) = *self.handles.get(&handle).ok_or(Fault::BadHandle)?;
        Ok((self.get(ino)?, options))
    }

    fn is_inside(&self, mut ino: Ino, ancestor: Ino) -> bool {
        while ino != Ino::ROOT {
            if ino == ancestor {
                return true;
            }
            match self.nodes.get(&ino).and_then(|n| n.parent) {
                Some(parent) => ino = parent,
                None => return false,
            }
        }
        ancestor == Ino::ROOT
    }
}

fn pages(node: &mut Node) -> Result<&mut BTreeMap<u64, Box<[u8; PAGE as usize]>>> {
    match &mut node.body {
        Body::File(pages) => Ok(pages),
        Body::Dir(_) => Err(Fault::IsDir),
        Body::Symlink(_) => Err(Fault::Invalid),
    }
}

fn modified(node: &mut Node) {
    node.attr.mtime = Time::now();
    node.attr.ctime = node.attr.mtime;
}

fn zero(node: &mut Node, range: Range<u64>) -> Result<()> {
    let pages = pages(node)?;
    let touched: Vec<u64> =
        pages.range(range.start / PAGE..=range.end.saturating_sub(1) / PAGE).map(|(p, _)| *p).collect();
    for page in touched {
        let start = range.start.max(page * PAGE) - page * PAGE;
        let end = range.end.min((page + 1) * PAGE).saturating_sub(page * PAGE);
        if (start, end) == (0, PAGE) {
            pages.remove(&page);
        } else if let Some(bytes) = pages.get_mut(&page).filter(|_| start < end) {
            bytes[start as usize..end as usize].fill(0);
        }
    }
    Ok(())
}

fn resize(node: &mut Node, size: u64) -> Result<()> {
    if size > MAX_SIZE {
        return Err(Fault::TooBig);
    }
    let old = node.attr.size;
    if size < old {
        zero(node, size..old.next_multiple_of(PAGE))?;
    }
    pages(node)?;
    node.attr.size = size;
    modified(node);
    Ok(())
}

fn put(node: &mut Node, offset: u64, data: &[u8]) -> Result<()> {
    let end = offset.checked_add(data.len() as u64).filter(|e| *e <= MAX_SIZE);
    let end = end.ok_or(Fault::TooBig)?;
    let pages = pages(node)?;
    let mut done = 0;
    while done < data.len() {
        let at = offset + done as u64;
        let within = (at % PAGE) as usize;
        let n = (PAGE as usize - within).min(data.len() - done);
        let page = pages.entry(at / PAGE).or_insert_with(|| Box::new([0; PAGE as usize]));
        page[within..within + n].copy_from_slice(&data[done..done + n]);
        done += n;
    }
    node.attr.size = node.attr.size.max(end);
    modified(node);
    Ok(())
}

fn take(node: &mut Node, range: Range<u64>) -> Result<Vec<u8>> {
    let end = range.end.min(node.attr.size);
    let pages = pages(node)?;
    let mut out = Vec::new();
    let mut at = range.start;
    while at < end {
        let within = (at % PAGE) as usize;
        let n = (PAGE as usize - within).min((end - at) as usize);
        match pages.get(&(at / PAGE)) {
            Some(page) => out.extend_from_slice(&page[within..within + n]),
            None => out.resize(out.len() + n, 0),
        }
        at += n as u64;
    }
    Ok(out)
}

/// What Linux does when content or owner change hands.
fn kill_set_id(attr: &mut Attr) {
    if attr.kind == Kind::File {
        attr.mode &= !0o4000;
        if attr.mode & 0o010 != 0 {
            attr.mode &= !0o2000;
        }
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

    /// Nodes without a name, handles, and whether more references came back than were given.
    pub fn leftovers(&self) -> (usize, usize, bool) {
        let state = self.state();
        let orphans = state.nodes.values().filter(|n| n.parent.is_none()).count();
        (orphans, state.handles.len(), state.overdrawn)
    }

    /// How often set-id bits were taken away on request.
    pub fn kills(&self) -> u64 {
        self.state().kills
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
        state.kills += u64::from(set.kill_suid && set.uid.is_none() && set.gid.is_none());
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
        put(node, offset, data)
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

    fn read_only(&self) -> bool {
        false
    }

    fn subscribe(&self, sink: Sink) {
        self.sinks.lock().unwrap().push(sink);
    }
}
