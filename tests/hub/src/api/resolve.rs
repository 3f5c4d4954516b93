//! From a path to its bytes: what is known of it in headers, and a redirect to an address that serves them.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};

use super::{Asked, token_route};
use crate::{
    answers::{self, Refusal},
    clock,
    repo::{Kind, Place},
    world::{Blob, World, seconds},
};

type Answer = Result<Response<Body>, Refusal>;

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// A file in the CAS, as the answer's headers tell it.
struct Linked<'a> {
    hash: &'a str,
    size: u64,
    etag: &'a str,
    at: clock::Millis,
    /// Where a token for it is to be had.
    auth: String,
}

/// The redirect to a file in the CAS, or 304 if the client has it.
fn redirect(world: &World, asked: &Asked, linked: &Linked<'_>, place: &str) -> Response<Body> {
    let known = answers::is_known(&asked.headers, linked.etag);
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::FOUND };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    let etag = format!("\"{}\"", linked.etag);
    set(headers, "etag", &etag);
    set(headers, "x-linked-etag", &etag);
    set(headers, "x-linked-size", &linked.size.to_string());
    set(headers, "x-xet-hash", linked.hash);
    set(headers, "x-xet-refresh-route", &linked.auth);
    set(headers, "link", &format!("<{}>; rel=\"xet-auth\"", linked.auth));
    set(headers, "last-modified", &clock::http(linked.at));
    if !known {
        set(headers, "location", &format!("{}{place}", world.cas_url()));
    }
    response
}

pub fn bucket(world: &World, asked: &Asked, id: &str, path: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let mut state = world.state();
    let file = state.readable(caller.as_ref(), id)?.files.get(path).cloned().ok_or_else(answers::no_entry)?;
    let place = state.ticket(Blob { hash: file.xet_hash.clone(), size: file.size }, seconds());
    let linked = Linked {
        hash: &file.xet_hash,
        size: file.size,
        etag: &file.xet_hash,
        at: file.mtime.unwrap_or(file.uploaded_at),
        auth: token_route(world, None, id, None),
    };
    Ok(redirect(world, asked, &linked, &place))
}

pub fn repo(world: &World, asked: &Asked, kind: Kind, name: &str, revision: &str, path: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let mut state = world.state();
    let (id, repo) = state.repo(caller.as_ref(), kind, name)?;
    let id = id.to_owned();
    let commit = repo.at(revision).ok_or_else(answers::no_revision)?;
    let (sha, file) = (commit.sha.clone(), commit.files.get(path).cloned().ok_or_else(answers::no_entry)?);
    let mut response = match &file.place {
        Place::Plain(bytes) => {
            let etag = format!("\"{}\"", file.oid);
            let mut response = if answers::is_known(&asked.headers, &file.oid) {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                serve(asked, file.size, |range| bytes.slice(range.start as usize..range.end as usize))
            };
            set(response.headers_mut(), "etag", &etag);
            set(response.headers_mut(), "last-modified", &clock::http(file.at));
            response
        }
        Place::Xet { hash, .. } => {
            let place = state.ticket(Blob { hash: hash.clone(), size: file.size }, seconds());
            let auth = token_route(world, Some(kind), &id, Some(revision));
            let linked = Linked { hash, size: file.size, etag: file.etag(), at: file.at, auth };
            redirect(world, asked, &linked, &place)
        }
    };
    set(response.headers_mut(), "x-repo-commit", &sha);
    Ok(response)
}

/// The bytes behind a ticket. No token: the address itself is the permission.
pub async fn blob(world: &World, asked: &Asked, ticket: &str) -> Answer {
    let blob = world.state().tickets.get(ticket).cloned();
    let Some(Blob { hash, size }) = blob else {
        return Err(answers::error(StatusCode::FORBIDDEN, None, "the signature is not good"));
    };
    let wanted = answers::range(&asked.headers, size);
    let body = match wanted {
        Ok(range) if asked.method != "HEAD" && size > 0 => world
            .cas
            .read(&hash, range.unwrap_or(0..size))
            .await
            .map_err(|e| answers::error(StatusCode::BAD_GATEWAY, None, &format!("{e:#}")))?,
        _ => Body::empty(),
    };
    let mut response = serve(asked, size, |_| body);
    set(response.headers_mut(), "etag", &format!("\"{hash}\""));
    Ok(response)
}

/// Serves bytes or a range of them; `take` gives those of the range.
fn serve<B: Into<Body>>(
    asked: &Asked,
    size: u64,
    take: impl FnOnce(std::ops::Range<u64>) -> B,
) -> Response<Body> {
    let (status, range) = match answers::range(&asked.headers, size) {
        Err(()) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            set(response.headers_mut(), "content-range", &format!("bytes */{size}"));
            return response;
        }
        Ok(None) => (StatusCode::OK, 0..size),
        Ok(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let length = range.end - range.start;
    let mut response = status.into_response();
    let headers = response.headers_mut();
    set(headers, "accept-ranges", "bytes");
    set(headers, "content-type", "application/octet-stream");
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, "content-range", &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if asked.method != "HEAD" {
        *response.body_mut() = take(range).into();
    }
    response
}
