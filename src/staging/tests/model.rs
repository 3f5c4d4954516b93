//! Random operations on a staged file and on a plain vector of bytes at once.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::kit::{INO, Remote, copy_dir, new, old, open};
use crate::{
    node::{Content, Time},
    staging::{Fetched, Frozen, Read, StagedFile, Staging, Step},
    vfs::At,
};

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u64),
    Append(u64),
    Truncate(u64),
    Zero(u64, u64, bool),
    /// Reads and keeps what is missing; of each gap only the last `1/n`-th.
    Read(u64, u64, u64),
    SetMtime,
    Evict,
    /// Keeps clean bytes of a range.
    EvictBut(u64, u64),
    Freeze,
    /// The upload is complete.
    Compose,
    /// The remote commits and, if told so, the answer reaches us.
    Commit(bool),
    Thaw,
    /// The upload is over, whatever became of it.
    DropFrozen,
    /// Somebody else changed the file at the remote.
    Rebase(u64),
    Sync,
    CloseIdle,
    /// The process dies.
    Kill,
    /// The machine loses power: of what was not synced, anything may be lost.
    PowerLoss(u64),
}

const SPACE: u64 = 40_000;

fn len() -> impl Strategy<Value = u64> {
    prop_oneof![1..100u64, 1..10_000u64, Just(4096u64), Just(8192)]
}

fn at() -> impl Strategy<Value = u64> {
    prop_oneof![0..SPACE, (0..SPACE / 4096).prop_map(|n| n * 4096), 0..3000u64]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (at(), len()).prop_map(|(a, n)| Op::Write(a, n)),
        3 => len().prop_map(Op::Append),
        4 => at().prop_map(Op::Truncate),
        3 => (at(), len(), any::<bool>()).prop_map(|(a, n, g)| Op::Zero(a, n, g)),
        7 => (at(), len(), 1..4u64).prop_map(|(a, n, p)| Op::Read(a, n, p)),
        1 => Just(Op::SetMtime),
        2 => Just(Op::Evict),
        2 => (at(), len()).prop_map(|(a, n)| Op::EvictBut(a, n)),
        4 => Just(Op::Freeze),
        3 => Just(Op::Compose),
        3 => any::<bool>().prop_map(Op::Commit),
        1 => Just(Op::Thaw),
        1 => Just(Op::DropFrozen),
        1 => (0..SPACE).prop_map(Op::Rebase),
        3 => Just(Op::Sync),
        2 => Just(Op::CloseIdle),
        2 => Just(Op::Kill),
        2 => any::<u64>().prop_map(Op::PowerLoss),
    ]
}

/// What the disk would hold if the power went now.
#[derive(Default)]
struct Platter {
    /// The data file at its last sync, then after each operation since.
    data: Vec<Vec<u8>>,
    /// The journal at its last sync.
    log: Vec<u8>,
}

struct World {
    dir: PathBuf,
    boot: u64,
    remote: Remote,
    staging: Option<Staging>,
    file: Option<Arc<StagedFile>>,
    /// The content as it must be.
    bytes: Vec<u8>,
    mtime: Time,
    /// Counts operations, so that no two write the same bytes.
    turn: u64,
    frozen: Option<(Arc<Frozen>, Vec<u8>)>,
    composed: Option<(u64, Content)>,
    /// What the remote has as the file's content.
    head: Option<Content>,
    /// What the file was at its last sync, and after each operation since: after a power loss each byte is
    /// of one of them.
    since_sync: Vec<Vec<u8>>,
    platter: Arc<Mutex<Platter>>,
}

fn data(dir: &Path) -> Vec<u8> {
    fs::read(dir.join(format!("{INO}.data"))).unwrap()
}

fn log(dir: &Path) -> Vec<u8> {
    fs::read(dir.join(format!("{INO}.log"))).unwrap()
}

impl World {
    fn new(dir: &Path, base: Option<u64>, empty: bool) -> World {
        let remote = Remote::default();
        let full = base.map(|n| old(0, n));
        let content = full.as_ref().map(|b| remote.put(b));
        let bytes = if empty { Vec::new() } else { full.clone().unwrap_or_default() };
        let mut w = World {
            dir: dir.to_path_buf(),
            boot: 0,
            remote,
            staging: None,
            file: None,
            since_sync: vec![full.unwrap_or_default(), bytes.clone()],
            bytes,
            mtime: Time(5),
            turn: 0,
            frozen: None,
            composed: None,
            head: content,
            platter: Arc::default(),
        };
        w.open();
        let size = w.bytes.len() as u64;
        w.file = Some(w.staging.as_ref().unwrap().create(INO, content, size, w.mtime).unwrap());
        *w.platter.lock().unwrap() = Platter { data: vec![data(dir)], log: log(dir) };
        w
    }

