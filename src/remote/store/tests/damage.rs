use std::{fs, path::Path};

use super::*;

async fn damaged_open(rig: &Rig) -> Error {
    let e = rig.try_client().await.err().expect("it does not open");
    assert_eq!(e.kind(), Kind::Damaged, "{e:?}");
    assert!(e.remedy_text().is_some() && e.path().is_some(), "{e:?}");
    e
}

fn commit(rig: &Rig, number: u64) -> PathBuf {
    rig.bucket().join(format!("commits/{number:020}.json"))
}

/// All objects below a folder of the bucket.
fn objects(rig: &Rig, folder: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&rig.bucket().join(folder), &mut found);
    found.sort();
    found
}

#[tokio::test]
async fn what_is_no_bucket_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let try_open = async |path: &Path| {
        let state = dir.path().join("state");
        open_at(&format!("store:{}", path.display()), &state, Duration::from_secs(1), false)
            .await
            .err()
            .unwrap()
    };
    let e = try_open(&at("missing")).await;
    assert_eq!(e.kind(), Kind::NotFound);
    assert!(e.remedy_text().unwrap().contains("lacuna store init"));
    fs::create_dir(at("empty")).unwrap();
    assert_eq!(try_open(&at("empty")).await.kind(), Kind::NotFound);
    fs::write(at("file"), "text").unwrap();
    assert_eq!(try_open(&at("file")).await.kind(), Kind::Invalid);
    assert_eq!(init(&at("file").display().to_string()).await.unwrap_err().kind(), Kind::Invalid);
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full").join("letter.txt"), "dear").unwrap();
    assert_eq!(try_open(&at("full")).await.kind(), Kind::Invalid);
    assert_eq!(init(&at("full").display().to_string()).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(fs::read_dir(at("full")).unwrap().count(), 1, "left as it was");
    assert_eq!(try_open(Path::new("")).await.kind(), Kind::Invalid);
    assert!(init(&at("deep/new").display().to_string()).await.unwrap());
    assert!(!init(&at("deep/new").display().to_string()).await.unwrap(), "it was one already");
}

