//! Tokens in a file, for machines without a keychain.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Kind, Result},
    platform,
};

/// A file with tokens by name, which only this user may read: one JSON object.
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The file in this folder. Nothing is made yet.
    pub fn new(folder: &Path) -> TokenFile {
        TokenFile(folder.join("tokens.json"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn load(&self) -> Result<BTreeMap<String, String>> {
        let text = match std::fs::read(&self.0) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(Error::io("the tokens can't be read", e).at(self.0.display())),
        };
        serde_json::from_slice(&text).map_err(|e| {
            Error::new(Kind::Damaged, format!("the tokens can't be understood: {e}"))
                .remedy("delete the file and sign in again: `lacuna login hf`")
                .at(self.0.display())
        })
    }

    fn save(&self, all: &BTreeMap<String, String>) -> Result<()> {
        let failed = |e| Error::io("the tokens can't be written", e).at(self.0.display());
        if let Some(folder) = self.0.parent() {
            platform::private_dir(folder).map_err(failed)?;
        }
        let text = serde_json::to_vec(all)
            .map_err(|e| Error::new(Kind::Other, format!("the tokens can't be written: {e}")))?;
        platform::write_private(&self.0, &text).map_err(failed)
    }

    /// The token of this name.
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        Ok(self.load()?.remove(name))
    }

    /// Keeps a token.
    pub fn set(&self, name: &str, token: &str) -> Result<()> {
        let mut all = self.load()?;
        all.insert(name.to_owned(), token.to_owned());
        self.save(&all)
    }

    /// Forgets a token. Answers whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let mut all = self.load()?;
        let was = all.remove(name).is_some();
        if was {
            self.save(&all)?;
        }
        Ok(was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_by_name_and_a_damaged_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(&dir.path().join("new"));
        assert_eq!(file.get("a").unwrap(), None);
        file.set("a", "1").unwrap();
        file.set("b", "2").unwrap();
        file.set("a", "3").unwrap();
        assert_eq!(file.get("a").unwrap().as_deref(), Some("3"));
        assert!(file.remove("a").unwrap() && !file.remove("a").unwrap());
        assert_eq!(file.get("b").unwrap().as_deref(), Some("2"));
        std::fs::write(file.path(), "{").unwrap();
        assert_eq!(file.set("a", "1").unwrap_err().kind(), Kind::Damaged);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "{");
    }
}
