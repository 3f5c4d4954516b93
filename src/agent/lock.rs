//! One agent for each home.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    time::Duration,
};

use crate::{
    config::Home,
    error::{Error, Kind, Result},
};

/// Held for the agent's life. The operating system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl HomeLock {
    /// Takes the home.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another agent has it.
    pub fn take(home: &Home) -> Result<HomeLock> {
        let path = home.lock();
        let fail = |e| Error::io("can't lock the home", e).at(path.display());
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        // Another program may look for a moment whether the home is held (`is_held`): that is no agent.
        let mut tries = 0;
        let taken = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if tries < 5 => std::thread::sleep(Duration::from_millis(20)),
                other => break other,
            }
            tries += 1;
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = holder(home).map_or(String::new(), |pid| format!(" (process {pid})"));
                return Err(Error::new(Kind::Busy, format!("another agent{pid} has this home"))
                    .at(home.state.display())
                    .remedy("use that one, or give this one a home of its own: --home DIR"));
            }
            Err(TryLockError::Error(e)) => return Err(fail(e)),
        }
        // Only for people and error messages; the lock itself is what counts.
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(fail)?;
        Ok(HomeLock { _file: file })
    }

    /// Whether some agent holds the home.
    pub fn is_held(home: &Home) -> bool {
        let Ok(file) = File::options().read(true).write(true).open(home.lock()) else { return false };
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }
}

/// The process id that the holder left in the file (Windows does not let others read a locked file).
fn holder(home: &Home) -> Option<u32> {
    fs::read_to_string(home.lock()).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_agent() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::under(dir.path(), dir.path());
        assert!(!HomeLock::is_held(&home));
        let lock = HomeLock::take(&home).unwrap();
        assert!(HomeLock::is_held(&home));
        let e = HomeLock::take(&home).unwrap_err();
        assert_eq!(e.kind(), Kind::Busy);
        assert!(e.cause().contains(&std::process::id().to_string()), "{e}");
        drop(lock);
        drop(HomeLock::take(&home).unwrap());
        assert!(!HomeLock::is_held(&home));
    }
}
