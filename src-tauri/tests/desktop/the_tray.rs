//! What the tray says and does.

use std::{fs, process::Command};

use crate::session::{DRIVE, Desktop, Running, Session, until};

const SAFE: &str = "Everything is synced: safe to shut down";

/// Writes a file to the drive as a program does.
pub fn write(session: &Session, name: &str, bytes: usize) {
    let script = format!("head -c {bytes} /dev/urandom > \"$0/{name}\"");
    let out = session.run("sh", &["-c", &script, session.drive().to_str().unwrap()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Goes on writing to a file, so that it is not quiet and waits, until this is dropped.
fn keep_writing(session: &Session, name: &str) -> Running {
    let mut script = Command::new("sh");
    session.environment(script.args(["-c", "while printf x >> \"$0\"; do sleep 0.3; done"]));
    Running::start(script.arg(session.drive().join(name)))
}

/// Waits until a change waits for nothing but leave to be sent.
fn until_ready(session: &Session) {
    until("the change is ready to be sent", || {
        let status = session.status()?;
        (status["queue"][0]["state"] == "ready").then_some(())
    });
}

#[test]
fn it_tells_what_waits_and_when_all_is_synced() {
    let session = Session::start("tells", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    // The app has started the agent, for none ran.
    tray.until_says("No drives yet");
    tray.until_icon("offline");
    session.mount();
    tray.until_says(SAFE);
    tray.until_icon("synced");
    write(&session, "report", 300_000);
    let writing = keep_writing(&session, "report");
    // The first file of a new drive comes with its folder.
    let line = tray.until_truth("what waits", |now| now.ends_with(", 300 kB waiting"));
    tray.until_line(&format!("{DRIVE}: syncing, {line}"));
    tray.until_icon("syncing");
    drop(writing);
    tray.until_says(SAFE);
    tray.until_icon("synced");
    assert_eq!(session.in_bucket("report"), fs::read(session.drive().join("report")).ok());
    tray.click("Open the drive");
    until("the drive in the file manager", || {
        session.opened().filter(|path| *path == session.drive().to_str().unwrap())
    });
}

#[test]
fn pausing_holds_what_waits_and_resuming_lets_it_go() {
    let session = Session::start("pauses", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    tray.click("Until I resume");
    tray.until_says("Paused until you resume");
    tray.until_icon("paused");
    let commits = session.commits();
    write(&session, "held", 20_000);
    tray.until_truth("what is held", |now| {
        now.starts_with("Paused until you resume: ") && now.ends_with(", 20 kB waiting")
    });
    until_ready(&session);
    assert_eq!(session.commits(), commits);
    tray.click("Resume");
    tray.until_says(SAFE);
    assert!(session.commits() > commits);
    assert_eq!(session.in_bucket("held").map(|b| b.len()), Some(20_000));
}

#[test]
fn the_end_of_a_pause_is_told_in_minutes() {
    let session = Session::start("minutes", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    tray.click("For 1 hour");
    tray.until_truth("the hour", |now| now == "Paused for 1 h" || now == "Paused for 59 min");
    session.lacuna(&["pause", "--for", "70s"]);
    tray.until_says("Paused for 2 min");
    // Nothing but the clock changes this line, and the agent's own end of the pause the next.
    tray.until_says("Paused for 1 min");
    tray.until_says(SAFE);
}

#[test]
fn the_last_saves_are_shown_with_what_they_cost() {
    let session = Session::start("saves", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    tray.until_line("None since the start");
    write(&session, "report", 300_000);
    until("the receipt", || {
        let menu = tray.menu();
        let saves = menu.iter().find(|line| line.label == "Recent saves")?;
        saves.below.iter().find(|l| l.label.starts_with("report: 300 kB changed, ")).map(drop)
    });
}

#[test]
fn an_agent_that_dies_is_told_and_started_again() {
    let session = Session::start("recovers", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    let pid = session.agent().unwrap();
    // Without its program the agent can't come back before the test has looked.
    let (program, aside) = (session.at("bin/lacuna"), session.at("bin/lacuna.aside"));
    fs::rename(&program, &aside).unwrap();
    assert!(session.run("kill", &["-KILL", &pid]).status.success());
    tray.until_says("The agent is not running");
    tray.until_icon("problem");
    tray.until_line("Start the agent");
    fs::rename(&aside, &program).unwrap();
    // By itself; the click would only hurry it.
    tray.until_says(SAFE);
    assert_ne!(session.agent().unwrap(), pid);
    write(&session, "after", 1_000);
    until("what is written after it is sent", || {
        (tray.truth() == SAFE && session.status()?["pending"]["files"] == 0).then_some(())
    });
    assert!(session.in_bucket("after").is_some());
}

#[test]
fn a_file_with_two_versions_is_told_by_a_notification() {
    let session = Session::start("conflicts", Desktop::Whole);
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    write(&session, "plan", 5_000);
    until("the first version in the bucket", || session.in_bucket("plan").filter(|c| c.len() == 5_000));
    tray.until_says(SAFE);
    tray.click("Until I resume");
    tray.until_says("Paused until you resume");
    write(&session, "plan", 6_000);
    tray.until_truth("what is held", |now| now.ends_with(", 6.0 kB waiting"));
    assert!(session.notifications().is_empty(), "{:?}", session.notifications());
    // Another machine saves the same file meanwhile. What it commits is heard during the pause too.
    let (home, at) = (session.at("other"), session.at("other-drive"));
    fs::create_dir_all(&at).unwrap();
    let (home, at) = (home.to_str().unwrap(), at.to_str().unwrap());
    let url = format!("store:{}", session.at("bucket").display());
    session.lacuna(&["--home", home, "mount", &url, at]);
    fs::write(format!("{at}/plan"), vec![7; 7_000]).unwrap();
    session.lacuna(&["--home", home, "flush"]);
    session.lacuna(&["--home", home, "unmount", at]);
    tray.click("Resume");
    until("the notification", || session.notifications().into_iter().find(|n| n == "Two versions of plan"));
    tray.until_icon("problem");
    tray.until_line("Problems (1)");
    // Theirs has the name, ours is beside it.
    assert_eq!(fs::read(session.drive().join("plan")).unwrap(), vec![7; 7_000]);
    let names = fs::read_dir(session.drive()).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.into_iter().any(|n| n.to_string_lossy().contains("conflicted copy")));
}

#[test]
fn an_idle_app_uses_no_processor() {
    let session = Session::start("idle", Desktop::Whole);
    let app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    tray.until_icon("synced");
    // User and system time are the 14th and 15th field (proc_pid_stat(5)); the name may hold spaces.
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", app.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    // A time span to measure over, not one to wait for something. What the start left to do may still run in
    // the first one.
    until("a span without work", || {
        let before = ticks();
        std::thread::sleep(std::time::Duration::from_secs(3));
        (ticks() - before <= 1).then_some(())
    });
}
