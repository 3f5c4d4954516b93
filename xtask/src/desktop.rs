//! The desktop app: what it takes to build it, and its tests on a desktop without a screen.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    packages,
    page::Page,
    tally::Tally,
    tools::{self, Tree},
};

/// The crate.
pub const PACKAGE: &str = "lacuna-desktop";

/// The driver of crates.io by which the window is tested: crate, version, variable that tells the tests
/// where the program is.
const DRIVER: (&str, &str, &str) = ("tauri-driver", "2.1.0", "LACUNA_TAURI_DRIVER");

/// Installs what building the app needs and builds the page into it.
pub fn ready(tree: &Tree) -> Result<()> {
    packages::ensure(&[packages::BUILD, packages::DESKTOP])?;
    Page::ready(tree)?.build()
}

/// Builds the app for use; the program.
pub fn build(tree: &Tree) -> Result<PathBuf> {
    ready(tree)?;
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root).args(["build", "--release", "--package", PACKAGE]);
    tools::run(&mut cargo)?;
    Ok(tree.target.join("release").join(format!("{PACKAGE}{}", std::env::consts::EXE_SUFFIX)))
}

/// Its lints and all of its tests: those of its parts, and those of the whole app with a real agent.
pub fn test(tree: &Tree) -> Result<Tally> {
    ready(tree)?;
    packages::ensure(&[packages::MOUNT, packages::SESSION])?;
    let cargo = |verb: &str| {
        let mut cargo = Command::new(tools::cargo());
        cargo.current_dir(&tree.root).arg(verb);
        cargo
    };
    let mut clippy = cargo("clippy");
    clippy.args(["--package", PACKAGE, "--all-targets", "--", "--deny", "warnings"]);
    let mut all = Tally::check("cargo clippy", tools::succeeds(&mut clippy)?);
    // The engine and the tests' Hub as the other tests have built them: with tests come the programs that they run.
    let mut programs = cargo("test");
    programs.args(["--workspace", "--exclude", PACKAGE, "--test", "cli", "--test", "hub", "--no-run"]);
    tools::run(&mut programs)?;
    let (name, version, variable) = DRIVER;
    let mut tests = cargo("test");
    tests
        .args(["--package", PACKAGE, "--no-fail-fast"])
        .env("LACUNA_PROGRAM", tree.target.join("debug").join("lacuna"))
        .env("LACUNA_TEST_HUB", tree.target.join("debug").join("lacuna-test-hub"))
        .env(variable, tools::program(tree, name, version, "dev")?);
    let (ok, tally) = tools::observe(&mut tests, &mut std::io::stdout())?;
    all.add(&tally.of_command(ok));
    Ok(all)
}
