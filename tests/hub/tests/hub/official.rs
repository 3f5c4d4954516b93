//! The Hub's official client for Python, `huggingface_hub` 2.4.0 of PyPI with the `hf-xet` that it brings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lacuna_test_hub::{Hub, Kind};
use rand::{RngCore, SeedableRng, rngs::SmallRng};
use sha2::{Digest, Sha256};

/// The Python that has the client; made at first use, kept with what is built.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("huggingface_hub-2.4.0");
    let (python, whole) = (folder.join("bin").join("python"), folder.join("whole"));
    if !whole.exists() {
        let _ = fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "huggingface_hub==2.4.0"]));
        fs::write(whole, "").unwrap();
    }
    python
}

/// Runs a command that has to succeed; what it prints.
fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?} can't be started: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, errors) = (text(&out.stdout), text(&out.stderr));
    assert!(out.status.success(), "{command:?}: {}\n{printed}\n{errors}", out.status);
    printed
}

#[test]
fn the_official_client_creates_uploads_lists_downloads_and_deletes() {
    let python = python();
    let hub = Hub::start_blocking().unwrap();
    let mut data = vec![0; 2_000_000];
    SmallRng::seed_from_u64(11).fill_bytes(&mut data);
    let sum: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    let bucket = hub.bucket("me/ours");
    hub.put_file(&bucket, "theirs.bin", data.clone()).unwrap();
    hub.repo(Kind::Model, "ada/model");
    hub.put_plain(Kind::Model, "ada/model", "main", "README.md", "plain").unwrap();
    hub.put_xet(Kind::Model, "ada/model", "main", "big.bin", data).unwrap();
    hub.put_plain(Kind::Model, "ada/model", "refs/pr/1", "new.txt", "new").unwrap();

    let scratch = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hub/official.py");
    let mut command = Command::new(python);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HF_") || name.ends_with("_proxy"))
    {
        command.env_remove(name);
    }
    command
        .arg(script)
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", hub.token())
        .env("HF_HOME", scratch.path().join("home"))
        .env("SCRATCH", scratch.path())
        .env("THEIRS", sum);
    let printed = run(&mut command);
    assert!(printed.contains("official client: done"), "{printed}");

    let counts = hub.counts();
    assert!(counts.cas().up > 3_000_000, "hf-xet uploaded through the CAS: {counts:?}");
    assert!(counts.cas().down > 5_000_000, "hf-xet downloaded through the CAS: {counts:?}");
    assert!(counts.requests("POST /api/buckets/{id}/batch") >= 2, "{counts:?}");
}
