//! Faults, limits and counts, by the library and by the control route.

use std::time::{Duration, Instant};

use lacuna_test_hub::{Act, Fault, Hub, Rate};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, header};

fn delete(path: &str) -> Value {
    json!({ "type": "deleteFile", "path": path })
}

#[tokio::test]
async fn a_status_is_answered_so_often_and_does_nothing() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_file(&bucket, "a", "1").unwrap();
    let client = Client::new(&hub);
    hub.fault(Fault::new(Act::Status { status: 429, retry_after: Some(7) }).on("POST", "/batch").times(2));
    for _ in 0..2 {
        let refused = client.post("/api/buckets/ada/x/batch", delete("a").to_string()).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(header(&refused, "retry-after").as_deref(), Some("7"));
        assert_eq!(header(&refused, "ratelimit").as_deref(), Some("\"api\";r=0;t=7"));
        assert!(header(&refused, "ratelimit-policy").unwrap().starts_with("\"fixed window\";\"api\";q="));
        assert!(hub.tree(&bucket).contains_key("a"));
        assert_eq!(client.get("/api/buckets/ada/x").await.status(), 200);
    }
    assert_eq!(client.batch(&bucket, &[delete("a")]).await.0, 200);
    assert!(hub.tree(&bucket).is_empty() && hub.faults().is_empty());
}

#[tokio::test]
async fn a_lost_answer_has_done_its_work_and_a_dropped_request_none() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_files(&bucket, vec![("a".into(), "1".into()), ("b".into(), "2".into())]).unwrap();
    let client = Client::new(&hub);
    let send = |path: &str| {
        let request = client.ask(Method::POST, "/api/buckets/ada/x/batch");
        request.body(delete(path).to_string()).send()
    };
    hub.fault(Fault::new(Act::Drop).on("POST", "/batch").times(1));
    assert!(send("a").await.is_err());
    assert_eq!(hub.tree(&bucket).len(), 2);
    hub.fault(Fault::new(Act::Lose).on("POST", "/batch").times(1));
    assert!(send("a").await.is_err());
    assert_eq!(hub.tree(&bucket).into_keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(send("b").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_is_cut_where_it_is_told() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_file(&bucket, "a", vec![9; 200_000]).unwrap();
    let client = Client::new(&hub);
    let place = header(&client.get("/buckets/ada/x/resolve/a").await, "location").unwrap();
    hub.fault(Fault::new(Act::Cut { after: 70_000 }).on("GET", "/_blobs/").times(1));
    let before = hub.counts();
    let mut broken = client.get(&place).await;
    assert_eq!(header(&broken, "content-length").as_deref(), Some("200000"));
    let mut got = 0;
    let error = loop {
        match broken.chunk().await {
            Ok(Some(chunk)) => got += chunk.len(),
            Ok(None) => panic!("the body ended as if it were whole"),
            Err(e) => break e,
        }
    };
    assert!(got <= 70_000, "{got} bytes, then {error}");
    assert_eq!(hub.counts().since(&before).of("/_blobs").down, 70_000);
    assert_eq!(client.get(&place).await.bytes().await.unwrap().len(), 200_000);
}

#[tokio::test]
async fn certain_paths_of_a_batch_fail() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_files(&bucket, vec![("a".into(), "1".into()), ("b".into(), "2".into())]).unwrap();
    let client = Client::new(&hub);
    let act = Act::FailPaths { paths: vec!["b".into()], error: "on demand".into() };
    hub.fault(Fault::new(act).on("POST", "/batch").times(2));
    let (status, answer) = client.batch(&bucket, &[delete("a"), delete("b")]).await;
    assert_eq!((status.as_u16(), &answer["failed"]), (200, &json!([{ "path": "b", "error": "on demand" }])));
    assert_eq!(client.batch(&bucket, &[delete("b")]).await.0, 422);
    assert_eq!(client.batch(&bucket, &[delete("b")]).await.0, 200);
}

#[tokio::test]
async fn slowness_has_a_latency_and_a_bandwidth() {
    let hub = Hub::start().await.unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_file(&bucket, "a", vec![9; 100_000]).unwrap();
    let client = Client::new(&hub);
    let place = header(&client.get("/buckets/ada/x/resolve/a").await, "location").unwrap();
    hub.fault(Fault::new(Act::Slow { latency_ms: 100, bandwidth: Some(200_000) }));
    let start = Instant::now();
    assert_eq!(client.get(&place).await.bytes().await.unwrap().len(), 100_000);
    assert!(start.elapsed() >= Duration::from_millis(690), "{:?}", start.elapsed());
    hub.clear_faults();
    hub.fault(Fault::new(Act::Hang { ms: 300 }).times(1));
    let start = Instant::now();
    assert_eq!(client.get("/api/whoami-v2").await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn requests_over_the_limit_are_refused_until_the_window_ends() {
    let hub = Hub::start().await.unwrap();
    let client = Client::new(&hub);
    hub.limit(Some(Rate { quota: 2, window: 2 }));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = client.get("/api/whoami-v2").await;
        answers.push((answer.status().as_u16(), header(&answer, "ratelimit").unwrap()));
    }
    assert_eq!(answers[0], (200, "\"api\";r=1;t=2".to_owned()));
    assert_eq!(answers[1].0, 200);
    assert_eq!(answers[2].0, 429);
    assert!(answers[2].1.starts_with("\"api\";r=0;t="));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(client.get("/api/whoami-v2").await.status(), 200);
}

#[tokio::test]
async fn the_control_route_does_what_the_library_does() {
    let hub = Hub::start().await.unwrap();
    let client = Client::with(&hub, None);
    let fault =
        json!({ "method": "GET", "prefix": "/api/whoami", "times": 1, "act": "status", "status": 503 });
    assert_eq!(client.post("/_test/faults", fault.to_string()).await.status(), 200);
    assert_eq!(client.json("/_test/faults").await.1.as_array().unwrap().len(), 1);
    assert_eq!(client.get("/api/whoami-v2").await.status(), 503);
    assert_eq!(client.json("/_test/faults").await.1, json!([]));
    let counts = client.json("/_test/counts").await.1;
    assert_eq!(counts["GET /api/whoami-v2"]["requests"], json!(1));
    assert_eq!(client.json("/_test/seen").await.1, json!(["GET /api/whoami-v2"]));
    assert_eq!(client.ask(Method::DELETE, "/_test/counts").send().await.unwrap().status(), 200);
    assert!(hub.counts().0.is_empty());

    let made = client.post("/_test/tokens", json!({ "name": "eve", "writes": true }).to_string()).await;
    let token = made.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    let eve = Client::with(&hub, Some(&token));
    assert_eq!(eve.json("/api/whoami-v2").await.1["name"], json!("eve"));
    let revoke = client.ask(Method::DELETE, "/_test/tokens").body(json!(token).to_string());
    assert_eq!(revoke.send().await.unwrap().status(), 200);
    assert_eq!(eve.get("/api/whoami-v2").await.status(), 401);
    assert_eq!(client.post("/_test/faults", "nonsense").await.status(), 400);
    assert_eq!(client.get("/_test/nothing").await.status(), 404);
}
