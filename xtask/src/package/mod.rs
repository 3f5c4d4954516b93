//! `cargo xtask package`: a .deb and an .rpm of what is in this workspace.
//!
//! One table ([`contents`]) says what is in them; a staging folder is filled by it, and Debian's own
//! dpkg-deb and rpmbuild make the packages from that.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    args::{Args, Usage},
    desktop, packages,
    tools::{self, Tree},
};

pub mod check;
mod contents;
mod deb;
mod facts;
mod legal;
mod rpm;
mod scripts;
mod stage;
mod trial;

use contents::Format;
use facts::Facts;

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask package [--profile NAME] [--out DIR] [--version V]

Builds Lacuna and makes packages for this machine's architecture: a .deb for Debian, Ubuntu and
what comes of them, an .rpm for Fedora, openSUSE and what comes of them. The same commit gives the
same bytes.

  --profile NAME  Cargo's profile: release or dev (quicker to build, for trying) [release]
  --out DIR       Where to put them [the target folder's `package`]
  --version V     Call it this version [the workspace's]";

/// Runs the command.
pub fn main(words: &[String]) -> Result<bool> {
    let args = Args::parse(words, &["--profile", "--out", "--version"], &[])?;
    args.words(&[])?;
    let profile = args.value("--profile").unwrap_or("release");
    if !["release", "dev"].contains(&profile) {
        return Err(Usage(format!("--profile {profile}: the profiles are release and dev")).into());
    }
    packages::ensure(&[packages::BUILD, packages::PACKAGE])?;
    let tree = Tree::find()?;
    let out = match args.value("--out") {
        Some(dir) => std::path::absolute(dir)?,
        None => tree.target.join("package"),
    };
    let facts = Facts::find(&tree, args.value("--version"))?;
    let programs = build(&tree, &facts, profile)?;
    tools::heading("packages");
    for made in make(&tree, &facts, &programs, &out, profile == "dev")? {
        println!("    {}", made.file.display());
    }
    Ok(true)
}

/// A package that was made.
pub struct Made {
    /// Its format.
    pub format: Format,
    /// The file.
    pub file: PathBuf,
}

/// Where the built programs are.
pub struct Programs {
    /// The command line.
    pub lacuna: PathBuf,
    /// The app, if it is in the workspace.
    pub app: Option<PathBuf>,
}

impl Programs {
    /// One of them, by its name.
    fn of(&self, name: &str) -> Option<&Path> {
        match name {
            contents::PROGRAM => Some(&self.lacuna),
            contents::APP => self.app.as_deref(),
            _ => None,
        }
    }
}

/// Builds the programs.
pub fn build(tree: &Tree, facts: &Facts, profile: &str) -> Result<Programs> {
    tools::heading("building");
    let lacuna = cargo_build(tree, contents::PROGRAM, profile)?;
    let app = match facts.app {
        true => {
            desktop::ready(tree)?;
            Some(cargo_build(tree, contents::APP, profile)?)
        }
        false => None,
    };
    Ok(Programs { lacuna, app })
}

/// Builds the program of a package that is called like it.
fn cargo_build(tree: &Tree, name: &str, profile: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root).args(["build", "--locked", "--profile", profile]);
    cargo.args(["--package", name, "--bin", name]);
    if profile == "release" {
        // Nothing in the programs tells where they were built.
        let home = tools::user_folder("CARGO_HOME", ".cargo")?;
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        // Of several that fit the last one counts, and the target folder may be in the tree.
        let flags = [remap(&home, "cargo"), remap(&tree.root, "lacuna"), remap(&tree.target, "target")];
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        // Nor does the C code in them, which names its files where it fails.
        let c = format!(
            "-ffile-prefix-map={}=cargo -ffile-prefix-map={}=target",
            home.display(),
            tree.target.display()
        );
        cargo.env("CFLAGS", std::env::var("CFLAGS").map_or(c.clone(), |given| format!("{given} {c}")));
    }
    tools::run(&mut cargo)?;
    Ok(tree.target.join(if profile == "dev" { "debug" } else { profile }).join(name))
}

/// Makes both packages from built programs. `quick`: hardly compressed.
pub fn make(tree: &Tree, facts: &Facts, programs: &Programs, out: &Path, quick: bool) -> Result<Vec<Made>> {
    std::fs::create_dir_all(out).with_context(|| format!("can't create {}", out.display()))?;
    let licences = legal::text(tree, facts.app)?;
    let sources = stage::Sources { tree, facts, programs, licences: &licences };
    let mut made = Vec::new();
    for (format, name) in [(Format::Deb, "deb"), (Format::Rpm, "rpm")] {
        let root = tree.target.join("package").join("staging").join(name);
        let staged = sources.stage(format, &root)?;
        let file = match format {
            Format::Deb => deb::build(tree, facts, &root, &staged, out, quick),
            Format::Rpm => rpm::build(tree, facts, &root, &staged, out, quick),
        };
        made.push(Made { format, file: file.with_context(|| format!("the {name} can't be made"))? });
    }
    Ok(made)
}
