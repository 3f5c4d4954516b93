//! A hundred kills: programs write, sync, rename and remove; the agent is killed at a random moment; after
//! the restart the drive holds what was acknowledged. `LACUNA_TEST_SEED` repeats the choices (not the
//! moments), `LACUNA_KILLS` sets how many.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{self, Bucket, Machine, data};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// What one program knows of its own folder: a file's name and bytes. During an operation both the state
/// before and the one after are right.
type Files = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Default)]
struct Known {
    before: Files,
    after: Files,
}

const PROGRAMS: usize = 3;
const MAX: usize = 400_000;

/// Works in `dir` until an operation fails (the agent is dead) or `stop` is set. `known` always says what
/// must be found afterwards.
fn program(dir: &Path, known: &Mutex<Known>, rng: &mut StdRng, stop: &AtomicBool) -> u64 {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let before = known.lock().unwrap().before.clone();
        let mut after = before.clone();
        let name = format!("f{}", rng.random_range(0..6));
        let path = dir.join(&name);
        let result: std::io::Result<()> = match rng.random_range(0..10) {
            0..5 => {
                let at = rng.random_range(0..MAX);
                let len = rng.random_range(1..60_000);
                let bytes = data::bytes(rng, len);
                let content = after.entry(name.clone()).or_default();
                if content.len() < at + bytes.len() {
                    content.resize(at + bytes.len(), 0);
                }
                content[at..at + bytes.len()].copy_from_slice(&bytes);
                known.lock().unwrap().after = after.clone();
                let sync = rng.random_bool(0.2);
                // One write is one operation: created and written in two, so the file may be found empty.
                if !before.contains_key(&name) {
                    let mut created = before.clone();
                    created.insert(name.clone(), Vec::new());
                    known.lock().unwrap().after = created.clone();
                    match OpenOptions::new().create_new(true).write(true).open(&path) {
                        Ok(_) => {
                            let mut k = known.lock().unwrap();
                            k.before = created;
                            k.after = after.clone();
                        }
                        Err(e) => return fail(done, e, "create"),
                    }
                }
                OpenOptions::new().write(true).open(&path).and_then(|f| {
                    // The kernel sends a write in pieces: the kill may have come between two of them.
                    f.write_all_at(&bytes, at as u64)?;
                    if sync { f.sync_all() } else { Ok(()) }
                })
            }
            5..7 => {
                // An editor's save: a new file, synced, renamed over the old one.
                let temp = dir.join("temp");
                let len = rng.random_range(0..MAX);
                let bytes = data::bytes(rng, len);
                let _ = std::fs::remove_file(&temp);
                let written = std::fs::File::create(&temp).and_then(|mut f| {
                    f.write_all(&bytes)?;
                    f.sync_all()
                });
                if let Err(e) = written {
                    return fail(done, e, "save");
                }
                after.insert(name.clone(), bytes);
                known.lock().unwrap().after = after.clone();
                std::fs::rename(&temp, &path)
            }
            7 if before.contains_key(&name) => {
                let len = rng.random_range(0..MAX);
                after.get_mut(&name).expect("it is there").resize(len, 0);
                known.lock().unwrap().after = after.clone();
                OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(len as u64))
            }
            8 if before.contains_key(&name) => {
                after.remove(&name);
                known.lock().unwrap().after = after.clone();
                std::fs::remove_file(&path)
            }
            9 if before.contains_key(&name) => {
                let to = format!("f{}", rng.random_range(0..6));
                let bytes = after.remove(&name).expect("it is there");
                after.insert(to.clone(), bytes);
                known.lock().unwrap().after = after.clone();
                std::fs::rename(&path, dir.join(to))
            }
            _ => continue,
        };
        if let Err(e) = result {
            return fail(done, e, &format!("{path:?}"));
        }
        let mut k = known.lock().unwrap();
        k.before = after.clone();
        k.after = after;
        done += 1;
    }
    done
}

/// The only failures that may be seen are those of a dead agent.
fn fail(done: u64, e: std::io::Error, what: &str) -> u64 {
    let dead = [libc_errno("ENOTCONN"), libc_errno("ECONNABORTED"), libc_errno("EIO"), libc_errno("ENODEV")];
    assert!(dead.contains(&e.raw_os_error().unwrap_or(0)), "{what}: an operation failed: {e}");
    done
}

