//! [`Watch`]: waits for news in a bucket: told by the operating system if the bucket is in a folder, and
//! by the clock in any case.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::bucket::at;

/// Which commits there are, as far as anybody has said, and which of them the drive knows.
#[derive(Default)]
struct News {
    newest: AtomicU64,
    seen: AtomicU64,
    bell: Notify,
}

impl News {
    fn came(&self, number: u64) {
        if self.newest.fetch_max(number, Ordering::SeqCst) < number {
            self.bell.notify_waiters();
        }
    }
}

/// Waits for commits that the drive has not seen.
pub struct Watch {
    news: Arc<News>,
    poll: Duration,
    /// Watches as long as it lives.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the folder of a bucket, if it is in one; where that can't be done the clock has to do.
    pub fn new(folder: Option<&Path>, poll: Duration) -> Watch {
        let news = Arc::new(News::default());
        let watcher = folder.and_then(|folder| match watch(&folder.join("commits"), news.clone()) {
            Ok(watcher) => Some(watcher),
            Err(e) => {
                tracing::warn!("{} can't be watched, it is polled instead: {e}", folder.display());
                None
            }
        });
        Watch { news, poll, _watcher: watcher }
    }

    /// There is a commit of this number.
    pub fn came(&self, number: u64) {
        self.news.came(number);
    }

    /// The drive asks for what has changed: what has been announced up to now is no news any more, even if
    /// it could not be fetched (else a failing bucket would be asked without a pause).
    pub fn asked(&self) {
        self.saw(self.news.newest.load(Ordering::SeqCst));
    }

    /// The drive knows all up to this commit.
    pub fn saw(&self, number: u64) {
        self.news.seen.fetch_max(number, Ordering::SeqCst);
    }

    /// Returns when there is news, or when it is time to look.
    pub async fn wait(&self) {
        let rung = self.news.bell.notified();
        tokio::pin!(rung);
        // From here on no ring is missed.
        rung.as_mut().enable();
        if self.news.newest.load(Ordering::SeqCst) > self.news.seen.load(Ordering::SeqCst) {
            return;
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(self.poll) => {}
        }
    }
}

fn watch(commits: &Path, news: Arc<News>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Our own reads are events too.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        for path in &event.paths {
            let name = path.file_name().and_then(|n| n.to_str());
            // A name of the store's own is a path in it; temporary files have other names.
            if let Some(number) = name.and_then(|n| at::commit_number(&object_store::path::Path::from(n))) {
                news.came(number);
            }
        }
    })?;
    watcher.watch(commits, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_new_commit_in_the_folder_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let commits = dir.path().join("commits");
        std::fs::create_dir(&commits).unwrap();
        let watch = Watch::new(Some(dir.path()), NEVER);
        std::fs::write(commits.join(format!("{:020}.json#1", 1)), "not yet").unwrap();
        std::fs::rename(commits.join(format!("{:020}.json#1", 1)), commits.join(format!("{:020}.json", 1)))
            .unwrap();
        watch.wait().await;
        watch.saw(1);
        assert!(futures::FutureExt::now_or_never(watch.wait()).is_none(), "known commits are no news");
        watch.came(2);
        watch.wait().await;
        watch.asked();
        assert!(futures::FutureExt::now_or_never(watch.wait()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_watcher_the_clock_ends_it() {
        let watch = Watch::new(Some(Path::new("/nowhere/at/all")), Duration::from_secs(5));
        let began = tokio::time::Instant::now();
        watch.wait().await;
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}
