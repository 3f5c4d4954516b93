//! What the menu shows, as a value. Pure: the agent's status in, a menu out.

use lacuna::{
    control::api::{DriveState, DriveStatus, Pending, Save, Status},
    node::Time,
};

use super::{
    command::{Command, PauseFor},
    truth::truth,
};
use crate::{
    agent::{Agent, pending},
    words::{Words, fill},
};

/// So many saves are shown.
pub const SAVES: usize = 5;

/// All that the menu depends on.
pub struct View<'a> {
    pub agent: &'a Agent,
    /// The newest saves, newest first.
    pub saves: &'a [Save],
    pub words: &'a Words,
    pub now: Time,
    /// The app ends when everything is sent.
    pub quitting: bool,
}

/// A menu, or a submenu.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Menu(pub Vec<Item>);

/// A line of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// Says something and can't be clicked.
    Line(String),
    /// Can be clicked.
    Button(Command, String),
    /// Opens another menu.
    Sub(String, Menu),
    Separator,
}

/// The menu.
pub fn menu(view: &View<'_>) -> Menu {
    let words = view.words;
    let status = view.agent.status();
    let drives = status.map_or(&[][..], |s| &s.drives);
    let mut items = vec![Item::Line(first(view)), Item::Separator];
    if matches!(view.agent, Agent::Down(_)) {
        items.push(Item::Button(Command::StartAgent, words.start_agent.clone()));
    }
    items.extend(open(drives, words));
    items.extend(drives.iter().map(|d| Item::Button(Command::Drive(d.name.clone()), line(d, words))));
    if !drives.is_empty() {
        items.push(Item::Separator);
        items.extend(holding(drives, words));
        items.push(Item::Button(Command::Flush, words.flush.clone()));
        items.push(Item::Separator);
        items.push(Item::Sub(words.saves.clone(), saves(view.saves, words)));
        let problems: usize = drives.iter().map(|d| d.problems.len()).sum();
        if problems > 0 {
            let text = fill(&words.problems_menu, &[("n", &problems.to_string())]);
            items.push(Item::Button(Command::Problems, text));
        }
    }
    // None of the lines before is there in each case; two separators in a row are one.
    if items.last() != Some(&Item::Separator) {
        items.push(Item::Separator);
    }
    items.push(Item::Button(Command::Window, words.open_window.clone()));
    items.push(match view.quitting {
        true => Item::Button(Command::Stay, words.stay.clone()),
        false => Item::Button(Command::Quit, quit(drives, words)),
    });
    Menu(items)
}

fn first(view: &View<'_>) -> String {
    let waits = view.agent.status().map(pending).unwrap_or_default();
    match view.quitting {
        true => fill(&view.words.quitting, &[("pending", &view.words.pending(waits))]),
        false => truth(view.agent, view.words, view.now),
    }
}

/// Opening drives in the file manager: the only one directly, several by name.
fn open(drives: &[DriveStatus], words: &Words) -> Option<Item> {
    let button = |d: &DriveStatus, text: &str| Item::Button(Command::Open(d.name.clone()), text.to_owned());
    match drives {
        [] => None,
        [only] => Some(button(only, &words.open_drive)),
        many => {
            let each = many.iter().map(|d| button(d, &d.name)).collect();
            Some(Item::Sub(words.open_drives.clone(), Menu(each)))
        }
    }
}

/// A drive and its state.
fn line(d: &DriveStatus, words: &Words) -> String {
    let state = match d.state {
        DriveState::Synced => &words.state_synced,
        DriveState::Syncing => &words.state_syncing,
        DriveState::Paused => &words.state_paused,
        DriveState::Offline => &words.state_offline,
        DriveState::Problem => &words.state_problem,
    };
    let text = match d.pending {
        Pending { files: 0, bytes: 0 } => state.clone(),
        waits => format!("{state}, {}", words.pending(waits)),
    };
    fill(&words.of_drive, &[("drive", &d.name), ("text", &text)])
}

/// Whether the user holds a drive.
pub fn is_held(d: &DriveStatus) -> bool {
    d.state == DriveState::Paused || d.paused.is_some()
}

/// Pausing while something runs, resuming while something is paused.
fn holding(drives: &[DriveStatus], words: &Words) -> Vec<Item> {
    let mut items = Vec::new();
    if drives.iter().any(|d| !is_held(d)) {
        let button = |length, text: &str| Item::Button(Command::Pause(length), text.to_owned());
        let each = vec![
            button(PauseFor::HalfHour, &words.pause_30),
            button(PauseFor::Hour, &words.pause_60),
            button(PauseFor::Ever, &words.pause_forever),
        ];
        items.push(Item::Sub(words.pause.clone(), Menu(each)));
    }
    if drives.iter().any(is_held) {
        items.push(Item::Button(Command::Resume, words.resume.clone()));
    }
    items
}

