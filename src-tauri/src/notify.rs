//! Which notifications a new status is worth. Pure: what was known, the status, the choices and the clock
//! in; what is known now and the notifications out.

use std::collections::BTreeSet;

use lacuna::{
    control::api::{DriveState, Pending, Problem, Severity, Status},
    node::Time,
};

use crate::{
    agent::pending,
    preferences::Choices,
    words::{Words, fill},
};

/// A flush is long, and its end worth a word, from so many nanoseconds or so many bytes on.
const LONG: (i64, u64) = (30_000_000_000, 100_000_000);

/// More new problems than this at once are told as a number.
const SINGLY: usize = 3;

/// The code of a problem that one does not have to do anything about: the icon shows it.
const OFFLINE: &str = "offline";

/// The code of a file that has two versions.
const CONFLICT: &str = "conflict";

/// What one can be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    Problem,
    Conflict,
    Synced,
}

/// A notification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub about: About,
    pub title: String,
    pub body: String,
}

/// What has been told, and since when something waits.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// Drive, code and path of the problems there were.
    problems: BTreeSet<(String, String, Option<String>)>,
    flush: Option<Flush>,
}

/// From the first change that waits to the last one that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Flush {
    since: Time,
    /// The most that waited, bytes.
    most: u64,
}

/// Judges a status.
pub fn judge(
    memory: &Memory,
    status: &Status,
    choices: &Choices,
    words: &Words,
    now: Time,
) -> (Memory, Vec<Note>) {
    let waits = pending(status);
    let mut notes = Vec::new();
    let (fresh, problems) = new_problems(memory, status);
    let (conflicts, others): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|(_, p)| p.code == CONFLICT);
    if choices.notify_problem {
        notes.extend(of_problems(&others, words));
    }
    if choices.notify_conflict {
        notes.extend(of_conflicts(&conflicts, words));
    }
    let flush = match memory.flush {
        _ if waits != Pending::default() => {
            let flush = memory.flush.unwrap_or(Flush { since: now, most: 0 });
            Some(Flush { most: flush.most.max(waits.bytes), ..flush })
        }
        Some(flush) if status.drives.iter().all(|d| d.state == DriveState::Synced) => {
            let long = now.0.saturating_sub(flush.since.0) >= LONG.0 || flush.most >= LONG.1;
            if long && choices.notify_synced && !status.drives.is_empty() {
                notes.push(Note {
                    about: About::Synced,
                    title: words.note_synced.clone(),
                    body: words.note_synced_body.clone(),
                });
            }
            None
        }
        // Nothing waits, but not all is well: the flush is not over.
        other => other,
    };
    (Memory { problems, flush }, notes)
}

type Found<'a> = Vec<(&'a str, &'a Problem)>;

/// The problems that were not there before, and all there are. What is only good to know is not told.
fn new_problems<'a>(
    memory: &Memory,
    status: &'a Status,
) -> (Found<'a>, BTreeSet<(String, String, Option<String>)>) {
    let mut fresh = Vec::new();
    let mut all = BTreeSet::new();
    for drive in &status.drives {
        let worth = |p: &&Problem| p.severity >= Severity::Warning && p.code != OFFLINE;
        for problem in drive.problems.iter().filter(worth) {
            let key = (drive.name.clone(), problem.code.clone(), problem.path.clone());
            if !memory.problems.contains(&key) {
                fresh.push((drive.name.as_str(), problem));
            }
            all.insert(key);
        }
    }
    (fresh, all)
}

