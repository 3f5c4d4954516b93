//! The mirror: what it makes of the Hub's changes and of ours, and what it tells the engine.

use super::{
    diff::{self, Step},
    mirror::Mirror,
    ops::{Act, Before as _, Plan},
    rows::{Row, Seen},
};
use crate::{
    error::Kind,
    node::{Content, ContentId, Meta, Name, NodeId, Time},
    remote::{Body, Event, RemoteNode, store::decide::Tree as _},
};

const URL: &str = "hf://buckets/o/n at http://hub";

fn name(n: &str) -> Name {
    Name::new(n).unwrap()
}

fn content(n: u8) -> Content {
    Content { id: ContentId([n; 32]), size: u64::from(n) }
}

fn file(path: &str, n: u8, ms: i64) -> Row {
    let seen = Seen { content: content(n), mtime: Some(ms), uploaded: Some(ms), plain: false };
    Row { name: name(path.rsplit('/').next().unwrap()), path: path.into(), file: Some(seen) }
}

fn folder(path: &str) -> Row {
    Row { name: name(path.rsplit('/').next().unwrap()), path: path.into(), file: None }
}

struct Kit {
    dir: tempfile::TempDir,
    mirror: Mirror,
}

impl Kit {
    fn new() -> Kit {
        let dir = tempfile::tempdir().unwrap();
        let mirror = Mirror::open(&dir.path().join("hub.db"), URL, (7, 8)).unwrap();
        Kit { dir, mirror }
    }

    fn reopened(self) -> Kit {
        let Kit { dir, mirror } = self;
        drop(mirror);
        let mirror = Mirror::open(&dir.path().join("hub.db"), URL, (7, 8)).unwrap();
        Kit { dir, mirror }
    }

    /// What a listing of one folder makes of it.
    fn list(&self, dir: NodeId, rows: &[Row]) -> bool {
        let steps = diff::moves(diff::folder(dir, &self.mirror.known(dir, None).unwrap(), rows));
        self.mirror.take(&steps, &[dir], None, "").unwrap()
    }

    fn node(&self, path: &str) -> Option<RemoteNode> {
        let mut at = NodeId::ROOT;
        for part in path.split('/') {
            at = self.mirror.child(at, &name(part)).unwrap()?;
        }
        self.mirror.get(at).unwrap()
    }

    fn put(&self, id: u64, parent: NodeId, n: &str, body: Body) -> u64 {
        let meta = Meta { mode: 0o640, uid: 1, gid: 2, mtime: Time(5_000_001), btime: Time(9) };
        let act = Act::Put { id: NodeId(id), parent, name: name(n), meta, body };
        self.mirror.done([&act].into_iter()).unwrap().0
    }
}

#[test]
fn what_is_listed_is_told_once_and_with_others_attributes() {
    let kit = Kit::new();
    let start = kit.mirror.place().unwrap().version;
    assert!(kit.list(NodeId::ROOT, &[folder("d"), file("f", 1, 1000)]));
    assert!(!kit.list(NodeId::ROOT, &[folder("d"), file("f", 1, 1000)]));
    let (events, now) = kit.mirror.since(start).unwrap();
    assert_eq!((events.len(), now), (2, start + 1));
    assert!(kit.mirror.since(now).unwrap().0.is_empty());
    let f = kit.node("f").unwrap();
    assert_eq!((f.meta.mode, f.meta.uid, f.meta.gid, f.meta.mtime), (0o644, 7, 8, Time(1_000_000_000)));
    assert_eq!(f.body, Body::File(content(1)));
    // Changed there: one event about that node, and our mode of it stays.
    kit.list(NodeId::ROOT, &[folder("d"), file("f", 2, 2000)]);
    let (events, _) = kit.mirror.since(now).unwrap();
    assert!(matches!(&events[..], [Event::Upsert(n)] if n.id == f.id && n.body == Body::File(content(2))));
}

#[test]
fn what_the_hub_cannot_hold_stays_through_listings_and_restarts() {
    let kit = Kit::new();
    kit.list(NodeId::ROOT, &[file("f", 1, 1000)]);
    kit.put(2001, NodeId::ROOT, "empty", Body::Dir);
    kit.put(2003, NodeId::ROOT, "link", Body::Symlink("f".into()));
    kit.put(2005, NodeId(2001), "inside", Body::File(content(3)));
    let kit = kit.reopened();
    assert!(!kit.list(NodeId::ROOT, &[file("f", 1, 1000), folder("empty")]));
    assert!(kit.mirror.is_listed(NodeId(2001)).unwrap(), "what we made we know");
    // Another client removes the file in it: the folder stays, it is ours.
    assert!(kit.list(NodeId(2001), &[]));
    assert!(!kit.list(NodeId::ROOT, &[file("f", 1, 1000)]));
    let names: Vec<String> =
        kit.mirror.children(NodeId::ROOT).unwrap().into_iter().map(|n| n.name.to_string()).collect();
    assert_eq!(names, ["empty", "f", "link"]);
    assert_eq!(kit.node("empty").unwrap().meta.mode, 0o640);
    assert_eq!(kit.node("link").unwrap().body, Body::Symlink("f".into()));
    // The Hub's own time of our file is the millisecond of ours: no news.
    kit.put(2007, NodeId::ROOT, "g", Body::File(content(4)));
    assert!(!kit.list(NodeId::ROOT, &[file("f", 1, 1000), file("g", 4, 5)]));
    assert_eq!(kit.node("g").unwrap().meta.mtime, Time(5_000_001));
}

