//! [`Place`]: what an `hf://` URL names, and the Hub's addresses of it. Pure.
//!
//! `hf://buckets/OWNER/NAME[/sub/folder]`, and read-only `hf://models/ID[@REVISION][/sub/folder]`, likewise
//! `datasets` and `spaces`. An id is `OWNER/NAME`; a model's or dataset's may be one word (`gpt2`) if nothing
//! follows it. A revision may hold `/` if the URL ends with it, or is written with `%2F`.

use std::fmt::Write;

use crate::{
    error::{Error, Kind, Result},
    node::Name,
};

/// The revision of a repository whose URL names none.
const MAIN: &str = "main";

/// What sort of thing at the Hub it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Storage to read and write.
    Bucket,
    /// A repository of each kind, to read.
    Model,
    /// See above.
    Dataset,
    /// See above.
    Space,
}

impl Sort {
    /// As it stands in the API's addresses.
    fn plural(self) -> &'static str {
        match self {
            Sort::Bucket => "buckets",
            Sort::Model => "models",
            Sort::Dataset => "datasets",
            Sort::Space => "spaces",
        }
    }
}

/// What an `hf://` URL names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// What it is.
    pub sort: Sort,
    /// `OWNER/NAME`.
    pub id: String,
    /// Of a repository: the branch, tag or commit.
    pub revision: Option<String>,
    /// The folder that the drive shows, without slashes at its ends; empty: all.
    pub folder: String,
}

fn wrong(url: &str, cause: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, cause)
        .remedy("write hf://buckets/OWNER/NAME, or to read hf://models/OWNER/NAME, hf://datasets/… or hf://spaces/…, with @REVISION if need be")
        .at(url)
}

/// A word of an id: what the Hub allows in one, which needs no escaping anywhere.
pub(super) fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 96
        && !matches!(word, "." | "..")
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn is_revision(revision: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '+');
    !revision.is_empty() && revision.len() <= 255 && !revision.contains("..") && revision.chars().all(ok)
}

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// `Invalid`, with how it is written.
    pub fn parse(url: &str) -> Result<Place> {
        let rest =
            url.strip_prefix("hf://").ok_or_else(|| wrong(url, "an address at the Hub begins with hf://"))?;
        let (sort, rest) =
            rest.split_once('/').ok_or_else(|| wrong(url, "the owner and the name are missing"))?;
        let sort = match sort {
            "buckets" => Sort::Bucket,
            "models" => Sort::Model,
            "datasets" => Sort::Dataset,
            "spaces" => Sort::Space,
            other => return Err(wrong(url, format!("'{other}' is nothing that the Hub has"))),
        };
        // `a/b@r/x`: the revision is the third word's; `a/b@refs/pr/1` ends with it.
        let (path, at) = match rest.split_once('@') {
            Some((path, at)) if sort != Sort::Bucket => (path, Some(at)),
            _ => (rest, None),
        };
        let mut words = path.trim_end_matches('/').splitn(3, '/');
        let (first, second, mut folder) =
            (words.next().unwrap_or(""), words.next(), words.next().unwrap_or("").to_owned());
        let id = match second {
            Some(second) if is_word(first) && is_word(second) => format!("{first}/{second}"),
            None if is_word(first) && matches!(sort, Sort::Model | Sort::Dataset) => first.to_owned(),
            _ => return Err(wrong(url, "after the kind come the owner and the name")),
        };
        let revision = match at {
            None => (sort != Sort::Bucket).then(|| MAIN.to_owned()),
            Some(_) if !folder.is_empty() => return Err(wrong(url, "the @REVISION follows the name")),
            Some(at) => {
                // Names of refs hold slashes; of what else follows a slash nobody can tell whose it is.
                let (revision, below) = match at.strip_prefix("refs/") {
                    Some(_) => (at, ""),
                    None => at.split_once('/').unwrap_or((at, "")),
                };
                folder = below.to_owned();
                let revision = revision.replace("%2F", "/").replace("%2f", "/");
                if !is_revision(&revision) {
                    return Err(wrong(url, format!("'{revision}' is no revision")));
                }
                Some(revision)
            }
        };
        let folder = folder.trim_end_matches('/').to_owned();
        if folder.split('/').any(|part| !folder.is_empty() && Name::new(part).is_err()) {
            return Err(wrong(url, format!("'{folder}' is no folder")));
        }
        Ok(Place { sort, id, revision, folder })
    }

    /// Whether it is a bucket.
    pub fn is_bucket(&self) -> bool {
        self.sort == Sort::Bucket
    }

    /// Whether the revision is a commit, which never changes.
    pub fn is_fixed(&self) -> bool {
        self.revision.as_deref().is_some_and(is_commit)
    }

    /// The key at the Hub of a path in the drive.
    pub fn key(&self, path: &str) -> String {
        match (self.folder.as_str(), path) {
            ("", path) => path.to_owned(),
            (folder, "") => folder.to_owned(),
            (folder, path) => format!("{folder}/{path}"),
        }
    }

    /// The path in the drive of a key at the Hub; `None`: not in this folder.
    pub fn path<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.folder.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&self.folder)?.strip_prefix('/')
    }

    /// The address of the thing itself: `…/api/buckets/a/b`.
    pub fn api(&self) -> String {
        format!("api/{}/{}", self.sort.plural(), self.id)
    }

    /// The address that tells whether anything changed.
    pub fn probe(&self) -> String {
        match &self.revision {
            Some(revision) if revision != MAIN => {
                format!("{}/revision/{}", self.api(), encode(revision, true))
            }
            _ => self.api(),
        }
    }

    /// The address of a listing of one folder, given by its path in the drive. `commit` is where a repository
    /// stands.
    pub fn tree(&self, path: &str, commit: &str) -> String {
        let mut at = format!("{}/tree", self.api());
        if !self.is_bucket() {
            let _ = write!(at, "/{}", encode(commit, true));
        }
        let key = self.key(path);
        if !key.is_empty() {
            let _ = write!(at, "/{}", encode(&key, false));
        }
        match self.sort {
            Sort::Bucket => at.push_str("?recursive=false&limit=5000"),
            _ => at.push_str("?limit=1000"),
        }
        at
    }

    /// The address of the tokens for the contents.
    pub fn token(&self, write: bool) -> String {
        let right = if write { "write" } else { "read" };
        match &self.revision {
            None => format!("{}/xet-{right}-token", self.api()),
            Some(revision) => format!("{}/xet-{right}-token/{}", self.api(), encode(revision, true)),
        }
    }

    /// The address of a file's bytes, given by its key.
    pub fn resolve(&self, key: &str, commit: &str) -> String {
        let key = encode(key, false);
        let commit = encode(commit, true);
        match self.sort {
            Sort::Bucket => format!("buckets/{}/resolve/{key}", self.id),
            Sort::Model => format!("{}/resolve/{commit}/{key}", self.id),
            _ => format!("{}/{}/resolve/{commit}/{key}", self.sort.plural(), self.id),
        }
    }
}

