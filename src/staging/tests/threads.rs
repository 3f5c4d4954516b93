//! Programs write while an upload reads.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::kit::{Remote, new, old, staged};
use crate::{node::Time, vfs::At};

/// Promise 6: what is uploaded is the file as it stood at one moment.
#[test]
fn a_committed_version_is_an_instant() {
    const LEN: u64 = 3 << 20;
    let tmp = tempfile::tempdir().unwrap();
    let remote = Remote::default();
    let base = old(1, LEN);
    let (_staging, file) = staged(tmp.path(), Some(remote.put(&base)));
    // Held around each change, so that the model changes with the file; not around the upload's reads.
    let model = Mutex::new(base);
    let done = AtomicBool::new(false);
    thread::scope(|s| {
        for id in 0..3u64 {
            let (file, model, done, remote) = (&file, &model, &done, &remote);
            s.spawn(move || {
                let mut x = id + 1;
                while !done.load(Ordering::Relaxed) {
                    x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                    let at = (x >> 20) % LEN;
                    let len = 1 + (x >> 45) % 60_000;
                    match (x >> 60) % 8 {
                        0 => {
                            let mut m = model.lock().unwrap();
                            let end = (at + len).min(m.len() as u64);
                            file.zero(at..at + len, false, Time(2)).unwrap();
                            if at < end {
                                m[at as usize..end as usize].fill(0);
                            }
                        }
                        1 => {
                            let mut m = model.lock().unwrap();
                            let size = LEN / 2 + at / 2;
                            file.truncate(size, Time(3)).unwrap();
                            m.resize(size as usize, 0);
                        }
                        2 | 3 => drop(remote.read(file, at..at + len)),
                        _ => {
                            let data = new(x, len);
                            let mut m = model.lock().unwrap();
                            file.write(At::Offset(at), &data, Time(4)).unwrap();
                            let end = (at + len) as usize;
                            let size = m.len().max(end);
                            m.resize(size, 0);
                            m[at as usize..end].copy_from_slice(&data);
                        }
                    }
                }
            });
        }
        for round in 0..12 {
            let (frozen, instant) = {
                let m = model.lock().unwrap();
                match file.freeze().unwrap() {
                    Some(f) => (f, m.clone()),
                    None => continue,
                }
            };
            thread::yield_now();
            let composed = remote.compose(&frozen.composition);
            if composed != instant {
                done.store(true, Ordering::Relaxed);
                panic!("round {round}: not an instant");
            }
            let content = remote.put(&composed);
            frozen.composition.source.composed(content).unwrap();
            match round % 3 {
                0 => file.thaw(frozen.generation).unwrap(),
                _ => file.commit(frozen.generation, content).unwrap(),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(remote.peek(&file) == *model.lock().unwrap());
}
