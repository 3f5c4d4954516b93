//! [`Bucket`]: the objects of a bucket, where each is, and what a failure of the store below means.

use std::{
    io,
    ops::Range,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};

use super::{
    counted::Counted,
    folder::{Folder, Hint},
    format::{BucketInfo, FORMAT},
    sys,
};
use crate::{
    error::{Error, Kind, Result},
    node::Time,
    policy::Bandwidth,
};

/// The object that makes a folder a bucket.
pub const INFO: &str = "lacuna.json";

/// The folders of a bucket whose objects are spread over 256 subfolders by the first byte of their hash.
const SPREAD: [&str; 2] = ["xorbs", "outlines"];
/// The other folders of a bucket.
const PLAIN: [&str; 3] = ["commits", "snapshots", "shards"];

/// Where the objects of a bucket are.
pub mod at {
    use object_store::path::Path;

    /// `commits/{20 digits}.json`
    pub fn commit(number: u64) -> Path {
        Path::from(format!("commits/{number:020}.json"))
    }

    /// The number of a commit by its path.
    pub fn commit_number(path: &Path) -> Option<u64> {
        let name = path.filename()?.strip_suffix(".json")?;
        (name.len() == 20).then(|| name.parse().ok())?
    }

    /// `snapshots/{20 digits}.json`, the list of a snapshot's parts.
    pub fn snapshot(number: u64) -> Path {
        Path::from(format!("snapshots/{number:020}.json"))
    }

    /// `snapshots/{20 digits}-{6 digits}`, one part of a snapshot.
    pub fn snapshot_part(number: u64, part: usize) -> Path {
        Path::from(format!("snapshots/{number:020}-{part:06}"))
    }

    /// `xorbs/{2 hex}/{hash}`
    pub fn xorb(hash: &str) -> Path {
        Path::from(format!("xorbs/{}/{hash}", &hash[..2]))
    }

    /// `shards/{hash}`
    pub fn shard(hash: &str) -> Path {
        Path::from(format!("shards/{hash}"))
    }

    /// `outlines/{2 hex}/{hash}`
    pub fn outline(hash: &str) -> Path {
        Path::from(format!("outlines/{}/{hash}", &hash[..2]))
    }
}

/// A bucket that exists, and whose format this program knows.
#[derive(Debug)]
pub struct Bucket {
    objects: Counted,
    /// Where it is on this machine, if it is in a folder.
    folder: Option<PathBuf>,
    /// For error messages.
    name: String,
    info: BucketInfo,
}

