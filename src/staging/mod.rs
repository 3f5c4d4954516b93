//! Staged files: base + present + dirty over one sparse local file each.
//!
//! A [`StagedFile`] is a remote content (the *base*) with what has been fetched of it and what programs
//! changed since. `<ino>.data` is a sparse file with the bytes that are here, `<ino>.log` the
//! [journal](crate::journal) that says which those are. Everything here is local and synchronous: where
//! bytes are missing, [`StagedFile::read`] answers which, the caller fetches them and hands them over by
//! [`StagedFile::fill`].
//!
//! A flush [freezes](StagedFile::freeze) the file: the [`Frozen`] generation can be read as it was at
//! that instant, however programs go on writing, until it is committed, thawed or dropped.
//!
//! What holds after a crash is written in [`crate::journal`].

mod disk;
mod durable;
mod file;
mod frozen;
pub(crate) mod sys;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

pub use file::{Coverage, Fetched, Read, StagedFile};
pub use frozen::Frozen;

use crate::{
    cache::Ledger,
    error::{Error, Kind, Result},
    journal::{BootId, Damage, Log, State, VERSION, replay},
    node::{Content, Ino, Time},
};

/// The staged files of one drive: a folder.
pub struct Staging {
    env: Arc<Env>,
    /// The files somebody uses. Held while one is loaded, made or removed, so that there is never a second
    /// [`StagedFile`] of an ino that writes to the same two files.
    live: Mutex<HashMap<Ino, Weak<StagedFile>>>,
}

/// What every file of a drive shares.
pub(crate) struct Env {
    dir: PathBuf,
    boot: BootId,
    /// A journal longer than this (bytes), and much longer than it need be, is written anew.
    compact: u64,
    /// So many fetched bytes are worth a sync when the file goes idle, so that they need not be fetched
    /// again after a reboot.
    worth_a_sync: u64,
    /// Told what each file takes.
    pub(crate) ledger: Arc<Ledger>,
    #[cfg(test)]
    probe: tests::Probe,
}

/// A step at which a crash or a failure makes a difference; the tests stop there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Reserve,
    SaveOld,
    Data,
    Record,
    DataSync,
    LogSync,
    Rewrite,
    Rewritten,
    Punch,
}

impl Env {
    pub(crate) fn path(&self, ino: Ino, ext: &str) -> PathBuf {
        self.dir.join(format!("{ino}.{ext}"))
    }

    /// A path in the folder that no other file has or had since the program started.
    fn unique(&self, ino: Ino, ext: &str) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.dir.join(format!("{ino}-{}.{ext}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    #[cfg(not(test))]
    fn at(&self, _: Step) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn at(&self, step: Step) -> io::Result<()> {
        self.probe.at(step)
    }
}

/// Journals shorter than this are never compacted, bytes.
const COMPACT: u64 = 256 << 10;

/// Bytes.
const WORTH_A_SYNC: u64 = 4 << 20;

impl Staging {
    /// Opens the folder, makes it if needed, and tidies what a crash left half done. Answers the files
    /// found, in order; their journals are only read by [`Staging::get`].
    ///
    /// `boot_id` is the operating system's name of this run of the machine. If a file was last written in
    /// another one, only what was synced counts.
    pub fn open(dir: &Path, boot_id: &str) -> Result<(Staging, Vec<Ino>)> {
        let failed = |e| Error::io("open the folder of staged files", e).at(dir.display());
        fs::create_dir_all(dir).map_err(failed)?;
        let ledger = Arc::new(Ledger::default());
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let ino = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok()).map(Ino);
            match (path.extension().and_then(|e| e.to_str()), ino) {
                (Some("log"), Some(ino)) => found.push(ino),
                // A journal goes first and comes last, so data without one is of no file.
                (Some("data"), Some(_)) if !path.with_extension("log").exists() => remove(&path)?,
                (Some("tmp" | "side" | "gone"), _) => remove(&path)?,
                // The best that is known of when it was last used: when it was last fetched or changed.
                (Some("data"), Some(ino)) => {
                    let modified = fs::metadata(&path).and_then(|m| m.modified());
                    ledger.found(ino, modified.map_or(Time(0), Time::from));
                }
                _ => {}
            }
        }
        found.sort();
        let env = Env {
            dir: dir.to_path_buf(),
            boot: BootId::new(boot_id),
            compact: COMPACT,
            worth_a_sync: WORTH_A_SYNC,
            ledger,
            #[cfg(test)]
            probe: tests::Probe::default(),
        };
        Ok((Staging { env: Arc::new(env), live: Mutex::default() }, found))
    }

    /// Stages a file over `base`: as it is (`size` is the base's), or truncated to `size`. Fails with
    /// [`Kind::Busy`] if the ino is staged already.
    pub fn create(&self, ino: Ino, base: Option<Content>, size: u64, mtime: Time) -> Result<Arc<StagedFile>> {
        let mut live = self.live();
        if self.load(&mut live, ino)?.is_some() {
            return Err(Error::new(Kind::Busy, "the file is staged already").at(self.shown(ino)));
        }
        if size > base.map_or(0, |b| b.size) {
            return Err(Error::new(Kind::Invalid, "a staged file can't begin larger than its base")
                .at(self.shown(ino)));
        }
        let state = State { size, base_limit: size, ..State::clean(ino, base, mtime) };
        let mut records = state.snapshot(self.env.boot);
        records.pop(); // not synced
        let failed = |e| Error::io("stage the file", e).at(self.shown(ino));
        let disk = disk::Disk::create(&self.env.path(ino, "data")).map_err(failed)?;
        let log = Log::create(self.env.path(ino, "log"), &records).map_err(|e| {
            let _ = fs::remove_file(self.env.path(ino, "log"));
            let _ = fs::remove_file(self.env.path(ino, "data"));
            failed(e)
        })?;
        let file = StagedFile::new(self.env.clone(), ino, state, log);
        file.lock().created(disk);
        share(&mut live, &file);
        Ok(file)
    }