/// The last saves and what each cost.
fn saves(saves: &[Save], words: &Words) -> Menu {
    if saves.is_empty() {
        return Menu(vec![Item::Line(words.saves_none.clone())]);
    }
    let line = |s: &Save| {
        let file = s.path.rsplit('/').next().unwrap_or(&s.path);
        let (changed, sent) = (words.size(s.receipt.changed), words.size(s.receipt.sent));
        Item::Button(
            Command::Activity,
            fill(&words.save, &[("file", file), ("changed", &changed), ("sent", &sent)]),
        )
    };
    Menu(saves.iter().take(SAVES).map(line).collect())
}

/// Quitting unmounts, and the item says what.
fn quit(drives: &[DriveStatus], words: &Words) -> String {
    match drives {
        [] => words.quit.clone(),
        [only] => fill(&words.quit_one, &[("drive", &only.name)]),
        many => fill(&words.quit_many, &[("n", &many.len().to_string())]),
    }
}

/// What the person is asked before quitting with something pending.
#[derive(PartialEq, Eq, Debug)]
pub struct Question {
    pub title: String,
    pub text: String,
    /// Waits until everything is sent, then quits; resumes what is held, if something is.
    pub wait: String,
    pub now: String,
    pub cancel: String,
    pub resumes: bool,
}

/// The question; none if nothing is pending, so that there is nothing to ask.
pub fn question(status: &Status, words: &Words) -> Option<Question> {
    let waiting = || status.drives.iter().filter(|d| d.pending != Pending::default());
    waiting().next()?;
    let lines =
        waiting().map(|d| fill(&words.of_drive, &[("drive", &d.name), ("text", &words.pending(d.pending))]));
    let names: Vec<&str> = status.drives.iter().map(|d| d.name.as_str()).collect();
    let unmounts = fill(&words.quit_unmounts, &[("drives", &names.join(", "))]);
    let resumes = waiting().any(is_held);
    Some(Question {
        title: words.quit_title.clone(),
        text: format!("{}\n{}\n\n{unmounts}", words.quit_lead, lines.collect::<Vec<_>>().join("\n")),
        wait: if resumes { &words.quit_wait_resume } else { &words.quit_wait }.clone(),
        now: words.quit_now.clone(),
        cancel: words.quit_cancel.clone(),
        resumes,
    })
}

#[cfg(test)]
mod tests {
    use lacuna::{
        control::api::{Failure, Paused, Receipt},
        health,
    };

    use super::*;
    use crate::words::Language;

    fn drive(name: &str, state: DriveState) -> DriveStatus {
        DriveStatus::new(name, "store:/b", "/d", state)
    }

    fn waiting(name: &str, files: u64, bytes: u64) -> DriveStatus {
        DriveStatus { pending: Pending { files, bytes }, ..drive(name, DriveState::Syncing) }
    }

    fn up(drives: Vec<DriveStatus>) -> Agent {
        Agent::Up(Status { version: 1, drives })
    }

    fn save(path: &str) -> Save {
        let receipt = Receipt { changed: 1_000, sent: 66_000, ..Receipt::default() };
        Save { drive: "photos".into(), path: path.into(), at: Time(0), size: 9, receipt }
    }

    /// The menu as text: submenus indented, what can be clicked with its command.
    fn shown(agent: &Agent, saves: &[Save], language: Language, quitting: bool) -> String {
        fn lines(menu: &Menu, indent: &str, out: &mut String) {
            for item in &menu.0 {
                match item {
                    Item::Line(text) => *out += &format!("{indent}{text}\n"),
                    Item::Button(command, text) => *out += &format!("{indent}[{text}] {command:?}\n"),
                    Item::Separator => *out += &format!("{indent}---\n"),
                    Item::Sub(text, menu) => {
                        *out += &format!("{indent}{text} >\n");
                        lines(menu, &format!("{indent}    "), out);
                    }
                }
            }
        }
        let view = View { agent, saves, words: language.words(), now: Time(0), quitting };
        let mut out = String::new();
        lines(&menu(&view), "", &mut out);
        out
    }