impl Bucket {
    /// Makes a bucket of the folder `path`, which is missing or empty; its parent exists. Answers false
    /// if it was a bucket already.
    ///
    /// # Errors
    /// `Invalid` if there is a file, or a folder with other things in it.
    pub async fn init_folder(path: &FsPath) -> Result<bool> {
        let fail = |what: &str, e| Error::io(what, e).at(path.display());
        match std::fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path).map_err(|e| fail("can't make the folder", e))?;
            }
            Err(e) => return Err(fail("can't look at the folder", e)),
            Ok(m) if !m.is_dir() => return Err(not_a_folder(path)),
            Ok(_) => {}
        }
        let known = path.join(INFO).exists();
        let stranger = std::fs::read_dir(path)
            .map_err(|e| fail("can't list the folder", e))?
            .filter_map(|e| e.ok())
            .find(|e| !is_ours(&e.file_name().to_string_lossy()));
        if let (false, Some(stranger)) = (known, stranger) {
            let name = stranger.file_name().to_string_lossy().into_owned();
            return Err(Error::new(Kind::Invalid, format!("the folder is not empty: it holds {name:?}"))
                .remedy("choose an empty or a new folder")
                .at(path.display()));
        }
        make_folders(path).map_err(|e| fail("can't make the bucket's folders", e))?;
        let store = Folder::new(path).map_err(|e| failure(&e, "opening the folder", None, None, true))?;
        Bucket::init(&store).await.map_err(|e| e.at(path.display()))
    }

    /// Makes a bucket in any object store, at its top. Answers false if it was one already.
    pub async fn init(store: &dyn ObjectStore) -> Result<bool> {
        let (created, owner) = (Time::now(), super::sys::owner());
        let info = BucketInfo { format: FORMAT, uuid: super::format::random_id(), created, owner };
        let text = serde_json::to_vec_pretty(&info).map_err(|e| Error::new(Kind::Other, e.to_string()))?;
        let put = store.put_opts(&Path::from(INFO), text.into(), PutMode::Create.into()).await;
        match put {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(e) => Err(failure(&e, "making the bucket", None, None, true)),
        }
    }

    /// Opens the bucket in the folder `path`.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Invalid` if there is something else; `NewerFormat`; `Damaged`.
    pub async fn open_folder(path: &FsPath) -> Result<Bucket> {
        let init = format!("make one with: lacuna store init {}", path.display());
        match std::fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::NotFound, "there is no bucket: the folder does not exist")
                    .remedy(init)
                    .at(path.display()));
            }
            Err(e) => return Err(Error::io("can't look at the bucket", e).at(path.display())),
            Ok(m) if !m.is_dir() => return Err(not_a_folder(path)),
            Ok(_) => {}
        }
        if !path.join(INFO).exists() {
            let mut list =
                std::fs::read_dir(path).map_err(|e| Error::io("can't list it", e).at(path.display()))?;
            return Err(match list.next() {
                None => Error::new(Kind::NotFound, "there is no bucket: the folder is empty")
                    .remedy(init)
                    .at(path.display()),
                Some(_) => Error::new(Kind::Invalid, format!("the folder is not a bucket: it has no {INFO}"))
                    .remedy("check the path; a new bucket needs an empty or a new folder")
                    .at(path.display()),
            });
        }
        let store =
            Folder::new(path).map_err(|e| failure(&e, "opening the bucket", None, Some(path), false))?;
        Bucket::open(Arc::new(store), Some(path.to_owned()), path.display().to_string()).await
    }

    /// Opens the bucket at the top of an object store; `folder` is where that is on this machine, if it is.
    pub async fn open(store: Arc<dyn ObjectStore>, folder: Option<PathBuf>, name: String) -> Result<Bucket> {
        let damaged = |why: String| {
            Error::new(Kind::Damaged, format!("{INFO} can't be read: {why}"))
                .remedy("restore it from a backup of the bucket")
                .at(&name)
        };
        let info = match store.get(&Path::from(INFO)).await {
            Ok(got) => got
                .bytes()
                .await
                .map_err(|e| failure(&e, "opening the bucket", None, folder.as_deref(), false))?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::new(Kind::NotFound, "there is no bucket")
                    .remedy("make one with: lacuna store init")
                    .at(&name));
            }
            Err(e) => return Err(failure(&e, "opening the bucket", None, folder.as_deref(), false).at(&name)),
        };
        super::format::check_format(&info, INFO).map_err(|e| match e.kind() {
            Kind::NewerFormat => e.at(&name),
            _ => damaged(e.cause().to_owned()),
        })?;
        let info: BucketInfo = serde_json::from_slice(&info).map_err(|e| damaged(e.to_string()))?;
        Ok(Bucket { objects: Counted::new(store), folder, name, info })
    }

    /// Lets its objects move no faster than `bandwidth` allows.
    pub fn limited(mut self, bandwidth: Arc<Bandwidth>) -> Bucket {
        self.objects.limit(bandwidth);
        self
    }

    /// The bucket's random id.
    pub fn info(&self) -> &BucketInfo {
        &self.info
    }

    /// Random, 32 hexadecimal digits.
    pub fn uuid(&self) -> &str {
        &self.info.uuid
    }

    /// Where it is on this machine, if it is in a folder.
    pub fn folder(&self) -> Option<&FsPath> {
        self.folder.as_deref()
    }

    /// As people know it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes `(sent, received)` since it was opened.
    pub fn moved(&self) -> (u64, u64) {
        self.objects.moved()
    }

    fn error(&self, e: &object_store::Error, doing: &str, at: &Path, write: bool) -> Error {
        failure(e, doing, Some(at), self.folder.as_deref(), write)
    }

    /// `Offline` if the bucket is not at its place any more: then that an object is missing says nothing.
    pub fn present(&self) -> Result<()> {
        match &self.folder {
            Some(folder) if !folder.join(INFO).exists() => Err(gone(folder)),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, at: &Path, options: GetOptions) -> Result<Option<(Bytes, u64)>> {
        let got = match self.objects.get_opts(at, options).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => {
                self.present()?;
                return Ok(None);
            }
            Err(e) => return Err(self.error(&e, "reading", at, false)),
        };
        let size = got.meta.size;
        let bytes = got.bytes().await.map_err(|e| self.error(&e, "reading", at, false))?;
        Ok(Some((bytes, size)))
    }

    /// A whole object; `None` if there is none.
    pub async fn get(&self, at: &Path) -> Result<Option<Bytes>> {
        Ok(self.fetch(at, GetOptions::default()).await?.map(|(bytes, _)| bytes))
    }

    /// Stores fail in many words when a range is asked for that an object does not have.
    async fn unless_short<T>(&self, at: &Path, need: u64, got: Result<T>) -> Result<T> {
        match got {
            Err(e) if e.kind() == Kind::Other => match self.size(at).await? {
                Some(size) if size < need => Err(damaged(at, "an object is too short")),
                _ => Err(e),
            },
            got => got,
        }
    }

    /// The bytes `range` of an object, all of them; `None` if there is no such object.
    ///
    /// # Errors
    /// `Damaged` if it is too short.
    pub async fn range(&self, at: &Path, range: Range<u64>) -> Result<Option<Bytes>> {
        let (want, end) = (range.end - range.start, range.end);
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..Default::default() };
        match self.unless_short(at, end, self.fetch(at, options).await).await? {
            Some((bytes, _)) if bytes.len() as u64 == want => Ok(Some(bytes)),
            Some(_) => Err(damaged(at, "an object is too short")),
            None => Ok(None),
        }
    }

    /// At most the last `bytes` bytes of an object, and its length; `None` if there is no such object.
    ///
    /// # Errors
    /// `Damaged` if it is empty.
    pub async fn tail(&self, at: &Path, bytes: u64) -> Result<Option<(Bytes, u64)>> {
        let options = GetOptions { range: Some(GetRange::Suffix(bytes)), ..Default::default() };
        self.unless_short(at, 1, self.fetch(at, options).await).await
    }

    /// The length of an object, if there is one.
    pub async fn size(&self, at: &Path) -> Result<Option<u64>> {
        let options = GetOptions { head: true, ..Default::default() };
        match self.objects.get_opts(at, options).await {
            Ok(got) => Ok(Some(got.meta.size)),
            Err(object_store::Error::NotFound { .. }) => {
                self.present()?;
                Ok(None)
            }
            Err(e) => Err(self.error(&e, "looking at", at, false)),
        }
    }

    async fn put(&self, at: &Path, bytes: Bytes, options: PutOptions) -> Result<bool> {
        match self.objects.put_opts(at, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(e) => Err(self.error(&e, "writing", at, true)),
        }
    }

    /// Puts an object if there is none; answers false if there is one. Durable either way.
    pub async fn create(&self, at: &Path, bytes: Bytes) -> Result<bool> {
        self.put(at, bytes, PutMode::Create.into()).await
    }

    /// Puts an object, in place of the one that is there. Durable.
    pub async fn replace(&self, at: &Path, bytes: Bytes) -> Result<()> {
        self.put(at, bytes, PutMode::Overwrite.into()).await.map(drop)
    }

    /// Puts an object that nothing depends on: not synced, its reader checks it.
    pub async fn hint(&self, at: &Path, bytes: Bytes) -> Result<()> {
        let mut options = PutOptions::from(PutMode::Overwrite);
        options.extensions.insert(Hint);
        self.put(at, bytes, options).await.map(drop)
    }

    /// The paths and lengths of all objects in a folder of the bucket, in no order; with `after` those
    /// that come after it.
    pub async fn list(&self, folder: &str, after: Option<&Path>) -> Result<Vec<(Path, u64)>> {
        let prefix = Path::from(folder);
        let listed = match after {
            Some(after) => self.objects.list_with_offset(Some(&prefix), after),
            None => self.objects.list(Some(&prefix)),
        };
        let listed: Vec<_> = listed
            .map(|r| r.map(|o| (o.location, o.size)))
            .try_collect()
            .await
            .map_err(|e| self.error(&e, "listing", &prefix, false))?;
        if listed.is_empty() {
            self.present()?;
        }
        Ok(listed)
    }
}

