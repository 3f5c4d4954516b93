//! The promises, on a bucket of the Hub.

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    kit,
    support::{Machine, data, wait_for},
};

/// Promise 1.
#[test]
fn opening_is_free() {
    let (_, mut rng) = data::rng("hf_opening");
    let hub = kit::hub();
    hub.put_file(kit::BUCKET, "small", data::bytes(&mut rng, 1024)).unwrap();
    hub.put_file(kit::BUCKET, "big", data::bytes(&mut rng, 40 << 20)).unwrap();
    let m = kit::machine(&hub);
    assert_eq!(kit::names(&m.mnt()), ["big", "small"]);
    let before = hub.counts();
    for name in ["small", "big"] {
        for _ in 0..20 {
            drop(OpenOptions::new().read(true).write(true).open(m.mnt().join(name)).unwrap());
        }
    }
    assert_eq!(hub.counts().since(&before).cas().requests, 0);
    // A random read fetches a few chunks, not the file.
    let f = std::fs::File::open(m.mnt().join("big")).unwrap();
    let mut page = [0; 4096];
    f.read_exact_at(&mut page, 20 << 20).unwrap();
    let down = hub.counts().since(&before).cas().down;
    assert!(down < 1 << 20, "{down} bytes for 4 KiB");
}

/// Promise 2, for a file that we uploaded and one that we read through.
#[test]
fn saving_sends_what_changed() {
    let (_, mut rng) = data::rng("hf_saving");
    let hub = kit::hub();
    let theirs = data::bytes(&mut rng, 48 << 20);
    hub.put_file(kit::BUCKET, "theirs", theirs.clone()).unwrap();
    let m = kit::machine(&hub);
    let ours = data::bytes(&mut rng, 48 << 20);
    std::fs::write(m.mnt().join("ours"), &ours).unwrap();
    m.flush();
    assert!(std::fs::read(m.mnt().join("theirs")).unwrap() == theirs);
    for (name, mut want) in [("ours", ours), ("theirs", theirs)] {
        let path = m.mnt().join(name);
        m.evict(&path);
        let before = hub.counts();
        let change = data::bytes(&mut rng, 1024);
        let at = 24 << 20;
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&change, at as u64).unwrap();
        want[at..at + change.len()].copy_from_slice(&change);
        m.flush();
        let moved = hub.counts().since(&before);
        let all = moved.of("");
        println!("{name}: {} up, {} down for 1 KiB", all.up, all.down);
        assert!(all.up + all.down < 512 << 10, "{name}: {moved:?}");
        assert!(hub.read_file(kit::BUCKET, name).unwrap() == want, "{name} is other");
        let receipt = m.info(&path)["receipt"].clone();
        assert_eq!(receipt["changed"], 1024, "{receipt}");
    }
}

/// A file that we never saw is edited right, at the price of reading once what the edit touches: one of its
/// segments, not the file. The receipt says so.
#[test]
fn an_edit_of_a_file_never_seen_reads_the_segment_it_touches() {
    let (_, mut rng) = data::rng("hf_unseen");
    let hub = kit::hub();
    let mut want = data::bytes(&mut rng, 150 << 20);
    hub.put_file(kit::BUCKET, "unseen", want.clone()).unwrap();
    let m = kit::machine(&hub);
    let path = m.mnt().join("unseen");
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"changed", 90 << 20).unwrap();
    want[90 << 20..(90 << 20) + 7].copy_from_slice(b"changed");
    let before = hub.counts();
    m.flush();
    assert!(hub.read_file(kit::BUCKET, "unseen").unwrap() == want);
    let moved = hub.counts().since(&before);
    assert!(moved.of("").up < 512 << 10, "{moved:?}");
    let reread = m.info(&path)["receipt"]["reread"].as_u64().unwrap();
    // A xorb is 64 MiB at most, and the chunks at the edges come again.
    assert!((1 << 20..66 << 20).contains(&reread), "{reread}");
    // What was learned serves the next edit.
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"again", 90 << 20).unwrap();
    m.flush();
    let reread = m.info(&path)["receipt"]["reread"].as_u64().unwrap();
    assert!(reread < 512 << 10, "{reread}");
}

