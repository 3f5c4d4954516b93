//! Problems as data: for each a stable code, a title, the step that mends it and how bad it is. What a
//! drive reports and what `lacuna doctor` finds come from one table, so that they read alike.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    control::api::{Action, Problem, Severity},
    error::{Error, Kind},
};

/// One row of the table: all of a problem but its cause and place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// A stable word for programs.
    pub code: &'static str,
    /// A line for people.
    pub title: &'static str,
    /// What to do, where the failure itself does not say it better.
    pub remedy: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The step that a client can offer as a button.
    pub action: Option<Action>,
}

macro_rules! known {
    ($($code:literal $severity:ident $([$action:ident])? $title:literal $remedy:literal)*) => {
        /// Every problem that this program knows, in the order in which it matters.
        pub const KNOWN: &[Known] = &[$(Known {
            code: $code,
            title: $title,
            remedy: $remedy,
            severity: Severity::$severity,
            action: known!(@ $($action)?),
        }),*];
    };
    (@) => { None };
    (@ $action:ident) => { Some(Action::$action) };
}

known! {
    // Of a drive.
    "conflict" Error [Reveal] "Two versions of a file"
        "compare the file with its conflicted copy, keep what is right in one and delete the other"
    "rejected" Error [Retry] "The remote refuses a change"
        "change the file as the cause says, or move it out of the drive"
    "bucket-full" Error [Retry] "The remote has no space left"
        "make room at the remote; what waits goes up by itself then"
    "disk-full" Error [Evict] "This machine has no space left"
        "free space on the disk that holds Lacuna's state folder, or `lacuna evict` big files"
    "damaged" Error "Stored data is damaged or missing"
        "run `lacuna store check` on the bucket and restore what it names from a backup"
    "newer-format" Error "Written by a newer Lacuna"
        "update Lacuna on this machine"
    "read-only" Error [Retry] "The remote may not be written to"
        "get the right to write there, or mount it with --read-only"
    "signed-out" Error [SignIn] "The remote does not know who you are"
        "sign in: `lacuna login hf`"
    "mount-failed" Error [Retry] "The drive is not mounted"
        "mend the cause; it is tried again by itself, or at once by `lacuna mount`"
    "remote-failed" Error [Retry] "The remote failed"
        "it is tried again by itself; see the log"
    "offline" Warning [Retry] "The remote can't be reached"
        "check the connection; what waits goes up by itself when the remote is back"
    // Of the machine.
    "no-fuse-device" Error "Mounting is not possible: /dev/fuse"
        "load the kernel module: sudo modprobe fuse (in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN)"
    "fuse-device-denied" Error "Mounting is not allowed: /dev/fuse"
        "let every user open it: sudo chmod 0666 /dev/fuse"
    "no-fusermount" Error "The helper fusermount3 is missing"
        "install it: sudo apt install fuse3"
    "no-mtab" Warning "Drives can't be unmounted: /etc/mtab is missing"
        "make it: sudo ln -s /proc/self/mounts /etc/mtab"
    "no-allow-other" Info "Only you can see your drives"
        "to show a drive to other users, add the line user_allow_other to /etc/fuse.conf"
    "not-built" Error "Mounting is not built yet for this system"
        "use Lacuna on Linux for now"
    "home-not-writable" Error "The home can't be written to"
        "give a folder that you may write to: --home DIR"
    "home-low-space" Warning [Evict] "Little space is left for the home"
        "free some: files that are being changed need room there"
    "settings" Error "The settings can't be read"
        "mend the file, or move it away to start with none"
    "no-agent" Info "No agent is running"
        "it starts by itself with `lacuna mount`"
    "agent-stuck" Error "The agent runs and does not answer"
        "end it (kill, by the process id in agent.lock) and mount again; nothing that was saved is lost"
    "other-version" Warning "The agent is of another version"
        "end the agent and mount again, so that the new version runs"
    "stale-mount" Error "A mount point of a dead agent"
        "mount the drive there again, or free the folder: fusermount3 -u MOUNTPOINT"
    "bucket-unreachable" Error "The bucket can't be reached"
        "check the connection and the address"
}

