//! `cargo xtask cross`: what need not be Unix-only passes its tests for Windows, under Wine, and
//! type-checks for macOS with all of its C code compiled.
//!
//! The compiler has to bring the other systems' standard libraries. Debian's newest Rust brings
//! their sources, which cargo then builds with the rest (its `-Z build-std`); where Debian's is not
//! to be had, rustup is asked for the finished ones. C code for Windows is compiled by Debian's
//! MinGW, C code for macOS by zig, which carries the headers.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result};

use crate::{
    args::Args,
    packages,
    tally::Tally,
    test,
    tools::{self, Tree},
};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask cross [windows] [macos]

windows   Builds the tests for x86_64-pc-windows-gnu and runs them under Wine
macos     Type-checks for aarch64-apple-darwin

Both if none is named. Tools and what is built stay in ~/.cache/lacuna-cross, or where
LACUNA_CROSS_DIR says.";

/// The systems, by their names here.
pub const TARGETS: [&str; 2] = ["windows", "macos"];

/// Integration tests (files of `tests/`) that need no mount and so run on Windows as well.
const PORTABLE_TESTS: &[&str] = &[];

/// The dependencies that the tests' time is spent in.
const OPTIMISED: &[&str] = &["blake3", "gearhash", "lz4_flex", "xet-core-structures", "xet-data"];

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";

/// The release of zig on PyPI whose C compiler is used.
const ZIG: &str = "ziglang==0.15.2";

/// Runs the command; whether everything passed.
pub fn main(words: &[String]) -> Result<bool> {
    let args = Args::parse(words, &[], &[])?;
    let named = args.words(&TARGETS)?;
    let tree = Tree::find()?;
    let mut results = Vec::new();
    for target in TARGETS.into_iter().filter(|t| named.is_empty() || named.iter().any(|n| n == t)) {
        tools::heading(target);
        let start = Instant::now();
        let tally = perform(target, &tree).unwrap_or_else(|e| test::not_done(target, &e));
        results.push((target, tally, start.elapsed()));
    }
    Ok(test::summary(&results))
}

/// Does one of [`TARGETS`].
pub fn perform(target: &str, tree: &Tree) -> Result<Tally> {
    packages::ensure(&[packages::BUILD, packages::PYTHON, packages::CROSS])?;
    let bench = Bench::set_up()?;
    match target {
        "windows" => windows(tree, &bench),
        _ => macos(tree, &bench),
    }
}

fn windows(tree: &Tree, bench: &Bench) -> Result<Tally> {
    bench.bcryptprimitives()?;
    let mut cargo = bench.cargo(tree, "test", WINDOWS)?;
    cargo.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", bench.wine()?);
    cargo.args(["--package", "lacuna", "--lib", "--no-fail-fast"]);
    cargo.args(PORTABLE_TESTS.iter().flat_map(|name| ["--test", name]));
    let (ok, tally) = tools::observe(&mut cargo, &mut std::io::stdout())?;
    Ok(tally.of_command(ok))
}

fn macos(tree: &Tree, bench: &Bench) -> Result<Tally> {
    let zig = bench.zig()?;
    let mut cargo = bench.cargo(tree, "check", MACOS)?;
    cargo.env("CC_aarch64_apple_darwin", bench.zig_cc(&zig, "aarch64-macos")?);
    cargo.env(
        "AR_aarch64_apple_darwin",
        bench.program("ar-zig", &format!("exec '{}' ar \"$@\"", zig.display()))?,
    );
    // Only what it is asked for is looked up in Apple's SDK: with this there is no asking.
    cargo.env("SDKROOT", bench.folder("sdk")?);
    cargo.env("ZIG_GLOBAL_CACHE_DIR", bench.folder("zig-cache")?);
    cargo.env("ZIG_LOCAL_CACHE_DIR", bench.folder("zig-cache")?);
    cargo.args(["--package", "lacuna", "--lib", "--bins"]);
    let ok = tools::succeeds(&mut cargo)?;
    Ok(Tally::check("type check for macOS", ok))
}

/// The tools' folder, which outlives the clone, and the compiler.
struct Bench {
    folder: PathBuf,
    rust: Rust,
}

/// Whose compiler builds for the other systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rust {
    /// Debian's `cargo-web`, which builds the standard library from source.
    Debian,
    /// The rustup toolchain in use, which gets finished standard libraries.
    Rustup,
}

impl Bench {
    fn set_up() -> Result<Bench> {
        let folder = match std::env::var_os("LACUNA_CROSS_DIR").map(PathBuf::from) {
            Some(folder) => std::path::absolute(folder)?,
            None => tools::user_folder("XDG_CACHE_HOME", ".cache")?.join("lacuna-cross"),
        };
        let rust = if packages::known("cargo-web")? { Rust::Debian } else { Rust::Rustup };
        match rust {
            Rust::Debian => packages::ensure(&[packages::DEBIAN_RUST])?,
            Rust::Rustup => tools::run(Command::new("rustup").args(["target", "add", WINDOWS, MACOS]))
                .context("neither Debian's cargo-web nor rustup can build for Windows and macOS here")?,
        }
        Ok(Bench { folder, rust })
    }

