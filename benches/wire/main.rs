//! Bytes on the wire: what a save moves, up and down, counted at the object store, each edit from a client
//! with an empty cache; beside it `xet_data::upload_ranges` on the same data. And what opening costs.
//!
//! `cargo bench --bench wire` prints the table and writes it to `target/wire.json`. `-- --quick` leaves the
//! 2 GB file out.

mod ours;
mod theirs;

#[path = "../shared/mod.rs"]
mod shared;

use serde::Serialize;
pub use shared::{Edit, Moved};
use shared::{MB, bar, bytes, edits};

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
            let (bar, changed) = (bar(&edit), edit.changed());
            let row = Row { edit: edit.name, size, changed, ours: mine, upload_ranges: other, bar };
            print_row(&row, rows.is_empty());
            rows.push(row);
        }
    }
    let opening = ours::opening(&runtime);
    println!("\nopen for writing and close, 100 GB against 1 KB: {opening:.2} times as long (bar: 1.5)");
    shared::write_json("wire", &serde_json::json!({ "rows": rows, "open_100gb_over_1kb": opening }));
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
