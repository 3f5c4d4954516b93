//! What these tests share: a Hub with a bucket, and machines that mount it.

use std::{collections::BTreeMap, path::Path};

use lacuna_test_hub::{Hub, Operation};

use crate::support::{Machine, wait_for};

pub const BUCKET: &str = "ada/data";

/// A Hub with an empty bucket.
pub fn hub() -> Hub {
    let hub = Hub::start_blocking().expect("the test Hub starts");
    hub.bucket(BUCKET);
    hub
}

/// A machine that may use the Hub and has nothing mounted.
pub fn machine_at(hub: &Hub, url: &str) -> Machine {
    Machine::unmounted(url)
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", hub.token())
        // Not this user's own sign-in.
        .env("HF_HOME", "/nonexistent")
}

/// A machine with an empty cache that has the bucket mounted.
pub fn machine(hub: &Hub) -> Machine {
    let m = machine_at(hub, "hf://buckets/ada/data");
    m.mount();
    m
}

/// The files of a folder, by their paths in it. What is removed by others between the look and the reading
/// is not there.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn there<T>(at: &Path, found: std::io::Result<T>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => panic!("{}: {e}", at.display()),
        }
    }
    let mut all = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in there(&at, std::fs::read_dir(&at)).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                todo.push(path);
            } else if entry.file_type().unwrap().is_file() {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                all.extend(there(&path, std::fs::read(&path)).map(|bytes| (name, bytes)));
            }
        }
    }
    all
}

/// The files of the bucket as another client reads them.
pub fn at_hub(hub: &Hub) -> BTreeMap<String, Vec<u8>> {
    hub.tree(BUCKET)
        .into_keys()
        .map(|path| {
            let bytes = hub.read_file(BUCKET, &path).unwrap_or_else(|e| panic!("{path}: {e}"));
            (path, bytes)
        })
        .collect()
}

/// The names in a folder, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A batch that puts one content at many paths, as another client would.
pub fn many(hub: &Hub, content: &[u8], paths: impl Iterator<Item = String>) {
    let hash = hub.upload(vec![content.to_vec().into()]).unwrap().pop().unwrap();
    let add = |path| Operation::AddFile {
        path,
        xet_hash: hash.clone(),
        mtime: Some(1_700_000_000_000),
        content_type: None,
    };
    hub.mutate(BUCKET, paths.map(add).collect()).unwrap();
}

/// Flushes again and again until it succeeds: what failed waits before it is tried again.
pub fn flush_at_last(m: &Machine) {
    wait_for("everything to be at the Hub", || m.lacuna(&["flush"]).status.success());
}
