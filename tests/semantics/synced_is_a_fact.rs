//! Promise 7: what is shown as synced is at the remote, so that this machine may be lost.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{Bucket, Machine, data, state, wait_for};

const ROUNDS: u64 = 8;
const MAX: usize = 2_000_000;

/// Changes the file in bursts, with rests in which it may be sent. `content` is what it is; it is locked for as long
/// as it is being changed.
fn change(path: &Path, content: &Mutex<Vec<u8>>, rng: &mut StdRng, stop: &AtomicBool) {
    loop {
        let mut now = content.lock().unwrap();
        // Set with `content` locked.
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
        for _ in 0..rng.random_range(1..4) {
            let (at, len) = (rng.random_range(0..MAX), rng.random_range(1..100_000));
            let bytes = data::bytes(rng, len);
            file.write_all_at(&bytes, at as u64).unwrap();
            let end = now.len().max(at + len);
            now.resize(end, 0);
            now[at..at + len].copy_from_slice(&bytes);
        }
        drop((file, now));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..4_000)));
    }
}

/// In the very moment in which the file, or the drive, is shown as synced, the machine is lost: agent, cache and all.
#[test]
fn synced_is_a_fact() {
    let (seed, _) = data::rng("synced_is_a_fact");
    let bucket = Bucket::new();
    for round in 0..ROUNDS {
        let m = Machine::new(&bucket);
        let name = format!("file{}", round / 2);
        let path = m.mnt().join(&name);
        let content = Mutex::new(std::fs::read(&path).unwrap_or_default());
        let stop = AtomicBool::new(false);
        let mut rng = StdRng::seed_from_u64(seed ^ round);
        let synced = std::thread::scope(|s| {
            s.spawn(|| change(&path, &content, &mut rng, &stop));
            wait_for("the first change", || path.exists() && state(&path) != "synced");
            let mut synced = None;
            wait_for("it to be shown as synced", || {
                let now = content.lock().unwrap();
                // By turns what the file shows, and what the tray says of the whole drive.
                let said =
                    if round % 2 == 0 { state(&path) == "synced" } else { m.drive()["state"] == "synced" };
                if said {
                    m.kill();
                    synced = Some(now.clone());
                    stop.store(true, Ordering::Relaxed);
                }
                said
            });
            synced.unwrap()
        });
        drop(m);
        let there = std::fs::read(Machine::new(&bucket).mnt().join(&name)).unwrap();
        assert!(there == synced, "round {round}: another content is at the remote");
    }
}
