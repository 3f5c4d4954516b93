//! Who the user is at the services that remotes are at: tokens, where they are kept, and which one counts.
//!
//! A token is kept in the operating system's keychain where there is one, else in a file that only this user
//! may read. The engine reads no environment: what the environment says is handed in.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Kind, Result},
    remote::hf::Tokens,
};

mod file;
mod keychain;
mod sign_in;

pub use file::TokenFile;
pub use keychain::Keychain;
pub use sign_in::SignIn;

/// Keeps secrets by name.
pub trait Store: Send + Sync {
    /// The secret; an `Err` says why it can't be asked.
    fn get(&self, account: &str) -> std::result::Result<Option<String>, String>;
    /// Keeps it, in place of an older one.
    fn set(&self, account: &str, token: &str) -> std::result::Result<(), String>;
    /// Forgets it. Answers whether there was one.
    fn remove(&self, account: &str) -> std::result::Result<bool, String>;
}

/// Where a token was put or found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// `HF_TOKEN` says so.
    Environment,
    /// In the keychain.
    Keychain,
    /// In a file of Lacuna's.
    File(PathBuf),
    /// In a file of the Hugging Face command line.
    CommandLine(PathBuf),
}

/// What is remembered of a look for the token.
type Seen = Option<(Instant, String, Option<(String, Found)>)>;

/// The user's sign-in at the Hugging Face Hub.
pub struct Account {
    keychain: Arc<dyn Store>,
    file: TokenFile,
    given: Option<String>,
    theirs: Option<PathBuf>,
    /// The last answer, so that not every call asks the keychain.
    seen: Mutex<Seen>,
}

/// For so long a token that was found counts without looking again.
const FRESH: Duration = Duration::from_secs(10);

/// A token: what stands on one line, without blanks.
fn clean(token: &str) -> Option<String> {
    let token = token.trim();
    let ok = !token.is_empty() && token.len() <= 4096 && token.chars().all(|c| c.is_ascii_graphic());
    ok.then(|| token.to_owned())
}

/// As [`clean`], with what is wrong.
fn checked(token: &str) -> Result<String> {
    clean(token).ok_or_else(|| {
        Error::new(Kind::Invalid, "this is no token")
            .remedy("copy it from the Hub's settings: it begins with hf_")
    })
}

impl Account {
    /// `folder` is where the file goes if there is no keychain; `given` what `HF_TOKEN` says; `theirs` the file in
    /// which the Hugging Face command line keeps its token.
    pub fn new(
        folder: &Path,
        keychain: Arc<dyn Store>,
        given: Option<String>,
        theirs: Option<PathBuf>,
    ) -> Account {
        let given = given.as_deref().and_then(clean);
        Account { keychain, file: TokenFile::new(folder), given, theirs, seen: Mutex::default() }
    }

    /// The name under which the token of an endpoint is kept.
    fn name(endpoint: &str) -> String {
        format!("hf {}", endpoint.trim_end_matches('/'))
    }

    /// Keeps a token. Answers where.
    ///
    /// # Errors
    /// `Invalid` if it can be none; what writing a file can fail with.
    pub fn sign_in(&self, endpoint: &str, token: &str) -> Result<Found> {
        let token = checked(token)?;
        let name = Self::name(endpoint);
        let kept = match self.keychain.set(&name, &token) {
            // An older one in the file must not stay behind.
            Ok(()) => self.file.remove(&name).map(|_| Found::Keychain),
            Err(why) => {
                tracing::info!("no keychain: {why}");
                self.file.set(&name, &token).map(|()| Found::File(self.file.path().to_owned()))
            }
        };
        // Not before: a drive may have looked meanwhile.
        *self.seen() = None;
        kept
    }

    /// Forgets the token. Answers whether one was kept here.
    pub fn sign_out(&self, endpoint: &str) -> Result<bool> {
        let name = Self::name(endpoint);
        let kept = self.keychain.remove(&name).unwrap_or(false);
        let filed = self.file.remove(&name);
        *self.seen() = None;
        Ok(filed? || kept)
    }

    /// The token that counts for an endpoint, and where it is: what the environment says, then what was signed
    /// in with, then what the Hugging Face command line has.
    pub fn find(&self, endpoint: &str) -> Option<(String, Found)> {
        if let Some(token) = &self.given {
            return Some((token.clone(), Found::Environment));
        }
        let name = Self::name(endpoint);
        if let Ok(Some(token)) = self.keychain.get(&name) {
            return clean(&token).map(|t| (t, Found::Keychain));
        }
        match self.file.get(&name) {
            Ok(Some(token)) => return clean(&token).map(|t| (t, Found::File(self.file.path().to_owned()))),
            Ok(None) => {}
            Err(e) => tracing::warn!("the token can't be read: {e}"),
        }
        self.theirs()
    }

