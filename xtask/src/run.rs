//! `cargo xtask run`: from a clone to a mounted drive, and back on Ctrl-C.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    args::Args,
    desktop, packages,
    progress::{self, View},
    screen::Screen,
    sys,
    tools::{self, Tree},
};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: cargo xtask run [--home DIR] [--bucket DIR] [--mountpoint DIR] [--binary FILE] [--no-app]

Installs what is missing, builds Lacuna, mounts a drive and shows its state until Ctrl-C, which
sends what still waits and unmounts. A second Ctrl-C does not wait for that: nothing is lost, what
waits is sent the next time. With a display it opens the desktop app beside it; quitting that ends
this too.

  --home DIR        Keep settings, state and socket in DIR, not in the user's folders
  --bucket DIR      The bucket's folder [~/.local/share/lacuna/bucket; with --home: HOME/bucket]
  --mountpoint DIR  Where the drive appears [~/Lacuna; with --home: HOME/Lacuna]
  --binary FILE     Run this program instead of building one, without the app
  --no-app          Without the desktop app";

/// The drive's name.
const NAME: &str = "Lacuna";

/// The exit code by which `lacuna flush` says that all is sent, but of some file there are two versions.
const EXIT_CONFLICT: i32 = 5;

/// How often the state is asked for.
const TICK: Duration = Duration::from_millis(500);

/// How long an agent may take to answer for the first time, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folders of one run, all absolute.
#[derive(PartialEq, Eq, Debug)]
struct Places {
    home: Option<PathBuf>,
    data: PathBuf,
    bucket: PathBuf,
    mountpoint: PathBuf,
}

impl Places {
    fn choose(args: &Args, data: &Path, user: &Path) -> Result<Places> {
        let absolute = |name| args.value(name).map(std::path::absolute).transpose();
        let home = absolute("--home")?;
        let data = home.clone().unwrap_or_else(|| data.to_owned());
        let below = home.as_deref().unwrap_or(user);
        Ok(Places {
            bucket: absolute("--bucket")?.unwrap_or_else(|| data.join("bucket")),
            mountpoint: absolute("--mountpoint")?.unwrap_or_else(|| below.join("Lacuna")),
            data,
            home,
        })
    }
}

/// Runs the command; whether everything that waited was sent.
pub fn main(words: &[String]) -> Result<bool> {
    let args = Args::parse(words, &["--home", "--bucket", "--mountpoint", "--binary"], &["--no-app"])?;
    args.words(&[])?;
    let data = tools::user_folder("XDG_DATA_HOME", ".local/share")?.join("lacuna");
    let places = Places::choose(&args, &data, &tools::home()?)?;
    let interrupts = Arc::new(AtomicUsize::new(0));

    let mut app = None;
    let binary = match args.value("--binary") {
        Some(file) => std::path::absolute(file)?,
        None => {
            tools::heading("system packages");
            let mount: &[_] = if std::env::consts::OS == "linux" { packages::MOUNT } else { &[] };
            packages::ensure(&[packages::BUILD, mount])?;
            println!("All there.");
            let binary = build()?;
            if !args.switch("--no-app") {
                app = build_app();
            }
            binary
        }
    };
    may_mount()?;
    // From here on a Ctrl-C has something to put back.
    let count = Arc::clone(&interrupts);
    ctrlc::set_handler(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })?;

    tools::heading("the drive");
    let lacuna = Lacuna { binary, places };
    let mut agent = lacuna.start_agent()?;
    let outcome = lacuna.session(&interrupts, app.as_deref());
    if let (Some(agent), Ok(_)) = (&mut agent, &outcome) {
        stop(agent);
    } else if let (Some(agent), Err(_)) = (&mut agent, &outcome)
        && lacuna.view().is_none()
    {
        // The mount failed: nobody needs the agent that was started for it.
        stop(agent);
    }
    outcome
}

fn build() -> Result<PathBuf> {
    tools::heading("building (the first time takes some minutes)");
    let tree = Tree::find()?;
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root).args(["build", "--release", "--package", "lacuna", "--bin", "lacuna"]);
    tools::run(&mut cargo)?;
    Ok(tree.target.join("release").join(format!("lacuna{}", std::env::consts::EXE_SUFFIX)))
}

/// Builds the desktop app where it can be shown; without one the terminal does all that it does.
fn build_app() -> Option<PathBuf> {
    tools::heading("the desktop app");
    if !has_display(|variable| std::env::var_os(variable)) {
        println!("There is no display, so this goes on in the terminal.");
        return None;
    }
    match Tree::find().and_then(|tree| desktop::build(&tree)) {
        Ok(app) => Some(app),
        Err(e) => {
            println!("{e:#}\nSo the app can't be had here, and this goes on in the terminal.");
            None
        }
    }
}

/// Whether windows can be shown. On Linux the session says so by a variable; elsewhere they always can.
fn has_display(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
    std::env::consts::OS != "linux" || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(set)
}

/// Whether this machine and this user can mount by FUSE; if not, what to do. Elsewhere than on Linux
/// the built program says itself what it needs.
pub fn may_mount() -> Result<()> {
    if std::env::consts::OS == "linux" { may_use(Path::new("/dev/fuse")) } else { Ok(()) }
}

