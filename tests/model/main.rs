//! The drive against a plain folder: the same random operations on both, compared after every step, and
//! at the end from a second machine with an empty cache. `LACUNA_TEST_SEED` repeats a run,
//! `LACUNA_MODEL_OPS` sets how many operations (20,000 by default).

#[path = "../support/mod.rs"]
mod support;

mod ops;
mod tree;

use support::{Bucket, Machine, data};

#[test]
fn the_drive_is_like_a_folder() {
    let ops: usize = std::env::var("LACUNA_MODEL_OPS").ok().and_then(|s| s.parse().ok()).unwrap_or(20_000);
    let (_, mut rng) = data::rng("model");
    let bucket = Bucket::new();
    let machine = Machine::new(&bucket);
    let plain = tempfile::tempdir().expect("a temporary folder");
    let mut pair = ops::Pair::new(&machine, plain.path());
    for step in 0..ops {
        pair.step(step, &mut rng);
        if step % 500 == 499 {
            tree::same(&machine.mnt(), plain.path(), &format!("after step {step}"));
        }
    }
    pair.close_all();
    tree::same(&machine.mnt(), plain.path(), "at the end");
    machine.flush();
    let second = Machine::new(&bucket);
    tree::same(&second.mnt(), plain.path(), "from a second machine with an empty cache");
}
