//! One promise each, by example.

use std::{fs, io, sync::Arc};

use super::kit::{INO, Remote, names, new, old, one, open, ranges, sparse, staged};
use crate::{
    error::Kind,
    journal::{BootId, Record, encode},
    node::{Content, ContentId, Ino, Time},
    ranges::RangeSet,
    staging::{Read, StagedFile, Step},
    vfs::{At, Fault, Seek},
};

const NOW: Time = Time(99);
const MIB: u64 = 1 << 20;

/// A staged file over `len` bytes of a base, with its remote and its folder.
fn over(len: u64) -> (tempfile::TempDir, Remote, Arc<Vec<u8>>, crate::staging::Staging, Arc<StagedFile>) {
    let (tmp, remote) = (tempfile::tempdir().unwrap(), Remote::default());
    let base = old(1, len);
    let content = remote.put(&base);
    let (staging, file) = staged(tmp.path(), Some(content));
    (tmp, remote, Arc::new(base), staging, file)
}

#[test]
fn opening_is_free() {
    let tmp = tempfile::tempdir().unwrap();
    let huge = Content { id: ContentId([1; 32]), size: 100_000 * MIB };
    let (staging, file) = staged(tmp.path(), Some(huge));
    let written: u64 =
        names(tmp.path()).iter().map(|n| fs::metadata(tmp.path().join(n)).unwrap().len()).sum();
    assert!(written <= 1024, "{written} bytes");
    assert_eq!(file.size(), huge.size);
    // One byte in the middle: the byte is there, the rest is a gap, and the disk holds next to nothing.
    let at = 50_000 * MIB;
    file.write(At::Offset(at), b"x", NOW).unwrap();
    let epoch = file.lock().epoch;
    let want = Read::Missing { gaps: vec![at - 1..at, at + 1..at + 2], base: huge, epoch };
    assert_eq!(file.read(at - 1..at + 2).unwrap(), want);
    let disk = staging.bytes_on_disk();
    assert!(disk < MIB || !sparse(tmp.path()), "{disk}");
}

#[test]
fn a_hole_is_never_data() {
    let (_tmp, remote, base, _staging, file) = over(10_000);
    file.write(At::Offset(9_000), &new(1, 500), NOW).unwrap();
    file.truncate(5_000, NOW).unwrap();
    file.truncate(12_000, NOW).unwrap();
    file.write(At::Offset(20_000), &new(2, 10), NOW).unwrap();
    let mut want = base[..5_000].to_vec();
    want.resize(20_000, 0);
    want.extend(new(2, 10));
    assert!(remote.read(&file, 0..u64::MAX) == want);
    let frozen = file.freeze().unwrap().unwrap();
    assert_eq!((frozen.composition.base_limit, frozen.size), (5_000, 20_010));
    assert!(remote.compose(&frozen.composition) == want);
}

#[test]
fn a_fill_never_overwrites_what_was_written_meanwhile() {
    let (_tmp, _remote, base, _staging, file) = over(10_000);
    let Read::Missing { gaps, epoch, .. } = file.read(0..10_000).unwrap() else { panic!() };
    assert_eq!(RangeSet::from_iter(gaps), one(0..10_000));
    file.write(At::Offset(4_000), &new(1, 1_000), NOW).unwrap();
    file.truncate(9_000, NOW).unwrap();
    file.truncate(9_500, NOW).unwrap();
    file.fill(epoch, 0, &base).unwrap();
    let Read::Ready(all) = file.read(0..10_000).unwrap() else { panic!() };
    let want = [&base[..4_000], &new(1, 1_000), &base[5_000..9_000], &[0; 500]].concat();
    assert!(all == want);
    assert_eq!(file.coverage().dirty, ranges([4_000..5_000, 9_000..9_500]));
}

