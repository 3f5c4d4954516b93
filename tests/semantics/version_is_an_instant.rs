//! Promise 6: what is uploaded is the file as it stood at one moment, though programs keep writing.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::support::{Bucket, Machine};

const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 256;

/// A writer fills the file with its round's number, over and over, block by block from the first to the
/// last. At any one instant the blocks hold one number and, from some block on, the number before it.
#[test]
fn a_committed_version_is_an_instant() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let path = m.mnt().join("file");
    std::fs::write(&path, vec![0u8; BLOCK * BLOCKS]).unwrap();
    m.flush();
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            let f = OpenOptions::new().write(true).open(&path).unwrap();
            let mut round = 0u32;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let block: Vec<u8> = round.to_le_bytes().repeat(BLOCK / 4);
                for i in 0..BLOCKS {
                    f.write_all_at(&block, (i * BLOCK) as u64).unwrap();
                }
            }
        });
        for look in 0..6 {
            // The writer never rests, so `flush` does not return; what counts is what others then see.
            let mut flush = std::process::Command::new(crate::support::LACUNA)
                .arg("flush")
                .env("LACUNA_HOME", m.home())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_secs(3));
            m.ok(&["pause"]);
            let _ = flush.kill();
            let _ = flush.wait();
            let second = Machine::new(&bucket);
            let bytes = std::fs::read(second.mnt().join("file")).unwrap();
            m.ok(&["resume"]);
            let words: Vec<u32> =
                bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
            let mut runs: Vec<u32> = words.clone();
            runs.dedup();
            println!("look {look}: rounds {runs:?}");
            let one_instant = runs.len() == 1 || (runs.len() == 2 && runs[1] + 1 == runs[0]);
            if !one_instant {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(one_instant, "a mixture of moments: rounds {runs:?}");
        }
        stop.store(true, Ordering::Relaxed);
    });
}