    fn file(&self) -> Arc<StagedFile> {
        self.file.clone().unwrap()
    }

    fn open(&mut self) {
        let (staging, _) = open(&self.dir, &format!("boot {}", self.boot));
        let (platter, dir) = (self.platter.clone(), self.dir.clone());
        staging.env.probe.set(move |step| {
            let mut p = platter.lock().unwrap();
            match step {
                Step::DataSync => p.data = vec![data(&dir)],
                Step::LogSync | Step::Rewritten => p.log = log(&dir),
                _ => {}
            }
            Ok(())
        });
        self.staging = Some(staging);
    }

    /// Drops everything without a word, as a killed process does.
    fn die(&mut self) {
        self.staging.as_ref().unwrap().env.probe.clear();
        (self.frozen, self.composed, self.file, self.staging) = (None, None, None, None);
    }

    fn wake(&mut self) {
        self.open();
        self.file = self.staging.as_ref().unwrap().get(INO).unwrap();
        assert!(self.file.is_some());
    }

    /// What the caller does about an upload that was complete when the process died: asks the remote.
    fn resolve(&mut self) {
        let file = self.file();
        let intent = file.intent();
        assert_eq!(intent.is_some(), file.coverage().in_flight);
        if let Some((g, content)) = intent {
            if self.head == Some(content) {
                file.commit(g, content).unwrap();
            } else {
                file.thaw(g).unwrap();
            }
        }
        assert_eq!(file.base(), self.head, "the remote has a version that this file does not know of");
    }

    fn own(&mut self, n: u64) -> Vec<u8> {
        new(self.turn, n)
    }

