//! Starting the agent where none runs.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use lacuna::{
    agent::HomeLock,
    control::client::Client,
    error::{Error, Kind, Result},
    platform,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    home::Place,
    words::{Words, fill},
};

/// How long a new agent may take to listen.
const START: Duration = Duration::from_secs(15);

/// Where to look for the program `lacuna`, in order.
#[derive(Clone, Debug)]
pub struct Program {
    folders: Vec<PathBuf>,
}

impl Program {
    /// Beside this app's own program, else on the search path.
    pub fn new(app: Option<&Path>, path: Option<&std::ffi::OsStr>) -> Program {
        let beside = app.and_then(Path::parent).map(Path::to_owned);
        let path: Vec<PathBuf> = path.map(|p| std::env::split_paths(p).collect()).unwrap_or_default();
        Program { folders: beside.into_iter().chain(path).collect() }
    }

    fn find(&self) -> Option<PathBuf> {
        let name = format!("lacuna{}", std::env::consts::EXE_SUFFIX);
        self.folders.iter().map(|folder| folder.join(&name)).find(|file| file.is_file())
    }
}

/// Starts an agent that outlives this app, and waits until it listens.
pub async fn start(place: &Place, program: &Program, words: &Words) -> Result<Client> {
    let log = place.home.log();
    let remedy = fill(&words.start_remedy, &[("log", &log.display().to_string())]);
    let failed = |why: String| {
        Error::new(Kind::Other, fill(&words.start_failed, &[("why", &why)])).remedy(remedy.clone())
    };
    let Some(file) = program.find() else {
        return Err(Error::new(Kind::NotFound, &words.no_program).remedy(&words.no_program_remedy));
    };
    let mut command = Command::new(&file);
    command.args(["agent", "--detached"]);
    match &place.asked {
        Some(dir) => command.env("LACUNA_HOME", dir),
        None => command.env_remove("LACUNA_HOME"),
    };
    // Not in a folder that may be unmounted some day.
    command.current_dir(Path::new(std::path::MAIN_SEPARATOR_STR));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    platform::detach(&mut command);
    let child = command.spawn().map_err(|e| failed(e.to_string()).at(file.display()))?;
    let mut ended = watch_over(child);
    let deadline = Instant::now() + START;
    loop {
        if let Some(client) = Client::connect(&place.home).await? {
            return Ok(client);
        }
        if let Ok(words) = ended.try_recv() {
            // Another program may have been first; its agent is about to listen.
            if !HomeLock::is_held(&place.home) {
                return Err(failed(words));
            }
        }
        if Instant::now() > deadline {
            return Err(Error::new(Kind::Busy, &words.start_slow).remedy(remedy));
        }
        sleep(Duration::from_millis(30)).await;
    }
}

/// Waits for a child in a thread of its own, so that it leaves no zombie, and answers its last words.
fn watch_over(mut child: Child) -> oneshot::Receiver<String> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(stderr) = child.stderr.take() {
            // Unreadable words are as good as none.
            let _ = stderr.take(4 << 10).read_to_string(&mut text);
        }
        let status = child.wait();
        let text = text.trim().trim_start_matches("error: ").to_owned();
        let words = if text.is_empty() { status.map_or(text, |s| s.to_string()) } else { text };
        // Nobody listens any more: it has been up for long.
        let _ = tell.send(words);
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_beside_the_app_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("lacuna{}", std::env::consts::EXE_SUFFIX);
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for folder in [&a, &b] {
            std::fs::create_dir(folder).unwrap();
        }
        let path = std::env::join_paths([&b]).unwrap();
        let program = Program::new(Some(&a.join("lacuna-desktop")), Some(&path));
        assert_eq!(program.find(), None);
        std::fs::write(b.join(&name), "").unwrap();
        assert_eq!(program.find(), Some(b.join(&name)));
        std::fs::write(a.join(&name), "").unwrap();
        assert_eq!(program.find(), Some(a.join(&name)));
    }
}
