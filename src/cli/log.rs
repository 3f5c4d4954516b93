//! The agent's log: a file of bounded size, and the terminal when the agent runs in one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use lacuna::{
    config::Home,
    error::{Error, Result},
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// A log file may grow to this many bytes; then it becomes `agent.log.1`, and that one goes.
const MAX: u64 = 5 << 20;

/// Starts logging. `filter` is as `RUST_LOG` has it, such as `lacuna=debug`.
pub fn start(home: &Home, filter: &str, terminal: bool) -> Result<()> {
    home.create()?;
    let path = home.log();
    let file =
        Bounded::open(&path, MAX).map_err(|e| Error::io("can't write the log", e).at(path.display()))?;
    let file = fmt::layer().with_ansi(false).with_writer(move || file.clone());
    let shown = terminal.then(|| fmt::layer().with_writer(io::stderr).with_target(false));
    // Only fails where logging has been started before, which then goes on.
    let _ = tracing_subscriber::registry().with(EnvFilter::new(filter)).with(file).with(shown).try_init();
    // A detached agent has no terminal: what breaks must be in the log.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("broke: {panic}");
        usual(panic);
    }));
    Ok(())
}

/// A file that starts afresh when it is full, with one older part beside it.
#[derive(Clone)]
struct Bounded(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: File,
    size: u64,
    max: u64,
}

impl Bounded {
    fn open(path: &Path, max: u64) -> io::Result<Bounded> {
        let file = File::options().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Bounded(Arc::new(Mutex::new(Open { path: path.to_owned(), file, size, max }))))
    }
}

impl Write for Bounded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if open.size > 0 && open.size + line.len() as u64 > open.max {
            let mut older = open.path.clone().into_os_string();
            older.push(".1");
            fs::rename(&open.path, older)?;
            open.file = File::options().create(true).append(true).open(&open.path)?;
            open.size = 0;
        }
        let written = open.file.write(line)?;
        open.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_keeps_its_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.log");
        let mut log = Bounded::open(&path, 100).unwrap();
        for n in 0..50 {
            writeln!(log, "line {n:02}").unwrap();
        }
        let (new, old) =
            (fs::read_to_string(&path).unwrap(), fs::read_to_string(dir.path().join("agent.log.1")).unwrap());
        assert!(new.len() <= 100 && old.len() <= 100);
        assert!(format!("{old}{new}").ends_with("line 48\nline 49\n"));
        // A new agent goes on in the same file.
        writeln!(Bounded::open(&path, 100).unwrap(), "later").unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("line 49\nlater\n"));
    }
}
