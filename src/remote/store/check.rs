//! Looks at everything in a bucket: `lacuna store check`.

use std::{collections::HashMap, io::Cursor, path::Path, sync::Arc};

use xet_core_structures::{
    merklehash::{MerkleHash, compute_data_hash},
    xorb_object::XorbObject,
};

use super::{
    bucket::{Bucket, at, damaged},
    cas::Cas,
    folder_of,
    format::{Located, Snapshot, unseal},
    log::{blocking, read_commit},
    mirror::Mirror,
    snapshot,
};
use crate::{
    error::{Error, Kind, Result},
    remote::Body,
};

/// The most problems that are listed; the rest is counted.
const LISTED: usize = 1000;

/// What [`check`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many commits, snapshots, nodes, contents, shards and xorbs were looked at.
    pub commits: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Nodes in the newest tree.
    pub nodes: u64,
    /// Contents, those of older versions too.
    pub contents: u64,
    /// Shards that they need.
    pub shards: u64,
    /// Xorbs that they need.
    pub xorbs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong, the first thousand.
    pub problems: Vec<Error>,
    /// How many things are wrong.
    pub wrong: u64,
}

impl Report {
    fn note(&mut self, problem: Error) {
        self.wrong += 1;
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }

    /// What is only damaged is noted, and the check goes on.
    fn pass<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(e) if matches!(e.kind(), Kind::Damaged | Kind::Invalid | Kind::NotFound) => {
                self.note(e);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Reads everything that the bucket at `url` needs, and says what is wrong. Changes nothing there. `scratch` is
/// a folder for a temporary file, some hundred bytes for each node.
///
/// # Errors
/// What keeps the check itself from going on; damage is in the report.
pub async fn check(url: &str, scratch: &Path) -> Result<Report> {
    let bucket = Arc::new(Bucket::open_folder(&folder_of(url)?).await?);
    let file = scratch.join(format!("check-{}.db", std::process::id()));
    let report = check_with(bucket, &file).await;
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        // A leftover in a scratch folder is no reason to fail.
        let _ = std::fs::remove_file(path);
    }
    report
}

pub(super) async fn check_with(bucket: Arc<Bucket>, scratch: &Path) -> Result<Report> {
    let mut report = Report::default();
    let mirror = Arc::new(Mirror::open(scratch, bucket.info())?);
    mirror.rebuild()?;
    commits(&bucket, &mirror, &mut report).await?;
    snapshots(&bucket, &mut report).await?;
    let (needed, missing) = tree(&mirror, &mut report).await?;
    for problem in missing {
        report.note(problem);
    }
    contents(&bucket, &mirror, needed, &mut report).await?;
    report.bytes = bucket.moved().1;
    Ok(report)
}

async fn commits(bucket: &Bucket, mirror: &Arc<Mirror>, report: &mut Report) -> Result<()> {
    let mut numbers: Vec<u64> =
        bucket.list("commits", None).await?.iter().filter_map(|(path, _)| at::commit_number(path)).collect();
    numbers.sort_unstable();
    for (expected, number) in (1..).zip(numbers) {
        let path = at::commit(expected);
        if number != expected {
            report.note(damaged(&path, "a commit is missing, and later ones are there"));
            return Ok(());
        }
        let Some(text) = bucket.get(&path).await? else { return Ok(()) };
        let Some(commit) = report.pass(read_commit(number, &text))? else { return Ok(()) };
        let mirror = mirror.clone();
        // Without this one the later ones make no tree.
        if report.pass(blocking(move || mirror.apply(&commit, &text)).await)?.is_none() {
            return Ok(());
        }
        report.commits += 1;
    }
    Ok(())
}

async fn snapshots(bucket: &Bucket, report: &mut Report) -> Result<()> {
    for number in snapshot::numbers(bucket).await? {
        let path = at::snapshot(number);
        let Some(text) = bucket.get(&path).await? else { continue };
        let Some(list) = report.pass(unseal::<Snapshot>(&text, &format!("snapshot {number}")))? else {
            continue;
        };
        for (i, hash) in list.parts.iter().enumerate() {
            let path = at::snapshot_part(number, i);
            match bucket.get(&path).await? {
                Some(part) if compute_data_hash(&part).hex() == *hash => {}
                Some(_) => report.note(damaged(&path, "the checksum of a part of a snapshot does not fit")),
                None => report.note(damaged(&path, "a part of a snapshot is missing")),
            }
        }
        report.snapshots += 1;
    }
    Ok(())
}

/// All contents, and an error for each file of the newest tree that has none.
async fn tree(mirror: &Arc<Mirror>, report: &mut Report) -> Result<(Vec<Located>, Vec<Error>)> {
    let source = mirror.clone();
    let (nodes, contents, missing) = blocking(move || {
        let (mut nodes, mut contents, mut missing) = (0, Vec::new(), Vec::new());
        source.walk(
            |_| (),
            |node| {
                nodes += 1;
                if let Body::File(content) = node.body
                    && content.size > 0
                    && source.locate(&content.id)?.is_none_or(|l| l.size != content.size)
                {
                    let why = format!("no commit says where its content {} is", content.id);
                    missing.push(Error::new(Kind::Damaged, why).at(format!(
                        "{:?} ({:016x})",
                        node.name.as_str(),
                        node.id.0
                    )));
                }
                Ok(())
            },
            |content| {
                contents.push(content);
                Ok(())
            },
        )?;
        Ok((nodes, contents, missing))
    })
    .await?;
    report.nodes = nodes;
    Ok((contents, missing))
}

async fn contents(
    bucket: &Arc<Bucket>,
    mirror: &Arc<Mirror>,
    all: Vec<Located>,
    report: &mut Report,
) -> Result<()> {
    let cas = Cas::new(bucket.clone(), mirror.clone())?;
    // For each shard whether it is whole, for each xorb where its chunks end if it is.
    let mut shards: HashMap<MerkleHash, ()> = HashMap::new();
    let mut xorbs: HashMap<MerkleHash, Option<Vec<u32>>> = HashMap::new();
    for located in all {
        report.contents += 1;
        if shards.insert(located.shard, ()).is_none() {
            report.shards += 1;
            let path = at::shard(&located.shard.hex());
            match bucket.get(&path).await? {
                Some(bytes) if compute_data_hash(&bytes) == located.shard => {}
                Some(_) => report.note(damaged(&path, "a shard's checksum does not fit")),
                None => report.note(damaged(&path, "a shard is missing")),
            }
        }
        let Some(info) = report.pass(cas.read_info(&located).await)? else { continue };
        for segment in &info.segments {
            let hash = segment.xorb_hash;
            if let std::collections::hash_map::Entry::Vacant(new) = xorbs.entry(hash) {
                report.xorbs += 1;
                new.insert(report.pass(xorb(bucket, hash).await)?);
            }
            let Some(Some(ends)) = xorbs.get(&hash) else { continue };
            let end = |chunk: u32| match chunk {
                0 => Some(0),
                _ => ends.get(chunk as usize - 1).copied(),
            };
            let len = match (end(segment.chunk_index_start), end(segment.chunk_index_end)) {
                (Some(from), Some(to)) => to.checked_sub(from),
                _ => None,
            };
            if len != Some(segment.unpacked_segment_bytes) {
                let path = at::xorb(&hash.hex());
                report.note(damaged(&path, &format!("content {} and its xorb do not fit", located.content)));
            }
        }
    }
    Ok(())
}

/// Checks every chunk of a xorb, and answers where each ends in the unpacked content.
async fn xorb(bucket: &Bucket, hash: MerkleHash) -> Result<Vec<u32>> {
    let path = at::xorb(&hash.hex());
    let bytes = bucket.get(&path).await?.ok_or_else(|| damaged(&path, "a xorb is missing"))?;
    blocking(move || match XorbObject::validate_xorb_object(&mut Cursor::new(&bytes[..]), &hash) {
        Ok(Some(xorb)) => Ok(xorb.info.unpacked_chunk_offsets),
        Ok(None) | Err(_) => Err(damaged(&path, "a xorb's checksum does not fit")),
    })
    .await
}
