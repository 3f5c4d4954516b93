//! Reading a big file of the Hub from its start to its end, against curl: over links, and with none between, where the
//! processor is the limit. There it is told too what could be had at most, from what each step costs by itself.

use std::{
    fs::File,
    hint::black_box,
    io::{Read, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use lacuna_test_hub::{Hub, Link, Moved};
use rustix::fs::{Advice, fadvise};
use xet_core_structures::merklehash::compute_data_hash;

use crate::{
    Found, Verdict, cpu, median,
    place::{self, BUCKET, Place, shows},
    shared::{MB, bytes},
    support::Machine,
};

/// The file.
const SIZE: u64 = 1000 * MB;
const NAME: &str = "big";
/// Each way of reading is tried so often, in turn.
const ROUNDS: usize = 3;
/// Of curl's throughput.
const BAR: f64 = 0.8;
/// 1 Gbit/s, in bytes.
const GIGABIT: u64 = 125_000_000;
/// Each way, over a long way.
const FAR: Duration = Duration::from_millis(50);
/// The length of a chunk, on average, bytes.
const CHUNK: usize = 64 << 10;
/// What one request asks for, bytes.
const PIECE: usize = 4 << 20;

pub fn run() -> Found {
    let hub = Hub::start_blocking().expect("the test Hub starts");
    hub.bucket(BUCKET);
    let content = bytes(1, SIZE as usize);
    hub.put_file(BUCKET, NAME, content.clone()).expect("the Hub takes the file");
    let mut loopback = race(&hub, hub.endpoint(), &content, "with no link between");
    loopback["bound"] = bound(&hub, &content, &loopback);
    drop(hub);
    let place = Place::new();
    place.hub.put_file(BUCKET, NAME, content.clone()).expect("the Hub takes the file");
    let over = |delay: Duration, what: &str| {
        place.proxy.set(Link { delay, rate: Some(GIGABIT) });
        race(&place.hub, place.proxy.endpoint(), &content, what)
    };
    let near = over(Duration::ZERO, "at 1 Gbit/s");
    let far = over(FAR, "at 1 Gbit/s and 50 ms each way");
    let judge = |what: &str, figures: &serde_json::Value| {
        let ratio = figures["ratio"].as_f64().expect("a ratio");
        Verdict::least(format!("cold sequential read {what}, of curl's"), ratio, BAR)
    };
    let verdicts = vec![
        judge("with no link between", &loopback),
        judge("at 1 Gbit/s", &near),
        judge("at 1 Gbit/s and 50 ms each way", &far),
    ];
    (serde_json::json!({ "loopback": loopback, "gigabit": near, "far": far }), verdicts)
}

fn race(hub: &Hub, endpoint: &str, content: &[u8], what: &str) -> serde_json::Value {
    println!("cold sequential read of {} MB {what}, MB/s", SIZE / MB);
    let (mut ours, mut curls, mut moved) = (Vec::new(), Vec::new(), Moved::default());
    let (mut curl_spent, mut our_spent) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        curl_spent.push(cpu::of(None, || curls.push(curl(hub, endpoint))).all());
        // A machine that knows nothing: it has the folder listed, no more.
        let m = place::machine(hub, endpoint);
        m.mount();
        shows(&m, &[NAME.to_owned()]);
        let path = m.mnt().join(NAME);
        let counts = hub.counts();
        let spent = cpu::of(m.agent_pid(), || ours.push(read(&path)));
        our_spent.push(spent.all());
        moved = hub.counts().since(&counts).of("");
        println!("  curl {:>7.0}   drive {:>7.0}   {spent}", curls[round], ours[round]);
        // From what was kept: the clock is not running.
        assert!(std::fs::read(&path).expect("the file is read") == content, "other bytes came");
    }
    let (drive, curl) = (median(ours.clone()), median(curls.clone()));
    println!("  medians: curl {curl:.0}, drive {drive:.0}: {:.2} of curl (bar: {BAR})", drive / curl);
    println!("  the drive asked {} times for {} MB of packed bytes", moved.requests, moved.down / MB);
    serde_json::json!({
        "size": SIZE, "drive_mb_s": ours, "curl_mb_s": curls, "ratio": drive / curl, "moved": moved,
        "curl_cpu_s": median(curl_spent), "drive_cpu_s": median(our_spent),
    })
}

/// What a drive could reach at most that takes the bytes as cheaply as curl does, and beside that does only what a
/// drive can't leave out: hashes them, keeps them in a file, and hands them to the reader by FUSE. All processors
/// are taken to be busy all the time.
fn bound(hub: &Hub, content: &[u8], figures: &serde_json::Value) -> serde_json::Value {
    let curl = figures["curl_cpu_s"].as_f64().expect("seconds");
    let timed = |what: &dyn Fn()| median((0..ROUNDS).map(|_| cpu::of(None, what).all()).collect());
    let hash = timed(&|| {
        for chunk in content.chunks(CHUNK) {
            black_box(compute_data_hash(chunk));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let keep = timed(&|| {
        let mut file = File::create(folder.path().join("kept")).expect("a file");
        content.chunks(PIECE).for_each(|piece| file.write_all(piece).expect("it is written"));
    });
    let m = place::machine(hub, hub.endpoint());
    let through = through_fuse(&m);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let least = (curl + hash + keep + through) / cores as f64;
    let most = SIZE as f64 / MB as f64 / least;
    let ratio = most / median(serde_json::from_value(figures["curl_mb_s"].clone()).expect("figures"));
    println!(
        "  processor seconds: curl and the Hub {curl:.2}; hashing {hash:.2}, keeping {keep:.2}, FUSE {through:.2}"
    );
    println!(
        "  no drive that does these reads more than {most:.0} MB/s with {cores} cores: {ratio:.2} of curl"
    );
    serde_json::json!({
        "curl_cpu_s": curl, "hash_cpu_s": hash, "keep_cpu_s": keep, "fuse_cpu_s": through, "cores": cores,
        "ratio": ratio,
    })
}

/// Processor seconds for reading the file again, all of which is kept on this machine.
fn through_fuse(m: &Machine) -> f64 {
    m.mount();
    shows(m, &[NAME.to_owned()]);
    let path = m.mnt().join(NAME);
    read(&path);
    median(
        (0..ROUNDS)
            .map(|_| {
                // What the kernel has of it goes; what the drive keeps stays.
                fadvise(File::open(&path).expect("the file opens"), 0, None, Advice::DontNeed)
                    .expect("pages go");
                cpu::of(m.agent_pid(), || _ = read(&path)).all()
            })
            .collect(),
    )
}

/// Reads a file as programs do, from the start to the end, MB/s.
fn read(path: &Path) -> f64 {
    let start = Instant::now();
    let mut file = File::open(path).expect("the file opens");
    let (mut buffer, mut all) = (vec![0; MB as usize], 0);
    loop {
        match file.read(&mut buffer).expect("the file is read") {
            0 => break,
            n => all += n as u64,
        }
    }
    assert_eq!(all, SIZE);
    SIZE as f64 / MB as f64 / start.elapsed().as_secs_f64()
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
