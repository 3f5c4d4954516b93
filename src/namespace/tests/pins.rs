//! Pins, and the order of names.

use std::collections::HashSet;

use super::*;

const R: Ino = Ino::ROOT;

#[test]
fn a_pin_goes_with_its_node_and_holds_for_all_below() {
    let mut bed = Bed::new();
    let (a, b) = (bed.make(R, "a", Kind::Dir).ino, bed.make(R, "b", Kind::Dir).ino);
    let deep = bed.make(a, "deep", Kind::Dir).ino;
    let (f, g) = (bed.make(deep, "f", Kind::File).ino, bed.make(b, "g", Kind::File).ino);
    assert!(bed.all_pinned().unwrap().is_empty());
    bed.pin(a).unwrap();
    bed.pin(a).unwrap();
    bed.reopen();
    assert_eq!(bed.pins().unwrap(), [a]);
    assert_eq!(bed.all_pinned().unwrap(), HashSet::from([a, deep, f]));
    assert_eq!((bed.pinned_by(f).unwrap(), bed.pinned_by(g).unwrap()), (Some(a), None));
    // What comes into the folder is kept, what leaves it is not.
    let places = bed.places();
    let now = bed.now();
    bed.rename((b, &name("g")), (deep, &name("g")), RenameMode::Replace, now).unwrap();
    bed.rename((R, &name("a")), (b, &name("moved")), RenameMode::Replace, now).unwrap();
    bed.rename((deep, &name("f")), (R, &name("f")), RenameMode::Replace, now).unwrap();
    assert_ne!(bed.places(), places);
    assert_eq!(bed.all_pinned().unwrap(), HashSet::from([a, deep, g]));
    // The nearest pin is the one that keeps it.
    bed.pin(R).unwrap();
    bed.pin(g).unwrap();
    assert_eq!((bed.pinned_by(g).unwrap(), bed.pinned_by(f).unwrap()), (Some(g), Some(R)));
    bed.unpin(R).unwrap();
    bed.unpin(a).unwrap();
    bed.unpin(a).unwrap();
    assert_eq!(bed.all_pinned().unwrap(), HashSet::from([g]));
}

#[test]
fn a_pin_outlives_a_save_by_replacement_and_goes_with_a_removed_file() {
    let mut bed = Bed::new();
    let old = bed.make(R, "report", Kind::File).ino;
    bed.pin(old).unwrap();
    let new = bed.make(R, "report.tmp", Kind::File).ino;
    let now = bed.now();
    bed.rename((R, &name("report.tmp")), (R, &name("report")), RenameMode::Replace, now).unwrap();
    assert_eq!(bed.pins().unwrap(), [new]);
    bed.unlink(R, &name("report"), now).unwrap();
    assert!(bed.all_pinned().unwrap().is_empty());
    bed.drop_orphan(new).unwrap();
    assert!(bed.pins().unwrap().is_empty());
}

#[test]
fn a_tree_of_format_1_gets_what_it_lacks() {
    let mut bed = Bed::new();
    let f = bed.make(R, "f", Kind::File).ino;
    bed.ns = None;
    let path = bed.dir.path().join("tree.db");
    // What made the difference when 2 was new.
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE pins; PRAGMA user_version = 1;")
        .unwrap();
    bed.reopen();
    assert_eq!(bed.node(f).unwrap().name, name("f"));
    bed.pin(f).unwrap();
    bed.reopen();
    assert_eq!(bed.pins().unwrap(), [f]);
    let version: i64 = rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .unwrap();
    assert_eq!(version, 2);
}

#[test]
fn names_come_in_the_order_of_their_bytes_and_page_by_page() {
    let mut bed = Bed::new();
    let mut want: Vec<String> = ["b", "A", "a", "Z", "ü", "a b", "~", "10", "9"].map(String::from).into();
    for n in &want {
        bed.make(R, n, Kind::File);
    }
    want.sort();
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().cloned();
        let page = bed.children_by_name(R, after.as_deref(), 2).unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.iter().all(|(_, differs)| *differs), "new ones differ from what the remote has");
        found.extend(page.into_iter().map(|(n, _)| n.name.as_str().to_owned()));
    }
    assert_eq!(found, want);
}
