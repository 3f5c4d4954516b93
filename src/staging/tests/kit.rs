//! Contents, and what a staged file shows of them.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{
    node::{Content, ContentId, Ino},
    ranges::RangeSet,
    remote::Composition,
    staging::{Coverage, Read, StagedFile, Staging, sys},
};

pub const INO: Ino = Ino(7);

/// Bytes from `low` to `low + 63`, which repeat after 61 at the earliest: never zero, so that a hole shows.
pub fn bytes(low: u8, seed: u64, len: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|i| {
            if i % 61 == 0 {
                x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            }
            low + ((x >> 40).wrapping_add(i) % 64) as u8
        })
        .collect()
}

/// What a base holds.
pub fn old(seed: u64, len: u64) -> Vec<u8> {
    bytes(1, seed, len)
}

/// What a user writes.
pub fn new(seed: u64, len: u64) -> Vec<u8> {
    bytes(128, seed, len)
}

/// The remote: contents by id.
#[derive(Clone, Default)]
pub struct Remote(Arc<Mutex<HashMap<ContentId, Arc<Vec<u8>>>>>);

impl Remote {
    pub fn put(&self, bytes: &[u8]) -> Content {
        let id = xet_core_structures::merklehash::compute_data_hash(bytes).into();
        self.0.lock().unwrap().insert(id, Arc::new(bytes.to_vec()));
        Content { id, size: bytes.len() as u64 }
    }

    pub fn get(&self, content: Option<Content>) -> Arc<Vec<u8>> {
        content.map_or_else(Default::default, |c| self.0.lock().unwrap()[&c.id].clone())
    }

    /// The file's content, without keeping anything of it. Checks that clean bytes are the base's.
    pub fn peek(&self, file: &StagedFile) -> Vec<u8> {
        let (size, base) = (file.size(), self.get(file.base()));
        let Coverage { present, dirty, .. } = file.coverage();
        let mut all = vec![0; size as usize];
        for r in present.iter() {
            assert!(r.end <= size, "{r:?} is beyond {size}");
            match file.read(r.clone()).unwrap() {
                Read::Ready(b) => all[r.start as usize..r.end as usize].copy_from_slice(&b),
                missing => panic!("{r:?} is present, yet {missing:?}"),
            }
        }
        for gap in present.gaps(0..size) {
            match file.read(gap.clone()).unwrap() {
                Read::Missing { gaps, base: b, .. } => {
                    assert_eq!((gaps, Some(b)), (vec![gap.clone()], file.base()))
                }
                ready => panic!("{gap:?} is missing, yet {ready:?}"),
            }
            all[gap.start as usize..gap.end as usize]
                .copy_from_slice(&base[gap.start as usize..gap.end as usize]);
        }
        for r in dirty.iter() {
            assert!(present.contains(r), "dirty is part of present");
        }
        for r in dirty.gaps(0..size) {
            let r = r.start as usize..r.end as usize;
            assert!(r.end <= base.len(), "{r:?} is clean, and beyond the base");
            assert!(all[r.clone()] == base[r.clone()], "{r:?} is clean, and not the base's");
        }
        all
    }

    /// Reads as a program does: fetches what is missing, keeps it.
    pub fn read(&self, file: &StagedFile, range: std::ops::Range<u64>) -> Vec<u8> {
        loop {
            match file.read(range.clone()).unwrap() {
                Read::Ready(b) => return b.to_vec(),
                Read::Missing { gaps, base, epoch } => {
                    let base = self.get(Some(base));
                    for g in gaps {
                        file.fill(epoch, g.start, &base[g.start as usize..g.end as usize]).unwrap();
                    }
                }
            }
        }
    }

    /// The content that a composition describes, as an upload would see it.
    pub fn compose(&self, c: &Composition) -> Vec<u8> {
        let base = self.get(c.base);
        assert!(c.base_limit <= c.size.min(base.len() as u64));
        let mut all = vec![0; c.size as usize];
        let limit = c.base_limit as usize;
        all[..limit].copy_from_slice(&base[..limit]);
        for r in c.local.iter() {
            let local = c.source.read(r.clone()).unwrap();
            assert!(!c.dirty.touches(r.clone()) && r.end <= c.base_limit);
            assert!(local[..] == base[r.start as usize..r.end as usize], "{r:?} is not the base's");
        }
        for r in c.dirty.iter() {
            all[r.start as usize..r.end as usize].copy_from_slice(&c.source.read(r).unwrap());
        }
        all
    }
}

/// A folder with one staged file over `base`, its journal kept short.
pub fn staged(dir: &Path, base: Option<Content>) -> (Staging, Arc<StagedFile>) {
    let (staging, _) = open(dir, "boot");
    let size = base.map_or(0, |b| b.size);
    let file = staging.create(INO, base, size, crate::node::Time(1)).unwrap();
    (staging, file)
}

/// Opens a folder; journals are compacted early and few bytes are worth a sync, so that tests meet both.
pub fn open(dir: &Path, boot: &str) -> (Staging, Vec<Ino>) {
    let (mut staging, found) = Staging::open(dir, boot).unwrap();
    let env = Arc::get_mut(&mut staging.env).unwrap();
    (env.compact, env.worth_a_sync) = (1500, 2000);
    (staging, found)
}

pub fn ranges<const N: usize>(r: [std::ops::Range<u64>; N]) -> RangeSet {
    r.into_iter().collect()
}

pub fn one(r: std::ops::Range<u64>) -> RangeSet {
    r.into()
}

/// The names in a folder.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Copies a folder's files, as a crash at this moment would leave them to the next process.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// Whether this file system has sparse files at all.
pub fn sparse(dir: &Path) -> bool {
    let path = dir.join("sparse");
    let file = sys::create_sparse(&path).unwrap();
    sys::write_all_at(&file, b"x", 8 << 20).unwrap();
    drop(file);
    let found = sys::allocated(&path).unwrap() < 1 << 20;
    fs::remove_file(&path).unwrap();
    found
}
