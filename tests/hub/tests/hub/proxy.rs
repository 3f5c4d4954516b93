//! The slow way to a Hub.

use std::time::{Duration, Instant};

use lacuna_test_hub::{Hub, Link, Proxy};

use crate::client::{Client, header};

/// A client that goes by the proxy, and one file of so many bytes.
fn behind(bytes: usize) -> (Hub, Proxy, Client) {
    let hub = Hub::start_blocking().unwrap();
    let bucket = hub.bucket("me/x");
    hub.put_file(&bucket, "f", vec![7; bytes]).unwrap();
    let proxy = Proxy::before(&hub).unwrap();
    let client = Client::at(proxy.endpoint(), Some(hub.token()));
    (hub, proxy, client)
}

#[tokio::test]
async fn all_that_the_hub_names_leads_through_it_and_is_counted() {
    let (hub, proxy, client) = tokio::task::spawn_blocking(|| behind(300_000)).await.unwrap();
    assert_ne!(proxy.endpoint(), hub.endpoint());
    let place = header(&client.get("/buckets/ada/x/resolve/f").await, "location").unwrap();
    let (_, token) = client.json("/api/buckets/ada/x/xet-read-token").await;
    let cas = token["casUrl"].as_str().unwrap().to_owned();
    assert!(place.starts_with(&cas) && cas != hub.cas_url(), "{place} {cas}");
    let before = proxy.passed();
    assert_eq!((before.requests, before.in_turn), (2, 2));
    assert_eq!(client.get(&place).await.bytes().await.unwrap().len(), 300_000);
    let hash = hub.tree("ada/x")["f"].xet_hash.clone();
    let reader = Client::with(&hub, token["accessToken"].as_str());
    let terms = reader.get(&format!("{cas}/v2/reconstructions/{hash}")).await.text().await.unwrap();
    assert!(terms.contains(&format!("{cas}/v1/fetch_term")), "the bytes come by it too: {terms}");
    let passed = proxy.passed();
    assert_eq!(passed.requests, 4);
    assert!(passed.connections >= 2 && passed.up > before.up, "{passed:?}");
    assert!((300_000..310_000).contains(&(passed.down - before.down)), "{passed:?}");
    proxy.forget();
    assert_eq!(proxy.passed(), lacuna_test_hub::Passed::default());
}

#[tokio::test]
async fn a_delay_is_each_requests_and_not_one_after_the_other() {
    let (_hub, proxy, client) = tokio::task::spawn_blocking(|| behind(10)).await.unwrap();
    proxy.set(Link { delay: Duration::from_millis(100), rate: None });
    proxy.forget();
    let start = Instant::now();
    let all = (0..20).map(|_| client.get("/api/buckets/ada/x"));
    assert!(futures::future::join_all(all).await.iter().all(|answer| answer.status() == 200));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
    let passed = proxy.passed();
    assert_eq!((passed.requests, passed.in_turn), (20, 1), "they were under way together: {passed:?}");
    assert_eq!(client.get("/api/buckets/ada/x").await.status(), 200);
    assert_eq!(proxy.passed().in_turn, 2);
}

#[tokio::test]
async fn the_rate_is_that_of_all_connections_together() {
    let (_hub, proxy, client) = tokio::task::spawn_blocking(|| behind(400_000)).await.unwrap();
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(header(&client.get("/buckets/ada/x/resolve/f").await, "location").unwrap());
    }
    proxy.set(Link { delay: Duration::ZERO, rate: Some(2_000_000) });
    let start = Instant::now();
    let all = places.iter().map(|place| async { client.get(place).await.bytes().await.unwrap().len() });
    assert_eq!(futures::future::join_all(all).await, [400_000; 4]);
    // 1.6 MB at 2 MB/s, but for what the line makes up for.
    assert!(start.elapsed() >= Duration::from_millis(750), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_that_breaks_behind_it_breaks_before_it() {
    let (hub, _proxy, client) = tokio::task::spawn_blocking(|| behind(10)).await.unwrap();
    hub.fault(lacuna_test_hub::Fault::new(lacuna_test_hub::Act::Drop).times(1));
    assert!(client.ask(reqwest::Method::GET, "/api/buckets/ada/x").send().await.is_err());
    assert_eq!(client.get("/api/buckets/ada/x").await.status(), 200);
}
