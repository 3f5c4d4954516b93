//! What goes over the wire, to the letter.

use super::*;
use crate::error::{Error, Kind};

#[test]
fn requests_look_as_documented() {
    let ask = Ask { id: 7, request: Request::Flush { drive: Some("photos".into()) } };
    let line = r#"{"id":7,"ask":"flush","drive":"photos"}"#;
    assert_eq!(serde_json::to_string(&ask).unwrap(), line);
    assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
    // Optional fields may be left out, unknown ones may be there.
    let loose: Ask = serde_json::from_str(r#"{"id":1,"ask":"pause","colour":"red"}"#).unwrap();
    assert_eq!(loose.request, Request::Pause { drive: None, until: None });
}

#[test]
fn a_token_goes_over_the_wire_and_into_no_log() {
    let request = Request::SignIn { token: Some(Secret::new("hf_secret")) };
    let line = r#"{"ask":"sign-in","token":"hf_secret"}"#;
    assert_eq!(serde_json::to_string(&request).unwrap(), line);
    assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
    assert!(!format!("{request:?}").contains("secret"));
    let none: Request = serde_json::from_str(r#"{"ask":"sign-in"}"#).unwrap();
    assert_eq!(none, Request::SignIn { token: None });
}

#[test]
fn an_account_looks_as_documented() {
    let account = HubAccount {
        endpoint: "https://hub".into(),
        token: Some(TokenAt::CommandLine { path: "/f".into() }),
        user: Some(User { name: "ada".into(), orgs: vec![] }),
        trouble: None,
        other: Some(TokenAt::Environment),
    };
    let want = serde_json::json!({"account": {
        "endpoint": "https://hub",
        "token": {"in": "command-line", "path": "/f"},
        "user": {"name": "ada", "orgs": []},
        "trouble": null,
        "other": {"in": "environment"},
    }});
    assert_eq!(serde_json::to_value(Reply::Account(account)).unwrap(), want);
}

#[test]
fn lines_from_the_agent_are_told_apart() {
    let error = Failure::from(&Error::new(Kind::Busy, "c").remedy("r").at("p"));
    for line in [
        Line::Reply { id: 1, reply: Reply::Done },
        Line::Reply { id: 2, reply: Reply::Mounted { name: "a".into(), already: false } },
        Line::Error { id: Some(3), error: error.clone() },
        Line::Error { id: None, error },
        Line::Event { event: Event::Status(Status { version: VERSION, drives: vec![] }) },
    ] {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line, "{text}");
    }
}

#[test]
fn failures_survive_the_journey() {
    for (kind, word) in KINDS {
        let failure = Failure::from(&Error::new(kind, "cause").remedy("mend").at("file"));
        assert_eq!(failure.kind, word);
        let back = Error::from(failure);
        assert_eq!(back.kind(), kind);
        assert_eq!((back.cause(), back.remedy_text(), back.path()), ("cause", Some("mend"), Some("file")));
    }
    let new = Failure { kind: "of-tomorrow".into(), cause: "c".into(), remedy: None, path: None };
    assert_eq!(Error::from(new).kind(), Kind::Other);
}
