//! Bytes on the wire: what a save moves, up and down, counted at the object store, each edit from a client
//! with an empty cache; beside it `xet_data::upload_ranges` on the same data. And what opening costs.
//!
//! `cargo bench --bench wire` prints the table and writes it to `target/wire.json`. `-- --quick` leaves the
//! 2 GB file out.

mod ours;
mod theirs;

use std::{ops::Range, path::PathBuf};

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use serde::Serialize;

const MB: u64 = 1 << 20;
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
}

fn edits(size: u64) -> Vec<Edit> {
    let plain = |name, writes| Edit { name, writes, truncate: None, rewrite: false };
    let one = |at| std::iter::once(at..at + 1024).collect::<Vec<Range<u64>>>();
    let middle = size / 2 + 12_345;
    let mut rng = StdRng::seed_from_u64(size);
    let step = size / 100;
    let scattered =
        (0..100).map(|i| i * step + rng.random_range(0..step - 4096)).map(|at| at..at + 4096).collect();
    vec![
        plain("1 KiB in the middle", one(middle)),
        plain("1 KiB appended", one(size)),
        Edit { truncate: Some(size / 2 + 777), ..plain("truncated to half", Vec::new()) },
        plain("100 x 4 KiB scattered", scattered),
        Edit { rewrite: true, ..plain("rewrite and rename", one(middle)) },
    ]
}

impl Edit {
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
        StdRng::seed_from_u64(i as u64 + 99).fill_bytes(&mut patch);
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
    fn total(self) -> u64 {
        self.up + self.down
    }
}

#[derive(Serialize)]
struct Row {
    edit: &'static str,
    size: u64,
    changed: u64,
    ours: Moved,
    upload_ranges: Option<Moved>,
    bar: Option<u64>,
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut rows = Vec::new();
    let sizes: &[u64] = if quick { &[200 * MB] } else { &[200 * MB, 2000 * MB] };
    for &size in sizes {
        let content = bytes(size, size as usize);
        let ours = runtime.block_on(ours::Bench::new(&content));
        let theirs = runtime.block_on(theirs::Bench::new(&content));
        for edit in edits(size) {
            let want = edit.apply(&content);
            let mine = runtime.block_on(ours.run(&edit, &want));
            let other = (!edit.rewrite).then(|| runtime.block_on(theirs.run(&edit, &want, size)));
            let bar = match edit.writes.len() {
                100 => None,
                _ if edit.rewrite => Some(REWRITE_BAR),
                _ => Some(BAR),
            };
            let changed = edit.writes.iter().map(|w| w.end - w.start).sum();
            let row = Row { edit: edit.name, size, changed, ours: mine, upload_ranges: other, bar };
            print_row(&row, rows.is_empty());
            rows.push(row);
        }
    }
    let opening = ours::opening(&runtime);
    println!("\nopen for writing and close, 100 GB against 1 KB: {opening:.2} times as long (bar: 1.5)");
    let path = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
        .join("wire.json");
    let json = serde_json::json!({ "rows": rows, "open_100gb_over_1kb": opening });
    std::fs::write(&path, serde_json::to_vec_pretty(&json).expect("JSON")).expect("the JSON file is written");
    println!("written to {}", path.display());
    let bad: Vec<&Row> =
        rows.iter().filter(|r| !r.ours.equal || r.bar.is_some_and(|b| r.ours.total() >= b)).collect();
    for r in &bad {
        println!("OVER THE BAR or not equal: {} of {} MB", r.edit, r.size / MB);
    }
    std::process::exit(if bad.is_empty() && opening <= 1.5 { 0 } else { 1 });
}

fn print_row(r: &Row, first: bool) {
    if first {
        println!(
            "{:<24}{:>8} {:>11} {:>11} {:>9} {:>7} | {:>14} {:>14} {:>7} | {:>7}",
            "edit",
            "file MB",
            "up KB",
            "down KB",
            "bar KB",
            "equal",
            "u_r up KB",
            "u_r down KB",
            "equal",
            "ratio"
        );
    }
    let kb = |b: u64| format!("{:.1}", b as f64 / 1024.0);
    let (up, down, equal, ratio) = match r.upload_ranges {
        Some(t) => {
            let ratio = t.total() as f64 / r.ours.total().max(1) as f64;
            (kb(t.up), kb(t.down), t.equal.to_string(), format!("{ratio:.0}x"))
        }
        None => ("-".into(), "-".into(), "-".into(), "-".into()),
    };
    println!(
        "{:<24}{:>8} {:>11} {:>11} {:>9} {:>7} | {:>14} {:>14} {:>7} | {:>7}",
        r.edit,
        r.size / MB,
        kb(r.ours.up),
        kb(r.ours.down),
        r.bar.map_or("-".into(), kb),
        r.ours.equal,
        up,
        down,
        equal,
        ratio
    );
}
