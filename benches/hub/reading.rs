//! Reading a big file of the Hub: in order, against curl; and here and there, over a slow link.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::FileExt,
    process::Command,
    time::{Duration, Instant},
};

use lacuna_test_hub::{Hub, Link, Moved};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Found, Verdict, median,
    place::{self, BUCKET, Place, shows},
    shared::{MB, bytes},
};

/// The file.
const SIZE: u64 = 1000 * MB;
const NAME: &str = "big";
/// Each way of reading in order is tried so often, in turn.
const ROUNDS: usize = 3;
/// Of curl's throughput.
const SEQUENTIAL: f64 = 0.8;
const READS: usize = 30;
const READ: usize = 4096;
/// 1 Gbit/s, in bytes.
const GIGABIT: u64 = 125_000_000;
/// 100 Mbit/s, in bytes.
const RATE: u64 = 12_500_000;
/// A few chunks: four of the largest, with all that is said to get them.
const RANDOM: f64 = 4.0 * 131_072.0;

/// At the machine's own speed, where all that the drive does beside fetching counts, and over a link.
pub fn sequential() -> Found {
    let hub = Hub::start_blocking().expect("the test Hub starts");
    hub.bucket(BUCKET);
    let (figures, verdict) = race(&hub, hub.endpoint(), "without a link between");
    drop(hub);
    let place = Place::new();
    place.proxy.set(Link { delay: Duration::ZERO, rate: Some(GIGABIT) });
    let (linked, over) = race(&place.hub, place.proxy.endpoint(), "at 1 Gbit/s");
    (serde_json::json!({ "loopback": figures, "gigabit": linked }), vec![verdict, over])
}

fn race(hub: &Hub, endpoint: &str, what: &str) -> (serde_json::Value, Verdict) {
    let content = bytes(1, SIZE as usize);
    hub.put_file(BUCKET, NAME, content.clone()).expect("the Hub takes the file");
    println!("cold sequential read of {} MB {what}, MB/s", SIZE / MB);
    let (mut ours, mut curls, mut moved) = (Vec::new(), Vec::new(), Moved::default());
    for round in 0..ROUNDS {
        curls.push(curl(hub, endpoint));
        // A machine that knows nothing: it has the folder listed, no more.
        let m = place::machine(hub, endpoint);
        m.mount();
        shows(&m, &[NAME.to_owned()]);
        let path = m.mnt().join(NAME);
        let before = hub.counts();
        let start = Instant::now();
        read(&path);
        ours.push(SIZE as f64 / MB as f64 / start.elapsed().as_secs_f64());
        moved = hub.counts().since(&before).of("");
        println!("  curl {:>7.0}   drive {:>7.0}", curls[round], ours[round]);
        // From what was kept: the clock is not running.
        assert!(std::fs::read(&path).expect("the file is read") == content, "other bytes came");
    }
    let (drive, curl) = (median(ours.clone()), median(curls.clone()));
    println!("  medians: curl {curl:.0}, drive {drive:.0}: {:.2} of curl (bar: {SEQUENTIAL})", drive / curl);
    println!("  the drive asked {} times for {} MB of packed bytes", moved.requests, moved.down / MB);
    let figures = serde_json::json!({
        "size": SIZE, "drive_mb_s": ours, "curl_mb_s": curls, "ratio": drive / curl, "moved": moved,
    });
    (figures, Verdict::least(format!("cold sequential read {what}, of curl's"), drive / curl, SEQUENTIAL))
}

/// Reads a file as programs do, from the start to the end.
fn read(path: &std::path::Path) {
    let mut file = File::open(path).expect("the file opens");
    let (mut buffer, mut all) = (vec![0; MB as usize], 0);
    loop {
        match file.read(&mut buffer).expect("the file is read") {
            0 => break,
            n => all += n as u64,
        }
    }
    assert_eq!(all, SIZE);
}

/// MB/s of the same bytes by the Hub's own address for them.
fn curl(hub: &Hub, endpoint: &str) -> f64 {
    let url = format!("{endpoint}/buckets/{BUCKET}/resolve/{NAME}");
    let token = format!("Authorization: Bearer {}", hub.token());
    let start = Instant::now();
    let out = Command::new("curl")
        .args(["-sSfL", "--noproxy", "*", "-o", "/dev/null", "-w", "%{size_download}", "-H", &token, &url])
        .output()
        .expect("curl runs");
    let took = start.elapsed().as_secs_f64();
    let size = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    assert_eq!(size, SIZE.to_string(), "curl: {}", String::from_utf8_lossy(&out.stderr));
    SIZE as f64 / MB as f64 / took
}

pub fn random() -> Found {
    let place = Place::new();
    place.hub.put_file(BUCKET, NAME, bytes(1, SIZE as usize)).expect("the Hub takes the file");
    // What takes its time without any link is the Hub's and ours.
    let own = scattered(&place, Link::default());
    let slow = scattered(&place, Link { delay: Duration::ZERO, rate: Some(RATE) });
    let moved: Vec<f64> = slow.iter().map(|r| r.bytes).collect();
    let worst = moved.iter().copied().fold(0.0, f64::max);
    let (bytes, ms) = (median(moved), median(slow.iter().map(|r| r.ms).collect()));
    let link = median(slow.iter().map(|r| r.bytes / RATE as f64 * 1000.0).collect());
    let own = median(own.iter().map(|r| r.ms).collect());
    println!("{READS} random reads of 4 KiB in {} MB at 100 Mbit/s, medians", SIZE / MB);
    println!("  {:.0} KB a read (worst {:.0}, bar {:.0})", bytes / 1024.0, worst / 1024.0, RANDOM / 1024.0);
    println!("  {ms:.1} ms a read; the link takes {link:.1} of it, and without a limit it is {own:.1}");
    println!("  {:.2} times the link's own time", ms / link);
    let figures = serde_json::json!({
        "bytes": bytes, "worst_bytes": worst, "ms": ms, "link_ms": link, "unlimited_ms": own,
    });
    (figures, vec![Verdict::most("a random read of 4 KiB: bytes", worst, RANDOM)])
}

struct One {
    bytes: f64,
    ms: f64,
}

/// By a machine that knows nothing, over such a link.
fn scattered(place: &Place, link: Link) -> Vec<One> {
    let m = place.mounted();
    shows(&m, &[NAME.to_owned()]);
    let file = File::open(m.mnt().join(NAME)).expect("the file opens");
    let mut random = StdRng::seed_from_u64(7);
    // The token is asked for by the first of all.
    file.read_exact_at(&mut [0; READ], 0).expect("a read");
    place.proxy.set(link);
    let reads = (0..READS)
        .map(|_| {
            let at = random.random_range(MB..SIZE - READ as u64);
            place.proxy.forget();
            let start = Instant::now();
            file.read_exact_at(&mut [0; READ], at).expect("a read");
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            One { bytes: place.proxy.passed().bytes() as f64, ms }
        })
        .collect();
    place.proxy.set(Link::default());
    reads
}
