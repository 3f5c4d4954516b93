use std::collections::HashMap;

use futures::FutureExt;

use super::*;
use crate::remote::fault::{Fault, FaultyStore};

/// Everything that a commit says about the tree, by replay of the raw commits, without the mirror.
async fn replayed(store: &Store) -> BTreeMap<u64, RemoteNode> {
    let mut all = BTreeMap::new();
    for number in 1.. {
        let Some(text) = store.bucket.get(&at::commit(number)).await.unwrap() else { break };
        for entry in read_commit(number, &text).unwrap().changes {
            match entry {
                Entry::Put(node) => drop(all.insert(node.id.0, node.at(Version(number)))),
                Entry::Remove(id) => drop(all.remove(&id.0)),
            }
        }
    }
    all
}

/// All events since the beginning, applied.
async fn told(store: &Store, cursor: &mut Cursor, all: &mut BTreeMap<u64, RemoteNode>) {
    loop {
        let Changes::Since { events, cursor: next, more } = store.changes(cursor).await.unwrap() else {
            panic!("no reset was due")
        };
        for event in events {
            match event {
                Event::Upsert(node) => drop(all.insert(node.id.0, node)),
                Event::Remove(id, _) => drop(all.remove(&id.0)),
            }
        }
        *cursor = next;
        if !more {
            return;
        }
    }
}

/// The tree of one instant, while others write.
fn glimpse(store: &Store) -> BTreeMap<u64, RemoteNode> {
    let mut all = BTreeMap::new();
    let mut keep = |n: RemoteNode| {
        all.insert(n.id.0, n);
        Ok(())
    };
    store.mirror.walk(|_| (), &mut keep, |_| Ok(())).unwrap();
    all.remove(&1);
    all
}

/// A writer that changes at random what it sees. Answers, for each version that it was told is committed,
/// what the node was to become and which version that was to replace.
async fn writer(
    store: Arc<Store>,
    seed: u64,
    rounds: usize,
) -> Vec<(u64, Version, Option<Version>, Option<(u64, String)>)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut log = Vec::new();
    for _ in 0..rounds {
        if rng.random_bool(0.5) {
            pull(&store).await;
        }
        let known = glimpse(&store);
        let mut batch = Vec::new();
        let mut wanted = Vec::new();
        for _ in 0..rng.random_range(1..5) {
            let dirs: Vec<u64> =
                known.values().filter(|n| n.body == Body::Dir).map(|n| n.id.0).chain([1]).collect();
            let parent = dirs[rng.random_range(0..dirs.len())];
            let called = format!("{}", rng.random_range(0..6));
            let old = known.values().nth(rng.random_range(0..known.len().max(1)));
            let change = match (old, rng.random_range(0..4)) {
                (Some(n), 0) => remove(n.id.0, n.version),
                (Some(n), 1 | 2) => {
                    let body = match &n.body {
                        Body::Dir => NewBody::Dir,
                        Body::File(c) => NewBody::Have(*c),
                        Body::Symlink(t) => NewBody::Symlink(t.clone()),
                    };
                    put(n.id.0, Some(n.version), parent, &called, body)
                }
                _ if rng.random() => put(rng.random(), None, parent, &called, NewBody::Dir),
                _ => put(rng.random(), None, parent, &called, whole(varied(rng.random(), 500))),
            };
            wanted.push(match &change.op {
                Op::Put { parent, name, .. } => Some((parent.0, name.to_string())),
                Op::Remove => None,
            });
            batch.push(change);
        }
        let asked: Vec<_> = batch.iter().map(|c| (c.id.0, c.expect)).collect();
        let before = store.log.pull().await.unwrap().number;
        for ((outcome, (id, expect)), to) in
            store.publish(batch).await.unwrap().into_iter().zip(asked).zip(wanted)
        {
            match outcome {
                // What is older was so already.
                Outcome::Done { version, .. } if version.0 > before => log.push((id, version, expect, to)),
                Outcome::Done { .. } | Outcome::Conflict | Outcome::Rejected(_) => {}
                Outcome::Retry { why, .. } => panic!("{why:?}"),
            }
        }
    }
    log
}

