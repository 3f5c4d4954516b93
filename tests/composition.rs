//! Composition at chunk level, with chunks of 1 KiB and xorbs of 128 KiB instead of 64 KiB and 64 MiB, so
//! that small files have many segments. (The sizes can be set in debug builds only.)

mod xet_support;

use lacuna::{error::Kind, node::Content, ranges::RangeSet, xet::Xet};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use xet_support::*;

#[cfg(debug_assertions)]
mod sizes {
    use xet_core_structures::xorb_object::constants::{MAX_XORB_BYTES, TARGET_CHUNK_SIZE};
    xet_runtime::test_set_constants! {
        TARGET_CHUNK_SIZE = 1024usize;
        MAX_XORB_BYTES = 131072usize;
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[derive(Clone, Debug)]
enum Op {
    Overwrite(f64, usize),
    Append(usize),
    Truncate(f64),
    Grow(usize),
    WriteBeyond(usize, usize),
    Scatter(usize),
    Rewrite,
    Empty,
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![1usize..64, 64usize..5000, 5000usize..200_000];
    prop_oneof![
        4 => (0.0..1.0, len.clone()).prop_map(|(at, n)| Op::Overwrite(at, n)),
        2 => len.clone().prop_map(Op::Append),
        2 => (0.0..1.0).prop_map(Op::Truncate),
        1 => len.clone().prop_map(Op::Grow),
        1 => (1usize..5000, 1usize..5000).prop_map(|(gap, n)| Op::WriteBeyond(gap, n)),
        2 => (2usize..30).prop_map(Op::Scatter),
        1 => Just(Op::Rewrite),
        1 => Just(Op::Empty),
    ]
}

fn apply(file: &mut Edited, op: &Op, seed: u64) {
    let len = file.bytes.len();
    let place = |at: f64| (len as f64 * at) as usize;
    match *op {
        Op::Overwrite(at, n) => {
            let at = place(at);
            file.write(at, &varied(seed, n.min(len - at), 2048));
        }
        Op::Append(n) => file.write(len, &varied(seed, n, 2048)),
        Op::Truncate(at) => file.resize(place(at)),
        Op::Grow(n) => file.resize(len + n),
        Op::WriteBeyond(gap, n) => {
            file.resize(len + gap);
            file.write(len + gap, &varied(seed, n, 2048));
        }
        Op::Scatter(n) => (0..n.min(len)).for_each(|i| {
            let at = (seed as usize).wrapping_mul(i * 2 + 1).wrapping_add(i * 7919) % len;
            let data = varied(seed ^ i as u64, 40.min(len - at), 16);
            file.write(at, &data);
        }),
        Op::Rewrite => {
            // A new file is written and renamed over the old one, with a small change.
            let mut bytes = file.bytes.clone();
            if let Some(b) = bytes.get_mut(len / 2) {
                *b ^= 1;
            }
            *file = Edited::new(bytes);
        }
        Op::Empty => file.resize(0),
    }
}

/// Which machine saves next.
#[derive(Clone, Copy, Debug)]
enum Who {
    Same,
    Fresh,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..Default::default() })]

    /// After each of a chain of saves the content reads back equal on a machine that never saw it, and
    /// its hash is that of a clean upload.
    #[test]
    fn every_chain_of_edits_reads_back(
        seed in any::<u64>(),
        size in prop_oneof![0usize..3000, 3000usize..300_000, 1_000_000usize..2_500_000],
        offers in prop_oneof![3 => Just(Offers::All), 1 => Just(Offers::ChunksOnly), 2 => Just(Offers::Gaps), 1 => Just(Offers::Nothing)],
        steps in prop::collection::vec((prop::collection::vec(op(), 1..4), prop_oneof![Just(Who::Same), Just(Who::Fresh)], any::<bool>()), 1..7),
    ) {
        runtime().block_on(async {
            let store = Store::new(offers);
            let mut machine: (Xet, TempDir) = store.machine();
            let mut file = Edited::new(varied(seed, size, 2048));
            file.save(&machine.0).await;
            for (i, (ops, who, near)) in steps.iter().enumerate() {
                let seed = seed.wrapping_add(i as u64);
                ops.iter().for_each(|op| apply(&mut file, op, seed));
                if *near {
                    // Some of what surrounds the edits is on this machine already.
                    let around: RangeSet = file.dirty.iter().map(|r| r.start.saturating_sub(700)..r.end + 3000).collect();
                    file.local = around;
                    file.local.subtract(&file.dirty);
                }
                if let Who::Fresh = who {
                    machine = store.machine();
                }
                file.save(&machine.0).await;
                let (stranger, _dir) = store.machine();
                let content = file.base.unwrap();
                assert!(read_back(&stranger, &content, 70_000).await == file.bytes, "reads back equal");
                let info = if content.size > 0 { Some(store.segments(&content).await) } else { None };
                if let Some(info) = info {
                    assert_eq!(info.file_size(), content.size);
                    assert_eq!(info.verification.len(), info.segments.len());
                }
            }
        });
    }

    /// Small reads answer what is there.
    #[test]
    fn any_range_can_be_read(seed in any::<u64>(), size in 1usize..300_000, reads in prop::collection::vec((0.0..1.0, 0usize..40_000), 1..12)) {
        runtime().block_on(async {
            let store = Store::new(Offers::All);
            let (xet, _dir) = store.machine();
            let mut file = Edited::new(varied(seed, size, 2048));
            file.save(&xet).await;
            let content = file.base.unwrap();
            for (at, n) in reads {
                let at = (size as f64 * at) as usize;
                let end = size.min(at + n);
                store.moved();
                let got = xet.read(&content, at as u64..end as u64).await.unwrap();
                assert!(got == file.bytes[at..end]);
                let (_, down) = store.moved();
                assert!(down <= (end - at) as u64 + 2 * 2048 + 64 * 32 + 4096, "{down} bytes for {}", end - at);
            }
        });
    }
}