#[test]
fn a_file_without_a_base_is_all_its_own() {
    let tmp = tempfile::tempdir().unwrap();
    let (staging, file) = staged(tmp.path(), None);
    assert!(!file.coverage().changed, "empty, as none is");
    assert!(file.freeze().unwrap().is_none());
    file.write(At::Append, b"abc", Time(5)).unwrap();
    assert_eq!(file.write(At::Append, b"def", Time(6)).unwrap(), 3..6);
    assert_eq!(file.write(At::Offset(2), b"", Time(7)).unwrap(), 2..2);
    file.set_mtime(Time(1)).unwrap();
    assert_eq!((file.mtime(), file.ctime()), (Time(1), Time(6)));
    let all = one(0..6);
    assert_eq!((file.coverage().present, file.coverage().dirty), (all.clone(), all));
    assert_eq!(staging.create(INO, None, 0, NOW).err().unwrap().kind(), Kind::Busy);
}

#[test]
fn seeking_sees_data_up_to_the_end() {
    let (_tmp, _remote, _base, _staging, file) = over(100);
    assert_eq!(file.seek(5, Seek::Data), Ok(5));
    assert_eq!(file.seek(5, Seek::Hole), Ok(100));
    assert_eq!(file.seek(100, Seek::Hole), Err(Fault::NoData));
}

#[test]
fn impossible_sizes_are_refused() {
    let (_tmp, _remote, _base, _staging, file) = over(100);
    let kinds = [
        file.write(At::Offset(u64::MAX), b"x", NOW).unwrap_err().kind(),
        file.write(At::Offset(i64::MAX as u64), b"x", NOW).unwrap_err().kind(),
        file.truncate(u64::MAX, NOW).unwrap_err().kind(),
        file.zero(0..u64::MAX, true, NOW).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [Kind::Invalid; 4]);
    assert!(!file.coverage().changed);
}

#[test]
fn only_clean_bytes_near_to_changes_are_offered() {
    let (_tmp, remote, base, _staging, file) = over(4 * MIB);
    remote.read(&file, 0..4 * MIB);
    file.write(At::Offset(2 * MIB), &new(1, 10), NOW).unwrap();
    let frozen = file.freeze().unwrap().unwrap();
    let near = 256 << 10;
    let (a, b) = (2 * MIB, 2 * MIB + 10);
    assert_eq!(frozen.composition.local, ranges([a - near..a, b..b + near]));
    let mut want = base.to_vec();
    want[a as usize..b as usize].copy_from_slice(&new(1, 10));
    assert!(remote.compose(&frozen.composition) == want);
    let far = frozen.composition.source.read(0..10).unwrap_err();
    assert_eq!(far.kind(), io::ErrorKind::InvalidInput, "bytes that were not offered are not given");
}

#[test]
fn old_bytes_go_to_a_side_file_only_when_needed_and_leave_with_the_flush() {
    let (tmp, remote, _base, _staging, file) = over(3 * MIB);
    let side = |n: usize| {
        let found = names(tmp.path()).iter().filter(|n| n.ends_with(".side")).count();
        assert_eq!(found, n, "{:?}", names(tmp.path()));
    };
    let written = new(1, 2 * MIB);
    file.write(At::Offset(MIB), &written, NOW).unwrap();
    let frozen = file.freeze().unwrap().unwrap();
    file.write(At::Offset(0), &new(2, 100), NOW).unwrap();
    side(0); // not part of the generation
    file.truncate(MIB + 5, NOW).unwrap();
    side(0); // cut, but still there
    file.sync().unwrap();
    file.truncate(3 * MIB, NOW).unwrap();
    side(1);
    file.write(At::Offset(MIB), &new(3, MIB), NOW).unwrap();
    assert!(frozen.composition.source.read(MIB..3 * MIB).unwrap()[..] == written);
    let composed = remote.compose(&frozen.composition);
    let content = remote.put(&composed);
    file.commit(frozen.generation, content).unwrap();
    side(0);
    assert!(frozen.composition.source.read(MIB..MIB + 1).is_err(), "the generation is over");
    // What came after it stays to be flushed.
    assert_eq!(file.coverage().dirty, ranges([0..100, MIB..3 * MIB]));
    let next = file.freeze().unwrap().unwrap();
    assert_eq!((next.generation, next.composition.base_limit), (frozen.generation + 1, MIB + 5));
    drop(frozen);
    file.write(At::Offset(0), &new(4, 100), NOW).unwrap();
    side(1); // the old one's end did not end the new one
    drop(next);
    side(0);
}

