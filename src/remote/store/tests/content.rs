use super::*;

async fn read_back(store: &Arc<Store>, content: &Content, bytes: &Bytes) {
    assert_eq!(content.size, bytes.len() as u64);
    assert!(store.read(content, 0..content.size).await.unwrap() == bytes, "content differs");
}

/// Chains of edits, published by one client and read back whole and in ranges by another.
async fn contents_come_back(rig: Rig) {
    let ours = rig.client().await;
    let mut rng = StdRng::seed_from_u64(7);
    let mut bytes = varied(1, 3 << 20);
    let (mut version, content, _) = done(&ours, put(2, None, 1, "f", whole(bytes.clone()))).await;
    let mut content = content.unwrap();
    for round in 0..12 {
        let mut new = bytes.to_vec();
        let len = new.len() as u64;
        let dirty = match round % 4 {
            0 => {
                let at = rng.random_range(0..len - 5000);
                new[at as usize..at as usize + 5000].copy_from_slice(&varied(round, 5000));
                RangeSet::from(at..at + 5000)
            }
            1 => {
                new.extend(varied(round, 1024));
                RangeSet::from(len..len + 1024)
            }
            2 => {
                new.truncate(len as usize * 9 / 10);
                RangeSet::new()
            }
            _ => (0..10)
                .map(|_| {
                    let at = rng.random_range(0..len - 100);
                    new[at as usize..at as usize + 100].fill(round as u8);
                    at..at + 100
                })
                .collect(),
        };
        bytes = new.into();
        let (v, c, receipt) = done(&ours, put(2, Some(version), 1, "f", edit(content, &bytes, dirty))).await;
        assert!(v > version);
        assert!(receipt.is_some());
        (version, content) = (v, c.unwrap());
        let theirs = rig.client().await;
        let there = theirs.node(NodeId(2)).await.unwrap().unwrap();
        assert_eq!((there.version, there.body), (version, Body::File(content)));
        read_back(&theirs, &content, &bytes).await;
        for _ in 0..5 {
            let from = rng.random_range(0..content.size);
            let to = rng.random_range(from..=content.size);
            assert_eq!(
                theirs.read(&content, from..to).await.unwrap(),
                bytes.slice(from as usize..to as usize)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_come_back_from_a_folder() {
    contents_come_back(Rig::folder().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_come_back_from_memory() {
    contents_come_back(Rig::memory().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_files_share_one_shard_and_empty_ones_need_none() {
    let rig = Rig::folder().await;
    let ours = rig.client().await;
    let body = |i: u64| varied(i, if i.is_multiple_of(10) { 0 } else { 100 + 37 * i as usize });
    let batch = (0..200).map(|i| put(10 + i, None, 1, &format!("{i}"), whole(body(i)))).collect();
    for outcome in ours.publish(batch).await.unwrap() {
        assert!(matches!(outcome, Outcome::Done { version: Version(1), .. }), "{outcome:?}");
    }
    assert_eq!(std::fs::read_dir(rig.bucket().join("shards")).unwrap().count(), 1);
    let theirs = rig.client().await;
    for (id, node) in tree(&theirs).await {
        let Body::File(content) = node.body else { panic!("{node:?}") };
        read_back(&theirs, &content, &body(id - 10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_edit_by_a_client_that_knows_nothing_moves_little() {
    let rig = Rig::folder().await;
    let bytes = varied(3, 100 << 20);
    let (version, content, _) = done(&rig.client().await, put(2, None, 1, "f", whole(bytes.clone()))).await;
    let content = content.unwrap();
    let fresh = rig.client().await;
    let before = fresh.moved();
    let mut new = bytes.to_vec();
    new[50 << 20..(50 << 20) + 1024].fill(7);
    let new = Bytes::from(new);
    let dirty = RangeSet::from(50 << 20..(50 << 20) + 1024);
    let (_, edited, _) = done(&fresh, put(2, Some(version), 1, "f", edit(content, &new, dirty))).await;
    let moved = fresh.moved();
    let (up, down) = (moved.0 - before.0, moved.1 - before.1);
    assert!(up + down < 512 << 10, "{up} up and {down} down");
    read_back(&rig.client().await, &edited.unwrap(), &new).await;
    let (_, before) = fresh.moved();
    fresh.read(&content, 70 << 20..(70 << 20) + 4096).await.unwrap();
    let down = fresh.moved().1 - before;
    assert!(down < 400 << 10, "4 KiB read, {down} down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_told_its_content_before_the_commit() {
    let rig = Rig::memory().await;
    let store = rig.client().await;
    let source = memory(varied(5, 70_000));
    let composition = Composition {
        base: None,
        base_limit: 0,
        size: 70_000,
        dirty: RangeSet::from(0..70_000),
        local: RangeSet::new(),
        source: source.clone(),
    };
    let (_, content, _) = done(&store, put(2, None, 1, "f", NewBody::Compose(composition))).await;
    assert_eq!(*source.told.lock().unwrap(), vec![content.unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_stays_readable_and_renames_upload_nothing() {
    let rig = Rig::folder().await;
    let (ours, theirs) = (rig.client().await, rig.client().await);
    let old = varied(1, 200_000);
    let (v, content, _) = done(&ours, put(2, None, 1, "f", whole(old.clone()))).await;
    let content = content.unwrap();
    let (v, ..) = done(&ours, put(2, Some(v), 1, "f", whole(varied(2, 1000)))).await;
    // A client that was away: it learns where the content is only now.
    read_back(&theirs, &content, &old).await;
    let sent = ours.moved().0;
    let (_, have, receipt) = done(&ours, put(2, Some(v), 1, "g", NewBody::Have(content))).await;
    assert_eq!((have, receipt), (Some(content), None));
    assert!(ours.moved().0 - sent < 2000, "only a commit");
    let unknown = Content { id: crate::node::ContentId([9; 32]), size: 5 };
    let outcomes = ours.publish(vec![put(3, None, 1, "h", NewBody::Have(unknown))]).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Rejected(e) if e.kind() == Kind::Damaged), "{outcomes:?}");
}
