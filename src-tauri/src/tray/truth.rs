//! The first line of the menu: what one wants to know before the lid is shut.

use std::time::Duration;

use lacuna::{
    control::api::{DriveState, DriveStatus, Paused, Pending, Status},
    node::Time,
};

use crate::{
    agent::{Agent, pending},
    words::{Words, fill},
};

const MINUTE: u64 = 60_000_000_000;

/// Minutes up to `until`, counted as begun ones: 1 in the last one.
fn minutes_left(until: Time, now: Time) -> u64 {
    nanos_left(until, now).div_ceil(MINUTE).max(1)
}

fn nanos_left(until: Time, now: Time) -> u64 {
    u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0)
}

/// How long until a line about a pause reads differently; none: no pause has an end.
pub fn next_change(agent: &Agent, now: Time) -> Option<Duration> {
    let ends = agent.status()?.drives.iter().filter_map(|d| d.paused?.until);
    ends.filter_map(|until| match nanos_left(until, now) {
        // The agent tells of the end itself.
        0 => None,
        left => Some((left - 1) % MINUTE + 1),
    })
    .min()
    .map(Duration::from_nanos)
}

/// The line. Says "safe" only if it is a fact.
pub fn truth(agent: &Agent, words: &Words, now: Time) -> String {
    match agent {
        Agent::Unknown => words.starting.clone(),
        Agent::Down(_) => words.no_agent.clone(),
        Agent::Up(status) => of_status(status, words, now),
    }
}

fn of_status(status: &Status, words: &Words, now: Time) -> String {
    let waits = pending(status);
    let problems: usize = status.drives.iter().map(|d| d.problems.len()).sum();
    let text = match worst(status) {
        None => return words.no_drives.clone(),
        Some((DriveState::Problem, _)) => {
            words.count(problems.max(1) as u64, &words.problems_one, &words.problems_many, "")
        }
        Some((DriveState::Offline, drive)) => named(status, drive, words, words.offline.clone()),
        Some((DriveState::Paused, drive)) => named(status, drive, words, paused(drive.paused, words, now)),
        Some((DriveState::Syncing, _)) if waits == Pending::default() => words.working.clone(),
        Some((DriveState::Syncing, _)) => return words.pending(waits),
        Some((DriveState::Synced, _)) if waits != Pending::default() => return words.pending(waits),
        Some((DriveState::Synced, _)) => return words.all_synced.clone(),
    };
    match waits {
        Pending { files: 0, bytes: 0 } => text,
        waits => fill(&words.with_pending, &[("text", &text), ("pending", &words.pending(waits))]),
    }
}

/// The worst state and the first drive that has it.
fn worst(status: &Status) -> Option<(DriveState, &DriveStatus)> {
    [DriveState::Problem, DriveState::Offline, DriveState::Paused, DriveState::Syncing, DriveState::Synced]
        .into_iter()
        .find_map(|state| status.drives.iter().find(|d| d.state == state).map(|d| (state, d)))
}

/// What holds for one of several drives is said of that one.
fn named(status: &Status, drive: &DriveStatus, words: &Words, text: String) -> String {
    if status.drives.iter().all(|d| d.state == drive.state) {
        return text;
    }
    fill(&words.of_drive, &[("drive", &drive.name), ("text", &text)])
}

fn paused(paused: Option<Paused>, words: &Words, now: Time) -> String {
    match paused.and_then(|p| p.until) {
        None => words.paused.clone(),
        Some(until) => fill(&words.paused_for, &[("time", &words.minutes(minutes_left(until, now)))]),
    }
}

#[cfg(test)]
mod tests {
    use lacuna::{control::api::Failure, health};

    use super::*;
    use crate::words::Language;

    const NOW: Time = Time(1_000 * MINUTE as i64);

    fn drive(name: &str, state: DriveState, files: u64, bytes: u64) -> DriveStatus {
        let mut d = DriveStatus::new(name, "store:/b", "/d", state);
        d.pending = Pending { files, bytes };
        if state == DriveState::Problem {
            d.problems.push(health::problem("bucket-full", "c", None));
        }
        d
    }

    fn held(until: Option<i64>, files: u64, bytes: u64) -> DriveStatus {
        let until = until.map(|seconds| Time(NOW.0 + seconds * 1_000_000_000));
        DriveStatus { paused: Some(Paused { until }), ..drive("a", DriveState::Paused, files, bytes) }
    }

