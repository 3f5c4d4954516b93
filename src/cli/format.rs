//! Words and numbers for people. Pure: values in, text out.

use std::{fmt::Write, time::Duration};

use lacuna::{
    control::api::{DriveState, DriveStatus, FileInfo, Pending, Problem, QueueState, Save, Severity, Status},
    error::Error,
};

/// A number of bytes: `0 bytes`, `999 bytes`, `1.2 kB`, `34 MB`. Decimal units, as disks and file managers use.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1_000 {
        return if bytes == 1 { "1 byte".into() } else { format!("{bytes} bytes") };
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `1 file`, `3 files`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// What waits: `3 files, 1.2 MB waiting`.
pub fn pending(p: Pending) -> String {
    match (p.files, p.bytes) {
        (0, 0) => "nothing waiting".into(),
        (files, 0) => format!("{} waiting", count(files, "change")),
        (files, bytes) => format!("{}, {} waiting", count(files, "file"), size(bytes)),
    }
}

/// A length of time: `90 s`, `1 h 30 min`.
pub fn length(d: Duration) -> String {
    let s = d.as_secs();
    match (s / 3_600, s % 3_600 / 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// A failure with its remedy.
pub fn error(e: &Error) -> String {
    let place = e.path().map(|path| format!("{path}: ")).unwrap_or_default();
    let remedy = e.remedy_text().map(|remedy| format!("\n  try: {remedy}")).unwrap_or_default();
    format!("error: {place}{}{remedy}", e.cause())
}

/// A problem with its cause and remedy.
pub fn problem(p: &Problem) -> String {
    let mark = match p.severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "problem",
    };
    let place = p.path.as_ref().map(|path| format!(" ({path})")).unwrap_or_default();
    let remedy = if p.remedy.is_empty() { String::new() } else { format!("\n    try: {}", p.remedy) };
    format!("  {mark}: {}{place}: {}{remedy}", p.title, p.cause)
}

/// The sentence that one looks for before the lid is shut. It says "safe" only if it is a fact.
pub fn verdict(status: &Status) -> String {
    let waits = |s: &&DriveStatus| s.pending != Pending::default();
    let total = status.drives.iter().filter(waits).fold(Pending::default(), |a, d| Pending {
        files: a.files + d.pending.files,
        bytes: a.bytes + d.pending.bytes,
    });
    let problems: usize = status.drives.iter().map(|d| d.problems.len()).sum();
    if status.drives.is_empty() {
        "No drives are mounted.".into()
    } else if total != Pending::default() {
        format!("Not everything is synced: {}.", pending(total))
    } else if problems > 0 {
        format!("{}: see above.", capital(&count(problems as u64, "problem")))
    } else if let Some(drive) = status.drives.iter().find(|d| d.state != DriveState::Synced) {
        match drive.state {
            DriveState::Paused => "Nothing is waiting here; a drive is paused.".into(),
            DriveState::Offline => "Nothing is waiting here; a drive is offline.".into(),
            _ => "Not everything is synced yet.".into(),
        }
    } else {
        "Everything is synced: safe to shut down.".into()
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// One drive in a few lines.
pub fn drive(d: &DriveStatus) -> String {
    /// So many of the queue are shown; `--json` has all.
    const SHOWN: usize = 10;
    let state = match d.state {
        DriveState::Synced => "synced",
        DriveState::Syncing => "syncing",
        DriveState::Paused => "paused",
        DriveState::Offline => "offline",
        DriveState::Problem => "problem",
    };
    let mut out = format!("{}: {} at {}\n  {state}, {}", d.name, d.remote, d.mountpoint, pending(d.pending));
    // Writing to a String can't fail.
    let _ = write!(out, "; since the mount {} sent, {} received", size(d.sent_bytes), size(d.received_bytes));
    if d.rate.up + d.rate.down > 0 {
        let _ = write!(out, " (now {}/s up, {}/s down)", size(d.rate.up), size(d.rate.down));
    }
    if d.cache.bytes > 0 {
        let _ = write!(out, "\n  {} here", size(d.cache.bytes));
        if d.cache.pinned > 0 {
            let _ = write!(out, ", {} of them pinned", size(d.cache.pinned));
        }
        if let Some(limit) = d.cache.limit {
            let _ = write!(out, "; at most {} that can be fetched again", size(limit));
        }
    }
    for item in d.queue.iter().take(SHOWN) {
        let doing = match item.state {
            QueueState::Quiet => "waits for the file to be quiet".to_owned(),
            QueueState::Ready => "waits for its turn".to_owned(),
            QueueState::Uploading => format!("{} sent", size(item.sent)),
            QueueState::Committing => "waits for the remote's commit".to_owned(),
            QueueState::Conflict => "was changed elsewhere too".to_owned(),
            QueueState::Retry => {
                format!("waits to try again, failed {}", count(item.attempts.into(), "time"))
            }
        };
        let _ = write!(out, "\n  {} ({}): {doing}", item.path, size(item.bytes));
    }
    if d.queue.len() > SHOWN {
        let _ = write!(out, "\n  and {} more", d.queue.len() - SHOWN);
    }
    for p in &d.problems {
        let _ = write!(out, "\n{}", problem(p));
    }
    out
}

/// All drives and the verdict.
pub fn status(status: &Status) -> String {
    let mut parts: Vec<String> = status.drives.iter().map(drive).collect();
    parts.push(verdict(status));
    parts.join("\n")
}

/// A moment, in this machine's time zone or in UTC where that can't be told: `2026-11-23 14:05`.
pub fn moment(at: lacuna::node::Time) -> String {
    let utc = time::OffsetDateTime::from_unix_timestamp_nanos(at.0.into())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let here = time::UtcOffset::local_offset_at(utc).map_or(utc, |offset| utc.to_offset(offset));
    let (month, day) = (u8::from(here.month()), here.day());
    format!("{:04}-{month:02}-{day:02} {:02}:{:02}", here.year(), here.hour(), here.minute())
}

/// One save in a line.
pub fn save(s: &Save) -> String {
    let (at, r) = (moment(s.at), &s.receipt);
    format!(
        "{at}  {}: {} ({}): {} changed, {} sent, {} ms",
        s.drive,
        s.path,
        size(s.size),
        size(r.changed),
        size(r.sent),
        r.ms
    )
}

/// One file, under the name that the user gave.
pub fn info(shown: &str, i: &FileInfo) -> String {
    let sum = |ranges: &[[u64; 2]]| ranges.iter().map(|[a, b]| b.saturating_sub(*a)).sum::<u64>();
    let parts = |ranges: &[[u64; 2]]| match ranges.len() {
        0 | 1 => String::new(),
        n => format!(" in {n} pieces"),
    };
    let mut out = format!("{shown}\n  state      {}\n  size       {}", i.state, size(i.size));
    if i.size >= 1_000 {
        let _ = write!(out, " ({} bytes)", i.size);
    }
    let _ = write!(out, "\n  here       {} of {}{}", size(sum(&i.present)), size(i.size), parts(&i.present));
    let _ = write!(out, "\n  waiting    {}{}", size(sum(&i.dirty)), parts(&i.dirty));
    if i.pinned {
        let _ = write!(out, "\n  pinned     stays on this machine");
    }
    let _ = write!(out, "\n  based on   {}", i.base.as_deref().unwrap_or("nothing the remote has yet"));
    match &i.receipt {
        None => {}
        Some(r) => {
            let _ = write!(
                out,
                "\n  last save  {} changed, {} sent, {} reused, {} re-read, {} ms",
                size(r.changed),
                size(r.sent),
                size(r.reused),
                size(r.reread),
                r.ms
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use lacuna::{
        control::api::{Cache, Receipt},
        error::Kind,
        health,
        node::Time,
    };

    use super::*;

    fn drive_in(state: DriveState, files: u64, bytes: u64) -> DriveStatus {
        DriveStatus {
            pending: Pending { files, bytes },
            sent_bytes: 1_234_567,
            ..DriveStatus::new("b", "store:/b", "/m", state)
        }
    }

    #[test]
    fn sizes_are_short_and_right() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_234, "1.2 kB"),
            (12_345, "12 kB"),
            (999_499, "999 kB"),
            (999_999, "1.0 MB"),
            (209_715_200, "210 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (s, text) in
            [(5, "5 s"), (60, "1 min"), (90, "1 min 30 s"), (3_600, "1 h"), (5_400, "1 h 30 min")]
        {
            assert_eq!(length(Duration::from_secs(s)), text);
        }
    }

    #[test]
    fn safe_is_said_only_when_it_is_a_fact() {
        let say = |drives| verdict(&Status { version: 1, drives });
        assert_eq!(say(vec![]), "No drives are mounted.");
        assert_eq!(say(vec![drive_in(DriveState::Synced, 0, 0)]), "Everything is synced: safe to shut down.");
        let mut troubled = drive_in(DriveState::Problem, 0, 0);
        troubled.problems.push(health::problem("conflict", "two", None));
        for drive in [
            drive_in(DriveState::Syncing, 3, 1_200_000),
            drive_in(DriveState::Syncing, 0, 0),
            drive_in(DriveState::Synced, 1, 0),
            drive_in(DriveState::Paused, 0, 0),
            drive_in(DriveState::Offline, 0, 0),
            drive_in(DriveState::Problem, 0, 0),
            troubled,
        ] {
            let text = say(vec![drive_in(DriveState::Synced, 0, 0), drive]);
            assert!(!text.contains("safe"), "{text}");
        }
        assert_eq!(
            say(vec![drive_in(DriveState::Syncing, 3, 1_200_000)]),
            "Not everything is synced: 3 files, 1.2 MB waiting."
        );
    }

    #[test]
    fn a_drive_shows_its_problems_with_their_remedies() {
        let mut d = drive_in(DriveState::Problem, 1, 10);
        d.problems.push(health::problem("conflict", "changed elsewhere", Some("a.ods".into())));
        let text = drive(&d);
        assert!(text.starts_with(
            "b: store:/b at /m\n  problem, 1 file, 10 bytes waiting; since the mount 1.2 MB sent"
        ));
        assert!(
            text.contains("problem: Two versions of a file (a.ods): changed elsewhere\n    try: compare")
        );
    }

    #[test]
    fn errors_name_the_place_and_the_remedy() {
        let e = Error::new(Kind::Busy, "in use").remedy("close it").at("/m");
        assert_eq!(error(&e), "error: /m: in use\n  try: close it");
        assert_eq!(error(&Error::new(Kind::Other, "x")), "error: x");
    }

    #[test]
    fn saves_and_the_cache_are_lines() {
        let receipt = Receipt { changed: 1_000, sent: 250_000, reused: 0, reread: 0, ms: 120 };
        let s = Save { drive: "b".into(), path: "a/c.ods".into(), at: Time(0), size: 2_000_000, receipt };
        let line = save(&s);
        assert!(line.ends_with("b: a/c.ods (2.0 MB): 1.0 kB changed, 250 kB sent, 120 ms"), "{line}");
        // Whatever the time zone, it is one of two days.
        assert!(line.starts_with("1970-01-01 ") || line.starts_with("1969-12-31 "), "{line}");
        let mut d = drive_in(DriveState::Synced, 0, 0);
        d.cache = Cache { bytes: 5_000_000, pinned: 1_000_000, limit: Some(20_000_000) };
        assert!(
            drive(&d)
                .ends_with("5.0 MB here, 1.0 MB of them pinned; at most 20 MB that can be fetched again")
        );
    }

    #[test]
    fn info_adds_up() {
        let i = FileInfo {
            path: "a".into(),
            size: 10_000,
            base: None,
            present: vec![[0, 1_000], [5_000, 6_000]],
            dirty: vec![[0, 10]],
            state: "new".into(),
            receipt: Some(Receipt { changed: 1, sent: 2, reused: 3, reread: 4, ms: 5 }),
            kind: lacuna::node::Kind::File,
            pinned: false,
            sending: vec![],
        };
        let text = info("/m/a", &i);
        assert!(text.contains("here       2.0 kB of 10 kB in 2 pieces"), "{text}");
        assert!(text.contains("waiting    10 bytes\n"), "{text}");
        assert!(text.ends_with("1 byte changed, 2 bytes sent, 3 bytes reused, 4 bytes re-read, 5 ms"));
    }
}
