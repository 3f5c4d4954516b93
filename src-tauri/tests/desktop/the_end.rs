//! How the app ends, and what stays.

use std::fs;

use crate::{
    session::{DRIVE, Desktop, Running, Session, until},
    the_tray::write,
    tray::Tray,
};

const SAFE: &str = "Everything is synced: safe to shut down";
const QUIT: &str = "Quit and unmount photos";
const QUESTION: &str = "Quit Lacuna.";

/// A session whose drive is paused and has a file that waits.
fn with_something_pending(name: &'static str) -> (Session, Running, Tray) {
    let session = Session::start(name, Desktop::Whole);
    let app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    session.lacuna(&["pause"]);
    write(&session, "last", 40_000);
    tray.until_says("Paused until you resume: 1 file, 40 kB waiting");
    (session, app, tray)
}

/// Waits for the question and answers its window.
fn question(session: &Session) -> String {
    until("the question", || session.windows(QUESTION).pop())
}

/// The buttons of the question, in the order of the keyboard.
#[derive(Clone, Copy)]
enum Button {
    Wait = 0,
    Now = 1,
    Cancel = 2,
}

fn choose(session: &Session, button: Button) {
    let window = question(session);
    for _ in 0..button as usize {
        session.press(&window, "Tab");
    }
    session.press(&window, "Return");
    until("the question is gone", || session.windows(QUESTION).is_empty().then_some(()));
}

fn until_ended(session: &Session, app: &mut Running) {
    let status = until("the app has ended", || app.ended());
    assert!(status.success(), "{status}: {}", session.app_log());
    // The agent has ended too, and nothing is mounted.
    assert!(session.status().is_none());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(session.drive().to_str().unwrap()), "{mounts}");
}

#[test]
fn with_nothing_pending_it_just_quits_and_unmounts() {
    let session = Session::start("quits", Desktop::Whole);
    let mut app = session.app(&["--hidden"]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    tray.click(QUIT);
    until_ended(&session, &mut app);
}

#[test]
fn quitting_with_something_pending_waits_until_it_is_sent() {
    let (session, mut app, tray) = with_something_pending("waits");
    tray.click(QUIT);
    question(&session);
    session.picture("quit-question");
    choose(&session, Button::Wait);
    until_ended(&session, &mut app);
    assert_eq!(session.in_bucket("last").map(|b| b.len()), Some(40_000));
}

#[test]
fn quitting_anyway_keeps_what_waits_for_the_next_time() {
    let (session, mut app, tray) = with_something_pending("anyway");
    tray.click(QUIT);
    choose(&session, Button::Now);
    until_ended(&session, &mut app);
    assert_eq!(session.in_bucket("last"), None);
    // The next start mounts the drive again and still has it.
    let _app = session.app(&["--hidden"]);
    let tray = session.tray();
    tray.until_says("Paused until you resume: 1 file, 40 kB waiting");
    tray.click("Resume");
    tray.until_says(SAFE);
    assert_eq!(session.in_bucket("last").map(|b| b.len()), Some(40_000));
}

#[test]
fn quitting_can_be_cancelled() {
    let (session, mut app, tray) = with_something_pending("cancels");
    tray.click(QUIT);
    choose(&session, Button::Cancel);
    tray.click(QUIT);
    let window = question(&session);
    session.press(&window, "Escape");
    until("the question is gone", || session.windows(QUESTION).is_empty().then_some(()));
    assert!(app.ended().is_none());
    assert_eq!(session.status().unwrap()["pending"]["files"], 1);
    tray.until_line(QUIT);
}

#[test]
fn closing_the_window_hides_it_and_leaves_drives_alone() {
    let session = Session::start("closes", Desktop::Whole);
    let mut app = session.app(&[]);
    let tray = session.tray();
    session.mount();
    tray.until_says(SAFE);
    let window = until("the window", || session.windows("Lacuna").pop());
    assert!(session.run("wmctrl", &["-i", "-c", &window]).status.success());
    until("the window is gone", || session.windows("Lacuna").is_empty().then_some(()));
    write(&session, "later", 3_000);
    tray.until_truth("that something waits", |now| now.contains("waiting"));
    tray.until_says(SAFE);
    assert!(app.ended().is_none());
    tray.click("Open Lacuna");
    until("the window again", || session.windows("Lacuna").pop());
    assert_eq!(session.status().unwrap()["name"], DRIVE);
}

#[test]
fn a_second_start_shows_the_window_of_the_first() {
    let session = Session::start("second", Desktop::Whole);
    let mut first = session.app(&["--hidden"]);
    session.tray().until_says("No drives yet");
    assert!(session.windows("Lacuna").is_empty());
    // The session's own start does not bring it up.
    let mut second = session.app(&["--hidden"]);
    assert!(until("the second ends", || second.ended()).success());
    assert!(session.windows("Lacuna").is_empty());
    let mut third = session.app(&[]);
    assert!(until("the third ends", || third.ended()).success());
    until("the window", || session.windows("Lacuna").pop());
    assert!(first.ended().is_none());
}

#[test]
fn without_a_tray_the_window_opens_and_closing_it_ends_the_app_but_no_drive() {
    for desktop in [Desktop::WithoutTray, Desktop::WithoutBus] {
        let session = Session::start("no-tray", desktop);
        session.mount();
        let mut app = session.app(&["--hidden"]);
        let window = until("the window", || session.windows("Lacuna").pop());
        until("the reason", || session.app_log().contains("shows no tray icons").then_some(()));
        assert!(session.run("wmctrl", &["-i", "-c", &window]).status.success());
        let status = until("the app has ended", || app.ended());
        assert!(status.success(), "{status}: {}", session.app_log());
        assert_eq!(session.status().unwrap()["state"], "synced");
        fs::write(session.drive().join("still"), "there").unwrap();
    }
}