/// One machine's saves and another's reads share nothing but the store.
#[test]
fn the_verification_is_that_of_a_clean_upload() {
    use xet_client::cas_client::DirectAccessClient;
    use xet_core_structures::metadata_shard::chunk_verification::range_hash_from_chunks;
    runtime().block_on(async {
        for offers in [Offers::All, Offers::ChunksOnly, Offers::Gaps, Offers::Nothing] {
            let store = Store::new(offers);
            let mut file = Edited::new(varied(3, 1_600_000, 2048));
            file.save(&store.machine().0).await;
            for i in 0..12 {
                apply(&mut file, &Op::Scatter(3), 77 + i);
                apply(&mut file, &Op::Append(900), 78 + i);
                file.save(&store.machine().0).await;
                let info = store.segments(&file.base.unwrap()).await;
                for (s, v) in info.segments.iter().zip(&info.verification) {
                    let footer = store.inner.xorb_footer(&s.xorb_hash).await.unwrap();
                    let rows = footer.chunk_hash_sizes(s.chunk_index_start, s.chunk_index_end).unwrap();
                    let hashes: Vec<_> = rows.iter().map(|r| r.0).collect();
                    assert_eq!(v.range_hash, range_hash_from_chunks(&hashes));
                    assert_eq!(rows.iter().map(|r| r.1).sum::<u64>(), u64::from(s.unpacked_segment_bytes));
                }
            }
        }
    });
}

/// Many saves by strangers; the outline is used and stays right.
#[test]
fn a_stranger_needs_the_outline_only() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let mut file = Edited::new(distinct(5, 12_000_000, 2048));
        file.save(&store.machine().0).await;
        for i in 0..30u64 {
            let at = (i as usize * 7_654_321) % 11_000_000;
            store.moved();
            file.write(at, &varied(i, 100, 50));
            file.save(&store.machine().0).await;
            let (up, down) = store.moved();
            // 12,000 chunks of 40 bytes are 480,000; the chunks themselves are small here.
            assert!(up + down < 90_000, "save {i}: {up} up, {down} down");
        }
        let (stranger, _dir) = store.machine();
        assert!(read_back(&stranger, &file.base.unwrap(), 1 << 20).await == file.bytes);
    });
}

/// A gap of zeros takes few segments and few bytes.
#[test]
fn zeros_cost_nothing() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let mut file = Edited::new(varied(1, 5000, 2048));
        file.save(&xet).await;
        store.moved();
        file.resize(4_000_000);
        let uploaded = file.save(&xet).await;
        let (up, _) = store.moved();
        let segments = store.segments(&uploaded.content).await.segments.len();
        // 2,000 chunks of 2 KiB; 64 of them fill a xorb.
        assert!(segments < 60, "{segments} segments");
        assert!(up < 40_000, "{up} bytes up");
        let (stranger, _dir) = store.machine();
        assert!(read_back(&stranger, &uploaded.content, 1 << 20).await == file.bytes);
    });
}

