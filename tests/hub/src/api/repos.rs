//! Read-only repositories.

use axum::{Json, body::Body, http::Response, response::IntoResponse};
use serde_json::{Value, json};

use super::{Asked, cas_token, next_page, page_of};
use crate::{
    answers::{self, Refusal},
    clock,
    repo::{File, Kind, Place},
    tree::{self, Row},
    world::World,
};

type Answer = Result<Response<Body>, Refusal>;

pub fn info(world: &World, asked: &Asked, kind: Kind, name: &str, revision: Option<&str>) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let state = world.state();
    let (id, repo) = state.repo(caller.as_ref(), kind, name)?;
    let commit = repo.at(revision.unwrap_or("main")).ok_or_else(answers::no_revision)?;
    let siblings: Vec<Value> = commit.files.keys().map(|path| json!({ "rfilename": path })).collect();
    let about = json!({
        "_id": "0123456789abcdef01234567",
        "id": id,
        "sha": commit.sha,
        "private": repo.private,
        "lastModified": clock::json(commit.at),
        "siblings": siblings,
    });
    Ok(Json(about).into_response())
}

fn row(path: &str, file: &File) -> Value {
    let mut row = json!({
        "type": "file",
        "path": path,
        "size": file.blob_size,
        "oid": file.oid,
        "lastCommit": { "id": file.oid, "title": "test", "date": clock::json(file.at) },
    });
    if let Place::Xet { hash, sha256 } = &file.place {
        row["xetHash"] = hash.as_str().into();
        row["lfs"] = json!({ "oid": sha256, "size": file.size, "pointerSize": file.blob_size });
    }
    row
}

pub fn tree(world: &World, asked: &Asked, kind: Kind, name: &str, revision: &str, prefix: &str) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let (cursor, limit) = page_of(world, asked)?;
    let recursive =
        asked.query.get("recursive").is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    let (rows, next) = {
        let state = world.state();
        let (_, repo) = state.repo(caller.as_ref(), kind, name)?;
        let commit = repo.at(revision).ok_or_else(answers::no_revision)?;
        // Git has folders: a prefix is one.
        let below =
            if prefix.is_empty() { String::new() } else { format!("{}/", prefix.trim_end_matches('/')) };
        let found = tree::rows(&commit.files, &below, recursive, |file| file.at);
        if found.is_empty() && !prefix.is_empty() {
            return Err(answers::no_entry());
        }
        let (rows, next) = tree::page(found, cursor.as_deref(), limit);
        let show = |(path, found): (String, Row<&File>)| match found {
            Row::File(file) => row(&path, file),
            Row::Folder(at) => json!({
                "type": "directory", "path": path, "size": 0, "oid": commit.sha,
                "lastCommit": { "id": commit.sha, "title": "test", "date": clock::json(at) },
            }),
        };
        (rows.into_iter().map(show).collect::<Vec<Value>>(), next)
    };
    Ok(answers::page(&rows, next.map(|cursor| next_page(world, asked, &cursor))))
}

pub fn token(world: &World, asked: &Asked, kind: Kind, name: &str, revision: &str, writes: bool) -> Answer {
    let caller = world.caller(&asked.headers)?;
    let scope = {
        let state = world.state();
        let (id, repo) = state.repo(caller.as_ref(), kind, name)?;
        if writes {
            return Err(answers::forbidden());
        }
        repo.at(revision).ok_or_else(answers::no_revision)?;
        format!("{}/{id}", kind.plural())
    };
    Ok(cas_token(world, scope, false))
}
