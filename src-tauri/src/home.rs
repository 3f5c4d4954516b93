//! Which home, and the places that a first drive gets by default. The rule is the command line's.

use std::path::{Path, PathBuf};

use lacuna::{
    config::Home,
    error::{Error, Kind, Result},
};
use serde::Serialize;

/// Where a first bucket and its drive go if nobody says otherwise; as `cargo xtask run` chooses them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DefaultPlaces {
    pub bucket: String,
    pub mountpoint: String,
}

/// The home that this app's agent has.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folders.
    pub home: Home,
    /// The one folder that has been asked for, if one was: `LACUNA_HOME`.
    pub asked: Option<PathBuf>,
    /// For a first drive.
    pub defaults: DefaultPlaces,
}

/// Finds the home's folders. Makes none.
///
/// # Errors
/// A folder that can't be made absolute; a user without a home folder.
pub fn find(asked: Option<&Path>) -> Result<Place> {
    if let Some(dir) = asked {
        let dir = std::path::absolute(dir).map_err(|e| Error::io("no such home", e).at(dir.display()))?;
        let runtime = directories::BaseDirs::new().and_then(|dirs| dirs.runtime_dir().map(Path::to_owned));
        let home = Home::under(&dir, &runtime.unwrap_or_else(std::env::temp_dir));
        let defaults = defaults(&dir, &dir);
        return Ok(Place { home, asked: Some(dir), defaults });
    }
    let none = || {
        Error::new(Kind::NotFound, "this user has no home folder").remedy("name one for Lacuna: LACUNA_HOME")
    };
    let dirs = directories::ProjectDirs::from("", "", "lacuna").ok_or_else(none)?;
    let user = directories::BaseDirs::new().ok_or_else(none)?;
    let state: PathBuf = dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned();
    let runtime = dirs.runtime_dir().map_or_else(std::env::temp_dir, Path::to_owned);
    let home = Home { config: dirs.config_dir().to_owned(), state, runtime };
    Ok(Place { home, asked: None, defaults: defaults(dirs.data_local_dir(), user.home_dir()) })
}

fn defaults(data: &Path, user: &Path) -> DefaultPlaces {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    DefaultPlaces { bucket: text(data.join("bucket")), mountpoint: text(user.join("Lacuna")) }
}

impl Place {
    /// A word that two apps of different homes don't share: none for the user's own home.
    pub fn tag(&self) -> Option<String> {
        let dir = self.asked.as_ref()?;
        // FNV-1a: the same in every version; nothing depends on it being hard to invert.
        let hash = dir
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        Some(format!("h{hash:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_of_its_own_takes_everything_in() {
        let place = find(Some(Path::new("/h"))).unwrap();
        assert_eq!(place.home.config, Path::new("/h"));
        assert_eq!(
            place.defaults,
            DefaultPlaces { bucket: "/h/bucket".into(), mountpoint: "/h/Lacuna".into() }
        );
        assert_ne!(place.tag(), find(Some(Path::new("/g"))).unwrap().tag());
        assert_eq!(place.tag(), find(Some(Path::new("/h"))).unwrap().tag());
    }
}
