//! Signing in by the agent, as the desktop app does: who it is, with which token, which buckets there are, and that
//! drives which waited for it go on by themselves.

use std::os::unix::fs::PermissionsExt;

use lacuna::{
    control::api::{Buckets, HubAccount, Reply, Request, Secret, TokenAt},
    error::{Error, Kind, Result},
};
use lacuna_test_hub::Hub;

use crate::{
    kit,
    support::{Machine, wait_for},
};

/// A machine with the bucket mounted, whose agent knows no token.
fn nobody(hub: &Hub) -> Machine {
    mounted(hub, "", "/nonexistent")
}

/// The same with `HF_TOKEN` and a home of the Hugging Face command line.
fn mounted(hub: &Hub, token: &str, hf_home: &str) -> Machine {
    let m = Machine::unmounted("hf://buckets/ada/data")
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", token)
        .env("HF_HOME", hf_home)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    m.mount();
    m
}

fn sign_in(m: &Machine, token: Option<&str>) -> Result<(TokenAt, HubAccount)> {
    match m.ask(Request::SignIn { token: token.map(Secret::new) })? {
        Reply::SignedIn { kept, account } => Ok((kept, account)),
        other => panic!("{other:?}"),
    }
}

fn account(m: &Machine, request: Request) -> HubAccount {
    match m.ask(request).expect("an account") {
        Reply::Account(account) => account,
        other => panic!("{other:?}"),
    }
}

fn buckets(m: &Machine, page: Option<String>) -> Result<Buckets> {
    match m.ask(Request::Buckets { page })? {
        Reply::Buckets(buckets) => Ok(buckets),
        other => panic!("{other:?}"),
    }
}

fn name(account: &HubAccount) -> &str {
    account.user.as_ref().map_or("", |user| &user.name)
}

