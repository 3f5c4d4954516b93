//! What `lacuna status --json` says of one drive, and how far it is.

use serde_json::Value;

/// One drive's state, as far as it is shown here.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct View {
    /// `synced`, `syncing`, `paused`, `offline` or `problem`.
    pub state: String,
    /// Files, folders and links that wait.
    pub files: u64,
    /// Bytes changed in them.
    pub bytes: u64,
    /// Bytes of them that are sent already.
    pub sent: u64,
    /// Bytes a second, to the bucket and from it.
    pub rate: (u64, u64),
    /// What is being sent.
    pub sending: Option<String>,
    /// Problems, each in a line or two.
    pub problems: Vec<String>,
}

/// The drive at `mountpoint` in what `status --json` printed; none if it is not mounted.
pub fn view(status: &Value, mountpoint: &str) -> Option<View> {
    let drives = status["drives"].as_array()?;
    let drive = drives.iter().find(|d| d["mountpoint"] == mountpoint)?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let number = |v: &Value| v.as_u64().unwrap_or(0);
    let queue = drive["queue"].as_array().map_or(&[][..], Vec::as_slice);
    let problem = |p: &Value| {
        let path = p["path"].as_str().map(|path| format!("{path}: ")).unwrap_or_default();
        format!("{path}{}: {}\n    {}", text(&p["title"]), text(&p["cause"]), text(&p["remedy"]))
    };
    Some(View {
        state: text(&drive["state"]),
        files: number(&drive["pending"]["files"]),
        bytes: number(&drive["pending"]["bytes"]),
        sent: queue.iter().map(|item| number(&item["sent"])).sum(),
        rate: (number(&drive["rate"]["up"]), number(&drive["rate"]["down"])),
        sending: queue.iter().find(|item| item["state"] == "uploading").map(|item| text(&item["path"])),
        problems: drive["problems"].as_array().map_or(Vec::new(), |all| all.iter().map(problem).collect()),
    })
}

/// Turns what still waits into a part of a whole. The whole is the most that waited since nothing did.
#[derive(Default, Debug)]
pub struct Progress {
    peak: u64,
}

impl Progress {
    /// Bytes done and bytes in all.
    pub fn observe(&mut self, view: &View) -> (u64, u64) {
        if view.files == 0 {
            self.peak = 0;
            return (0, 0);
        }
        self.peak = self.peak.max(view.bytes);
        let left = view.bytes.saturating_sub(view.sent);
        (self.peak - left, self.peak)
    }
}

impl View {
    /// One line: the state, what waits, what moves.
    pub fn line(&self) -> String {
        let mut line = self.state.clone();
        if self.files > 0 {
            let files = if self.files == 1 { "change" } else { "changes" };
            line += &format!(", {} {files} ({}) to send", self.files, size(self.bytes));
        }
        if self.rate != (0, 0) {
            line += &format!(", {}/s up, {}/s down", size(self.rate.0), size(self.rate.1));
        }
        if let Some(path) = &self.sending {
            line += &format!(", sending {path}");
        }
        line
    }
}

/// A number of bytes for people.
pub fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        serde_json::json!({"version": 1, "drives": [
            {"name": "other", "mountpoint": "/a", "state": "synced"},
            {"name": "lacuna", "mountpoint": "/b", "state": "syncing",
             "pending": {"files": 2, "bytes": 3000}, "rate": {"up": 1000, "down": 0},
             "queue": [{"path": "x", "sent": 512, "state": "uploading"}, {"path": "y", "sent": 0, "state": "quiet"}],
             "problems": [{"code": "c", "title": "T", "cause": "C.", "remedy": "R.", "path": "x"}]},
        ]})
    }

    #[test]
    fn the_drive_is_found_by_its_mount_point() {
        let view = view(&status(), "/b").unwrap();
        assert_eq!((view.files, view.bytes, view.sent), (2, 3000, 512));
        assert_eq!(view.problems, ["x: T: C.\n    R."]);
        assert_eq!(view.line(), "syncing, 2 changes (3.00 kB) to send, 1.00 kB/s up, 0 B/s down, sending x");
        assert_eq!(super::view(&status(), "/a").unwrap().line(), "synced");
        assert_eq!(super::view(&status(), "/c"), None);
        assert_eq!(super::view(&Value::Null, "/a"), None);
    }

    #[test]
    fn progress_grows_to_the_whole_and_starts_anew_when_nothing_waits() {
        let mut p = Progress::default();
        let mut at = |files, bytes, sent| p.observe(&View { files, bytes, sent, ..View::default() });
        assert_eq!(at(0, 0, 0), (0, 0));
        assert_eq!(at(2, 100, 0), (0, 100));
        assert_eq!(at(2, 100, 30), (30, 100));
        assert_eq!(at(1, 60, 10), (50, 100));
        assert_eq!(at(2, 160, 0), (0, 160));
        assert_eq!(at(0, 0, 0), (0, 0));
        assert_eq!(at(1, 40, 50), (40, 40));
    }
}
