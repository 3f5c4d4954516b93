//! Files that are not in the CAS: ranges over HTTP.
//!
//! The address names a commit, so that its bytes never change; the ETag that came with the first bytes must
//! come with all others too.

use std::ops::Range;

use bytes::Bytes;
use reqwest::header;

use super::{Hub, api::Call, blocking, limit, mirror::Plain};
use crate::{
    error::{Error, Kind, Result},
    node::Content,
};

/// Where the bytes of a `Content-Range` lie, and how long the whole is: `bytes 0-9/100`.
fn content_range(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, whole) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, whole.parse().ok()?))
}

fn tag(header: Option<&str>) -> Option<String> {
    let tag = header?.trim().trim_start_matches("W/").trim_matches('"');
    (!tag.is_empty()).then(|| tag.to_owned())
}

impl Hub {
    /// The bytes `range` of a plain file.
    pub(super) async fn read_plain(&self, content: &Content, at: Plain, range: Range<u64>) -> Result<Bytes> {
        let path = self.place.resolve(&self.place.key(&at.path), &at.revision);
        let mut call = Call::get(&path);
        call.headers.push((header::RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
        call.headers.push((header::ACCEPT_ENCODING, "identity".into()));
        let mut failed = 0;
        let (answer, etag) = loop {
            let tried = self.get_range(content, &at, &range, &call).await;
            failed += 1;
            match tried {
                Err(e) if e.kind() == Kind::Offline && failed < limit::TRIES => {
                    tokio::time::sleep(limit::backoff(failed)).await;
                }
                done => break done?,
            }
        };
        if let (None, Some(etag)) = (&at.etag, etag) {
            let (mirror, id) = (self.mirror.clone(), content.id);
            blocking(move || mirror.plain_etag(&id, &etag)).await?;
        }
        Ok(answer)
    }

    async fn get_range(
        &self,
        content: &Content,
        at: &Plain,
        range: &Range<u64>,
        call: &Call<'_>,
    ) -> Result<(Bytes, Option<String>)> {
        let moved_on = |why: String| {
            Error::new(Kind::Conflict, format!("the file has changed at the Hub: {why}"))
                .remedy("open it again in a moment")
                .at(&at.path)
        };
        let response = self.api.open(call).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        if !(200..300).contains(&status) {
            let body = self.api.body(response, 1 << 20).await.unwrap_or_default();
            return Err(super::api::Answer { status, headers, body }.refusal(&at.path));
        }
        let etag = tag(text("etag"));
        if let (Some(was), Some(is)) = (&at.etag, &etag)
            && was != is
        {
            return Err(moved_on(format!("its tag was {was} and is {is}")));
        }
        let wanted = range.end - range.start;
        // Who does not know ranges sends everything.
        let (skip, whole) = match (status, text("content-range").and_then(content_range)) {
            (206, Some((sent, whole))) if sent == *range => (0, Some(whole)),
            (200, _) => (range.start, text("content-length").and_then(|l| l.parse().ok())),
            _ => return Err(Error::new(Kind::Other, "the Hub sends other bytes than asked for").at(&at.path)),
        };
        if let Some(whole) = whole
            && whole != content.size
        {
            return Err(moved_on(format!("it has {whole} bytes")));
        }
        let longest = usize::try_from(skip + wanted).unwrap_or(usize::MAX);
        let body = if skip == 0 && status == 206 {
            self.api.body(response, longest).await?
        } else {
            self.api.body(response, usize::try_from(content.size).unwrap_or(usize::MAX)).await?
        };
        let (from, to) = (usize::try_from(skip).unwrap_or(usize::MAX), longest);
        if to > body.len() {
            return Err(Error::new(Kind::Offline, "the connection broke").at(&at.path));
        }
        Ok((body.slice(from..to), etag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read() {
        assert_eq!(content_range("bytes 5-9/100"), Some((5..10, 100)));
        for bad in ["", "bytes */100", "bytes 5-9", "items 1-2/3", "bytes 5-18446744073709551615/9"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(tag(Some("W/\"abc\"")), Some("abc".into()));
        assert_eq!(tag(Some("\"\"")), None);
    }
}