fn of_problems(fresh: &[(&str, &Problem)], words: &Words) -> Vec<Note> {
    if fresh.len() > SINGLY {
        let n = fresh.len().to_string();
        return vec![Note {
            about: About::Problem,
            title: fill(&words.note_many, &[("n", &n)]),
            body: words.note_many_body.clone(),
        }];
    }
    let note = |(drive, p): &(&str, &Problem)| {
        let place = p.path.as_deref().unwrap_or(drive);
        let cause = words.engine.say(&p.cause);
        let mut body = fill(&words.note_problem_body, &[("place", place), ("cause", &cause)]);
        if !p.remedy.is_empty() {
            body += "\n";
            body += &fill(&words.note_remedy, &[("remedy", &words.engine.say(&p.remedy))]);
        }
        let title = fill(&words.note_problem, &[("title", &words.engine.say(&p.title))]);
        Note { about: About::Problem, title, body }
    };
    fresh.iter().map(note).collect()
}

fn of_conflicts(fresh: &[(&str, &Problem)], words: &Words) -> Vec<Note> {
    if fresh.len() > SINGLY {
        let n = fresh.len().to_string();
        return vec![Note {
            about: About::Conflict,
            title: fill(&words.note_conflicts, &[("n", &n)]),
            body: words.note_many_body.clone(),
        }];
    }
    let note = |(drive, p): &(&str, &Problem)| {
        let path = p.path.as_deref().unwrap_or(drive);
        let file = path.rsplit('/').next().unwrap_or(path);
        Note {
            about: About::Conflict,
            title: fill(&words.note_conflict, &[("file", &original(file))]),
            body: fill(&words.note_conflict_body, &[("drive", drive)]),
        }
    };
    fresh.iter().map(note).collect()
}

