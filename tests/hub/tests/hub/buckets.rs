//! Buckets over plain HTTP.

use lacuna_test_hub::{Hub, USER};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, header, paths};

const EMPTY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn add(path: &str, hash: &str) -> Value {
    json!({ "type": "addFile", "path": path, "xetHash": hash, "mtime": 1_700_000_000_000_u64 })
}

fn delete(path: &str) -> Value {
    json!({ "type": "deleteFile", "path": path })
}

#[tokio::test]
async fn a_bucket_is_created_found_changed_moved_and_deleted() {
    let hub = Hub::start().await.unwrap();
    let client = Client::new(&hub);
    let (status, who) = client.json("/api/whoami-v2").await;
    assert_eq!((status.as_u16(), &who["name"]), (200, &json!(USER)));

    assert_eq!(client.json("/api/buckets/ada/x").await.0, 404);
    let created = client.post("/api/buckets/me/x", "{}").await;
    assert_eq!(created.status(), 200);
    let url = created.json::<Value>().await.unwrap()["url"].clone();
    assert_eq!(url, json!(format!("{}/buckets/ada/x", hub.endpoint())));
    assert_eq!(client.post("/api/buckets/ada/x", "{}").await.status(), 409);
    assert_eq!(client.post("/api/buckets/eve/x", "{}").await.status(), 403);

    let (_, before) = client.json("/api/buckets/ada/x").await;
    assert_eq!(
        (&before["id"], &before["private"], &before["size"]),
        (&json!("ada/x"), &json!(false), &json!(0))
    );
    hub.put_file("ada/x", "f", "12345").unwrap();
    let (_, after) = client.json("/api/buckets/ada/x").await;
    assert_eq!((&after["size"], &after["totalFiles"]), (&json!(5), &json!(1)));
    assert_ne!(before["updatedAt"], after["updatedAt"]);

    let settings = client.ask(Method::PUT, "/api/buckets/ada/x/settings").json(&json!({ "private": true }));
    assert_eq!(settings.send().await.unwrap().status(), 200);
    let (_, private) = client.json("/api/buckets/ada/x").await;
    assert_eq!(private["private"], json!(true));
    assert_ne!(private["updatedAt"], after["updatedAt"]);

    let moving = json!({ "fromRepo": "ada/x", "toRepo": "ada/y", "type": "bucket" }).to_string();
    assert_eq!(client.post("/api/repos/move", moving).await.status(), 200);
    assert_eq!(client.json("/api/buckets/ada/x").await.0, 404);
    assert_eq!(hub.read_file("ada/y", "f").unwrap(), b"12345");

    let gone = client.ask(Method::DELETE, "/api/buckets/ada/y").send().await.unwrap();
    assert_eq!(gone.status(), 200);
    let missing = client.get("/api/buckets/ada/y").await;
    assert_eq!(
        (missing.status().as_u16(), header(&missing, "x-error-code").as_deref()),
        (404, Some("RepoNotFound"))
    );
}

#[tokio::test]
async fn buckets_of_a_namespace_are_searched_in_pages() {
    let hub = Hub::start().await.unwrap();
    for n in 0..7 {
        hub.bucket(&format!("me/data-{n}"));
    }
    hub.bucket("me/other");
    hub.bucket("eve/data-9");
    let client = Client::new(&hub);
    let (rows, pages) = client.rows("/api/buckets/me?search=DATA&limit=3").await;
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(pages, 3);
    assert_eq!(ids.len(), 7);
    assert!(ids.iter().all(|id| id.starts_with("ada/data-")));
    assert_eq!(client.rows("/api/buckets/eve").await.0.len(), 1);
}

#[tokio::test]
async fn who_may_not_see_or_change_is_refused() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let hash = hub.put_file(&bucket, "f", "1").unwrap();
    let reader = Client::with(&hub, Some(&hub.account(USER, false)));
    let eve = Client::with(&hub, Some(&hub.account("eve", true)));
    let nobody = Client::with(&hub, None);
    let fake = Client::with(&hub, Some("hf_fake"));
    for client in [&reader, &eve, &nobody] {
        assert_eq!(client.json("/api/buckets/ada/x/tree").await.0, 200);
        assert_eq!(client.json("/api/buckets/ada/x/xet-read-token").await.0, 200);
    }
    assert_eq!(fake.json("/api/buckets/ada/x/tree").await.0, 401);
    for (client, status) in [(&reader, 403), (&eve, 403), (&nobody, 401), (&fake, 401)] {
        assert_eq!(client.json("/api/buckets/ada/x/xet-write-token").await.0, status);
        assert_eq!(client.batch(&bucket, &[add("g", &hash)]).await.0, status);
    }
    let owner = Client::new(&hub);
    owner
        .ask(Method::PUT, "/api/buckets/ada/x/settings")
        .json(&json!({ "private": true }))
        .send()
        .await
        .unwrap();
    for (client, status) in [(&owner, 200), (&reader, 200), (&eve, 404), (&nobody, 401)] {
        assert_eq!(client.json("/api/buckets/ada/x/tree").await.0, status);
    }
    hub.revoke(hub.token());
    assert_eq!(owner.json("/api/whoami-v2").await.0, 401);
}

