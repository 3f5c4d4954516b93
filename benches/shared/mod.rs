//! What the benchmarks share: data, the edits of which they tell what a save moves, and the bars.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::{ops::Range, path::Path};

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use serde::Serialize;

/// Bytes.
pub const MB: u64 = 1 << 20;
/// Up and down together, for each single edit, bytes.
const BAR: u64 = 512 << 10;
/// The same for a rewrite and rename.
const REWRITE_BAR: u64 = 1 << 20;

/// Bytes of varied kinds, so that chunks differ in size; the same for the same seed, from any offset on.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let run = rng.random_range(1..=200_000).min(len - out.len());
        let start = out.len();
        if rng.random_bool(0.8) {
            out.resize(start + run, 0);
            rng.fill_bytes(&mut out[start..]);
        } else {
            let word: Vec<u8> = (0..rng.random_range(1..80)).map(|_| rng.random_range(b' '..=b'~')).collect();
            out.extend((0..run).map(|i| if i % 700 == 0 { rng.random() } else { word[i % word.len()] }));
        }
    }
    out
}

/// Random bytes, which no packing makes fewer.
pub fn incompressible(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut out);
    out
}

/// What is done to the file.
#[derive(Clone)]
pub struct Edit {
    pub name: &'static str,
    /// Where 1 KiB (or 4 KiB, of a hundred) is written.
    pub writes: Vec<Range<u64>>,
    /// The new length, if it changes otherwise.
    pub truncate: Option<u64>,
    /// The whole file is written anew and renamed over the old one, by a client that knows the old one.
    pub rewrite: bool,
    /// Edits of different seeds write different bytes.
    seed: u64,
}

/// The edits of a file of `size` bytes.
pub fn edits(size: u64) -> Vec<Edit> {
    let plain = |name, writes| Edit { name, writes, truncate: None, rewrite: false, seed: 0 };
    let one = |at| std::iter::once(at..at + 1024).collect::<Vec<Range<u64>>>();
    let middle = size / 2 + 12_345;
    let mut rng = StdRng::seed_from_u64(size);
    let step = size / 100;
    let scattered =
        (0..100).map(|i| i * step + rng.random_range(0..step - 4096)).map(|at| at..at + 4096).collect();
    let all = vec![
        plain("1 KiB in the middle", one(middle)),
        plain("1 KiB appended", one(size)),
        Edit { truncate: Some(size / 2 + 777), ..plain("truncated to half", Vec::new()) },
        plain("100 x 4 KiB scattered", scattered),
        Edit { rewrite: true, ..plain("rewrite and rename", one(middle)) },
    ];
    all.into_iter().zip(0..).map(|(edit, seed)| Edit { seed, ..edit }).collect()
}

impl Edit {
    /// How many bytes a program writes, but for those of a rewrite that stay as they are.
    pub fn changed(&self) -> u64 {
        self.writes.iter().map(|w| w.end - w.start).sum()
    }

    /// The content after the edit.
    pub fn apply(&self, content: &[u8]) -> Vec<u8> {
        let mut new = content.to_vec();
        for (i, w) in self.writes.iter().enumerate() {
            if (new.len() as u64) < w.end {
                new.resize(w.end as usize, 0);
            }
            new[w.start as usize..w.end as usize].copy_from_slice(&self.patch(i));
        }
        if let Some(len) = self.truncate {
            new.truncate(len as usize);
        }
        new
    }

    /// The bytes of the `i`-th write.
    pub fn patch(&self, i: usize) -> Vec<u8> {
        let len = (self.writes[i].end - self.writes[i].start) as usize;
        let mut patch = vec![0; len];
        StdRng::seed_from_u64(self.seed * 1000 + i as u64 + 99).fill_bytes(&mut patch);
        patch
    }
}

/// What an edit moved.
#[derive(Clone, Copy, Serialize)]
pub struct Moved {
    pub up: u64,
    pub down: u64,
    /// Whether the content read back is the edited one.
    pub equal: bool,
}

impl Moved {
    /// Both ways.
    pub fn total(self) -> u64 {
        self.up + self.down
    }
}

/// The most that an edit may move, bytes up and down together; a hundred scattered writes have no bar.
pub fn bar(edit: &Edit) -> Option<u64> {
    match edit.writes.len() {
        100 => None,
        _ if edit.rewrite => Some(REWRITE_BAR),
        _ => Some(BAR),
    }
}

/// Keeps a benchmark's figures as `NAME.json` in cargo's target folder.
pub fn write_json(name: &str, figures: &serde_json::Value) {
    // It runs as TARGET/release/deps/NAME-HASH, wherever cargo was told that TARGET is.
    let program = std::env::current_exe().expect("a benchmark has a path");
    let target = program.ancestors().nth(3).unwrap_or(Path::new("."));
    let path = target.join(format!("{name}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(figures).expect("JSON"))
        .expect("the JSON file is written");
    println!("written to {}", path.display());
}
