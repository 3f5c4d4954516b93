//! What programs see.

use super::*;
use crate::vfs::Fault::{self, *};

const R: Ino = Ino::ROOT;

fn rename(bed: &mut Bed, from: (Ino, &str), to: (Ino, &str), mode: RenameMode) -> vfs::Result<Option<Node>> {
    let now = bed.now();
    bed.rename((from.0, &name(from.1)), (to.0, &name(to.1)), mode, now)
}

#[test]
fn numbers_are_stable_and_never_used_again() {
    let mut bed = Bed::new();
    let a = bed.make(R, "a", Kind::File);
    assert!(a.ino.0 >= 16);
    bed.unlink(R, &name("a"), Time(5)).unwrap();
    bed.drop_orphan(a.ino).unwrap();
    for i in 0..3000 {
        assert!(bed.make(R, &format!("{i}"), Kind::File).ino > a.ino);
    }
    let last = bed.make(R, "last", Kind::File).ino;
    bed.reopen();
    assert_eq!(bed.node(last).unwrap().name, name("last"));
    assert!(bed.make(R, "more", Kind::File).ino > last);
}

#[test]
fn what_waits_is_counted_as_people_do() {
    let mut bed = Bed::new();
    let count = |bed: &Bed| (bed.pending_count().unwrap(), bed.pending_things().unwrap());
    assert_eq!(count(&bed), (0, 0));
    bed.make(R, "d", Kind::Dir);
    assert_eq!(count(&bed), (2, 2), "the new folder, and the root's time");
    bed.make(R, "f", Kind::File);
    bed.make(R, "g", Kind::Symlink);
    assert_eq!(count(&bed), (4, 2), "a file and a link");
}

#[test]
fn of_many_removals_the_leaves_come_first() {
    let mut bed = Bed::new();
    let top = bed.make(R, "top", Kind::Dir).ino;
    let sub = bed.make(top, "sub", Kind::Dir).ino;
    for i in 0..5 {
        bed.make(sub, &format!("{i}"), Kind::File);
    }
    for (version, what) in bed.pending(100).unwrap().iter().enumerate() {
        bed.published(what, Version(version as u64 + 2), None).unwrap();
    }
    assert!(!bed.any_removed().unwrap());
    for i in 0..5 {
        bed.unlink(sub, &name(&format!("{i}")), Time(5)).unwrap();
    }
    bed.rmdir(top, &name("sub"), Time(6)).unwrap();
    bed.rmdir(R, &name("top"), Time(7)).unwrap();
    let mut sent = 0;
    while bed.any_removed().unwrap() {
        let batch = bed.pending(3).unwrap();
        let removals: Vec<_> = batch.iter().filter(|p| matches!(p, Pending::Remove { .. })).collect();
        assert!(!removals.is_empty() && removals.len() <= 3);
        // Five files, and only then the two folders.
        let folders = removals.len() == 2 && sent == 5;
        assert_eq!(folders, sent >= 5, "{sent} before {removals:?}");
        sent += removals.len();
        for what in removals {
            bed.published(what, Version(100), None).unwrap();
        }
    }
    assert_eq!(sent, 7);
}

/// By parts, whoever looks for what may go sees all of it, and what was removed with what takes its place.
#[test]
fn what_differs_is_seen_part_by_part() {
    let mut bed = Bed::new();
    let old = bed.make(R, "old", Kind::File).ino;
    for (version, what) in bed.pending(100).unwrap().iter().enumerate() {
        bed.published(what, Version(version as u64 + 2), None).unwrap();
    }
    let made: Vec<Ino> = (0..10).map(|i| bed.make(R, &format!("{i}"), Kind::File).ino).collect();
    bed.unlink(R, &name("old"), Time(5)).unwrap();
    let again = bed.make(R, "old", Kind::File).ino;
    assert_ne!(old, again);
    let (mut seen, mut after) = (Vec::new(), Ino(0));
    loop {
        let (part, more) = bed.pending_after(after, 4).unwrap();
        let put = |p: &Pending| match p {
            Pending::Put { ino, .. } => Some(*ino),
            Pending::Remove { .. } => None,
        };
        let inos: Vec<Ino> = part.iter().filter_map(put).collect();
        assert!(inos.contains(&again), "with the removal");
        assert!(
            part.iter()
                .any(|p| matches!(p, Pending::Remove { replaced_by, .. } if *replaced_by == Some(again)))
        );
        seen.extend(inos);
        match more {
            Some(last) => after = last,
            None => break,
        }
    }
    seen.sort_unstable();
    seen.dedup();
    let mut all: Vec<Ino> = made.into_iter().chain([again]).collect();
    all.sort_unstable();
    assert_eq!(seen.iter().filter(|i| all.contains(i)).count(), 11);
}