#[tokio::test]
async fn a_tree_is_listed_in_pages_by_a_prefix_of_keys() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let names = ["a/1.manifest", "a/1.manifest#1", "a/b/c d", "a/b/e/f", "a2", "ä/ö"];
    hub.put_files(&bucket, names.iter().map(|name| ((*name).to_owned(), "x".into())).collect()).unwrap();
    let client = Client::new(&hub);
    for (query, expected) in [
        ("?recursive=false&limit=5000", vec!["a/", "a2", "ä/"]),
        ("/a?recursive=false", vec!["a/1.manifest", "a/1.manifest#1", "a/b/", "a2"]),
        ("/a%2F1.manifest", vec!["a/1.manifest", "a/1.manifest#1"]),
        ("/a/b", vec!["a/b/c d", "a/b/e/"]),
        ("/a%2Fb?recursive=true", vec!["a/b/c d", "a/b/e/", "a/b/e/f"]),
        ("/missing", vec![]),
    ] {
        let (rows, _) = client.rows(&format!("/api/buckets/ada/x/tree{query}")).await;
        assert_eq!(paths(&rows), expected, "{query}");
    }
    let (whole, pages) = client.rows("/api/buckets/ada/x/tree?recursive=True").await;
    assert_eq!((pages, whole.len()), (1, 10));
    let (parts, pages) = client.rows("/api/buckets/ada/x/tree?recursive=true&limit=3").await;
    assert_eq!((pages, parts), (4, whole.clone()));
    hub.set_page(2);
    let (parts, pages) = client.rows("/api/buckets/ada/x/tree?recursive=true&limit=5000").await;
    assert_eq!((pages, parts), (5, whole.clone()));
    let file = &whole[1];
    assert_eq!(
        (&file["type"], &file["size"], &file["xetHash"].as_str().unwrap().len()),
        (&json!("file"), &json!(1), &64)
    );
    assert!(file["mtime"].as_str().unwrap().ends_with('Z') && file["uploadedAt"].is_string());
    assert_eq!(client.json("/api/buckets/ada/x/tree?cursor=nonsense").await.0, 400);

    let asked = json!({ "paths": ["a2", "missing", "a/b", "a/b/c d"] }).to_string();
    let found: Vec<Value> = client.post("/api/buckets/ada/x/paths-info", asked).await.json().await.unwrap();
    assert_eq!(paths(&found), ["a2", "a/b/c d"]);
    let many = json!({ "paths": vec!["a"; 1001] }).to_string();
    assert_eq!(client.post("/api/buckets/ada/x/paths-info", many).await.status(), 400);
}

#[tokio::test]
async fn a_page_after_a_change_neither_repeats_nor_skips_what_stayed() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let files =
        |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "x".into())).collect::<Vec<_>>();
    hub.put_files(&bucket, files(&["b", "d", "f", "h"])).unwrap();
    let client = Client::new(&hub);
    let first = client.get("/api/buckets/ada/x/tree?limit=2").await;
    let next = header(&first, "link").unwrap();
    let next = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
    assert_eq!(paths(&first.json::<Vec<Value>>().await.unwrap()), ["b", "d"]);
    hub.delete_file(&bucket, "d").unwrap();
    hub.put_files(&bucket, files(&["a", "g"])).unwrap();
    assert_eq!(paths(&client.rows(&next).await.0), ["f", "g", "h"]);
}