/// The name that a conflicted copy (`report (conflicted copy, HOST, DATE).ods`) is a copy of.
fn original(copy: &str) -> String {
    let parts = copy.rsplit_once(" (conflicted copy, ");
    match parts.and_then(|(stem, rest)| Some((stem, rest.split_once(')')?.1))) {
        Some((stem, end)) => format!("{stem}{end}"),
        None => copy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use lacuna::{control::api::DriveStatus, health};

    use super::*;
    use crate::{preferences::Change, words::Language};

    /// Judges statuses one after the other; answers the notifications of the last.
    struct Judge(Memory, Choices);

    impl Judge {
        fn new() -> Judge {
            Judge(Memory::default(), Choices::default())
        }

        fn see(&mut self, seconds: i64, drives: Vec<DriveStatus>) -> Vec<(About, String)> {
            let status = Status { version: 1, drives };
            let now = Time(seconds * 1_000_000_000);
            let (memory, notes) = judge(&self.0, &status, &self.1, Language::English.words(), now);
            self.0 = memory;
            notes.into_iter().map(|n| (n.about, n.title)).collect()
        }
    }

    fn drive(state: DriveState, bytes: u64, problems: &[(&str, &str)]) -> DriveStatus {
        let mut d = DriveStatus::new("a", "store:/b", "/d", state);
        d.pending = Pending { files: u64::from(bytes > 0), bytes };
        d.problems = problems.iter().map(|(c, p)| health::problem(c, "cause", Some((*p).into()))).collect();
        d
    }

    #[test]
    fn a_problem_is_told_once_and_again_when_it_comes_back() {
        use DriveState::*;
        let mut j = Judge::new();
        let bad = || vec![drive(Problem, 0, &[("bucket-full", "x/y")])];
        assert_eq!(j.see(0, bad()), [(About::Problem, "The remote has no space left".into())]);
        assert_eq!(j.see(1, bad()), []);
        assert_eq!(j.see(2, vec![drive(Synced, 0, &[])]), []);
        assert_eq!(j.see(3, bad()).len(), 1);
        // What the icon shows anyway, and what is only good to know, is not told.
        assert_eq!(j.see(4, vec![drive(Offline, 0, &[("offline", "x"), ("no-allow-other", "x")])]), []);
    }

    #[test]
    fn in_german_all_of_it_is_german() {
        let mut drive = drive(DriveState::Problem, 0, &[("disk-full", "x/y")]);
        drive.problems[0].cause = "can't read the settings: No space left on device (os error 28)".into();
        let status = Status { version: 1, drives: vec![drive] };
        let german = Language::German.words();
        let (_, notes) = judge(&Memory::default(), &status, &Choices::default(), german, Time(0));
        let said = format!("{} {}", notes[0].title, notes[0].body);
        for english in ["This machine", "space", "can't", "free", "files"] {
            assert!(!said.contains(english), "{said}");
        }
        assert!(said.contains("x/y") && said.contains("lacuna evict"), "{said}");
    }

    #[test]
    fn a_conflict_is_told_by_its_file() {
        for (path, file) in [
            ("x/report (conflicted copy, desk, 2026-11-23).ods", "report.ods"),
            ("Makefile (conflicted copy, desk, 2026-11-23 2)", "Makefile"),
            ("a (conflicted copy, b) (conflicted copy, c, d).x", "a (conflicted copy, b).x"),
            ("x/report.ods", "report.ods"),
            ("odd (conflicted copy, ", "odd (conflicted copy, "),
        ] {
            let mut j = Judge::new();
            let told = j.see(0, vec![drive(DriveState::Problem, 0, &[("conflict", path)])]);
            assert_eq!(told, [(About::Conflict, format!("Two versions of {file}"))]);
        }
    }

    #[test]
    fn many_at_once_are_a_number() {
        let five: Vec<(&str, &str)> = ["1", "2", "3", "4", "5"].map(|p| ("rejected", p)).to_vec();
        let mut j = Judge::new();
        let told = j.see(0, vec![drive(DriveState::Problem, 0, &five)]);
        assert_eq!(told, [(About::Problem, "5 new problems".into())]);
    }

    #[test]
    fn the_end_of_a_long_flush_is_told_and_of_a_short_one_not() {
        use DriveState::*;
        let synced = || vec![drive(Synced, 0, &[])];
        let told = [(About::Synced, "Everything is synced".to_owned())];
        for (seconds, bytes, expected) in
            [(29, 99_999_999, &[][..]), (30, 1, &told), (1, 100_000_000, &told), (1, 1, &[])]
        {
            let mut j = Judge::new();
            assert_eq!(j.see(0, vec![drive(Syncing, bytes, &[])]), []);
            assert_eq!(j.see(seconds, vec![drive(Syncing, bytes / 2, &[])]), []);
            assert_eq!(j.see(seconds, synced()), expected, "{seconds} s, {bytes} bytes");
            assert_eq!(j.see(seconds + 60, synced()), []);
        }
    }

    #[test]
    fn synced_is_told_only_when_it_is_a_fact() {
        use DriveState::*;
        let mut j = Judge::new();
        assert_eq!(j.see(0, vec![drive(Syncing, 1, &[])]), []);
        assert_eq!(j.see(60, vec![drive(Offline, 0, &[])]), []);
        assert_eq!(j.see(70, vec![drive(Synced, 0, &[])]).len(), 1);
        // A drive that was unmounted with the rest of its queue is no synced one.
        let mut j = Judge::new();
        assert_eq!(j.see(0, vec![drive(Syncing, 1, &[])]), []);
        assert_eq!(j.see(60, vec![]), []);
    }

    #[test]
    fn each_kind_can_be_turned_off() {
        use DriveState::*;
        let bad = || vec![drive(Problem, 1, &[("bucket-full", "x"), ("conflict", "y")])];
        for (change, left) in [
            (r#"{}"#, &[About::Problem, About::Conflict, About::Synced][..]),
            (r#"{"notify_problem":false}"#, &[About::Conflict, About::Synced]),
            (r#"{"notify_conflict":false}"#, &[About::Problem, About::Synced]),
            (r#"{"notify_synced":false}"#, &[About::Problem, About::Conflict]),
        ] {
            let mut j = Judge::new();
            j.1 = Choices::default().with(&serde_json::from_str::<Change>(change).unwrap());
            let mut told = j.see(0, bad());
            told.extend(j.see(60, vec![drive(Synced, 0, &[])]));
            assert_eq!(told.into_iter().map(|(about, _)| about).collect::<Vec<_>>(), left, "{change}");
        }
    }
}
