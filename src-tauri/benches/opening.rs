//! How long the window takes to open, beside a bare window of the same engine: WebKit's own sample browser
//! with an empty page, on the same display in the same run. What is timed ends when the window is visible
//! and shows more than one colour.
//!
//! `cargo xtask bench opening` builds what this needs and says where it is. It prints medians and ratios,
//! and fails where a person would wait for longer than a second and it is not the machine's fault: the bare
//! window opens in half of it.

#[path = "../tests/desktop/session.rs"]
#[allow(dead_code)]
mod session;
#[path = "../tests/desktop/tray.rs"]
#[allow(dead_code)]
mod tray;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use session::{Desktop, Running, Session, until};

/// Each is opened so often, in turns.
const ROUNDS: usize = 7;

/// What a person hardly waits for.
const SOON: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Some(bare) = bare() else {
        eprintln!("there is no MiniBrowser of WebKitGTK 4.1 to compare with: install libwebkit2gtk-4.1-0");
        return ExitCode::FAILURE;
    };
    let session = Session::start("opening", Desktop::Whole);
    session.mount();
    let (mut bares, mut starts, mut agains) = (Vec::new(), Vec::new(), Vec::new());
    // The first of each reads the programs from the disk; it does not count.
    for round in 0..=ROUNDS {
        let mut command = Command::new(&bare);
        let start = Instant::now();
        let browser = Running::start(session.environment(command.arg("about:blank")));
        let took = seen(&session, start, ".+");
        drop(browser);
        until("the bare window is gone", || session.windows(".+").is_empty().then_some(()));
        let began = Instant::now();
        let app = session.app(&[]);
        let started = seen(&session, began, "Lacuna");
        close(&session);
        // From the tray: the app runs, its window is hidden.
        let began = Instant::now();
        let second = session.app(&[]);
        let again = seen(&session, began, "Lacuna");
        drop(second);
        close(&session);
        drop(app);
        session.run("pkill", &["-f", "lacuna-desktop"]);
        if round > 0 {
            bares.push(took);
            starts.push(started);
            agains.push(again);
        }
    }
    let (bare, started, again) = (median(bares), median(starts), median(agains));
    let ratio = |of: Duration| of.as_secs_f64() / bare.as_secs_f64();
    println!("                         median   of the bare window");
    println!("a bare WebKit window  {:>7} ms", bare.as_millis());
    println!("the app is started    {:>7} ms   {:.2}", started.as_millis(), ratio(started));
    println!("its window is shown   {:>7} ms   {:.2}", again.as_millis(), ratio(again));
    if started > SOON.max(2 * bare) {
        eprintln!("opening takes too long");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The sample browser, which is no program for people and so on no search path.
fn bare() -> Option<PathBuf> {
    let dirs = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/libexec"];
    dirs.iter().map(|d| PathBuf::from(d).join("webkit2gtk-4.1/MiniBrowser")).find(|p| p.is_file())
}

/// Since when until a window of this title shows something.
fn seen(session: &Session, since: Instant, title: &str) -> Duration {
    until("the window shows something", || {
        let window = session.windows(title).pop()?;
        let out = session.run("import", &["-window", &window, "-format", "%k", "info:"]);
        let colours: u64 = String::from_utf8_lossy(&out.stdout).trim().parse().ok()?;
        (colours > 1).then(|| since.elapsed())
    })
}

fn close(session: &Session) {
    session.run("wmctrl", &["-c", "Lacuna"]);
    until("the window is hidden", || session.windows("Lacuna").is_empty().then_some(()));
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}
