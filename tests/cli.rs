//! The program itself: what it prints, and its exit codes. The agent it talks to runs in the test.

mod fake;

use std::{fs, path::Path, process::Command};

use fake::{Running, start};
use lacuna::{control::api::DriveState, error::Kind, health};
use serde_json::Value;

struct Out {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program with a home of its own.
fn lacuna(home: &Path, args: &[&str]) -> Out {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacuna"));
    command.env("LACUNA_HOME", home).env_remove("LACUNA_LOG").args(args);
    let output = command.output().unwrap();
    Out {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const COMMANDS: [&str; 16] = [
    "mount",
    "unmount",
    "status",
    "flush",
    "pause",
    "resume",
    "info",
    "evict",
    "pin",
    "unpin",
    "log",
    "conflicts",
    "doctor",
    "store",
    "agent",
    "completions",
];

#[test]
fn help_shows_every_command_and_the_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let help = lacuna(dir.path(), &["--help"]);
    assert_eq!(help.code, 0);
    for command in COMMANDS {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}: {}", help.out);
        let long = lacuna(dir.path(), &[command, "--help"]);
        assert_eq!(long.code, 0);
        assert!(long.out.contains("Example"), "{command}: {}", long.out);
    }
    assert!(help.out.contains("3 no agent, 4 still pending, 5 conflict"));
    assert!(!dir.path().join("agent.lock").exists(), "help makes nothing");
}

#[test]
fn completions_are_made_for_every_shell() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = lacuna(dir.path(), &["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("lacuna") && script.out.contains("unmount"), "{shell}");
    }
}

#[test]
fn wrong_usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &[][..],
        &["explode"],
        &["mount"],
        &["mount", "store:/a"],
        &["unmount"],
        &["status", "--colour"],
        &["pause", "--for", "soon"],
        &["pause", "--for", "0s"],
        &["mount", "store:/a", "/m", "--cache-limit", "much"],
        &["pin"],
        &["store"],
        &["completions", "tcsh"],
    ] {
        let out = lacuna(dir.path(), args);
        assert_eq!(out.code, 2, "{args:?}");
        assert!(!out.err.is_empty(), "{args:?}");
    }
}

#[test]
fn without_an_agent_it_is_3_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--watch"],
        &["flush"],
        &["pause"],
        &["resume"],
        &["unmount", "x"],
        &["info", "x"],
        &["evict", "x"],
        &["pin", "x"],
        &["unpin", "x"],
        &["log"],
        &["conflicts"],
    ] {
        let out = lacuna(dir.path(), args);
        assert_eq!(out.code, 3, "{args:?}: {}", out.err);
        assert!(out.err.starts_with("error: ") && out.err.contains("\n  try: lacuna mount"), "{}", out.err);
        assert_eq!(out.out, "");
    }
}

#[test]
fn a_mount_that_makes_no_sense_starts_no_agent() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let missing = dir.path().join("no/no");
    for args in [["mount", "/srv/bucket", "."], ["mount", "store:/srv/bucket", missing.to_str().unwrap()]] {
        let out = lacuna(&home, &args);
        assert_eq!(out.code, 1, "{}", out.err);
        assert!(out.err.contains("\n  try: "), "{}", out.err);
    }
    assert!(!home.exists());
}

#[test]
fn mount_starts_an_agent_and_none_stays_if_it_was_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (home, at) = (dir.path().join("home"), dir.path().join("drive"));
    fs::create_dir(&at).unwrap();
    let out = lacuna(&home, &["mount", "no-such-kind:/bucket", at.to_str().unwrap()]);
    assert_eq!(out.code, 1, "{}", out.out);
    assert!(out.err.starts_with("error: "), "{}", out.err);
    let log = fs::read_to_string(home.join("agent.log")).unwrap();
    assert!(log.contains("the agent is up"), "{log}");
    // It leaves by itself; a moment may pass after its last answer.
    while lacuna(&home, &["status"]).code != 3 {}
}

