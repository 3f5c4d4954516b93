//! What a drive has saved lately: the newest saves that the remote committed, kept over restarts.
//!
//! One file, `activity.jsonl`, a [`Save`] as JSON on each line, oldest first. A flush adds the lines of its batch
//! in one write, unsynced: after a power loss the last ones may be missing, and a line that is cut off is left
//! out. When the file has twice as many lines as are kept, it is written anew.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::control::api::Save;

/// So many are kept.
pub const KEPT: usize = 500;

/// See the module's text.
pub struct Activity {
    file: PathBuf,
    /// Held while the file is written.
    inner: Mutex<Inner>,
    since_open: AtomicU64,
}

#[derive(Default)]
struct Inner {
    /// The newest, oldest first.
    saves: VecDeque<Save>,
    /// Lines in the file.
    lines: usize,
    /// How many of the last `saves` are not in it.
    unwritten: usize,
}

impl Activity {
    /// Takes up what the file has. Lines that can't be read are left out.
    pub fn open(file: PathBuf) -> Activity {
        let text = fs::read(&file).unwrap_or_default();
        let mut inner = Inner::default();
        for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            inner.lines += 1;
            if let Ok(save) = serde_json::from_slice(line) {
                inner.push(save);
            }
        }
        if text.last().is_some_and(|b| *b != b'\n') {
            // Cut off: the next line must not go on with it.
            inner.lines = usize::MAX;
        }
        Activity { file, inner: Mutex::new(inner), since_open: AtomicU64::new(0) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Notes a save. [`Activity::write`] makes it last.
    pub fn add(&self, save: Save) {
        self.since_open.fetch_add(1, Ordering::SeqCst);
        let mut inner = self.inner();
        inner.push(save);
        inner.unwritten = (inner.unwritten + 1).min(KEPT);
    }

    /// How many were noted since it was opened.
    pub fn count(&self) -> u64 {
        self.since_open.load(Ordering::SeqCst)
    }

    /// The newest `limit`, newest first.
    pub fn newest(&self, limit: usize) -> Vec<Save> {
        self.inner().saves.iter().rev().take(limit).cloned().collect()
    }

    /// Writes what was noted since the last time. A failure is said in the log and costs only the list.
    pub fn write(&self) {
        let mut inner = self.inner();
        if inner.unwritten == 0 {
            return;
        }
        if let Err(e) = inner.write(&self.file) {
            tracing::warn!(file = %self.file.display(), error = %e, "the list of saves is not kept");
            // What of it is in the file is not known.
            inner.lines = usize::MAX;
        }
    }
}

impl Inner {
    fn push(&mut self, save: Save) {
        if self.saves.len() == KEPT {
            self.saves.pop_front();
        }
        self.saves.push_back(save);
    }

    fn write(&mut self, file: &PathBuf) -> io::Result<()> {
        let anew = self.lines.saturating_add(self.unwritten) > 2 * KEPT;
        let skip = if anew { 0 } else { self.saves.len() - self.unwritten };
        let mut text = Vec::new();
        for save in self.saves.iter().skip(skip) {
            serde_json::to_writer(&mut text, save)?;
            text.push(b'\n');
        }
        if anew {
            let new = file.with_extension("new");
            fs::write(&new, text)?;
            fs::rename(&new, file)?;
            self.lines = self.saves.len();
        } else {
            fs::OpenOptions::new().create(true).append(true).open(file)?.write_all(&text)?;
            self.lines += self.unwritten;
        }
        self.unwritten = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{control::api::Receipt, node::Time};

    fn save(n: i64) -> Save {
        let receipt = Receipt { changed: 1, sent: 2, reused: 3, reread: 4, ms: 5 };
        Save { drive: "d".into(), path: format!("f{n}"), at: Time(n), size: 10, receipt }
    }

    fn paths(activity: &Activity, limit: usize) -> Vec<String> {
        activity.newest(limit).into_iter().map(|s| s.path).collect()
    }

    #[test]
    fn the_newest_come_first_and_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("activity.jsonl");
        let activity = Activity::open(file.clone());
        for n in 0..3 {
            activity.add(save(n));
        }
        activity.write();
        activity.add(save(3));
        assert_eq!((paths(&activity, 2), activity.count()), (vec!["f3".to_owned(), "f2".to_owned()], 4));
        // Not written, so a killed process loses it, and no other.
        let again = Activity::open(file.clone());
        assert_eq!((paths(&again, 9), again.count()), (vec!["f2".into(), "f1".into(), "f0".into()], 0));
    }

    #[test]
    fn the_file_stays_short_and_a_line_that_is_cut_off_harms_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("activity.jsonl");
        let activity = Activity::open(file.clone());
        for n in 0..2_345 {
            activity.add(save(n));
            if n % 10 == 0 {
                activity.write();
            }
        }
        activity.write();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() <= 2 * KEPT, "{} lines", text.lines().count());
        fs::write(&file, &text[..text.len() - 10]).unwrap();
        let again = Activity::open(file.clone());
        again.add(save(9_999));
        again.write();
        let last = Activity::open(file);
        assert_eq!(paths(&last, 2), ["f9999", "f2343"]);
        assert_eq!(last.newest(usize::MAX).len(), KEPT);
    }
}