#[tokio::test]
async fn a_newer_format_is_named() {
    let rig = Rig::folder().await;
    let info = rig.bucket().join("lacuna.json");
    let text = fs::read_to_string(&info).unwrap();
    fs::write(&info, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
    let e = rig.try_client().await.err().unwrap();
    assert_eq!(e.kind(), Kind::NewerFormat);
    assert!(e.remedy_text().is_some());
    for bad in ["", "{", "{\"format\": 1}", "[]"] {
        fs::write(&info, bad).unwrap();
        assert_eq!(rig.try_client().await.err().unwrap().kind(), Kind::Damaged, "{bad:?}");
    }
    fs::write(&info, text).unwrap();
    done(&rig.client().await, put(2, None, 1, "d", NewBody::Dir)).await;
    let mut newer =
        serde_json::to_value(read_commit(1, &fs::read(commit(&rig, 1)).unwrap()).unwrap()).unwrap();
    newer["format"] = 2.into();
    newer["xattrs"] = "unheard of".into();
    fs::write(commit(&rig, 1), format::seal(&newer).unwrap()).unwrap();
    assert_eq!(rig.try_client().await.err().unwrap().kind(), Kind::NewerFormat);
}

#[tokio::test]
async fn damaged_and_missing_commits_are_named() {
    let rig = Rig::folder().await;
    let store = rig.client().await;
    for i in 0..5 {
        done(&store, put(10 + i, None, 1, &format!("{i}"), NewBody::Dir)).await;
    }
    let good = fs::read(commit(&rig, 3)).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 3] ^= 4;
    for bad in [&flipped[..], &good[..good.len() / 2], b"", b"nonsense", &fs::read(commit(&rig, 2)).unwrap()]
    {
        fs::write(commit(&rig, 3), bad).unwrap();
        let e = damaged_open(&rig).await;
        assert!(e.path().unwrap().contains("00003.json"), "{e:?}");
        let report = check(&rig.url(), rig.dir.path()).await.unwrap();
        assert_eq!((report.commits, report.wrong), (2, 1), "{report:?}");
    }
    // A gap, seen by one who reads from the start, even if it is just behind what he has.
    fs::remove_file(commit(&rig, 3)).unwrap();
    damaged_open(&rig).await;
    let report = check(&rig.url(), rig.dir.path()).await.unwrap();
    assert_eq!(report.wrong, 1);
    // Who has them already goes on; who asks for the lost ones is told to list anew.
    done(&store, put(20, None, 1, "more", NewBody::Dir)).await;
    fs::write(commit(&rig, 3), &good).unwrap();
    assert_eq!(tree(&rig.client().await).await.len(), 6);
    assert_eq!(check(&rig.url(), rig.dir.path()).await.unwrap().wrong, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_missing_contents_are_named_and_never_read() {
    let rig = Rig::folder().await;
    let store = rig.client().await;
    let bytes = varied(4, 700_000);
    let (_, content, _) = done(&store, put(2, None, 1, "f", whole(bytes.clone()))).await;
    let content = content.unwrap();
    store.snapshot().await.unwrap();
    let clean = check(&rig.url(), rig.dir.path()).await.unwrap();
    assert_eq!(
        (clean.wrong, clean.xorbs, clean.shards, clean.nodes, clean.snapshots),
        (0, 1, 1, 2, 1),
        "{clean:?}"
    );
    let mut rng = StdRng::seed_from_u64(3);
    for folder in ["xorbs", "shards"] {
        let [path] = &objects(&rig, folder)[..] else { panic!("one object") };
        let good = fs::read(path).unwrap();
        for round in 0..16 {
            let mut bad = good.clone();
            match round {
                0 => bad.clear(),
                1 => bad.truncate(good.len() / 2),
                2 => bad.truncate(10),
                _ => {
                    let at = rng.random_range(0..good.len());
                    bad[at] ^= 1 << rng.random_range(0..8);
                }
            }
            fs::write(path, &bad).unwrap();
            let fresh = rig.client().await;
            match fresh.read(&content, 0..content.size).await {
                Ok(read) => assert!(read == bytes, "damage was passed on"),
                Err(e) => assert_eq!(e.kind(), Kind::Damaged, "{e:?}"),
            }
            // The bytes of a shard behind the file's, and of a footer's buffer, are not read for a file.
            let report = check(&rig.url(), rig.dir.path()).await.unwrap();
            let unused = folder == "xorbs" && good.len() - 20 <= differs(&good, &bad);
            assert!(report.wrong > 0 || unused, "{folder} {round} {report:?}");
        }
        fs::remove_file(path).unwrap();
        let e = rig.client().await.read(&content, 0..content.size).await.unwrap_err();
        assert_eq!(e.kind(), Kind::Damaged, "{e:?}");
        assert!(e.path().is_some(), "{e:?}");
        assert!(check(&rig.url(), rig.dir.path()).await.unwrap().wrong > 0);
        fs::write(path, &good).unwrap();
    }
    assert_eq!(rig.client().await.read(&content, 0..content.size).await.unwrap(), bytes);
}

/// Where the first difference is.
fn differs(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_again_mends_a_broken_xorb() {
    let rig = Rig::folder().await;
    let bytes = varied(4, 300_000);
    let (v, content, _) = done(&rig.client().await, put(2, None, 1, "f", whole(bytes.clone()))).await;
    fs::write(&objects(&rig, "xorbs")[0], "torn").unwrap();
    done(&rig.client().await, put(2, Some(v), 1, "g", whole(bytes.clone()))).await;
    assert_eq!(rig.client().await.read(&content.unwrap(), 0..300_000).await.unwrap(), bytes);
}