#[test]
fn a_token_is_checked_at_once_kept_for_this_user_and_shown_nowhere() {
    let hub = kit::hub();
    let m = nobody(&hub);
    let file = m.home().join("tokens.json");
    let none = account(&m, Request::Account);
    assert_eq!((&none.token, &none.user, &none.trouble, &none.other), (&None, &None, &None, &None));
    assert_eq!(none.endpoint, hub.endpoint());
    assert_eq!(buckets(&m, None).unwrap_err().kind(), Kind::SignedOut);

    for (bad, kind) in [("hf_wrong", Kind::SignedOut), ("two words", Kind::Invalid), (" ", Kind::Invalid)] {
        let e: Error = sign_in(&m, Some(bad)).unwrap_err();
        assert_eq!(e.kind(), kind, "{bad:?}: {e}");
        assert!(
            e.remedy_text().is_some() && !format!("{e:?}").contains(bad.trim_start_matches(' '))
                || bad == " "
        );
    }
    assert_eq!(sign_in(&m, None).unwrap_err().kind(), Kind::SignedOut, "none is stored");
    assert!(!file.exists(), "only a good token is kept");

    let (kept, signed_in) = sign_in(&m, Some(&format!(" {}\n", hub.token()))).unwrap();
    assert_eq!(kept, TokenAt::File { path: file.display().to_string() });
    assert_eq!((signed_in.token.as_ref(), name(&signed_in)), (Some(&kept), "ada"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(account(&m, Request::Account), signed_in);
    // Another token takes its place.
    let eve = hub.account("eve", true);
    assert_eq!(name(&sign_in(&m, Some(&eve)).unwrap().1), "eve");

    let out = account(&m, Request::SignOut);
    assert_eq!((out.token, out.user), (None, None));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("hf_"));
    let log = std::fs::read_to_string(m.home().join("agent.log")).unwrap();
    assert!(log.contains("signed in") && !log.contains("hf_"), "{log}");
}

#[test]
fn drives_go_on_by_themselves_after_signing_in() {
    let hub = kit::hub();
    let m = nobody(&hub);
    let problem = |action: &str| {
        let drive = m.drive();
        let problems = drive["problems"].as_array().expect("problems").clone();
        problems.iter().any(|p| p["code"] == "signed-out" && p["action"] == action)
    };
    // A public bucket is read without a token, and not written.
    std::fs::write(m.mnt().join("early"), "1").unwrap();
    wait_for("the problem", || problem("sign-in"));
    sign_in(&m, Some(hub.token())).unwrap();
    wait_for("the file", || hub.tree(kit::BUCKET).contains_key("early"));
    wait_for("no problem", || m.drive()["problems"].as_array().is_some_and(Vec::is_empty));

    // The token is taken back at the Hub: nothing that was not sent is lost, and a new token sends it.
    assert!(hub.revoke(hub.token()));
    std::fs::write(m.mnt().join("late"), "2").unwrap();
    wait_for("the problem of a revoked token", || problem("sign-in"));
    let told = account(&m, Request::Account);
    let trouble = told.trouble.expect("the Hub refuses it");
    assert_eq!((trouble.kind.as_str(), told.user), ("signed-out", None));
    assert!(trouble.remedy.unwrap().contains("settings/tokens"));
    let new = hub.account("ada", true);
    sign_in(&m, Some(&new)).unwrap();
    wait_for("the later file", || hub.tree(kit::BUCKET).contains_key("late"));
    wait_for("no problem again", || m.drive()["problems"].as_array().is_some_and(Vec::is_empty));

    // Without a network the token may be good: nothing is said of who it is.
    hub.fault(serde_json::from_value(serde_json::json!({"prefix": "/api/whoami", "act": "drop"})).unwrap());
    let told = account(&m, Request::Account);
    assert_eq!((told.user, told.trouble.unwrap().kind.as_str()), (None, "offline"));
    assert_eq!(sign_in(&m, Some(&new)).unwrap_err().kind(), Kind::Offline);
}

#[test]
fn the_token_that_is_on_this_machine_already_is_used_and_said_so() {
    let hub = kit::hub();
    let theirs = tempfile::tempdir().unwrap();
    let path = theirs.path().join("token");
    std::fs::write(&path, hub.token()).unwrap();
    let at = TokenAt::CommandLine { path: path.display().to_string() };
    let m = mounted(&hub, "", theirs.path().to_str().unwrap());
    let told = account(&m, Request::Account);
    assert_eq!((told.token.as_ref(), name(&told), &told.other), (Some(&at), "ada", &None));
    // Somebody else signs in; the stored one can take its place.
    let eve = hub.account("eve", true);
    let (_, told) = sign_in(&m, Some(&eve)).unwrap();
    assert_eq!((name(&told), told.other.as_ref()), ("eve", Some(&at)));
    let (kept, told) = sign_in(&m, None).unwrap();
    assert!(matches!(kept, TokenAt::File { .. }), "{kept:?}");
    assert_eq!((name(&told), &told.other), ("ada", &None));
    // Signed out, it goes on being used.
    assert_eq!(account(&m, Request::SignOut).token, Some(at));

    let m = mounted(&hub, &eve, theirs.path().to_str().unwrap());
    let told = account(&m, Request::Account);
    assert_eq!((told.token.as_ref(), name(&told)), (Some(&TokenAt::Environment), "eve"));
    let (kept, told) = sign_in(&m, Some(hub.token())).unwrap();
    assert!(matches!(kept, TokenAt::File { .. }), "{kept:?}");
    assert_eq!((told.token, told.other), (Some(TokenAt::Environment), None), "HF_TOKEN comes first");
    hub.revoke(&eve);
    let trouble = account(&m, Request::Account).trouble.unwrap();
    assert!(trouble.remedy.unwrap().contains("HF_TOKEN"));
}

#[test]
fn all_buckets_of_the_user_and_their_organisations_are_listed_page_by_page() {
    let hub = kit::hub();
    for id in ["ada/b", "ada/c", "lab/w", "lab/x", "lab/y", "closed/z", "eve/other"] {
        hub.bucket(id);
    }
    hub.put_file("ada/b", "file", vec![7; 3000]).unwrap();
    hub.hide("ada/b");
    for (org, lists) in [("lab", true), ("closed", false), ("empty", true)] {
        hub.join(hub.token(), org, lists);
    }
    hub.set_page(2);
    let m = mounted(&hub, hub.token(), "/nonexistent");
    hub.forget_counts();
    let (mut ids, mut hidden, mut pages, mut page) = (Vec::new(), Vec::new(), 0, None);
    loop {
        let got = buckets(&m, page).unwrap();
        if let Some(b) = got.buckets.iter().find(|b| b.id == "ada/b") {
            assert_eq!((b.private, b.size, b.files), (true, Some(3000), Some(1)));
        }
        assert!(got.buckets.iter().all(|b| b.private == (b.id == "ada/b")));
        ids.extend(got.buckets.into_iter().map(|b| b.id));
        hidden.extend(got.hidden);
        pages += 1;
        page = got.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["ada/b", "ada/c", "ada/data", "lab/w", "lab/x", "lab/y"]);
    assert_eq!(hidden, ["closed"]);
    assert_eq!(pages, 3, "the Hub's pages, each filled up with those of the next namespace");
    assert_eq!(hub.counts().requests("GET /api/whoami-v2"), 1, "not for every page");

    // A page leads nowhere else.
    hub.forget_counts();
    for bad in
        ["/api/buckets/eve", "/api/buckets/ada/data", "//example.org/api/buckets/ada", "/api/whoami-v2"]
    {
        assert_eq!(buckets(&m, Some(bad.into())).unwrap_err().kind(), Kind::Invalid, "{bad}");
    }
    assert!(hub.seen().iter().all(|call| !call.contains("eve")), "{:?}", hub.seen());
}
