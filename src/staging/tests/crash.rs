//! A process that dies at each step of each operation, and journals that end anywhere.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::kit::{INO, Remote, copy_dir, new, old, open, staged};
use crate::{
    journal::{BootId, RECORD, Record, State, decode, replay},
    node::{Content, ContentId, Time},
    staging::{StagedFile, Staging, Step},
    vfs::At,
};

const NOW: Time = Time(50);

type Change = fn(&StagedFile, &Remote);

/// What is done, and the bytes that may be half done if the process dies in it.
const CHANGES: [(Change, std::ops::Range<usize>); 11] = [
    (|f, _| assert!(f.write(At::Offset(300), &new(9, 6_000), NOW).is_ok()), 300..6_300),
    (|f, _| assert!(f.write(At::Append, &new(9, 5_000), NOW).is_ok()), 0..0),
    (|f, _| assert!(f.write(At::Offset(30_000), &new(9, 10), NOW).is_ok()), 0..0),
    (|f, _| f.truncate(400, NOW).unwrap(), 0..0),
    (|f, _| f.truncate(40_000, NOW).unwrap(), 0..0),
    (|f, _| f.zero(200..9_000, true, NOW).unwrap(), 200..9_000),
    (|f, r| drop(r.read(f, 0..20_000)), 0..0),
    (|f, _| assert!(f.evict().is_ok()), 0..0),
    (|f, _| f.sync().unwrap(), 0..0),
    (|f, _| f.close_idle(), 0..0),
    (flush, 0..0),
];

fn flush(f: &StagedFile, remote: &Remote) {
    if let Some((g, _)) = f.intent() {
        f.thaw(g).unwrap();
    }
    let frozen = f.freeze().unwrap().unwrap();
    let content = remote.put(&remote.compose(&frozen.composition));
    frozen.composition.source.composed(content).unwrap();
    f.write(At::Offset(700), &f_bytes(f, 700..800), NOW).unwrap();
    f.commit(frozen.generation, content).unwrap();
}

/// The same bytes again, so that the content stays.
fn f_bytes(f: &StagedFile, r: std::ops::Range<u64>) -> Vec<u8> {
    match f.read(r).unwrap() {
        crate::staging::Read::Ready(b) => b.to_vec(),
        missing => panic!("{missing:?}"),
    }
}

/// A file with bytes of every kind: gaps, clean, trusted, dirty, in flight, both, cut off, zeros.
fn every_kind(dir: &std::path::Path) -> (Remote, Staging, Arc<StagedFile>) {
    let remote = Remote::default();
    let (staging, f) = staged(dir, Some(remote.put(&old(1, 20_000))));
    remote.read(&f, 0..1_000);
    remote.read(&f, 4_000..7_000);
    f.settle(None, true).unwrap();
    f.write(At::Offset(600), &new(1, 1_000), NOW).unwrap();
    f.truncate(18_000, NOW).unwrap();
    f.write(At::Offset(19_000), &new(2, 100), NOW).unwrap();
    let frozen = f.freeze().unwrap().unwrap();
    let composed = remote.put(&remote.compose(&frozen.composition));
    frozen.composition.source.composed(composed).unwrap();
    f.write(At::Offset(1_500), &new(3, 600), NOW).unwrap();
    f.truncate(19_050, NOW).unwrap();
    remote.read(&f, 9_000..10_000);
    (remote, staging, f)
}