#[tokio::test]
async fn a_batch_says_what_failed_and_does_the_rest() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let hash = hub.upload(vec!["hello".into()]).unwrap().pop().unwrap();
    let unknown = hash.chars().rev().collect::<String>();
    let client = Client::new(&hub);

    let (status, answer) =
        client.batch(&bucket, &[add("a", &hash), add("b", &unknown), add("empty", EMPTY)]).await;
    assert_eq!(status, 200);
    assert_eq!(answer["failed"].as_array().unwrap().len(), 1);
    assert_eq!(answer["failed"][0]["path"], json!("b"));
    let sizes: Vec<(String, u64)> =
        hub.tree(&bucket).into_iter().map(|(path, file)| (path, file.size)).collect();
    assert_eq!(sizes, [("a".to_owned(), 5), ("empty".to_owned(), 0)]);
    assert_eq!(hub.tree(&bucket)["a"].mtime, Some(1_700_000_000_000));

    let before = client.json("/api/buckets/ada/x").await.1;
    let (status, answer) = client.batch(&bucket, &[add("b", &unknown), add("../c", &hash)]).await;
    assert_eq!((status.as_u16(), answer["failed"].as_array().unwrap().len()), (422, 2));
    assert_eq!(client.json("/api/buckets/ada/x").await.1, before);

    assert_eq!(client.batch(&bucket, &[delete("a"), add("d", &hash)]).await.0, 400);
    assert_eq!(client.batch(&bucket, &[add("d", &hash), delete("a"), delete("never")]).await.0, 200);
    assert_eq!(hub.tree(&bucket).into_keys().collect::<Vec<_>>(), ["d", "empty"]);
    assert_eq!(client.batch("ada/none", &[delete("a")]).await.0, 404);

    let other = hub.bucket("me/y");
    let copy = |source: &str| {
        json!({ "type": "copyFile", "path": "e", "xetHash": hash, "mtime": 1,
            "sourceRepoType": "bucket", "sourceRepoId": source })
    };
    assert_eq!(client.batch(&other, &[copy("ada/x")]).await.0, 200);
    assert_eq!(hub.read_file(&other, "e").unwrap(), b"hello");
    assert_eq!(client.batch(&other, &[copy("ada/none")]).await.0, 422);
}

#[tokio::test]
async fn resolving_tells_of_a_file_and_leads_to_its_bytes() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    let hash = hub.put_file(&bucket, "a b/ä.txt", "0123456789").unwrap();
    let client = Client::new(&hub);
    for path in ["/buckets/ada/x/resolve/a%20b/%C3%A4.txt", "/buckets/ada/x/resolve/a%20b%2F%C3%A4.txt"] {
        let told = client.head(path).await;
        assert_eq!(told.status(), 302);
        assert_eq!(header(&told, "x-xet-hash").as_deref(), Some(hash.as_str()));
        assert_eq!(header(&told, "x-linked-size").as_deref(), Some("10"));
        assert!(header(&told, "last-modified").unwrap().ends_with(" GMT"));
        let auth = format!("{}/api/buckets/ada/x/xet-read-token", hub.endpoint());
        assert_eq!(header(&told, "link"), Some(format!("<{auth}>; rel=\"xet-auth\"")));
        let etag = header(&told, "x-linked-etag").unwrap();
        let again = client.ask(Method::GET, path).header("If-None-Match", &etag).send().await.unwrap();
        assert_eq!(again.status(), 304);

        // The address needs no token.
        let place = header(&client.get(path).await, "location").unwrap();
        let nobody = Client::with(&hub, None);
        assert_eq!(nobody.get(&place).await.text().await.unwrap(), "0123456789");
        for (range, status, bytes) in
            [("bytes=2-4", 206, "234"), ("bytes=-2", 206, "89"), ("bytes=10-", 416, "")]
        {
            let part = nobody.ask(Method::GET, &place).header("Range", range).send().await.unwrap();
            assert_eq!(
                (part.status().as_u16(), part.text().await.unwrap().as_str()),
                (status, bytes),
                "{range}"
            );
        }
        let head = nobody.head(&place).await;
        assert_eq!((head.status().as_u16(), header(&head, "content-length").as_deref()), (200, Some("10")));
    }
    let missing = client.head("/buckets/ada/x/resolve/none").await;
    assert_eq!(
        (missing.status().as_u16(), header(&missing, "x-error-code").as_deref()),
        (404, Some("EntryNotFound"))
    );
    assert_eq!(client.get(&format!("{}/_blobs/guessed", hub.cas_url())).await.status(), 403);
}

#[tokio::test]
async fn organisations_are_their_members_namespaces_and_a_token_may_not_list_all_of_them() {
    let hub = Hub::start().await.unwrap();
    let client = Client::new(&hub);
    for id in ["lab/x", "closed/y"] {
        hub.bucket(id);
        hub.hide(id);
        assert_eq!(client.json(&format!("/api/buckets/{id}")).await.0, 404);
    }
    hub.join(hub.token(), "lab", true);
    hub.join(hub.token(), "closed", false);
    let (_, who) = client.json("/api/whoami-v2").await;
    let orgs: Vec<&Value> = who["orgs"].as_array().unwrap().iter().map(|org| &org["name"]).collect();
    assert_eq!(orgs, ["lab", "closed"]);
    let (status, rows) = client.json("/api/buckets/lab").await;
    assert_eq!((status.as_u16(), &rows[0]["id"], &rows[0]["private"]), (200, &json!("lab/x"), &json!(true)));
    assert_eq!(client.json("/api/buckets/closed").await.0, 403);
    assert_eq!(client.json("/api/buckets/closed/y").await.0, 200);
    assert_eq!(client.post("/api/buckets/lab/new", "{}").await.status(), 200);
}
