//! What a save moves: every byte between Lacuna and the Hub, for a file that this machine uploaded, one
//! that it has read through, and one that it never saw.

use std::{fs::OpenOptions, os::unix::fs::FileExt};

use serde::Serialize;
use serde_json::Value;

use crate::{
    Found, Verdict,
    place::{BUCKET, Place, shows},
    shared::{Edit, MB, Moved, bar, bytes, edits, incompressible},
    support::Machine,
};

/// Of a file never seen so many segments are read for each place that an edit touches, at most: an edit, or what
/// the Hub wants looked at around it, may lie across an edge.
const UNSEEN_SEGMENTS: u64 = 2;
/// The largest segment, bytes.
const SEGMENT: u64 = 64 * MB;
/// What metadata may add to the bytes that were read.
const UNSEEN_MORE: u64 = MB / 2;
/// How far the receipt's "reread" may be from what the proxy saw come down, of that; and bytes.
const REREAD_OFF: (f64, u64) = (0.05, 64 << 10);

#[derive(Clone, Copy, PartialEq, Serialize)]
enum File {
    Uploaded,
    ReadThrough,
    NeverSeen,
}

impl File {
    fn says(self) -> &'static str {
        match self {
            File::Uploaded => "uploaded",
            File::ReadThrough => "read through",
            File::NeverSeen => "never seen",
        }
    }

    fn bar(self, edit: &Edit, size: u64) -> Option<u64> {
        match self {
            File::NeverSeen => unseen_bar(edit, size),
            _ => bar(edit),
        }
    }
}

/// The most that an edit of a file never seen may move. A rewrite of one sends what is written.
fn unseen_bar(edit: &Edit, size: u64) -> Option<u64> {
    if edit.rewrite {
        return None;
    }
    let places = edit.writes.len() as u64 + u64::from(edit.truncate.is_some());
    let read = (places * UNSEEN_SEGMENTS * SEGMENT).min(size);
    // Each place is sent anew, with the chunks at its edges.
    Some(read + UNSEEN_MORE + places * 4 * (128 << 10))
}

#[derive(Serialize)]
struct Row {
    file: File,
    edit: &'static str,
    size: u64,
    changed: u64,
    moved: Moved,
    bar: Option<u64>,
    receipt: Value,
}

pub fn run(full: bool) -> Found {
    println!(
        "{:<14}{:<24}{:>8} {:>10} {:>10} {:>10} {:>6} | receipt {:>10} {:>10}",
        "file", "edit", "file MB", "up KB", "down KB", "bar KB", "equal", "sent KB", "reread KB"
    );
    let sizes: &[u64] = if full { &[200 * MB, 2000 * MB] } else { &[200 * MB] };
    let mut rows = Vec::new();
    for &size in sizes {
        let content = bytes(size, size as usize);
        table(File::Uploaded, &content, &mut rows);
        table(File::ReadThrough, &content, &mut rows);
        // The receipt counts what was read as it is unpacked, the proxy as it came: here both are the same.
        table(File::NeverSeen, &incompressible(size, size as usize), &mut rows);
    }
    let verdicts = rows.iter().flat_map(judge).collect();
    (serde_json::json!(rows), verdicts)
}

/// All edits of one kind of file, each of a copy of its own.
fn table(file: File, content: &[u8], rows: &mut Vec<Row>) {
    let place = Place::new();
    let size = content.len() as u64;
    let mut machine = place.mounted();
    let hash = match file {
        File::Uploaded => {
            std::fs::write(machine.mnt().join("first"), content).expect("the file is written");
            machine.flush();
            place.hub.tree(BUCKET)["first"].xet_hash.clone()
        }
        _ => place.hub.put_file(BUCKET, "first", content.to_vec()).expect("the Hub takes the file"),
    };
    let names: Vec<String> = (0..edits(size).len()).map(|i| format!("copy {i}")).collect();
    for name in &names {
        place.add(name, &hash);
    }
    for (edit, name) in edits(size).iter().zip(&names) {
        if file == File::NeverSeen {
            machine = place.mounted();
        }
        shows(&machine, &names);
        let path = machine.mnt().join(name);
        if file == File::ReadThrough {
            assert!(std::fs::read(&path).expect("the file is read") == content, "{name} is other");
            machine.evict(&path);
        }
        let want = edit.apply(content);
        place.proxy.forget();
        change(&machine, name, edit, &want);
        machine.flush();
        let passed = place.proxy.passed();
        let equal = place.hub.read_file(BUCKET, name).is_ok_and(|there| there == want);
        let row = Row {
            file,
            edit: edit.name,
            size,
            changed: edit.changed(),
            moved: Moved { up: passed.up, down: passed.down, equal },
            bar: file.bar(edit, size),
            receipt: machine.info(&path)["receipt"].clone(),
        };
        print(&row);
        rows.push(row);
    }
}

/// What a program does to the file.
fn change(machine: &Machine, name: &str, edit: &Edit, want: &[u8]) {
    let path = machine.mnt().join(name);
    if edit.rewrite {
        let temp = machine.mnt().join("file.tmp");
        std::fs::write(&temp, want).expect("the new file is written");
        std::fs::rename(&temp, &path).expect("it is renamed");
        return;
    }
    let file = OpenOptions::new().write(true).open(&path).expect("the file opens");
    for (i, w) in edit.writes.iter().enumerate() {
        file.write_all_at(&edit.patch(i), w.start).expect("the file is written");
    }
    if let Some(len) = edit.truncate {
        file.set_len(len).expect("the file is cut");
    }
}

fn of(receipt: &Value, what: &str) -> u64 {
    receipt[what].as_u64().unwrap_or(u64::MAX)
}

fn print(r: &Row) {
    let kb = |b: u64| format!("{:.1}", b as f64 / 1024.0);
    println!(
        "{:<14}{:<24}{:>8} {:>10} {:>10} {:>10} {:>6} |         {:>10} {:>10}",
        r.file.says(),
        r.edit,
        r.size / MB,
        kb(r.moved.up),
        kb(r.moved.down),
        r.bar.map_or("-".into(), kb),
        r.moved.equal,
        kb(of(&r.receipt, "sent")),
        kb(of(&r.receipt, "reread")),
    );
}

fn judge(r: &Row) -> Vec<Verdict> {
    let what = format!("{} of {} MB, {}", r.edit, r.size / MB, r.file.says());
    let mut verdicts =
        vec![Verdict::least(format!("{what}: reads back equal"), f64::from(u8::from(r.moved.equal)), 1.0)];
    if let Some(bar) = r.bar {
        verdicts.push(Verdict::most(format!("{what}: bytes"), r.moved.total() as f64, bar as f64));
    }
    if r.file == File::NeverSeen {
        let off = of(&r.receipt, "reread").abs_diff(r.moved.down);
        let most = REREAD_OFF.0 * r.moved.down as f64 + REREAD_OFF.1 as f64;
        verdicts.push(Verdict::most(format!("{what}: receipt's reread, bytes off"), off as f64, most));
    }
    verdicts
}