/// An object that is not what it must be.
pub fn damaged(at: &Path, why: &str) -> Error {
    Error::new(Kind::Damaged, format!("the bucket is damaged: {why}"))
        .remedy("run `lacuna store check`; restore the object from a backup of the bucket")
        .at(at)
}

fn is_ours(name: &str) -> bool {
    name == INFO || name.starts_with(&format!("{INFO}#")) || SPREAD.contains(&name) || PLAIN.contains(&name)
}

/// All folders of a bucket, made and synced at once: no put has to make any, and no crash between
/// making a folder and syncing its parent can lose a synced object.
fn make_folders(root: &FsPath) -> io::Result<()> {
    for plain in PLAIN {
        std::fs::create_dir_all(root.join(plain))?;
    }
    for spread in SPREAD {
        for byte in 0..=255u8 {
            std::fs::create_dir_all(root.join(spread).join(format!("{byte:02x}")))?;
        }
        sys::sync_dir(&root.join(spread))?;
    }
    sys::sync_dir(root)?;
    match root.parent() {
        // A folder that we may not open is not ours to sync.
        Some(parent) if !parent.as_os_str().is_empty() => sys::sync_dir(parent).or(Ok(())),
        _ => Ok(()),
    }
}

fn not_a_folder(path: &FsPath) -> Error {
    Error::new(Kind::Invalid, "a bucket is a folder, and this is a file")
        .remedy("choose a folder")
        .at(path.display())
}

