//! Answers as the Hub gives them: errors with their code, JSON, pages with a link to the next, byte ranges.

use std::ops::Range;

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use serde_json::json;

/// A refusal: an error answer on its way out.
pub type Refusal = Response<Body>;

/// An error: a JSON body with the reason, and the headers that clients read.
pub fn error(status: StatusCode, code: Option<&'static str>, reason: &str) -> Refusal {
    let mut response = (status, Json(json!({ "error": reason }))).into_response();
    let headers = response.headers_mut();
    if let Some(code) = code {
        headers.insert("X-Error-Code", HeaderValue::from_static(code));
    }
    if let Ok(reason) = HeaderValue::from_str(reason) {
        headers.insert("X-Error-Message", reason);
    }
    let id = format!("Root=1-{:08x}", rand::random::<u32>());
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("X-Request-Id", id);
    }
    response
}

/// 400.
pub fn bad(reason: &str) -> Refusal {
    error(StatusCode::BAD_REQUEST, None, reason)
}

/// 401: no token, or one that is not good.
pub fn unauthorized() -> Refusal {
    error(StatusCode::UNAUTHORIZED, None, "Invalid username or password.")
}

/// 403: the token does not allow this.
pub fn forbidden() -> Refusal {
    error(StatusCode::FORBIDDEN, None, "You don't have the rights to do this.")
}

/// 404: no such bucket or repository, or not one that the token may see.
pub fn no_repo() -> Refusal {
    error(StatusCode::NOT_FOUND, Some("RepoNotFound"), "Repository not found")
}

/// 404: no such file.
pub fn no_entry() -> Refusal {
    error(StatusCode::NOT_FOUND, Some("EntryNotFound"), "Entry not found")
}

/// 404: no such revision.
pub fn no_revision() -> Refusal {
    error(StatusCode::NOT_FOUND, Some("RevisionNotFound"), "Invalid rev id")
}

/// 404: no such route.
pub fn no_route() -> Refusal {
    error(StatusCode::NOT_FOUND, None, "Sorry, we can't find the page you are looking for.")
}

/// JSON, with a `Link` to the next page if there is one.
pub fn page(rows: &impl Serialize, next: Option<String>) -> Response<Body> {
    let mut response = Json(rows).into_response();
    if let Some(Ok(link)) = next.map(|url| HeaderValue::from_str(&format!("<{url}>; rel=\"next\""))) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// What a `Range` header asks of `size` bytes: everything if there is none or it is not understood, `Err`
/// if nothing of it is there.
pub fn range(headers: &HeaderMap, size: u64) -> Result<Option<Range<u64>>, ()> {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) =
        text.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(size),
        (Ok(from), Err(_)) if to.is_empty() => from..size,
        (Err(_), Ok(last)) if from.is_empty() => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    if range.start < range.end { Ok(Some(range)) } else { Err(()) }
}

/// Whether `If-None-Match` names `etag` (given without quotes).
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"')).any(|tag| tag == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, expected) in [
            ("bytes=0-4", Ok(Some(0..5))),
            ("bytes=5-", Ok(Some(5..10))),
            ("bytes=-3", Ok(Some(7..10))),
            ("bytes=-30", Ok(Some(0..10))),
            ("bytes=8-100", Ok(Some(8..10))),
            ("bytes=10-", Err(())),
            ("bytes=12-13", Err(())),
            ("bytes=4-2", Ok(None)),
            ("lines=1-2", Ok(None)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
            assert_eq!(range(&headers, 10), expected, "{text}");
        }
        assert_eq!(range(&HeaderMap::new(), 10), Ok(None));
    }

    #[test]
    fn a_known_etag_is_found_among_several() {
        let mut headers = HeaderMap::new();
        assert!(!is_known(&headers, "a"));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"b\", W/\"a\""));
        assert!(is_known(&headers, "a") && is_known(&headers, "b") && !is_known(&headers, "c"));
    }
}
