//! Which route a path names. Pure. Each part is decoded by itself, so that `refs%2Fpr%2F1` is one part.

use percent_encoding::percent_decode_str;

use crate::repo::Kind;

/// A route of the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api/whoami-v2`
    Whoami,
    /// `/api/repos/move`
    Move,
    /// `/api/buckets/{namespace}`
    Buckets(String),
    /// `/api/buckets/{id}`
    Bucket(String),
    /// `/api/buckets/{id}/settings`
    Settings(String),
    /// `/api/buckets/{id}/tree[/{prefix}]`
    Tree(String, String),
    /// `/api/buckets/{id}/paths-info`
    PathsInfo(String),
    /// `/api/buckets/{id}/batch`
    Batch(String),
    /// `/api/buckets/{id}/events`
    Events(String),
    /// `/api/buckets/{id}/xet-{read|write}-token`; whether it is the latter
    Token(String, bool),
    /// `/buckets/{id}/resolve/{path}`
    Resolve(String, String),
    /// `/api/{kind}/{id}[/revision/{revision}]`
    Repo(Kind, String, Option<String>),
    /// `/api/{kind}/{id}/tree/{revision}[/{prefix}]`
    RepoTree(Kind, String, String, String),
    /// `/api/{kind}/{id}/xet-{read|write}-token/{revision}`; whether it is the latter
    RepoToken(Kind, String, String, bool),
    /// `/[datasets/|spaces/]{id}/resolve/{revision}/{path}`
    RepoResolve(Kind, String, String, String),
    /// `/_blobs/{ticket}`, at the address of the CAS: where resolving redirects to
    Blob(String),
    /// `/_test/{…}`
    Test(String),
}

impl Route {
    /// The route of a path (percent-encoded, without the query), or `None`.
    pub fn parse(path: &str) -> Option<Route> {
        let decode = |part: &str| Some(percent_decode_str(part).decode_utf8().ok()?.into_owned());
        let parts: Vec<String> = path.strip_prefix('/')?.split('/').map(decode).collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["api", "whoami-v2"] => Some(Route::Whoami),
            ["api", "repos", "move"] => Some(Route::Move),
            ["api", "buckets", namespace] => Some(Route::Buckets((*namespace).to_owned())),
            ["api", "buckets", namespace, name, rest @ ..] => bucket(format!("{namespace}/{name}"), rest),
            ["buckets", namespace, name, "resolve", path @ ..] if !path.is_empty() => {
                Some(Route::Resolve(format!("{namespace}/{name}"), path.join("/")))
            }
            ["api", kind, rest @ ..] => repo(Kind::of_plural(kind)?, rest),
            ["_blobs", ticket] => Some(Route::Blob((*ticket).to_owned())),
            ["_test", rest @ ..] => Some(Route::Test(rest.join("/"))),
            [kind @ ("datasets" | "spaces"), rest @ ..] => file(Kind::of_plural(kind)?, rest),
            rest => file(Kind::Model, rest),
        }
    }

    /// Its name, with `{…}` for what varies.
    pub fn name(&self) -> String {
        match self {
            Route::Whoami => "/api/whoami-v2".to_owned(),
            Route::Move => "/api/repos/move".to_owned(),
            Route::Buckets(_) => "/api/buckets/{namespace}".to_owned(),
            Route::Bucket(_) => "/api/buckets/{id}".to_owned(),
            Route::Settings(_) => "/api/buckets/{id}/settings".to_owned(),
            Route::Tree(..) => "/api/buckets/{id}/tree".to_owned(),
            Route::PathsInfo(_) => "/api/buckets/{id}/paths-info".to_owned(),
            Route::Batch(_) => "/api/buckets/{id}/batch".to_owned(),
            Route::Events(_) => "/api/buckets/{id}/events".to_owned(),
            Route::Token(_, false) => "/api/buckets/{id}/xet-read-token".to_owned(),
            Route::Token(_, true) => "/api/buckets/{id}/xet-write-token".to_owned(),
            Route::Resolve(..) => "/buckets/{id}/resolve".to_owned(),
            Route::Repo(kind, ..) => format!("/api/{}/{{id}}", kind.plural()),
            Route::RepoTree(kind, ..) => format!("/api/{}/{{id}}/tree", kind.plural()),
            Route::RepoToken(kind, _, _, false) => format!("/api/{}/{{id}}/xet-read-token", kind.plural()),
            Route::RepoToken(kind, _, _, true) => format!("/api/{}/{{id}}/xet-write-token", kind.plural()),
            Route::RepoResolve(Kind::Model, ..) => "/{id}/resolve".to_owned(),
            Route::RepoResolve(kind, ..) => format!("/{}/{{id}}/resolve", kind.plural()),
            Route::Blob(_) => "/_blobs/{ticket}".to_owned(),
            Route::Test(rest) => format!("/_test/{rest}"),
        }
    }
}

