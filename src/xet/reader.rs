//! The drive's reads: every chunk is checked against its hash, and what is read teaches the hashes.
//!
//! Who has read a file knows its chunks, so that a program which loads a file and saves it as a new one
//! sends only what it changed. A remote that tells hashes is asked for those of chunks that are not known
//! here, beside the fetch; of another the hashes are taken from the bytes.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use xet_core_structures::merklehash::compute_data_hash;

use super::{
    Inner, damaged,
    fetch::{self, Chunks},
    known::Rows,
};
use crate::{
    error::{Error, Kind, Result},
    node::{Content, ContentId},
};

/// So many chunks that reads ended in are kept, at most 128 KiB each.
const TAILS: usize = 16;
/// So many questions for hashes run at once.
const AT_ONCE: usize = 8;

/// The chunks that the last reads ended in: a sequential reader goes on in them.
#[derive(Default)]
pub(super) struct Tails(Mutex<VecDeque<Tail>>);

struct Tail {
    id: ContentId,
    range: Range<u64>,
    bytes: Bytes,
}

impl Tails {
    /// What of a read is at hand: bytes from its start on.
    fn head(&self, content: &Content, range: &Range<u64>) -> Option<Bytes> {
        let tails = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let tail = tails.iter().find(|t| t.id == content.id && t.range.contains(&range.start))?;
        let at = |x: u64| (x.min(tail.range.end) - tail.range.start) as usize;
        Some(tail.bytes.slice(at(range.start)..at(range.end)))
    }

    fn keep(&self, content: &Content, start: u64, chunk: &[u8]) {
        let mut tails = self.0.lock().unwrap_or_else(|e| e.into_inner());
        // A copy: the chunk is a slice of all that was fetched.
        let bytes = Bytes::copy_from_slice(chunk);
        tails.push_front(Tail { id: content.id, range: start..start + bytes.len() as u64, bytes });
        tails.truncate(TAILS);
    }
}

/// The bytes `range` of `content`, all of it, and checked.
pub(super) async fn read(inner: &Arc<Inner>, content: &Content, range: Range<u64>) -> Result<Bytes> {
    if range.start >= range.end {
        return Ok(Bytes::new());
    }
    if range.end > content.size {
        let cause = format!("bytes {range:?} were asked for of a file of {}", content.size);
        return Err(Error::new(Kind::Invalid, cause));
    }
    let head = inner.tails.head(content, &range).unwrap_or_default();
    let rest = range.start + head.len() as u64..range.end;
    if rest.is_empty() {
        return Ok(head);
    }
    let (skip, parts) = fetch::fetch(&inner.client, content, rest.clone()).await?;
    let parts = check(inner, content, parts).await?;
    let (skip, len) = (skip as usize, (rest.end - rest.start) as usize);
    let have: usize = parts.iter().map(|p| p.data.len()).sum();
    if have < skip + len {
        return Err(damaged(content, format!("{have} bytes came for {rest:?} after {skip}")));
    }
    if let Some(last) = parts.last()
        && have > skip + len
        && let Some(chunk) = last.iter().last()
    {
        let end = rest.start + (have - skip) as u64;
        inner.tails.keep(content, end - chunk.len() as u64, &chunk);
    }
    if let [only] = &parts[..]
        && head.is_empty()
    {
        return Ok(only.data.slice(skip..skip + len));
    }
    let mut out = BytesMut::with_capacity(head.len() + len);
    out.extend_from_slice(&head);
    let (mut skip, mut left) = (skip, len);
    for part in &parts {
        let from = skip.min(part.data.len());
        let n = left.min(part.data.len() - from);
        out.extend_from_slice(&part.data[from..from + n]);
        (skip, left) = (skip - from, left - n);
    }
    Ok(out.freeze())
}

/// Compares chunks with their hashes, and learns them.
async fn check(inner: &Arc<Inner>, content: &Content, parts: Vec<Chunks>) -> Result<Vec<Chunks>> {
    let hashing = tokio::task::spawn_blocking(move || {
        let hash =
            |p: &Chunks| -> Rows { p.iter().map(|c| (compute_data_hash(&c), c.len() as u32)).collect() };
        parts.into_iter().map(|p| (hash(&p), p)).collect::<Vec<_>>()
    });
    let hashed = hashing.await.map_err(|e| Error::new(Kind::Other, "hashing was given up").because(e))?;
    stream::iter(hashed)
        .map(|(rows, part)| async move {
            let range = part.first..part.first + rows.len() as u32;
            let wrong = || {
                damaged(
                    content,
                    format!("chunks {range:?} of the xorb {} do not match their checksums", part.xorb),
                )
            };
            match inner.known.rows(&part.xorb, range.clone()) {
                Some(right) if right == rows => {}
                Some(_) => return Err(wrong()),
                None => {
                    if let Some(right) = inner.outlines.xorb_chunks(&part.xorb, range.clone()).await?
                        && right != rows
                    {
                        return Err(wrong());
                    }
                    inner.known.add(&part.xorb, part.first, &rows);
                }
            }
            Ok(part)
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
