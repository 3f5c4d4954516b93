//! The tree of [`super::testfs`]: nodes in memory, their names and bytes.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use lacuna::{
    node::{Ino, Kind, Name, Time},
    vfs::*,
};

pub const PAGE: u64 = 4096;
const MAX_SIZE: u64 = 1 << 50;

pub struct State {
    pub nodes: HashMap<Ino, Node>,
    pub handles: HashMap<Handle, (Ino, OpenOptions)>,
    pub next: u64,
    /// The next lookup of this name answers "not found" though it is there.
    pub blind: Option<Name>,
    /// More references given back than taken.
    pub overdrawn: bool,
    /// The longest write, bytes.
    pub largest_write: usize,
}

pub struct Node {
    pub attr: Attr,
    pub body: Body,
    /// None: unlinked.
    pub parent: Option<Ino>,
    pub refs: u64,
    pub opens: u64,
}

pub enum Body {
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
            largest_write: 0,
        }
    }
}

pub fn node(ino: Ino, body: Body, mode: u32, caller: Caller) -> Node {
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
    pub fn get(&mut self, ino: Ino) -> Result<&mut Node> {
        self.nodes.get_mut(&ino).ok_or(Fault::NotFound)
    }

    pub fn dir(&mut self, ino: Ino) -> Result<&mut BTreeMap<u64, (Name, Ino)>> {
        match &mut self.get(ino)?.body {
            Body::Dir(entries) => Ok(entries),
            _ => Err(Fault::NotDir),
        }
    }

    pub fn child(&mut self, dir: Ino, name: &Name) -> Result<Option<(u64, Ino)>> {
        let found = self.dir(dir)?.iter().find(|(_, (n, _))| n == name);
        Ok(found.map(|(cookie, (_, ino))| (*cookie, *ino)))
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Puts a node under a name; the folder's times and link count follow.
    pub fn link(&mut self, dir: Ino, name: &Name, ino: Ino) -> Result<()> {
        let cookie = self.fresh();
        self.dir(dir)?.insert(cookie, (name.clone(), ino));
        self.get(ino)?.parent = Some(dir);
        let is_dir = self.get(ino)?.attr.kind == Kind::Dir;
        self.touch(dir, if is_dir { 1 } else { 0 })
    }

    pub fn unlink(&mut self, dir: Ino, cookie: u64) -> Result<Ino> {
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

    pub fn drop_name(&mut self, ino: Ino) -> Result<()> {
        let attr = &mut self.get(ino)?.attr;
        attr.nlink = 0;
        attr.ctime = Time::now();
        self.sweep(ino);
        Ok(())
    }

    /// Forgets a node that has no name, no reference and no handle.
    pub fn sweep(&mut self, ino: Ino) {
        if self.nodes.get(&ino).is_some_and(|n| n.parent.is_none() && n.refs + n.opens == 0) {
            self.nodes.remove(&ino);
        }
    }

    pub fn make(&mut self, dir: Ino, name: &Name, body: Body, mode: u32, by: Caller) -> Result<Attr> {
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

    pub fn open(&mut self, ino: Ino, options: OpenOptions) -> Result<Handle> {
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

    pub fn opened(&mut self, handle: Handle) -> Result<(&mut Node, OpenOptions)> {
        let (ino, options) = *self.handles.get(&handle).ok_or(Fault::BadHandle)?;
        Ok((self.get(ino)?, options))
    }

    pub fn is_inside(&self, mut ino: Ino, ancestor: Ino) -> bool {
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

pub fn pages(node: &mut Node) -> Result<&mut BTreeMap<u64, Box<[u8; PAGE as usize]>>> {
    match &mut node.body {
        Body::File(pages) => Ok(pages),
        Body::Dir(_) => Err(Fault::IsDir),
        Body::Symlink(_) => Err(Fault::Invalid),
    }
}

pub fn modified(node: &mut Node) {
    node.attr.mtime = Time::now();
    node.attr.ctime = node.attr.mtime;
}

pub fn zero(node: &mut Node, range: Range<u64>) -> Result<()> {
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

pub fn resize(node: &mut Node, size: u64) -> Result<()> {
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

pub fn put(node: &mut Node, offset: u64, data: &[u8]) -> Result<()> {
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

pub fn take(node: &mut Node, range: Range<u64>) -> Result<Vec<u8>> {
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
pub fn kill_set_id(attr: &mut Attr) {
    if attr.kind == Kind::File {
        attr.mode &= !0o4000;
        if attr.mode & 0o010 != 0 {
            attr.mode &= !0o2000;
        }
    }
}