    #[test]
    fn one_drive_at_rest() {
        let agent = up(vec![drive("photos", DriveState::Synced)]);
        let english = "\
Everything is synced: safe to shut down
---
[Open the drive] Open(\"photos\")
[photos: synced] Drive(\"photos\")
---
Pause >
    [For 30 minutes] Pause(HalfHour)
    [For 1 hour] Pause(Hour)
    [Until I resume] Pause(Ever)
[Flush now] Flush
---
Recent saves >
    [report.ods: 1.0 kB changed, 66 kB sent] Activity
---
[Open Lacuna] Window
[Quit and unmount photos] Quit
";
        let german = "\
Alles ist synchron: Ausschalten ist gefahrlos
---
[Laufwerk öffnen] Open(\"photos\")
[photos: synchron] Drive(\"photos\")
---
Anhalten >
    [Für 30 Minuten] Pause(HalfHour)
    [Für 1 Stunde] Pause(Hour)
    [Bis ich fortsetze] Pause(Ever)
[Jetzt senden] Flush
---
Zuletzt gesichert >
    [report.ods: 1,0 kB geändert, 66 kB gesendet] Activity
---
[Lacuna öffnen] Window
[Beenden und photos aushängen] Quit
";
        let saves = [save("a/b/report.ods")];
        assert_eq!(shown(&agent, &saves, Language::English, false), english);
        assert_eq!(shown(&agent, &saves, Language::German, false), german);
    }

    #[test]
    fn several_drives_with_a_pause_and_problems() {
        let held = DriveStatus { paused: Some(Paused { until: None }), ..drive("a", DriveState::Paused) };
        let mut bad = waiting("b", 2, 1_500);
        bad.state = DriveState::Problem;
        bad.problems =
            vec![health::problem("conflict", "c", None), health::problem("bucket-full", "c", None)];
        let text = shown(&up(vec![held, bad]), &[], Language::English, false);
        let expected = "\
2 problems: 2 files, 1.5 kB waiting
---
Open a drive >
    [a] Open(\"a\")
    [b] Open(\"b\")
[a: paused] Drive(\"a\")
[b: problem, 2 files, 1.5 kB waiting] Drive(\"b\")
---
Pause >
    [For 30 minutes] Pause(HalfHour)
    [For 1 hour] Pause(Hour)
    [Until I resume] Pause(Ever)
[Resume] Resume
[Flush now] Flush
---
Recent saves >
    None since the start
[Problems (2)] Problems
---
[Open Lacuna] Window
[Quit and unmount 2 drives] Quit
";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_an_agent_or_a_drive() {
        let why = Failure { kind: "other".into(), cause: "c".into(), remedy: None, path: None };
        let down = "\
The agent is not running
---
[Start the agent] StartAgent
---
[Open Lacuna] Window
[Quit] Quit
";
        assert_eq!(shown(&Agent::Down(why), &[], Language::English, false), down);
        let none = "No drives yet\n---\n[Open Lacuna] Window\n[Quit] Quit\n";
        assert_eq!(shown(&up(vec![]), &[], Language::English, false), none);
    }

    #[test]
    fn all_paused_can_only_be_resumed() {
        let held = DriveStatus { paused: Some(Paused { until: None }), ..drive("a", DriveState::Offline) };
        let text = shown(&up(vec![held]), &[], Language::English, false);
        assert!(text.contains("[Resume]") && !text.contains("Pause >"), "{text}");
    }

    #[test]
    fn only_the_newest_saves_are_shown() {
        let many: Vec<Save> = (0..9).map(|i| save(&format!("f{i}"))).collect();
        let text = shown(&up(vec![drive("a", DriveState::Synced)]), &many, Language::English, false);
        assert!(text.contains("f0: ") && text.contains("f4: ") && !text.contains("f5: "), "{text}");
    }

    #[test]
    fn while_it_waits_to_quit_it_can_be_told_not_to() {
        let text = shown(&up(vec![waiting("a", 1, 2_000)]), &[], Language::English, true);
        assert!(text.starts_with("Quitting when everything is sent: 1 file, 2.0 kB waiting\n"), "{text}");
        assert!(text.ends_with("[Do not quit] Stay\n"), "{text}");
    }

    #[test]
    fn quitting_asks_only_if_something_waits() {
        let words = Language::English.words();
        let status = |drives| Status { version: 1, drives };
        assert_eq!(question(&status(vec![drive("a", DriveState::Synced)]), words), None);
        let q = question(&status(vec![waiting("a", 3, 1_200_000), drive("b", DriveState::Synced)]), words)
            .unwrap();
        assert_eq!(
            q.text,
            "Not everything is sent yet:\na: 3 files, 1.2 MB waiting\n\n\
             Quitting unmounts a, b. What waits is kept on this machine and sent the next time."
        );
        assert_eq!((q.wait.as_str(), q.resumes), ("Wait until all is sent", false));
        let held = DriveStatus { paused: Some(Paused { until: None }), ..waiting("a", 1, 1) };
        let q = question(&status(vec![held]), words).unwrap();
        assert_eq!((q.wait.as_str(), q.resumes), ("Resume and wait", true));
    }
}
