//! The app's own words, one table for each language, and how numbers read in it.

use std::sync::LazyLock;

use lacuna::control::api::Pending;
use serde::Deserialize;

use crate::sentences::Sentences;

/// A language of the tray and of notifications. (The page has its own tables.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    English,
    German,
}

impl Language {
    /// The language of a locale such as `de_AT.UTF-8` or `de-CH`; English where it is none of ours.
    pub fn of_locale(locale: &str) -> Language {
        match locale.split(['-', '_', '.', '@']).next() {
            Some(word) if word.eq_ignore_ascii_case("de") => Language::German,
            _ => Language::English,
        }
    }

    pub fn words(self) -> &'static Words {
        static ENGLISH: LazyLock<Words> = LazyLock::new(|| read(include_str!("../words/en.json")));
        static GERMAN: LazyLock<Words> = LazyLock::new(|| {
            let engine = sentences(include_str!("../../ui/src/locales/engine/de.json"));
            Words { engine, ..read(include_str!("../words/de.json")) }
        });
        match self {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
        }
    }
}

/// The tables are part of the program, and a test reads them.
#[expect(clippy::expect_used, reason = "not from outside")]
fn read(table: &str) -> Words {
    serde_json::from_str(table).expect("the table of words fits")
}

/// So is the catalogue.
#[expect(clippy::expect_used, reason = "not from outside")]
fn sentences(catalogue: &str) -> Sentences {
    Sentences::read(catalogue).expect("the catalogue of sentences fits")
}

/// All texts. `{name}` stands for a value.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Words {
    /// What the engine says, in this language.
    #[serde(skip)]
    pub engine: Sentences,
    pub decimal: String,
    pub unit_byte: String,
    pub unit_bytes: String,
    pub starting: String,
    pub no_agent: String,
    pub no_drives: String,
    pub all_synced: String,
    pub files_one: String,
    pub files_many: String,
    pub changes_one: String,
    pub changes_many: String,
    pub paused: String,
    pub paused_for: String,
    pub offline: String,
    pub problems_one: String,
    pub problems_many: String,
    pub working: String,
    pub of_drive: String,
    pub with_pending: String,
    pub quitting: String,
    pub minutes: String,
    pub hours: String,
    pub hours_minutes: String,
    pub state_synced: String,
    pub state_syncing: String,
    pub state_paused: String,
    pub state_offline: String,
    pub state_problem: String,
    pub start_agent: String,
    pub open_drive: String,
    pub open_drives: String,
    pub pause: String,
    pub pause_30: String,
    pub pause_60: String,
    pub pause_forever: String,
    pub resume: String,
    pub flush: String,
    pub saves: String,
    pub saves_none: String,
    pub save: String,
    pub problems_menu: String,
    pub open_window: String,
    pub quit: String,
    pub quit_one: String,
    pub quit_many: String,
    pub stay: String,
    pub quit_title: String,
    pub quit_lead: String,
    pub quit_unmounts: String,
    pub quit_wait: String,
    pub quit_wait_resume: String,
    pub quit_now: String,
    pub quit_cancel: String,
    pub quit_failed: String,
    pub note_problem: String,
    pub note_problem_body: String,
    pub note_remedy: String,
    pub note_many: String,
    pub note_many_body: String,
    pub note_conflict: String,
    pub note_conflict_body: String,
    pub note_conflicts: String,
    pub note_synced: String,
    pub note_synced_body: String,
    pub failed: String,
    pub no_tray: String,
    pub not_your_drive: String,
    pub not_your_drive_remedy: String,
    pub no_such_drive: String,
    pub not_absolute: String,
    pub not_absolute_remedy: String,
    pub no_file_manager: String,
    pub no_file_manager_remedy: String,
    pub no_program: String,
    pub no_program_remedy: String,
    pub start_failed: String,
    pub start_slow: String,
    pub start_remedy: String,
    pub agent_gone: String,
    pub agent_gone_remedy: String,
}

/// A text with its values put in.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    // One pass, so that a value that looks like a name is left alone.
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            rest = &rest[before.len()..];
            break;
        };
        if let Some((_, value)) = values.iter().find(|(n, _)| *n == name) {
            out.push_str(value);
        }
        rest = tail;
    }
    out + rest
}