#[test]
fn a_process_may_die_at_any_step() {
    for (n, (change, torn)) in CHANGES.iter().enumerate() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("staged");
        let (remote, staging, file) = every_kind(&dir);
        let before = remote.peek(&file);
        // A copy of the folder before each step is what the next process finds.
        let copies: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let (list, from, to) = (copies.clone(), dir.clone(), tmp.path().to_path_buf());
        staging.env.probe.set(move |step| {
            let mut list = list.lock().unwrap();
            let copy = to.join(format!("{}-{step:?}", list.len()));
            copy_dir(&from, &copy);
            list.push(copy);
            Ok(())
        });
        change(&file, &remote);
        staging.env.probe.clear();
        let after = remote.peek(&file);
        copy_dir(&dir, &tmp.path().join("end"));
        copies.lock().unwrap().push(tmp.path().join("end"));
        let copies = copies.lock().unwrap().clone();
        for copy in copies {
            let what = format!("change {n}, died before {}", copy.display());
            let (staging, _) = open(&copy, "boot");
            let file = staging.get(INO).unwrap().unwrap();
            let found = remote.peek(&file);
            let whole = [&before, &after].into_iter().find(|v| v.len() == found.len()).expect(&what);
            for (i, b) in found.iter().enumerate() {
                let half = torn.contains(&i) && [&before, &after].iter().any(|v| v.get(i) == Some(b));
                assert!(half || *b == whole[i], "{what}: byte {i}");
            }
            // The upload was committed, or it was not: both leave the content, and bytes called clean are so.
            for committed in [true, false] {
                let again = copy.with_extension(format!("{committed}"));
                copy_dir(&copy, &again);
                let file = open(&again, "boot").0.get(INO).unwrap().unwrap();
                if let Some((g, content)) = file.intent() {
                    match committed {
                        true => file.commit(g, content).unwrap(),
                        false => file.thaw(g).unwrap(),
                    }
                }
                assert!(remote.peek(&file) == found, "{what}, committed: {committed}");
                flush_all(&file, &remote);
                assert!(remote.peek(&file) == found, "{what}, committed: {committed}, flushed");
            }
        }
    }
}

fn flush_all(file: &StagedFile, remote: &Remote) {
    if let Some(f) = file.freeze().unwrap() {
        let content = remote.put(&remote.compose(&f.composition));
        file.commit(f.generation, content).unwrap();
    }
    assert!(!file.coverage().changed);
    file.evict().unwrap();
}

/// Every record, in an order that makes sense.
fn journal() -> (Vec<u8>, Vec<Record>) {
    let tmp = tempfile::tempdir().unwrap();
    let (remote, staging, f) = every_kind(tmp.path());
    flush(&f, &remote);
    f.set_mtime(Time(3)).unwrap();
    let log = fs::read(tmp.path().join(format!("{INO}.log"))).unwrap();
    drop((staging, f));
    let mut chain = 0;
    let records = log.chunks_exact(RECORD).map_while(|c| decode(c, &mut chain)).collect();
    (log, records)
}

fn thawed(mut state: State) -> State {
    if let Some(f) = state.flight.clone().filter(|f| f.intent.is_none()) {
        state.apply(&Record::Thaw(f.generation));
    }
    state
}

#[test]
fn a_journal_may_end_at_any_byte() {
    let (log, records) = journal();
    assert!(records.len() > 8, "{records:?}");
    for len in 0..=log.len() {
        let told = replay(&log[..len], BootId::new("boot")).unwrap();
        let n = (len / RECORD).min(records.len());
        if n < 3 {
            assert!(told.is_none());
            continue;
        }
        let mut state = State::default();
        records[..n].iter().for_each(|r| state.apply(r));
        let told = told.unwrap();
        assert_eq!((told.len, &told.state), ((n * RECORD) as u64, &thawed(state)));
        // After a reboot nothing is believed that the last sync did not see.
        let rebooted = replay(&log[..len], BootId::new("next")).unwrap().unwrap().state;
        assert_eq!(rebooted.fault(), None);
    }
}

#[test]
fn a_damaged_record_takes_those_behind_it_along() {
    let (log, records) = journal();
    for at in 3 * RECORD..records.len() * RECORD {
        let mut bad = log.clone();
        bad[at] ^= 0x10;
        let told = replay(&bad, BootId::new("boot")).unwrap().unwrap();
        assert_eq!(told.len as usize, at / RECORD * RECORD);
    }
}