fn may_use(device: &Path) -> Result<()> {
    if !device.exists() && !tools::as_root("modprobe").arg("fuse").output().is_ok_and(|o| o.status.success())
    {
        bail!(
            "there is no {}: the kernel's module `fuse` is not loaded (as root: modprobe fuse). In a container \
             the host has to allow it: docker run --device /dev/fuse --cap-add SYS_ADMIN …",
            device.display()
        );
    }
    let open = std::fs::File::options().read(true).write(true).open(device);
    open.map(drop).with_context(|| {
        format!(
            "this user may not mount: {} can't be opened (as root: chmod 666 {0}; in a container start it \
             with --device /dev/fuse --cap-add SYS_ADMIN)",
            device.display()
        )
    })
}

/// The built program and where it works.
struct Lacuna {
    binary: PathBuf,
    places: Places,
}

impl Lacuna {
    fn command(&self, words: &[&str]) -> Command {
        self.program(&self.binary, words)
    }

    fn program(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        if let Some(home) = &self.places.home {
            command.env("LACUNA_HOME", home);
        }
        sys::detach(&mut command);
        command
    }

    /// Says and runs a command of Lacuna that has to succeed.
    fn run(&self, words: &[&str]) -> Result<()> {
        println!("    $ lacuna {}", words.join(" "));
        let status = self.command(words).status().context("can't start lacuna")?;
        if !status.success() {
            bail!("`lacuna {}` failed ({status})", words.join(" "));
        }
        Ok(())
    }

    /// What the agent says of our drive; none: no agent, or no drive there.
    fn view(&self) -> Option<View> {
        let out = self.command(&["status", "--json"]).output().ok()?;
        let status = serde_json::from_slice(&out.stdout).ok()?;
        progress::view(&status, &self.mountpoint())
    }

    fn answers(&self) -> bool {
        self.command(&["status", "--json"]).output().is_ok_and(|out| out.status.success())
    }

    fn mountpoint(&self) -> String {
        self.places.mountpoint.to_string_lossy().into_owned()
    }

    /// Starts an agent unless one answers; the child if it is ours.
    fn start_agent(&self) -> Result<Option<Child>> {
        if self.answers() {
            println!("An agent is running already; the drive is mounted by that one.");
            return Ok(None);
        }
        std::fs::create_dir_all(&self.places.data)
            .with_context(|| format!("can't create {}", self.places.data.display()))?;
        let log = self.places.data.join("run.log");
        let out = std::fs::File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        println!("    $ lacuna agent   (says what it does in {})", log.display());
        let mut child = self
            .command(&["agent"])
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("can't start {}", self.binary.display()))?;
        let start = Instant::now();
        while !self.answers() {
            let ended = child.try_wait()?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                child.kill().ok();
                child.wait().ok();
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let why = ended.map_or("it does not answer".into(), |status| format!("it ended: {status}"));
                bail!("the agent can't be used, {why}\n{}", text.trim());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Some(child))
    }

    /// Opens the app; what it says goes to a file beside the agent's.
    fn start_app(&self, app: &Path) -> Result<App> {
        let log = self.places.data.join("app.log");
        let out = std::fs::File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
        println!("    $ {}   (says what it does in {})", desktop::PACKAGE, log.display());
        let mut command = self.program(app, &[]);
        let child = command.stdout(out.try_clone()?).stderr(out).spawn();
        Ok(App(child.with_context(|| format!("can't start {}", app.display()))?))
    }

    /// Mounts, shows the state until Ctrl-C, drains and unmounts. Whether everything was sent.
    fn session(&self, interrupts: &AtomicUsize, app: Option<&Path>) -> Result<bool> {
        let folder = self.places.bucket.to_string_lossy();
        if is_absent(&self.places.bucket) {
            self.run(&["store", "init", &folder])?;
        }
        let bucket = format!("store:{folder}");
        let mountpoint = self.mountpoint();
        if self.view().is_none() {
            // A mount point whose agent was killed can't even be looked at: the mount mends it.
            std::fs::create_dir_all(&self.places.mountpoint).ok();
            self.run(&["mount", &bucket, &mountpoint, "--name", NAME])?;
        }
        let mut app = app.map(|app| self.start_app(app)).transpose()?;
        println!("{}", hints(&self.binary, &self.places));
        let screen = Screen::new();
        while interrupts.load(Ordering::SeqCst) == 0 {
            match self.view() {
                Some(view) => screen.show(&view),
                None => {
                    screen.end();
                    if app.as_mut().is_some_and(App::has_quit) {
                        println!("Quit from the app: the drive is unmounted.");
                        return Ok(true);
                    }
                    bail!("the drive at {mountpoint} is gone: it was unmounted, or the agent has ended");
                }
            }
            wait(interrupts, 0);
        }
        screen.say("Ctrl-C: sending what waits (Ctrl-C again: leave it for the next time)");
        let drained = self.drain(&screen, interrupts)?;
        screen.end();
        // It would start the agent again when that ends.
        drop(app);
        self.run(&["unmount", &mountpoint]).with_context(|| {
            format!("the drive stays mounted; leave {mountpoint}, then type: lacuna unmount {mountpoint}")
        })?;
        Ok(drained)
    }

    /// Waits until nothing is pending, or a second Ctrl-C.
    fn drain(&self, screen: &Screen, interrupts: &AtomicUsize) -> Result<bool> {
        let mut flush = self.command(&["flush", NAME]).stdout(Stdio::null()).spawn()?;
        let mut last = View::default();
        loop {
            if let Some(view) = self.view() {
                screen.show(&view);
                last = view;
            }
            if let Some(status) = flush.try_wait()? {
                let two_versions = status.code() == Some(EXIT_CONFLICT);
                if status.success() || two_versions {
                    screen.say("Everything is in the bucket.");
                    return Ok(!two_versions);
                }
                break;
            }
            if interrupts.load(Ordering::SeqCst) > 1 {
                flush.kill().ok();
                flush.wait().ok();
                break;
            }
            wait(interrupts, 1);
        }
        screen.say(&format!(
            "No longer waiting for {} changes ({}): what is not sent is kept on this machine and sent when the \
             drive is mounted again.",
            last.files,
            progress::size(last.bytes)
        ));
        Ok(false)
    }
}

