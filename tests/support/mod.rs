//! A machine for tests: an agent with a home of its own, a mount point, and the real program to talk to it.
#![allow(dead_code, reason = "each test uses its part")]

pub mod conformance;
pub mod data;
pub mod testfs;
pub mod tree;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use lacuna::{
    config::Home,
    control::{
        api::{Entry, Reply, Request},
        client::Client,
    },
};
use serde_json::Value;

/// The program under test.
pub const LACUNA: &str = env!("CARGO_BIN_EXE_lacuna");

/// A bucket in a temporary folder.
pub struct Bucket {
    pub dir: tempfile::TempDir,
}

impl Bucket {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = Command::new(LACUNA)
            .args(["store", "init"])
            .arg(dir.path().join("bucket"))
            .env("LACUNA_HOME", dir.path().join("unused"))
            .output()
            .expect("lacuna runs");
        assert!(out.status.success(), "store init: {}", text(&out));
        Bucket { dir }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("bucket")
    }

    pub fn url(&self) -> String {
        format!("store:{}", self.path().display())
    }
}

/// One machine. Its agent is killed and its mount taken away when it is dropped.
pub struct Machine {
    dir: tempfile::TempDir,
    url: String,
    extra: Vec<String>,
    env: Vec<(String, String)>,
}

impl Machine {
    /// A machine with an empty cache that has the bucket mounted.
    pub fn new(bucket: &Bucket) -> Self {
        let m = Self::unmounted(&bucket.url());
        m.mount();
        m
    }

    pub fn unmounted(url: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let m = Machine { dir, url: url.to_owned(), extra: Vec::new(), env: Vec::new() };
        std::fs::create_dir(m.mnt()).expect("a mount point");
        m
    }

    /// More arguments for `lacuna mount`.
    pub fn with(mut self, args: &[&str]) -> Self {
        self.extra.extend(args.iter().map(|a| a.to_string()));
        self
    }

    /// A variable for the program, and so for the agent that it starts.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn mnt(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    /// Runs the program with this machine's home.
    pub fn lacuna(&self, args: &[&str]) -> Output {
        Command::new(LACUNA)
            .args(args)
            .env("LACUNA_HOME", self.home())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .expect("lacuna runs")
    }

    /// Runs the program and wants success; answers what it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.lacuna(args);
        assert!(out.status.success(), "lacuna {args:?}: {}\n{}", text(&out), self.log_tail());
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    pub fn try_mount(&self) -> Output {
        let mnt = self.mnt();
        let mut args = vec!["mount", &self.url, mnt.to_str().expect("a UTF-8 path"), "--name", "test"];
        args.extend(self.extra.iter().map(String::as_str));
        self.lacuna(&args)
    }

    pub fn mount(&self) {
        let out = self.try_mount();
        assert!(out.status.success(), "mount: {}\n{}", text(&out), self.log_tail());
    }

    pub fn unmount(&self) {
        self.ok(&["unmount", "test"]);
    }

    pub fn flush(&self) {
        self.ok(&["flush", "test"]);
    }

    pub fn evict(&self, path: &Path) {
        self.ok(&["evict", path.to_str().expect("a UTF-8 path")]);
    }

    /// Asks the agent, as the desktop app does.
    pub fn ask(&self, request: Request) -> lacuna::error::Result<Reply> {
        let home = Home::under(&self.home(), &std::env::temp_dir());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { Client::connect(&home).await?.expect("an agent").ask(request).await })
    }

    /// What is in a folder of the drive, by the names of its entries.
    pub fn list(&self, path: &str) -> BTreeMap<String, Entry> {
        let request = Request::List { drive: "test".into(), path: path.into(), after: None, limit: 1000 };
        match self.ask(request).expect("a listing") {
            Reply::List(listing) => listing.entries.into_iter().map(|e| (e.name.clone(), e)).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub fn drive(&self) -> Value {
        let status: Value = serde_json::from_str(&self.ok(&["status", "--json"])).expect("status is JSON");
        status["drives"][0].clone()
    }

    /// Bytes sent and received since the mount.
    pub fn moved(&self) -> (u64, u64) {
        let d = self.drive();
        (d["sent_bytes"].as_u64().expect("sent_bytes"), d["received_bytes"].as_u64().expect("received_bytes"))
    }

    pub fn info(&self, path: &Path) -> Value {
        let json = self.ok(&["info", "--json", path.to_str().expect("a UTF-8 path")]);
        serde_json::from_str(&json).expect("info is JSON")
    }

    /// The agent's process, found by its home.
    pub fn agent_pid(&self) -> Option<i32> {
        let home = self.home();
        std::fs::read_dir("/proc").ok()?.flatten().find_map(|e| {
            let pid: i32 = e.file_name().to_str()?.parse().ok()?;
            let exe = std::fs::read_link(e.path().join("exe")).ok()?;
            if !exe.to_string_lossy().trim_end_matches(" (deleted)").ends_with("/lacuna") {
                return None;
            }
            let has = |file: &str| {
                let bytes = std::fs::read(e.path().join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).contains(home.to_str().expect("a UTF-8 path"))
            };
            // Not the commands that talk to it.
            let args = std::fs::read(e.path().join("cmdline")).unwrap_or_default();
            let is_agent = args.split(|b| *b == 0).any(|a| a == b"agent");
            (is_agent && (has("cmdline") || has("environ"))).then_some(pid)
        })
    }

    /// `kill -9` of the agent, waited for.
    pub fn kill(&self) {
        let Some(pid) = self.agent_pid() else { return };
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        // A zombie holds no socket and no lock any more.
        wait_for("the agent's end", || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|s| s.trim_start().starts_with('Z')),
            Err(_) => true,
        });
    }

    /// Kills the agent and mounts again.
    pub fn crash(&self) {
        self.kill();
        self.mount();
    }

    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.home().join("agent.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the agent's log ends:\n{}", self.log_tail());
        }
        if let Some(pid) = self.agent_pid() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _ = Command::new("umount").arg("-l").arg(self.mnt()).stderr(Stdio::null()).status();
    }
}

/// What a command said, for messages.
pub fn text(out: &Output) -> String {
    format!(
        "{}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// Waits for something that must come true, a minute at most.
pub fn wait_for(what: &str, mut f: impl FnMut() -> bool) {
    let start = Instant::now();
    while !f() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program in a folder and wants success; answers what it printed.
pub fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).current_dir(dir).stdin(Stdio::null()).output();
    let out = out.unwrap_or_else(|e| panic!("{program} does not run ({e}); `cargo xtask test` installs it"));
    assert!(out.status.success(), "{program} {args:?}: {}", text(&out));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// An extended attribute of a file.
pub fn attribute(path: &Path, name: &str) -> Result<String, rustix::io::Errno> {
    let mut value = [0; 64];
    let n = rustix::fs::getxattr(path, name, &mut value[..])?;
    Ok(String::from_utf8(value[..n].to_vec()).unwrap())
}

/// The state that a file shows of itself.
pub fn state(path: &Path) -> String {
    attribute(path, "user.lacuna.state").unwrap()
}