/// Whether it is the full name of a Git commit.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Percent-encodes all but unreserved characters; slashes too if `slashes`.
fn encode(path: &str, slashes: bool) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' if !slashes => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let place = |url: &str| {
            let p = Place::parse(url).unwrap();
            (p.sort, p.id, p.revision.unwrap_or_default(), p.folder)
        };
        let want = |s, id: &str, r: &str, f: &str| (s, id.to_owned(), r.to_owned(), f.to_owned());
        assert_eq!(place("hf://buckets/me/data"), want(Sort::Bucket, "me/data", "", ""));
        assert_eq!(place("hf://buckets/me/data/a/b c/"), want(Sort::Bucket, "me/data", "", "a/b c"));
        assert_eq!(place("hf://buckets/me/data/x@y"), want(Sort::Bucket, "me/data", "", "x@y"));
        assert_eq!(place("hf://models/gpt2"), want(Sort::Model, "gpt2", "main", ""));
        assert_eq!(place("hf://models/gpt2@v1.0"), want(Sort::Model, "gpt2", "v1.0", ""));
        assert_eq!(place("hf://datasets/o/n@refs/pr/1"), want(Sort::Dataset, "o/n", "refs/pr/1", ""));
        assert_eq!(
            place("hf://datasets/o/n@refs%2Fpr%2F1/sub"),
            want(Sort::Dataset, "o/n", "refs/pr/1", "sub")
        );
        assert_eq!(place("hf://spaces/o/n@main/a/b"), want(Sort::Space, "o/n", "main", "a/b"));
        assert_eq!(place("hf://models/o/n/sub"), want(Sort::Model, "o/n", "main", "sub"));
    }

    #[test]
    fn nonsense_is_refused_with_a_remedy() {
        for url in [
            "hf:buckets/a/b",
            "hf://",
            "hf://buckets",
            "hf://buckets/a",
            "hf://buckets//b",
            "hf://things/a/b",
            "hf://buckets/a/..",
            "hf://buckets/a/b/../c",
            "hf://buckets/a/b//c",
            "hf://models/o/n@",
            "hf://spaces/one",
            "hf://models/o/n@a..b",
            "hf://models/o/n@a b",
            "hf://models/o/n/sub@v1",
            "hf://buckets/a b/c",
        ] {
            let e = Place::parse(url).expect_err(url);
            assert!(e.kind() == Kind::Invalid && e.remedy_text().is_some(), "{url}");
        }
    }

    #[test]
    fn paths_are_escaped_and_revisions_are_one_word() {
        let bucket = Place::parse("hf://buckets/me/data/sub").unwrap();
        assert_eq!(
            bucket.tree("a b/ü#?%", ""),
            "api/buckets/me/data/tree/sub/a%20b/%C3%BC%23%3F%25?recursive=false&limit=5000"
        );
        assert_eq!(bucket.token(true), "api/buckets/me/data/xet-write-token");
        assert_eq!(bucket.path("sub/a/b"), Some("a/b"));
        assert_eq!(bucket.path("subway/a"), None);
        assert_eq!(bucket.key(""), "sub");
        let pr = Place::parse("hf://models/o/n@refs/pr/1").unwrap();
        assert_eq!(pr.probe(), "api/models/o/n/revision/refs%2Fpr%2F1");
        assert_eq!(pr.resolve("a/b", "c0"), "o/n/resolve/c0/a/b");
        assert!(!pr.is_fixed());
        assert!(Place::parse(&format!("hf://models/o/n@{}", "0a".repeat(20))).unwrap().is_fixed());
    }
}
