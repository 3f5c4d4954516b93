//! `cargo xtask test`: everything that has to hold before a change lands.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    args::{Args, Usage},
    cross, desktop, licences, package, packages,
    page::Page,
    run,
    tally::Tally,
    tools::{self, Tree},
};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask test [--only NAME]... [--no-cross]

Installs what the tests need, runs all of them and ends with `N passed, N failed`.
What can't be done counts as failed; nothing is skipped in silence.

  --only NAME   Only this part (may be repeated): fmt, licences, clippy, tests, ui, desktop,
                package, windows, macos; `cross` stands for the last two
  --no-cross    Without windows and macos";

/// The programs of crates.io that test a file system: crate, version, variable that tells the tests
/// where the program is.
const PROGRAMS: &[(&str, &str, &str)] =
    &[("fsx", "0.3.2", "LACUNA_FSX"), ("pjdfstest", "0.2.2", "LACUNA_PJDFSTEST")];

/// The user that pjdfstest acts as where it must not be root.
const USER: &str = "tests";

/// The parts, in the order of how soon they tell.
const PARTS: &[&str] =
    &["fmt", "licences", "clippy", "tests", "ui", "desktop", "package", "windows", "macos"];

/// Runs the command; whether everything passed.
pub fn main(words: &[String]) -> Result<bool> {
    let args = Args::parse(words, &["--only"], &["--no-cross"])?;
    args.words(&[])?;
    let parts = chosen(args.all("--only"), args.switch("--no-cross"))?;
    let tree = Tree::find()?;
    let mut results = Vec::new();
    for part in parts {
        tools::heading(part);
        let start = Instant::now();
        // One part's trouble must not keep the others from telling what they find.
        let tally = perform(part, &tree).unwrap_or_else(|e| not_done(part, &e));
        results.push((part, tally, start.elapsed()));
    }
    Ok(summary(&results))
}

/// What can't be done counts as failed.
pub fn not_done(part: &str, e: &anyhow::Error) -> Tally {
    eprintln!("{part}: {e:#}");
    Tally::check(&format!("{e:#}"), false)
}

/// Which parts to run.
fn chosen(only: &[String], no_cross: bool) -> Result<Vec<&'static str>, Usage> {
    if let Some(unknown) = only.iter().find(|name| *name != "cross" && !PARTS.contains(&name.as_str())) {
        return Err(Usage(format!("--only {unknown}: the parts are {}, cross", PARTS.join(", "))));
    }
    let cross = |part: &str| cross::TARGETS.contains(&part);
    let named = |part: &str| only.iter().any(|name| name == part || (name == "cross" && cross(part)));
    let wanted = |part: &&str| (only.is_empty() || named(part)) && !(no_cross && cross(part));
    Ok(PARTS.iter().copied().filter(wanted).collect())
}

fn perform(part: &str, tree: &Tree) -> Result<Tally> {
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root);
    match part {
        "fmt" => {
            ensure_component("fmt", "rustfmt")?;
            let ok = tools::succeeds(cargo.args(["fmt", "--all", "--check"]))?;
            Ok(Tally::check("cargo fmt", ok))
        }
        "licences" => licences::check(tree),
        "clippy" => {
            packages::ensure(&[packages::BUILD])?;
            ensure_component("clippy", "clippy")?;
            // The desktop app has a part of its own, for it needs WebKit.
            cargo.args(["clippy", "--workspace", "--exclude", desktop::PACKAGE, "--all-targets"]);
            cargo.args(["--", "--deny", "warnings"]);
            let ok = tools::succeeds(&mut cargo)?;
            Ok(Tally::check("cargo clippy", ok))
        }
        "tests" => {
            packages::ensure(&[packages::BUILD, packages::MOUNT, packages::PYTHON, packages::TESTS])?;
            ensure_user()?;
            if let Err(e) = run::may_mount() {
                eprintln!("{e:#}\nSo the tests that mount a drive are going to fail.");
            }
            for (name, version, variable) in PROGRAMS {
                cargo.env(variable, tools::program(tree, name, version, "release")?);
            }
            cargo.args(["test", "--workspace", "--exclude", desktop::PACKAGE, "--no-fail-fast"]);
            let (ok, tally) = tools::observe(&mut cargo, &mut std::io::stdout())?;
            Ok(tally.of_command(ok))
        }
        "ui" => {
            let page = Page::ready(tree)?;
            page.test(tree)
        }
        "desktop" => desktop::test(tree),
        "package" => package::check::perform(tree),
        _ => cross::perform(part, tree),
    }
}

/// Gets a component of Rust that its smallest installation leaves out.
fn ensure_component(subcommand: &str, component: &str) -> Result<()> {
    if tools::capture(Command::new(tools::cargo()).args([subcommand, "--version"])).is_ok() {
        return Ok(());
    }
    tools::run(Command::new("rustup").args(["component", "add", component]))
        .with_context(|| format!("this Rust has no `cargo {subcommand}`: install {component}"))
}

/// Creates the user that pjdfstest acts as.
fn ensure_user() -> Result<()> {
    if tools::capture(Command::new("id").args(["-u", USER])).is_ok() {
        return Ok(());
    }
    println!("Creating the user {USER}, as which pjdfstest acts where it must not be root");
    tools::run(tools::as_root("useradd").args(["--system", "--no-create-home", "--user-group", USER]))
        .context("can't create the user that pjdfstest needs")
}

/// Prints the closing summary; whether nothing failed.
pub fn summary(results: &[(&str, Tally, Duration)]) -> bool {
    tools::heading("summary");
    let mut all = Tally::default();
    for (part, tally, took) in results {
        let ignored = if tally.ignored > 0 { format!(", {} ignored", tally.ignored) } else { String::new() };
        println!(
            "    {part:<9} {} passed, {} failed{ignored}  ({} s)",
            tally.passed,
            tally.failed,
            took.as_secs()
        );
        for name in &tally.names {
            println!("              FAILED: {name}");
        }
        all.add(tally);
    }
    println!("\n{} passed, {} failed", all.passed, all.failed);
    all.failed == 0 && all.passed > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str], no_cross: bool) -> Result<Vec<&'static str>, Usage> {
        chosen(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(), no_cross)
    }

    #[test]
    fn all_parts_run_unless_told_otherwise() {
        assert_eq!(only(&[], false).unwrap(), PARTS);
        assert_eq!(
            only(&[], true).unwrap(),
            ["fmt", "licences", "clippy", "tests", "ui", "desktop", "package"]
        );
        assert_eq!(only(&["tests", "fmt"], false).unwrap(), ["fmt", "tests"]);
        assert_eq!(only(&["cross"], false).unwrap(), ["windows", "macos"]);
        assert!(only(&["tets"], false).unwrap_err().0.contains("the parts are fmt, licences"));
    }

    #[test]
    fn a_summary_fails_with_any_failure_and_with_nothing_done() {
        let took = Duration::from_secs(1);
        assert!(summary(&[("fmt", Tally::check("fmt", true), took)]));
        assert!(!summary(&[
            ("fmt", Tally::check("fmt", true), took),
            ("tests", Tally::check("t", false), took)
        ]));
        assert!(!summary(&[]));
    }
}
