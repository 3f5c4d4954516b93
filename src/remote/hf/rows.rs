//! What the Hub's listings say, as far as it can be believed.
//!
//! A row whose name no drive could show (`..`, an empty part, a NUL, more than 255 bytes), that is not where
//! the listing is of, or whose hash is none, is left out and said in the log.

use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use xet_core_structures::merklehash::{MerkleHash, compute_data_hash};

use super::place::Place;
use crate::node::{Content, ContentId, Name};

/// One row of a listing, as it is sent.
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    size: Option<u64>,
    oid: Option<String>,
    xet_hash: Option<String>,
    lfs: Option<Lfs>,
    mtime: Option<String>,
    uploaded_at: Option<String>,
    last_commit: Option<Commit>,
}

#[derive(Deserialize, Debug)]
struct Lfs {
    size: Option<u64>,
    #[serde(alias = "sha256")]
    oid: Option<String>,
}

#[derive(Deserialize, Debug)]
struct Commit {
    date: Option<String>,
}

/// A file as the Hub has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its content; of a plain file a number of ours, see [`plain_id`].
    pub content: Content,
    /// When it last changed, milliseconds since 1970, as its writer said.
    pub mtime: Option<i64>,
    /// When the Hub got it, milliseconds since 1970.
    pub uploaded: Option<i64>,
    /// Whether it is not in the CAS but behind HTTP.
    pub plain: bool,
}

/// One row that can be believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its name in its folder.
    pub name: Name,
    /// The path in the drive.
    pub path: String,
    /// A file, or `None`: a folder.
    pub file: Option<Seen>,
}

/// The number of a content that is not in the CAS: the hash of what tells its versions apart. The words before
/// it keep it from ever being the hash of a file's chunks.
pub fn plain_id(tag: &str) -> ContentId {
    compute_data_hash(format!("lacuna: a plain file at the Hub, 1\0{tag}").as_bytes()).into()
}

/// Milliseconds since 1970 of an RFC 3339 time.
pub fn millis(time: &str) -> Option<i64> {
    let nanos = OffsetDateTime::parse(time, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos.div_euclid(1_000_000)).ok()
}

/// Whether a path in the drive is one that a drive can show.
pub fn is_path(path: &str) -> bool {
    path.split('/').all(|part| Name::new(part).is_ok())
}

fn seen(wire: &Wire) -> Option<Seen> {
    let size = wire.lfs.as_ref().and_then(|l| l.size).or(wire.size)?;
    i64::try_from(size).ok()?;
    let date = wire.last_commit.as_ref().and_then(|c| c.date.as_deref());
    let uploaded = wire.uploaded_at.as_deref().or(date).and_then(millis);
    let mtime = wire.mtime.as_deref().and_then(millis);
    let (content, plain) = match &wire.xet_hash {
        _ if size == 0 => (Content::EMPTY, false),
        Some(hash) => (Content { id: MerkleHash::from_hex(hash).ok()?.into(), size }, false),
        None => {
            let lfs = wire.lfs.as_ref().and_then(|l| l.oid.as_deref());
            let tag = match lfs.or(wire.oid.as_deref()) {
                Some(oid) => oid.to_owned(),
                None => format!("{}\0{size}\0{mtime:?}\0{uploaded:?}", wire.path),
            };
            (Content { id: plain_id(&tag), size }, true)
        }
    };
    Some(Seen { content, mtime, uploaded, plain })
}

fn row(wire: &Wire, place: &Place) -> Result<Row, &'static str> {
    let path = place.path(&wire.path).ok_or("it is not in this folder")?;
    if !is_path(path) {
        return Err("no drive can show such a name");
    }
    let name = path.rsplit('/').next().and_then(|n| Name::new(n).ok()).ok_or("no name")?;
    let file = match wire.kind.as_str() {
        "file" => Some(seen(wire).ok_or("its size or hash can't be understood")?),
        "directory" => None,
        _ => return Err("it is neither a file nor a folder"),
    };
    Ok(Row { name, path: path.to_owned(), file })
}

/// The rows of an answer. `below` is the folder that was listed: rows elsewhere are left out (the Hub lists by
/// the first letters of keys, `ab` with `a`). With `None` rows of any folder are taken.
pub fn rows(answer: Vec<serde_json::Value>, place: &Place, below: Option<&str>) -> Vec<Row> {
    let mut rows = Vec::with_capacity(answer.len());
    for value in answer {
        let wire: Wire = match serde_json::from_value(value) {
            Ok(wire) => wire,
            Err(e) => {
                tracing::warn!("a row of the Hub's listing is left out: {e}");
                continue;
            }
        };
        match row(&wire, place) {
            Ok(row) => {
                let parent = row.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if below.is_none_or(|folder| folder == parent) {
                    rows.push(row);
                }
            }
            Err(why) => tracing::warn!(path = ?wire.path, "a row of the Hub's listing is left out: {why}"),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|r| r.path.as_str()).collect()
    }

    #[test]
    fn only_what_can_be_shown_is_taken() {
        let place = Place::parse("hf://buckets/o/n/top").unwrap();
        let hash = "0".repeat(63) + "1";
        let file = |path: &str| json!({"type":"file","path":path,"size":3,"xetHash":hash});
        let answer = vec![
            file("top/a"),
            file("top/ab/c"),
            file("topper/a"),
            file("top/../x"),
            file("top//x"),
            file("top/x\0y"),
            file(&format!("top/{}", "x".repeat(256))),
            file("top/"),
            file("top"),
            json!(7),
            json!({"type":"file","path":"top/nosize"}),
            json!({"type":"file","path":"top/badhash","size":3,"xetHash":"xyz"}),
            json!({"type":"socket","path":"top/s"}),
            json!({"type":"directory","path":"top/d","uploadedAt":"2026-02-28T14:52:39.000Z"}),
            json!({"type":"file","path":"top/neg","size":-1,"xetHash":hash}),
        ];
        let rows = rows(answer, &place, Some(""));
        assert_eq!(names(&rows), ["a", "d"]);
        assert!(rows[1].file.is_none());
    }

    #[test]
    fn sizes_times_and_plain_files() {
        let place = Place::parse("hf://models/o/n").unwrap();
        let of = |v| rows(vec![v], &place, None).pop().unwrap().file.unwrap();
        let pointer =
            of(json!({"type":"file","path":"m","size":134,"oid":"aa","lfs":{"size":9000,"oid":"bb"}}));
        assert_eq!((pointer.content.size, pointer.plain), (9000, true));
        assert_eq!(pointer.content.id, plain_id("bb"));
        assert_ne!(plain_id("bb"), plain_id("aa"));
        let small = of(
            json!({"type":"file","path":"m","size":5,"oid":"aa","lastCommit":{"date":"2026-02-28T14:52:39.5Z"}}),
        );
        assert_eq!(small.uploaded, Some(1_772_290_359_500));
        let timed = of(json!({"type":"file","path":"m","size":0,"mtime":"1969-12-31T23:59:59.999Z"}));
        assert_eq!((timed.mtime, timed.content), (Some(-1), Content::EMPTY));
        assert_eq!(millis("yesterday"), None);
    }
}
