//! Runs the file system testers of crates.io, `fsx` and `pjdfstest`, on a folder.
//!
//! `cargo xtask test` installs them and says where they are by `LACUNA_FSX` and `LACUNA_PJDFSTEST`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::Machine;

/// Which versions the lists of expected failures were made with.
pub const FSX: (&str, &str) = ("LACUNA_FSX", "fsx@0.3.2");
/// See [`FSX`].
pub const PJDFSTEST: (&str, &str) = ("LACUNA_PJDFSTEST", "pjdfstest@0.2.2");

/// The users that `pjdfstest` becomes; the second is not on every machine.
pub const USERS: [(&str, &str); 2] = [("nobody", "nogroup"), ("tests", "tests")];

/// Where a tester is.
fn tool((var, package): (&str, &str)) -> Result<PathBuf, String> {
    let how = format!("run `cargo xtask test`, or `cargo install {package}` and set {var} to its path");
    let path = env::var_os(var).ok_or_else(|| format!("{var} is not set: {how}"))?;
    let path = PathBuf::from(path);
    if !path.is_file() {
        return Err(format!("{var} names {}, which is no file: {how}", path.display()));
    }
    Ok(path)
}

fn run(command: &mut Command) -> Result<Output, String> {
    command.env("NO_COLOR", "1").output().map_err(|e| format!("{command:?}: {e}"))
}

fn text(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// An fsx that runs.
pub struct Fsx {
    pub child: Child,
    scratch: tempfile::TempDir,
    what: String,
}

/// Starts `ops` random operations on a file in `dir`, whose path is answered: reads, writes, both by
/// mapping, truncations, syncs and reopens. `extra`: further weights, as lines of fsx.toml's section of that
/// name (`punch_hole = 1`).
fn start_fsx(dir: &Path, seed: u64, ops: u64, extra: &str) -> Result<(Fsx, PathBuf), String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let config = scratch.path().join("fsx.toml");
    let weights = format!(
        "[weights]\nclose_open = 1\ninvalidate = 1\nread = 10\nwrite = 10\nmapread = 10\nmapwrite = 10\n\
         truncate = 5\nfsync = 1\nfdatasync = 1\n{extra}\n"
    );
    fs::write(&config, weights).map_err(|e| e.to_string())?;
    let file = dir.join(format!("fsx-{seed}"));
    let said = |name: &str| fs::File::create(scratch.path().join(name)).map_err(|e| e.to_string());
    let mut command = Command::new(tool(FSX)?);
    command.arg("-f").arg(&config).args(["-N", &ops.to_string(), "-S", &seed.to_string()]);
    command.arg("-P").arg(scratch.path()).arg(&file).env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(said("out")?).stderr(said("err")?);
    let child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    Ok((Fsx { child, scratch, what: format!("fsx, seed {seed}, {ops} operations") }, file))
}

impl Fsx {
    /// What it found, if it has ended. The error holds its last lines; seed and operations repeat it.
    pub fn ended(&mut self) -> Option<Result<(), String>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => {
                let said =
                    |name: &str| fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default();
                let text = said("out") + &said("err");
                let lines: Vec<_> = text.lines().collect();
                let last = lines[lines.len().saturating_sub(40)..].join("\n");
                Some(Err(format!("{}: {status}\n{last}", self.what)))
            }
            Err(e) => Some(Err(e.to_string())),
        }
    }
}

/// As [`start_fsx`], to the end.
pub fn run_fsx(dir: &Path, seed: u64, ops: u64, extra: &str) -> Result<(), String> {
    let (mut fsx, _) = start_fsx(dir, seed, ops, extra)?;
    fsx.child.wait().map_err(|e| e.to_string())?;
    fsx.ended().unwrap_or_else(|| Err("fsx has no end".to_owned()))
}

/// As [`run_fsx`] on a machine's drive, but fsx is stopped again and again, its file flushed and evicted, so
/// that its bytes go through the remote. Answers how often.
///
/// It runs a little longer before each stop: a page fault that a signal interrupts is tried again from its
/// beginning, so one that takes longer than the time between two evictions would never end.
pub fn run_fsx_through(m: &Machine, seed: u64, ops: u64, extra: &str) -> Result<usize, String> {
    let (mut fsx, file) = start_fsx(&m.mnt(), seed, ops, extra)?;
    let pid = fsx.child.id().to_string();
    let signal = |name: &str| {
        let _ = Command::new("kill").args([name, &pid]).stderr(Stdio::null()).status();
    };
    let (mut rounds, mut running) = (0, Duration::from_millis(3));
    loop {
        std::thread::sleep(running);
        running = running.mul_f64(1.05);
        signal("-STOP");
        if let Some(result) = fsx.ended() {
            return result.map(|()| rounds);
        }
        m.flush();
        if file.exists() {
            m.evict(&file);
            rounds += 1;
        }
        signal("-CONT");
    }
}

/// What `pjdfstest` found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// How many cases passed.
    pub passed: usize,
    /// The names of those that failed.
    pub failed: Vec<String>,
    /// The names of those that could not be run here.
    pub skipped: Vec<String>,
    /// All that it printed.
    pub text: String,
}

