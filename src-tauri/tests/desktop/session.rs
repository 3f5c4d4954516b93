//! A desktop session for one test: display, window manager, session bus, tray, notifications, and a home of
//! its own, with the real app, the real agent and a bucket in it.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use zbus::{blocking, zvariant::OwnedValue};

use crate::tray::Tray;

/// How long anything may take; this machine may have much else to do.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The drive's name.
pub const DRIVE: &str = "photos";

/// What of a desktop is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Desktop {
    /// All of it.
    Whole,
    /// Nothing shows tray icons.
    WithoutTray,
    /// There is no session bus at all.
    WithoutBus,
}

/// A child that ends with its owner.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a command that says nothing.
    pub fn start(command: &mut Command) -> Running {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Running(child.unwrap_or_else(|e| panic!("{command:?}: {e}")))
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.0.try_wait().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

/// The session. What it started ends with it, and nothing stays mounted.
pub struct Session {
    // The app and its helpers end first, the display last.
    helpers: Vec<Running>,
    _display: Running,
    display: String,
    bus: Option<String>,
    /// The Hub's address, if there is one.
    hub: Option<String>,
    dir: tempfile::TempDir,
    name: &'static str,
}

/// Waits until `look` finds something; `what` says what, if it never does.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// A program that `cargo xtask test` has made and says where it is.
pub fn tool(variable: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from);
    let path = path.unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test --only desktop`"));
    assert!(path.is_file(), "{variable} names {}, which is no file", path.display());
    path
}

/// Starts a program that says one line when it is ready, and answers the line.
fn start_telling(command: &mut Command) -> (Running, String) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Running(child.unwrap_or_else(|e| panic!("{command:?}: {e}")));
    let mut line = String::new();
    let out = child.0.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "{command:?} said nothing");
    (child, line.trim().to_owned())
}

impl Session {
    /// A session; `name` is the test's.
    pub fn start(name: &'static str, desktop: Desktop) -> Session {
        let dir = tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for folder in ["home", "run", "bin", "lacuna", "opened", "drive", "driver"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let only_us = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir.path().join("run"), only_us).unwrap();
        for (program, as_name) in [
            (PathBuf::from(env!("CARGO_BIN_EXE_lacuna-desktop")), "lacuna-desktop"),
            (tool("LACUNA_PROGRAM"), "lacuna"),
        ] {
            let there = dir.path().join("bin").join(as_name);
            if fs::hard_link(&program, &there).is_err() {
                fs::copy(&program, &there).unwrap();
            }
        }
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]);
        let (display_program, number) = start_telling(&mut xvfb);
        let mut session = Session {
            helpers: Vec::new(),
            _display: display_program,
            display: format!(":{number}"),
            bus: None,
            hub: None,
            dir,
            name,
        };
        session.opener();
        if desktop != Desktop::WithoutBus {
            let mut daemon = Command::new("dbus-daemon");
            let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desktop/bus.conf");
            daemon.arg("--config-file").arg(config).args(["--nofork", "--nopidfile", "--print-address=1"]);
            session.environment(&mut daemon);
            let (running, address) = start_telling(&mut daemon);
            session.helpers.push(running);
            session.bus = Some(address);
            session.helper("python3", &["-m", "dbusmock", "--template", "notification_daemon"]);
            session.until_owned("org.freedesktop.Notifications");
        }
        session.helper("openbox", &[]);
        if desktop == Desktop::Whole {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desktop/desktop.py");
            let shown = session.at("opened/shown");
            session.helper("python3", &[script.to_str().unwrap(), shown.to_str().unwrap()]);
            session.until_owned("org.kde.StatusNotifierWatcher");
        }
        session
    }

    /// The file manager of this session: notes what it is asked to open.
    fn opener(&self) {
        let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\n", self.at("opened/path").display());
        let file = self.at("bin/xdg-open");
        fs::write(&file, script).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What was opened last, if something was.
    pub fn opened(&self) -> Option<String> {
        fs::read_to_string(self.at("opened/path")).ok().map(|text| text.trim().to_owned())
    }

    /// What the file manager was asked to point at, if it was: a URI.
    pub fn shown(&self) -> Option<String> {
        fs::read_to_string(self.at("opened/shown")).ok()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the drive is.
    pub fn drive(&self) -> PathBuf {
        self.at("drive")
    }

    /// Gives a command this session's environment and nothing of ours.
    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin", self.at("bin").display());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.at("home"))
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("XDG_CURRENT_DESKTOP", "test")
            .env("LACUNA_HOME", self.at("lacuna"))
            .env("DISPLAY", &self.display)
            .env("LANG", "C.UTF-8")
            .env("NO_AT_BRIDGE", "1")
            .env("GDK_BACKEND", "x11")
            .env("RUST_BACKTRACE", "1");
        if let Some(hub) = &self.hub {
            command.env("HF_ENDPOINT", hub);
        }
        let nowhere = format!("unix:path={}", self.at("no-bus").display());
        command.env("DBUS_SESSION_BUS_ADDRESS", self.bus.as_ref().unwrap_or(&nowhere))
    }

    fn helper(&mut self, program: &str, args: &[&str]) {
        let mut command = Command::new(program);
        self.environment(command.args(args));
        self.helpers.push(Running::start(&mut command));
    }

    /// A connection to the session's bus.
    pub fn bus(&self) -> blocking::Connection {
        let address = self.bus.as_deref().expect("a session with a bus");
        blocking::connection::Builder::address(address).unwrap().build().unwrap()
    }

    fn until_owned(&self, name: &str) {
        let bus = self.bus();
        let dbus = blocking::fdo::DBusProxy::new(&bus).unwrap();
        until(name, || dbus.name_has_owner(name.try_into().unwrap()).unwrap().then_some(()));
    }

    /// Starts the app.
    pub fn app(&self, args: &[&str]) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.at("app.log")).unwrap();
        let mut command = Command::new(self.at("bin/lacuna-desktop"));
        self.environment(command.args(args)).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// Starts a WebDriver of this session.
    pub fn driver(&self, program: &Path, args: &[&str]) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.at("app.log")).unwrap();
        let mut command = Command::new(program);
        self.environment(command.args(args)).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// What the app has said.
    pub fn app_log(&self) -> String {
        fs::read_to_string(self.at("app.log")).unwrap_or_default()
    }

    /// The app's tray icon, when it is there.
    pub fn tray(&self) -> Tray {
        Tray::find(self.bus())
    }

    /// Runs a program of the session.
    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        self.environment(command.args(args)).stdin(Stdio::null());
        command.output().unwrap_or_else(|e| panic!("{program}: {e}"))
    }

    /// Runs the command line; it has to succeed.
    #[track_caller]
    pub fn lacuna(&self, args: &[&str]) -> String {
        let program = self.at("bin/lacuna");
        let out = self.run(program.to_str().unwrap(), args);
        let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "lacuna {args:?}: {said}{wrong}");
        said.into_owned()
    }

    /// Starts the tests' Hugging Face Hub, which has the bucket `ada/example`, for what is started after it. Answers
    /// a token.
    pub fn start_hub(&mut self) -> String {
        let mut program = Command::new(tool("LACUNA_TEST_HUB"));
        self.environment(&mut program).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut hub = Running(program.spawn().unwrap());
        let mut lines = BufReader::new(hub.0.stdout.take().unwrap()).lines();
        let mut told = |name: &str| {
            let line = lines.find_map(|line| Some(line.unwrap().strip_prefix(name)?.trim().to_owned()));
            line.unwrap_or_else(|| panic!("the Hub did not say its {name}"))
        };
        self.hub = Some(told("endpoint "));
        let token = told("token ");
        // It has said all when it says how it ends: nobody reads further.
        told("Ctrl-C");
        self.helpers.push(hub);
        token
    }

    /// Makes a bucket and mounts it as the drive.
    pub fn mount(&self) {
        let bucket = self.at("bucket");
        self.lacuna(&["store", "init", bucket.to_str().unwrap()]);
        let url = format!("store:{}", bucket.display());
        self.lacuna(&["mount", &url, self.drive().to_str().unwrap(), "--name", DRIVE]);
    }

    /// The drive's status; none without an agent or drive.
    pub fn status(&self) -> Option<Value> {
        let out = self.run(self.at("bin/lacuna").to_str().unwrap(), &["status", "--json"]);
        let status: Value = serde_json::from_slice(&out.stdout).ok()?;
        status["drives"].as_array()?.first().cloned()
    }

    /// The agent's process; none if it has never run.
    pub fn agent(&self) -> Option<String> {
        fs::read_to_string(self.at("lacuna/agent.lock")).ok().filter(|pid| !pid.is_empty())
    }

    /// How many commits the bucket has.
    pub fn commits(&self) -> usize {
        fs::read_dir(self.at("bucket/commits")).map_or(0, Iterator::count)
    }

    /// What a new machine, with nothing but the bucket, finds in a file of it; none: no such file.
    pub fn in_bucket(&self, file: &str) -> Option<Vec<u8>> {
        let (home, at) = (self.at("elsewhere"), self.at("elsewhere-drive"));
        fs::create_dir_all(&at).unwrap();
        let (home, url) = (home.to_str().unwrap(), format!("store:{}", self.at("bucket").display()));
        self.lacuna(&["--home", home, "mount", &url, at.to_str().unwrap(), "--read-only"]);
        let content = fs::read(at.join(file)).ok();
        self.lacuna(&["--home", home, "unmount", at.to_str().unwrap()]);
        content
    }

    /// Titles of the notifications so far.
    pub fn notifications(&self) -> Vec<String> {
        let (name, path) = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications");
        let mock = Some("org.freedesktop.DBus.Mock");
        let reply = self.bus().call_method(Some(name), path, mock, "GetMethodCalls", &"Notify").unwrap();
        let calls: Vec<(u64, Vec<OwnedValue>)> = reply.body().deserialize().unwrap();
        // The fourth argument of Notify is the summary.
        calls.iter().filter_map(|(_, args)| String::try_from(args.get(3)?.try_clone().ok()?).ok()).collect()
    }

    /// The visible windows of a title, by their ids.
    pub fn windows(&self, title: &str) -> Vec<String> {
        let out = self.run("xdotool", &["search", "--onlyvisible", "--name", &format!("^{title}$")]);
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }

    /// Presses a key in the window that has the focus, which has to be `window`.
    pub fn press(&self, window: &str, key: &str) {
        until("the window has the focus", || {
            let focus = self.run("xdotool", &["getwindowfocus"]);
            let is = String::from_utf8_lossy(&focus.stdout).trim() == window;
            if !is {
                self.run("xdotool", &["windowactivate", window]);
            }
            is.then_some(())
        });
        assert!(self.run("xdotool", &["key", "--clearmodifiers", key]).status.success());
    }

    /// Keeps a picture of the display in the folder of screenshots.
    pub fn picture(&self, name: &str) {
        let file = screenshots().join(format!("{name}.png"));
        let out = self.run("import", &["-window", "root", file.to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
}

/// Where the pictures go.
pub fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.picture(&format!("failed-{}", self.name));
            eprintln!("--- the app of {}:\n{}", self.name, self.app_log());
            eprintln!(
                "--- its agent:\n{}",
                fs::read_to_string(self.at("lacuna/agent.log")).unwrap_or_default()
            );
        }
        for home in ["lacuna", "elsewhere", "other"] {
            if let Ok(pid) = fs::read_to_string(self.at(home).join("agent.lock"))
                && fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.contains("lacuna"))
            {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
        }
        for at in ["drive", "elsewhere-drive", "other-drive", "lacuna/Lacuna"] {
            let _ = Command::new("umount").arg("-l").arg(self.at(at)).stderr(Stdio::null()).status();
        }
    }
}
