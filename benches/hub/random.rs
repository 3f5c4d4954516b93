//! Reading a big file of the Hub here and there, over a slow link.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use lacuna_test_hub::Link;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Found, Verdict, median,
    place::{BUCKET, Place, shows},
    shared::{MB, bytes},
};

/// The file.
const SIZE: u64 = 1000 * MB;
const NAME: &str = "big";
const READS: usize = 30;
const READ: usize = 4096;
/// 100 Mbit/s, in bytes.
const RATE: u64 = 12_500_000;
/// A few chunks: four of the largest, with all that is said to get them.
const RANDOM: f64 = 4.0 * 131_072.0;

pub fn run() -> Found {
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
