//! One upload of many files: their chunks into few xorbs, then one shard that registers them all.

use std::sync::Arc;

use bytes::Bytes;
use xet_client::error::ClientError;
use xet_core_structures::{
    error::CoreError,
    metadata_shard::{
        file_structs::{FileDataSequenceHeader, MDBFileInfo},
        shard_format::MDBShardFileHeader,
        shard_in_memory::MDBInMemoryShard,
        xorb_structs::{MDBXorbInfo, XorbChunkSequenceHeader},
    },
};

use super::{
    Inner, Uploaded, cas_error,
    draft::{Draft, Sealed},
    packer::Packer,
};
use crate::{
    error::{Kind, Result},
    remote::Composition,
};

/// Metadata beyond this, bytes, goes up in a shard of its own before the session's end.
const SHARD_BYTES: u64 = 24 << 20;

/// Uploads `files`. One answer for each, in order; a file that fails leaves the others alone, a remote that
/// fails does not.
pub(super) async fn upload(inner: &Arc<Inner>, files: Vec<Composition>) -> Vec<Result<Uploaded>> {
    let mut packer = Packer::new(inner.clone());
    let mut shards = 0;
    let mut drafts = Vec::with_capacity(files.len());
    let mut broken = None;
    for file in &files {
        let draft = Draft::compose(inner, &mut packer, file).await;
        if packer.failed {
            broken = draft.err();
            break;
        }
        if packer.infos.iter().map(MDBXorbInfo::num_bytes).sum::<u64>() > SHARD_BYTES {
            match register(inner, &[], &std::mem::take(&mut packer.infos)).await {
                Ok(sent) => shards += sent,
                Err(e) => {
                    broken = Some(e);
                    break;
                }
            }
        }
        drafts.push(draft);
    }
    let finished = match broken {
        Some(e) => Err(e),
        None => packer.finish().await,
    };
    if let Err(e) = finished {
        return files.iter().map(|_| Err(e.again())).collect();
    }
    // All xorbs are at the remote: now the segments have their names and the files can be checked.
    let mut sealed: Vec<Result<Sealed>> =
        drafts.into_iter().map(|d| d.and_then(|d| d.seal(&mut packer))).collect();
    match publish(inner, &sealed, &packer.infos).await {
        Ok(sent) => shards += sent,
        Err(e) => return files.iter().map(|_| Err(e.again())).collect(),
    }
    for file in sealed.iter().flatten() {
        if let Some(info) = &file.info {
            inner.known.add_file(&file.content.id, info, file.outline.as_deref());
        }
    }
    share(&mut sealed, packer.sent, packer.packed, shards);
    sealed
        .into_iter()
        .map(|f| {
            let Sealed { content, mut receipt, started, .. } = f?;
            receipt.ms = started.elapsed().as_millis() as u64;
            Ok(Uploaded { content, receipt })
        })
        .collect()
}

/// Stores the outlines, then registers all files that did not fail. Answers the bytes of the shards.
async fn publish(inner: &Arc<Inner>, sealed: &[Result<Sealed>], xorbs: &[MDBXorbInfo]) -> Result<u64> {
    let ready: Vec<&Sealed> = sealed.iter().flatten().filter(|f| f.info.is_some()).collect();
    // A file that is registered has its outline: others may edit it at once.
    for file in &ready {
        if let Some(outline) = &file.outline {
            inner.outlines.put_outline(&file.content.id, outline.clone()).await?;
        }
    }
    let infos: Vec<&MDBFileInfo> = ready.iter().filter_map(|f| f.info.as_ref()).collect();
    let mut sent = 0;
    let mut rest = &infos[..];
    let mut xorbs = xorbs;
    while !rest.is_empty() || !xorbs.is_empty() {
        let mut room = SHARD_BYTES;
        let fits = |bytes: u64, room: &mut u64| {
            let fits = bytes <= *room || *room == SHARD_BYTES; // at least one, however big
            *room = room.saturating_sub(bytes);
            fits
        };
        let x = xorbs.iter().take_while(|x| fits(x.num_bytes(), &mut room)).count();
        let f = match x == xorbs.len() {
            true => rest.iter().take_while(|i| fits(i.num_bytes().unwrap_or(0), &mut room)).count(),
            false => 0, // the xorbs come before the files that refer to them
        };
        let (now, later) = (xorbs.split_at(x), rest.split_at(f));
        sent += register(inner, later.0, now.0).await?;
        (xorbs, rest) = (now.1, later.1);
    }
    Ok(sent)
}

/// Uploads a shard. Answers its bytes.
async fn register(inner: &Arc<Inner>, files: &[&MDBFileInfo], xorbs: &[MDBXorbInfo]) -> Result<u64> {
    let failed = |e| cas_error("registering the upload", e);
    let bytes = shard(files, xorbs).map_err(|e| failed(ClientError::FormatError(e)))?;
    let len = bytes.len() as u64;
    let permit = inner.client.acquire_upload_permit().await.map_err(failed)?;
    let registered = inner.client.upload_shard(bytes, permit, None).await.map_err(failed);
    registered.map(|_| len).inspect_err(|e| {
        if matches!(e.kind(), Kind::Damaged | Kind::NotFound | Kind::Invalid) {
            // Perhaps we referred to a xorb that is gone. The next try sends everything.
            inner.known.clear();
        }
    })
}

/// A shard as it is sent: header, files, xorbs, without the look-up tables and the footer, which the
/// receiver makes.
fn shard(files: &[&MDBFileInfo], xorbs: &[MDBXorbInfo]) -> Result<Bytes, CoreError> {
    let mut shard = MDBInMemoryShard::default(); // sorts them
    for file in files {
        shard.add_file_reconstruction_info((*file).clone())?;
    }
    for xorb in xorbs {
        shard.xorb_content.insert(xorb.metadata.xorb_hash, Arc::new(xorb.clone()));
    }
    let mut out = Vec::new();
    MDBShardFileHeader { footer_size: 0, ..Default::default() }.serialize(&mut out)?;
    for file in shard.file_content.values() {
        file.serialize(&mut out)?;
    }
    FileDataSequenceHeader::bookend().serialize(&mut out)?;
    for xorb in shard.xorb_content.values() {
        xorb.serialize(&mut out)?;
    }
    XorbChunkSequenceHeader::bookend().serialize(&mut out)?;
    Ok(out.into())
}

/// Charges the session's bytes to its files: xorbs by their new bytes, shards by their segments.
fn share(sealed: &mut [Result<Sealed>], xorbs: u64, packed: u64, shards: u64) {
    let weight = |f: &Sealed| f.info.as_ref().map_or(0, |i| 1 + i.segments.len() as u64 + f.new / 65_536);
    let total: u64 = sealed.iter().flatten().map(weight).sum();
    let part =
        |of: u64, n: u64, d: u64| (u128::from(of) * u128::from(n)).div_ceil(u128::from(d.max(1))) as u64;
    for f in sealed.iter_mut().flatten() {
        let outline = f.outline.as_ref().map_or(0, |o| o.len() as u64);
        f.receipt.sent = part(xorbs, f.new, packed) + part(shards, weight(f), total) + outline;
    }
}