    fn up(drives: Vec<DriveStatus>) -> Agent {
        Agent::Up(Status { version: 1, drives })
    }

    #[test]
    fn the_line_says_what_is() {
        use DriveState::*;
        let down = Agent::Down(Failure { kind: "other".into(), cause: "c".into(), remedy: None, path: None });
        let table = [
            (Agent::Unknown, "Looking for the agent", "Der Dienst wird gesucht"),
            (down, "The agent is not running", "Der Dienst läuft nicht"),
            (up(vec![]), "No drives yet", "Noch keine Laufwerke"),
            (
                up(vec![drive("a", Synced, 0, 0)]),
                "Everything is synced: safe to shut down",
                "Alles ist synchron: Ausschalten ist gefahrlos",
            ),
            (
                up(vec![drive("a", Syncing, 3, 1_200_000)]),
                "3 files, 1.2 MB waiting",
                "3 Dateien, 1,2 MB ausstehend",
            ),
            (
                up(vec![
                    drive("a", Syncing, 1, 1_000),
                    drive("b", Syncing, 1, 500),
                    drive("c", Synced, 0, 0),
                ]),
                "2 files, 1.5 kB waiting",
                "2 Dateien, 1,5 kB ausstehend",
            ),
            // Never "safe" while something waits, whatever the state says.
            (up(vec![drive("a", Synced, 1, 0)]), "1 change waiting", "1 Änderung ausstehend"),
            (up(vec![drive("a", Syncing, 0, 0)]), "Syncing", "Wird synchronisiert"),
            (up(vec![held(None, 0, 0)]), "Paused until you resume", "Angehalten, bis Sie fortsetzen"),
            (up(vec![held(Some(42 * 60), 0, 0)]), "Paused for 42 min", "Angehalten für 42 Min."),
            (up(vec![held(Some(41 * 60 + 1), 0, 0)]), "Paused for 42 min", "Angehalten für 42 Min."),
            (up(vec![held(Some(3_600), 0, 0)]), "Paused for 1 h", "Angehalten für 1 Std."),
            (up(vec![held(Some(1), 0, 0)]), "Paused for 1 min", "Angehalten für 1 Min."),
            (
                up(vec![held(Some(60), 2, 5_000)]),
                "Paused for 1 min: 2 files, 5.0 kB waiting",
                "Angehalten für 1 Min.: 2 Dateien, 5,0 kB ausstehend",
            ),
            (
                up(vec![held(None, 0, 0), drive("b", Synced, 0, 0)]),
                "a: Paused until you resume",
                "a: Angehalten, bis Sie fortsetzen",
            ),
            (
                up(vec![drive("a", Offline, 1, 7)]),
                "Offline: 1 file, 7 bytes waiting",
                "Offline: 1 Datei, 7 Byte ausstehend",
            ),
            (
                up(vec![drive("a", Problem, 0, 0), drive("b", Problem, 2, 7), drive("c", Offline, 0, 0)]),
                "2 problems: 2 files, 7 bytes waiting",
                "2 Probleme: 2 Dateien, 7 Byte ausstehend",
            ),
        ];
        for (agent, english, german) in &table {
            assert_eq!(truth(agent, Language::English.words(), NOW), *english);
            assert_eq!(truth(agent, Language::German.words(), NOW), *german);
        }
    }

    #[test]
    fn the_line_changes_when_the_next_minute_begins() {
        let words = Language::English.words();
        assert_eq!(next_change(&up(vec![held(None, 0, 0), drive("b", DriveState::Synced, 0, 0)]), NOW), None);
        assert_eq!(next_change(&Agent::Unknown, NOW), None);
        for (seconds, next) in [(60, 60), (61, 1), (120, 60), (1, 1), (42 * 60 + 59, 59)] {
            let agent = up(vec![held(Some(seconds), 0, 0)]);
            let wait = next_change(&agent, NOW).unwrap();
            assert_eq!(wait.as_secs(), next, "{seconds}");
            if seconds > 60 {
                let at = |time| truth(&agent, words, Time(time));
                let then = NOW.0 + i64::try_from(wait.as_nanos()).unwrap();
                assert_ne!(at(NOW.0), at(then));
                assert_eq!(at(NOW.0), at(then - 1));
            }
        }
        // Past its end the agent tells.
        assert_eq!(next_change(&up(vec![held(Some(-5), 0, 0)]), NOW), None);
    }
}
