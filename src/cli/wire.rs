//! What the command line wires together: the agent's drives, the buckets' housekeeping, who is signed in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lacuna::{
    account::{Account, Keychain, SignIn},
    agent::{Holder, Mounter},
    config::Home,
    error::{Error, Kind, Result},
    remote::{hf, store},
};

/// What the agent mounts with.
pub fn holder(home: &Home) -> Arc<dyn Holder> {
    Arc::new(Mounter { hub: Arc::new(hub_sign_in(home)) })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The Hub's address: `HF_ENDPOINT`, or Hugging Face's own.
pub fn hub_endpoint() -> String {
    variable("HF_ENDPOINT").unwrap_or_else(|| hf::ENDPOINT.to_owned())
}

/// The sign-in at that Hub.
pub fn hub_sign_in(home: &Home) -> SignIn {
    SignIn::new(&hub_endpoint(), Arc::new(hub_account(home)))
}

/// Who is signed in at the Hub: `HF_TOKEN`, `lacuna login hf`, or the Hugging Face command line, whose file is where
/// `HF_TOKEN_PATH`, `HF_HOME`, `XDG_CACHE_HOME` or the home folder say.
pub fn hub_account(home: &Home) -> Account {
    let folder = variable("HF_HOME").map(PathBuf::from).or_else(|| {
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".cache")));
        Some(cache?.join("huggingface"))
    });
    let theirs = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(folder?.join("token")));
    Account::new(&home.config, Arc::new(Keychain), variable("HF_TOKEN"), theirs)
}

fn url(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::new(Kind::Invalid, "a bucket's path must be UTF-8").at(path.display()))
}

/// Makes a bucket in a folder. Answers false if it was one already.
pub async fn store_init(path: &Path) -> Result<bool> {
    store::init(url(path)?).await
}

/// Reads a bucket through and checks everything in it. `scratch` is a folder for a temporary file.
pub async fn store_check(path: &Path, scratch: &Path) -> Result<store::Report> {
    store::check(url(path)?, scratch).await
}
