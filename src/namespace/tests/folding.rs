//! What becomes of the tree when others commit, and when our own commits come back.

use super::*;
use crate::{node::ContentId, remote::Event};

const R: Ino = Ino::ROOT;

fn content(n: u8) -> Content {
    Content { id: ContentId([n; 32]), size: n.into() }
}

fn there(id: u64, parent: NodeId, n: &str, version: u64, body: Body) -> RemoteNode {
    let meta = Meta { mode: 0o644, uid: 0, gid: 0, mtime: Time(version as i64), btime: Time(1) };
    RemoteNode { id: NodeId(id), parent, name: name(n), version: Version(version), meta, body }
}

fn file(id: u64, n: &str, version: u64, c: u8) -> RemoteNode {
    there(id, NodeId::ROOT, n, version, Body::File(content(c)))
}

/// Staged bytes that differ, and what was announced for them.
struct Dirty(Vec<Ino>, Option<Content>);

impl Contents for Dirty {
    fn changed(&self, ino: Ino) -> bool {
        self.0.contains(&ino)
    }
    fn intent(&self, ino: Ino) -> Option<Content> {
        self.0.contains(&ino).then_some(self.1).flatten()
    }
}

fn fold(bed: &Bed, events: &[RemoteNode], contents: &dyn Contents) -> Vec<Effect> {
    let events: Vec<Event> = events.iter().cloned().map(Event::Upsert).collect();
    bed.apply(&events, None, contents, &ctx()).unwrap()
}

fn names(bed: &Bed, dir: Ino) -> Vec<String> {
    let mut all: Vec<String> =
        bed.children(dir, 0, 99).unwrap().into_iter().map(|(_, n)| n.name.to_string()).collect();
    all.sort();
    all
}

const COPY: &str = "f (conflicted copy, HOST, 2026-11-23)";

#[test]
fn an_unchanged_file_follows() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1)], &Still);
    let f = bed.child(R, &name("f")).unwrap().unwrap();
    let effects = fold(&bed, &[file(2000, "f", 6, 2)], &Still);
    assert!(effects.contains(&Effect::Rebase { ino: f.ino, content: Some(content(2)) }));
    assert_eq!(bed.node(f.ino).unwrap().size, 2);
    assert_eq!(fold(&bed, &[file(2000, "f", 6, 2)], &Still), [], "the same again is no news");
    assert_eq!(bed.pending_count().unwrap(), 0);
}

#[test]
fn both_changed_and_both_stay() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1)], &Still);
    let f = bed.child(R, &name("f")).unwrap().unwrap().ino;
    bed.set_data(f, 9, Time(9), Time(9), true).unwrap();
    let effects = fold(&bed, &[file(2000, "f", 6, 2)], &Dirty(vec![f], None));
    let conflict = Effect::Conflict { ours: COPY.into(), theirs: "f".into(), ino: f };
    assert!(effects.contains(&conflict), "{effects:?}");
    assert_eq!(names(&bed, R), ["f", COPY]);
    let ours = bed.node(f).unwrap();
    assert_eq!(
        (ours.name.as_str(), ours.synced, ours.data_dirty),
        (COPY, None, true),
        "open handles stay ours"
    );
    assert_eq!(bed.child(R, &name("f")).unwrap().unwrap().synced.unwrap().id, NodeId(2000));
}

#[test]
fn our_own_commit_comes_back_and_is_no_conflict() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1)], &Still);
    let f = bed.child(R, &name("f")).unwrap().unwrap().ino;
    bed.set_data(f, 2, Time(6), Time(6), true).unwrap();
    let effects = fold(&bed, &[file(2000, "f", 6, 2)], &Dirty(vec![f], Some(content(2))));
    assert!(effects.contains(&Effect::Committed { ino: f, content: content(2) }));
    assert_eq!(names(&bed, R), ["f"]);
}

/// Sent as `f`, the answer lost, renamed since: the event is our own, and the rename stays.
#[test]
fn a_rename_after_the_sending_stays() {
    let mut bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1)], &Still);
    let f = bed.child(R, &name("f")).unwrap().unwrap().ino;
    bed.rename((R, &name("f")), (R, &name("g")), RenameMode::Replace, Time(70)).unwrap();
    let what = bed.pending(9).unwrap();
    bed.sending(what.iter()).unwrap();
    bed.reopen();
    bed.rename((R, &name("g")), (R, &name("h")), RenameMode::Replace, Time(80)).unwrap();
    let sent = RemoteNode { name: name("g"), version: Version(6), ..file(2000, "f", 5, 1) };
    fold(&bed, &[sent], &Still);
    assert_eq!(bed.path(f).unwrap(), "h");
    assert!(bed.pending_count().unwrap() > 0, "the second rename waits to be sent");
}

/// Made, sent, the answer lost, removed since: it does not come back, and the remote loses it.
#[test]
fn what_was_removed_after_the_sending_stays_removed() {
    let mut bed = Bed::new();
    let f = bed.make(R, "f", Kind::File);
    let what = bed.pending(9).unwrap();
    bed.sending(what.iter()).unwrap();
    let id = match what.iter().find(|p| matches!(p, Pending::Put { ino, .. } if *ino == f.ino)) {
        Some(Pending::Put { id, .. }) => *id,
        other => panic!("{other:?}"),
    };
    bed.unlink(R, &name("f"), Time(50)).unwrap();
    bed.drop_orphan(f.ino).unwrap();
    fold(&bed, &[there(id.0, NodeId::ROOT, "f", 6, Body::File(Content::EMPTY))], &Still);
    assert_eq!(names(&bed, R), [""; 0]);
    let removal =
        |p: &Pending| matches!(p, Pending::Remove { id: i, expect, .. } if *i == id && expect.0 == 6);
    assert!(bed.pending(9).unwrap().iter().any(removal));
}