#[cfg(unix)]
#[test]
fn an_agent_ends_cleanly_when_asked_and_is_replaced_when_killed() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    for (signal, code) in [("-KILL", None), ("-TERM", Some(0)), ("-INT", Some(0))] {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_lacuna"))
            .args(["agent", "--home"])
            .arg(home)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while lacuna(home, &["status"]).code == 3 {
            assert_eq!(agent.try_wait().unwrap(), None, "the agent ended at once");
        }
        let status = lacuna(home, &["status"]);
        assert_eq!((status.code, status.out.as_str()), (0, "No drives are mounted.\n"));
        assert!(Command::new("kill").args([signal, &agent.id().to_string()]).status().unwrap().success());
        assert_eq!(agent.wait().unwrap().code(), code, "{signal}");
        assert_eq!(lacuna(home, &["status"]).code, 3, "{signal}");
    }
}

async fn with_drive(dir: &Path) -> (Running, std::path::PathBuf) {
    let agent = start(&dir.join("home")).await;
    let at = fs::canonicalize(dir).unwrap().join("drive");
    fs::create_dir(&at).unwrap();
    let out = lacuna(&agent.home.state, &["mount", "store:/srv/bucket", at.to_str().unwrap()]);
    assert_eq!((out.code, out.err.as_str()), (0, ""));
    assert!(out.out.contains("is mounted at") && out.out.contains("'bucket'"), "{}", out.out);
    (agent, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_is_truthful_for_people_and_programs() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, at) = with_drive(dir.path()).await;
    let home = agent.home.state.clone();
    let out = lacuna(&home, &["status"]);
    assert_eq!(out.code, 0);
    assert!(out.out.ends_with("Everything is synced: safe to shut down.\n"), "{}", out.out);
    agent.drive("bucket").pend(3, 1_200_000);
    let out = lacuna(&home, &["status"]);
    assert!(out.out.contains("3 files, 1.2 MB waiting") && !out.out.contains("safe"), "{}", out.out);

    let json: Value = serde_json::from_str(&lacuna(&home, &["status", "--json"]).out).unwrap();
    let drive = &json["drives"][0];
    assert_eq!(json["version"], 1);
    assert_eq!(drive["mountpoint"], at.to_str().unwrap());
    assert_eq!(drive["state"], "syncing");
    assert_eq!(drive["pending"], serde_json::json!({"files": 3, "bytes": 1_200_000}));
    for field in ["name", "remote", "sent_bytes", "received_bytes", "rate", "queue", "problems"] {
        assert!(!drive[field].is_null(), "{field}");
    }
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_says_by_its_exit_code_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, _) = with_drive(dir.path()).await;
    let home = agent.home.state.clone();
    let drive = agent.drive("bucket");
    assert_eq!(lacuna(&home, &["flush"]).code, 0);

    drive.pend(1, 10);
    *drive.flush_fails.lock().unwrap() = Some(Kind::Offline);
    let out = lacuna(&home, &["flush", "bucket"]);
    assert_eq!(out.code, 4);
    assert_eq!(out.err, "error: no way to the remote\n  try: wait\n");

    drive.pend(0, 0);
    drive.set(|s| {
        s.state = DriveState::Problem;
        s.problems = vec![health::problem("conflict", "changed elsewhere", Some("a.ods".into()))];
    });
    let out = lacuna(&home, &["flush"]);
    assert_eq!(out.code, 5);
    assert!(out.err.contains("a.ods"), "{}", out.err);
    assert_eq!(lacuna(&home, &["flush", "nobody"]).code, 1);
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_commands_find_their_drive_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, at) = with_drive(dir.path()).await;
    let home = agent.home.state.clone();
    let file = at.join("sub/report.ods");
    let info: Value =
        serde_json::from_str(&lacuna(&home, &["info", file.to_str().unwrap(), "--json"]).out).unwrap();
    assert_eq!(
        info,
        serde_json::json!({
            "path": "sub/report.ods", "size": 200, "base": "ab".repeat(32), "present": [[0, 100]], "dirty": [[10, 20]],
            "state": "modified", "receipt": {"changed": 10, "sent": 20, "reused": 180, "reread": 5, "ms": 3},
            "kind": "file", "pinned": false, "sending": []
        })
    );
    let out = lacuna(&home, &["info", file.to_str().unwrap()]);
    assert!(out.out.contains("last save  10 bytes changed, 20 bytes sent"), "{}", out.out);
    assert_eq!(lacuna(&home, &["evict", at.to_str().unwrap()]).out, "1.2 kB freed.\n");
    let out = lacuna(&home, &["pin", file.to_str().unwrap()]);
    assert_eq!(out.out, format!("{} stays on this machine.\n", file.display()));
    assert_eq!(lacuna(&home, &["unpin", at.to_str().unwrap()]).code, 0);
    assert_eq!(*agent.drive("bucket").calls.lock().unwrap(), ["pin sub/report.ods", "unpin "]);
    let out = lacuna(&home, &["log", "bucket", "--limit", "2"]).out;
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("bucket: 4 (1 byte): 0 bytes changed, 0 bytes sent, 0 ms"), "{out}");
    let json: Value = serde_json::from_str(&lacuna(&home, &["log", "--json"]).out).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 5);
    assert_eq!(lacuna(&home, &["log", "nobody"]).code, 1);
    assert_eq!(lacuna(&home, &["conflicts"]).out, "There are no conflicts.\n");
    agent.drive("bucket").set(|s| {
        s.problems = vec![
            health::problem("offline", "no route", None),
            health::problem("conflict", "changed elsewhere", Some("a.ods".into())),
        ];
    });
    let out = lacuna(&home, &["conflicts"]);
    assert_eq!(out.out, format!("{}\n  changed elsewhere\n", at.join("a.ods").display()));
    let json: Value = serde_json::from_str(&lacuna(&home, &["conflicts", "--json"]).out).unwrap();
    assert_eq!(json[0]["action"], "reveal");
    let outside = lacuna(&home, &["info", dir.path().to_str().unwrap()]);
    assert_eq!(outside.code, 1);
    assert!(outside.err.contains("no drive"), "{}", outside.err);
    assert_eq!(lacuna(&home, &["info", at.join("missing").to_str().unwrap()]).code, 1);

    assert_eq!(lacuna(&home, &["pause", "--for", "1h30m"]).out, "Paused for 1 h 30 min.\n");
    assert!(lacuna(&home, &["status"]).out.contains("paused"));
    assert_eq!(lacuna(&home, &["resume"]).code, 0);

    agent.drive("bucket").pend(2, 20);
    let out = lacuna(&home, &["unmount", &format!("{}/", at.display())]);
    assert_eq!(out.code, 0, "{}", out.err);
    assert!(out.out.contains("2 files, 20 bytes waiting: it is kept"), "{}", out.out);
    assert_eq!(lacuna(&home, &["unmount", "bucket"]).code, 1);
    agent.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_for_the_home_fails_and_doctor_sees_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (agent, _) = with_drive(dir.path()).await;
    let home = agent.home.state.clone();
    let out = lacuna(&home, &["agent"]);
    assert_eq!(out.code, 1);
    let pid = format!("another agent (process {}) has this home", std::process::id());
    assert!(out.err.contains(&pid) && out.err.contains("\n  try: "), "{}", out.err);

    let out = lacuna(&home, &["doctor"]);
    assert!(out.out.contains("ok    the agent answers"), "{}", out.out);
    assert!(out.out.contains("ok    drive 'bucket' (store:/srv/bucket) reaches its bucket"), "{}", out.out);
    agent.drive("bucket").set(|s| s.state = DriveState::Offline);
    let out = lacuna(&home, &["doctor"]);
    assert_eq!(out.code, 1);
    assert!(out.out.contains("fail  drive 'bucket'") && out.out.contains("\n      try: "), "{}", out.out);
    agent.end().await;
}