fn libc_errno(name: &str) -> i32 {
    use rustix::io::Errno;
    match name {
        "ENOTCONN" => Errno::NOTCONN,
        "ECONNABORTED" => Errno::CONNABORTED,
        "ENODEV" => Errno::NODEV,
        _ => Errno::IO,
    }
    .raw_os_error()
}

fn found(dir: &Path) -> Files {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n != "temp")
        .map(|n| (n.clone(), std::fs::read(dir.join(&n)).unwrap_or_else(|e| panic!("{n}: {e}"))))
        .collect()
}

/// Every file is as it was before or after the operation that the kill cut off: an operation on one file
/// leaves the others as they were. A cut write may have arrived in part.
fn check(kill: usize, program: usize, known: &Known, found: &Files) {
    if *found == known.before || *found == known.after {
        return;
    }
    let names: std::collections::BTreeSet<&String> =
        known.before.keys().chain(known.after.keys()).chain(found.keys()).collect();
    for name in names {
        let (b, a, f) = (known.before.get(name), known.after.get(name), found.get(name));
        if f == b || f == a {
            continue;
        }
        let (Some(a), Some(f)) = (a, f) else {
            panic!(
                "kill {kill}, program {program}: {name} is {:?}, neither {:?} nor {:?} bytes",
                f.map(Vec::len),
                b.map(Vec::len),
                a.map(Vec::len)
            );
        };
        let empty = Vec::new();
        let b = b.unwrap_or(&empty);
        let cut = f.len() <= a.len().max(b.len())
            && f.iter().enumerate().all(|(i, x)| {
                let old = b.get(i).copied().unwrap_or(0);
                *x == old || a.get(i).is_some_and(|new| x == new)
            });
        assert!(cut, "kill {kill}, program {program}: {name} holds bytes that nobody wrote there");
    }
}

#[test]
fn a_hundred_kills() {
    let kills: usize = std::env::var("LACUNA_KILLS").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
    let (seed, mut rng) = data::rng("a_hundred_kills");
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let known: Arc<Vec<Mutex<Known>>> = Arc::new((0..PROGRAMS).map(|_| Mutex::default()).collect());
    for i in 0..PROGRAMS {
        std::fs::create_dir(m.mnt().join(format!("p{i}"))).unwrap();
    }
    let mut total = 0;
    for kill in 0..kills {
        let stop = AtomicBool::new(false);
        let moment = Duration::from_millis(rng.random_range(5..700));
        let flush_now = kill % 3 == 1;
        total += std::thread::scope(|s| {
            let workers: Vec<_> = (0..PROGRAMS)
                .map(|i| {
                    let (dir, known, stop) = (m.mnt().join(format!("p{i}")), known.clone(), &stop);
                    let mut rng = StdRng::seed_from_u64(seed ^ (kill * PROGRAMS + i) as u64);
                    s.spawn(move || program(&dir, &known[i], &mut rng, stop))
                })
                .collect();
            if flush_now {
                // So that kills hit uploads and commits too, not only the journal.
                let home = m.home();
                s.spawn(move || {
                    let _ = std::process::Command::new(support::LACUNA)
                        .arg("flush")
                        .env("LACUNA_HOME", home)
                        .output();
                });
            }
            std::thread::sleep(moment);
            m.kill();
            stop.store(true, Ordering::Relaxed);
            workers.into_iter().map(|w| w.join().unwrap()).sum::<u64>()
        });
        m.mount();
        for i in 0..PROGRAMS {
            let mut k = known[i].lock().unwrap();
            let now = found(&m.mnt().join(format!("p{i}")));
            check(kill, i, &k, &now);
            *k = Known { before: now.clone(), after: now };
        }
    }
    println!("{kills} kills during {total} acknowledged operations");
    assert!(total > kills as u64 * 3, "too few operations ({total}) to prove anything");
    m.flush();
    let second = Machine::new(&bucket);
    for i in 0..PROGRAMS {
        let want = &known[i].lock().unwrap().before;
        assert!(found(&second.mnt().join(format!("p{i}"))) == *want, "program {i}, from a second machine");
    }
    let names: Vec<_> = std::fs::read_dir(second.mnt()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), PROGRAMS, "conflicted copies out of a crash: {names:?}");
}