/// Finds the row of a code.
pub fn known(code: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|k| k.code == code)
}

/// A problem from its row; for a code that is in no row the code itself is the title.
pub fn problem(code: &str, cause: impl Into<String>, path: Option<String>) -> Problem {
    let row = known(code);
    Problem {
        code: code.into(),
        title: row.map_or(code, |k| k.title).into(),
        cause: cause.into(),
        remedy: row.map_or("", |k| k.remedy).into(),
        severity: row.map_or(Severity::Error, |k| k.severity),
        path,
        action: row.and_then(|k| k.action),
    }
}

/// A failure as a problem of this code: its own remedy, if it has one, is better than the row's, and who is not
/// known is offered to sign in.
pub fn problem_of(code: &str, e: &Error) -> Problem {
    let mut problem = problem(code, e.cause(), e.path().map(str::to_owned));
    if let Some(remedy) = e.remedy_text() {
        problem.remedy = remedy.into();
    }
    if e.kind() == Kind::SignedOut {
        // Whatever could not be done for it: trying again would not help.
        problem.action = Some(Action::SignIn);
    }
    problem
}

/// The code for a failure of a drive, by its kind.
pub fn code_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Offline => "offline",
        Kind::Conflict => "conflict",
        Kind::NoSpace => "bucket-full",
        Kind::Damaged => "damaged",
        Kind::NewerFormat => "newer-format",
        Kind::ReadOnly | Kind::Denied => "read-only",
        Kind::SignedOut => "signed-out",
        Kind::NotFound | Kind::Invalid | Kind::Busy | Kind::Other => "remote-failed",
    }
}

/// What one check of `lacuna doctor` found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at and, if all is well, what was seen.
    pub checked: String,
    /// What is wrong.
    pub problem: Option<Problem>,
}

impl Finding {
    /// All is well.
    pub fn ok(checked: impl Into<String>) -> Finding {
        Finding { checked: checked.into(), problem: None }
    }

    /// Something is wrong.
    pub fn bad(checked: impl Into<String>, problem: Problem) -> Finding {
        Finding { checked: checked.into(), problem: Some(problem) }
    }

    /// `ok`, `warn` or `fail`, as printed.
    pub fn verdict(&self) -> &'static str {
        match self.problem.as_ref().map(|p| p.severity) {
            None => "ok",
            Some(Severity::Info | Severity::Warning) => "warn",
            Some(Severity::Error) => "fail",
        }
    }
}

/// What there is of the things that mounting needs, as the platform sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverFacts {
    /// FUSE on Linux.
    Fuse {
        /// Whether `/dev/fuse` can be opened for reading and writing.
        device: Result<(), io::ErrorKind>,
        /// Whether `fusermount3` is on the search path.
        helper: bool,
        /// Whether there is `/etc/mtab`, without which `fusermount3 -u` fails.
        mtab: bool,
        /// Whether `/etc/fuse.conf` has `user_allow_other`.
        allow_other: bool,
        /// Whether this is root, who needs none of the three.
        root: bool,
    },
    /// Mounting is not built for this system.
    NotBuilt,
}

/// Judges them.
pub fn judge_driver(facts: DriverFacts) -> Vec<Finding> {
    let DriverFacts::Fuse { device, helper, mtab, allow_other, root } = facts else {
        return vec![Finding::bad(
            "mounting",
            problem("not-built", "only FUSE on Linux is built so far", None),
        )];
    };
    let mut found = Vec::new();
    found.push(match device {
        Ok(()) => Finding::ok("/dev/fuse can be opened"),
        Err(e) => {
            let denied = e == io::ErrorKind::PermissionDenied;
            let code = if denied { "fuse-device-denied" } else { "no-fuse-device" };
            Finding::bad("/dev/fuse", problem(code, format!("it can't be opened: {e}"), None))
        }
    });
    found.push(match (helper, root) {
        (true, _) => Finding::ok("fusermount3 is installed"),
        (false, true) => Finding::ok("fusermount3 is not installed; root mounts without it"),
        (false, false) => {
            let why = "it is not on the search path, and only root can mount without it";
            Finding::bad("fusermount3", problem("no-fusermount", why, None))
        }
    });
    if helper && !root {
        found.push(match mtab {
            true => Finding::ok("/etc/mtab is there"),
            false => {
                let why = "fusermount3 wants it to unmount, and only root can without it";
                Finding::bad("/etc/mtab", problem("no-mtab", why, None))
            }
        });
    }
    found.push(match (allow_other, root) {
        (true, _) => Finding::ok("user_allow_other is set: other users may be shown a drive"),
        (false, true) => Finding::ok("user_allow_other is not set; root does not need it"),
        (false, false) => Finding::bad(
            "user_allow_other",
            problem("no-allow-other", "/etc/fuse.conf does not have it", None),
        ),
    });
    found
}