#[test]
fn renames_obey_posix() {
    use RenameMode::{NoReplace, Replace};
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir).ino;
    let e = bed.make(d, "e", Kind::Dir).ino;
    bed.make(R, "f", Kind::File);
    bed.make(R, "g", Kind::Symlink);
    let full = bed.make(R, "full", Kind::Dir).ino;
    bed.make(full, "x", Kind::File);
    type At = (Ino, &'static str);
    let cases: &[(At, At, RenameMode, Fault)] = &[
        ((R, "none"), (R, "x"), Replace, NotFound),
        ((R, "f"), (R, "d"), Replace, IsDir),
        ((R, "d"), (R, "f"), Replace, NotDir),
        ((R, "d"), (R, "full"), Replace, NotEmpty),
        ((d, "e"), (R, "d"), Replace, NotEmpty),
        ((R, "d"), (d, "y"), Replace, Invalid),
        ((R, "d"), (e, "y"), Replace, Invalid),
        ((R, "f"), (R, "g"), NoReplace, Exists),
        ((R, "f"), (R, "none"), RenameMode::Exchange, NotFound),
        ((d, "e"), (R, "d"), RenameMode::Exchange, Invalid),
        ((R, "d"), (d, "e"), RenameMode::Exchange, Invalid),
        ((R, "f"), (Ino(9), "x"), Replace, NotFound),
    ];
    for (from, to, mode, fault) in cases {
        assert_eq!(rename(&mut bed, *from, *to, *mode), Err(*fault), "{from:?} to {to:?} {mode:?}");
    }
    // To itself: nothing happens, also not to the times.
    let before = bed.child(R, &name("f")).unwrap();
    assert_eq!(rename(&mut bed, (R, "f"), (R, "f"), Replace), Ok(None));
    assert_eq!(bed.child(R, &name("f")).unwrap(), before);
    // A folder over an empty folder; the replaced one can still be asked for.
    let gone = rename(&mut bed, (R, "full"), (d, "e"), Replace).unwrap().unwrap();
    assert_eq!((gone.ino, gone.parent, gone.nlink), (e, None, 0));
    assert_eq!(bed.node(e).unwrap(), gone);
    assert_eq!(bed.path(full).unwrap(), "d/e");
    assert_eq!(bed.path(e), None);
    assert_eq!(bed.orphans().unwrap(), [e]);
    assert_eq!(bed.create(e, &name("late"), new(Kind::File), Time(5)), Err(NotFound));
    assert_eq!(bed.children(e, 0, 9).unwrap(), []);
}

#[test]
fn exchange_swaps_a_file_and_a_folder() {
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir).ino;
    let sub = bed.make(d, "sub", Kind::Dir).ino;
    let f = bed.make(R, "f", Kind::File).ino;
    rename(&mut bed, (R, "f"), (d, "sub"), RenameMode::Exchange).unwrap();
    assert_eq!((bed.path(f).unwrap().as_str(), bed.path(sub).unwrap().as_str()), ("d/sub", "f"));
    assert_eq!((bed.node(d).unwrap().nlink, bed.node(R).unwrap().nlink), (2, 4));
}

#[test]
fn a_removed_folder_may_have_a_successor_of_its_name() {
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir).ino;
    bed.make(d, "f", Kind::File);
    assert_eq!(bed.rmdir(R, &name("d"), Time(1)), Err(NotEmpty));
    assert_eq!(bed.unlink(R, &name("d"), Time(1)), Err(IsDir));
    assert_eq!(bed.rmdir(d, &name("f"), Time(1)), Err(NotDir));
    bed.unlink(d, &name("f"), Time(1)).unwrap();
    bed.rmdir(R, &name("d"), Time(1)).unwrap();
    assert_eq!(bed.node(R).unwrap().nlink, 2);
    assert_ne!(bed.make(R, "d", Kind::Dir).ino, d);
    assert_eq!(bed.create(R, &name("d"), new(Kind::File), Time(1)), Err(Exists));
    assert_eq!(bed.count().unwrap(), 2);
}

#[test]
fn times_follow_every_change() {
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir);
    let f = bed.make(d.ino, "f", Kind::File);
    let times = |bed: &Bed, ino| {
        let n = bed.node(ino).unwrap();
        (n.mtime.0, n.ctime.0)
    };
    assert_eq!(times(&bed, R), (d.ctime.0, d.ctime.0));
    assert_eq!(times(&bed, d.ino), (f.ctime.0, f.ctime.0));
    bed.rename((d.ino, &name("f")), (R, &name("g")), RenameMode::Replace, Time(2_000_000_001)).unwrap();
    for ino in [R, d.ino] {
        assert_eq!(times(&bed, ino), (2_000_000_001, 2_000_000_001));
    }
    assert_eq!(times(&bed, f.ino), (f.mtime.0, 2_000_000_001));
    let set = SetAttr { mtime: Some(Time(-7)), ..SetAttr::default() };
    assert_eq!(bed.setattr(f.ino, &set, Time(2_000_000_002)).unwrap().mtime, Time(-7));
    assert_eq!(times(&bed, f.ino), (-7, 2_000_000_002));
    // A staged file knows of its data only: the inode's change time never goes back.
    bed.set_data(f.ino, 3, Time(9), Time(2_000_000_000), true).unwrap();
    assert_eq!(times(&bed, f.ino), (9, 2_000_000_002));
    let gone = bed.unlink(R, &name("g"), Time(2_000_000_003)).unwrap();
    assert_eq!((gone.ctime, gone.mtime), (Time(2_000_000_003), Time(9)));
    assert_eq!(times(&bed, R), (2_000_000_003, 2_000_000_003));
    // Also what is unlinked can be changed.
    bed.set_data(gone.ino, 4, Time(9), Time(9), true).unwrap();
    assert_eq!(bed.node(gone.ino).unwrap().size, 4);
}