/// When a file has too many segments, a part of it is written anew, and it stays readable.
#[test]
fn a_fragmented_file_is_mended() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let mut file = Edited::new(varied(9, 1_000_000, 2048));
        file.save(&xet).await;
        let mut most = 0;
        for i in 0..400usize {
            let at = (i * 611_953) % 990_000;
            file.write(at, &varied(i as u64, 20, 20));
            file.save(&xet).await;
            most = most.max(store.segments(&file.base.unwrap()).await.segments.len());
        }
        // 256, and 8 for each of 7 xorbs, and what one edit adds.
        assert!((300..320).contains(&most), "{most} segments at the most");
        let (stranger, _dir) = store.machine();
        assert!(read_back(&stranger, &file.base.unwrap(), 1 << 20).await == file.bytes);
    });
}

/// Many files of one session go into few xorbs and one shard.
#[test]
fn many_files_share_one_shard() {
    runtime().block_on(async {
        use std::sync::atomic::Ordering::Relaxed;
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let mut files: Vec<Edited> = (0..200).map(|i| Edited::new(varied(i % 150, 900, 200))).collect();
        files.push(Edited::new(Vec::new()));
        let answers = xet.upload(files.iter().map(Edited::composition).collect()).await;
        for (file, answer) in files.iter().zip(answers) {
            let content = answer.unwrap().content;
            assert_eq!(content, content_of(&file.bytes));
            assert!(read_back(&xet, &content, 1 << 20).await == file.bytes);
        }
        assert_eq!(store.shards.load(Relaxed), 1);
        // 150 different files of 900 bytes are 135,000 before compression.
        assert!(store.xorbs.load(Relaxed) <= 2);
    });
}

/// Nothing of a failed upload is registered, and the next try sends all.
#[test]
fn a_failed_upload_can_be_tried_again() {
    runtime().block_on(async {
        use std::sync::atomic::Ordering::Relaxed;
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let mut files = vec![Edited::new(varied(1, 700_000, 2048)), Edited::new(varied(2, 3000, 2048))];
        store.failures.store(1, Relaxed);
        let answers = xet.upload(files.iter().map(Edited::composition).collect()).await;
        for answer in answers {
            let e = answer.unwrap_err();
            assert_eq!((e.kind(), e.cause()), (Kind::NoSpace, "the disk is full"));
        }
        assert_eq!(store.shards.load(Relaxed), 0);
        for file in &mut files {
            file.save(&xet).await;
            let (stranger, _dir) = store.machine();
            assert!(read_back(&stranger, &file.base.unwrap(), 1 << 20).await == file.bytes);
        }
    });
}

/// A source that fails and a base that is gone harm only their own file.
#[test]
fn one_bad_file_leaves_the_others_alone() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let good = Edited::new(varied(1, 50_000, 2048));
        let mut unreadable = Edited::new(varied(2, 50_000, 2048));
        let mut composition = unreadable.composition();
        composition.dirty.insert(50_000..60_000);
        composition.size = 60_000; // the source has no such bytes
        unreadable.base = Some(Content { id: lacuna::node::ContentId([7; 32]), size: 50_000 });
        unreadable.base_limit = 50_000;
        unreadable.dirty = RangeSet::from(3..4);
        let answers = xet.upload(vec![composition, unreadable.composition(), good.composition()]).await;
        let kinds: Vec<_> =
            answers.iter().map(|a| a.as_ref().map(|u| u.content).map_err(|e| e.kind())).collect();
        assert_eq!(kinds, [Err(Kind::Other), Err(Kind::Damaged), Ok(content_of(&good.bytes))]);
        assert!(read_back(&xet, &content_of(&good.bytes), 1 << 20).await == good.bytes);
    });
}