/// Promise 3, and what was announced is recognised.
#[test]
fn an_acknowledged_write_survives_kill_9() {
    let (_, mut rng) = data::rng("hf_kill");
    let hub = kit::hub();
    let mut want = data::bytes(&mut rng, 3 << 20);
    hub.put_file(kit::BUCKET, "base", want.clone()).unwrap();
    hub.put_file(kit::BUCKET, "gone", "x").unwrap();
    hub.put_file(kit::BUCKET, "old/name", "y").unwrap();
    let m = kit::machine(&hub);
    m.ok(&["pause"]);
    let at = |p: &str| m.mnt().join(p);
    let f = OpenOptions::new().read(true).write(true).open(at("base")).unwrap();
    f.write_all_at(b"hello", 1 << 20).unwrap();
    want[1 << 20..(1 << 20) + 5].copy_from_slice(b"hello");
    f.set_len(2 << 20).unwrap();
    want.truncate(2 << 20);
    f.write_all_at(b"end", 4 << 20).unwrap();
    want.resize(4 << 20, 0);
    want.extend_from_slice(b"end");
    f.sync_all().unwrap();
    drop(f);
    std::fs::rename(at("old"), at("new")).unwrap();
    std::fs::remove_file(at("gone")).unwrap();
    std::fs::write(at("new/more"), "more").unwrap();
    m.crash();
    assert!(std::fs::read(at("base")).unwrap() == want, "read after the crash");
    m.ok(&["resume"]);
    m.flush();
    let there = kit::at_hub(&hub);
    assert!(there["base"] == want);
    assert_eq!(there.keys().collect::<Vec<_>>(), ["base", "new/more", "new/name"]);
}

/// Kills at many moments of saving: nothing is lost, nothing is doubled.
#[test]
fn kills_while_it_sends_lose_and_double_nothing() {
    let (_, mut rng) = data::rng("hf_kills");
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let mut want = std::collections::BTreeMap::new();
    for round in 0..8u64 {
        for name in ["a", "b", "dir/c"] {
            let bytes = data::bytes(&mut rng, 300_000);
            let path = m.mnt().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            want.insert(name.to_owned(), bytes);
        }
        if round % 2 == 1 {
            std::fs::rename(m.mnt().join("a"), m.mnt().join(format!("kept{round}"))).unwrap();
            let bytes = want.remove("a").unwrap();
            want.insert(format!("kept{round}"), bytes);
        }
        let home = m.home();
        let endpoint = hub.endpoint().to_owned();
        let flush = std::thread::spawn(move || {
            let _ = std::process::Command::new(crate::support::LACUNA)
                .arg("flush")
                .env("LACUNA_HOME", home)
                .env("HF_ENDPOINT", endpoint)
                .output();
        });
        std::thread::sleep(std::time::Duration::from_millis(30 + 45 * round));
        m.kill();
        flush.join().unwrap();
        m.mount();
    }
    kit::flush_at_last(&m);
    let mine = kit::files(&m.mnt());
    assert!(mine == want, "{:?} instead of {:?}", mine.keys(), want.keys());
    assert!(kit::at_hub(&hub) == want, "{:?}", kit::at_hub(&hub).keys());
}

/// Promise 5: another client that knows nothing of us, and two machines of ours.
#[test]
fn nobody_is_overwritten() {
    for theirs_is_a_machine in [false, true] {
        let hub = kit::hub();
        hub.put_file(kit::BUCKET, "report.ods", "first").unwrap();
        let m = kit::machine(&hub);
        let path = m.mnt().join("report.ods");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        m.ok(&["pause"]);
        std::fs::write(&path, "ours").unwrap();
        if theirs_is_a_machine {
            let other = kit::machine(&hub);
            std::fs::write(other.mnt().join("report.ods"), "theirs").unwrap();
            other.flush();
        } else {
            hub.put_file(kit::BUCKET, "report.ods", "theirs").unwrap();
        }
        m.ok(&["resume"]);
        let _ = m.lacuna(&["flush"]);
        wait_for("both versions", || hub.tree(kit::BUCKET).len() == 2 && kit::names(&m.mnt()).len() == 2);
        let there = kit::at_hub(&hub);
        let copy =
            there.keys().find(|n| n.contains("(conflicted copy, ")).expect("a conflicted copy").clone();
        assert_eq!(there["report.ods"], b"theirs");
        assert_eq!(there[&copy], b"ours");
        assert!(kit::files(&m.mnt()) == there);
        assert_eq!(m.drive()["problems"][0]["code"], "conflict");
    }
}

