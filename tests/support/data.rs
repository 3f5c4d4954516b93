//! Test data: seeds that are printed, and bytes that make chunks of many sizes.

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

/// A generator from `LACUNA_TEST_SEED` or a new seed, which is printed.
pub fn rng(test: &str) -> (u64, StdRng) {
    let seed =
        std::env::var("LACUNA_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("{test}: LACUNA_TEST_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

/// Bytes of varied kinds: random runs, repeats, text, zeros. Content-defined chunks of it differ in size,
/// where weakly random bytes alone would give chunks of the greatest size only.
pub fn bytes(rng: &mut impl RngCore, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let run = rng.random_range(1..=200_000).min(len - out.len());
        let start = out.len();
        match rng.random_range(0..4) {
            0 | 1 => {
                out.resize(start + run, 0);
                rng.fill_bytes(&mut out[start..]);
            }
            2 => {
                let word: Vec<u8> =
                    (0..rng.random_range(1..80)).map(|_| rng.random_range(b' '..=b'~')).collect();
                let noise = rng.random_range(100..5000);
                for i in 0..run {
                    let b = if i % noise == 0 { rng.random() } else { word[i % word.len()] };
                    out.push(b);
                }
            }
            _ => out.resize(start + run.min(8192), 0),
        }
    }
    out.truncate(len);
    out
}
