//! What goes wrong at the Hub and on the way: nothing is lost, nothing is taken for done that is not, and it
//! goes on by itself. The rows of what hf-mount does under these faults are all here.

use std::time::Duration;

use lacuna_test_hub::{Act, Fault};

use crate::{
    kit,
    support::{data, wait_for},
};

fn status(status: u16, retry_after: Option<u64>) -> Act {
    Act::Status { status, retry_after }
}

#[test]
fn a_refused_operation_inside_a_200_is_tried_again_and_only_that_one() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    let act = Act::FailPaths { paths: vec!["b".into()], error: "internal error".into() };
    hub.fault(Fault::new(act).on("POST", "/batch").times(1));
    m.ok(&["pause"]);
    for name in ["a", "b", "c"] {
        std::fs::write(m.mnt().join(name), name).unwrap();
    }
    // All are due by then, so they go in one batch.
    std::thread::sleep(Duration::from_secs(3));
    m.ok(&["resume"]);
    wait_for("the two that were taken", || hub.tree(kit::BUCKET).len() == 2);
    assert!(!hub.tree(kit::BUCKET).contains_key("b"));
    assert_ne!(m.drive()["pending"]["files"], 0, "what was refused is not taken for done");
    kit::flush_at_last(&m);
    assert!(kit::at_hub(&hub) == kit::files(&m.mnt()) && hub.tree(kit::BUCKET).len() == 3);
}

#[test]
fn a_name_that_the_hub_refuses_for_ever_becomes_a_problem_until_it_is_solved() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    std::fs::write(m.mnt().join("bad\tname"), "x").unwrap();
    std::fs::write(m.mnt().join("good"), "y").unwrap();
    assert!(!m.lacuna(&["flush"]).status.success());
    wait_for("the good one", || hub.tree(kit::BUCKET).contains_key("good"));
    wait_for("the problem", || m.drive()["problems"].to_string().contains("refuses this file"));
    assert!(m.drive()["problems"].to_string().contains("rename"), "{}", m.drive()["problems"]);
    std::fs::rename(m.mnt().join("bad\tname"), m.mnt().join("name")).unwrap();
    kit::flush_at_last(&m);
    assert!(kit::at_hub(&hub) == kit::files(&m.mnt()) && hub.tree(kit::BUCKET).len() == 2);
}

/// More than the flusher looks at for one batch.
#[test]
fn thousands_that_are_refused_hold_up_nobody() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    m.ok(&["pause"]);
    for i in 0..4_100 {
        std::fs::write(m.mnt().join(format!("bad\tname {i}")), "x").unwrap();
    }
    std::fs::write(m.mnt().join("good"), "y").unwrap();
    m.ok(&["resume"]);
    wait_for("the good one", || hub.tree(kit::BUCKET).contains_key("good"));
    assert_eq!(hub.tree(kit::BUCKET).len(), 1);
    wait_for("the drive to know", || m.drive()["pending"]["files"] == 4_100);
}

#[test]
fn a_refused_part_of_a_folders_rename_leaves_it_where_it_was() {
    let hub = kit::hub();
    kit::many(&hub, b"content", (0..20).map(|i| format!("old/f{i}")));
    let m = kit::machine(&hub);
    let before = hub.tree(kit::BUCKET);
    let act = Act::FailPaths { paths: vec!["new/f7".into()], error: "internal error".into() };
    hub.fault(Fault::new(act).on("POST", "/batch").times(1));
    m.ok(&["pause"]);
    std::fs::rename(m.mnt().join("old"), m.mnt().join("new")).unwrap();
    m.ok(&["resume"]);
    wait_for("the first try", || hub.faults().is_empty());
    wait_for("what was added to be taken back", || {
        let tree = hub.tree(kit::BUCKET);
        tree.keys().eq(before.keys()) || tree.keys().all(|p| p.starts_with("new/"))
    });
    kit::flush_at_last(&m);
    assert_eq!(hub.tree(kit::BUCKET).len(), 20);
    assert!(hub.tree(kit::BUCKET).keys().all(|p| p.starts_with("new/")));
    assert_eq!(kit::names(&m.mnt()), ["new"]);
}

#[test]
fn a_lost_answer_is_found_out_and_doubles_nothing() {
    let hub = kit::hub();
    hub.put_file(kit::BUCKET, "old", "x").unwrap();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    hub.fault(Fault::new(Act::Lose).on("POST", "/batch").times(2));
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    std::fs::rename(m.mnt().join("old"), m.mnt().join("new")).unwrap();
    m.flush();
    assert!(hub.faults().is_empty(), "both answers were lost");
    assert_eq!(kit::names(&m.mnt()), ["file", "new"]);
    assert!(kit::at_hub(&hub) == kit::files(&m.mnt()) && hub.tree(kit::BUCKET).len() == 2);
    assert_eq!(m.drive()["problems"].as_array().map(Vec::len), Some(0), "{}", m.drive());
}