/// The desktop app, which ends with this command.
struct App(Child);

impl App {
    /// Whether it ends, or has: it ends the agent first.
    fn has_quit(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It holds nothing that could be lost.
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}

/// Waits a tick, or until there are more than `seen` interrupts.
fn wait(interrupts: &AtomicUsize, seen: usize) {
    let start = Instant::now();
    while start.elapsed() < TICK && interrupts.load(Ordering::SeqCst) <= seen {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks an agent to end and waits for it.
fn stop(agent: &mut Child) {
    Command::new("kill").arg(agent.id().to_string()).status().ok();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if !matches!(agent.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("The agent (process {}) is still at work and is left to it.", agent.id());
}

/// Whether there is no bucket yet: no folder, or an empty one.
fn is_absent(bucket: &Path) -> bool {
    match std::fs::read_dir(bucket) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// What to try.
fn hints(binary: &Path, places: &Places) -> String {
    let (at, bucket) = (places.mountpoint.display(), places.bucket.display());
    let programs = binary.parent().unwrap_or(binary).display();
    let home = places.home.as_ref().map(|h| format!("\n    export LACUNA_HOME={}", h.display()));
    format!(
        "
The drive is at {at}, its bucket at {bucket}. Try in another terminal:

    export PATH={programs}:$PATH{home}
    head -c 200M /dev/urandom > {at}/big
    lacuna flush            # returns when everything is in the bucket
    head -c 1K /dev/urandom | dd of={at}/big bs=1K seek=100K conv=notrunc
    lacuna flush
    lacuna info {at}/big    # what that save moved

Ctrl-C sends what waits and unmounts.
",
        home = home.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(words: &[&str]) -> Places {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let args = Args::parse(&words, &["--home", "--bucket", "--mountpoint"], &[]).unwrap();
        Places::choose(&args, Path::new("/u/.local/share/lacuna"), Path::new("/u")).unwrap()
    }

    #[test]
    fn without_options_everything_is_in_the_users_folders() {
        let p = places(&[]);
        assert_eq!(p.home, None);
        assert_eq!(p.bucket, Path::new("/u/.local/share/lacuna/bucket"));
        assert_eq!(p.mountpoint, Path::new("/u/Lacuna"));
    }

    #[test]
    fn a_home_takes_everything_in_unless_told_otherwise() {
        let p = places(&["--home", "/h"]);
        assert_eq!(
            (p.bucket.as_path(), p.mountpoint.as_path()),
            (Path::new("/h/bucket"), Path::new("/h/Lacuna"))
        );
        let p = places(&["--home=/h", "--bucket=/b", "--mountpoint=/m"]);
        assert_eq!((p.bucket.as_path(), p.mountpoint.as_path()), (Path::new("/b"), Path::new("/m")));
        assert!(places(&["--home", "h"]).home.unwrap().is_absolute());
    }

    #[test]
    fn an_empty_variable_is_no_display() {
        if std::env::consts::OS != "linux" {
            return;
        }
        let with = |name: &'static str, value: &'static str| {
            has_display(move |asked| (asked == name).then(|| value.into()))
        };
        assert!(with("DISPLAY", ":0") && with("WAYLAND_DISPLAY", "wayland-0"));
        assert!(!with("DISPLAY", "") && !with("HOME", "/h"));
    }

    #[test]
    fn a_bucket_is_absent_only_if_nothing_is_there() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_absent(dir.path()));
        assert!(is_absent(&dir.path().join("none")));
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(!is_absent(dir.path()));
        assert!(!is_absent(&dir.path().join("file")));
    }

    #[test]
    fn a_device_that_can_not_be_opened_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let says = format!("{:#}", may_use(dir.path()).unwrap_err());
        assert!(says.contains("chmod 666") && says.contains("--device /dev/fuse"), "{says}");
    }
}
