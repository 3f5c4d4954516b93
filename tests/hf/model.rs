//! The drive of a bucket against a plain folder, and fsx on it. `LACUNA_TEST_SEED` repeats a run,
//! `LACUNA_MODEL_OPS` sets how many operations (3,000 by default).

use crate::{
    kit, ops,
    support::{
        conformance::{check_pjdfstest, run_fsx, run_fsx_through},
        data,
    },
    tree,
};

/// After each run of operations the drive is like the folder, also after a restart, which keeps what the Hub
/// can't hold; and the Hub has exactly the folder's files.
#[test]
fn the_drive_is_like_a_folder() {
    let steps: usize = std::env::var("LACUNA_MODEL_OPS").ok().and_then(|s| s.parse().ok()).unwrap_or(3_000);
    let (_, mut rng) = data::rng("hf_model");
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let plain = tempfile::tempdir().unwrap();
    let mut pair = ops::Pair::new(&m, plain.path());
    for step in 0..steps {
        pair.step(step, &mut rng);
        if step % 500 == 499 {
            tree::same(&m.mnt(), plain.path(), &format!("after step {step}"));
        }
    }
    pair.close_all();
    tree::same(&m.mnt(), plain.path(), "at the end");
    kit::flush_at_last(&m);
    let (there, here) = (kit::at_hub(&hub), kit::files(plain.path()));
    assert!(there.keys().eq(here.keys()), "{:?} instead of {:?}", there.keys(), here.keys());
    assert!(there == here, "contents differ");
    m.crash();
    tree::same(&m.mnt(), plain.path(), "after a kill");
}

#[test]
fn fsx_finds_nothing() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    run_fsx(&m.mnt(), 1, 5_000, "").unwrap();
}

/// fsx is stopped again and again, its file flushed and evicted: its bytes go through the Hub.
#[test]
fn fsx_finds_nothing_through_the_hub() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    let rounds = run_fsx_through(&m, 7, 400, "").unwrap();
    let down = hub.counts().cas().down;
    println!("{rounds} rounds of flush and evict, {down} bytes came back");
    assert!(rounds >= 5 && down > 0, "{rounds} rounds and {down} bytes prove nothing");
}

#[test]
fn pjdfstest_finds_nothing() {
    let hub = kit::hub();
    let m = kit::machine(&hub);
    check_pjdfstest(&m.mnt());
}