#[test]
fn a_torn_tail_is_cut_before_anything_is_appended() {
    for keep in 0..RECORD {
        let tmp = tempfile::tempdir().unwrap();
        let remote = Remote::default();
        let (staging, f) = staged(tmp.path(), None);
        f.write(At::Offset(0), &new(1, 100), NOW).unwrap();
        f.set_mtime(NOW).unwrap();
        let len = f.lock().log.len() as usize;
        drop((staging, f));
        let path = tmp.path().join(format!("{INO}.log"));
        let log = fs::read(&path).unwrap();
        fs::write(&path, &log[..len - RECORD + keep]).unwrap();
        for round in 0..3 {
            let f = open(tmp.path(), "boot").0.get(INO).unwrap().unwrap();
            assert_eq!(f.size(), 100 + round);
            f.write(At::Append, &new(2, 1), NOW).unwrap();
            assert_eq!(remote.peek(&f).len() as u64, 101 + round);
        }
    }
}

#[test]
fn a_file_that_was_never_synced_is_its_base_after_power_loss() {
    let tmp = tempfile::tempdir().unwrap();
    let remote = Remote::default();
    let base = old(1, 5_000);
    let content = remote.put(&base);
    let (staging, _) = open(tmp.path(), "boot");
    // Opened to be written anew: must not be found empty.
    let f = staging.create(INO, Some(content), 0, NOW).unwrap();
    f.write(At::Append, &new(1, 100), NOW).unwrap();
    drop((f, staging));
    let f = open(tmp.path(), "next").0.get(INO).unwrap().unwrap();
    assert!(remote.peek(&f) == base && !f.coverage().changed);
}

#[test]
fn what_was_synced_is_there_after_power_loss_and_what_was_not_is_the_base() {
    let tmp = tempfile::tempdir().unwrap();
    let remote = Remote::default();
    let base = old(1, 50_000);
    let (staging, f) = staged(tmp.path(), Some(remote.put(&base)));
    f.write(At::Offset(100), &new(1, 100), NOW).unwrap();
    f.sync().unwrap();
    f.write(At::Offset(30_000), &new(2, 100), NOW).unwrap();
    f.truncate(40_000, NOW).unwrap();
    drop((f, staging));
    let data = tmp.path().join(format!("{INO}.data"));
    // The journal's records reached the disk, the bytes did not.
    let mut lost = fs::read(&data).unwrap();
    lost[30_000..30_100].fill(0);
    fs::write(&data, lost).unwrap();
    let mut want = base;
    want[100..200].copy_from_slice(&new(1, 100));
    for boot in ["second", "third"] {
        let f = open(tmp.path(), boot).0.get(INO).unwrap().unwrap();
        assert!(remote.peek(&f) == want, "{boot}");
        // What comes after counts from here.
        f.write(At::Offset(10), b"later", NOW).unwrap();
        want[10..15].copy_from_slice(b"later");
        f.sync().unwrap();
    }
}

#[test]
fn an_announced_upload_is_known_after_power_loss() {
    let tmp = tempfile::tempdir().unwrap();
    let remote = Remote::default();
    let (staging, f) = staged(tmp.path(), None);
    f.write(At::Append, &new(1, 1_000), NOW).unwrap();
    let frozen = f.freeze().unwrap().unwrap();
    let content = remote.put(&new(1, 1_000));
    assert_eq!(f.intent(), None);
    frozen.composition.source.composed(content).unwrap();
    f.write(At::Offset(0), b"newer", NOW).unwrap();
    let wrong = Content { id: ContentId([1; 32]), size: 3 };
    assert!(frozen.composition.source.composed(wrong).is_err());
    let g = frozen.generation;
    drop((f, staging, frozen));
    let f = open(tmp.path(), "next").0.get(INO).unwrap().unwrap();
    assert_eq!(f.intent(), Some((g, content)));
    f.commit(g, content).unwrap();
    // "newer" may have reached the disk unrecorded, so the bytes are fetched from the new base.
    assert!(f.coverage().present.is_empty() && !f.coverage().changed);
    assert!(remote.read(&f, 0..1_000) == new(1, 1_000));
}

