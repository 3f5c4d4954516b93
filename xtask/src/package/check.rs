//! The part `package` of `cargo xtask test`: packages are made, looked through and tried.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail};

use super::{Made, build, contents::Format, facts::Facts, make, stage, stage::Staged, trial};
use crate::{
    packages, run,
    tally::Tally,
    tools::{self, Tree},
};

/// Does all of it.
pub fn perform(tree: &Tree) -> Result<Tally> {
    packages::ensure(&[packages::BUILD, packages::MOUNT, packages::PACKAGE, packages::PACKAGE_TESTS])?;
    let facts = Facts::find(tree, None)?;
    let programs = build(tree, &facts, "dev")?;
    tools::heading("package: what is in them");
    let out = tree.target.join("package").join("test");
    stage::empty(&out)?;
    let old = make(tree, &facts, &programs, &out.join("old"), true)?;
    let again = make(tree, &facts, &programs, &out.join("again"), true)?;
    let newer = Facts { version: format!("{}+1", facts.version), ..facts.clone() };
    let new = make(tree, &newer, &programs, &out.join("new"), true)?;

    let mut all = Tally::default();
    let mut check = |name: &str, outcome: Result<()>| {
        let failed = outcome.err().map(|e| format!("{name}: {e:#}"));
        println!("test package::{name} ... {}", if failed.is_some() { "FAILED" } else { "ok" });
        if let Some(text) = &failed {
            println!("{text}");
        }
        all.add(&Tally::check(failed.as_deref().unwrap_or(name), failed.is_none()));
    };
    let (deb, rpm) = (of(&old, Format::Deb)?, of(&old, Format::Rpm)?);
    check("the_deb_holds_what_the_table_says", as_the_table(Format::Deb, &facts, deb_list(deb)));
    check("the_rpm_holds_what_the_table_says", as_the_table(Format::Rpm, &facts, rpm_list(rpm)));
    check("the_rpm_needs_what_it_uses", rpm_needs(rpm));
    check("the_same_tree_gives_the_same_bytes", same(&old, &again));
    check("lintian_finds_nothing", lintian(deb));
    let staging = tree.target.join("package").join("staging/deb");
    check("the_unit_is_sound", unit(&staging, &out));
    check("the_desktop_entries_are_sound", desktop_entries(tree));
    check("the_metainfo_is_sound", metainfo(tree, &facts, &out));
    let nautilus = tree.root.join("installers/linux/nautilus");
    check("nautilus_extension_decides_rightly", quietly(python(&nautilus, &["test_lacuna.py".as_ref()])));
    check(
        "nautilus_shows_emblems_and_menu",
        quietly(python(&nautilus, &["test_in_nautilus.py".as_ref(), &programs.lacuna])),
    );

    tools::heading("package: their life on a fresh system");
    if let Err(e) = run::may_mount() {
        eprintln!("{e:#}\nSo the tests that mount a drive are going to fail.");
    }
    let trial = trial::run(
        tree,
        &trial::Packages {
            files: [
                ("old.deb", deb),
                ("new.deb", of(&new, Format::Deb)?),
                ("old.rpm", rpm),
                ("new.rpm", of(&new, Format::Rpm)?),
            ],
        },
    )?;
    all.add(&trial);
    Ok(all)
}

fn of(made: &[Made], format: Format) -> Result<&Path> {
    let found = made.iter().find(|m| m.format == format);
    found.map(|m| m.file.as_path()).with_context(|| format!("no {format:?} was made"))
}

/// Runs a command whose output matters only when it fails.
fn quietly(mut command: Command) -> Result<()> {
    let out = command.output().with_context(|| format!("can't start {:?}", command.get_program()))?;
    if out.status.success() { Ok(()) } else { bail!("{}", report(&command, &out)) }
}

/// Runs a command that finds fault by saying something, whatever its exit code is.
fn silently(mut command: Command) -> Result<()> {
    let out = command.output().with_context(|| format!("can't start {:?}", command.get_program()))?;
    let silent = out.stdout.is_empty() && out.stderr.is_empty();
    if out.status.success() && silent { Ok(()) } else { bail!("{}", report(&command, &out)) }
}

fn report(command: &Command, out: &Output) -> String {
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    format!("`{}` ({}):\n{text}{errors}", tools::typed(command), out.status)
}

fn as_the_table(format: Format, facts: &Facts, list: Result<Vec<Staged>>) -> Result<()> {
    let wrong = stage::differences(format, facts.app, &list?);
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("\n")) }
}

/// What a .deb installs.
fn deb_list(deb: &Path) -> Result<Vec<Staged>> {
    let text = tools::capture(Command::new("dpkg-deb").arg("--contents").arg(deb))?;
    text.lines().filter(|l| !l.starts_with('d')).map(parse_tar_line).collect()
}

/// A line of `tar --list --verbose`: `-rwxr-xr-x root/root 12 2026-11-27 15:00 ./usr/bin/lacuna`.
fn parse_tar_line(line: &str) -> Result<Staged> {
    let mut words = line.split_whitespace();
    let (Some(mode), Some(owner)) = (words.next(), words.next()) else { bail!("what is {line:?}?") };
    let name = words.nth(3).with_context(|| format!("no name in {line:?}"))?;
    if owner != "root/root" {
        bail!("{name} belongs to {owner}");
    }
    let path = name.trim_start_matches("./").to_owned();
    let mode = (!mode.starts_with('l')).then(|| mode_of(mode)).transpose()?;
    Ok(Staged { path, mode })
}

