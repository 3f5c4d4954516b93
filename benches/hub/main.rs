//! A drive of the Hub, measured from outside: an agent of its own mounts a bucket of the test Hub by FUSE, and
//! a proxy between the two counts what passes, and makes the way slow where that matters.
//!
//! `cargo bench --bench hub` prints the figures, writes them to `target/hub.json`, and fails if one is beyond its
//! bar. `-- --full` edits a file of 2 GB too. `-- saving sequential random first-byte listing` does only the parts
//! named.

mod cpu;
mod first_byte;
mod listing;
mod place;
mod random;
mod saving;
mod sequential;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../../tests/support/mod.rs"]
mod support;

use serde::Serialize;

/// A figure that has a bar.
#[derive(Serialize)]
pub struct Verdict {
    what: String,
    figure: f64,
    /// What it must not fall below or exceed.
    bar: f64,
    kept: bool,
}

impl Verdict {
    /// At most `bar`.
    pub fn most(what: impl Into<String>, figure: f64, bar: f64) -> Verdict {
        Verdict { what: what.into(), figure, bar, kept: figure <= bar }
    }

    /// At least `bar`.
    pub fn least(what: impl Into<String>, figure: f64, bar: f64) -> Verdict {
        Verdict { what: what.into(), figure, bar, kept: figure >= bar }
    }
}

/// What a part found: its figures, and those that have bars.
pub type Found = (serde_json::Value, Vec<Verdict>);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|a| a == "--full");
    let named: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, &dyn Fn() -> Found); 5] = [
        ("saving", &|| saving::run(full)),
        ("sequential", &sequential::run),
        ("random", &random::run),
        ("first-byte", &first_byte::run),
        ("listing", &listing::run),
    ];
    if let Some(unknown) = named.iter().find(|n| parts.iter().all(|(name, _)| name != *n)) {
        eprintln!("there is no part {unknown:?}; the parts are {:?}", parts.map(|(name, _)| name));
        std::process::exit(2);
    }
    let (mut figures, mut verdicts) = (serde_json::Map::new(), Vec::new());
    for (name, run) in parts {
        if named.is_empty() || named.contains(&name) {
            let (found, judged) = run();
            figures.insert(name.to_owned(), found);
            verdicts.extend(judged);
            println!();
        }
    }
    figures.insert("verdicts".into(), serde_json::json!(verdicts));
    shared::write_json("hub", &figures.into());
    let missed: Vec<&Verdict> = verdicts.iter().filter(|v| !v.kept).collect();
    println!("{} of {} bars kept", verdicts.len() - missed.len(), verdicts.len());
    for v in &missed {
        println!("MISSED: {}: {:.3}, the bar is {:.3}", v.what, v.figure, v.bar);
    }
    std::process::exit(i32::from(!missed.is_empty()));
}

/// The one in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