    /// What the Hugging Face command line has.
    fn theirs(&self) -> Option<(String, Found)> {
        let theirs = self.theirs.as_ref()?;
        let text = std::fs::read_to_string(theirs).ok()?;
        clean(&text).map(|t| (t, Found::CommandLine(theirs.clone())))
    }

    /// A token of this machine that does not count because the one that does ([`Account::find`]) was signed in with,
    /// and is another one. (Nothing can take the place of what the environment says.)
    pub fn other(&self, counts: &(String, Found)) -> Option<(String, Found)> {
        let kept_here = matches!(counts.1, Found::Keychain | Found::File(_));
        self.theirs().filter(|(theirs, _)| kept_here && *theirs != counts.0)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Tokens for Account {
    fn token(&self, endpoint: &str) -> Option<String> {
        let mut seen = self.seen();
        if let Some((when, whose, found)) = &*seen
            && whose == endpoint
            && when.elapsed() < FRESH
        {
            return found.as_ref().map(|(token, _)| token.clone());
        }
        let found = self.find(endpoint);
        let token = found.as_ref().map(|(token, _)| token.clone());
        *seen = Some((Instant::now(), endpoint.to_owned(), found));
        token
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A keychain of the tests' own: this machine's must not be touched.
    #[derive(Default)]
    struct Ring {
        locked: bool,
        held: Mutex<HashMap<String, String>>,
    }

    impl Store for Ring {
        fn get(&self, account: &str) -> std::result::Result<Option<String>, String> {
            if self.locked {
                Err("locked".into())
            } else {
                Ok(self.held.lock().unwrap().get(account).cloned())
            }
        }
        fn set(&self, account: &str, token: &str) -> std::result::Result<(), String> {
            if self.locked {
                return Err("locked".into());
            }
            self.held.lock().unwrap().insert(account.into(), token.into());
            Ok(())
        }
        fn remove(&self, account: &str) -> std::result::Result<bool, String> {
            if self.locked {
                Err("locked".into())
            } else {
                Ok(self.held.lock().unwrap().remove(account).is_some())
            }
        }
    }

    fn account(dir: &Path, locked: bool, given: Option<&str>) -> Account {
        let ring = Arc::new(Ring { locked, ..Ring::default() });
        Account::new(dir, ring, given.map(str::to_owned), Some(dir.join("theirs")))
    }

    #[test]
    fn the_environment_comes_first_and_the_other_command_line_last() {
        let dir = tempfile::tempdir().unwrap();
        for locked in [false, true] {
            let a = account(dir.path(), locked, None);
            let _ = std::fs::remove_file(dir.path().join("theirs"));
            assert_eq!(a.find("https://hub"), None);
            std::fs::write(dir.path().join("theirs"), "hf_theirs\n").unwrap();
            assert_eq!(a.find("https://hub").unwrap().0, "hf_theirs");
            let at = a.sign_in("https://hub/", " hf_mine ").unwrap();
            assert_eq!(at == Found::Keychain, !locked);
            assert_eq!(a.find("https://hub"), Some(("hf_mine".into(), at)));
            assert_eq!(a.token("https://hub").as_deref(), Some("hf_mine"));
            let other = |endpoint: &str| a.find(endpoint).and_then(|counts| a.other(&counts));
            assert_eq!(other("https://hub").unwrap().0, "hf_theirs");
            assert_eq!(other("https://other"), None, "it counts there");
            assert_eq!(a.find("https://other").unwrap().0, "hf_theirs", "a token goes to no other Hub");
            assert!(a.sign_out("https://hub").unwrap() && !a.sign_out("https://hub").unwrap());
            assert_eq!(a.token("https://hub").as_deref(), Some("hf_theirs"));
        }
        let given = account(dir.path(), true, Some("hf_env"));
        let counts = given.find("x").unwrap();
        assert_eq!(
            (&counts.1, given.other(&counts)),
            (&Found::Environment, None),
            "nothing can take its place"
        );
    }

    #[test]
    fn nonsense_is_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let a = account(dir.path(), true, Some("  "));
        assert_eq!(a.find("x"), None);
        for bad in ["", " ", "a b", "a\nb", "hf_ü"] {
            assert_eq!(a.sign_in("x", bad).unwrap_err().kind(), Kind::Invalid, "{bad:?}");
        }
    }
}
