//! The window in the real app: the page, its commands, the agent behind them.

use std::fs;

use serde_json::json;

use crate::{
    session::{DRIVE, Desktop, Session, until},
    the_tray::write,
    webdriver::Window,
};

#[test]
fn commands_do_what_they_may_and_nothing_else() {
    let session = Session::start("commands", Desktop::Whole);
    session.mount();
    let window = Window::open(&session);
    let tray = session.tray();
    tray.until_says("Everything is synced: safe to shut down");

    // Requests of the control protocol pass, failures come back as data.
    let status = window.invoke("ask", &json!({"request": {"ask": "status"}})).unwrap();
    assert_eq!(status["status"]["drives"][0]["name"], DRIVE);
    let none = window.invoke("ask", &json!({"request": {"ask": "unmount", "drive": "none"}})).unwrap_err();
    assert_eq!(none["kind"], "not-found", "{none}");

    let places = window.invoke("default_places", &json!({})).unwrap();
    let (bucket, at) = (session.at("lacuna/bucket"), session.at("lacuna/Lacuna"));
    assert_eq!(places, json!({"bucket": bucket, "mountpoint": at}));
    window.invoke("ensure_folder", &json!({"path": at})).unwrap();
    assert!(at.is_dir());
    assert_eq!(window.invoke("ensure_folder", &json!({"path": "here"})).unwrap_err()["kind"], "invalid");

    // Only what is in a drive is opened.
    write(&session, "a", 10);
    let file = session.drive().join("a");
    window.invoke("open_path", &json!({"path": file})).unwrap();
    until("the file is opened", || session.opened().filter(|path| *path == file.to_str().unwrap()));
    for bad in [session.at("home"), session.drive().join("../home")] {
        assert_eq!(window.invoke("open_path", &json!({"path": bad})).unwrap_err()["kind"], "denied");
    }
    window.invoke("reveal", &json!({"drive": DRIVE, "path": "a"})).unwrap();
    until("the file is shown", || session.shown().filter(|uri| *uri == format!("file://{}", file.display())));
    // The root has nothing around it to point at: it is opened.
    window.invoke("reveal", &json!({"drive": DRIVE, "path": ""})).unwrap();
    until("the drive is opened", || session.opened().filter(|p| *p == session.drive().to_str().unwrap()));
    let bad = window.invoke("reveal", &json!({"drive": DRIVE, "path": "../home"})).unwrap_err();
    assert_eq!(bad["kind"], "denied");

    // What the capabilities do not name can't be called, nor is anything loaded from elsewhere.
    for command in ["plugin:opener|open_url", "plugin:notification|notify", "plugin:window|close"] {
        assert!(window.invoke(command, &json!({"url": "https://example.org"})).is_err(), "{command}");
    }
    let evaluated = window.execute("try { return new Function('return 1')(); } catch (e) { return e.name; }");
    assert_eq!(evaluated.unwrap(), "EvalError");
    assert_eq!(window.execute("return typeof window.__TAURI__;").unwrap(), "undefined");
}

#[test]
fn preferences_are_kept_and_shown_at_once() {
    let session = Session::start("prefers", Desktop::Whole);
    let entry = || fs::read_dir(session.at("home/.config/autostart")).map_or(0, Iterator::count);
    {
        let window = Window::open(&session);
        let tray = session.tray();
        tray.until_says("No drives yet");
        let first = window.invoke("preferences", &json!({})).unwrap();
        assert_eq!(first["tray"], true);
        assert_eq!((&first["first_run"], &first["autostart"]), (&json!(true), &json!(false)));
        let change = json!({"preferences": {"language": "de", "autostart": true, "notify_synced": false}});
        window.invoke("set_preferences", &change).unwrap();
        tray.until_says("Noch keine Laufwerke");
        assert_eq!(entry(), 1);
        let bad = window.invoke("set_preferences", &json!({"preferences": {"language": "tlh"}}));
        assert!(bad.is_err());
        // A first drive ends the first steps.
        session.mount();
        tray.until_says("Alles ist synchron: Ausschalten ist gefahrlos");
        until("the first steps are over", || {
            (window.invoke("preferences", &json!({})).ok()?["first_run"] == false).then_some(())
        });
    }
    let file = fs::read_to_string(session.at("lacuna/desktop.json")).unwrap();
    assert!(file.contains("\"de\""), "{file}");
    let window = Window::open(&session);
    let kept = window.invoke("preferences", &json!({})).unwrap();
    assert_eq!(
        (&kept["language"], &kept["autostart"], &kept["notify_synced"], &kept["notify_problem"]),
        (&json!("de"), &json!(true), &json!(false), &json!(true))
    );
    window.invoke("set_preferences", &json!({"preferences": {"autostart": false}})).unwrap();
    assert_eq!(entry(), 0);
}

