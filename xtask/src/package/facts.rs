//! What a package says of itself: version, time, machine.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tools::{self, Tree};

/// What is the same for both formats.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The version, such as `0.1.0`.
    pub version: String,
    /// When, seconds since 1970: the last commit, so that the same tree gives the same bytes.
    pub epoch: u64,
    /// Whether the desktop app is in it.
    pub app: bool,
}

/// Whom to write to. There is no such address yet; `.invalid` says so (RFC 2606).
pub const MAINTAINER: &str = "The Lacuna developers <packages@lacuna.invalid>";
/// One line of what it is.
pub const SUMMARY: &str = "remote storage as a drive";
/// More of it, one paragraph a string.
pub const DESCRIPTION: &[&str] = &[
    "Lacuna shows remote storage as a folder. A file in it is a gap until it is touched: opening one, even for \
     writing, moves nothing, and saving one sends what changed.",
    "This package has the command line, the agent as a service of each user, and what file managers show of it.",
];
/// The same, of the app.
pub const DESCRIPTION_APP: &str = "It also has the desktop app: a tray icon and a window.";

impl Facts {
    /// Asks cargo and git. `version` overrides the workspace's, `SOURCE_DATE_EPOCH` the commit's time.
    pub fn find(tree: &Tree, version: Option<&str>) -> Result<Facts> {
        let mut cargo = Command::new(tools::cargo());
        cargo.current_dir(&tree.root).args(["metadata", "--no-deps", "--format-version=1"]);
        let json: serde_json::Value = serde_json::from_str(&tools::capture(&mut cargo)?)?;
        let packages = json["packages"].as_array().context("cargo metadata tells no packages")?;
        let find = |name: &str| packages.iter().find(|p| p["name"] == name);
        let ours = find("lacuna").and_then(|p| p["version"].as_str());
        let version = version.or(ours).context("cargo metadata tells no version")?.to_owned();
        if !is_version(&version) {
            bail!("{version:?} is no version: write digits, letters, dots, `~` and `+`, a digit first");
        }
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => text,
            Err(_) => tools::capture(Command::new("git").current_dir(&tree.root).args([
                "log",
                "-1",
                "--format=%ct",
            ]))
            .context("the packages are dated by the last commit; without git, set SOURCE_DATE_EPOCH")?,
        };
        let epoch = epoch.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH: {epoch:?}"))?;
        Ok(Facts { version, epoch, app: find(super::contents::APP).is_some() })
    }

    /// The time in a format of date(1), in UTC.
    pub fn date(&self, format: &str) -> Result<String> {
        let at = format!("--date=@{}", self.epoch);
        let text = tools::capture(Command::new("date").env("LC_ALL", "C").args([
            "--utc",
            &at,
            &format!("+{format}"),
        ]))?;
        Ok(text.trim().to_owned())
    }

    /// Replaces the words in `@…@` that the files of `installers/linux` use.
    pub fn fill(&self, text: &str) -> Result<String> {
        Ok(text
            .replace("@VERSION@", &self.version)
            .replace("@DATE@", &self.date("%Y-%m-%d")?)
            .replace("@RFC2822@", &self.date("%a, %d %b %Y %H:%M:%S +0000")?))
    }

    /// The paragraphs of the description.
    pub fn description(&self) -> Vec<&'static str> {
        DESCRIPTION.iter().copied().chain(self.app.then_some(DESCRIPTION_APP)).collect()
    }
}

/// Whether both formats take it as a version, with no revision and no epoch.
fn is_version(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".~+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_both_formats() {
        for good in ["0.1.0", "1.0~rc1", "0.1.0+2"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "v1", "1.0-1", "1:2", "1 0", "1/2"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn words_are_filled_in_and_dates_are_those_of_the_commit() {
        let facts = Facts { version: "1.2".into(), epoch: 86_400, app: false };
        let text = facts.fill("lacuna (@VERSION@) @DATE@ | @RFC2822@").unwrap();
        assert_eq!(text, "lacuna (1.2) 1970-01-02 | Fri, 02 Jan 1970 00:00:00 +0000");
    }
}
