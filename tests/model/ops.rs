//! The operations: each is done on the drive and on the plain folder, and must answer the same.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rand::{Rng, rngs::StdRng};
use rustix::fs::RenameFlags;

use crate::support::{Machine, data};

/// Folders that operations choose from; the first is the root.
const DIRS: [&str; 6] = ["", "a", "a/b", "c", "a/b/d", "e"];
const NAMES: [&str; 7] = ["one", "two", "three.txt", "b", "d", "ünï", "c"];
/// Files stay below this, bytes: many chunks, and quick to compare.
const MAX: u64 = 3 << 20;

struct Handle {
    drive: File,
    plain: File,
    path: PathBuf,
}

/// The two folders and what is open in both.
pub struct Pair<'a> {
    machine: &'a Machine,
    drive: PathBuf,
    plain: PathBuf,
    handles: Vec<Handle>,
    log: Vec<String>,
}

type Answer = Result<String, i32>;

fn answer<T>(r: io::Result<T>, f: impl FnOnce(T) -> String) -> Answer {
    r.map(f).map_err(|e| e.raw_os_error().unwrap_or(-1))
}

impl<'a> Pair<'a> {
    pub fn new(machine: &'a Machine, plain: &Path) -> Self {
        Pair { machine, drive: machine.mnt(), plain: plain.to_owned(), handles: Vec::new(), log: Vec::new() }
    }

    pub fn close_all(&mut self) {
        self.handles.clear();
    }

    fn path(rng: &mut StdRng) -> PathBuf {
        Path::new(DIRS[rng.random_range(0..DIRS.len())]).join(NAMES[rng.random_range(0..NAMES.len())])
    }

    fn existing(&self, rng: &mut StdRng) -> PathBuf {
        for _ in 0..8 {
            let p = Self::path(rng);
            if std::fs::symlink_metadata(self.plain.join(&p)).is_ok() {
                return p;
            }
        }
        Self::path(rng)
    }

    /// Does `f` in both folders and compares.
    fn both(&mut self, what: String, f: impl Fn(&Path) -> Answer) {
        self.log.push(what);
        let (drive, plain) = (f(&self.drive), f(&self.plain));
        self.agree(drive, plain);
    }

    fn agree(&self, drive: Answer, plain: Answer) {
        if drive != plain {
            let tail = self.log[self.log.len().saturating_sub(40)..].join("\n  ");
            panic!(
                "the drive answered {drive:?}, the plain folder {plain:?}; the last operations were\n  {tail}\n{}",
                self.machine.log_tail()
            );
        }
    }

    /// One random operation, and a look at what it touched.
    pub fn step(&mut self, step: usize, rng: &mut StdRng) {
        let choice = rng.random_range(0..1000);
        let say = |what: String| format!("{step}: {what}");
        match choice {
            0..130 => self.open(say("open".into()), rng),
            130..400 => self.write(step, rng),
            400..560 => self.read(step, rng),
            560..610 => self.truncate(step, rng),
            610..680 => {
                let p = self.existing(rng);
                self.both(say(format!("unlink {p:?}")), |root| {
                    answer(std::fs::remove_file(root.join(&p)), |()| String::new())
                });
            }
            680..760 => self.rename(step, rng),
            760..800 => {
                let p = if rng.random_bool(0.5) {
                    PathBuf::from(DIRS[rng.random_range(1..DIRS.len())])
                } else {
                    Self::path(rng)
                };
                self.both(say(format!("mkdir {p:?}")), |root| {
                    answer(std::fs::create_dir(root.join(&p)), |()| String::new())
                });
            }
            800..815 => {
                let p = self.existing(rng);
                self.both(say(format!("rmdir {p:?}")), |root| {
                    answer(std::fs::remove_dir(root.join(&p)), |()| String::new())
                });
            }
            815..835 => {
                let (p, target) = (Self::path(rng), "../somewhere/ünï");
                self.both(say(format!("symlink {p:?}")), |root| {
                    answer(std::os::unix::fs::symlink(target, root.join(&p)), |()| String::new())
                });
            }
            835..865 => {
                let (p, mode) = (self.existing(rng), rng.random_range(0..0o1000) | 0o600);
                self.both(say(format!("chmod {mode:o} {p:?}")), |root| {
                    let p = root.join(&p);
                    // A link's own mode can't be changed; the folder's must stay open to us.
                    if std::fs::symlink_metadata(&p).is_ok_and(|m| !m.is_file()) {
                        return Ok("left alone".into());
                    }
                    answer(std::fs::set_permissions(p, std::fs::Permissions::from_mode(mode)), |()| {
                        String::new()
                    })
                });
            }
            865..930 => self.stat(step, rng),
            930..960 => {
                if let Some(h) = self.pick(rng) {
                    let what = say(format!("fsync {:?}", h.path));
                    let (a, b) = (h.drive.sync_all(), h.plain.sync_all());
                    self.log.push(what);
                    self.agree(answer(a, |()| String::new()), answer(b, |()| String::new()));
                }
            }
            960..985 => {
                if !self.handles.is_empty() {
                    let i = rng.random_range(0..self.handles.len());
                    let h = self.handles.swap_remove(i);
                    self.log.push(say(format!("close {:?}", h.path)));
                }
            }
            985..990 => {
                self.log.push(say("flush".into()));
                self.machine.flush();
            }
            990..995 => {
                let p = self.existing(rng);
                self.log.push(say(format!("evict {p:?}")));
                if std::fs::symlink_metadata(self.plain.join(&p)).is_ok() {
                    self.machine.evict(&self.drive.join(&p));
                }
            }
            995..997 => {
                self.log.push(say("remount".into()));
                self.handles.clear();
                self.machine.unmount();
                self.machine.mount();
            }
            _ => {
                self.log.push(say("kill -9".into()));
                self.handles.clear();
                self.machine.crash();
            }
        }
    }

