//! Which drive a path lies in, found out without asking the drive itself.

use std::path::{Component, Path, PathBuf};

use lacuna::{
    config::normal_path,
    control::api::Status,
    error::{Error, Kind, Result},
};

/// A path as the agent takes it: a drive's name and the path from its root.
#[derive(PartialEq, Eq, Debug)]
pub struct Place {
    /// The drive.
    pub drive: String,
    /// From its root; empty: the root itself.
    pub path: String,
}

/// Finds the drive of a path that the user gave.
///
/// # Errors
/// [`Kind::NotFound`] if it lies in no drive.
pub fn find(path: &Path, status: &Status) -> Result<Place> {
    let absolute = std::path::absolute(path).map_err(|e| Error::io("no such path", e).at(path.display()))?;
    let drives: Vec<(&str, &Path)> =
        status.drives.iter().map(|d| (d.name.as_str(), Path::new(&d.mountpoint))).collect();
    // By its words first: looking at a folder of a drive could make the drive ask its remote.
    let plain = !absolute.components().any(|c| c == Component::ParentDir);
    let by_words = if plain { within(&absolute, &drives)? } else { None };
    if let Some(place) = by_words {
        return Ok(place);
    }
    let real: PathBuf = normal_path(&absolute)?;
    within(&real, &drives)?.ok_or_else(|| {
        Error::new(Kind::NotFound, "this lies in no drive that is mounted")
            .at(path.display())
            .remedy("`lacuna status` shows the drives and where they are")
    })
}

/// The innermost drive that holds an absolute path. Pure.
fn within(path: &Path, drives: &[(&str, &Path)]) -> Result<Option<Place>> {
    let holding =
        drives.iter().filter_map(|(name, at)| path.strip_prefix(at).ok().map(|rest| (name, at, rest)));
    let Some((name, _, rest)) = holding.max_by_key(|(_, at, _)| at.components().count()) else {
        return Ok(None);
    };
    let mut words = Vec::new();
    for part in rest.components() {
        let word = part.as_os_str().to_str();
        words
            .push(word.ok_or_else(|| Error::new(Kind::Invalid, "the name is not UTF-8").at(path.display()))?);
    }
    Ok(Some(Place { drive: (*name).to_owned(), path: words.join("/") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_innermost_drive() {
        let drives = [("a", Path::new("/m")), ("b", Path::new("/m/sub/b")), ("c", Path::new("/mx"))];
        for (path, found) in [
            ("/m/x/y.txt", Some(("a", "x/y.txt"))),
            ("/m", Some(("a", ""))),
            ("/m/sub/b/z", Some(("b", "z"))),
            ("/m/sub/bb", Some(("a", "sub/bb"))),
            ("/mx/1", Some(("c", "1"))),
            ("/mxy", None),
            ("/", None),
        ] {
            let place = within(Path::new(path), &drives).unwrap();
            let place = place.as_ref().map(|p| (p.drive.as_str(), p.path.as_str()));
            assert_eq!(place, found, "{path}");
        }
    }
}
