//! The control route below `/_test/`, for those who start the Hub as a program: what tests of the library set
//! by calls. No token; it is on loopback only.
//!
//! - `GET /_test/counts`, `DELETE /_test/counts`: what moved, by route; starts anew.
//! - `GET /_test/seen`: what was asked, in order.
//! - `GET /_test/faults`, `POST /_test/faults` with a [`Fault`] as JSON, `DELETE /_test/faults`.
//! - `POST /_test/limit` with `{"quota":N,"window":SECONDS}`, `DELETE /_test/limit`.
//! - `POST /_test/cas-tokens/expire`, `POST /_test/cas-tokens/revoke`: those that are out.
//! - `POST /_test/cas-tokens/life` with seconds: of those that come.
//! - `POST /_test/tokens` with `{"name":…,"writes":…}`: a new token; `DELETE /_test/tokens` with the token.
//! - `POST /_test/feed` with `true` or `false`; `POST /_test/feed/reconnect`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    http::{Request, Response},
    response::IntoResponse,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{
    answers::{self, Refusal},
    faults::{Fault, Rate},
    world::World,
};

#[derive(Deserialize)]
struct NewToken {
    name: String,
    writes: bool,
}

/// Answers a request to the control route; `rest` is its path below `/_test/`.
pub async fn answer(world: &Arc<World>, rest: &str, request: Request<Body>) -> Response<Body> {
    let method = request.method().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    done(world, method.as_str(), rest, &body).unwrap_or_else(|refusal| refusal)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|e| answers::bad(&format!("the body makes no sense: {e}")))
}

fn done(world: &World, method: &str, rest: &str, body: &[u8]) -> Result<Response<Body>, Refusal> {
    match (method, rest) {
        ("GET", "counts") => return Ok(Json(world.front.counts()).into_response()),
        ("GET", "seen") => return Ok(Json(world.front.seen()).into_response()),
        ("GET", "faults") => return Ok(Json(world.front.faults()).into_response()),
        ("DELETE", "counts") => world.front.forget_counts(),
        ("POST", "faults") => world.front.fault(read::<Fault>(body)?),
        ("DELETE", "faults") => world.front.clear_faults(),
        ("POST", "limit") => world.front.limit(Some(read::<Rate>(body)?)),
        ("DELETE", "limit") => world.front.limit(None),
        ("POST", "cas-tokens/expire") => world.state().tokens.expire_grants(),
        ("POST", "cas-tokens/revoke") => world.state().tokens.revoke_grants(),
        ("POST", "cas-tokens/life") => world.state().tokens.life = read(body)?,
        ("POST", "tokens") => {
            let new: NewToken = read(body)?;
            let token = world.state().tokens.account(&new.name, new.writes);
            return Ok(Json(json!({ "token": token })).into_response());
        }
        ("DELETE", "tokens") => {
            let token: String = read(body)?;
            if !world.state().tokens.revoke(&token) {
                return Err(answers::bad("there is no such token"));
            }
        }
        ("POST", "feed") => {
            let on: bool = read(body)?;
            let mut state = world.state();
            state.feed.on = on;
            state.feed.reconnect.send_modify(|n| *n += 1);
        }
        ("POST", "feed/reconnect") => world.state().feed.reconnect.send_modify(|n| *n += 1),
        _ => return Err(answers::no_route()),
    }
    Ok(Json(json!({ "done": true })).into_response())
}
