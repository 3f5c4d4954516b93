//! `ls -lR` of a hundred thousand entries: what is asked of the Hub.

use std::process::Command;

use lacuna_test_hub::Operation;

use crate::{
    Found, Verdict,
    place::{BUCKET, Place},
};

const FOLDERS: usize = 40;
const EACH: usize = 2500;
/// Rows of a page, at most.
const PAGE: usize = 1000;

pub fn run() -> Found {
    let place = Place::new();
    place.hub.set_page(PAGE);
    let hash =
        place.hub.upload(vec!["the same everywhere".into()]).expect("the Hub takes a content").remove(0);
    let add = |path| Operation::AddFile {
        path,
        xet_hash: hash.clone(),
        mtime: Some(1_700_000_000_000),
        content_type: None,
    };
    let files = (0..FOLDERS).flat_map(|d| (0..EACH).map(move |f| format!("d{d:02}/file {f:04}")));
    place.hub.mutate(BUCKET, files.map(add).collect()).expect("the Hub takes the files");
    let m = place.mounted();
    place.hub.forget_counts();
    place.proxy.forget();
    let list = || {
        let start = std::time::Instant::now();
        let out = Command::new("ls").arg("-lR").arg(m.mnt()).output().expect("ls runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let lines = String::from_utf8_lossy(&out.stdout).lines().filter(|l| l.contains("file ")).count();
        assert_eq!(lines, FOLDERS * EACH);
        start.elapsed().as_secs_f64()
    };
    let first = list();
    let counts = place.hub.counts();
    let (pages, requests, bytes) =
        (counts.requests("/tree"), counts.of("").requests, place.proxy.passed().bytes());
    let second = list();
    let again = place.hub.counts().since(&counts).of("").requests;
    // The root, and each folder's.
    let fewest = 1 + FOLDERS * EACH.div_ceil(PAGE);
    println!(
        "ls -lR of {} entries: {pages} pages fetched of {fewest}, {requests} requests in all, {} KB, {first:.1} s; \
         a second time: {again} requests, {second:.1} s",
        FOLDERS * EACH,
        bytes / 1024
    );
    let figures = serde_json::json!({
        "entries": FOLDERS * EACH, "pages": pages, "fewest": fewest, "requests": requests, "bytes": bytes,
        "seconds": first, "requests_again": again, "seconds_again": second,
    });
    let verdicts = vec![
        Verdict::most("ls -lR: pages fetched", pages as f64, fewest as f64),
        Verdict::most(
            "ls -lR a second time: pages fetched",
            place.hub.counts().requests("/tree") as f64,
            fewest as f64,
        ),
    ];
    (figures, verdicts)
}