impl Words {
    /// A number of bytes: `999 bytes`, `1.2 kB`, `34 MB`. Decimal units, as file managers use.
    pub fn size(&self, bytes: u64) -> String {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if bytes < 1_000 {
            return format!("{bytes} {}", if bytes == 1 { &self.unit_byte } else { &self.unit_bytes });
        }
        let mut value = bytes as f64 / 1e3;
        let mut unit = 0;
        // 999.95 would be shown as 1000.0.
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1e3;
            unit += 1;
        }
        let number = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
        format!("{} {}", number.replace('.', &self.decimal), UNITS[unit])
    }

    /// One text or the other by number.
    pub fn count(&self, n: u64, one: &str, many: &str, size: &str) -> String {
        fill(if n == 1 { one } else { many }, &[("n", &n.to_string()), ("size", size)])
    }

    /// What waits: `3 files, 1.2 MB waiting`; of things without bytes (a rename) their number.
    pub fn pending(&self, p: Pending) -> String {
        let size = self.size(p.bytes);
        match p.bytes {
            0 => self.count(p.files, &self.changes_one, &self.changes_many, ""),
            _ => self.count(p.files, &self.files_one, &self.files_many, &size),
        }
    }

    /// Minutes as people say them: `42 min`, `1 h 5 min`.
    pub fn minutes(&self, minutes: u64) -> String {
        let (h, m) = ((minutes / 60).to_string(), (minutes % 60).to_string());
        let text = match (minutes / 60, minutes % 60) {
            (0, _) => &self.minutes,
            (_, 0) => &self.hours,
            _ => &self.hours_minutes,
        };
        fill(text, &[("h", &h), ("m", &m)])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn names(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn the_tables_are_complete_and_speak_of_the_same_values() {
        for language in [Language::English, Language::German] {
            assert!(!language.words().all_synced.is_empty());
        }
        let table = |text| serde_json::from_str::<BTreeMap<String, String>>(text).unwrap();
        let (en, de) = (table(include_str!("../words/en.json")), table(include_str!("../words/de.json")));
        assert_eq!(en.keys().collect::<Vec<_>>(), de.keys().collect::<Vec<_>>());
        for (key, text) in &en {
            assert!(!text.is_empty() && !de[key].is_empty(), "{key}");
            assert_eq!(names(text), names(&de[key]), "{key}");
        }
    }

    #[test]
    fn values_are_put_in_once() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
        assert_eq!(fill("a { b", &[]), "a { b");
        assert_eq!(fill("{none}!", &[]), "!");
    }

    #[test]
    fn numbers_read_as_in_the_language() {
        let (en, de) = (Language::English.words(), Language::German.words());
        for (bytes, english, german) in [
            (0, "0 bytes", "0 Byte"),
            (1, "1 byte", "1 Byte"),
            (999, "999 bytes", "999 Byte"),
            (1_234, "1.2 kB", "1,2 kB"),
            (999_600, "1.0 MB", "1,0 MB"),
            (34_000_000, "34 MB", "34 MB"),
        ] {
            assert_eq!((en.size(bytes).as_str(), de.size(bytes).as_str()), (english, german));
        }
        for (minutes, text) in [(1, "1 min"), (42, "42 min"), (60, "1 h"), (65, "1 h 5 min")] {
            assert_eq!(en.minutes(minutes), text);
        }
        for (files, bytes, text) in [
            (1, 0, "1 change waiting"),
            (2, 0, "2 changes waiting"),
            (1, 5, "1 file, 5 bytes waiting"),
            (3, 1_200_000, "3 files, 1.2 MB waiting"),
        ] {
            assert_eq!(en.pending(Pending { files, bytes }), text);
        }
        assert_eq!(de.pending(Pending { files: 3, bytes: 1_200_000 }), "3 Dateien, 1,2 MB ausstehend");
    }

    #[test]
    fn a_locale_names_its_language_first() {
        for (locale, language) in [
            ("de", Language::German),
            ("de_AT.UTF-8", Language::German),
            ("DE-ch", Language::German),
            ("den-CA", Language::English),
            ("en-GB", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::of_locale(locale), language, "{locale}");
        }
    }
}
