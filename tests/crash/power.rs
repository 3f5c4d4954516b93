//! Promise 3, its second half: what was synced survives power loss. The agent's home is on a file system of its own,
//! which is stopped at a random moment in the midst of work and loses what it had not written, as ext4 does when the
//! power goes; after a "restart of the machine" each byte is of the last `fsync` or of a write after it, and the two
//! machines that look at the bucket in the end agree. `LACUNA_TEST_SEED` repeats the choices (not the moments),
//! `LACUNA_CUTS` sets how many.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lacuna_test_hub::Hub;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{Bucket, LACUNA, Machine, data, run, text, wait_for};

/// A file system in an image, bytes.
const DISK: u64 = 512 << 20;
const FILES: usize = 4;
const MAX: usize = 300_000;

/// A disk that forgets what it has not written yet.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let disk = Disk { folder };
        File::create(disk.image()).unwrap().set_len(DISK).unwrap();
        run(Path::new("/"), "mkfs.ext4", &["-q", "-F", disk.image().to_str().unwrap()]);
        disk.mount();
        disk
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&self) {
        // Only root may.
        run(
            Path::new("/"),
            "mount",
            &["-o", "loop", self.image().to_str().unwrap(), self.path().to_str().unwrap()],
        );
    }

    /// The power goes. `log`: what the file system's own journal had gathered is still written, so that names and
    /// lengths are newer than the bytes.
    fn cut(&self, log: bool) {
        let disk = File::open(self.path()).unwrap();
        shutdown(&disk, if log { 1 } else { 2 }).expect("ext4 can be stopped");
        drop(disk);
        self.unmount();
        self.mount();
    }

    fn unmount(&self) {
        // Who was killed may take a moment to let go.
        wait_for("the disk to be let go", || {
            Command::new("umount").arg(self.path()).stderr(Stdio::null()).status().unwrap().success()
        });
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// `EXT4_IOC_SHUTDOWN` of linux/ext4.h, `_IOR('X', 125, __u32)`; it takes in what `_IOR` says it gives out.
#[allow(unsafe_code)]
fn shutdown(disk: &File, how: u32) -> rustix::io::Result<()> {
    use rustix::ioctl::{Setter, ioctl, opcode};
    // SAFETY: the kernel reads a u32 by this request, and `Setter` hands it a pointer to one.
    unsafe { ioctl(disk, Setter::<{ opcode::read::<u32>(b'X', 125) }, u32>::new(how)) }
}

/// The remote, which keeps its power.
struct Far {
    url: String,
    /// What the agent has to know to reach it.
    env: Vec<(&'static str, String)>,
}

impl Far {
    /// A machine that has never been here before.
    fn elsewhere(&self) -> Machine {
        let m = self.env.iter().fold(Machine::unmounted(&self.url), |m, (name, value)| m.env(name, value));
        m.mount();
        m
    }
}

/// An agent in a world of its own that has started anew: the kernel tells it another boot id.
struct Running {
    agent: Child,
    home: PathBuf,
    /// Where the drive is for others.
    mnt: PathBuf,
    /// Where it is for the agent.
    at: PathBuf,
    log: PathBuf,
}

impl Running {
    fn start(disk: &Disk, far: &Far, boot: usize) -> Running {
        let (home, mnt) = (disk.path().join("home"), disk.folder.path().join("mnt"));
        fs::create_dir_all(&mnt).unwrap();
        let id = disk.folder.path().join("boot_id");
        fs::write(&id, format!("00000000-0000-4000-8000-{boot:012}\n")).unwrap();
        let told = disk.folder.path().join("agent.log");
        let log = File::create(&told).unwrap();
        let agent = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount --bind \"$1\" /proc/sys/kernel/random/boot_id && shift && exec \"$@\"")
            .args(["sh", id.to_str().unwrap(), LACUNA, "mount", &far.url, mnt.to_str().unwrap()])
            .args(["--name", "test", "--foreground"])
            .env("LACUNA_HOME", &home)
            .envs(far.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("unshare runs");
        // As seen from the world in which it is mounted.
        let seen = PathBuf::from(format!("/proc/{}/root", agent.id())).join(mnt.strip_prefix("/").unwrap());
        let mut running = Running { agent, home, mnt: seen, at: mnt.clone(), log: told };
        let mounts = format!("/proc/{}/mountinfo", running.agent.id());
        wait_for("the drive to be mounted", || {
            let ended = running.agent.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "after start {boot} the agent ended, {ended:?}: {}; {:?}",
                running.log(),
                listed(&mnt)
            );
            // Other drives may be in the table too.
            fs::read_to_string(&mounts).is_ok_and(|table| table.contains(mnt.to_str().unwrap()))
        });
        running
    }

    fn dir(&self) -> PathBuf {
        self.mnt.join("work")
    }

    fn lacuna(&self, words: &[&str]) -> Command {
        let mut command = Command::new(LACUNA);
        command.args(words).env("LACUNA_HOME", &self.home).stdin(Stdio::null());
        command
    }

    /// A command that frees what a folder takes here and the remote has too.
    fn evict(&self, folder: &str) -> Command {
        let mut command = Command::new("nsenter");
        let mnt = self.at.join(folder);
        command.args(["--mount", "--target", &self.agent.id().to_string(), LACUNA, "evict"]).arg(mnt);
        command.env("LACUNA_HOME", &self.home).stdin(Stdio::null());
        command
    }

    /// What the agent said, as far as it is about something that went wrong.
    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn kill(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a file may be after a power loss: what it was at its last sync, and each state since.
type Known = BTreeMap<String, Vec<Vec<u8>>>;

/// Works in `dir` until an operation fails, for the agent is dead, or `stop` is set.
fn program(dir: &Path, known: &Mutex<Known>, rng: &mut StdRng, stop: &AtomicBool) -> u64 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("f{}", rng.random_range(0..FILES));
        let now = known.lock().unwrap()[&name].last().unwrap().clone();
        // Before it is done, for it may be half done.
        let intend = |next: Vec<u8>| known.lock().unwrap().get_mut(&name).unwrap().push(next);
        let synced = || {
            let mut known = known.lock().unwrap();
            let states = known.get_mut(&name).unwrap();
            states.drain(..states.len() - 1);
        };
        let path = dir.join(&name);
        let open = || OpenOptions::new().write(true).open(&path);
        let result = match rng.random_range(0..10) {
            0..5 => {
                let at = rng.random_range(0..MAX);
                let len = rng.random_range(1..50_000);
                let bytes = data::bytes(rng, len);
                let mut next = now;
                next.resize(next.len().max(at + len), 0);
                next[at..at + len].copy_from_slice(&bytes);
                intend(next);
                open().and_then(|f| f.write_all_at(&bytes, at as u64))
            }
            5 => {
                let len = rng.random_range(0..MAX);
                let mut next = now;
                next.resize(len, 0);
                intend(next);
                open().and_then(|f| f.set_len(len as u64))
            }
            6..8 => open().and_then(|f| f.sync_all()).map(|()| synced()),
            _ => {
                // An editor's save.
                let temp = dir.join("temp");
                let bytes = data::bytes(rng, MAX / 3);
                intend(bytes.clone());
                File::create(&temp)
                    .and_then(|mut f| f.write_all(&bytes).and_then(|()| f.sync_all()))
                    .and_then(|()| fs::rename(&temp, &path))
                    .and_then(|()| File::open(dir)?.sync_all())
                    .map(|()| synced())
            }
        };
        if result.is_err() {
            return done;
        }
        done += 1;
    }
    done
}

/// The names in a folder, for whoever reads why the test failed.
fn listed(dir: &Path) -> String {
    let names = |entries: fs::ReadDir| {
        entries.map(|e| e.map(|e| (e.file_name(), e.metadata().map(|m| m.len())))).collect::<Vec<_>>()
    };
    format!("{:?}", fs::read_dir(dir).map(names))
}

/// Whether a file may be so.
fn fits(found: &[u8], states: &[Vec<u8>]) -> bool {
    // A write that the kernel sent in pieces may be there in part: its length is between the one before and its own.
    let in_part = states.windows(2).any(|w| (w[0].len()..=w[1].len()).contains(&found.len()));
    (in_part || states.iter().any(|state| state.len() == found.len()))
        && found.iter().enumerate().all(|(i, byte)| {
            // Where a state ends, growing it again gives zeros.
            states.iter().any(|state| *byte == state.get(i).copied().unwrap_or(0))
        })
}

#[test]
fn what_was_synced_survives_power_loss() {
    let bucket = Bucket::new();
    survives("what_was_synced_survives_power_loss", &Far { url: bucket.url(), env: Vec::new() });
}

#[test]
fn what_was_synced_survives_power_loss_with_a_bucket_of_the_hub() {
    let hub = Hub::start_blocking().expect("the test Hub starts");
    hub.bucket("ada/data");
    let env = vec![
        ("HF_ENDPOINT", hub.endpoint().to_owned()),
        ("HF_TOKEN", hub.token().to_owned()),
        // Not this user's own sign-in.
        ("HF_HOME", "/nonexistent".to_owned()),
    ];
    let far = Far { url: "hf://buckets/ada/data".to_owned(), env };
    survives("what_was_synced_survives_power_loss_with_a_bucket_of_the_hub", &far);
}

fn survives(test: &str, far: &Far) {
    // An agent's world of mounts has everybody's disks in it, and a disk is only cut when nobody has it mounted.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let cuts: usize = std::env::var("LACUNA_CUTS").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let (seed, mut rng) = data::rng(test);
    let disk = Disk::new();
    let mut running = Running::start(&disk, far, 0);
    fs::create_dir(running.dir()).unwrap();
    let known: Mutex<Known> = Mutex::default();
    for i in 0..FILES {
        let name = format!("f{i}");
        File::create(running.dir().join(&name)).unwrap().sync_all().unwrap();
        known.lock().unwrap().insert(name, vec![Vec::new()]);
    }
    File::open(running.dir()).unwrap().sync_all().unwrap();
    File::open(&running.mnt).unwrap().sync_all().unwrap();
    let (mut total, mut lost) = (0, 0);
    for cut in 1..=cuts {
        let stop = AtomicBool::new(false);
        let moment = Duration::from_millis(rng.random_range(20..900));
        total += std::thread::scope(|s| {
            let dir = running.dir();
            let mut choices = StdRng::seed_from_u64(seed ^ cut as u64);
            let (known, stop) = (&known, &stop);
            let worker = s.spawn(move || program(&dir, known, &mut choices, stop));
            if cut % 3 == 1 {
                // So that the power goes in the midst of uploads and commits too, and when bytes have left this
                // machine.
                let (mut flush, mut evict) = (running.lacuna(&["flush"]), running.evict("work"));
                s.spawn(move || (flush.output(), evict.output()));
            }
            std::thread::sleep(moment);
            running.kill();
            stop.store(true, Ordering::Relaxed);
            worker.join().unwrap()
        });
        disk.cut(rng.random_bool(0.5));
        running = Running::start(&disk, far, cut);
        for (name, states) in known.lock().unwrap().iter_mut() {
            let path = running.dir().join(name);
            let why = |what: String| -> ! {
                let (all, work) = (listed(&running.mnt), listed(&running.dir()));
                panic!("cut {cut}: {name}: {what}; there is {all}, in it {work}; {}", running.log())
            };
            let found = fs::read(&path).unwrap_or_else(|e| why(format!("can't be read: {e}")));
            if !fits(&found, states) {
                let lengths: Vec<usize> = states.iter().map(Vec::len).collect();
                why(format!(
                    "its {} bytes are none of what it was since its sync: {lengths:?} bytes",
                    found.len()
                ));
            }
            lost += usize::from(Some(&found) != states.last());
            File::open(&path).unwrap().sync_all().unwrap_or_else(|e| why(format!("can't be synced: {e}")));
            *states = vec![found];
        }
    }
    println!(
        "{cuts} cuts during {total} acknowledged operations; {lost} times a file had lost what was not synced"
    );
    assert!(total > cuts as u64, "too few operations ({total}) to prove anything");
    assert!(lost > 0, "nothing was lost at all, so the power never went");
    // What failed while the agent began waits before it is tried again.
    let mut flushed = running.lacuna(&["flush"]).output().unwrap();
    for _ in 0..20 {
        if flushed.status.success() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
        flushed = running.lacuna(&["flush"]).output().unwrap();
    }
    let status = running.lacuna(&["status", "--json"]).output().unwrap();
    assert!(flushed.status.success(), "{}\n{}\n{}", text(&flushed), text(&status), listed(&running.dir()));
    let second = far.elsewhere();
    for (name, states) in known.lock().unwrap().iter() {
        let there = fs::read(second.mnt().join("work").join(name)).unwrap_or_else(|e| {
            let (here, there) = (listed(&running.dir()), listed(&second.mnt().join("work")));
            panic!("{name}, from a second machine: {e}; here is {here:?}, there {there:?}\n{}", running.log())
        });
        assert!(there == states[0], "{name}, from a second machine");
    }
}