async fn writers_agree(rig: Rig, seed: u64) {
    let stores = [rig.client().await, rig.client().await];
    let start = stores[0].head().await.unwrap();
    let tasks: Vec<_> =
        (0..6).map(|i| tokio::spawn(writer(stores[i as usize % 2].clone(), seed + i, 12))).collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    let truth = replayed(&stores[0]).await;
    for store in &stores {
        pull(store).await;
        assert_eq!(tree(store).await, truth, "seed {seed}");
        let (mut cursor, mut events) = (start.clone(), BTreeMap::new());
        told(store, &mut cursor, &mut events).await;
        assert_eq!(events, truth, "seed {seed}");
        assert_eq!(cursor, store.head().await.unwrap());
    }
    assert_eq!(tree(&rig.client().await).await, truth, "read anew, seed {seed}");
    // Every acknowledged change is in the tree, or was replaced by one that had seen it. Who wishes for what
    // another has just done is told so, of the same version; so each version has one maker among those
    // who were told of it.
    let mut told_of: BTreeMap<(u64, Version), Vec<_>> = BTreeMap::new();
    for (id, version, expect, to) in &acknowledged {
        told_of.entry((*id, *version)).or_default().push((*expect, to));
    }
    let mut places: Vec<_> = told_of.iter().collect();
    // Where only one was told, he is the maker.
    places.sort_by_key(|(_, told)| told.len());
    let mut replaced = HashMap::new();
    for ((id, version), told) in places {
        let puts: Vec<_> = told.iter().filter(|(_, to)| to.is_some()).collect();
        assert!(puts.iter().all(|(_, to)| *to == puts[0].1), "two wishes, one version, seed {seed}");
        let free = |expect: &Version| !replaced.contains_key(&(*id, *expect));
        match told.iter().filter_map(|(expect, _)| *expect).find(free) {
            Some(expect) => drop(replaced.insert((*id, expect), *version)),
            // A new node, or one that was gone before it was to go.
            None => assert!(
                puts.iter().all(|(expect, _)| expect.is_none()),
                "{id} at {version:?} replaces what another has replaced, seed {seed}"
            ),
        }
    }
    for (id, version, _, to) in &acknowledged {
        match (truth.get(id), to) {
            (Some(n), Some((parent, called))) if n.version == *version => {
                assert_eq!((n.parent.0, n.name.as_str()), (*parent, called.as_str()), "seed {seed}");
            }
            (None, None) => {}
            _ => {
                assert!(replaced.contains_key(&(*id, *version)), "{id} at {version:?} was lost, seed {seed}")
            }
        }
    }
    assert!(acknowledged.len() > 20, "much came through: {}", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_agree_in_a_folder() {
    for seed in [10, 20, 30] {
        writers_agree(Rig::folder().await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_agree_in_memory() {
    for seed in [40, 50, 60, 70] {
        writers_agree(Rig::memory().await, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_change_nothing() {
    let (objects, faults) = FaultyStore::new(Arc::new(InMemory::new()));
    let rig = Rig::on(objects).await;
    let store = rig.client().await;
    faults.only("commits/");
    for i in 0..10 {
        faults.puts(1, Fault::AnswerLost);
        let (version, ..) = done(&store, put(10 + i, None, 1, &format!("{i}"), NewBody::Dir)).await;
        assert_eq!(version, Version(i + 1), "once, not twice");
    }
    faults.heal();
    assert_eq!(tree(&rig.client().await).await.len(), 10);
    // Not even by publishing again what was committed without our knowing.
    let (version, ..) = done(&store, put(10, None, 1, "0", NewBody::Dir)).await;
    assert_eq!(version, Version(1));
    pull(&store).await;
    assert_eq!(store.head().await.unwrap(), rig.client().await.head().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_and_what_came_after_is_the_tree() {
    let rig = Rig::folder().await;
    let ours = rig.client().await;
    writer(ours.clone(), 1, 20).await;
    assert_eq!(ours.snapshot().await.unwrap(), replayed_head(&ours).await);
    writer(ours.clone(), 2, 10).await;
    pull(&ours).await;
    let truth = replayed(&ours).await;
    let theirs = rig.client().await;
    assert_eq!(tree(&theirs).await, truth);
    let commits = replayed_head(&ours).await;
    let got = theirs.bucket.moved().1;
    assert!(
        theirs.mirror.logged(1).unwrap().is_none(),
        "commit 1 of {commits} was not read ({got} bytes were)"
    );
    for node in truth.values() {
        if let Body::File(content) = node.body {
            assert_eq!(theirs.read(&content, 0..content.size).await.unwrap().len() as u64, content.size);
        }
    }
    // A damaged snapshot only takes longer.
    let part = std::fs::read_dir(rig.bucket().join("snapshots"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_none())
        .unwrap();
    std::fs::write(&part, "nonsense").unwrap();
    assert_eq!(tree(&rig.client().await).await, truth);
}

async fn replayed_head(store: &Store) -> u64 {
    store.log.pull().await.unwrap().number
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_written_by_themselves() {
    let rig = Rig::memory().await;
    let objects = rig.objects.clone().unwrap();
    let options = Options { snapshot_every: 5, ..Options::new(rig.dir.path().join("own")) };
    let store = Store::over(objects, "store+memory:", options).await.unwrap();
    for i in 0..5 {
        done(&store, put(10 + i, None, 1, &format!("{i}"), NewBody::Dir)).await;
    }
    while store.snapshots.busy.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(snapshot::numbers(&store.bucket).await.unwrap(), vec![5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_given_up_before_the_commit_leaves_no_trace_in_the_tree() {
    let (objects, faults) = FaultyStore::new(Arc::new(InMemory::new()));
    let rig = Rig::on(objects).await;
    let store = rig.client().await;
    done(&store, put(2, None, 1, "f", whole(varied(1, 1000)))).await;
    for kills in 0..12 {
        // The future is dropped at one of its waits, as by a crash.
        faults.delay(Duration::from_millis(2));
        let batch = vec![put(100 + kills, None, 1, &format!("k{kills}"), whole(varied(kills, 300_000)))];
        let cut = tokio::time::timeout(Duration::from_millis(1 + 2 * kills), store.publish(batch)).await;
        faults.heal();
        let theirs = rig.client().await;
        let there = tree(&theirs).await;
        assert!(there.contains_key(&2));
        if cut.is_ok() {
            assert!(there.contains_key(&(100 + kills)));
        }
        for node in there.values() {
            let Body::File(content) = node.body else { panic!("{node:?}") };
            theirs.read(&content, 0..content.size).await.unwrap();
        }
        assert_eq!(there, replayed(&store).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_another_history_reset() {
    let rig = Rig::folder().await;
    let store = rig.client().await;
    let start = store.head().await.unwrap();
    for i in 0..3 {
        done(&store, put(10 + i, None, 1, &format!("{i}"), NewBody::Dir)).await;
    }
    let head = store.head().await.unwrap();
    assert!(
        matches!(store.changes(&start).await.unwrap(), Changes::Since { events, .. } if events.len() == 3)
    );
    assert!(
        matches!(store.changes(&head).await.unwrap(), Changes::Since { events, .. } if events.is_empty())
    );
    for bad in ["", "x", "3", "4.00", "2.0123", "0.feed"] {
        let answer = store.changes(&Cursor(bad.into())).await.unwrap();
        assert!(matches!(&answer, Changes::Reset { cursor } if *cursor == head), "{bad:?}: {answer:?}");
    }
    // The bucket is put back to an older state, and goes another way from there.
    std::fs::remove_file(rig.bucket().join(format!("commits/{:020}.json", 3))).unwrap();
    let other = rig.client().await;
    done(&other, put(20, None, 1, "other", NewBody::Dir)).await;
    done(&other, put(21, None, 1, "more", NewBody::Dir)).await;
    let answer = store.changes(&head).await.unwrap();
    assert!(matches!(answer, Changes::Reset { .. }), "{answer:?}");
    assert_eq!(tree(&store).await.into_keys().collect::<Vec<_>>(), vec![10, 11, 20, 21]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mirror_is_kept_and_made_anew_when_it_does_not_fit() {
    let rig = Rig::folder().await;
    let store = rig.client_of("state").await.unwrap();
    for i in 0..20 {
        done(&store, put(10 + i, None, 1, &format!("{i}"), NewBody::Dir)).await;
    }
    let truth = tree(&store).await;
    drop(store);
    let again = rig.client_of("state").await.unwrap();
    assert!(again.moved().1 < 1500, "only the newest commit was read: {:?}", again.moved());
    assert_eq!(tree(&again).await, truth);
    drop(again);
    std::fs::write(rig.dir.path().join("state/mirror.db"), "no database").unwrap();
    assert_eq!(tree(&rig.client_of("state").await.unwrap()).await, truth);
    // Another bucket at the same place.
    std::fs::remove_dir_all(rig.bucket()).unwrap();
    init(&rig.url()).await.unwrap();
    assert!(tree(&rig.client_of("state").await.unwrap()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writers_commit_ends_the_wait() {
    let rig = Rig::folder().await;
    let (ours, theirs) = (rig.client().await, rig.client().await);
    let cursor = ours.head().await.unwrap();
    assert!(ours.wait().now_or_never().is_none());
    done(&theirs, put(10, None, 1, "d", NewBody::Dir)).await;
    // The poll is an hour: it is the folder that tells.
    ours.wait().await;
    assert!(
        matches!(ours.changes(&cursor).await.unwrap(), Changes::Since { events, .. } if events.len() == 1)
    );
    assert!(ours.wait().now_or_never().is_none(), "what is known is no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_has_attributes_and_stays() {
    let rig = Rig::folder().await;
    let store = rig.client().await;
    let root = store.root().await.unwrap();
    assert_eq!((root.id, root.parent, root.version), (NodeId::ROOT, NodeId::ROOT, Version(0)));
    let (version, ..) = done(&store, put(1, Some(root.version), 1, "whatever", NewBody::Dir)).await;
    done(&store, put(2, None, 1, "whatever", NewBody::Dir)).await;
    store.snapshot().await.unwrap();
    for client in [store, rig.client().await] {
        let root = client.root().await.unwrap();
        assert_eq!((root.parent, root.version, root.meta), (NodeId::ROOT, version, meta()));
        assert_eq!(tree(&client).await.into_keys().collect::<Vec<_>>(), vec![2], "not in itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_without_its_empty_folders_is_a_bucket() {
    let rig = Rig::folder().await;
    for folder in ["xorbs", "outlines", "shards", "commits", "snapshots"] {
        std::fs::remove_dir_all(rig.bucket().join(folder)).unwrap();
    }
    let store = rig.client().await;
    done(&store, put(2, None, 1, "f", whole(varied(1, 100_000)))).await;
    store.snapshot().await.unwrap();
    assert_eq!(check(&rig.url(), rig.dir.path()).await.unwrap().wrong, 0);
}
