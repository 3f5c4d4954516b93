//! The staging folder: the files of a package as they are going to be installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    Programs,
    contents::{self, Format, From},
    facts::Facts,
};
use crate::{
    sys,
    tools::{self, Tree},
};

/// What a package is staged from.
pub struct Sources<'a> {
    /// The repository.
    pub tree: &'a Tree,
    /// Version and time.
    pub facts: &'a Facts,
    /// The built programs.
    pub programs: &'a Programs,
    /// The text that `legal::text` made.
    pub licences: &'a str,
}

/// A staged file or link, by its path from the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Staged {
    /// Without the leading slash.
    pub path: String,
    /// Permissions; none: a symbolic link.
    pub mode: Option<u32>,
}

impl Sources<'_> {
    /// Fills `root`, which is emptied first. Answers what is in it, in order.
    pub fn stage(&self, format: Format, root: &Path) -> Result<Vec<Staged>> {
        empty(root)?;
        for item in contents::items(format, self.facts.app) {
            self.put(item.from, &root.join(item.to))
                .with_context(|| format!("/{} can't be made", item.to))?;
        }
        let mut staged = Vec::new();
        list(root, root, &mut staged)?;
        staged.sort();
        Ok(staged)
    }

    fn put(&self, from: From, to: &Path) -> Result<()> {
        let parent = to.parent().context("no folder")?;
        fs::create_dir_all(parent)?;
        let ours = |name: &str| self.tree.root.join("installers/linux").join(name);
        match from {
            From::Program(name) => {
                let built = self.programs.of(name).with_context(|| format!("{name} was not built"))?;
                fs::copy(built, to).with_context(|| format!("can't copy {}", built.display()))?;
                // What a debugger wants of it stays in the target folder.
                tools::capture(
                    Command::new("strip")
                        .args(["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note"])
                        .arg(to),
                )?;
                set_mode(to, contents::mode(from))
            }
            From::Ours(name) => write(to, &fs::read(ours(name))?),
            From::Filled(name) => write(to, self.facts.fill(&fs::read_to_string(ours(name))?)?.as_bytes()),
            From::Tree(name) => write(to, &fs::read(self.tree.root.join(name))?),
            From::Printed(words) => {
                let text = tools::capture(self.lacuna().args(words))?;
                write(to, text.as_bytes())
            }
            From::Icon(pixels) => {
                let mut convert = Command::new("rsvg-convert");
                convert.args(["--width", &pixels.to_string(), "--height", &pixels.to_string(), "--output"]);
                tools::capture(convert.arg(to).arg(self.tree.root.join(contents::ICON)))?;
                set_mode(to, contents::mode(from))
            }
            From::Manual => self.manual(to),
            From::Licences => write(to, self.licences.as_bytes()),
            From::Link(target) => Ok(sys::symlink(target, to)?),
        }
    }

    /// The program that was built, with no home to look into.
    fn lacuna(&self) -> Command {
        let mut lacuna = Command::new(&self.programs.lacuna);
        lacuna.env_remove("LACUNA_HOME").env("COLUMNS", "100");
        lacuna
    }

    fn manual(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        tools::capture(self.lacuna().arg("man").arg(to))?;
        let mut pages = 0;
        for page in fs::read_dir(to)? {
            let page = page?.path();
            if page.extension().is_some_and(|e| e == "1") {
                gzip(&page)?;
                pages += 1;
            }
        }
        match pages {
            0 => bail!("`lacuna man` has written no page"),
            _ => Ok(()),
        }
    }
}

/// Makes a folder, empty.
pub fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("can't empty {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
    set_mode(folder, 0o755)
}

/// Writes a file, compressed if its name says so.
fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    match to.extension().is_some_and(|e| e == "gz") {
        true => {
            let plain = to.with_extension("");
            fs::write(&plain, bytes)?;
            gzip(&plain)
        }
        false => {
            fs::write(to, bytes)?;
            set_mode(to, 0o644)
        }
    }
}

/// Compresses a file in place, without its time, so that the same text gives the same bytes.
fn gzip(file: &Path) -> Result<()> {
    tools::capture(
        Command::new("gzip").args(["-9", "--no-name", "--force"]).arg(file).stdout(Stdio::null()),
    )?;
    let mut packed = file.as_os_str().to_owned();
    packed.push(".gz");
    set_mode(&PathBuf::from(packed), 0o644)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    sys::set_mode(path, mode).with_context(|| format!("can't set the mode of {}", path.display()))
}

