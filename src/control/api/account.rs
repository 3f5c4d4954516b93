//! What clients see of the sign-in at the Hugging Face Hub.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Failure;

/// A token on its way. It is written into requests and never into a log: its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// From what somebody typed.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a token is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case")]
pub enum TokenAt {
    /// `HF_TOKEN`, where the agent was started. It comes before every other.
    Environment,
    /// The operating system's keychain.
    Keychain,
    /// A file of Lacuna's that only this user may read: there is no keychain.
    File {
        /// Which.
        path: String,
    },
    /// A file of the Hugging Face command line.
    CommandLine {
        /// Which.
        path: String,
    },
}

/// Who is signed in at a Hub.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The organisations that they belong to.
    pub orgs: Vec<String>,
}

/// The sign-in at the Hub, as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HubAccount {
    /// The Hub's address, without a slash at its end. Tokens are made at `/settings/tokens` of it.
    pub endpoint: String,
    /// Where the token is that counts; none: there is no token.
    pub token: Option<TokenAt>,
    /// Whose it is; none: there is none, or see `trouble`.
    pub user: Option<User>,
    /// Why the Hub did not say whose it is: `signed-out` if it does not know the token, else it was not asked.
    pub trouble: Option<Failure>,
    /// Another token on this machine, which [`Request::SignIn`](super::Request::SignIn) without a token takes.
    pub other: Option<TokenAt>,
}

/// A bucket at the Hub.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// `OWNER/NAME`; to mount it: `hf://buckets/OWNER/NAME`.
    pub id: String,
    /// Whether only its owner sees it.
    pub private: bool,
    /// Bytes in it, if the Hub says so.
    pub size: Option<u64>,
    /// Files in it, if the Hub says so.
    pub files: Option<u64>,
}

/// Some of the buckets that an account can see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Buckets {
    /// Those of the user, then those of the organisations; in pages that the Hub makes, some hundred at most.
    pub buckets: Vec<Bucket>,
    /// Organisations whose buckets the token may not list.
    pub hidden: Vec<String>,
    /// What to ask for the next page with; none: this was the last.
    pub next: Option<String>,
}
