//! Buckets: creating, finding, listing, changing.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    http::{Response, StatusCode},
    response::IntoResponse,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, cas_token, next_page, page_of};
use crate::{
    answers::{self, Refusal},
    batch,
    bucket::{Bucket, File},
    clock,
    tree::{self, Row},
    world::{World, owns},
};

type Answer = Result<Response<Body>, Refusal>;

/// The most paths that `paths-info` takes.
const PATHS: usize = 1000;

fn done() -> Response<Body> {
    Json(json!({ "success": true })).into_response()
}

fn about(id: &str, bucket: &Bucket) -> Value {
    json!({
        "_type": "bucket",
        "id": id,
        "private": bucket.private,
        "createdAt": clock::json(bucket.created_at),
        "updatedAt": clock::json(bucket.updated_at),
        "size": bucket.size(),
        "totalFiles": bucket.files.len(),
    })
}

/// What a listing says of a file.
pub fn row(path: &str, file: &File) -> Value {
    let mut row = json!({
        "type": "file",
        "path": path,
        "size": file.size,
        "xetHash": file.xet_hash,
        "uploadedAt": clock::json(file.uploaded_at),
    });
    if let Some(mtime) = file.mtime {
        row["mtime"] = clock::json(mtime).into();
    }
    if let Some(kind) = &file.content_type {
        row["contentType"] = kind.as_str().into();
    }
    row
}

#[derive(Deserialize)]
pub struct Creation {
    private: Option<bool>,
    visibility: Option<String>,
}

