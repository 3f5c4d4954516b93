//! Snapshots: the whole tree after one commit, so that a new machine need not read all commits.
//!
//! The parts are put first, the list that names them last: a list is never without its parts. Two
//! writers of one snapshot write the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use xet_core_structures::merklehash::compute_data_hash;

use super::{
    bucket::{Bucket, at, damaged},
    format::{FORMAT, Line, Node, Snapshot, seal, unseal},
    mirror::{Mirror, Place},
};
use crate::error::{Error, Kind, Result};

/// A part is closed when its text is this long, bytes.
const PART: usize = 4 << 20;

/// The numbers of all snapshots, newest first.
pub async fn numbers(bucket: &Bucket) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = bucket
        .list("snapshots", None)
        .await?
        .iter()
        .filter_map(|(path, _)| at::commit_number(path))
        .collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// Writes a snapshot of the mirror's tree as it is now; answers after which commit that is.
pub async fn write(bucket: &Bucket, mirror: &Arc<Mirror>) -> Result<u64> {
    // One part waits while another is built and a third is sent.
    let (parts, mut ready) = mpsc::channel::<Vec<u8>>(1);
    // The place is only known for sure inside the walk; parts carry it in their names.
    let (place_at, place) = tokio::sync::oneshot::channel::<Place>();
    let source = mirror.clone();
    let walk = tokio::task::spawn_blocking(move || -> Result<(Place, u64, u64)> {
        let (mut nodes, mut contents) = (0, 0);
        let text = std::cell::RefCell::new(Vec::with_capacity(PART + 4096));
        let flush = |text: &mut Vec<u8>| {
            let part = lz4_flex::compress_prepend_size(text);
            text.clear();
            parts.blocking_send(part).map_err(|_| Error::new(Kind::Other, "the snapshot was given up"))
        };
        let put = |line: &Line| -> Result<()> {
            let text = &mut *text.borrow_mut();
            serde_json::to_writer(&mut *text, line)
                .map_err(|e| Error::new(Kind::Other, format!("can't be written as JSON: {e}")))?;
            text.push(b'\n');
            if text.len() >= PART { flush(text) } else { Ok(()) }
        };
        let at = source.walk(
            // If nobody listens any more, the first part says so.
            |at| drop(place_at.send(at.clone())),
            |n| {
                nodes += 1;
                put(&Line::Node(Node::new(
                    n.id,
                    n.parent,
                    n.name.clone(),
                    n.meta,
                    &n.body,
                    Some(n.version.0),
                )))
            },
            |c| {
                contents += 1;
                put(&Line::Content(c))
            },
        )?;
        let text = &mut *text.borrow_mut();
        if !text.is_empty() {
            flush(text)?;
        }
        Ok((at, nodes, contents))
    });
    let mut hashes = Vec::new();
    if let Ok(place) = place.await {
        while let Some(part) = ready.recv().await {
            hashes.push(compute_data_hash(&part).hex());
            bucket.replace(&at::snapshot_part(place.number, hashes.len() - 1), part.into()).await?;
        }
    }
    let (place, nodes, contents) =
        walk.await.map_err(|e| Error::new(Kind::Other, format!("writing a snapshot: {e}")))??;
    let list =
        Snapshot { format: FORMAT, number: place.number, id: place.id, nodes, contents, parts: hashes };
    bucket.replace(&at::snapshot(place.number), seal(&list)?.into()).await?;
    Ok(list.number)
}

/// Fills the mirror from the snapshot `number`.
///
/// # Errors
/// `Damaged` if it is not whole; the mirror is then to be rebuilt from another one.
pub async fn read(bucket: &Bucket, mirror: &Arc<Mirror>, number: u64) -> Result<()> {
    let path = at::snapshot(number);
    let text = bucket.get(&path).await?.ok_or_else(|| damaged(&path, "a snapshot is missing"))?;
    let list: Snapshot = unseal(&text, &format!("snapshot {number}"))?;
    if list.number != number {
        return Err(damaged(&path, "a snapshot has the wrong name"));
    }
    let (mut nodes, mut contents) = (0, 0);
    for (i, hash) in list.parts.iter().enumerate() {
        let path = at::snapshot_part(number, i);
        let part =
            bucket.get(&path).await?.ok_or_else(|| damaged(&path, "a part of a snapshot is missing"))?;
        if compute_data_hash(&part).hex() != *hash {
            return Err(damaged(&path, "the checksum of a part of a snapshot does not fit"));
        }
        let mirror = mirror.clone();
        let loaded = tokio::task::spawn_blocking(move || load(&mirror, &part, &path)).await;
        let (n, c) = loaded.map_err(|e| Error::new(Kind::Other, format!("reading a snapshot: {e}")))??;
        nodes += n;
        contents += c;
    }
    if (nodes, contents) != (list.nodes, list.contents) {
        return Err(damaged(&path, "a snapshot has not what it says"));
    }
    mirror.rebuilt(&Place { number, id: list.id })
}

fn load(mirror: &Mirror, part: &Bytes, path: &object_store::path::Path) -> Result<(u64, u64)> {
    let text = lz4_flex::decompress_size_prepended(part).map_err(|e| damaged(path, &e.to_string()))?;
    let (mut nodes, mut contents) = (Vec::new(), Vec::new());
    for line in text.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
        match serde_json::from_slice(line).map_err(|e| damaged(path, &e.to_string()))? {
            Line::Node(node) => nodes.push(node),
            Line::Content(content) => contents.push(content),
        }
    }
    mirror.load(&nodes, &contents)?;
    Ok((nodes.len() as u64, contents.len() as u64))
}
