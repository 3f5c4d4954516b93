//! The window's page: Node, its packages, its checks and its build.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    packages,
    tally::Tally,
    tools::{self, Tree},
};

/// The oldest Node that builds the page, and the one that is fetched where this machine's is older: as npm
/// calls it.
const NODE: ((u32, u32), &str) = ((20, 19), "node@22");

/// The page's folder with a Node that can build it.
pub struct Page {
    folder: PathBuf,
    /// Goes before the search path, if this machine's own Node is too old.
    node: Option<PathBuf>,
}

impl Page {
    /// Installs what is missing: Node, the page's packages as its lock file names them.
    pub fn ready(tree: &Tree) -> Result<Page> {
        packages::ensure(&[packages::PAGE])?;
        let node = match capable(&version(Path::new("node"))?) {
            true => None,
            false => Some(fetch_node(tree)?),
        };
        let page = Page { folder: tree.root.join("ui"), node };
        if !is_current(&page.folder) {
            tools::run(&mut page.npm(&["ci", "--no-audit", "--no-fund"])?)?;
        }
        Ok(page)
    }

    fn npm(&self, words: &[&str]) -> Result<Command> {
        let mut npm = Command::new("npm");
        npm.current_dir(&self.folder).args(words);
        if let Some(node) = &self.node {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let all = std::iter::once(node.clone()).chain(std::env::split_paths(&path));
            npm.env("PATH", std::env::join_paths(all)?);
        }
        Ok(npm)
    }

    /// Builds `ui/dist`, which the app embeds.
    pub fn build(&self) -> Result<()> {
        tools::run(&mut self.npm(&["run", "build"])?)
    }

    /// Checks types and style, runs the tests of its parts and those of the whole page in a browser, which
    /// leave their pictures among the screenshots.
    pub fn test(&self, tree: &Tree) -> Result<Tally> {
        packages::ensure(&[packages::BROWSER])?;
        let mut all = Tally::default();
        for script in ["check", "lint"] {
            let ok = tools::succeeds(&mut self.npm(&["run", script])?)?;
            all.add(&Tally::check(&format!("npm run {script}"), ok));
        }
        for script in ["test", "test:page"] {
            let mut npm = self.npm(&["run", script])?;
            npm.env("LACUNA_PICTURES", tree.target.join("screenshots").join("page"));
            // Colours would stand between the words that are counted.
            npm.env("NO_COLOR", "1");
            let (ok, tally) = tools::observe(&mut npm, &mut std::io::stdout())?;
            all.add(&tally.of_command(ok));
        }
        Ok(all)
    }
}

/// Whether `npm ci` has been run since the lock file last changed: npm leaves a copy of what it installed.
fn is_current(folder: &Path) -> bool {
    let time = |file: &str| std::fs::metadata(folder.join(file)).and_then(|m| m.modified()).ok();
    match (time("package-lock.json"), time("node_modules/.package-lock.json")) {
        (Some(lock), Some(done)) => done >= lock,
        _ => false,
    }
}

fn version(node: &Path) -> Result<String> {
    tools::capture(Command::new(node).arg("--version"))
}

/// Whether a Node that says `v20.19.1` can build the page.
fn capable(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= NODE.0,
        _ => false,
    }
}

/// Gets a newer Node from npm's registry, where it is a package too; its folder of programs.
fn fetch_node(tree: &Tree) -> Result<PathBuf> {
    let folder = tree.target.join("tools").join("node");
    let bin = folder.join("node_modules/node/bin");
    let there = || version(&bin.join("node")).is_ok_and(|v| capable(&v));
    if !there() {
        println!("This machine's Node is older than {}.{}: fetching {}", NODE.0.0, NODE.0.1, NODE.1);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(NODE.1);
        tools::run(&mut npm)?;
        if !there() {
            bail!("{} has no program in {}", NODE.1, bin.display());
        }
    }
    Ok(bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_judged_by_its_version() {
        for (version, can) in [
            ("v20.19.0\n", true),
            ("v20.18.9", false),
            ("v18.20.4", false),
            ("v22.1.0", true),
            ("v100.0.0", true),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(capable(version), can, "{version:?}");
        }
    }

    #[test]
    fn packages_are_current_until_the_lock_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        assert!(!is_current(dir.path()));
        write("package-lock.json");
        assert!(!is_current(dir.path()));
        std::fs::create_dir(dir.path().join("node_modules")).unwrap();
        write("node_modules/.package-lock.json");
        assert!(is_current(dir.path()));
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        let lock = std::fs::File::options().append(true).open(dir.path().join("package-lock.json")).unwrap();
        lock.set_modified(later).unwrap();
        assert!(!is_current(dir.path()));
    }
}