/// A name that both took, and an edit of what the other removed.
#[test]
fn what_both_made_or_one_removed_is_kept() {
    let hub = kit::hub();
    hub.put_file(kit::BUCKET, "edited", "old").unwrap();
    let m = kit::machine(&hub);
    assert_eq!(kit::names(&m.mnt()), ["edited"]);
    m.ok(&["pause"]);
    std::fs::write(m.mnt().join("edited"), "edited here").unwrap();
    std::fs::write(m.mnt().join("new.txt"), "ours").unwrap();
    hub.put_file(kit::BUCKET, "new.txt", "theirs").unwrap();
    hub.delete_file(kit::BUCKET, "edited").unwrap();
    m.ok(&["resume"]);
    wait_for("all versions", || hub.tree(kit::BUCKET).len() == 3 && m.drive()["pending"]["files"] == 0);
    let there = kit::at_hub(&hub);
    assert_eq!(there["edited"], b"edited here");
    assert_eq!(there["new.txt"], b"theirs");
    assert!(
        there.iter().any(|(n, b)| n.starts_with("new (conflicted copy") && b == b"ours"),
        "{:?}",
        there.keys()
    );
}

/// Promise 6: a file that is rewritten while it is sent.
#[test]
fn a_committed_version_is_an_instant() {
    const BLOCK: usize = 64 << 10;
    const BLOCKS: usize = 64;
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let path = m.mnt().join("file");
    std::fs::write(&path, vec![0u8; BLOCK * BLOCKS]).unwrap();
    m.flush();
    let stop = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            let f = OpenOptions::new().write(true).open(&path).unwrap();
            let mut round = 0u32;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let block: Vec<u8> = round.to_le_bytes().repeat(BLOCK / 4);
                for i in 0..BLOCKS {
                    f.write_all_at(&block, (i * BLOCK) as u64).unwrap();
                }
            }
        });
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let home = m.home();
            let mut flush = std::process::Command::new(crate::support::LACUNA)
                .arg("flush")
                .env("LACUNA_HOME", home)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(std::time::Duration::from_secs(3));
            let _ = flush.kill();
            let _ = flush.wait();
            let bytes = hub.read_file(kit::BUCKET, "file").unwrap();
            let mut runs: Vec<u32> =
                bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
            runs.dedup();
            let one = runs.len() == 1 || (runs.len() == 2 && runs[1] + 1 == runs[0]);
            if !one {
                stop.store(true, Ordering::Relaxed);
            }
            assert!(one, "a mixture of moments: rounds {runs:?}");
            seen.insert(runs[0]);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(seen.len() > 1, "nothing was committed while it was written: {seen:?}");
    });
}

/// The most memory that the agent of a machine has taken, MiB.
fn peak(m: &Machine) -> u64 {
    let pid = m.agent_pid().expect("an agent");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Promise 9. What is measured here is a build for tests; the bounds are differences, and wide.
#[test]
fn cost_is_flat() {
    let (_, mut rng) = data::rng("hf_flat");
    // A hundred times as many files, all looked at.
    let peaks = [300, 30_000].map(|files| {
        let hub = kit::hub();
        kit::many(&hub, b"content", (0..files).map(|i| format!("d{}/file {i}", i % 30)));
        let m = kit::machine(&hub);
        let out = std::process::Command::new("ls").arg("-lR").arg(m.mnt()).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).lines().filter(|l| l.contains("file ")).count(),
            files
        );
        peak(&m)
    });
    println!("MiB at the most: {} with 300 files, {} with 30,000", peaks[0], peaks[1]);
    assert!(peaks[1] < peaks[0] + 64, "{peaks:?}");
    // Files longer than all that is read ahead; read, changed, and sent anew.
    let peaks = [100 << 20, 300 << 20].map(|size: usize| {
        let hub = kit::hub();
        let content = data::bytes(&mut rng, size);
        hub.put_file(kit::BUCKET, "theirs", content.clone()).unwrap();
        let m = kit::machine(&hub);
        assert!(std::fs::read(m.mnt().join("theirs")).unwrap() == content);
        let ours = m.mnt().join("ours");
        std::fs::write(&ours, &content).unwrap();
        m.flush();
        peak(&m)
    });
    println!("MiB at the most: {} with a file of 100 MiB, {} with one of 300", peaks[0], peaks[1]);
    assert!(peaks[1] < peaks[0] + 128, "{peaks:?}");
}
