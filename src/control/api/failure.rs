//! Errors on their way to a client, and back to what they were.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// A failure as data.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word: one of [`KINDS`].
    pub kind: String,
    /// Why, one sentence.
    pub cause: String,
    /// What to do, if it is known.
    pub remedy: Option<String>,
    /// Which file, folder or object it is about.
    pub path: Option<String>,
}

/// The kinds of failure and their words, which are part of the protocol.
pub const KINDS: [(Kind, &str); 12] = [
    (Kind::NotFound, "not-found"),
    (Kind::Offline, "offline"),
    (Kind::Conflict, "conflict"),
    (Kind::NoSpace, "no-space"),
    (Kind::Damaged, "damaged"),
    (Kind::NewerFormat, "newer-format"),
    (Kind::ReadOnly, "read-only"),
    (Kind::Denied, "denied"),
    (Kind::SignedOut, "signed-out"),
    (Kind::Invalid, "invalid"),
    (Kind::Busy, "busy"),
    (Kind::Other, "other"),
];

impl From<&Error> for Failure {
    fn from(e: &Error) -> Failure {
        let word = KINDS.iter().find(|(kind, _)| *kind == e.kind()).map_or("other", |(_, word)| word);
        Failure {
            kind: word.into(),
            cause: e.cause().into(),
            remedy: e.remedy_text().map(str::to_owned),
            path: e.path().map(str::to_owned),
        }
    }
}

impl From<Failure> for Error {
    fn from(f: Failure) -> Error {
        let kind = KINDS.iter().find(|(_, word)| *word == f.kind).map_or(Kind::Other, |(kind, _)| *kind);
        let mut e = Error::new(kind, f.cause);
        if let Some(remedy) = f.remedy {
            e = e.remedy(remedy);
        }
        if let Some(path) = f.path {
            e = e.at(path);
        }
        e
    }
}
