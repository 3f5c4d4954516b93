use super::*;
use crate::remote::fault::{Fault, Faults, FaultyStore};

async fn faulty() -> (Rig, Faults) {
    let (objects, faults) = FaultyStore::new(Arc::new(InMemory::new()));
    (Rig::on(objects).await, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_moved_away_is_offline_until_it_is_back() {
    let rig = Rig::folder().await;
    let store = rig.client().await;
    let bytes = varied(1, 100_000);
    let (v, content, _) = done(&store, put(2, None, 1, "f", whole(bytes.clone()))).await;
    let (content, cursor) = (content.unwrap(), store.head().await.unwrap());
    let away = rig.dir.path().join("away");
    std::fs::rename(rig.bucket(), &away).unwrap();
    let offline = |e: Error| {
        assert_eq!(e.kind(), Kind::Offline, "{e:?}");
        assert!(e.remedy_text().is_some());
    };
    offline(store.changes(&cursor).await.unwrap_err());
    offline(store.read(&content, 0..10).await.unwrap_err());
    offline(store.publish(vec![put(3, None, 1, "g", whole(varied(2, 500)))]).await.unwrap_err());
    offline(store.publish(vec![put(4, None, 1, "d", NewBody::Dir)]).await.unwrap_err());
    offline(store.snapshot().await.unwrap_err());
    assert!(!rig.bucket().exists(), "nothing begins a second life at the old place");
    // The tree stays to be seen.
    assert_eq!(store.children(NodeId::ROOT).await.unwrap().nodes.len(), 1);
    let e = rig.try_client().await.err().unwrap();
    assert_eq!(e.kind(), Kind::NotFound, "who was never there can't know that it was");
    std::fs::rename(&away, rig.bucket()).unwrap();
    assert_eq!(store.read(&content, 0..content.size).await.unwrap(), bytes);
    done(&store, put(2, Some(v), 1, "g", NewBody::Have(content))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_offline_and_heals() {
    let (rig, faults) = faulty().await;
    let store = rig.client().await;
    let (_, content, _) = done(&store, put(2, None, 1, "f", whole(varied(1, 5000)))).await;
    faults.offline();
    let head = store.head().await.unwrap();
    assert_eq!(store.changes(&head).await.unwrap_err().kind(), Kind::Offline);
    assert_eq!(store.read(&content.unwrap(), 0..10).await.unwrap_err().kind(), Kind::Offline);
    let batch = || vec![put(3, None, 1, "g", whole(varied(2, 500)))];
    assert_eq!(store.publish(batch()).await.unwrap_err().kind(), Kind::Offline);
    assert_eq!(rig.try_client().await.err().unwrap().kind(), Kind::Offline);
    faults.heal();
    assert!(matches!(store.publish(batch()).await.unwrap()[0], Outcome::Done { version: Version(2), .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_saves_wait_and_loses_none() {
    for only in ["xorbs/", "shards/", "commits/", ""] {
        let (rig, faults) = faulty().await;
        let store = rig.client().await;
        faults.only(only);
        faults.puts(u64::MAX, Fault::NoSpace);
        let batch = || vec![put(2, None, 1, "f", whole(varied(1, 5000))), put(3, None, 1, "d", NewBody::Dir)];
        let outcomes = store.publish(batch()).await.unwrap();
        let Outcome::Retry { why, .. } = &outcomes[0] else { panic!("{only:?}: {outcomes:?}") };
        assert_eq!(why.kind(), Kind::NoSpace);
        assert!(why.remedy_text().is_some());
        let new = rig.client().await;
        assert!(!tree(&new).await.contains_key(&2), "nothing half done");
        faults.heal();
        let outcomes = store.publish(batch()).await.unwrap();
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Done { .. })), "{only:?}: {outcomes:?}");
        assert_eq!(tree(&rig.client().await).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_may_not_be_written_says_so() {
    let (rig, faults) = faulty().await;
    let store = rig.client().await;
    let cursor = store.head().await.unwrap();
    faults.puts(u64::MAX, Fault::Denied);
    for body in [NewBody::Dir, whole(varied(1, 5000))] {
        let e = store.publish(vec![put(2, None, 1, "f", body)]).await.unwrap_err();
        assert_eq!(e.kind(), Kind::ReadOnly);
        assert!(e.remedy_text().is_some());
    }
    store.changes(&cursor).await.unwrap();
    let rig = Rig::folder().await;
    let read_only =
        open_at(&rig.url(), &rig.dir.path().join("ro"), Duration::from_secs(1), true).await.unwrap();
    let e = read_only.publish(vec![put(2, None, 1, "d", NewBody::Dir)]).await.unwrap_err();
    assert_eq!(e.kind(), Kind::ReadOnly);
    assert!(tree(&read_only).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_source_fails_its_file_alone() {
    struct Broken;
    impl Source for Broken {
        fn read(&self, _: Range<u64>) -> io::Result<Bytes> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let rig = Rig::memory().await;
    let store = rig.client().await;
    let (v, ..) = done(&store, put(5, None, 1, "old", whole(varied(9, 900)))).await;
    let broken = Composition {
        base: None,
        base_limit: 0,
        size: 10,
        dirty: RangeSet::from(0..10),
        local: RangeSet::new(),
        source: Arc::new(Broken),
    };
    let batch = vec![
        remove(5, v),
        put(2, None, 1, "old", NewBody::Compose(broken)),
        put(3, None, 1, "good", whole(varied(1, 5000))),
    ];
    let outcomes = store.publish(batch).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Retry { .. }), "the old one waits for the new one: {outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Retry { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[2], Outcome::Done { .. }), "{outcomes:?}");
    assert_eq!(tree(&store).await.into_keys().collect::<Vec<_>>(), vec![3, 5]);
}
