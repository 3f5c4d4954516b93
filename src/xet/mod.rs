//! Contents as xet's chunks: composing an edited file out of the chunks of the old one and few new ones,
//! uploading, and reading byte ranges, over any xet client.
//!
//! The life of an edit: [`compose`] says which bytes are chunked again; [`base`] knows the old segments and
//! learns the hashes of their chunks as far as they are needed; [`draft`] goes through the file from the
//! start to the end, keeping segments and filling windows; [`packer`] puts what is new into few xorbs;
//! [`tree`] computes the hash of the new file; [`session`] checks that everything adds up and registers
//! all files in one shard; [`known`] keeps what was learned.
//!
//! # What an edit moves
//!
//! For each changed range, the old bytes of the chunks at its two edges down and the chunks that result
//! up. For each segment that is cut, the hashes of its chunks down (40 bytes each, at most 512 in a segment
//! that we made). And, for a file that this machine does not know, its list of segments (96 bytes each) and
//! its [`outline`]. The list and the new outline go up again: some 6 KB and 10 KB of 2 GB.
//!
//! Measured on a machine that never saw the file (random bytes, in KB up and down): 1 KiB in the middle of
//! 200 MB 13 and 48, of 2 GB 61 and 104; 1 KiB appended to 200 MB 114 and 137; truncated to half 7 and 27;
//! 100 scattered writes of 4 KiB 6,328 and 6,361; the file written anew and renamed over the old one, with
//! 1 KiB changed, where the old one is known, 56 and 0.
//!
//! A remote without [`Outlines`] has the hashes learned by reading the segments that are cut, at most 64 MiB
//! each, once; the list is kept. Of the others it tells what the hash of the file needs ([`gaps`]). If it
//! can't, since the hash of a file is that of all its chunks, they are read too.
//!
//! Reads ([`fetch`], [`reader`]) check each chunk against its hash and learn it: a machine that has read a
//! file knows what it holds when a program saves it as a new one.
//!
//! The transfer telemetry of xet's crates lives in sessions that are not used here.

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use xet_client::{cas_client::Client, error::ClientError};
use xet_core_structures::merklehash::MerkleHash;

use crate::{
    error::{Error, Kind, Result},
    node::{Content, ContentId},
    remote::{Composition, Receipt},
};

mod base;
mod compose;
mod draft;
mod fetch;
mod gaps;
mod known;
mod outline;
mod packer;
mod reader;
mod session;
mod sum;
mod tree;

/// What a remote can tell about contents besides the protocol of a xet client.
#[async_trait]
pub trait Outlines: Send + Sync {
    /// The outline of a content, or `None` if the remote has none. It is small: 44 bytes for each node of
    /// one level of the file's tree (10 KB for 2 GB, 100 KB for 100 GB).
    async fn outline(&self, id: &ContentId) -> Result<Option<Bytes>>;

    /// Stores the outline of a content, durably. Called before the content is registered. Putting another
    /// outline for the same content is harmless, whichever stays.
    async fn put_outline(&self, id: &ContentId, outline: Bytes) -> Result<()>;

    /// The hash and the length of these chunks of a xorb, as its footer has them, or `None` if the remote
    /// can't tell.
    async fn xorb_chunks(
        &self,
        xorb: &MerkleHash,
        chunks: Range<u32>,
    ) -> Result<Option<Vec<(MerkleHash, u32)>>>;

    /// Whether outlines are kept at all; if not, none are made.
    fn keeps_outlines(&self) -> bool {
        true
    }

    /// Whether xorbs are uploaded with their footer. A remote that makes the footers itself must unpack and
    /// hash every chunk to do so; Hugging Face does, and takes none.
    fn wants_footers(&self) -> bool {
        false
    }
}

/// For a remote that can tell nothing.
pub struct NoOutlines;

#[async_trait]
impl Outlines for NoOutlines {
    async fn outline(&self, _: &ContentId) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn put_outline(&self, _: &ContentId, _: Bytes) -> Result<()> {
        Ok(())
    }

