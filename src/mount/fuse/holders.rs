//! Who uses a mount: by the links that `/proc/PID` has to open files, working folders and programs.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// How many are named.
const MOST: usize = 5;

/// A program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub what: PathBuf,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}: {})", self.name, self.pid, self.what.display())
    }
}

/// Some of those that use what is at or under `at`, as far as this user may see. Links are read, never
/// followed: the mount itself is not asked.
pub fn of(at: &Path) -> Vec<Holder> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|p| p.file_name().to_str()?.parse().ok())
        .filter_map(|pid| holder(pid, at))
        .take(MOST)
        .collect()
}

fn holder(pid: u32, at: &Path) -> Option<Holder> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let single = ["cwd", "root", "exe"].map(|link| proc.join(link));
    let many = ["fd", "map_files"].map(|folder| proc.join(folder));
    let links = many.iter().flat_map(fs::read_dir).flat_map(|entries| entries.flatten().map(|e| e.path()));
    let what = single
        .into_iter()
        .chain(links)
        .find_map(|link| fs::read_link(link).ok().filter(|target| target.starts_with(at)))?;
    let name = fs::read_to_string(proc.join("comm")).unwrap_or_default().trim().to_owned();
    Some(Holder { pid, name, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_process_by_an_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        assert_eq!(of(&at), []);
        let file = fs::File::create(at.join("open")).unwrap();
        let found = of(&at);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].pid, &found[0].what), (std::process::id(), &at.join("open")));
        drop(file);
    }
}
