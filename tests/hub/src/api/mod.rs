//! The API's answers.

mod buckets;
mod events;
mod repos;
mod resolve;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    http::{HeaderValue, Method, Request, Response, Uri},
    response::IntoResponse,
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    answers::{self, Refusal},
    front::FailPaths,
    repo::Kind,
    route::Route,
    tree,
    world::{World, seconds},
};

/// Larger request bodies are refused; a batch of 1,000 operations has some 200 KB.
const BODY: usize = 64 << 20;

/// Answers a request to the API; `route` is `None` if its path names none.
pub async fn answer(world: Arc<World>, route: Option<Route>, request: Request<Body>) -> Response<Body> {
    let asked = Asked {
        method: request.method().clone(),
        query: query(request.uri()),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
        fail: request.extensions().get::<FailPaths>().cloned(),
    };
    answer_to(&world, route, &asked, request.into_body()).await.unwrap_or_else(|refusal| refusal)
}

/// A request without its body.
struct Asked {
    method: Method,
    uri: Uri,
    query: HashMap<String, String>,
    headers: axum::http::HeaderMap,
    fail: Option<FailPaths>,
}

async fn answer_to(
    world: &Arc<World>,
    route: Option<Route>,
    asked: &Asked,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let Some(route) = route else { return Err(answers::no_route()) };
    match (asked.method.as_str(), route) {
        ("GET", Route::Whoami) => whoami(world, asked),
        ("POST", Route::Move) => buckets::rename(world, asked, json_of(body).await?),
        ("GET", Route::Buckets(namespace)) => buckets::list(world, asked, &namespace),
        ("POST", Route::Bucket(id)) => buckets::create(world, asked, &id, json_of(body).await?),
        ("GET", Route::Bucket(id)) => buckets::info(world, asked, &id),
        ("DELETE", Route::Bucket(id)) => buckets::delete(world, asked, &id),
        ("PUT", Route::Settings(id)) => buckets::settings(world, asked, &id, json_of(body).await?),
        ("GET", Route::Tree(id, prefix)) => buckets::tree(world, asked, &id, &prefix),
        ("POST", Route::PathsInfo(id)) => buckets::paths_info(world, asked, &id, json_of(body).await?),
        ("POST", Route::Batch(id)) => buckets::batch(world, asked, &id, bytes_of(body).await?).await,
        ("GET", Route::Events(id)) => events::follow(world, asked, &id),
        ("GET", Route::Token(id, writes)) => buckets::token(world, asked, &id, writes),
        ("GET" | "HEAD", Route::Resolve(id, path)) => resolve::bucket(world, asked, &id, &path),
        ("GET", Route::Repo(kind, id, revision)) => repos::info(world, asked, kind, &id, revision.as_deref()),
        ("GET", Route::RepoTree(kind, id, revision, prefix)) => {
            repos::tree(world, asked, kind, &id, &revision, &prefix)
        }
        ("GET", Route::RepoToken(kind, id, revision, writes)) => {
            repos::token(world, asked, kind, &id, &revision, writes)
        }
        ("GET" | "HEAD", Route::RepoResolve(kind, id, revision, path)) => {
            resolve::repo(world, asked, kind, &id, &revision, &path)
        }
        ("GET" | "HEAD", Route::Blob(ticket)) => resolve::blob(world, asked, &ticket).await,
        _ => Err(answers::no_route()),
    }
}

fn whoami(world: &World, asked: &Asked) -> Result<Response<Body>, Refusal> {
    let account = world.caller(&asked.headers)?.ok_or_else(answers::unauthorized)?;
    let role = if account.writes { "write" } else { "read" };
    let auth = json!({ "type": "access_token", "accessToken": { "displayName": "test", "role": role } });
    let orgs: Vec<_> = account.orgs.iter().map(|org| json!({ "type": "org", "name": org })).collect();
    Ok(Json(json!({ "name": account.name, "type": "user", "orgs": orgs, "auth": auth })).into_response())
}

/// A token for the CAS, as body and as headers.
fn cas_token(world: &World, scope: String, writes: bool) -> Response<Body> {
    let (token, expires) = world.state().tokens.grant(scope, writes, seconds());
    let body = json!({ "casUrl": world.cas_url(), "exp": expires, "accessToken": token });
    let mut response = Json(body).into_response();
    let headers = [
        ("X-Xet-Cas-Url", world.cas_url()),
        ("X-Xet-Token-Expiration", expires.to_string()),
        ("X-Xet-Access-Token", token),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Which page is asked for: after which key, and how many rows.
fn page_of(world: &World, asked: &Asked) -> Result<(Option<String>, usize), Refusal> {
    let cursor =
        asked.query.get("cursor").map(|cursor| tree::unseal(cursor)).map(|c| c.ok_or_else(bad_cursor));
    let most = world.state().page;
    let limit = match asked.query.get("limit").map(|limit| limit.parse::<usize>()) {
        None => most,
        Some(Ok(limit)) if limit > 0 => limit.min(most),
        Some(_) => return Err(answers::bad("limit makes no sense")),
    };
    Ok((cursor.transpose()?, limit))
}

fn bad_cursor() -> Refusal {
    answers::bad("Invalid cursor")
}

/// The address of the next page: the same, with another cursor.
fn next_page(world: &World, asked: &Asked, cursor: &str) -> String {
    let others = asked.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("cursor="));
    let mut pairs: Vec<String> = others.filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    pairs.push(format!("cursor={}", tree::seal(cursor)));
    format!("{}{}?{}", world.endpoint(), asked.uri.path(), pairs.join("&"))
}

fn query(uri: &Uri) -> HashMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

async fn bytes_of(body: Body) -> Result<bytes::Bytes, Refusal> {
    axum::body::to_bytes(body, BODY)
        .await
        .map_err(|e| answers::bad(&format!("the body is not all there: {e}")))
}

/// Reads a JSON body; an empty one is `{}`.
async fn json_of<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = bytes_of(body).await?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|e| answers::bad(&format!("the body makes no sense: {e}")))
}

/// `/api/buckets/{id}` and the like, for the address of a token.
fn token_route(world: &World, kind: Option<Kind>, id: &str, revision: Option<&str>) -> String {
    let kind = kind.map_or("buckets", Kind::plural);
    let revision = revision.map(|r| {
        format!("/{}", percent_encoding::utf8_percent_encode(r, percent_encoding::NON_ALPHANUMERIC))
    });
    format!("{}/api/{kind}/{id}/xet-read-token{}", world.endpoint(), revision.unwrap_or_default())
}
