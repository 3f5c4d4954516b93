//! What the user chose for this app, in `desktop.json` of the home's config folder.

use std::{fs, io, path::Path};

use lacuna::{
    config::write_atomic,
    error::{Error, Kind, Result},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::words::Language;

/// The app's language as chosen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum LanguageChoice {
    #[default]
    #[serde(rename = "system")]
    System,
    #[serde(rename = "en")]
    English,
    #[serde(rename = "de")]
    German,
}

/// Light or dark.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Appearance {
    #[default]
    System,
    Light,
    Dark,
}

/// What is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// Tell of a new problem.
    pub notify_problem: bool,
    /// Tell of a file that has two versions now.
    pub notify_conflict: bool,
    /// Tell when everything is synced after a long flush.
    pub notify_synced: bool,
    pub language: LanguageChoice,
    pub appearance: Appearance,
    /// No drive has been seen, and the page has not said that the first steps are done.
    pub first_run: bool,
    /// What this version does not know is kept as it is.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Default for Choices {
    fn default() -> Self {
        Choices {
            notify_problem: true,
            notify_conflict: true,
            notify_synced: true,
            language: LanguageChoice::System,
            appearance: Appearance::System,
            first_run: true,
            rest: Map::new(),
        }
    }
}

/// What the page sees: the choices and what the system says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Preferences {
    pub autostart: bool,
    pub notify_problem: bool,
    pub notify_conflict: bool,
    pub notify_synced: bool,
    pub language: LanguageChoice,
    pub appearance: Appearance,
    /// The system's.
    pub locale: String,
    /// Whether something shows tray icons.
    pub tray: bool,
    pub first_run: bool,
}

/// What the page may change; what is left out stays. (It may send back all that it got.)
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct Change {
    pub autostart: Option<bool>,
    pub notify_problem: Option<bool>,
    pub notify_conflict: Option<bool>,
    pub notify_synced: Option<bool>,
    pub language: Option<LanguageChoice>,
    pub appearance: Option<Appearance>,
    pub first_run: Option<bool>,
}

impl Choices {
    /// Reads them; none yet are the default ones.
    ///
    /// # Errors
    /// A file that can't be read or understood; it is left as it is.
    pub fn load(file: &Path) -> Result<Choices> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Choices::default()),
            Err(e) => return Err(Error::io("can't read the app's preferences", e).at(file.display())),
        };
        serde_json::from_slice(&text).map_err(|e| {
            Error::new(Kind::Damaged, format!("the app's preferences can't be understood: {e}"))
                .at(file.display())
                .remedy("mend the file, or move it away to start with none")
        })
    }

    /// Writes them so that after a crash either the old or the new ones are there.
    pub fn save(&self, file: &Path) -> Result<()> {
        let fail = |e| Error::io("can't save the app's preferences", e).at(file.display());
        if let Some(folder) = file.parent() {
            lacuna::platform::private_dir(folder).map_err(fail)?;
        }
        let text = serde_json::to_vec_pretty(self).map_err(|e| fail(e.into()))?;
        write_atomic(file, &text).map_err(fail)
    }

    /// With a change made.
    pub fn with(&self, change: &Change) -> Choices {
        Choices {
            notify_problem: change.notify_problem.unwrap_or(self.notify_problem),
            notify_conflict: change.notify_conflict.unwrap_or(self.notify_conflict),
            notify_synced: change.notify_synced.unwrap_or(self.notify_synced),
            language: change.language.unwrap_or(self.language),
            appearance: change.appearance.unwrap_or(self.appearance),
            // First steps that are done are done.
            first_run: self.first_run && change.first_run.unwrap_or(true),
            rest: self.rest.clone(),
        }
    }

    /// The language that results, given the system's.
    pub fn language(&self, locale: &str) -> Language {
        match self.language {
            LanguageChoice::System => Language::of_locale(locale),
            LanguageChoice::English => Language::English,
            LanguageChoice::German => Language::German,
        }
    }

    /// As the page sees them.
    pub fn shown(&self, autostart: bool, locale: &str, tray: bool) -> Preferences {
        Preferences {
            autostart,
            notify_problem: self.notify_problem,
            notify_conflict: self.notify_conflict,
            notify_synced: self.notify_synced,
            language: self.language,
            appearance: self.appearance,
            locale: locale.to_owned(),
            tray,
            first_run: self.first_run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_come_back_and_what_is_unknown_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/desktop.json");
        assert_eq!(Choices::load(&file).unwrap(), Choices::default());
        let mut choices = Choices { language: LanguageChoice::German, ..Choices::default() };
        choices.rest.insert("of-tomorrow".into(), Value::from(7));
        choices.save(&file).unwrap();
        assert_eq!(Choices::load(&file).unwrap(), choices);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"de\"") && text.contains("of-tomorrow"), "{text}");
    }

    #[test]
    fn what_can_not_be_understood_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("desktop.json");
        fs::write(&file, "{\"language\":\"tlh\"}").unwrap();
        let e = Choices::load(&file).unwrap_err();
        assert!(e.kind() == Kind::Damaged && e.path().is_some() && e.remedy_text().is_some());
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"language\":\"tlh\"}");
    }

    #[test]
    fn a_change_touches_what_it_names() {
        let before = Choices::default();
        let change = |text| before.with(&serde_json::from_str(text).unwrap());
        assert_eq!(change("{}"), before);
        let after = change(r#"{"notify_synced":false,"appearance":"dark","locale":"x","tray":false}"#);
        assert_eq!(
            after,
            Choices { notify_synced: false, appearance: Appearance::Dark, ..Choices::default() }
        );
        let done = change(r#"{"first_run":false}"#);
        assert!(!done.first_run);
        assert!(!done.with(&Change { first_run: Some(true), ..Change::default() }).first_run);
    }

    #[test]
    fn the_page_gets_the_agreed_words() {
        let shown = serde_json::to_value(Choices::default().shown(true, "de-DE", false)).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({"autostart": true, "notify_problem": true, "notify_conflict": true, "notify_synced": true,
                "language": "system", "appearance": "system", "locale": "de-DE", "tray": false, "first_run": true})
        );
    }
}