#[test]
fn a_folder_that_is_gone_there_goes_with_all_that_the_hub_had_in_it() {
    let kit = Kit::new();
    kit.list(NodeId::ROOT, &[folder("d"), folder("e")]);
    let (d, e) = (kit.node("d").unwrap().id, kit.node("e").unwrap().id);
    kit.list(d, &[folder("d/s"), file("d/x", 1, 1)]);
    let s = kit.node("d/s").unwrap().id;
    kit.list(s, &[file("d/s/y", 2, 1)]);
    kit.list(e, &[file("e/z", 3, 1)]);
    kit.put(2001, e, "link", Body::Symlink("z".into()));
    let before = kit.mirror.place().unwrap().version;
    kit.list(NodeId::ROOT, &[]);
    assert!(kit.node("d").is_none() && kit.node("e/z").is_none());
    assert!(kit.node("e/link").is_some(), "what is only here stays, with its folder");
    let (events, _) = kit.mirror.since(before).unwrap();
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Remove(..))).count(), 5);
}

#[test]
fn a_file_moved_by_others_keeps_its_number() {
    let kit = Kit::new();
    kit.list(NodeId::ROOT, &[folder("a"), folder("b")]);
    let (a, b) = (kit.node("a").unwrap().id, kit.node("b").unwrap().id);
    kit.list(a, &[file("a/x", 5, 1)]);
    kit.list(b, &[]);
    let x = kit.node("a/x").unwrap().id;
    // The folder it was in is gone by that.
    let mut steps =
        diff::folder(NodeId::ROOT, &kit.mirror.known(NodeId::ROOT, None).unwrap(), &[folder("b")]);
    steps.extend(diff::folder(a, &kit.mirror.known(a, None).unwrap(), &[]));
    steps.extend(diff::folder(b, &[], &[file("b/y", 5, 1)]));
    let steps = diff::moves(steps);
    assert!(steps.iter().any(|s| matches!(s, Step::Moved(id, to, _) if *id == x && *to == b)));
    kit.mirror.take(&steps, &[], Some("state"), "").unwrap();
    assert_eq!(kit.node("b/y").unwrap().id, x);
    assert!(kit.node("a").is_none());
    assert_eq!(kit.mirror.place().unwrap().probe.as_deref(), Some("state"));
}

#[test]
fn our_batches_are_taken_in_whole_and_their_notes_with_them() {
    let kit = Kit::new();
    kit.list(NodeId::ROOT, &[folder("d")]);
    let d = kit.node("d").unwrap().id;
    kit.list(d, &[file("d/x", 1, 1)]);
    let x = kit.node("d/x").unwrap().id;
    let plan = Plan { acts: vec![Act::Remove(x)], ..Plan::default() };
    kit.mirror.intend(&plan).unwrap();
    let kit = kit.reopened();
    assert_eq!(kit.mirror.intent().unwrap(), Some(plan.clone()));
    let version = kit.mirror.done(plan.acts.iter()).unwrap();
    assert_eq!(kit.mirror.intent().unwrap(), None);
    assert!(
        matches!(&kit.mirror.since(version.0 - 1).unwrap().0[..], [Event::Remove(id, v)] if *id == x && *v == version)
    );
    // A folder that we emptied stays, though the Hub does not show it any more.
    kit.list(NodeId::ROOT, &[]);
    assert!(kit.node("d").is_some());
    assert_eq!(kit.mirror.below(NodeId::ROOT).unwrap().len(), 0);
}

#[test]
fn a_name_that_the_hub_took_is_the_hubs() {
    let kit = Kit::new();
    kit.put(2001, NodeId::ROOT, "n", Body::Symlink("x".into()));
    kit.list(NodeId::ROOT, &[file("n", 3, 1)]);
    assert_eq!(kit.node("n").unwrap().body, Body::File(content(3)));
    assert_eq!(kit.mirror.children(NodeId::ROOT).unwrap().len(), 2, "ours is not lost");
}

#[test]
fn another_drives_state_is_refused() {
    let kit = Kit::new();
    let e = Mirror::open(&kit.dir.path().join("hub.db"), "hf://buckets/o/other at http://hub", (0, 0))
        .err()
        .unwrap();
    assert!(e.kind() == Kind::Invalid && e.remedy_text().is_some());
}