    fn step(&mut self, op: &Op) {
        self.turn += 1;
        let file = self.file();
        let now = Time(1000 + self.turn as i64);
        let grow = |bytes: &mut Vec<u8>, n: u64| bytes.resize(bytes.len().max(n as usize), 0);
        match *op {
            Op::Write(a, n) => {
                let d = self.own(n);
                assert_eq!(file.write(At::Offset(a), &d, now).unwrap(), a..a + n);
                grow(&mut self.bytes, a + n);
                self.bytes[a as usize..(a + n) as usize].copy_from_slice(&d);
                self.mtime = now;
            }
            Op::Append(n) if self.bytes.len() < 2 * SPACE as usize => {
                let d = self.own(n);
                let end = self.bytes.len() as u64;
                assert_eq!(file.write(At::Append, &d, now).unwrap(), end..end + n);
                self.bytes.extend(d);
                self.mtime = now;
            }
            Op::Append(_) => {}
            Op::Truncate(n) => {
                file.truncate(n, now).unwrap();
                self.bytes.resize(n as usize, 0);
                self.mtime = now;
            }
            Op::Zero(a, n, keep) => {
                file.zero(a..a + n, !keep, now).unwrap();
                if !keep {
                    grow(&mut self.bytes, a + n);
                }
                let end = self.bytes.len().min((a + n) as usize);
                if (a as usize) < end {
                    self.bytes[a as usize..end].fill(0);
                    self.mtime = now;
                }
            }
            Op::Read(a, n, part) => {
                let base = self.remote.get(file.base());
                if let Read::Missing { gaps, epoch, .. } = file.read(a..a + n).unwrap() {
                    // What was fetched is read without being kept, if all of it is there and of this base.
                    let want = &self.bytes[a as usize..self.bytes.len().min((a + n) as usize)];
                    let part_of = |r: &std::ops::Range<u64>| {
                        (r.start, bytes::Bytes::copy_from_slice(&base[r.start as usize..r.end as usize]))
                    };
                    let mut fetched = Fetched::default();
                    fetched.add(epoch, gaps.iter().map(part_of).collect());
                    assert_eq!(
                        file.read_with(a..a + n, &fetched).unwrap(),
                        Read::Ready(want.to_vec().into())
                    );
                    fetched.add(epoch - 1, gaps.iter().map(part_of).collect());
                    assert!(matches!(file.read_with(a..a + n, &fetched).unwrap(), Read::Missing { .. }));
                    for g in gaps {
                        let from = (g.start + (g.end - g.start) * (part - 1) / part) as usize;
                        file.fill(epoch, from as u64, &base[from..g.end as usize]).unwrap();
                        // Of another base: must not be taken.
                        file.fill(epoch - 1, g.start, &new(9, g.end - g.start)).unwrap();
                    }
                }
                if part == 1 {
                    let end = self.bytes.len().min((a + n) as usize);
                    let want = self.bytes.get(a as usize..end).unwrap_or(&[]).to_vec();
                    assert!(self.remote.read(&file, a..a + n) == want);
                }
            }
            Op::SetMtime => {
                file.set_mtime(now).unwrap();
                self.mtime = now;
            }
            Op::Evict => {
                file.evict().unwrap();
                assert_eq!(file.coverage().present, file.coverage().dirty);
            }
            Op::EvictBut(a, n) => {
                let before = file.coverage();
                file.evict_but(a..a + n).unwrap();
                let mut kept = before.dirty.clone();
                kept.union_with(&before.present.overlap(a..a + n).into_iter().collect());
                assert_eq!(file.coverage().present, kept);
                assert_eq!(file.coverage().dirty, before.dirty);
            }
            Op::Freeze => match (file.coverage(), file.freeze()) {
                (c, Err(e)) => assert!(c.in_flight && e.kind() == crate::error::Kind::Busy),
                (c, Ok(None)) => assert!(!c.changed),
                (c, Ok(Some(f))) => {
                    assert!(c.changed && !c.in_flight);
                    assert_eq!((f.size, f.mtime), (self.bytes.len() as u64, self.mtime));
                    assert_eq!(f.composition.dirty, c.dirty);
                    self.frozen = Some((f, self.bytes.clone()));
                }
            },
            Op::Compose => {
                if let (Some((f, instant)), None) = (&self.frozen, self.composed) {
                    let composed = self.remote.compose(&f.composition);
                    assert!(composed == *instant, "what is uploaded is not the instant");
                    let content = self.remote.put(&composed);
                    f.composition.source.composed(content).unwrap();
                    self.composed = Some((f.generation, content));
                    assert_eq!(file.intent(), self.composed);
                    self.since_sync.clear();
                }
            }
            Op::Commit(heard) => {
                if let Some((g, content)) = self.composed.take() {
                    self.head = Some(content);
                    if heard {
                        file.commit(g, content).unwrap();
                        assert_eq!((file.base(), file.intent()), (Some(content), None));
                        self.frozen = None;
                    } else {
                        self.die();
                        self.wake();
                        self.resolve();
                    }
                }
            }
            Op::Thaw => {
                if let (Some((f, _)), None) = (&self.frozen, self.composed) {
                    file.thaw(f.generation).unwrap();
                    self.frozen = None;
                }
            }
            Op::DropFrozen => {
                if let (Some((f, _)), None) = (&self.frozen, self.composed) {
                    let g = f.generation;
                    self.frozen = None;
                    file.thaw(g).unwrap();
                }
            }
            Op::Rebase(n) => {
                let theirs = old(self.turn, n);
                let content = self.remote.put(&theirs);
                let changed = file.coverage().changed;
                assert_eq!(file.rebase(Some(content)).unwrap(), !changed);
                if !changed {
                    self.bytes = theirs;
                    self.head = Some(content);
                    assert!(file.coverage().present.is_empty());
                    self.since_sync.clear();
                }
            }
            Op::Sync => {
                file.sync().unwrap();
                self.since_sync.clear();
            }
            Op::CloseIdle => self.staging.as_ref().unwrap().close_idle(INO),
            Op::Kill => {
                let before = file.coverage();
                let intent = file.intent();
                drop(file);
                self.die();
                self.wake();
                let after = self.file().coverage();
                assert_eq!(after.dirty, before.dirty);
                // A flight whose upload was not complete is over.
                assert!(after.changed == before.changed || before.in_flight && !after.in_flight);
                for r in after.present.iter() {
                    assert!(before.present.contains(r));
                }
                assert_eq!(self.file().intent(), intent);
                self.resolve();
            }
            Op::PowerLoss(seed) => {
                drop(file);
                self.power_loss(seed);
            }
        }
        let file = self.file();
        assert!(self.remote.peek(&file) == self.bytes, "wrong content after {op:?}");
        assert_eq!(file.size(), self.bytes.len() as u64);
        let present = file.coverage().present;
        assert_eq!(
            self.staging.as_ref().unwrap().ledger().bytes(),
            present.bytes(),
            "as counted, after {op:?}"
        );
        // The first gap is the first that a read would find.
        let gap = file.gaps(0..u64::MAX).into_iter().next().map(|g| g.start..g.end.min(g.start + 1000));
        assert_eq!(file.next_gap(0, 1000).map(|(g, _, _)| g), gap);
        if !matches!(op, Op::PowerLoss(_)) {
            assert_eq!(file.mtime(), self.mtime);
        }
        self.since_sync.push(self.bytes.clone());
        self.platter.lock().unwrap().data.push(data(&self.dir));
    }

