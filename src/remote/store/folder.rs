//! [`Folder`]: a local folder as an object store whose puts are durable.
//!
//! Reads and listings are those of [`LocalFileSystem`]. Puts are our own, for three reasons: a put
//! that finds its object already there must make *that* durable before it says so (the process that
//! wrote it may have been killed before its sync); a put must never make the bucket's own folder, or a
//! bucket that was moved away would quietly begin a second life at its old place; and hints need no sync at all.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path as FsPath, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};

use super::{bucket::INFO, sys};

/// Marks a put that need not survive a power loss: the reader checks what it gets, and can do without.
#[derive(Clone, Copy, Debug)]
pub struct Hint;

/// A folder on this machine (or on a network file system) as an object store.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    inner: LocalFileSystem,
}

impl Folder {
    /// Over the folder `root`, which exists.
    pub fn new(root: &FsPath) -> Result<Folder> {
        let inner = LocalFileSystem::new_with_prefix(root)?;
        let root = fs::canonicalize(root).map_err(|e| generic(e, root))?;
        Ok(Folder { root, inner })
    }

    fn file(&self, location: &Path) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(location.parts().map(|p| p.as_ref().to_owned()));
        path
    }
}

fn generic(e: io::Error, path: &FsPath) -> object_store::Error {
    match e.kind() {
        io::ErrorKind::NotFound => {
            object_store::Error::NotFound { path: path.display().to_string(), source: e.into() }
        }
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path: path.display().to_string(), source: e.into() }
        }
        _ => object_store::Error::Generic { store: "folder", source: e.into() },
    }
}

/// Distinguishes temporary files of one process; the process id those of several.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The name under which an object is written before it is one. `LocalFileSystem` neither lists nor
/// opens names that end in `#` and digits, so what a crash leaves behind is never taken for an object.
fn temp_name(dest: &FsPath) -> PathBuf {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let stamp = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.subsec_nanos());
    let mut name = dest.as_os_str().to_owned();
    name.push(format!("#{}{stamp:09}{n:06}", std::process::id()));
    name.into()
}

/// Whether objects can be written into the bucket in the folder `root`: tried, with a file that is no object
/// and goes at once.
pub fn may_write(root: &FsPath) -> bool {
    let commits = root.join("commits");
    let temp = temp_name(&if commits.is_dir() { commits.join("probe") } else { root.join(INFO) });
    match fs::File::create_new(&temp) {
        Ok(_) => {
            // A leftover is taken for no object.
            let _ = fs::remove_file(&temp);
            true
        }
        Err(_) => false,
    }
}

/// Makes the missing folders between `root` and `dest`, durably. They were all made with the bucket, but
/// copying tools leave empty ones behind. Never `root` itself, nor anything in a place that is no bucket
/// any more: where a disk was, there may be an empty folder.
fn make_way(root: &FsPath, dest: &FsPath) -> io::Result<()> {
    if !root.join(INFO).exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let missing = dest.ancestors().skip(1).take_while(|dir| *dir != root && !dir.exists());
    let missing: Vec<_> = missing.collect();
    for dir in missing.into_iter().rev() {
        match fs::create_dir(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        dir.parent().map_or(Ok(()), sys::sync_dir)?;
    }
    Ok(())
}

/// A new file beside `dest` to write the object into.
fn new_temp(root: &FsPath, dest: &FsPath) -> io::Result<(fs::File, PathBuf)> {
    let mut way_made = false;
    loop {
        let temp = temp_name(dest);
        match fs::File::create_new(&temp) {
            Ok(file) => return Ok((file, temp)),
            // Another machine's, or a dead process's.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound && !way_made => {
                make_way(root, dest)?;
                way_made = true;
            }
            Err(e) => return Err(e),
        }
    }
}

fn put(root: &FsPath, dest: &FsPath, payload: &PutPayload, create: bool, durable: bool) -> io::Result<()> {
    let dir = dest.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let exists = || {
        // Its bytes were synced before it had its name; the name may not be, if its writer was killed. What we
        // say exists must not vanish.
        if durable {
            sys::sync_dir(dir)?;
        }
        Err(io::ErrorKind::AlreadyExists.into())
    };
    if create && dest.exists() {
        return exists();
    }
    let (mut file, temp) = new_temp(root, dest)?;
    let written = (|| {
        payload.iter().try_for_each(|part| file.write_all(part))?;
        if durable {
            file.sync_all()?;
        }
        drop(file);
        if create { sys::publish_new(&temp, dest) } else { fs::rename(&temp, dest) }
    })();
    match written {
        Ok(()) if durable => sys::sync_dir(dir),
        Ok(()) => Ok(()),
        Err(e) => {
            let _ = fs::remove_file(&temp);
            if e.kind() == io::ErrorKind::AlreadyExists { exists() } else { Err(e) }
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => {
                return Err(object_store::Error::NotImplemented {
                    operation: "a put that replaces one version".into(),
                    implementer: self.to_string(),
                });
            }
        };
        let durable = opts.extensions.get::<Hint>().is_none();
        let (root, dest) = (self.root.clone(), self.file(location));
        let done = tokio::task::spawn_blocking(move || {
            put(&root, &dest, &payload, create, durable).map_err(|e| generic(e, &dest))
        });
        done.await??;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        // Not used: every object of a bucket is small enough to be put at once.
        Err(object_store::Error::NotImplemented {
            operation: "an upload in parts".into(),
            implementer: self.to_string(),
        })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use super::*;

    fn create() -> PutOptions {
        PutMode::Create.into()
    }

    #[tokio::test]
    async fn one_of_many_creators_wins_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let folder = std::sync::Arc::new(Folder::new(dir.path()).unwrap());
        let at = Path::from("commit");
        let tries = (0..32u8).map(|i| {
            let (folder, at) = (folder.clone(), at.clone());
            tokio::spawn(async move { folder.put_opts(&at, vec![i; 1000].into(), create()).await.map(|_| i) })
        });
        let won: Vec<u8> =
            futures::future::join_all(tries).await.into_iter().filter_map(|r| r.unwrap().ok()).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(folder.get(&at).await.unwrap().bytes().await.unwrap(), vec![won[0]; 1000]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary files");
    }

    #[tokio::test]
    async fn a_torn_temporary_file_is_no_object() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path()).unwrap();
        fs::write(temp_name(&dir.path().join("a")), "half").unwrap();
        let listed = folder.list_with_delimiter(None).await.unwrap();
        assert!(listed.objects.is_empty());
        folder.put_opts(&Path::from("a"), "whole".into(), create()).await.unwrap();
        assert_eq!(folder.get(&Path::from("a")).await.unwrap().bytes().await.unwrap(), "whole");
    }

    #[tokio::test]
    async fn a_put_makes_no_bucket_where_there_was_one() {
        let dir = tempfile::tempdir().unwrap();
        let (root, at) = (dir.path().join("bucket"), Path::from("a/b/c"));
        fs::create_dir(&root).unwrap();
        let folder = Folder::new(&root).unwrap();
        fs::write(root.join(INFO), "").unwrap();
        folder.put_opts(&at, "x".into(), create()).await.unwrap();
        fs::rename(&root, dir.path().join("away")).unwrap();
        let absent = async |why| {
            let e = folder.put_opts(&at, "x".into(), create()).await.unwrap_err();
            assert!(matches!(e, object_store::Error::NotFound { .. }), "{why}: {e}");
        };
        absent("moved away").await;
        assert!(!root.exists());
        fs::create_dir(&root).unwrap();
        absent("its disk is not mounted").await;
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }
}