#[test]
fn a_removal_there_takes_the_unchanged_and_leaves_the_changed() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1), file(2001, "g", 5, 1)], &Still);
    let [f, g] = ["f", "g"].map(|n| bed.child(R, &name(n)).unwrap().unwrap().ino);
    bed.set_data(g, 9, Time(9), Time(9), true).unwrap();
    let gone = [2000, 2001].map(|id| Event::Remove(NodeId(id), Version(6)));
    let effects = bed.apply(&gone, None, &Dirty(vec![g], None), &ctx()).unwrap();
    assert!(effects.contains(&Effect::Gone { ino: f }) && effects.contains(&Effect::Requeue { ino: g }));
    assert_eq!(names(&bed, R), ["g"]);
    assert_eq!(bed.node(g).unwrap().synced, None);
}

#[test]
fn an_edit_there_brings_back_what_was_removed_here() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1), file(2001, "g", 5, 1)], &Still);
    for n in ["f", "g"] {
        let gone = bed.unlink(R, &name(n), Time(9)).unwrap();
        bed.drop_orphan(gone.ino).unwrap();
    }
    // Of `g` only the attributes changed: that is no work that would be lost.
    fold(&bed, &[file(2000, "f", 6, 2), file(2001, "g", 6, 1)], &Still);
    assert_eq!(names(&bed, R), ["f"]);
}

/// An editor here saved by rename while somebody else edited: theirs has the name, ours is beside it.
#[test]
fn a_save_by_rename_against_an_edit_keeps_both() {
    let mut bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1)], &Still);
    let ours = bed.make(R, "f.tmp", Kind::File).ino;
    bed.set_data(ours, 7, Time(7), Time(7), true).unwrap();
    bed.rename((R, &name("f.tmp")), (R, &name("f")), RenameMode::Replace, Time(8)).unwrap();
    fold(&bed, &[file(2000, "f", 6, 2)], &Dirty(vec![ours], None));
    assert_eq!(names(&bed, R), ["f", COPY]);
    assert_eq!(bed.path(ours).unwrap(), COPY);
}

#[test]
fn two_nodes_swap_their_names() {
    let bed = Bed::new();
    fold(&bed, &[file(2000, "f", 5, 1), file(2001, "g", 5, 2)], &Still);
    let f = bed.child(R, &name("f")).unwrap().unwrap().ino;
    let effects = fold(&bed, &[file(2000, "g", 6, 1), file(2001, "f", 6, 2)], &Still);
    assert_eq!((names(&bed, R), bed.path(f).unwrap().as_str()), (vec!["f".into(), "g".into()], "g"));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Conflict { .. })), "{effects:?}");
}

#[test]
fn two_folders_of_one_name_become_one() {
    let mut bed = Bed::new();
    let d = bed.make(R, "d", Kind::Dir).ino;
    bed.make(d, "mine", Kind::File);
    fold(&bed, &[there(2000, NodeId::ROOT, "d", 5, Body::Dir)], &Still);
    let node = bed.node(d).unwrap();
    assert_eq!((node.synced.unwrap().id, node.listed), (NodeId(2000), false));
    let theirs = there(2001, NodeId(2000), "theirs", 5, Body::File(content(1)));
    bed.adopt_listing(d, &[theirs], &Still, &ctx()).unwrap();
    assert_eq!(names(&bed, d), ["mine", "theirs"]);
}

/// Each moved a folder into the other's: no node is lost and nobody is his own ancestor.
#[test]
fn folders_moved_into_each_other() {
    let bed = Bed::new();
    fold(
        &bed,
        &[there(2000, NodeId::ROOT, "a", 5, Body::Dir), there(2001, NodeId::ROOT, "b", 5, Body::Dir)],
        &Still,
    );
    let [a, b] = ["a", "b"].map(|n| bed.child(R, &name(n)).unwrap().unwrap().ino);
    for dir in [a, b] {
        bed.adopt_listing(dir, &[], &Still, &ctx()).unwrap();
    }
    bed.rename((R, &name("a")), (b, &name("a")), RenameMode::Replace, Time(9)).unwrap();
    fold(&bed, &[there(2001, NodeId(2000), "b", 6, Body::Dir)], &Still);
    assert_eq!((bed.path(a).unwrap().as_str(), bed.path(b).unwrap().as_str()), ("a", "a/b"));
}

/// A folder that was removed there, with something in it that is only here, stays.
#[test]
fn a_removed_folder_with_unsent_work_stays() {
    let mut bed = Bed::new();
    fold(&bed, &[there(2000, NodeId::ROOT, "d", 5, Body::Dir)], &Still);
    let d = bed.child(R, &name("d")).unwrap().unwrap().ino;
    bed.adopt_listing(d, &[there(2001, NodeId(2000), "old", 5, Body::File(content(1)))], &Still, &ctx())
        .unwrap();
    bed.make(d, "new", Kind::File);
    let gone = [2000, 2001].map(|id| Event::Remove(NodeId(id), Version(6)));
    bed.apply(&gone, None, &Still, &ctx()).unwrap();
    assert_eq!(names(&bed, d), ["new"]);
    assert_eq!(bed.node(d).unwrap().synced, None);
}