    /// The staged file, if there is one. All callers share one. Fails with [`Kind::Damaged`] or
    /// [`Kind::NewerFormat`] if its journal can't be read; nothing is removed then.
    pub fn get(&self, ino: Ino) -> Result<Option<Arc<StagedFile>>> {
        self.load(&mut self.live(), ino)
    }

    /// Deletes what is staged of a file. Those who have it open go on with it, and nothing they do comes
    /// back to the folder.
    pub fn remove(&self, ino: Ino) -> Result<()> {
        let mut live = self.live();
        if let Some(file) = live.remove(&ino).and_then(|f| f.upgrade()) {
            file.unlink();
        }
        self.env.ledger.set(ino, 0);
        self.remove_files(ino)
    }

    /// Deletes what is staged of a file that nobody uses, if all of it can be fetched again: bytes and journal.
    /// Answers how many bytes that were; 0 also if it is in use or changed, which keeps it.
    pub fn discard(&self, ino: Ino) -> Result<u64> {
        let mut live = self.live();
        if live.get(&ino).is_some_and(|f| f.strong_count() > 0) {
            return Ok(0);
        }
        let Some(file) = self.load(&mut live, ino)? else { return Ok(0) };
        if file.is_changed() {
            return Ok(0);
        }
        let bytes = file.present_bytes();
        drop(file);
        live.remove(&ino);
        self.env.ledger.set(ino, 0);
        self.remove_files(ino)?;
        Ok(bytes)
    }

    /// What all files of the folder take.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.env.ledger
    }

    /// `live` is locked.
    fn remove_files(&self, ino: Ino) -> Result<()> {
        // The journal first: data without one is nobody's, a journal without its data would be a lie.
        for ext in ["log", "data"] {
            let (path, gone) = (self.env.path(ino, ext), self.env.unique(ino, "gone"));
            // Moved aside before, because some systems keep the name while somebody has the file open.
            match fs::rename(&path, &gone) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("remove the staged file", e).at(path.display())),
                Ok(()) => remove(&gone)?,
            }
        }
        Ok(())
    }

    /// Nobody uses the file for now: saves what is known of its clean bytes and drops its descriptors.
    /// May sync, if much was fetched. Whoever still has it can go on using it.
    pub fn close_idle(&self, ino: Ino) {
        let file = self.live().get(&ino).and_then(Weak::upgrade);
        if let Some(file) = file {
            file.close_idle();
        }
    }

    /// The same without waiting for the disk.
    pub fn rest(&self, ino: Ino) {
        let file = self.live().get(&ino).and_then(Weak::upgrade);
        if let Some(file) = file {
            file.rest();
        }
    }

    /// Disk space taken by all staged files and their journals, bytes. Looks at every file of the folder.
    pub fn bytes_on_disk(&self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.env.dir) else { return 0 };
        entries.flatten().map(|e| sys::allocated(&e.path()).unwrap_or(0)).sum()
    }

    /// Shares or loads a file; `live` is locked.
    fn load(&self, live: &mut HashMap<Ino, Weak<StagedFile>>, ino: Ino) -> Result<Option<Arc<StagedFile>>> {
        if let Some(file) = live.get(&ino).and_then(Weak::upgrade) {
            return Ok(Some(file));
        }
        let path = self.env.path(ino, "log");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read the journal", e).at(path.display())),
        };
        let told = replay(&bytes, self.env.boot).map_err(|d| damaged(d).at(path.display()))?;
        let Some(told) = told else { return Ok(None) };
        if told.state.ino != Some(ino) {
            return Err(damaged(Damage::Contradiction("has another file's journal")).at(path.display()));
        }
        let data = self.env.path(ino, "data");
        if !told.state.present.is_empty() && !data.exists() {
            return Err(damaged(Damage::Contradiction("has no data file")).at(data.display()));
        }
        let log = Log::reopen(path, told.len, told.chain);
        let file = StagedFile::new(self.env.clone(), ino, told.state, log);
        let mut inner = file.lock();
        inner.loaded(told.rebooted, told.synced, told.believed);
        file.account(&inner);
        drop(inner);
        share(live, &file);
        Ok(Some(file))
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Ino, Weak<StagedFile>>> {
        self.live.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn shown(&self, ino: Ino) -> String {
        self.env.path(ino, "data").display().to_string()
    }
}

fn share(live: &mut HashMap<Ino, Weak<StagedFile>>, file: &Arc<StagedFile>) {
    // Entries of dropped files go whenever the table would have to grow.
    if live.len() == live.capacity() {
        live.retain(|_, f| f.strong_count() > 0);
    }
    live.insert(file.ino(), Arc::downgrade(file));
}

fn damaged(damage: Damage) -> Error {
    let keep = "the staged file is kept; restore it from a backup or delete it with its journal to drop \
                the changes in it";
    match damage {
        Damage::Newer(v) => {
            Error::new(Kind::NewerFormat, format!("the journal has format {v}, newer than {VERSION}"))
                .remedy("install the newer version of Lacuna")
        }
        Damage::Unreadable => Error::new(Kind::Damaged, "the journal can't be read").remedy(keep),
        Damage::Contradiction(what) => {
            Error::new(Kind::Damaged, format!("the staged file {what}")).remedy(keep)
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove a leftover", e).at(path.display()))
        }
        _ => Ok(()),
    }
}
