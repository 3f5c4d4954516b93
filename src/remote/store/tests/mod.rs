//! What a bucket promises, over a folder and over an object store in memory.

mod commits;
mod content;
mod damage;
mod decisions;
mod faults;

use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use object_store::memory::InMemory;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    node::{Meta, Name, Time},
    ranges::RangeSet,
    remote::{Body, Composition, NewBody, Op, Receipt, Source},
};

/// Bytes in memory as a source; remembers what it was told.
pub struct Memory {
    pub bytes: Bytes,
    pub told: Mutex<Vec<Content>>,
}

impl Source for Memory {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }

    fn composed(&self, content: Content) -> io::Result<()> {
        self.told.lock().unwrap().push(content);
        Ok(())
    }
}

pub fn memory(bytes: impl Into<Bytes>) -> Arc<Memory> {
    Arc::new(Memory { bytes: bytes.into(), told: Mutex::default() })
}

/// A whole new content.
pub fn whole(bytes: impl Into<Bytes>) -> NewBody {
    let source = memory(bytes);
    let size = source.bytes.len() as u64;
    NewBody::Compose(Composition {
        base: None,
        base_limit: 0,
        size,
        dirty: RangeSet::from(0..size),
        local: RangeSet::new(),
        source,
    })
}

/// `base` with these ranges of `bytes` (the whole new content) in place of its own.
pub fn edit(base: Content, bytes: &Bytes, dirty: RangeSet) -> NewBody {
    let size = bytes.len() as u64;
    NewBody::Compose(Composition {
        base: Some(base),
        base_limit: base.size.min(size),
        size,
        dirty,
        local: RangeSet::new(),
        source: memory(bytes.clone()),
    })
}

pub fn meta() -> Meta {
    Meta { mode: 0o644, uid: 1000, gid: 1000, mtime: Time(1_700_000_000_123_456_789), btime: Time(-1) }
}

pub fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

pub fn put(id: u64, expect: Option<Version>, parent: u64, called: &str, body: NewBody) -> Change {
    let op = Op::Put { parent: NodeId(parent), name: name(called), meta: meta(), body };
    Change { id: NodeId(id), expect, op }
}

pub fn remove(id: u64, expect: Version) -> Change {
    Change { id: NodeId(id), expect: Some(expect), op: Op::Remove }
}

/// Data whose chunks have many sizes: random runs, repeats, and lines of text.
pub fn varied(seed: u64, len: usize) -> Bytes {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut out = Vec::with_capacity(len + (300 << 10));
    while out.len() < len {
        let n = rng.random_range(1..300 << 10);
        match rng.random_range(0..4) {
            0 => out.resize(out.len() + n / 4, rng.random()),
            1 => {
                let from = rng.random_range(0..=out.len());
                let again = out[from..(from + n).min(out.len())].to_vec();
                out.extend(again);
            }
            2 => (0..n / 40).for_each(|i| out.extend(format!("{i}: {:x}\n", rng.random::<u16>()).bytes())),
            _ => out.extend((0..n).map(|_| rng.random::<u8>())),
        }
    }
    out.truncate(len);
    out.into()
}

/// A bucket and as many clients of it as one likes, each with its own empty state.
pub struct Rig {
    pub objects: Option<Arc<dyn ObjectStore>>,
    pub dir: tempfile::TempDir,
    next: std::cell::Cell<u32>,
}

impl Rig {
    pub async fn folder() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        assert!(init(&format!("store:{}", dir.path().join("bucket").display())).await.unwrap());
        Rig { objects: None, dir, next: Default::default() }
    }

    pub async fn memory() -> Rig {
        Rig::on(Arc::new(InMemory::new())).await
    }

    pub async fn on(objects: Arc<dyn ObjectStore>) -> Rig {
        assert!(Store::init_over(&*objects).await.unwrap());
        Rig { objects: Some(objects), dir: tempfile::tempdir().unwrap(), next: Default::default() }
    }

    pub fn bucket(&self) -> PathBuf {
        self.dir.path().join("bucket")
    }

    pub fn url(&self) -> String {
        format!("store:{}", self.bucket().display())
    }

    /// Another client that knows nothing.
    pub async fn client(&self) -> Arc<Store> {
        self.try_client().await.unwrap()
    }

    pub async fn try_client(&self) -> Result<Arc<Store>> {
        self.next.set(self.next.get() + 1);
        self.client_of(&format!("client {}", self.next.get())).await
    }

    /// The client with the state of this name.
    pub async fn client_of(&self, state: &str) -> Result<Arc<Store>> {
        let state = self.dir.path().join(state);
        match &self.objects {
            Some(objects) => {
                let mut options = Options::new(state);
                options.poll = Duration::from_millis(50);
                Store::over(objects.clone(), "store+memory:", options).await
            }
            None => open_at(&self.url(), &state, Duration::from_secs(3600), false).await,
        }
    }
}

/// Opens a bucket in a folder, without a limit to its bandwidth.
pub async fn open_at(url: &str, state: &Path, poll: Duration, read_only: bool) -> Result<Arc<Store>> {
    let (state_dir, bandwidth) = (state.to_owned(), Arc::default());
    open(url, crate::remote::Options { state_dir, poll, read_only, bandwidth, hub: Default::default() }).await
}

/// The only outcome of a batch of one, which went through.
pub async fn done(store: &Arc<Store>, change: Change) -> (Version, Option<Content>, Option<Receipt>) {
    let outcomes = store.publish(vec![change]).await.unwrap();
    match outcomes.into_iter().next().unwrap() {
        Outcome::Done { version, content, receipt } => (version, content, receipt),
        other => panic!("{other:?}"),
    }
}

/// Everything below the root by number, as the store lists it.
pub async fn tree(store: &Arc<Store>) -> BTreeMap<u64, RemoteNode> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![NodeId::ROOT];
    while let Some(dir) = dirs.pop() {
        let nodes = store.children(dir).await.unwrap().nodes;
        assert!(nodes.windows(2).all(|w| w[0].name < w[1].name), "by name, each once");
        for node in nodes {
            assert_eq!(node.parent, dir);
            assert_eq!(store.node(node.id).await.unwrap().as_ref(), Some(&node));
            if node.body == Body::Dir {
                dirs.push(node.id);
            }
            assert!(all.insert(node.id.0, node).is_none());
        }
    }
    all
}

/// Brings a store's mirror up to date.
pub async fn pull(store: &Store) {
    let head = store.head().await.unwrap();
    store.changes(&head).await.unwrap();
}
