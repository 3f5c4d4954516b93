//! One fetch for each missing byte, however many readers wait for it.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::ahead::until;
use crate::{
    error::{Error, Result},
    node::Content,
    ranges::RangeSet,
    remote::Remote,
    staging::StagedFile,
};

/// The most that one request asks of a remote, bytes.
pub const PIECE: u64 = 4 << 20;

/// Done when its bytes are here; as many as like may wait for it.
type Fetch = Shared<BoxFuture<'static, Result<Bytes, Arc<Error>>>>;

/// Who decides whether fetched bytes are kept, and keeps them.
pub trait Keeper: Send + Sync + 'static {
    /// Keeps bytes of the base that `epoch` means, from the byte `offset` on, if there is room. May have to
    /// free some first, which waits for the disk.
    ///
    /// # Errors
    /// What writing them fails with. That they are not kept is none.
    fn keep(&self, file: &StagedFile, epoch: u64, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Is told how long a fetch took that was started as one of `under_way` bytes of its file.
    fn came(&self, under_way: u64, took: Duration);
}

type UnderWay = Vec<(Range<u64>, Fetch)>;

/// The fetches of one file that are under way.
#[derive(Default)]
pub struct Fetches {
    /// Held for moments only, never across an await.
    under_way: Arc<Mutex<UnderWay>>,
}

impl Fetches {
    /// Sees to it that `need` is being fetched from `base` into `file`, with up to `ahead` bytes after
    /// it, and returns when `need` has arrived: the parts that cover it, each with its offset, whether they were
    /// kept or not. The rest arrives in the background.
    #[allow(clippy::too_many_arguments, reason = "where from, where to, what and how much")]
    pub async fn fetch(
        &self,
        remote: &Arc<dyn Remote>,
        keeper: &Arc<dyn Keeper>,
        file: &Arc<StagedFile>,
        base: Content,
        epoch: u64,
        need: &[Range<u64>],
        ahead: u64,
    ) -> Result<Vec<(u64, Bytes)>, Arc<Error>> {
        let mut waits = Vec::new();
        {
            let mut under_way = lock(&self.under_way);
            let mut missing: RangeSet = need.iter().cloned().collect();
            if ahead > 0
                && let Some(last) = need.last()
            {
                for gap in file.gaps(last.end..until(last.end, ahead, base.size)) {
                    missing.insert(gap);
                }
            }
            self.start_all(&mut under_way, remote, keeper, file, base, epoch, missing);
            for (r, f) in under_way.iter() {
                if need.iter().any(|n| n.start < r.end && r.start < n.end) {
                    waits.push((r.start, f.clone()));
                }
            }
        }
        let mut parts = Vec::with_capacity(waits.len());
        for (at, wait) in waits {
            parts.push((at, wait.await?));
        }
        Ok(parts)
    }

    /// Sees to it that what is missing of the `ahead` bytes from the byte `end` on is being fetched, and waits
    /// for none of it: for a reader who has all that it asked for, so that it need not wait the next time.
    pub fn ahead(
        &self,
        remote: &Arc<dyn Remote>,
        keeper: &Arc<dyn Keeper>,
        file: &Arc<StagedFile>,
        end: u64,
        ahead: u64,
    ) {
        // Mostly all of it is here.
        if file.gaps(end..until(end, ahead, file.size())).is_empty() {
            return;
        }
        let Some((first, base, epoch)) = file.next_gap(end, ahead) else { return };
        let until = until(end, ahead, base.size);
        if first.start >= until {
            return;
        }
        let mut under_way = lock(&self.under_way);
        let missing = file.gaps(first.start..until).into_iter().collect();
        self.start_all(&mut under_way, remote, keeper, file, base, epoch, missing);
    }

    /// Starts to fetch what of `missing` is not under way.
    #[allow(clippy::too_many_arguments, reason = "where from, where to, what")]
    fn start_all(
        &self,
        under_way: &mut UnderWay,
        remote: &Arc<dyn Remote>,
        keeper: &Arc<dyn Keeper>,
        file: &Arc<StagedFile>,
        base: Content,
        epoch: u64,
        mut missing: RangeSet,
    ) {
        missing.subtract(&under_way.iter().map(|(r, _)| r.clone()).collect());
        let all = missing.bytes() + under_way.iter().map(|(r, _)| r.end - r.start).sum::<u64>();
        for piece in missing.iter().flat_map(pieces) {
            let (remote, keeper) = (remote.clone(), keeper.clone());
            let fetch = self.start(remote, keeper, file.clone(), base, epoch, piece.clone(), all);
            under_way.push((piece, fetch));
        }
    }

    #[allow(clippy::too_many_arguments, reason = "where from, where to, what")]
    fn start(
        &self,
        remote: Arc<dyn Remote>,
        keeper: Arc<dyn Keeper>,
        file: Arc<StagedFile>,
        base: Content,
        epoch: u64,
        piece: Range<u64>,
        all: u64,
    ) -> Fetch {
        let list = self.under_way.clone();
        let range = piece.clone();
        let work = async move {
            let result = async {
                let start = Instant::now();
                let bytes = remote.read(&base, range.clone()).await?;
                keeper.came(all, start.elapsed());
                let (ino, kept) = (file.ino(), bytes.clone());
                let keep = move || keeper.keep(&file, epoch, range.start, &kept);
                if let Err(e) = blocking(keep).await {
                    // Whoever reads can have them all the same, be it from a full disk.
                    tracing::warn!(%ino, error = ?e, "fetched bytes are not kept");
                }
                Ok(bytes)
            }
            .await;
            lock(&list).retain(|(r, _)| *r != piece);
            result.map_err(Arc::new)
        };
        // A task of its own: a reader that gives up does not stop it for the others.
        let task = tokio::spawn(work);
        async move {
            task.await.unwrap_or_else(|e| {
                Err(Arc::new(Error::new(crate::error::Kind::Other, format!("a fetch broke off: {e}"))))
            })
        }
        .boxed()
        .shared()
    }
}

/// Runs local file I/O off the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.unwrap_or_else(|e| {
        Err(Error::new(crate::error::Kind::Other, format!("local input or output broke off: {e}")))
    })
}

fn pieces(r: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    (r.start..r.end).step_by(PIECE as usize).map(move |at| at..(at + PIECE).min(r.end))
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}