/// All files and links below `folder`. Folders become 0755 on the way, whatever the user's umask is.
fn list(root: &Path, folder: &Path, into: &mut Vec<Staged>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            set_mode(&path, 0o755)?;
            list(root, &path, into)?;
        } else {
            let name = path.strip_prefix(root)?.to_str().context("a name that is not UTF-8")?.to_owned();
            let mode = (!meta.is_symlink()).then_some(sys::mode(&meta));
            into.push(Staged { path: name, mode });
        }
    }
    Ok(())
}

/// Whether the staged files are those of the table, which is what both packages are checked against.
/// Answers what is wrong.
pub fn differences(format: Format, app: bool, staged: &[Staged]) -> Vec<String> {
    let has = |path: &str| staged.iter().find(|s| s.path == path);
    let mut wrong = Vec::new();
    for item in contents::items(format, app) {
        match (item.from, has(item.to)) {
            (From::Manual, _) => {
                let page = format!("{}/lacuna.1.gz", item.to);
                wrong.extend(has(&page).is_none().then(|| format!("/{page} is missing")));
            }
            (_, None) => wrong.push(format!("/{} is missing", item.to)),
            (From::Link(_), Some(s)) if s.mode.is_some() => wrong.push(format!("/{} is no link", item.to)),
            (From::Link(_), Some(_)) => {}
            (from, Some(s)) if s.mode != Some(contents::mode(from)) => {
                wrong.push(format!("/{} has the mode {:o}", item.to, s.mode.unwrap_or(0)));
            }
            _ => {}
        }
    }
    for s in staged {
        let of_table = contents::items(format, app).any(|i| match i.from {
            From::Manual => {
                s.path.strip_prefix(i.to).is_some_and(|f| f.starts_with("/lacuna") && f.ends_with(".1.gz"))
            }
            _ => s.path == i.to,
        });
        wrong.extend((!of_table).then(|| format!("/{} is not in the table", s.path)));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(format: Format) -> Vec<Staged> {
        let staged = |i: &contents::Item| match i.from {
            From::Manual => Staged { path: format!("{}/lacuna.1.gz", i.to), mode: Some(0o644) },
            From::Link(_) => Staged { path: i.to.into(), mode: None },
            from => Staged { path: i.to.into(), mode: Some(contents::mode(from)) },
        };
        contents::items(format, true).map(staged).collect()
    }

    #[test]
    fn a_package_is_what_the_table_says() {
        assert_eq!(differences(Format::Deb, true, &complete(Format::Deb)), [""; 0]);
        assert_eq!(differences(Format::Rpm, true, &complete(Format::Rpm)), [""; 0]);
    }

    #[test]
    fn what_lacks_is_too_much_or_has_another_mode_is_told() {
        let mut staged = complete(Format::Deb);
        staged.retain(|s| s.path != "usr/bin/lacuna");
        staged.push(Staged { path: "usr/bin/other".into(), mode: Some(0o755) });
        for s in &mut staged {
            if s.path.ends_with("lacuna.service") {
                s.mode = Some(0o600);
            }
        }
        assert_eq!(
            differences(Format::Deb, true, &staged),
            [
                "/usr/bin/lacuna is missing",
                "/usr/lib/systemd/user/lacuna.service has the mode 600",
                "/usr/lib/systemd/user/default.target.wants/lacuna.service is no link",
                "/usr/bin/other is not in the table",
            ]
        );
    }

    #[test]
    fn files_are_compressed_alike_and_folders_can_be_entered() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("x/a.gz"), dir.path().join("x/b.gz"));
        fs::create_dir(dir.path().join("x")).unwrap();
        write(&a, b"text").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        write(&b, b"text").unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        let mut staged = Vec::new();
        list(dir.path(), dir.path(), &mut staged).unwrap();
        staged.sort();
        assert_eq!(staged[0], Staged { path: "x/a.gz".into(), mode: Some(0o644) });
        assert_eq!(sys::mode(&fs::metadata(dir.path().join("x")).unwrap()), 0o755);
    }
}