#[test]
fn set_id_bits_come_and_go_as_posix_says() {
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir).ino;
    let set = SetAttr { mode: Some(0o2775), gid: Some(42), ..SetAttr::default() };
    bed.setattr(d, &set, Time(1)).unwrap();
    let f = bed.make(d, "f", Kind::File);
    for (mode, left) in [(0o6755, 0o755), (0o6745, 0o2745), (0o4644, 0o644), (0o1777, 0o1777)] {
        bed.setattr(f.ino, &SetAttr { mode: Some(mode), ..SetAttr::default() }, Time(1)).unwrap();
        let killed = SetAttr { kill_suid: true, uid: Some(1), ..SetAttr::default() };
        assert_eq!(bed.setattr(f.ino, &killed, Time(2)).unwrap().mode, left, "{mode:o}");
        assert_eq!(bed.node(f.ino).unwrap().mode, left);
    }
    let killed = SetAttr { kill_suid: true, uid: Some(1), ..SetAttr::default() };
    assert_eq!(bed.setattr(d, &killed, Time(2)).unwrap().mode, 0o2775);
}

#[test]
fn readdir_goes_on_where_it_was_while_entries_come_and_go() {
    let mut bed = Bed::new();
    for i in 0..10 {
        bed.make(R, &format!("{i}"), Kind::File);
    }
    let some = bed.children(R, 0, 4).unwrap();
    assert!(some[0].0 > 2);
    let cookie = some[3].0;
    for gone in ["1", "3", "5"] {
        bed.unlink(R, &name(gone), Time(1)).unwrap();
    }
    // Renamed in: comes last, with a new cookie.
    rename(&mut bed, (R, "0"), (R, "10"), RenameMode::Replace).unwrap();
    let rest = bed.children(R, cookie, 99).unwrap();
    let names: Vec<&str> = rest.iter().map(|(_, n)| n.name.as_str()).collect();
    assert_eq!(names, ["4", "6", "7", "8", "9", "10"]);
    bed.reopen();
    assert_eq!(bed.children(R, cookie, 99).unwrap(), rest);
    assert_eq!(bed.children(rest[0].1.ino, 0, 1), Err(NotDir));
    assert_eq!(bed.children(Ino(3), 0, 1), Err(NotFound));
}

#[test]
fn a_database_that_is_not_ours_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let kind = |path: &Path| Namespace::open(path).map(|_| ()).unwrap_err();
    let path = dir.path().join("garbage");
    let garbage = b"this is no database, but it is somebody's data. ".repeat(200);
    std::fs::write(&path, &garbage).unwrap();
    let e = kind(&path);
    assert_eq!(e.kind(), crate::error::Kind::Damaged);
    assert!(e.remedy_text().is_some() && e.path().is_some());
    assert_eq!(std::fs::read(&path).unwrap(), garbage);

    let path = dir.path().join("foreign");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert_eq!(kind(&path).kind(), crate::error::Kind::Damaged);

    let path = dir.path().join("newer");
    drop(Namespace::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let e = kind(&path);
    assert_eq!(e.kind(), crate::error::Kind::NewerFormat);
    assert!(e.cause().contains("99"));

    assert_eq!(kind(&dir.path().join("no/such/folder/db")).kind(), crate::error::Kind::Denied);
}

#[test]
fn a_damaged_page_is_an_error_and_not_an_empty_folder() {
    let mut bed = Bed::new();
    for i in 0..500 {
        bed.make(R, &format!("file number {i}"), Kind::File);
    }
    bed.ns = None;
    let path = bed.dir.path().join("tree.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len();
    for b in &mut bytes[4096..len] {
        *b = 0xA5;
    }
    std::fs::write(&path, bytes).unwrap();
    match Namespace::open(&path) {
        Err(e) => assert_eq!(e.kind(), crate::error::Kind::Damaged),
        Ok(ns) => assert_eq!(ns.children(R, 0, 9), Err(Io)),
    }
}

#[test]
fn sync_reaches_the_disk_and_checkpoints_keep_what_is_there() {
    let mut bed = Bed::new();
    for i in 0..2500 {
        bed.make(R, &format!("{i}"), Kind::File);
    }
    bed.sync().unwrap();
    bed.reopen();
    bed.sync().unwrap();
    assert_eq!(bed.children(R, 0, 9999).unwrap().len(), 2500);
}
