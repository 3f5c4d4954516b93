//! Bytes as a store of objects serves them: ranges of xorbs from their files, and contents piece by piece. The
//! simulation server reads the whole xorb, up to 64 MiB, for each range, and the whole content before its first
//! byte; whoever measures a client would measure that.

use std::{
    io::{ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
    sync::Arc,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
    response::IntoResponse,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use xet_client::{cas_client::DirectAccessClient, error::ClientError};
use xet_core_structures::{merklehash::MerkleHash, metadata_shard::file_structs::FileDataSequenceEntry};

use crate::answers;

/// A xorb's file is read in pieces of this size, bytes.
const PIECE: u64 = 256 << 10;
/// A content is unpacked in pieces of so many chunks.
const CHUNKS: u32 = 64;

/// What a request to `/v1/fetch_term` wants: a xorb, and the bytes of it. `None` if it wants several ranges, or
/// makes no sense.
fn wanted(uri: &Uri, headers: &HeaderMap) -> Option<(MerkleHash, Range<u64>)> {
    let term = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("term="))?;
    let term = String::from_utf8(URL_SAFE_NO_PAD.decode(term).ok()?).ok()?;
    let hash = term.split(':').next()?;
    if headers.get(header::RANGE)?.to_str().ok()?.contains(',') {
        return None;
    }
    let range = answers::range(headers, u64::MAX).ok()??;
    (range.end < u64::MAX).then_some((MerkleHash::from_hex(hash).ok()?, range))
}

/// Answers a request for one range of a xorb. `None`: the simulation server is to answer it.
pub fn xorb_range(xorbs: &Path, uri: &Uri, headers: &HeaderMap) -> Option<Response<Body>> {
    let (hash, range) = wanted(uri, headers)?;
    let file = std::fs::File::open(xorbs.join(format!("default.{}", hash.hex()))).ok()?;
    let size = file.metadata().ok()?.len();
    if range.end > size {
        return None;
    }
    let file = Arc::new(file);
    let pieces = (range.start..range.end).step_by(PIECE as usize);
    let body = stream::iter(pieces).then(move |at| {
        let (file, length) = (Arc::clone(&file), PIECE.min(range.end - at));
        async move {
            // One piece after the other, so the file's own position may be used.
            let read = move || {
                let mut bytes = Vec::with_capacity(length as usize);
                let mut file = &*file;
                file.seek(SeekFrom::Start(at))?;
                let read = std::io::Read::take(file, length).read_to_end(&mut bytes)? as u64;
                if read == length {
                    Ok(Bytes::from(bytes))
                } else {
                    Err(std::io::Error::from(ErrorKind::UnexpectedEof))
                }
            };
            tokio::task::spawn_blocking(read).await?
        }
    });
    let mut response = (StatusCode::PARTIAL_CONTENT, Body::from_stream(body)).into_response();
    let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    response.headers_mut().insert(header::CONTENT_RANGE, HeaderValue::from_str(&told).ok()?);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    Some(response)
}

/// The bytes `range` of a content of these segments; one piece is unpacked while the one before is sent.
pub fn content(
    store: Arc<dyn DirectAccessClient>,
    segments: Vec<FileDataSequenceEntry>,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ClientError>> + Send {
    let mut at = 0;
    let mut pieces = Vec::new();
    for segment in segments {
        let start = at;
        at += u64::from(segment.unpacked_segment_bytes);
        if start < range.end && range.start < at {
            pieces.push((start, segment));
        }
    }
    stream::iter(pieces).flat_map(move |(start, segment)| {
        let (store, range) = (Arc::clone(&store), range.clone());
        let end = segment.chunk_index_end;
        let runs = (segment.chunk_index_start..end).step_by(CHUNKS as usize);
        let unpacked = stream::iter(runs).map(move |first| {
            let (store, chunks) = (Arc::clone(&store), vec![(first, end.min(first + CHUNKS))]);
            let unpack = async move {
                let run = store.get_xorb_ranges(&segment.xorb_hash, chunks).await?.pop();
                run.ok_or(ClientError::XORBNotFound(segment.xorb_hash))
            };
            async { tokio::spawn(unpack).await.map_err(ClientError::internal)? }
        });
        let mut at = start;
        unpacked.buffered(2).map(move |run| {
            let run = run?;
            let from = at;
            at += run.len() as u64;
            let cut = |to: u64| (to.clamp(from, at) - from) as usize;
            Ok(run.slice(cut(range.start)..cut(range.end)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_a_xorb_is_told_from_others() {
        let hash = "ab".repeat(32);
        let uri = |term: &str| -> Uri {
            format!("http://h/v1/fetch_term?term={}", URL_SAFE_NO_PAD.encode(term)).parse().unwrap()
        };
        let of = |uri: &Uri, range: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.extend(range.map(|range| (header::RANGE, HeaderValue::from_static(range))));
            wanted(uri, &headers).map(|(hash, range)| (hash.hex(), range))
        };
        let term = uri(&format!("{hash}:0-10,20-30"));
        assert_eq!(of(&term, Some("bytes=3-7")), Some((hash.clone(), 3..8)));
        assert_eq!(of(&uri(&hash), Some("bytes=0-0")), Some((hash.clone(), 0..1)));
        assert_eq!(of(&term, None), None);
        assert_eq!(of(&term, Some("bytes=3-")), None);
        assert_eq!(of(&term, Some("bytes=0-9,20-29")), None);
        assert_eq!(of(&uri("nonsense"), Some("bytes=0-9")), None);
    }
}