    fn pick(&self, rng: &mut StdRng) -> Option<&Handle> {
        (!self.handles.is_empty()).then(|| &self.handles[rng.random_range(0..self.handles.len())])
    }

    fn open(&mut self, what: String, rng: &mut StdRng) {
        if self.handles.len() >= 12 {
            self.handles.remove(0);
        }
        let p = Self::path(rng);
        let (create, new, truncate, append) =
            (rng.random_bool(0.8), rng.random_bool(0.1), rng.random_bool(0.1), rng.random_bool(0.15));
        let open = |root: &Path| {
            let mut o = OpenOptions::new();
            o.read(true).write(true).create(create).create_new(new).mode(0o644);
            if append {
                o.append(true)
            } else {
                o.truncate(truncate)
            };
            o.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(root.join(&p))
        };
        self.log.push(format!("{what} {p:?} create {create} new {new} truncate {truncate} append {append}"));
        match (open(&self.drive), open(&self.plain)) {
            (Ok(drive), Ok(plain)) => self.handles.push(Handle { drive, plain, path: p }),
            (a, b) => self.agree(answer(a, |_| String::new()), answer(b, |_| String::new())),
        }
    }

    fn range(rng: &mut StdRng) -> (u64, usize) {
        let len = match rng.random_range(0..10) {
            0..5 => rng.random_range(1..5000),
            5..9 => rng.random_range(1..200_000),
            _ => rng.random_range(1..700_000),
        };
        let at = if rng.random_bool(0.3) { 0 } else { rng.random_range(0..MAX - 700_000) };
        (at, len)
    }

    fn write(&mut self, step: usize, rng: &mut StdRng) {
        let (at, len) = Self::range(rng);
        let bytes = data::bytes(rng, len);
        let Some(h) = self.pick(rng) else { return };
        let what = format!("{step}: write {:?} {at}+{len}", h.path);
        let (a, b) = (h.drive.write_all_at(&bytes, at), h.plain.write_all_at(&bytes, at));
        let size = (h.drive.metadata(), h.plain.metadata());
        self.log.push(what);
        self.agree(answer(a, |()| String::new()), answer(b, |()| String::new()));
        self.agree(answer(size.0, |m| m.len().to_string()), answer(size.1, |m| m.len().to_string()));
    }

    fn read(&mut self, step: usize, rng: &mut StdRng) {
        let (at, len) = Self::range(rng);
        let Some(h) = self.pick(rng) else { return };
        let what = format!("{step}: read {:?} {at}+{len}", h.path);
        let get = |f: &File| {
            let mut bytes = vec![0; len];
            let mut n = 0;
            while n < len {
                match f.read_at(&mut bytes[n..], at + n as u64) {
                    Ok(0) => break,
                    Ok(m) => n += m,
                    Err(e) => return Err(e),
                }
            }
            bytes.truncate(n);
            Ok(bytes)
        };
        let (a, b) = (get(&h.drive), get(&h.plain));
        self.log.push(what);
        if let (Ok(a), Ok(b)) = (&a, &b) {
            if a != b {
                let i = a.iter().zip(b).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
                self.agree(
                    Ok(format!(
                        "{} bytes, other from {} on: {:?}",
                        a.len(),
                        at + i as u64,
                        &a[i..(i + 8).min(a.len())]
                    )),
                    Ok(format!("{} bytes: {:?}", b.len(), &b[i..(i + 8).min(b.len())])),
                );
            }
            return;
        }
        self.agree(answer(a, |_| String::new()), answer(b, |_| String::new()));
    }

    fn truncate(&mut self, step: usize, rng: &mut StdRng) {
        let len = if rng.random_bool(0.2) { 0 } else { rng.random_range(0..MAX) };
        let Some(h) = self.pick(rng) else { return };
        let what = format!("{step}: truncate {:?} to {len}", h.path);
        let (a, b) = (h.drive.set_len(len), h.plain.set_len(len));
        self.log.push(what);
        self.agree(answer(a, |()| String::new()), answer(b, |()| String::new()));
    }

    fn rename(&mut self, step: usize, rng: &mut StdRng) {
        let (from, to) = (self.existing(rng), Self::path(rng));
        let flags = match rng.random_range(0..10) {
            0 => RenameFlags::NOREPLACE,
            1 => RenameFlags::EXCHANGE,
            _ => RenameFlags::empty(),
        };
        self.both(format!("{step}: rename {from:?} {to:?} {flags:?}"), |root| {
            let r = rustix::fs::renameat_with(
                rustix::fs::CWD,
                root.join(&from),
                rustix::fs::CWD,
                root.join(&to),
                flags,
            );
            answer(r.map_err(io::Error::from), |()| String::new())
        });
    }

    fn stat(&mut self, step: usize, rng: &mut StdRng) {
        let p = Self::path(rng);
        self.both(format!("{step}: stat {p:?}"), |root| {
            answer(std::fs::symlink_metadata(root.join(&p)), |m| {
                let size = if m.is_dir() { 0 } else { m.len() };
                format!("{:o} {size} {}", m.mode(), m.nlink())
            })
        });
    }
}
