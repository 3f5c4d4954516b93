//! `cargo xtask hub`: the test Hub by itself, so that other clients of the Hub can be pointed at it.

use std::process::Command;

use anyhow::Result;

use crate::{
    args::Args,
    packages,
    tools::{self, Tree},
};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask hub [--port N] [--dir DIR]

Starts the Hub that the tests use, on this machine only, until Ctrl-C: the HTTP of the Hugging Face Hub for
buckets and read-only repositories. Prints its address, a token, a bucket to begin with and the
environment that points other clients of the Hub at it.

  --port N   The port to use; any free one without
  --dir DIR  Where to keep the contents; a temporary folder without. Names are kept in memory only";

/// Runs the command; whether the Hub ended well.
pub fn main(words: &[String]) -> Result<bool> {
    let args = Args::parse(words, &["--port", "--dir"], &[])?;
    args.words(&[])?;
    packages::ensure(&[packages::BUILD])?;
    let tree = Tree::find()?;
    let mut cargo = Command::new(tools::cargo());
    cargo.args(["run", "--quiet", "--package", "lacuna-test-hub", "--manifest-path"]);
    cargo.arg(tree.root.join("Cargo.toml")).arg("--");
    for name in ["--port", "--dir"] {
        if let Some(value) = args.value(name) {
            cargo.args([name, value]);
        }
    }
    tools::succeeds(&mut cargo)
}