/// Runs `pjdfstest` in `dir`. Panics where a case fails that has to pass, or the other way round.
pub fn check_pjdfstest(dir: &Path) {
    let report = run_pjdfstest(dir, &[]).unwrap();
    println!("{} passed, {} failed, {} skipped", report.passed, report.failed.len(), report.skipped.len());
    for case in &report.failed {
        println!("{case}: {}", beyond(case).unwrap_or("NOT EXPECTED"));
    }
    let surprises = report.surprises();
    assert!(surprises.is_empty(), "{surprises:?}\n{}", report.said(&surprises));
    let least = if rustix::process::geteuid().is_root() { 200 } else { 1 };
    assert!(report.passed >= least, "only {} passed", report.passed);
}

/// Runs all cases that this system can run, or those whose names hold one of `only`, in a new folder in `dir`.
/// Without root most are skipped.
fn run_pjdfstest(dir: &Path, only: &[&str]) -> Result<Report, String> {
    let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
    let config = scratch.path().join("pjdfstest.toml");
    let entries: Vec<_> = USERS.iter().map(|(user, group)| format!("[{user:?}, {group:?}]")).collect();
    let settings = format!(
        "[features]\nposix_fallocate = {{}}\nrename_ctime = {{}}\nstat_st_birthtime = {{}}\nutime_now = {{}}\nutimensat = {{}}\n\
         [settings]\nnaptime = 0.02\nallow_remount = false\n[dummy_auth]\nentries = [{}]\n",
        entries.join(", ")
    );
    fs::write(&config, settings).map_err(|e| e.to_string())?;
    let mut command = Command::new(tool(PJDFSTEST)?);
    command.arg("-c").arg(&config).arg("-p").arg(dir);
    // The cases that want a second file system get that of the temporary files.
    command.arg("-s").arg(scratch.path()).arg("--").args(only);
    let report = parse(text(&run(&mut command)?));
    if report.passed + report.failed.len() + report.skipped.len() == 0 {
        return Err(format!(
            "pjdfstest ran nothing (are there the users {USERS:?}? `cargo xtask test` makes them):\n{}",
            report.text
        ));
    }
    Ok(report)
}

/// Cases that need what the drive does not have yet, by name; see [`beyond`] for the rest of them.
const BEYOND: [(&str, &str); 15] = [
    ("link::changed_ctime_success::regular", "hard links"),
    ("link::remove_link::regular", "hard links"),
    ("link::share_metadata::regular", "hard links"),
    ("mkfifo::changed_time_fields_success", "special files"),
    ("mkfifo::permission_bits_from_mode", "special files"),
    ("mkfifo::uid_gid_eq_euid_egid", "special files"),
    ("mknod::changed_time_fields_success", "special files"),
    ("mknod::permission_bits_from_mode", "special files"),
    ("mknod::uid_gid_eq_euid_egid", "special files"),
    ("open::fifo_nonblock_wronly", "special files"),
    ("open::socket_error", "special files"),
    ("rename::preserve_metadata::regular", "hard links"),
    ("rename::to_multiply_linked::regular", "hard links"),
    ("unlink::unchanged_ctime_failed::regular", "hard links"),
    ("unlink::update_ctime_success::regular", "hard links"),
];

/// Why a case can't pass yet; none if it has to.
pub fn beyond(case: &str) -> Option<&'static str> {
    let kind = case.rsplit("::").next().unwrap_or_default();
    if ["fifo", "socket", "char", "block"].contains(&kind) {
        return Some("special files");
    }
    BEYOND.iter().find(|(name, _)| *name == case).map(|(_, why)| *why)
}

impl Report {
    /// What failed and should not have, or was listed as failing and did not: the list stays true.
    pub fn surprises(&self) -> Vec<String> {
        let failed = self.failed.iter().filter(|case| beyond(case).is_none());
        let passed = BEYOND.iter().map(|(name, _)| name.to_string());
        let passed = passed.filter(|name| !self.failed.contains(name) && !self.skipped.contains(name));
        failed
            .map(|case| format!("{case} failed"))
            .chain(passed.map(|case| format!("{case} passed")))
            .collect()
    }
}

impl Report {
    /// What it printed of the cases that these lines begin with.
    pub fn said(&self, cases: &[String]) -> String {
        let named = |line: &str| cases.iter().any(|c| c.split(' ').next() == line.split_whitespace().next());
        let mut of_interest = false;
        let lines = self.text.lines().filter(|line| {
            of_interest = if line.starts_with(char::is_whitespace) { of_interest } else { named(line) };
            of_interest
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A case is a line of its name and what came of it; what follows indented belongs to it.
fn parse(text: String) -> Report {
    let mut report = Report::default();
    for line in text.lines().filter(|l| !l.starts_with(char::is_whitespace)) {
        let Some((name, outcome)) = line.split_once(char::is_whitespace) else { continue };
        match outcome.trim() {
            "ok" => report.passed += 1,
            "FAILED" => report.failed.push(name.to_owned()),
            "skipped" => report.skipped.push(name.to_owned()),
            _ => {}
        }
    }
    report.text = text;
    report
}

#[test]
fn reports_are_read_as_they_are_printed() {
    let report = parse(
        "chmod::a::b      ok\n\
         link::c          FAILED\n\tcalled `Result::unwrap()` ok\n\
         open::d          skipped\n\trequires features: chflags\n\
         \nSummary: 1 failed, 1 skipped, 1 passed, 0 expected failures, 3 total\n"
            .into(),
    );
    assert_eq!(
        report.said(&["link::c failed".into()]),
        "link::c          FAILED\n\tcalled `Result::unwrap()` ok"
    );
    assert_eq!(
        (report.passed, report.failed, report.skipped),
        (1, vec!["link::c".into()], vec!["open::d".into()])
    );
}
