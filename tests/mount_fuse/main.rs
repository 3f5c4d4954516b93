//! The FUSE adapter alone, over a file system in memory, on real mounts.
#![cfg(target_os = "linux")]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use lacuna::mount::{MountOptions, Mounted, mount};
use tokio::runtime::{Builder, Runtime};

#[path = "../support/mod.rs"]
mod support;

mod caches;
mod conformance;
mod files;
mod folders;
mod mounts;
mod sharing;

use support::testfs::TestFs;

/// A mounted file system; unmounted and checked for what it left over when it goes.
struct Drive {
    fs: Arc<TestFs>,
    at: PathBuf,
    mounted: Option<Mounted>,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

fn options() -> MountOptions {
    MountOptions { name: "test".into(), read_only: false }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Drive {
    fn new() -> Drive {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap().join("drive");
        std::fs::create_dir(&at).unwrap();
        let (fs, runtime) = (Arc::new(TestFs::default()), runtime());
        let mounted = mount(fs.clone(), &at, &options(), runtime.handle().clone()).unwrap();
        Drive { fs, at, mounted: Some(mounted), runtime, _dir: dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    fn mounted(&self) -> &Mounted {
        self.mounted.as_ref().unwrap()
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        let Some(mounted) = self.mounted.take() else { return };
        if std::thread::panicking() {
            let _ = mounted.detach();
            return;
        }
        mounted.unmount().unwrap();
        let (_, handles, overdrawn) = self.fs.leftovers();
        assert_eq!(handles, 0, "a handle was never released");
        assert!(!overdrawn, "the kernel gave back more references than it was given");
    }
}

/// This test again, in another process and another role.
fn again(test: &str, role: &str, at: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env("LACUNA_TEST_ROLE", role).env("LACUNA_TEST_AT", at);
    command
}

/// The role that this process was started in, and where.
fn role() -> Option<(String, PathBuf)> {
    Some((env::var("LACUNA_TEST_ROLE").ok()?, env::var_os("LACUNA_TEST_AT")?.into()))
}

/// Waits for what happens on another thread; only a broken program takes that long.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