/// The number of `-rwxr-xr-x`. Set-user-id and its like have no place in a package of ours.
fn mode_of(text: &str) -> Result<u32> {
    let mut mode = 0;
    for (n, c) in text.chars().skip(1).enumerate() {
        mode = mode << 1 | u32::from(c != '-');
        if c != '-' && Some(c) != "rwxrwxrwx".chars().nth(n) {
            bail!("an unusual mode: {text}");
        }
    }
    Ok(mode)
}

/// What an .rpm installs.
fn rpm_list(rpm: &Path) -> Result<Vec<Staged>> {
    let format = "[%{FILEMODES:octal} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\\n]";
    let text = tools::capture(Command::new("rpm").args(["-qp", "--queryformat", format]).arg(rpm))?;
    let mut list = Vec::new();
    for line in text.lines() {
        list.extend(parse_rpm_line(line)?);
    }
    Ok(list)
}

/// A line of `100755 root/root /usr/bin/lacuna`; none for a folder.
fn parse_rpm_line(line: &str) -> Result<Option<Staged>> {
    let [mode, owner, name] = line.split(' ').collect::<Vec<_>>()[..] else { bail!("what is {line:?}?") };
    if owner != "root/root" {
        bail!("{name} belongs to {owner}");
    }
    let mode = u32::from_str_radix(mode, 8).with_context(|| format!("the mode of {name}"))?;
    let path = name.trim_start_matches('/').to_owned();
    // The type is in the upper bits, as stat(2) has it.
    Ok(match mode & 0o170_000 {
        0o040_000 => None,
        0o120_000 => Some(Staged { path, mode: None }),
        _ => Some(Staged { path, mode: Some(mode & 0o7777) }),
    })
}

/// The libraries were found, not typed in.
fn rpm_needs(rpm: &Path) -> Result<()> {
    let text = tools::capture(Command::new("rpm").args(["-qp", "--requires"]).arg(rpm))?;
    for need in ["fuse3", "libc.so.6", "libgcc_s.so.1"] {
        if !text.lines().any(|l| l.starts_with(need)) {
            bail!("nothing says that it needs {need}:\n{text}");
        }
    }
    Ok(())
}

fn same(one: &[Made], other: &[Made]) -> Result<()> {
    for made in one {
        let (a, b) = (made.file.as_path(), of(other, made.format)?);
        if fs::read(a)? != fs::read(b)? {
            bail!("{} and {} differ", a.display(), b.display());
        }
    }
    Ok(())
}

fn lintian(deb: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--allow-root", "--tag-display-limit", "0"]).arg(deb);
    quietly(lintian)
}

/// The installed unit, with the programs where they are now: systemd-analyze looks whether they are there.
fn unit(staging: &Path, out: &Path) -> Result<()> {
    let text = fs::read_to_string(staging.join("usr/lib/systemd/user/lacuna.service"))?;
    let program = staging.join("usr/bin/lacuna");
    let here = out.join("lacuna.service");
    fs::write(&here, text.replace("/usr/bin/lacuna", &program.to_string_lossy()))?;
    let mut analyze = Command::new("systemd-analyze");
    // It wants a place for sockets, which it does not use.
    analyze.env("XDG_RUNTIME_DIR", out).args(["--user", "--man=no", "verify"]).arg(&here);
    silently(analyze)
}

fn desktop_entries(tree: &Tree) -> Result<()> {
    let mut validate = Command::new("desktop-file-validate");
    let ours = tree.root.join("installers/linux");
    validate.args(["lacuna-desktop.desktop", "autostart.desktop"].map(|f| ours.join(f)));
    silently(validate)
}

fn metainfo(tree: &Tree, facts: &Facts, out: &Path) -> Result<()> {
    let name = "org.lacuna.Lacuna.metainfo.xml";
    let text = fs::read_to_string(tree.root.join("installers/linux").join(name))?;
    let file: PathBuf = out.join(name);
    fs::write(&file, facts.fill(&text)?)?;
    let mut validate = Command::new("appstreamcli");
    validate.args(["validate", "--no-net", "--explain"]).arg(&file);
    quietly(validate)
}

fn python(folder: &Path, words: &[&Path]) -> Command {
    let mut python = Command::new("/usr/bin/python3");
    // No caches beside the sources.
    python.current_dir(folder).arg("-B").args(words);
    python
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_formats_read_alike() {
        let file = Staged { path: "usr/bin/lacuna".into(), mode: Some(0o755) };
        let link = Staged { path: "usr/l".into(), mode: None };
        let tar = |line| parse_tar_line(line).unwrap();
        assert_eq!(tar("-rwxr-xr-x root/root  12 2026-11-27 15:00 ./usr/bin/lacuna"), file);
        assert_eq!(tar("lrwxrwxrwx root/root  0 2026-11-27 15:00 ./usr/l -> ../x"), link);
        assert_eq!(parse_rpm_line("100755 root/root /usr/bin/lacuna").unwrap(), Some(file));
        assert_eq!(parse_rpm_line("120777 root/root /usr/l").unwrap(), Some(link));
        assert_eq!(parse_rpm_line("040755 root/root /usr/share/doc/lacuna").unwrap(), None);
    }

    #[test]
    fn what_is_not_roots_or_not_usual_is_refused() {
        for line in [
            "-rwxr-xr-x me/root 12 2026-11-27 15:00 ./usr/bin/lacuna",
            "-rwsr-xr-x root/root 12 2026-11-27 15:00 ./usr/bin/lacuna",
            "-rwxr-xr-x",
        ] {
            assert!(parse_tar_line(line).is_err(), "{line}");
        }
        assert!(parse_rpm_line("100755 me/root /usr/bin/lacuna").is_err());
        assert!(parse_rpm_line("").is_err());
    }
}
