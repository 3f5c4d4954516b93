//! Which home: `--home`, `LACUNA_HOME`, or the user's folders as the desktop has them.

use std::path::{Path, PathBuf};

use lacuna::{
    config::Home,
    error::{Error, Kind, Result},
};

/// Finds the home's folders. Makes none.
pub fn find(asked: Option<&Path>) -> Result<Home> {
    if let Some(dir) = asked {
        let dir = std::path::absolute(dir).map_err(|e| Error::io("no such home", e).at(dir.display()))?;
        let runtime = directories::BaseDirs::new().and_then(|dirs| dirs.runtime_dir().map(Path::to_owned));
        return Ok(Home::under(&dir, &runtime.unwrap_or_else(std::env::temp_dir)));
    }
    let dirs = directories::ProjectDirs::from("", "", "lacuna").ok_or_else(|| {
        Error::new(Kind::NotFound, "this user has no home folder").remedy("name one for Lacuna: --home DIR")
    })?;
    let state: PathBuf = dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned();
    let runtime = dirs.runtime_dir().map_or_else(std::env::temp_dir, Path::to_owned);
    Ok(Home { config: dirs.config_dir().to_owned(), state, runtime })
}