    /// `cargo VERB` for a target, in the workspace.
    fn cargo(&self, tree: &Tree, verb: &str, target: &str) -> Result<Command> {
        let mut cargo = Command::new(match self.rust {
            Rust::Debian => "/usr/bin/cargo".into(),
            Rust::Rustup => tools::cargo(),
        });
        cargo.current_dir(&tree.root).arg(verb);
        if self.rust == Rust::Debian {
            let outer = std::env::vars_os().filter(|(name, _)| is_of_outer_cargo(&name.to_string_lossy()));
            for (name, _) in outer {
                cargo.env_remove(name);
            }
            // Else cargo finds rustup's compiler beside Debian's own.
            cargo.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("RUSTC_BOOTSTRAP", "1");
            cargo.arg("-Zbuild-std=std,panic_unwind,test");
        }
        cargo.env("CARGO_TARGET_DIR", self.folder("target")?);
        cargo.args(["--target", target]);
        // Optimising all takes longer than it saves, but hashing and chunking are no good without. The
        // same for both targets, so that they share the build scripts and macros.
        cargo.args(["--config", "profile.dev.package.'*'.opt-level=0"]);
        for package in OPTIMISED {
            cargo.args(["--config", &format!("profile.dev.package.{package}.opt-level=2")]);
        }
        Ok(cargo)
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't create {}", folder.display()))?;
        Ok(folder)
    }

    /// Writes a shell script and answers where it is.
    fn program(&self, name: &str, body: &str) -> Result<PathBuf> {
        let path = self.folder("bin")?.join(name);
        write_if_other(&path, &format!("#!/bin/sh\n{body}\n"))?;
        tools::capture(Command::new("chmod").arg("+x").arg(&path))?;
        Ok(path)
    }

    /// What cargo runs Windows programs by: Wine with a home of its own, quiet about what it lacks.
    fn wine(&self) -> Result<PathBuf> {
        let (prefix, dlls) = (self.folder("wine")?, self.folder("dll")?);
        let body = format!(
            "export WINEPREFIX='{}' WINEDEBUG=-all WINEPATH='Z:{}'\nexec wine \"$@\"",
            prefix.display(),
            dlls.display()
        );
        self.program("wine-run", &body)
    }

    /// Wine before 9 lacks the library that Rust's programs take random numbers from.
    fn bcryptprimitives(&self) -> Result<()> {
        let source = self.folder("dll")?.join("bcryptprimitives.c");
        let dll = source.with_extension("dll");
        let fresh = write_if_other(&source, include_str!("bcryptprimitives.c"))?;
        if fresh || !dll.is_file() {
            let mut cc = Command::new("x86_64-w64-mingw32-gcc");
            tools::run(cc.args(["-shared", "-O2", "-o"]).args([&dll, &source]).arg("-ladvapi32"))?;
        }
        Ok(())
    }

    /// Zig, from PyPI in a virtual environment.
    fn zig(&self) -> Result<PathBuf> {
        let venv = self.folder(&format!("venv-{}", ZIG.replace("==", "-")))?;
        let python = venv.join("bin/python");
        let ask = "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))";
        let find = || tools::capture(Command::new(&python).args(["-c", ask]));
        let zig = find().or_else(|_| {
            println!("Fetching {ZIG} from PyPI: it compiles C code for macOS");
            tools::run(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
            let mut pip = Command::new(venv.join("bin/pip"));
            tools::run(pip.args(["install", "--quiet", "--disable-pip-version-check", ZIG]))?;
            find()
        })?;
        Ok(PathBuf::from(zig.trim()))
    }

    /// A C compiler for one of zig's targets that takes the words Rust's build scripts give Apple's
    /// compiler, and leaves out those that zig understands otherwise.
    fn zig_cc(&self, zig: &Path, target: &str) -> Result<PathBuf> {
        let body = format!(
            r#"n=$#
while [ "$n" -gt 0 ]; do
    word=$1; shift; n=$((n - 1))
    case $word in
        -target|-arch|-isysroot) shift; n=$((n - 1)) ;;
        --target=*|-mmacosx-version-min=*|-mmacos-version-min=*) ;;
        *) set -- "$@" "$word" ;;
    esac
done
exec '{}' cc -target {target} "$@""#,
            zig.display()
        );
        self.program(&format!("cc-{target}"), &body)
    }
}

/// Whether a variable was set by the cargo (or rustup) that runs us for its own compiler, and would
/// mislead another one.
fn is_of_outer_cargo(name: &str) -> bool {
    let kept =
        ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_BUILD_JOBS", "CARGO_REGISTR", "CARGO_TERM_"];
    let cargo = name == "CARGO" || name.starts_with("CARGO_");
    let other = [
        "RUSTC",
        "RUSTDOC",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTUP_TOOLCHAIN",
        "LD_LIBRARY_PATH",
    ];
    (cargo && !kept.iter().any(|k| name.starts_with(k))) || other.contains(&name)
}

/// Writes a file unless it holds `text` already, so that its time stays; whether it was written.
fn write_if_other(path: &Path, text: &str) -> Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(false);
    }
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_compiler_hears_nothing_of_the_outer_one() {
        for name in ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"]
        {
            assert!(is_of_outer_cargo(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "HOME", "CARGOES", "CARGO_BUILD_JOBS"] {
            assert!(!is_of_outer_cargo(name), "{name}");
        }
    }

    #[test]
    fn the_macos_compiler_drops_what_only_apples_understands() {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench { folder: dir.path().to_owned(), rust: Rust::Rustup };
        // By `sh`, not by itself: a script that was just written may still be held open by a fork.
        let cc = bench.zig_cc(Path::new("echo"), "aarch64-macos").unwrap();
        let words = ["-arch", "arm64", "-DA=b c", "-mmacosx-version-min=11.0", "-c", "--target=arm64", "x.c"];
        let said = tools::capture(Command::new("sh").arg(cc).args(words)).unwrap();
        assert_eq!(said, "cc -target aarch64-macos -DA=b c -c x.c\n");
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        assert!(write_if_other(&file, "x").unwrap());
        assert!(!write_if_other(&file, "x").unwrap());
        assert!(write_if_other(&file, "y").unwrap());
    }
}
