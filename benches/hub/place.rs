//! A Hub with a bucket, the proxy before it, and machines that go by either.

use lacuna_test_hub::{Hub, Operation, Proxy};

use crate::support::{Machine, wait_for};

pub const BUCKET: &str = "ada/data";

pub struct Place {
    pub hub: Hub,
    pub proxy: Proxy,
}

impl Place {
    /// With an empty bucket. All goes by the proxy.
    pub fn new() -> Place {
        let hub = Hub::start_blocking().expect("the test Hub starts");
        hub.bucket(BUCKET);
        let proxy = Proxy::before(&hub).expect("the proxy starts");
        Place { hub, proxy }
    }

    /// A machine that has nothing mounted yet and knows nothing.
    pub fn machine(&self) -> Machine {
        machine(&self.hub, self.proxy.endpoint())
    }

    /// One that has the bucket mounted.
    pub fn mounted(&self) -> Machine {
        let m = self.machine();
        m.mount();
        m
    }

    /// Gives a content a path, as another client would.
    pub fn add(&self, path: &str, hash: &str) {
        add(&self.hub, path, hash);
    }
}

/// A machine that reaches the Hub at `endpoint`.
pub fn machine(hub: &Hub, endpoint: &str) -> Machine {
    Machine::unmounted("hf://buckets/ada/data")
        .env("HF_ENDPOINT", endpoint)
        .env("HF_TOKEN", hub.token())
        // Not this user's own sign-in.
        .env("HF_HOME", "/nonexistent")
}

/// Gives a content a path, as another client would.
pub fn add(hub: &Hub, path: &str, hash: &str) {
    let add = Operation::AddFile {
        path: path.to_owned(),
        xet_hash: hash.to_owned(),
        mtime: Some(1_700_000_000_000),
        content_type: None,
    };
    hub.mutate(BUCKET, vec![add]).expect("the bucket takes a file");
}

/// Waits until a machine shows these names, and then until it is calm.
pub fn shows(m: &Machine, names: &[String]) {
    wait_for("the files to be listed", || names.iter().all(|name| m.mnt().join(name).exists()));
}