/// Below this many bytes the home is short of space: a few changed files and the log need that much.
pub const LOW_SPACE: u64 = 512 << 20;

/// Judges the space left in the home.
pub fn judge_space(free: u64, shown: &str) -> Finding {
    if free >= LOW_SPACE {
        return Finding::ok(format!("{shown} are free for the home"));
    }
    Finding::bad("space", problem("home-low-space", format!("only {shown} are free"), None))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_known_problem_is_complete_and_its_code_unique() {
        let mut seen = HashSet::new();
        for k in KNOWN {
            assert!(seen.insert(k.code), "{} twice", k.code);
            assert!(!k.title.is_empty() && !k.remedy.is_empty());
            assert!(k.code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", k.code);
        }
    }

    #[test]
    fn every_kind_of_failure_has_a_row() {
        for kind in crate::control::api::KINDS.map(|(kind, _)| kind) {
            assert!(known(code_of(kind)).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn a_failures_own_remedy_wins() {
        let e = Error::new(Kind::Offline, "no route").remedy("plug the cable in").at("a.txt");
        let p = problem_of("offline", &e);
        assert_eq!((p.cause.as_str(), p.remedy.as_str()), ("no route", "plug the cable in"));
        assert_eq!(p.path.as_deref(), Some("a.txt"));
        assert!(!problem_of("offline", &Error::new(Kind::Offline, "x")).remedy.is_empty());
    }

    #[test]
    fn who_is_not_known_is_offered_to_sign_in() {
        let unknown = Error::new(Kind::SignedOut, "the token is not good");
        for code in [code_of(Kind::SignedOut), "mount-failed"] {
            assert_eq!(problem_of(code, &unknown).action, Some(Action::SignIn), "{code}");
        }
        let down = Error::new(Kind::Offline, "no route");
        assert_eq!(problem_of("mount-failed", &down).action, Some(Action::Retry));
    }

    #[test]
    fn verdicts_follow_what_mounting_needs() {
        let verdicts = |device, helper, mtab, allow_other, root| {
            judge_driver(DriverFacts::Fuse { device, helper, mtab, allow_other, root })
                .iter()
                .map(Finding::verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(verdicts(Ok(()), true, true, true, false), ["ok", "ok", "ok", "ok"]);
        assert_eq!(verdicts(Ok(()), false, false, false, true), ["ok", "ok", "ok"]);
        assert_eq!(verdicts(Ok(()), false, true, false, false), ["ok", "fail", "warn"]);
        assert_eq!(verdicts(Ok(()), true, false, true, false), ["ok", "ok", "warn", "ok"]);
        let denied = Err(io::ErrorKind::PermissionDenied);
        assert_eq!(verdicts(denied, true, true, true, false), ["fail", "ok", "ok", "ok"]);
        let absent = judge_driver(DriverFacts::Fuse {
            device: Err(io::ErrorKind::NotFound),
            helper: true,
            mtab: true,
            allow_other: true,
            root: true,
        });
        assert_eq!(absent[0].problem.as_ref().unwrap().code, "no-fuse-device");
        assert_eq!(judge_driver(DriverFacts::NotBuilt)[0].verdict(), "fail");
        assert_eq!(judge_space(LOW_SPACE, "512 MB").verdict(), "ok");
        assert_eq!(judge_space(LOW_SPACE - 1, "511 MB").verdict(), "warn");
    }
}