/// Puts the journal back to what it was at its last sync, while all that was done to the bytes stays: the
/// worst that a power loss can do to clean bytes.
struct Loss {
    path: PathBuf,
    synced: Arc<Mutex<Vec<u8>>>,
}

impl Loss {
    fn watch(&self, staging: &Staging) {
        let (path, synced) = (self.path.clone(), self.synced.clone());
        staging.env.probe.set(move |step| {
            if matches!(step, Step::LogSync | Step::Rewritten) {
                *synced.lock().unwrap() = fs::read(&path).unwrap();
            }
            Ok(())
        });
    }

    fn strike(self) {
        fs::write(self.path, self.synced.lock().unwrap().as_slice()).unwrap();
    }
}

#[test]
fn clean_bytes_are_not_believed_once_they_may_have_been_overwritten() {
    let changes: [fn(&Staging, &StagedFile, &Loss); 6] = [
        |_, f, _| assert!(f.write(At::Offset(100), &new(1, 100), NOW).is_ok()),
        |_, f, _| f.zero(100..5_000, false, NOW).unwrap(),
        |_, f, _| assert!(f.evict().is_ok()),
        |_, f, _| {
            f.truncate(100, NOW).unwrap();
            f.truncate(900, NOW).unwrap();
        },
        // The record of a sync that is not yet synced itself takes nothing from what an older one believes.
        |s, f, _| {
            f.truncate(100, NOW).unwrap();
            s.close_idle(INO);
            f.write(At::Offset(900), b"x", NOW).unwrap();
        },
        // Nor does the next process know which of the two would be found.
        |s, f, loss| {
            f.truncate(100, NOW).unwrap();
            s.close_idle(INO);
            let (next, _) = open(&s.env.dir, "boot");
            loss.watch(&next);
            next.get(INO).unwrap().unwrap().write(At::Offset(900), b"x", NOW).unwrap();
        },
    ];
    for change in changes {
        let tmp = tempfile::tempdir().unwrap();
        let remote = Remote::default();
        let base = old(1, 9_000);
        let (staging, f) = staged(tmp.path(), Some(remote.put(&base)));
        remote.read(&f, 0..9_000);
        f.settle(None, true).unwrap();
        let path = tmp.path().join(format!("{INO}.log"));
        let loss = Loss { synced: Arc::new(Mutex::new(fs::read(&path).unwrap())), path };
        loss.watch(&staging);
        change(&staging, &f, &loss);
        drop((f, staging));
        loss.strike();
        let f = open(tmp.path(), "next").0.get(INO).unwrap().unwrap();
        remote.peek(&f); // asserts that what is called clean is the base's
    }
}

#[test]
fn what_a_killed_process_recorded_is_only_synced_when_it_has_been() {
    let tmp = tempfile::tempdir().unwrap();
    let remote = Remote::default();
    let (staging, f) = staged(tmp.path(), None);
    f.write(At::Append, &new(1, 500), NOW).unwrap();
    let frozen = f.freeze().unwrap().unwrap();
    let content = remote.put(&remote.compose(&frozen.composition));
    frozen.composition.source.composed(content).unwrap();
    let path = tmp.path().join(format!("{INO}.log"));
    let loss = Loss { synced: Arc::new(Mutex::new(fs::read(&path).unwrap())), path };
    // The journal ends with the record of a sync now, but was not synced with it.
    f.commit(frozen.generation, content).unwrap();
    drop((f, frozen, staging));
    let (staging, _) = open(tmp.path(), "boot");
    loss.watch(&staging);
    staging.get(INO).unwrap().unwrap().sync().unwrap();
    drop(staging);
    loss.strike();
    let f = open(tmp.path(), "next").0.get(INO).unwrap().unwrap();
    assert_eq!((f.base(), f.coverage().changed), (Some(content), false));
}