    async fn xorb_chunks(&self, _: &MerkleHash, _: Range<u32>) -> Result<Option<Vec<(MerkleHash, u32)>>> {
        Ok(None)
    }

    fn keeps_outlines(&self) -> bool {
        false
    }
}

/// A content that the remote now has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uploaded {
    /// Which content.
    pub content: Content,
    /// What it cost.
    pub receipt: Receipt,
}

/// Reads and writes the contents of one remote. Cheap to clone; clones share what is known.
#[derive(Clone)]
pub struct Xet(Arc<Inner>);

struct Inner {
    client: Arc<dyn Client>,
    outlines: Arc<dyn Outlines>,
    known: known::Known,
    /// Held while a segment is read to learn its chunks: one in memory at a time.
    reading: tokio::sync::Mutex<()>,
    tails: reader::Tails,
}

impl Xet {
    /// Works over `client`. `state_dir` holds what is learned about chunks. It must belong to this very
    /// bucket (its id, not only its address): what it says that the remote has is not asked for again. It
    /// may be deleted when no agent runs, which costs transfers.
    pub fn open(client: Arc<dyn Client>, outlines: Arc<dyn Outlines>, state_dir: &Path) -> Result<Xet> {
        let known = known::Known::open(state_dir)?;
        Ok(Xet(Arc::new(Inner {
            client,
            outlines,
            known,
            reading: tokio::sync::Mutex::default(),
            tails: reader::Tails::default(),
        })))
    }

    /// The bytes `range` of `content`, all of it. Only the chunks that it touches are fetched, and
    /// each is checked against its hash.
    ///
    /// Errors: `Invalid` for a range beyond the end, `Damaged` if something is missing at the remote or not
    /// what it should be, or what the client failed with.
    pub async fn read(&self, content: &Content, range: Range<u64>) -> Result<Bytes> {
        reader::read(&self.0, content, range).await
    }

    /// Uploads what the remote lacks of `files` and registers their contents: one answer for each, in
    /// order. What is answered `Ok` is durable at the remote as far as its client is; nothing refers to it
    /// yet. A file that fails (its source, its base) leaves the others alone; if the remote fails, all fail.
    ///
    /// At most about two xorbs (128 MiB) are in memory, whatever the sizes. An unchanged composition and an
    /// empty file cost nothing.
    pub async fn upload(&self, files: Vec<Composition>) -> Vec<Result<Uploaded>> {
        session::upload(&self.0, files).await
    }
}

/// Wraps an error so that it survives the interface of a xet client: [`Xet`] gives it back as it was.
pub fn client_error(e: Error) -> ClientError {
    ClientError::internal(e)
}

/// What a failure of a xet client means to us.
fn cas_error(doing: impl std::fmt::Display, e: ClientError) -> Error {
    let kind = match e {
        ClientError::InternalError(inner) => match inner.downcast::<Error>() {
            Ok(ours) => return ours,
            Err(other) => return Error::new(Kind::Other, format!("{doing}: {other}")),
        },
        ClientError::IOError(e) => return Error::io(doing, e),
        ClientError::FormatError(_) | ClientError::FileNotFound(_) | ClientError::XORBNotFound(_) => {
            Kind::Damaged
        }
        ClientError::AuthError(_) | ClientError::CredentialHelper(_) => Kind::Denied,
        ClientError::ReqwestError(..) | ClientError::ReqwestMiddlewareError(_) => {
            match e.status().map(|s| s.as_u16()) {
                Some(401 | 403) => Kind::Denied,
                Some(404) => Kind::Damaged,
                Some(400..=499) => Kind::Invalid,
                _ => Kind::Offline,
            }
        }
        _ => Kind::Other,
    };
    Error::new(kind, format!("{doing}: {e}")).because(e)
}

/// A content that is not whole at the remote.
fn damaged(content: &Content, cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Damaged, format!("the content {} is not whole at the remote: {cause}", content.id))
        .remedy("run 'lacuna store check' on the bucket")
}