#[test]
fn generations_are_named_rightly_or_refused() {
    let (_tmp, remote, base, _staging, file) = over(1000);
    assert!(file.freeze().unwrap().is_none(), "nothing to flush");
    file.truncate(500, NOW).unwrap();
    assert!(file.coverage().changed && file.coverage().dirty.is_empty(), "a cut is a change");
    let g = file.freeze().unwrap().unwrap().generation;
    let half = remote.put(&base[..500]);
    assert_eq!(file.freeze().err().unwrap().kind(), Kind::Busy);
    assert_eq!(file.commit(g + 1, half).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(file.thaw(g + 1).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(file.commit(g, remote.put(&base)).unwrap_err().kind(), Kind::Invalid, "another size");
    assert!(!file.rebase(None).unwrap(), "in flight");
    file.commit(g, half).unwrap();
    assert_eq!(file.commit(g, half).unwrap_err().kind(), Kind::Invalid, "once");
    assert!(!file.coverage().changed);
}

#[test]
fn evicting_gives_space_back_and_keeps_changes() {
    let (_tmp, remote, base, staging, file) = over(4 * MIB);
    remote.read(&file, 0..4 * MIB);
    file.write(At::Offset(MIB), &new(1, 4096), NOW).unwrap();
    file.sync().unwrap();
    let full = staging.bytes_on_disk();
    let freed = file.evict().unwrap();
    assert_eq!(file.coverage().present, one(MIB..MIB + 4096));
    // Where holes can't be punched none is said to be freed.
    assert!(freed == 4 * MIB - 4096 || freed == 0);
    assert!(staging.bytes_on_disk() <= full - freed + 64 * 1024);
    let mut want = base.to_vec();
    want[MIB as usize..MIB as usize + 4096].copy_from_slice(&new(1, 4096));
    assert!(remote.read(&file, 0..4 * MIB) == want);
    let f = file.freeze().unwrap().unwrap();
    file.commit(f.generation, remote.put(&want)).unwrap();
    assert_eq!(file.evict().unwrap(), 4 * MIB);
    let disk = staging.bytes_on_disk();
    assert!(disk <= 128 * 1024, "{disk}");
}

#[test]
fn what_nobody_uses_and_the_remote_has_is_discarded_with_its_journal() {
    let (tmp, remote, _, staging, file) = over(MIB);
    remote.read(&file, 0..MIB);
    assert_eq!((staging.ledger().bytes(), staging.discard(INO).unwrap()), (MIB, 0), "in use");
    file.write(At::Offset(0), b"mine", NOW).unwrap();
    drop(file);
    assert_eq!(staging.discard(INO).unwrap(), 0, "changed");
    let file = staging.get(INO).unwrap().unwrap();
    let frozen = file.freeze().unwrap().unwrap();
    let generation = frozen.generation;
    drop(frozen);
    file.thaw(generation).unwrap();
    assert_eq!(&remote.read(&file, 0..4)[..], b"mine");
    let frozen = file.freeze().unwrap().unwrap();
    let content = remote.put(&remote.compose(&frozen.composition));
    file.commit(frozen.generation, content).unwrap();
    drop((frozen, file));
    assert_eq!(staging.discard(INO).unwrap(), MIB);
    assert_eq!((staging.ledger().bytes(), staging.discard(INO).unwrap()), (0, 0));
    assert_eq!(names(tmp.path()), Vec::<String>::new());
}

#[test]
fn a_removed_file_goes_on_for_those_who_have_it_and_never_comes_back() {
    let (tmp, remote, base, staging, file) = over(10_000);
    file.write(At::Offset(0), b"mine", NOW).unwrap();
    staging.close_idle(INO);
    staging.remove(INO).unwrap();
    assert!(staging.get(INO).unwrap().is_none());
    // Another life of the same number, at the same time.
    let other = staging.create(INO, None, 0, NOW).unwrap();
    other.write(At::Append, b"other", NOW).unwrap();
    file.write(At::Append, b"tail", NOW).unwrap();
    file.sync().unwrap();
    file.evict().unwrap();
    let frozen = file.freeze().unwrap().unwrap();
    file.write(At::Offset(0), b"mi", NOW).unwrap();
    file.zero(2..4, false, NOW).unwrap();
    let mut want = [b"mine", &base[4..], b"tail"].concat();
    assert!(remote.compose(&frozen.composition) == want);
    staging.close_idle(INO);
    want[2..4].fill(0);
    assert!(remote.read(&file, 0..u64::MAX) == want);
    drop((file, frozen));
    assert!(remote.read(&other, 0..9) == b"other");
    drop(other);
    staging.remove(INO).unwrap();
    staging.remove(INO).unwrap();
    assert_eq!(names(tmp.path()), [""; 0]);
}

#[test]
fn thousands_of_files_hold_no_descriptors() {
    let tmp = tempfile::tempdir().unwrap();
    let (staging, _) = open(tmp.path(), "boot");
    for n in 0..600 {
        let f = staging.create(Ino(n), None, 0, NOW).unwrap();
        f.write(At::Append, &n.to_le_bytes(), NOW).unwrap();
        staging.close_idle(Ino(n));
        assert!(f.lock().disk.is_none());
    }
    drop(staging);
    let (staging, found) = open(tmp.path(), "boot");
    assert_eq!(found, (0..600).map(Ino).collect::<Vec<_>>());
    let files: Vec<_> = found.iter().map(|&n| staging.get(n).unwrap().unwrap()).collect();
    assert!(files.iter().all(|f| f.coverage().changed && f.lock().disk.is_none()));
    assert!(Arc::ptr_eq(&files[5], &staging.get(Ino(5)).unwrap().unwrap()), "all share one");
    drop(files);
    for n in found {
        staging.get(n).unwrap();
    }
    assert!(staging.live().len() < 1200, "what nobody has is forgotten");
}

#[test]
fn copying_a_file_in_costs_no_journal() {
    let tmp = tempfile::tempdir().unwrap();
    let (staging, file) = staged(tmp.path(), None);
    for n in 0..500 {
        file.write(At::Append, &new(n, 1000), NOW).unwrap();
    }
    assert_eq!(file.lock().log.len(), 4 * 64);
    drop((file, staging));
    let file = open(tmp.path(), "boot").0.get(INO).unwrap().unwrap();
    let want: Vec<u8> = (0..500).flat_map(|n| new(n, 1000)).collect();
    assert!(Remote::default().peek(&file) == want);
}

#[test]
fn fetched_bytes_are_known_after_closing_even_after_a_reboot() {
    let (tmp, remote, base, staging, file) = over(5 * MIB);
    remote.read(&file, 0..5 * MIB);
    staging.close_idle(INO);
    drop((file, staging));
    for boot in ["boot", "next"] {
        let file = open(tmp.path(), boot).0.get(INO).unwrap().unwrap();
        assert_eq!(file.coverage().present, one(0..5 * MIB), "{boot}");
        assert!(remote.peek(&file) == *base);
    }
}

#[test]
fn what_cant_be_read_is_kept_and_said() {
    let (tmp, _remote, _base, staging, file) = over(1000);
    file.write(At::Offset(0), b"x", NOW).unwrap();
    drop((file, staging));
    let log = tmp.path().join(format!("{INO}.log"));
    let good = fs::read(&log).unwrap();
    let get = |bytes: &[u8]| {
        fs::write(&log, bytes).unwrap();
        let (staging, found) = open(tmp.path(), "boot");
        assert_eq!(found, [INO]);
        let got = staging.get(INO).map(|f| f.is_some()).map_err(|e| e.kind());
        assert_eq!(fs::read(&log).unwrap(), bytes, "nothing is mended behind one's back");
        if got.is_err() {
            assert_eq!(staging.create(INO, None, 0, NOW).map(|_| ()).map_err(|e| e.kind()), got.map(|_| ()));
        }
        got
    };
    assert_eq!(get(&good), Ok(true));
    let mut bad = good.clone();
    bad[70] ^= 1;
    assert_eq!(get(&bad), Err(Kind::Damaged));
    let mut newer = Vec::new();
    let header = Record::Header { version: 2, ino: INO, generation: 0, boot: BootId::new("boot") };
    encode(&header, &mut 0, &mut newer);
    newer.extend([9; 500]);
    assert_eq!(get(&newer), Err(Kind::NewerFormat));
    assert_eq!(get(&[0; 4096]), Ok(false), "never begun");
    assert_eq!(get(b""), Ok(false), "never begun");
    assert_eq!(get(&good), Ok(true));
    fs::rename(tmp.path().join("7.data"), tmp.path().join("8.data")).unwrap();
    assert_eq!(get(&good), Err(Kind::Damaged), "its bytes are gone");
    fs::write(tmp.path().join("9.log"), &good).unwrap();
    assert_eq!(open(tmp.path(), "boot").0.get(Ino(9)).err().unwrap().kind(), Kind::Damaged, "not its own");
}

#[test]
fn opening_tidies_up() {
    let (tmp, _remote, _base, staging, file) = over(1000);
    drop((file, staging));
    for leftover in ["3.data", "4.tmp", "5-1.side", "6-2.gone"] {
        fs::write(tmp.path().join(leftover), b"x").unwrap();
    }
    assert_eq!(open(tmp.path(), "boot").1, [INO]);
    assert_eq!(names(tmp.path()), ["7.data", "7.log"]);
}

/// Each way to change a file, on a disk that fills up at each step of it.
#[test]
fn a_full_disk_leaves_all_as_it_was() {
    type Change = fn(&StagedFile) -> crate::error::Result<()>;
    let changes: [(&str, Change); 7] = [
        ("write over clean bytes", |f| f.write(At::Offset(10), &new(5, 300), NOW).map(drop)),
        ("write into a gap", |f| f.write(At::Offset(5_000), &new(5, 300), NOW).map(drop)),
        ("write past the end", |f| f.write(At::Offset(12_000), &new(5, 300), NOW).map(drop)),
        ("cut", |f| f.truncate(100, NOW)),
        ("grow", |f| f.truncate(15_000, NOW)),
        ("zero", |f| f.zero(0..50, true, NOW)),
        ("freeze", |f| f.freeze().map(drop)),
    ];
    for (what, change) in changes {
        for step in [Step::Reserve, Step::SaveOld, Step::Data, Step::Record] {
            let (tmp, remote, _base, staging, file) = over(10_000);
            remote.read(&file, 0..4_000);
            file.write(At::Offset(1_000), &new(1, 100), NOW).unwrap();
            file.truncate(9_000, NOW).unwrap();
            let frozen = file.freeze().unwrap().unwrap();
            if what == "freeze" {
                file.thaw(frozen.generation).unwrap();
            }
            let (before, size, ctime) = (remote.peek(&file), file.size(), file.ctime());
            let mut hit = false;
            let full = Arc::new(std::sync::Mutex::new(false));
            let seen = full.clone();
            staging.env.probe.set(move |s| {
                *seen.lock().unwrap() |= s == step;
                if s == step { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            });
            match change(&file) {
                Ok(()) => assert!(!*full.lock().unwrap(), "{what} went on at {step:?}"),
                Err(e) => {
                    assert_eq!(e.kind(), Kind::NoSpace, "{e:?}");
                    assert!(e.remedy_text().is_some() && e.path().is_some());
                    hit = true;
                }
            }
            staging.env.probe.clear();
            if hit {
                assert_eq!((file.size(), file.ctime()), (size, ctime), "{what} at {step:?}");
                // Inside the range itself, a part may have been written when the record found no room.
                if step != Step::Record {
                    assert!(remote.peek(&file) == before, "{what} at {step:?}");
                }
                let after = remote.peek(&file);
                drop((file, frozen, staging));
                let (staging, _) = open(tmp.path(), "boot");
                let file = staging.get(INO).unwrap().unwrap();
                assert!(remote.peek(&file) == after, "{what} at {step:?}, reopened");
                change(&file).unwrap();
            }
        }
    }
}
