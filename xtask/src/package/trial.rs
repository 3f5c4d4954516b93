//! The trial: packages are installed, used, upgraded and removed in a fresh system of their own.
//!
//! What happens there is in `installers/linux/trial/`: shell scripts, since all of it is what a person
//! would type. Making the fresh system takes a minute or more, so it is kept, packed, in the user's
//! cache until the package's dependencies change.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::stage;
use crate::{
    tally::Tally,
    tools::{self, Tree},
};

/// The four packages of a trial.
pub struct Packages<'a> {
    /// By the name that the trial knows them by: `old.deb` and so on.
    pub files: [(&'static str, &'a Path); 4],
}

/// Runs the trial; its tests are counted as they go by.
pub fn run(tree: &Tree, packages: &Packages<'_>) -> Result<Tally> {
    let scripts = tree.root.join("installers/linux/trial");
    let work = tree.target.join("package").join("trial");
    let root = work.join("root");
    remove(&root)?;
    stage::empty(&work)?;
    let tar = fresh_system(&scripts, &work, packages.files[0].1)?;
    fs::create_dir_all(&root)?;
    tools::run(
        tools::as_root("tar")
            .arg("--extract")
            .arg("--numeric-owner")
            .arg("--file")
            .arg(&tar)
            .arg("--directory")
            .arg(&root),
    )?;

    let files = work.join("files");
    fs::create_dir_all(&files)?;
    for (name, file) in packages.files {
        fs::copy(file, files.join(name)).with_context(|| format!("can't copy {}", file.display()))?;
    }
    for script in ["trial.sh", "service.sh"] {
        fs::copy(scripts.join(script), files.join(script))?;
    }
    tools::capture(
        tools::as_root("cp").args(["-r", "--no-preserve=ownership"]).arg(&files).arg(root.join("trial")),
    )?;

    let mut enter = tools::as_root("/bin/sh");
    let (ok, tally) = tools::observe(enter.arg(scripts.join("enter.sh")).arg(&root), &mut std::io::stdout())?;
    remove(&root)?;
    Ok(tally.of_command(ok))
}

/// Removes a root folder, most of which is root's.
fn remove(root: &Path) -> Result<()> {
    tools::capture(tools::as_root("rm").args(["-rf", "--one-file-system"]).arg(root)).map(drop)
}

/// The packed system with everything that `deb` depends on, made if it is not in the cache.
fn fresh_system(scripts: &Path, work: &Path, deb: &Path) -> Result<PathBuf> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = codename(&release).context("/etc/os-release names no VERSION_CODENAME")?;
    let depends = tools::capture(Command::new("dpkg-deb").arg("--field").arg(deb).arg("Depends"))?;
    let script = fs::read_to_string(scripts.join("root.sh"))?;
    let cache = tools::user_folder("XDG_CACHE_HOME", ".cache")?.join("lacuna-package");
    let tar = cache.join(format!("{suite}-{:016x}.tar", fnv(&format!("{depends}\n{script}"))));
    if tar.is_file() {
        return Ok(tar);
    }
    println!("Making a fresh {suite} with what the package depends on; it is kept in {}", cache.display());
    fs::create_dir_all(&cache).with_context(|| format!("can't create {}", cache.display()))?;
    for old in fs::read_dir(&cache)?.flatten() {
        fs::remove_file(old.path()).ok();
    }
    let mirror = mirror(&sources()?, &suite).context("apt's sources name no mirror of this system")?;
    let root = work.join("fresh");
    remove(&root)?;
    let mut make = tools::as_root("/bin/sh");
    make.arg(scripts.join("root.sh")).arg(&root).args([&suite, &mirror]).arg(deb);
    let log = work.join("fresh.log");
    let out = fs::File::create(&log)?;
    let made = make.stdout(out.try_clone()?).stderr(out).status()?;
    if !made.success() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(15).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        anyhow::bail!("the fresh system can't be made:\n{}", last.join("\n"));
    }
    // Whole or not at all: a tar that is cut off must not be taken for one.
    let partial = tar.with_extension("partial");
    tools::run(
        tools::as_root("tar")
            .args(["--create", "--numeric-owner", "--file"])
            .arg(&partial)
            .arg("--directory")
            .arg(&root)
            .arg("."),
    )?;
    remove(&root)?;
    fs::rename(&partial, &tar)?;
    Ok(tar)
}

/// All of apt's sources, one file after the other.
fn sources() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    files.extend(folder.map(|e| e.path()));
    files.sort();
    Ok(files.iter().filter_map(|f| fs::read_to_string(f).ok()).collect::<Vec<_>>().join("\n\n"))
}

/// The mirror of a release in apt's sources, of either form (sources.list(5)).
fn mirror(sources: &str, suite: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim).filter(|l| !l.starts_with('#'));
    let one_line = lines.clone().filter_map(|line| {
        let line = line.strip_prefix("deb ")?.trim_start();
        let line = if line.starts_with('[') { line.split_once(']')?.1 } else { line };
        let mut words = line.split_whitespace();
        let (uri, of, component) = (words.next()?, words.next()?, words.next()?);
        (of == suite && component == "main").then(|| uri.to_owned())
    });
    let uncommented = lines.collect::<Vec<_>>().join("\n");
    let stanzas = uncommented.split("\n\n").filter_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|l| Some(l.strip_prefix(name)?.strip_prefix(':')?.split_whitespace()))
        };
        let of_us = field("Suites")?.any(|s| s == suite) && field("Components")?.any(|c| c == "main");
        of_us.then(|| field("URIs")?.next().map(str::to_owned))?
    });
    one_line.chain(stanzas).collect::<Vec<_>>().into_iter().next()
}

/// The release's name in an os-release file (os-release(5)).
fn codename(release: &str) -> Option<String> {
    let value = release.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// FNV-1a, 64 bits: a name that follows from the text.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_found_in_both_forms() {
        let new = "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                   Components: main\n\nTypes: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n\
                   Components: main\n";
        assert_eq!(mirror(new, "bookworm").as_deref(), Some("http://mirror.example/debian"));
        let old = "# deb http://no.example bookworm main\n\
                   deb http://other.example thing main\n\
                   deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n";
        assert_eq!(mirror(old, "bookworm").as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror(old, "trixie"), None);
        assert_eq!(mirror("", "bookworm"), None);
    }

    #[test]
    fn a_release_is_known_by_its_name() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(), Some("bookworm"));
        assert_eq!(codename("VERSION_CODENAME=\"noble\"\n").as_deref(), Some("noble"));
        assert_eq!(codename("VERSION_CODENAME=\n"), None);
    }
}