/// What xet's own store takes, xet's own reader reads: nothing here is a dialect.
#[test]
fn xets_own_reader_agrees() {
    use std::sync::Arc;
    use xet_client::cas_client::{Client, LocalClient};
    use xet_data::file_reconstruction::FileReconstructor;
    use xet_runtime::{config::XetConfig, core::XetContext};
    runtime().block_on(async {
        let context = XetContext::with_config(XetConfig::default()).unwrap();
        let client: Arc<dyn Client> = LocalClient::temporary(context.clone()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut file = Edited::new(varied(4, 900_000, 2048));
        for i in 0..8u64 {
            let fresh = dir.path().join(format!("machine {i}"));
            let xet = Xet::open(client.clone(), Arc::new(lacuna::xet::NoOutlines), &fresh).unwrap();
            let content = file.save(&xet).await.content;
            let out = dir.path().join("out");
            FileReconstructor::new(&context, &client, content.id.merkle())
                .reconstruct_to_file(&out, None, true)
                .await
                .unwrap();
            assert!(std::fs::read(&out).unwrap() == file.bytes, "save {i}");
            apply(&mut file, &Op::Scatter(5), i * 31);
            apply(&mut file, &Op::Overwrite(0.1 * i as f64, 10_000), i);
            apply(&mut file, &Op::WriteBeyond(100, 5000), i);
        }
    });
}

/// Damage at the remote is told, and never carried into a new content.
#[test]
fn damage_is_told() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let mut file = Edited::new(distinct(6, 2_000_000, 2048));
        file.save(&store.machine().0).await;
        let content = file.base.unwrap();
        // A damaged outline costs economy only.
        let good = store.outlines.lock().unwrap()[&content.id].clone();
        let mut bad = good.to_vec();
        bad[100] ^= 1;
        store.outlines.lock().unwrap().insert(content.id, bad.into());
        let mut edit = file.clone();
        edit.write(1_000_000, b"changed");
        edit.save(&store.machine().0).await;
        store.outlines.lock().unwrap().insert(content.id, good);

        // Wrong hashes, and wrong bytes, are noticed before anything is registered.
        for damage in [Damage::Rows, Damage::Bytes] {
            *store.damage.lock().unwrap() = Some(damage);
            store.moved();
            let mut edit = file.clone();
            edit.write(1_500_000, b"changed");
            let answer = store.machine().0.upload(vec![edit.composition()]).await.remove(0);
            let e = answer.unwrap_err();
            assert_eq!(e.kind(), Kind::Damaged, "{e}");
            assert!(e.remedy_text().is_some());
            assert_eq!(store.moved().0, 0, "nothing was sent");
            let e = store.machine().0.read(&content, 700_000..700_100).await.unwrap_err();
            assert_eq!(e.kind(), Kind::Damaged, "{e}");
        }
        *store.damage.lock().unwrap() = None;
        let mut edit = file.clone();
        edit.write(1_500_000, b"changed");
        edit.save(&store.machine().0).await;
    });
}

/// What a remote tells wrongly of the parts that stay is found out and not used.
#[test]
fn a_wrong_summary_costs_economy_only() {
    runtime().block_on(async {
        let store = Store::new(Offers::Gaps);
        let mut file = Edited::new(distinct(6, 2_000_000, 2048));
        file.save(&store.machine().0).await;
        for damage in [None, Some(Damage::Rows)] {
            *store.damage.lock().unwrap() = damage;
            let mut edit = file.clone();
            edit.write(1_500_000, b"changed");
            let receipt = edit.save(&store.machine().0).await.receipt;
            let all = receipt.reread > 2_000_000;
            assert_eq!(all, damage.is_some(), "{receipt:?}");
        }
    });
}

/// What did not change costs nothing.
#[test]
fn an_unchanged_file_moves_nothing() {
    runtime().block_on(async {
        let store = Store::new(Offers::All);
        let (xet, _dir) = store.machine();
        let mut file = Edited::new(varied(1, 500_000, 2048));
        let first = file.save(&xet).await;
        assert!(first.receipt.sent > 0 && first.receipt.changed == 500_000);
        store.moved();
        let (stranger, _dir) = store.machine();
        let again = file.save(&stranger).await;
        assert_eq!(store.moved(), (0, 0));
        assert_eq!((again.content, again.receipt.sent, again.receipt.reused), (first.content, 0, 500_000));
        file.resize(0);
        assert_eq!(file.save(&stranger).await.content, Content::EMPTY);
        assert_eq!(store.moved(), (0, 0));
        assert_eq!(stranger.read(&Content::EMPTY, 0..0).await.unwrap().len(), 0);
        assert_eq!(stranger.read(&first.content, 0..500_001).await.unwrap_err().kind(), Kind::Invalid);
    });
}