/// The batch is done, its answer is lost, nobody can ask, and then the process is killed.
#[test]
fn a_lost_answer_is_found_out_after_a_kill_too() {
    for calls_first in [0, 1] {
        let hub = kit::hub();
        kit::many(&hub, b"content", (0..5).map(|i| format!("old/f{i}")));
        hub.put_file(kit::BUCKET, "edited", "before").unwrap();
        let m = kit::machine(&hub);
        assert_eq!(kit::files(&m.mnt()).len(), 6);
        m.ok(&["pause"]);
        std::fs::write(m.mnt().join("edited"), "after").unwrap();
        std::fs::rename(m.mnt().join("old"), m.mnt().join("new")).unwrap();
        // All is due by then, so it goes in one batch.
        std::thread::sleep(Duration::from_secs(3));
        // After the additions, or after the deletions too.
        hub.fault(Fault::new(Act::Lose).on("POST", "/batch").after(calls_first));
        hub.fault(Fault::new(status(503, None)).on("POST", "/paths-info").after(1));
        m.ok(&["resume"]);
        wait_for("the batch", || hub.tree(kit::BUCKET).contains_key("new/f4"));
        std::thread::sleep(Duration::from_millis(500));
        m.kill();
        hub.clear_faults();
        m.mount();
        kit::flush_at_last(&m);
        let want: Vec<String> =
            ["edited".into()].into_iter().chain((0..5).map(|i| format!("new/f{i}"))).collect();
        assert_eq!(hub.tree(kit::BUCKET).into_keys().collect::<Vec<_>>(), want, "{calls_first}");
        assert_eq!(hub.read_file(kit::BUCKET, "edited").unwrap(), b"after");
        assert!(kit::at_hub(&hub) == kit::files(&m.mnt()));
    }
}

#[test]
fn what_the_hub_asks_for_is_waited_for() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    hub.fault(Fault::new(status(429, Some(2))).on("POST", "/batch").times(1));
    hub.fault(Fault::new(status(503, None)).on("POST", "/paths-info").times(2));
    let began = std::time::Instant::now();
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    kit::flush_at_last(&m);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(hub.faults().is_empty());
    assert_eq!(hub.read_file(kit::BUCKET, "file").unwrap(), b"content");
}

#[test]
fn a_batch_that_fails_often_goes_up_in_the_end_by_itself() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    hub.fault(Fault::new(Act::Drop).on("POST", "/batch").times(7));
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    wait_for("the file", || hub.tree(kit::BUCKET).contains_key("file"));
    wait_for("the drive to know", || m.drive()["state"] == "synced");
}

#[test]
fn offline_it_reads_what_is_here_mounts_and_sends_later() {
    let (_, mut rng) = data::rng("hf_offline");
    let hub = kit::hub();
    let bytes = data::bytes(&mut rng, 1 << 20);
    hub.put_file(kit::BUCKET, "read", bytes.clone()).unwrap();
    let m = kit::machine(&hub);
    assert!(std::fs::read(m.mnt().join("read")).unwrap() == bytes);
    hub.fault(Fault::new(Act::Drop));
    std::fs::write(m.mnt().join("made offline"), "x").unwrap();
    wait_for("the drive to notice", || m.drive()["state"] == "offline");
    assert!(std::fs::read(m.mnt().join("read")).unwrap() == bytes);
    // A clean end while nothing answers keeps what waits.
    m.unmount();
    m.mount();
    assert_eq!(kit::names(&m.mnt()), ["made offline", "read"]);
    assert_eq!(std::fs::read(m.mnt().join("made offline")).unwrap(), b"x");
    assert!(std::fs::read(m.mnt().join("read")).unwrap() == bytes, "what was fetched is here");
    std::fs::rename(m.mnt().join("read"), m.mnt().join("renamed")).unwrap();
    assert!(!m.lacuna(&["flush"]).status.success());
    hub.clear_faults();
    kit::flush_at_last(&m);
    assert!(kit::at_hub(&hub) == kit::files(&m.mnt()));
    assert_eq!(kit::names(&m.mnt()), ["made offline", "renamed"]);
    wait_for("the drive to notice", || m.drive()["state"] == "synced");
}

