//! Running other programs, and where things are in this tree.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;

/// Where this clone is and where cargo builds it.
pub struct Tree {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Tree {
    /// Asks cargo.
    pub fn find() -> Result<Tree> {
        let mut cargo = Command::new(cargo());
        cargo.args(["metadata", "--no-deps", "--format-version=1"]);
        let text = capture(&mut cargo)?;
        let json: serde_json::Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        let folder = |key: &str| {
            json[key].as_str().map(PathBuf::from).with_context(|| format!("cargo metadata tells no {key}"))
        };
        Ok(Tree { root: folder("workspace_root")?, target: folder("target_directory")? })
    }
}

/// The cargo that runs us.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Heads a part of the output.
pub fn heading(text: &str) {
    println!("\n==> {text}");
}

/// A command as one could type it, without its environment.
pub fn typed(command: &Command) -> String {
    let quote = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program).chain(command.get_args()).map(quote).collect::<Vec<_>>().join(" ")
}

/// Says and runs a command; whether it succeeded.
pub fn succeeds(command: &mut Command) -> Result<bool> {
    println!("    $ {}", typed(command));
    std::io::stdout().flush().ok();
    let status = command.stdin(Stdio::null()).status().with_context(|| cannot_start(command))?;
    Ok(status.success())
}

/// Says and runs a command that has to succeed.
pub fn run(command: &mut Command) -> Result<()> {
    if !succeeds(command)? {
        bail!("`{}` failed", typed(command));
    }
    Ok(())
}

/// What a command that has to succeed prints.
pub fn capture(command: &mut Command) -> Result<String> {
    let out = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    if !out.status.success() {
        let err = String::from_utf8_lossy(&out.stderr);
        bail!("`{}` failed: {}", typed(command), err.trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Says and runs a command that runs tests: passes its output on and counts in it.
pub fn observe(command: &mut Command, to: &mut dyn Write) -> Result<(bool, Tally)> {
    println!("    $ {}", typed(command));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let mut tally = Tally::default();
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        let mut line = Vec::new();
        while out.read_until(b'\n', &mut line)? > 0 {
            to.write_all(&line)?;
            tally.line(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    Ok((child.wait()?.success(), tally))
}

fn cannot_start(command: &Command) -> String {
    format!("can't start `{}`", command.get_program().to_string_lossy())
}

/// Where a program of crates.io is, installed first if it is not there in this very version. `profile`:
/// how cargo builds it.
pub fn program(tree: &Tree, name: &str, version: &str, profile: &str) -> Result<PathBuf> {
    let folder = tree.target.join("tools").join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !is_there(&program) {
        println!("Building {name} {version} from crates.io");
        let mut install = Command::new(cargo());
        // Apart from the workspace's settings and from a change of its target folder.
        install.current_dir(&tree.target).env("CARGO_TARGET_DIR", tree.target.join("tools").join("build"));
        install
            .args([
                "install",
                "--locked",
                "--quiet",
                "--profile",
                profile,
                name,
                "--version",
                version,
                "--root",
            ])
            .arg(&folder);
        run(&mut install)?;
    }
    Ok(program)
}

fn is_there(program: &Path) -> bool {
    std::fs::metadata(program).is_ok_and(|m| m.is_file())
}

/// Whether a program is on the search path (or in the folders of system programs).
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(program).is_file())
}

/// A command that acts as root.
pub fn as_root(program: &str) -> Command {
    if is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg(program);
        sudo
    }
}

/// Whether we are root.
pub fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The user's home folder.
pub fn home() -> Result<PathBuf> {
    std::env::home_dir().filter(|h| h.is_absolute()).context("there is no home folder: set HOME")
}

/// A folder of the user by the XDG rules: the variable if it is an absolute path, else below home.
pub fn user_folder(variable: &str, below_home: &str) -> Result<PathBuf> {
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(folder) if folder.is_absolute() => Ok(folder),
        _ => Ok(home()?.join(below_home)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_one_could_type_them() {
        let mut c = Command::new("/usr/bin/cargo");
        c.args(["--config", "a.'*'.b=1", "-p", "x"]).env("SECRET", "y");
        assert_eq!(typed(&c), r"cargo --config 'a.'\''*'\''.b=1' -p x");
    }

    #[test]
    fn a_failure_names_the_command() {
        let e = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(e.to_string(), "`sh -c 'exit 3'` failed");
        let e = capture(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(e.to_string(), "`sh -c 'echo why >&2; exit 3'` failed: why");
        let e = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(e.to_string(), "can't start `no-such-program-here`");
    }

    #[test]
    fn what_tests_say_is_counted_while_it_passes_by() {
        let script = "echo 'test a ... ok'; echo 'test b ... FAILED'; \
                      echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured'; exit 101";
        // Not to standard output, where the tests' own runner counts too.
        let mut shown = Vec::new();
        let (ok, tally) = observe(Command::new("sh").args(["-c", script]), &mut shown).unwrap();
        assert!(shown.starts_with(b"test a ... ok\ntest b"));
        assert!(!ok);
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }
}