fn gone(folder: &FsPath) -> Error {
    Error::new(Kind::Offline, "the bucket's folder is not there")
        .remedy("bring it back: attach its disk, or move it back to its place")
        .at(folder.display())
}

/// What a failure of the object store means for the person at the machine.
fn failure(
    e: &object_store::Error,
    doing: &str,
    at: Option<&Path>,
    folder: Option<&FsPath>,
    write: bool,
) -> Error {
    let place = folder.map(|f| f.display().to_string());
    let place = place.as_deref().unwrap_or("the bucket");
    if let Some(folder) = folder
        && !folder.join(INFO).exists()
    {
        return gone(folder);
    }
    let (kind, cause) = match (e, io_kind(e)) {
        (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }, _) => {
            (Kind::Denied, None)
        }
        (_, Some(io)) => classify(io),
        _ => (Kind::Other, None),
    };
    let kind = if write && kind == Kind::Denied { Kind::ReadOnly } else { kind };
    let cause = cause.map_or_else(|| e.to_string(), str::to_owned);
    let error = Error::new(kind, format!("{doing}: {cause}")).because(e.to_string());
    let error = match kind {
        Kind::Offline => error.remedy("it is tried again by itself; check the connection or the disk"),
        Kind::NoSpace => error.remedy(format!("make room on the disk that holds {place}")),
        Kind::ReadOnly => error.remedy(format!("allow this user to write to {place}, or mount it read-only")),
        Kind::Denied => error.remedy(format!("allow this user to read {place}")),
        _ => error,
    };
    match at {
        Some(at) => match folder {
            Some(folder) => error.at(folder.join(at.as_ref()).display()),
            None => error.at(at),
        },
        None => error,
    }
}

fn classify(e: io::ErrorKind) -> (Kind, Option<&'static str>) {
    use io::ErrorKind as K;
    match e {
        K::NotConnected | K::ConnectionRefused | K::ConnectionReset | K::ConnectionAborted => {
            (Kind::Offline, Some("the bucket can't be reached"))
        }
        K::HostUnreachable
        | K::NetworkUnreachable
        | K::NetworkDown
        | K::TimedOut
        | K::StaleNetworkFileHandle => (Kind::Offline, Some("the bucket can't be reached")),
        K::StorageFull | K::QuotaExceeded => (Kind::NoSpace, Some("no space is left")),
        K::PermissionDenied => (Kind::Denied, Some("permission denied")),
        K::ReadOnlyFilesystem => (Kind::ReadOnly, Some("the file system is read-only")),
        _ => (Kind::Other, None),
    }
}

/// The kind of the operating system's error that is behind a failure.
fn io_kind(e: &object_store::Error) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(e) = next {
        if let Some(io) = e.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = e.source();
    }
    None
}