    fn power_loss(&mut self, seed: u64) {
        self.die();
        let mut x = seed | 1;
        let mut pick = move |n: usize| {
            x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (x >> 33) as usize % n
        };
        {
            let p = self.platter.lock().unwrap();
            let mut versions = p.data.clone();
            versions.push(data(&self.dir));
            // Each page as it was at some moment since the sync; sometimes all lost, or none.
            let (mode, last) = (pick(4), versions.len() - 1);
            let mut version = || match mode {
                0 => 0,
                1 => last,
                _ => pick(last + 1),
            };
            let len = versions[version()].len();
            let mut found = vec![0; len];
            for page in (0..len).step_by(4096) {
                let v = &versions[version()];
                let end = v.len().min(len).min(page + 4096);
                if page < end {
                    found[page..end].copy_from_slice(&v[page..end]);
                }
            }
            fs::write(self.dir.join(format!("{INO}.data")), found).unwrap();
            // The journal as synced, then some of what came later; a record of that may be torn.
            let (mut found, now) = (p.log.clone(), log(&self.dir));
            for at in (0..found.len().min(now.len())).step_by(64) {
                if pick(2) == 0 {
                    let end = found.len().min(now.len()).min(at + 64);
                    found[at..end].copy_from_slice(&now[at..end]);
                }
            }
            if found.len() < now.len() && pick(2) == 0 {
                let more = pick(now.len() - found.len() + 1);
                let synced = found.len();
                found.extend_from_slice(&now[synced..synced + more]);
                if more > 0 && pick(2) == 0 {
                    let hit = synced + pick(more);
                    found[hit] ^= 0x55;
                }
            }
            fs::write(self.dir.join(format!("{INO}.log")), found).unwrap();
        }
        self.boot += 1;
        self.wake();
        let file = self.file();
        let found = self.remote.peek(&file);
        assert!(self.since_sync.iter().any(|v| v.len() == found.len()), "a size that it never had");
        for (i, b) in found.iter().enumerate() {
            let legal: HashSet<_> = self.since_sync.iter().filter_map(|v| v.get(i)).collect();
            assert!(legal.contains(b), "byte {i} is {b}, which was never there since the sync: {legal:?}");
        }
        self.resolve();
        // If the answer of a commit was lost with the power, later changes may be, too: the same holds.
        let settled = self.remote.peek(&file);
        assert_eq!(settled.len(), found.len());
        for (i, b) in settled.iter().enumerate() {
            assert!(self.since_sync.iter().any(|v| v.get(i) == Some(b)), "byte {i} after resolving");
        }
        self.bytes = settled;
        self.mtime = file.mtime();
        // The commit is not synced, so the next power loss may go back behind it.
        self.since_sync = vec![found];
        let mut p = self.platter.lock().unwrap();
        *p = Platter { data: vec![data(&self.dir)], log: log(&self.dir) };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Promises 3, 4 and 6 at the size of one file.
    #[test]
    fn like_a_vector_of_bytes(
        base in prop_oneof![Just(None), (0..SPACE).prop_map(Some)],
        empty in prop::bool::weighted(0.2),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let mut w = World::new(&tmp.path().join("staged"), base, empty);
        for op in &ops {
            w.step(op);
        }
        // At last everything reaches the remote.
        let file = w.file();
        if let Some((f, _)) = w.frozen.take() {
            file.thaw(f.generation).unwrap();
        }
        if let Some(f) = file.freeze().unwrap() {
            let content = w.remote.put(&w.remote.compose(&f.composition));
            f.composition.source.composed(content).unwrap();
            file.commit(f.generation, content).unwrap();
        }
        prop_assert!(!file.coverage().changed);
        file.evict().unwrap();
        prop_assert_eq!(w.remote.read(&file, 0..u64::MAX), w.bytes);
        // A copy of the folder is as good as the folder.
        copy_dir(&w.dir, &tmp.path().join("copy"));
        let (copy, found) = open(&tmp.path().join("copy"), &format!("boot {}", w.boot));
        prop_assert_eq!(found, vec![INO]);
        prop_assert!(!copy.get(INO).unwrap().unwrap().coverage().changed);
    }
}

/// More by `PROPTEST_CASES`, as proptest's own default.
fn cases() -> u32 {
    ProptestConfig::default().cases
}
