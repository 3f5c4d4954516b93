//! The first byte of a huge file, over a link of 100 ms there and back.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use lacuna_test_hub::{Link, Passed};

use crate::{
    Found, Verdict,
    place::{Place, shows},
    shared::{MB, bytes},
};

/// Each way.
const DELAY: Duration = Duration::from_millis(50);
/// Less than so many round trips, from a drive that is mounted and a folder that is listed.
const BAR: f64 = 5.0;
/// The file is so many times these bytes.
const PART: u64 = 64 * MB;
const TIMES: usize = 160;

/// Round trips by time, and what passed.
struct Trip {
    trips: f64,
    passed: Passed,
}

pub fn run() -> Found {
    let place = Place::new();
    let part = place.hub.upload(vec![bytes(10, PART as usize).into()]).expect("the Hub takes a part");
    place.add("huge", &place.hub.repeat(&part[0], TIMES).expect("the Hub takes the file"));
    let warm = {
        let m = place.mounted();
        shows(&m, &["huge".to_owned()]);
        measure(&place, || first(&m.mnt().join("huge")))
    };
    let again = {
        let m = place.mounted();
        shows(&m, &["huge".to_owned()]);
        first(&m.mnt().join("huge"));
        measure(&place, || at(&m.mnt().join("huge"), 5 * PART * 16))
    };
    let m = place.machine();
    let cold = measure(&place, || {
        m.mount();
        first(&m.mnt().join("huge"));
    });
    println!("first byte of {:.1} GB, 100 ms there and back", (PART * TIMES as u64) as f64 / 1e9);
    let mut figures = serde_json::Map::new();
    for (name, trip) in [
        ("drive mounted, folder listed", &warm),
        ("a byte in the middle, after that", &again),
        ("from 'lacuna mount' on", &cold),
    ] {
        println!(
            "  {name:<34}{:>5.2} round trips by time, {} requests in turn of {}, {} connections, {} KB",
            trip.trips,
            trip.passed.in_turn,
            trip.passed.requests,
            trip.passed.connections,
            trip.passed.bytes() / 1024
        );
        let figure = serde_json::json!({
            "round_trips": trip.trips, "in_turn": trip.passed.in_turn, "requests": trip.passed.requests,
            "connections": trip.passed.connections, "bytes": trip.passed.bytes(),
        });
        figures.insert(name.into(), figure);
    }
    println!("  (the bar of {BAR} is for the first line)");
    let verdicts = vec![Verdict::most("first byte of 10 GB: round trips", warm.trips, BAR)];
    (figures.into(), verdicts)
}

/// Does it over the slow link.
fn measure(place: &Place, work: impl FnOnce()) -> Trip {
    // What the mount does on its own is over.
    std::thread::sleep(Duration::from_secs(1));
    place.proxy.set(Link { delay: DELAY, rate: None });
    place.proxy.forget();
    let start = Instant::now();
    work();
    let trips = start.elapsed().as_secs_f64() / (2.0 * DELAY.as_secs_f64());
    let passed = place.proxy.passed();
    place.proxy.set(Link::default());
    Trip { trips, passed }
}

fn first(path: &std::path::Path) {
    let mut byte = [0];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut byte)).expect("the first byte");
}

fn at(path: &std::path::Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    std::fs::File::open(path).and_then(|f| f.read_exact_at(&mut [0], offset)).expect("a byte");
}