#[test]
fn a_clean_unmount_while_the_hub_is_out_of_order_keeps_everything() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    hub.fault(Fault::new(status(503, None)));
    m.unmount();
    hub.clear_faults();
    assert!(hub.tree(kit::BUCKET).is_empty());
    m.mount();
    m.flush();
    assert_eq!(hub.read_file(kit::BUCKET, "file").unwrap(), b"content");
}

#[test]
fn tokens_that_run_out_are_renewed_in_the_middle() {
    let (_, mut rng) = data::rng("hf_tokens");
    let hub = kit::hub();
    let bytes = data::bytes(&mut rng, 16 << 20);
    hub.put_file(kit::BUCKET, "file", bytes.clone()).unwrap();
    hub.set_token_life(4);
    let m = kit::machine(&hub);
    let path = m.mnt().join("file");
    let f = std::fs::File::open(&path).unwrap();
    for (i, part) in bytes.chunks(2 << 20).enumerate() {
        let mut have = vec![0; part.len()];
        std::os::unix::fs::FileExt::read_exact_at(&f, &mut have, (i * (2 << 20)) as u64).unwrap();
        assert!(have == part, "part {i}");
        std::thread::sleep(Duration::from_millis(900));
    }
    hub.set_token_life(3600);
    m.evict(&path);
    let _ = std::fs::read(&path).unwrap();
    m.evict(&path);
    // Long before their time.
    hub.expire_cas_tokens();
    assert!(std::fs::read(&path).unwrap() == bytes);
    hub.expire_cas_tokens();
    std::fs::write(m.mnt().join("new"), data::bytes(&mut rng, 1 << 20)).unwrap();
    kit::flush_at_last(&m);
    assert_eq!(hub.tree(kit::BUCKET).len(), 2);
}

#[test]
fn a_revoked_token_is_a_problem_with_a_remedy_and_nothing_is_lost() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let _ = kit::names(&m.mnt());
    hub.revoke(hub.token());
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    wait_for("the problem", || m.drive()["problems"].to_string().contains("lacuna login hf"));
    assert_eq!(std::fs::read(m.mnt().join("file")).unwrap(), b"content");
    assert_ne!(m.drive()["pending"]["files"], 0);
}

#[test]
fn one_who_may_only_read_is_told_so() {
    let hub = kit::hub();
    hub.put_file(kit::BUCKET, "file", "content").unwrap();
    let reader = hub.account("ada", false);
    let m = kit::machine_at(&hub, "hf://buckets/ada/data").env("HF_TOKEN", &reader);
    m.mount();
    assert_eq!(std::fs::read(m.mnt().join("file")).unwrap(), b"content");
    std::fs::write(m.mnt().join("mine"), "x").unwrap();
    assert!(!m.lacuna(&["flush"]).status.success());
    wait_for("the problem", || m.drive()["problems"].to_string().contains("only read"));
    assert_eq!(hub.tree(kit::BUCKET).len(), 1);
}

#[test]
fn what_is_not_there_is_said_when_it_is_mounted() {
    let hub = kit::hub();
    for (url, says) in [
        ("hf://buckets/ada/nothing", "check the name"),
        ("hf://buckets/ada", "hf://buckets/OWNER/NAME"),
        ("hf://models/ada/nothing", "check the name"),
    ] {
        let m = kit::machine_at(&hub, url);
        let out = m.try_mount();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && text.contains(says), "{url}: {text}");
    }
}

#[test]
fn a_file_is_read_and_written_while_it_is_being_sent() {
    let (_, mut rng) = data::rng("hf_while");
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let path = m.mnt().join("file");
    let mut bytes = data::bytes(&mut rng, 1 << 20);
    hub.fault(Fault::new(Act::Hang { ms: 6000 }).on("POST", "xorb").times(1));
    std::fs::write(&path, &bytes).unwrap();
    wait_for("the upload to hang", || hub.faults().is_empty());
    let began = std::time::Instant::now();
    assert!(std::fs::read(&path).unwrap() == bytes);
    let f = std::fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&f, b"meanwhile", 1000).unwrap();
    f.sync_all().unwrap();
    std::fs::write(m.mnt().join("other"), "x").unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(hub.tree(kit::BUCKET).is_empty(), "it is still being sent");
    bytes[1000..1009].copy_from_slice(b"meanwhile");
    drop(f);
    kit::flush_at_last(&m);
    assert!(hub.read_file(kit::BUCKET, "file").unwrap() == bytes && hub.tree(kit::BUCKET).len() == 2);
}
