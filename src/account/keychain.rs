//! The operating system's keychain: Keychain, Credential Manager, or the Secret Service of the desktop.
//!
//! It may ask the user, and on a machine without a desktop there is none; so it is asked in a thread of its own
//! and not waited for longer than a moment.

use std::{sync::mpsc, time::Duration};

use super::Store;

/// How long it may take. A user who is asked for the keychain's password needs longer; the file serves then.
const PATIENCE: Duration = Duration::from_secs(3);
/// Under which name it keeps ours.
const SERVICE: &str = "Lacuna";

/// The keychain of this user's session.
pub struct Keychain;

fn ask<T: Send + 'static>(
    account: &str,
    what: impl FnOnce(keyring::Entry) -> keyring::Result<T> + Send + 'static,
) -> Result<T, String> {
    let account = account.to_owned();
    let (answer, asked) = mpsc::channel();
    let thread = std::thread::Builder::new().name("keychain".into()).spawn(move || {
        let done = keyring::Entry::new(SERVICE, &account).and_then(what);
        // Nobody may wait for it any more.
        let _ = answer.send(done);
    });
    thread.map_err(|e| e.to_string())?;
    match asked.recv_timeout(PATIENCE) {
        Ok(done) => done.map_err(|e| e.to_string()),
        Err(_) => Err("it does not answer".into()),
    }
}

impl Store for Keychain {
    fn get(&self, account: &str) -> Result<Option<String>, String> {
        ask(account, |entry| match entry.get_password() {
            Ok(token) => Ok(Some(token)),
            Err(keyring::Error::NoEntry) => Ok(None),
            Err(e) => Err(e),
        })
    }

    fn set(&self, account: &str, token: &str) -> Result<(), String> {
        let token = token.to_owned();
        ask(account, move |entry| entry.set_password(&token))
    }

    fn remove(&self, account: &str) -> Result<bool, String> {
        ask(account, |entry| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(keyring::Error::NoEntry) => Ok(false),
            Err(e) => Err(e),
        })
    }
}
