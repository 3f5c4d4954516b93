//! Read-only repositories over plain HTTP.

use lacuna_test_hub::{Hub, Kind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, header, paths};

#[tokio::test]
async fn a_repository_is_found_by_id_and_alias_and_its_sha_tells_changes() {
    let hub = Hub::start().await.unwrap();
    hub.repo(Kind::Model, "openai/gpt2");
    hub.alias(Kind::Model, "gpt2", "openai/gpt2");
    let client = Client::with(&hub, None);
    let (_, before) = client.json("/api/models/gpt2").await;
    assert_eq!(before["id"], json!("openai/gpt2"));
    let sha = hub.put_plain(Kind::Model, "openai/gpt2", "main", "README.md", "hello").unwrap();
    let (_, after) = client.json("/api/models/openai/gpt2").await;
    assert_eq!(after["sha"], json!(sha));
    assert_ne!(before["sha"], after["sha"]);
    assert!(after["lastModified"].is_string());
    let (_, at) = client.json("/api/models/gpt2/revision/main").await;
    assert_eq!(at["sha"], after["sha"]);
    let missing = Client::new(&hub).get("/api/datasets/openai/gpt2").await;
    assert_eq!(
        (missing.status().as_u16(), header(&missing, "x-error-code").as_deref()),
        (404, Some("RepoNotFound"))
    );
    assert_eq!(client.get("/api/models/openai/none").await.status(), 401);
}

#[tokio::test]
async fn revisions_have_trees_of_their_own_and_are_one_part_of_a_path() {
    let hub = Hub::start().await.unwrap();
    let kind = Kind::Dataset;
    hub.repo(kind, "n/x");
    let first = hub.put_plain(kind, "n/x", "main", "a/b.txt", "b").unwrap();
    hub.put_plain(kind, "n/x", "main", "c.txt", "c").unwrap();
    hub.put_xet(kind, "n/x", "refs/pr/1", "a/big.bin", vec![7; 300_000]).unwrap();
    hub.remove_from_repo(kind, "n/x", "refs/pr/1", "c.txt").unwrap();
    let client = Client::new(&hub);
    let tree = |rest: &str| format!("/api/datasets/n/x/tree/{rest}");
    for (rest, expected) in [
        ("main?limit=1000", vec!["a/", "c.txt"]),
        ("main/a", vec!["a/b.txt"]),
        ("refs%2Fpr%2F1", vec!["a/"]),
        ("refs%2Fpr%2F1?recursive=true&limit=1", vec!["a/", "a/b.txt", "a/big.bin"]),
        (first.as_str(), vec!["a/"]),
    ] {
        assert_eq!(paths(&client.rows(&tree(rest)).await.0), expected, "{rest}");
    }
    let unescaped = client.get(&tree("refs/pr/1")).await;
    assert_eq!(header(&unescaped, "x-error-code").as_deref(), Some("RevisionNotFound"));
    let missing = client.get(&tree("main/none")).await;
    assert_eq!(header(&missing, "x-error-code").as_deref(), Some("EntryNotFound"));

    let (rows, _) = client.rows(&tree("refs%2Fpr%2F1/a")).await;
    let (plain, big) = (&rows[0], &rows[1]);
    assert_eq!((&plain["size"], plain.get("xetHash"), plain.get("lfs")), (&json!(1), None, None));
    assert_eq!(big["lfs"]["size"], json!(300_000));
    assert_eq!(big["xetHash"].as_str().unwrap().len(), 64);
    assert!(big["size"].as_u64().unwrap() < 200, "the pointer's size");
    assert!(big["lastCommit"]["date"].is_string());
}

#[tokio::test]
async fn plain_files_come_by_http_and_large_ones_by_a_redirect() {
    let hub = Hub::start().await.unwrap();
    for (kind, prefix) in [(Kind::Model, ""), (Kind::Dataset, "/datasets"), (Kind::Space, "/spaces")] {
        hub.repo(kind, "n/x");
        let sha = hub.put_plain(kind, "n/x", "main", "a/b c.txt", "0123456789").unwrap();
        let client = Client::new(&hub);
        let path = format!("{prefix}/n/x/resolve/main/a/b%20c.txt");
        let whole = client.get(&path).await;
        assert_eq!(whole.status(), 200);
        assert_eq!(header(&whole, "x-repo-commit"), Some(sha));
        assert_eq!(header(&whole, "x-xet-hash"), None);
        let etag = header(&whole, "etag").unwrap();
        assert_eq!(whole.text().await.unwrap(), "0123456789");
        let ask = |name: &str, value: &str| client.ask(Method::GET, &path).header(name, value).send();
        assert_eq!(ask("If-None-Match", &etag).await.unwrap().status(), 304);
        let part = ask("Range", "bytes=3-5").await.unwrap();
        assert_eq!(
            (part.status().as_u16(), header(&part, "content-range").as_deref()),
            (206, Some("bytes 3-5/10"))
        );
        assert_eq!(part.text().await.unwrap(), "345");
        assert_eq!(ask("Range", "bytes=10-").await.unwrap().status(), 416);
        let head = client.head(&path).await;
        assert_eq!(header(&head, "content-length").as_deref(), Some("10"));

        hub.put_xet(kind, "n/x", "refs/pr/1", "big", vec![3; 100_000]).unwrap();
        let path = format!("{prefix}/n/x/resolve/refs%2Fpr%2F1/big");
        let told = client.get(&path).await;
        assert_eq!(
            (told.status().as_u16(), header(&told, "x-linked-size").as_deref()),
            (302, Some("100000"))
        );
        let bytes = client.get(&header(&told, "location").unwrap()).await.bytes().await.unwrap();
        assert!(bytes == vec![3; 100_000]);
        let route = header(&told, "x-xet-refresh-route").unwrap();
        let (status, token) = client.json(&route).await;
        assert_eq!((status.as_u16(), token["casUrl"].as_str()), (200, Some(hub.cas_url())));
        let write = route.replace("read-token", "write-token");
        assert_eq!(client.json(&write).await.0, 403);
        let none: Value = client.json(&route.replace("refs%2Fpr%2F1", "none")).await.1;
        assert!(none["accessToken"].is_null());
    }
}
