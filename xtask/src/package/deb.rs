//! The Debian package: control file, dependencies by dpkg-shlibdeps, dpkg-deb.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    contents::{self, From},
    facts::{Facts, MAINTAINER, SUMMARY},
    scripts,
    stage::Staged,
};
use crate::{
    sys,
    tools::{self, Tree},
};

/// What it needs besides the libraries that its programs name: fusermount3, which mounts for users.
const NEEDS: &str = "fuse3";
/// What the app opens by name when it runs, so that dpkg-shlibdeps does not see it: the tray icon.
const NEEDS_APP: &str = "libayatana-appindicator3-1";

/// Builds it from a staged root; answers the file.
pub fn build(
    tree: &Tree,
    facts: &Facts,
    root: &Path,
    staged: &[Staged],
    out: &Path,
    quick: bool,
) -> Result<PathBuf> {
    let architecture = tools::capture(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let libraries = libraries(facts, root)?;
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control)?;
    sys::set_mode(&control, 0o755)?;
    let write = |name: &str, text: &str, mode: u32| -> Result<()> {
        let file = control.join(name);
        fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
        Ok(sys::set_mode(&file, mode)?)
    };
    write("control", &control_file(facts, &architecture, &libraries, size(root, staged)?), 0o644)?;
    write("md5sums", &sums(root, staged)?, 0o644)?;
    write("prerm", &scripts::deb_prerm(tree)?, 0o755)?;

    let file = out.join(format!("lacuna_{}_{architecture}.deb", facts.version));
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.env("SOURCE_DATE_EPOCH", facts.epoch.to_string());
    dpkg.args(["--root-owner-group", "-Zxz", if quick { "-z0" } else { "-z6" }, "--build"]);
    tools::capture(dpkg.arg(root).arg(&file))?;
    Ok(file)
}

/// The packages of the shared libraries that the programs name, as a `Depends` list.
fn libraries(facts: &Facts, root: &Path) -> Result<String> {
    // It wants a source package around it.
    let source = root.with_extension("source");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(
        source.join("debian/control"),
        format!(
            "Source: lacuna\nMaintainer: {MAINTAINER}\n\nPackage: lacuna\nArchitecture: any\nDescription: {SUMMARY}\n"
        ),
    )?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.current_dir(&source).arg("-O");
    for item in contents::ITEMS.iter().filter(|i| facts.app || !i.app) {
        if matches!(item.from, From::Program(_)) {
            command.arg("-e").arg(root.join(item.to));
        }
    }
    let text = tools::capture(&mut command)?;
    let depends = text.lines().find_map(|l| l.strip_prefix("shlibs:Depends="));
    Ok(depends.context("dpkg-shlibdeps names no library")?.to_owned())
}

/// The text of `DEBIAN/control` (deb-control(5)). `size` is in KiB.
fn control_file(facts: &Facts, architecture: &str, libraries: &str, size: u64) -> String {
    let app = if facts.app { format!("{NEEDS_APP}, ") } else { String::new() };
    let mut text = format!(
        "Package: lacuna\n\
         Version: {}\n\
         Architecture: {architecture}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {size}\n\
         Depends: {NEEDS}, {app}{libraries}\n\
         Recommends: python3-nautilus\n\
         Enhances: nautilus\n\
         Section: net\n\
         Priority: optional\n\
         Description: {SUMMARY}\n",
        facts.version
    );
    for (n, paragraph) in facts.description().into_iter().enumerate() {
        if n > 0 {
            text.push_str(" .\n");
        }
        for line in wrapped(paragraph, 78) {
            let _ = writeln!(text, " {line}");
        }
    }
    text
}

/// Breaks a paragraph into lines of at most `width` characters.
fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// KiB on disk, as dpkg-gencontrol counts them: every file rounded up.
fn size(root: &Path, staged: &[Staged]) -> Result<u64> {
    let mut kib = 0;
    for s in staged {
        kib += fs::symlink_metadata(root.join(&s.path))?.len().div_ceil(1024).max(1);
    }
    Ok(kib)
}

fn sums(root: &Path, staged: &[Staged]) -> Result<String> {
    let files = staged.iter().filter(|s| s.mode.is_some()).map(|s| &s.path);
    tools::capture(Command::new("md5sum").current_dir(root).arg("--").args(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_names_what_is_needed() {
        let facts = Facts { version: "0.1.0".into(), epoch: 0, app: true };
        let text = control_file(&facts, "amd64", "libc6 (>= 2.34)", 12);
        assert!(text.contains("\nDepends: fuse3, libayatana-appindicator3-1, libc6 (>= 2.34)\n"), "{text}");
        assert!(text.contains("\nDescription: remote storage as a drive\n Lacuna shows"), "{text}");
        assert!(text.contains("\n .\n This package"), "{text}");
        let facts = Facts { app: false, ..facts };
        let text = control_file(&facts, "amd64", "libc6", 12);
        assert!(text.contains("\nDepends: fuse3, libc6\n") && !text.contains("tray"), "{text}");
    }

    #[test]
    fn paragraphs_are_broken_between_words() {
        assert_eq!(wrapped("a bb  ccc dd", 5), ["a bb", "ccc", "dd"]);
        assert_eq!(wrapped("abcdefgh i", 5), ["abcdefgh", "i"]);
        assert!(wrapped("", 5).is_empty());
    }
}
