//! A read-only repository: several revisions of files, plain ones and ones in the CAS. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::clock::Millis;

/// What sort of repository.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `/api/models/…`, and files without a prefix.
    Model,
    /// `/api/datasets/…`.
    Dataset,
    /// `/api/spaces/…`.
    Space,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 3] = [Kind::Model, Kind::Dataset, Kind::Space];

    /// As in `/api/models`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
            Kind::Space => "spaces",
        }
    }

    /// As in `sourceRepoType`.
    pub fn singular(self) -> &'static str {
        self.plural().trim_end_matches('s')
    }

    /// The kind of `/api/models`.
    pub fn of_plural(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.plural() == text)
    }
}

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In git: served by HTTP.
    Plain(Bytes),
    /// In the CAS; git has a pointer.
    Xet {
        /// The content: 64 hex digits.
        hash: String,
        /// Of the content, in hex.
        sha256: String,
    },
}

/// A file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The content's length.
    pub size: u64,
    /// The id of git's blob: of the content, or of the pointer to it.
    pub oid: String,
    /// The blob's length.
    pub blob_size: u64,
    /// Where the bytes are.
    pub place: Place,
    /// When it last changed.
    pub at: Millis,
}

impl File {
    /// A file that is in git itself.
    pub fn plain(bytes: Bytes, at: Millis) -> File {
        let size = bytes.len() as u64;
        File { size, oid: blob(&bytes), blob_size: size, place: Place::Plain(bytes), at }
    }

    /// A file in the CAS; git has a pointer.
    pub fn xet(hash: String, bytes: &[u8], at: Millis) -> File {
        let (sha256, size) = (hex(&Sha256::digest(bytes)), bytes.len() as u64);
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
        let (oid, blob_size) = (blob(pointer.as_bytes()), pointer.len() as u64);
        File { size, oid, blob_size, place: Place::Xet { hash, sha256 }, at }
    }

    /// What identifies the content in an `ETag`.
    pub fn etag(&self) -> &str {
        match &self.place {
            Place::Plain(_) => &self.oid,
            Place::Xet { sha256, .. } => sha256,
        }
    }

    /// The content's name in the CAS.
    pub fn xet_hash(&self) -> Option<&str> {
        match &self.place {
            Place::Plain(_) => None,
            Place::Xet { hash, .. } => Some(hash),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id that git gives a blob.
fn blob(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

/// One commit.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// 40 hex digits.
    pub sha: String,
    /// When it was made.
    pub at: Millis,
    /// By path.
    pub files: BTreeMap<String, File>,
}

/// A repository.
pub struct Repo {
    /// Whether only its owner sees it.
    pub private: bool,
    /// Commits by sha.
    commits: BTreeMap<String, Snapshot>,
    /// Branches and other references, to a sha.
    refs: BTreeMap<String, String>,
}

impl Repo {
    /// One with an empty first commit on `main`.
    pub fn new(id: &str, at: Millis) -> Repo {
        let mut repo = Repo { private: false, commits: BTreeMap::new(), refs: BTreeMap::new() };
        repo.commit(id, "main", at, |_| ());
        repo
    }

    /// Makes a commit on a reference, which starts at `main` if it is new.
    pub fn commit(
        &mut self,
        id: &str,
        reference: &str,
        at: Millis,
        change: impl FnOnce(&mut BTreeMap<String, File>),
    ) -> String {
        let parent = self.at(reference).or_else(|| self.at("main"));
        let mut files = parent.map(|parent| parent.files.clone()).unwrap_or_default();
        change(&mut files);
        let listed: Vec<String> = files.iter().map(|(path, file)| format!("{path} {}", file.oid)).collect();
        let sha = hex(&Sha1::digest(format!("{id} {reference} {at}\n{}", listed.join("\n"))));
        self.commits.insert(sha.clone(), Snapshot { sha: sha.clone(), at, files });
        self.refs.insert(reference.to_owned(), sha.clone());
        sha
    }

    /// Whether any commit has a file with this content.
    pub fn holds(&self, hash: &str) -> bool {
        self.commits.values().any(|commit| commit.files.values().any(|file| file.xet_hash() == Some(hash)))
    }

    /// The commit that a revision names: a reference or a sha.
    pub fn at(&self, revision: &str) -> Option<&Snapshot> {
        self.commits.get(self.refs.get(revision).map_or(revision, String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_has_gits_own_id() {
        // `printf hello | git hash-object --stdin`
        assert_eq!(
            File::plain(Bytes::from_static(b"hello"), 0).oid,
            "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
        );
        let file = File::xet("h".into(), b"hello", 0);
        assert_eq!(file.size, 5);
        assert!(file.blob_size > 100);
        assert_eq!(file.etag(), "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    }

    #[test]
    fn revisions_stay_what_they_were() {
        let mut repo = Repo::new("n/x", 1);
        let put = |name: &str| {
            let name = name.to_owned();
            move |files: &mut BTreeMap<String, File>| {
                files.insert(name, File::plain(Bytes::new(), 2));
            }
        };
        let first = repo.commit("n/x", "main", 2, put("a"));
        let pr = repo.commit("n/x", "refs/pr/1", 3, put("b"));
        let second = repo.commit("n/x", "main", 4, put("c"));
        let names = |revision: &str| repo.at(revision).unwrap().files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names("main"), ["a", "c"]);
        assert_eq!(names("refs/pr/1"), ["a", "b"]);
        assert_eq!(names(&first), ["a"]);
        assert_eq!((names(&pr), names(&second)), (names("refs/pr/1"), names("main")));
        assert!(repo.at("nothing").is_none());
    }
}