pub const NEXT: &str = "//dialog//button[@type='submit']";

/// A button by what it says.
pub fn button(text: &str) -> String {
    format!("//button[contains(normalize-space(.), '{text}')]")
}

/// A view by its place in the navigation.
pub fn view(name: &str) -> String {
    format!("//nav[@aria-label='Views']//button[@title='{name}']")
}

#[test]
fn a_drive_is_added_by_the_wizard() {
    let session = Session::start("adds", Desktop::Whole);
    let window = Window::open(&session);
    window.click(&button("Add a drive"));
    window.until_says("Where are the files kept?");
    window.picture("window-wizard");
    window.click(NEXT);
    let (bucket, at) = (session.at("bucket"), session.drive());
    window.fill("//input[@id='place']", bucket.to_str().unwrap());
    window.click(NEXT);
    window.until_says("This place is free: a bucket will be made here.");
    window.click(NEXT);
    window.fill("//input[@id='name']", DRIVE);
    window.fill("//input[@id='mountpoint']", at.to_str().unwrap());
    window.click(NEXT);
    window.until_says(&format!("{DRIVE} is ready."));
    window.picture("window-wizard-done");
    let tray = session.tray();
    tray.until_says("Everything is synced: safe to shut down");
    let drive = session.status().unwrap();
    assert_eq!((&drive["name"], &drive["mountpoint"]), (&json!(DRIVE), &json!(at)));
    write(&session, "first", 100);
    until("what is written is in the bucket", || session.in_bucket("first"));
}

#[test]
fn the_overview_shows_what_waits_and_then_that_all_is_synced() {
    let session = Session::start("overview", Desktop::Whole);
    session.mount();
    let window = Window::open(&session);
    window.until_says("Everything is synced");
    window.picture("window-overview-synced");
    session.lacuna(&["pause"]);
    write(&session, "report.ods", 300_000);
    window.until_says(", 300 kB waiting");
    window.picture("window-overview-paused");
    for name in ["Transfers", "Activity", "Files", "Problems", "Settings"] {
        window.click(&view(name));
        window.until_shown(&format!("{}[@aria-current='page']", view(name)));
        window.picture(&format!("window-{}", name.to_lowercase()));
    }
    window.click(&view("Overview"));
    session.lacuna(&["resume"]);
    window.until_says("Everything is synced");
    // What the tray asks the window to show.
    session.tray().click(&format!("{DRIVE}: synced"));
    window.until_shown(&format!("{}[@aria-current='page']", view("Files")));
    window.until_says("report.ods");
    // The agent dies, and the page says so.
    let (program, aside) = (session.at("bin/lacuna"), session.at("bin/lacuna.aside"));
    fs::rename(&program, &aside).unwrap();
    session.run("kill", &["-KILL", &session.agent().unwrap()]);
    window.until_says("Lacuna's agent does not answer.");
    window.picture("window-no-agent");
    fs::rename(&aside, &program).unwrap();
    until("the page goes on", || (!window.text().contains("does not answer")).then_some(()));
}

#[test]
fn a_file_is_pinned_in_the_window() {
    let session = Session::start("pins", Desktop::Whole);
    session.mount();
    write(&session, "map.img", 200_000);
    session.lacuna(&["flush"]);
    session.lacuna(&["evict", session.drive().to_str().unwrap()]);
    let window = Window::open(&session);
    window.click(&view("Files"));
    window.click("//*[@role='option'][contains(., 'map.img')]");
    window.click(&button("Keep on this machine"));
    window.until_shown(&button("Keep no longer"));
    // Its bytes come by themselves.
    let info = || {
        let asked = json!({"request": {"ask": "info", "drive": DRIVE, "path": "map.img"}});
        Some(window.invoke("ask", &asked).ok()?["info"].clone())
    };
    until("all of it is here", || info().filter(|i| i["present"] == json!([[0, 200_000]])));
    assert_eq!(info().unwrap()["pinned"], true);
    window.picture("window-pinned");
}
