//! `cargo xtask bench`: what the README's figures come from, with what each benchmark needs.

use std::process::Command;

use anyhow::Result;

use crate::{
    args::{Args, Usage},
    desktop, packages,
    tools::{self, Tree},
};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask bench NAME... [-- WORD...]

Builds with optimisation, measures and prints; fails where a bar is missed. The machine should have nothing
else to do.

wire     What an edit moves to a bucket in a folder and back
hub      The same and reading for drives of the Hugging Face Hub, by a proxy
opening  How soon the app's window shows something";

/// The benchmarks.
const NAMES: [&str; 3] = ["wire", "hub", "opening"];

/// Runs the command; whether every bar was met.
pub fn main(words: &[String]) -> Result<bool> {
    let end = words.iter().position(|w| w == "--").unwrap_or(words.len());
    let (mine, theirs) = words.split_at(end);
    let args = Args::parse(mine, &[], &[])?;
    let names = args.words(&NAMES)?;
    if names.is_empty() {
        return Err(Usage(format!("name one or more of {}", NAMES.join(", "))).into());
    }
    let tree = Tree::find()?;
    packages::ensure(&[packages::BUILD, packages::MOUNT])?;
    let mut met = true;
    for name in NAMES.iter().filter(|n| names.iter().any(|given| given == *n)) {
        tools::heading(name);
        let mut cargo = Command::new(tools::cargo());
        cargo.current_dir(&tree.root).args(["bench", "--bench", name]);
        if *name == "opening" {
            desktop::ready(&tree)?;
            packages::ensure(&[packages::SESSION])?;
            let mut engine = Command::new(tools::cargo());
            engine.current_dir(&tree.root).args([
                "build",
                "--release",
                "--package",
                "lacuna",
                "--bin",
                "lacuna",
            ]);
            tools::run(&mut engine)?;
            cargo.args(["--package", desktop::PACKAGE]);
            cargo.env("LACUNA_PROGRAM", tree.target.join("release").join("lacuna"));
        }
        cargo.args(theirs);
        met &= tools::succeeds(&mut cargo)?;
    }
    Ok(met)
}
