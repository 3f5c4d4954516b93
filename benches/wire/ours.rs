//! Lacuna's side: the engine without a kernel mount, on a bucket in a folder; each edit by a drive with an
//! empty state folder. The bucket's own counts of bytes are taken.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use lacuna::{
    drive::{Drive, Options},
    node::{Ino, Name},
    vfs::{At, Caller, OpenOptions, RenameMode, SetAttr, Vfs},
};

use crate::{Edit, Moved};

const CALLER: Caller = Caller { uid: 0, gid: 0 };
const RW: OpenOptions = OpenOptions { read: true, write: true, truncate: false };
const PIECE: usize = 1 << 20;

pub struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new(content: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        lacuna::remote::store::init(&dir.path().join("bucket").display().to_string())
            .await
            .expect("a bucket");
        let bench = Bench { dir };
        let drive = bench.drive("writer", "bucket").await;
        write(&*drive.vfs(), "file", content).await;
        drive.flush().await.expect("flush");
        drive.close().await;
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn drive(&self, state: &str, bucket: &str) -> Arc<Drive> {
        let url = format!("store:{}", self.path(bucket).display());
        let mut options = Options::new(state, &url, &self.path("unmounted"), &self.path(state));
        options.quiet = Duration::from_millis(50);
        Drive::open(options).await.expect("a drive")
    }

    /// One edit on a copy of the bucket, so that all edits start from the same.
    pub async fn run(&self, edit: &Edit, want: &[u8]) -> Moved {
        for name in ["edit-bucket", "editor", "reader"] {
            let _ = std::fs::remove_dir_all(self.path(name));
        }
        copy(&self.path("bucket"), &self.path("edit-bucket"));
        let drive = self.drive("editor", "edit-bucket").await;
        let vfs = drive.vfs();
        let name = Name::new("file").expect("a name");
        let attr = vfs.lookup(Ino::ROOT, &name).await.expect("the file");
        let before;
        if edit.rewrite {
            // This client knows the file: it has read it through.
            read(&*vfs, attr.ino).await;
            before = drive.status();
            write(&*vfs, "file.tmp", want).await;
            let temp = Name::new("file.tmp").expect("a name");
            vfs.rename((Ino::ROOT, &temp), (Ino::ROOT, &name), RenameMode::Replace).await.expect("rename");
        } else {
            before = drive.status();
            let h = vfs.open(attr.ino, RW).await.expect("open");
            for (i, w) in edit.writes.iter().enumerate() {
                vfs.write(h, At::Offset(w.start), &edit.patch(i)).expect("write");
            }
            if let Some(len) = edit.truncate {
                let set = SetAttr { size: Some(len), ..SetAttr::default() };
                vfs.setattr(attr.ino, Some(h), set).await.expect("truncate");
            }
            vfs.release(h);
        }
        drive.flush().await.expect("flush");
        let after = drive.status();
        drive.close().await;

        let reader = self.drive("reader", "edit-bucket").await;
        let vfs = reader.vfs();
        let ino = vfs.lookup(Ino::ROOT, &name).await.expect("the file").ino;
        let equal = read(&*vfs, ino).await == want;
        reader.close().await;
        Moved {
            up: after.sent_bytes - before.sent_bytes,
            down: after.received_bytes - before.received_bytes,
            equal,
        }
    }
}

async fn write(vfs: &dyn Vfs, name: &str, content: &[u8]) {
    let name = Name::new(name).expect("a name");
    let (_, h) = vfs.create(Ino::ROOT, &name, 0o644, CALLER, RW).await.expect("create");
    for (i, piece) in content.chunks(PIECE).enumerate() {
        vfs.write(h, At::Offset((i * PIECE) as u64), piece).expect("write");
    }
    vfs.release(h);
}

async fn read(vfs: &dyn Vfs, ino: Ino) -> Vec<u8> {
    let h = vfs.open(ino, RW).await.expect("open");
    let mut out = Vec::new();
    loop {
        let at = out.len() as u64;
        let piece = vfs.read(h, at..at + PIECE as u64).await.expect("read");
        if piece.is_empty() {
            break;
        }
        out.extend_from_slice(&piece);
    }
    vfs.release(h);
    out
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for e in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(e.file_name());
        if e.path().is_dir() {
            copy(&e.path(), &target);
        } else {
            // Objects never change, so a hard link is a copy.
            std::fs::hard_link(e.path(), target).expect("a link");
        }
    }
}

/// Open for writing and close, on a real mount: a file of 100 GB over one of 1 KB, medians of many.
pub fn opening(runtime: &tokio::runtime::Runtime) -> f64 {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (bucket, mnt) = (dir.path().join("bucket"), dir.path().join("mnt"));
    std::fs::create_dir(&mnt).expect("a mount point");
    let drive = runtime.block_on(async {
        lacuna::remote::store::init(&bucket.display().to_string()).await.expect("a bucket");
        let url = format!("store:{}", bucket.display());
        Drive::open(Options::new("opening", &url, &mnt, &dir.path().join("state"))).await.expect("a drive")
    });
    let options = lacuna::mount::MountOptions { name: "opening".into(), read_only: false };
    let mounted =
        lacuna::mount::mount(drive.vfs(), &mnt, &options, runtime.handle().clone()).expect("a mount");
    std::fs::write(mnt.join("small"), [1; 1024]).expect("a small file");
    std::fs::File::create(mnt.join("big")).and_then(|f| f.set_len(100_000_000_000)).expect("a big file");
    let time = |name: &str| {
        let path = mnt.join(name);
        let start = Instant::now();
        for _ in 0..200 {
            drop(std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open"));
        }
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..15).map(|_| time("big") / time("small")).collect();
    ratios.sort_by(f64::total_cmp);
    mounted.unmount().expect("unmount");
    runtime.block_on(drive.close());
    ratios[ratios.len() / 2]
}
