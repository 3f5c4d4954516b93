//! Signing in at the Hub in the window, with the real agent and the tests' Hub.

use std::fs;

use serde_json::json;

use crate::{
    session::{DRIVE, Desktop, Session, until},
    the_tray::write,
    the_window::{NEXT, button, view},
    webdriver::Window,
};

const TOKEN: &str = "//dialog//input[@type='password']";
const SIGN_IN: &str = "//dialog//button[normalize-space(.)='Sign in']";

#[test]
fn who_signs_in_mounts_one_of_their_buckets_and_goes_on_after_signing_out() {
    let mut session = Session::start("signs-in", Desktop::Whole);
    let token = session.start_hub();
    let window = Window::open(&session);
    window.click(&button("Add a drive"));
    window.click("//dialog//label[contains(., 'Hugging Face')]");
    window.click(NEXT);
    window.until_says("Nobody is signed in.");
    window.fill(TOKEN, "hf_wrong");
    window.click(SIGN_IN);
    window.until_says("the Hub does not know this token");
    window.fill(TOKEN, &token);
    window.click(SIGN_IN);
    window.until_says("Signed in as ada");
    // This session has no keychain, and the page says so.
    window.until_says("which only you may read");
    window.until_says("ada/example");
    window.picture("window-wizard-hub");
    window.click("//dialog//label[contains(., 'ada/example')]");
    window.click(NEXT);
    window.fill("//input[@id='name']", DRIVE);
    window.fill("//input[@id='mountpoint']", session.drive().to_str().unwrap());
    window.click(NEXT);
    window.until_says(&format!("{DRIVE} is ready."));
    window.click(NEXT);
    let hello = fs::read_to_string(session.drive().join("hello.txt")).unwrap();
    assert_eq!(hello, "Hello from the test Hub.\n");
    write(&session, "first", 100);
    session.lacuna(&["flush"]);

    // Signed out, what is saved waits; the problem's button leads to the sign-in, and then it goes.
    window.click(&view("Settings"));
    window.click(&button("Sign out"));
    window.until_says("Nobody is signed in.");
    write(&session, "second", 100);
    window.click(&view("Problems"));
    window.click(&button("Sign in…"));
    window.fill(TOKEN, &token);
    window.picture("window-sign-in");
    window.click(SIGN_IN);
    window.until_says("Signed in as ada");
    window.click(&button("Done"));
    window.until_says("No problems");
    let synced = || session.status().filter(|s| s["state"] == "synced" && s["pending"]["files"] == json!(0));
    until("what waited is sent", synced);

    // The token is in its file and nowhere else that is kept or shown.
    let page = window.execute("return document.documentElement.outerHTML;").unwrap();
    let log = fs::read_to_string(session.at("lacuna/agent.log")).unwrap();
    for text in [page.as_str().unwrap(), &log, &session.app_log()] {
        assert!(!text.contains(&token));
    }
    assert!(fs::read_to_string(session.at("lacuna/tokens.json")).unwrap().contains(&token));
}