fn bucket(id: String, rest: &[&str]) -> Option<Route> {
    match rest {
        [] => Some(Route::Bucket(id)),
        ["settings"] => Some(Route::Settings(id)),
        ["tree", prefix @ ..] => Some(Route::Tree(id, prefix.join("/"))),
        ["paths-info"] => Some(Route::PathsInfo(id)),
        ["batch"] => Some(Route::Batch(id)),
        ["events"] => Some(Route::Events(id)),
        ["xet-read-token"] => Some(Route::Token(id, false)),
        ["xet-write-token"] => Some(Route::Token(id, true)),
        _ => None,
    }
}

/// Ids of repositories have two parts, aliases one. What follows decides.
fn repo(kind: Kind, parts: &[&str]) -> Option<Route> {
    let verb = |part: &str| matches!(part, "tree" | "revision" | "xet-read-token" | "xet-write-token");
    let (id, rest) = match parts {
        [alias] => ((*alias).to_owned(), &parts[1..]),
        [alias, what, _, ..] if verb(what) && !parts.get(2).is_some_and(|part| verb(part)) => {
            ((*alias).to_owned(), &parts[1..])
        }
        [namespace, name, ..] => (format!("{namespace}/{name}"), &parts[2..]),
        [] => return None,
    };
    match rest {
        [] => Some(Route::Repo(kind, id, None)),
        ["revision", revision] => Some(Route::Repo(kind, id, Some((*revision).to_owned()))),
        ["tree", revision, prefix @ ..] => {
            Some(Route::RepoTree(kind, id, (*revision).to_owned(), prefix.join("/")))
        }
        [what @ ("xet-read-token" | "xet-write-token"), revision] => {
            Some(Route::RepoToken(kind, id, (*revision).to_owned(), *what == "xet-write-token"))
        }
        _ => None,
    }
}

fn file(kind: Kind, parts: &[&str]) -> Option<Route> {
    let (id, rest) = match parts {
        [alias, "resolve", _, ..] => ((*alias).to_owned(), &parts[2..]),
        [namespace, name, "resolve", ..] => (format!("{namespace}/{name}"), &parts[3..]),
        _ => return None,
    };
    match rest {
        [revision, path @ ..] if !path.is_empty() => {
            Some(Route::RepoResolve(kind, id, (*revision).to_owned(), path.join("/")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_routes() {
        let s = |text: &str| text.to_owned();
        for (path, expected) in [
            ("/api/whoami-v2", Some(Route::Whoami)),
            ("/api/buckets/n", Some(Route::Buckets(s("n")))),
            ("/api/buckets/n/x", Some(Route::Bucket(s("n/x")))),
            ("/api/buckets/n/x/tree", Some(Route::Tree(s("n/x"), s("")))),
            ("/api/buckets/n/x/tree/a%2Fb%20c", Some(Route::Tree(s("n/x"), s("a/b c")))),
            ("/api/buckets/n/x/tree/a/b%20c/", Some(Route::Tree(s("n/x"), s("a/b c/")))),
            ("/api/buckets/n/x/xet-write-token", Some(Route::Token(s("n/x"), true))),
            ("/buckets/n/x/resolve/%C3%A4/b", Some(Route::Resolve(s("n/x"), s("ä/b")))),
            ("/buckets/n/x/resolve", None),
            ("/api/models/gpt2", Some(Route::Repo(Kind::Model, s("gpt2"), None))),
            ("/api/datasets/n/x", Some(Route::Repo(Kind::Dataset, s("n/x"), None))),
            ("/api/models/n/x/revision/main", Some(Route::Repo(Kind::Model, s("n/x"), Some(s("main"))))),
            (
                "/api/models/n/x/tree/refs%2Fpr%2F1/a/b",
                Some(Route::RepoTree(Kind::Model, s("n/x"), s("refs/pr/1"), s("a/b"))),
            ),
            (
                "/api/models/n/x/tree/refs/pr/1",
                Some(Route::RepoTree(Kind::Model, s("n/x"), s("refs"), s("pr/1"))),
            ),
            ("/api/models/gpt2/tree/main", Some(Route::RepoTree(Kind::Model, s("gpt2"), s("main"), s("")))),
            (
                "/api/spaces/n/x/xet-read-token/main",
                Some(Route::RepoToken(Kind::Space, s("n/x"), s("main"), false)),
            ),
            ("/n/x/resolve/main/a/b", Some(Route::RepoResolve(Kind::Model, s("n/x"), s("main"), s("a/b")))),
            ("/gpt2/resolve/main/a", Some(Route::RepoResolve(Kind::Model, s("gpt2"), s("main"), s("a")))),
            (
                "/datasets/n/x/resolve/v1/a",
                Some(Route::RepoResolve(Kind::Dataset, s("n/x"), s("v1"), s("a"))),
            ),
            ("/api/organs/n/x", None),
            ("/n/x", None),
            ("/api/buckets/n/x/tree/%FF", None),
        ] {
            assert_eq!(Route::parse(path), expected, "{path}");
        }
    }
}