pub fn create(world: &World, asked: &Asked, id: &str, creation: Creation) -> Answer {
    let account = world.caller(&asked.headers)?.ok_or_else(answers::unauthorized)?;
    let (namespace, name) = id.split_once('/').unwrap_or((id, ""));
    let namespace = if namespace == "me" { account.name.as_str() } else { namespace };
    let id = format!("{namespace}/{name}");
    if !account.writes || !owns(Some(&account), &id) {
        return Err(answers::forbidden());
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || !name.chars().all(letter) {
        return Err(answers::bad("Invalid bucket name"));
    }
    let private = creation.private.unwrap_or(creation.visibility.as_deref() == Some("private"));
    let at = world.clock.tick();
    let mut state = world.state();
    let url = format!("{}/buckets/{id}", world.endpoint());
    if state.buckets.contains_key(&id) {
        // The official client, told that the bucket may exist, reads the address from the refusal.
        let body = json!({ "error": "You already created this bucket", "url": url });
        return Err((StatusCode::CONFLICT, Json(body)).into_response());
    }
    state.buckets.insert(id.clone(), Bucket::new(private, at));
    Ok(Json(json!({ "url": url, "id": id })).into_response())
}

pub fn info(world: &World, asked: &Asked, id: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let state = world.state();
    Ok(Json(about(id, state.readable(caller.as_ref(), id)?)).into_response())
}

pub fn list(world: &World, asked: &Asked, namespace: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let namespace = match (namespace, &caller) {
        ("me", Some(account)) => account.name.as_str(),
        ("me", None) => return Err(answers::unauthorized()),
        _ => namespace,
    };
    if caller.as_ref().is_some_and(|account| account.hidden.iter().any(|org| org == namespace)) {
        return Err(answers::forbidden());
    }
    let (cursor, limit) = page_of(world, asked)?;
    let search = asked.query.get("search").map(|text| text.to_lowercase()).unwrap_or_default();
    let start = format!("{namespace}/");
    let found: BTreeMap<String, Value> = {
        let state = world.state();
        let below = state.buckets.iter().filter(|(id, _)| id.starts_with(&start));
        let seen = below.filter(|(id, bucket)| !bucket.private || owns(caller.as_ref(), id));
        let named = seen.filter(|(id, _)| id[start.len()..].to_lowercase().contains(&search));
        named.map(|(id, bucket)| (id.clone(), about(id, bucket))).collect()
    };
    let (rows, next) = tree::page(found, cursor.as_deref(), limit);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(answers::page(&rows, next.map(|cursor| next_page(world, asked, &cursor))))
}

pub fn delete(world: &World, asked: &Asked, id: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let mut state = world.state();
    state.writable(caller.as_ref(), id)?;
    state.buckets.remove(id);
    Ok(done())
}

#[derive(Deserialize)]
pub struct Settings {
    private: Option<bool>,
    visibility: Option<String>,
}

pub fn settings(world: &World, asked: &Asked, id: &str, settings: Settings) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let at = world.clock.tick();
    let mut state = world.state();
    let bucket = state.writable(caller.as_ref(), id)?;
    let wanted = settings.private.or(settings.visibility.map(|visibility| visibility == "private"));
    if let Some(private) = wanted {
        bucket.private = private;
        bucket.updated_at = at;
    }
    Ok(Json(json!({ "private": bucket.private })).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renaming {
    from_repo: String,
    to_repo: String,
    #[serde(rename = "type")]
    kind: String,
}

pub fn rename(world: &World, asked: &Asked, renaming: Renaming) -> Answer {
    let caller = world.caller(&asked.headers)?;
    if renaming.kind != "bucket" {
        return Err(answers::bad("only buckets can be moved here"));
    }
    let at = world.clock.tick();
    let mut state = world.state();
    state.writable(caller.as_ref(), &renaming.from_repo)?;
    if !owns(caller.as_ref(), &renaming.to_repo) {
        return Err(answers::forbidden());
    }
    if state.buckets.contains_key(&renaming.to_repo) {
        return Err(answers::error(StatusCode::CONFLICT, None, "The new name is taken"));
    }
    if let Some(mut bucket) = state.buckets.remove(&renaming.from_repo) {
        bucket.updated_at = at;
        state.buckets.insert(renaming.to_repo, bucket);
    }
    Ok(done())
}

pub fn tree(world: &World, asked: &Asked, id: &str, prefix: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let (cursor, limit) = page_of(world, asked)?;
    let recursive =
        asked.query.get("recursive").is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    let (rows, next) = {
        let state = world.state();
        let bucket = state.readable(caller.as_ref(), id)?;
        let found = tree::rows(&bucket.files, prefix, recursive, |file| file.uploaded_at);
        let (rows, next) = tree::page(found, cursor.as_deref(), limit);
        let show = |(path, found): (String, Row<&File>)| match found {
            Row::File(file) => row(&path, file),
            Row::Folder(at) => json!({ "type": "directory", "path": path, "uploadedAt": clock::json(at) }),
        };
        (rows.into_iter().map(show).collect::<Vec<Value>>(), next)
    };
    Ok(answers::page(&rows, next.map(|cursor| next_page(world, asked, &cursor))))
}

#[derive(Deserialize)]
pub struct Paths {
    paths: Vec<String>,
}

pub fn paths_info(world: &World, asked: &Asked, id: &str, asked_for: Paths) -> Answer {
    let caller = world.caller(&asked.headers)?;
    if asked_for.paths.len() > PATHS {
        return Err(answers::bad("too many paths"));
    }
    let state = world.state();
    let bucket = state.readable(caller.as_ref(), id)?;
    let found = asked_for.paths.iter().filter_map(|path| Some(row(path, bucket.files.get(path)?)));
    Ok(Json(found.collect::<Vec<Value>>()).into_response())
}

pub async fn batch(world: &Arc<World>, asked: &Asked, id: &str, body: Bytes) -> Answer {
    let caller = world.caller(&asked.headers)?;
    world.state().writable(caller.as_ref(), id)?;
    let operations = batch::parse(&body).map_err(|reason| answers::bad(&reason))?;
    let failed = world.apply(id, &operations, asked.fail.as_ref()).await?;
    let (all, lost) = (operations.len(), failed.len());
    let status = if lost == all { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let answer = json!({
        "success": lost == 0,
        "processed": all,
        "succeeded": all - lost,
        "failed": failed,
    });
    Ok((status, Json(answer)).into_response())
}

pub fn token(world: &World, asked: &Asked, id: &str, writes: bool) -> Answer {
    let caller = world.caller(&asked.headers)?;
    {
        let mut state = world.state();
        if writes {
            state.writable(caller.as_ref(), id)?;
        } else {
            state.readable(caller.as_ref(), id)?;
        }
    }
    Ok(cas_token(world, format!("buckets/{id}"), writes))
}
