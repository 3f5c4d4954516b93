//! How far the upload of one file is, seen where its bytes are taken.

use std::{
    io,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;

use crate::{news::News, node::Content, ranges::RangeSet, remote::Source};

/// How far one change of a batch is.
#[derive(Default)]
pub struct Progress {
    /// The changed bytes that the remote has taken so far. Moments only.
    taken: Mutex<RangeSet>,
    composed: AtomicBool,
}

impl Progress {
    /// A change that has no bytes to send.
    pub fn without_bytes() -> Progress {
        Progress { composed: AtomicBool::new(true), ..Progress::default() }
    }

    /// How many of the changed bytes the remote has taken.
    pub fn sent(&self) -> u64 {
        self.taken().bytes()
    }

    /// Whether all bytes are at the remote, and only the commit is awaited.
    pub fn composed(&self) -> bool {
        self.composed.load(Ordering::SeqCst)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, RangeSet> {
        self.taken.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A source that notes what is taken from it.
pub struct Watched {
    source: Arc<dyn Source>,
    /// What of it counts: bytes near to changed ones are read, too.
    dirty: RangeSet,
    progress: Arc<Progress>,
    news: Arc<News>,
}

impl Watched {
    /// Over `source`, of which `dirty` is what is to be sent.
    pub fn new(
        source: Arc<dyn Source>,
        dirty: RangeSet,
        progress: Arc<Progress>,
        news: Arc<News>,
    ) -> Arc<Watched> {
        Arc::new(Watched { source, dirty, progress, news })
    }
}

impl Source for Watched {
    fn composed(&self, content: Content) -> io::Result<()> {
        self.source.composed(content)?;
        self.progress.composed.store(true, Ordering::SeqCst);
        self.news.tell();
        Ok(())
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = self.source.read(range.clone())?;
        let mut taken = self.progress.taken();
        for part in self.dirty.overlap(range) {
            taken.insert(part);
        }
        drop(taken);
        self.news.tell();
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Source for Zeros {
        fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
            if range.end > 100 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(vec![0; (range.end - range.start) as usize].into())
        }
    }

    #[test]
    fn changed_bytes_count_once_and_only_when_they_were_read() {
        let (progress, news) = (Arc::new(Progress::default()), Arc::new(News::default()));
        let mut heard = news.follow();
        let dirty: RangeSet = [10..20, 50..60].into_iter().collect();
        let source = Watched::new(Arc::new(Zeros), dirty, progress.clone(), news);
        source.read(0..15).unwrap();
        assert_eq!(progress.sent(), 5);
        assert!(heard.has_changed().unwrap());
        heard.mark_unchanged();
        source.read(0..55).unwrap();
        assert_eq!(progress.sent(), 15, "what is read twice was sent once");
        source.read(50..200).unwrap_err();
        assert_eq!((progress.sent(), progress.composed()), (15, false));
        source.composed(Content::EMPTY).unwrap();
        assert!(progress.composed());
        assert!(Progress::without_bytes().composed());
    }
}
