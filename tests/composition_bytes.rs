//! Promise 2 at its real sizes: what saves of a 200 MB file move, counted at the store.

mod xet_support;

use lacuna::xet::Uploaded;
use xet_support::*;

const MB: usize = 1_000_000;
/// The largest chunk.
const CHUNK: u64 = 128 * 1024;

/// What one save may move: the dirty bytes, 4 chunks for each dirty range, and metadata.
fn bar(uploaded: &Uploaded, ranges: u64) -> u64 {
    uploaded.receipt.changed + ranges * 4 * CHUNK + metadata(ranges)
}

/// The list of segments and the outline, down and up, and the hashes of the chunks of each cut segment.
fn metadata(ranges: u64) -> u64 {
    24_000 + ranges.min(7) * 512 * 40
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saving_sends_what_changed() {
    let store = Store::new(Offers::All);
    let (first, _first_dir) = store.machine();
    let original = distinct(1, 200 * MB, 1 << 18);
    let mut file = Edited::new(original.clone());
    let uploaded = file.save(&first).await;
    let (up, _) = store.moved();
    assert_eq!(uploaded.receipt.sent, up, "the receipt says what was sent");
    let content = uploaded.content;
    let (stranger, _dir) = store.machine();
    assert!(read_back(&stranger, &content, 1 << 20).await == original, "the upload reads back");
    let (_, down) = store.moved();
    assert!(down < up + up / 100, "a sequential reader fetches nothing twice: {down} for {up}");
    // Who has read a file knows it: saved as a new one, it goes up as what changed.
    let mut file = Edited::new(original.clone());
    file.bytes[50 * MB..50 * MB + 1024].fill(5);
    let uploaded = file.save(&stranger).await;
    let (up, down) = store.moved();
    println!("read, then written anew: {up} up, {down} down; {:?}", uploaded.receipt);
    assert!(up + down < 300_000, "read, then written anew: {up} up, {down} down");

    type Edit = fn(&mut Edited);
    let edits: [(&str, u64, Edit); 5] = [
        ("1 KiB in the middle", 1, |f| f.write(100 * MB, &varied(2, 1024, 256))),
        ("1 KiB appended", 1, |f| f.write(200 * MB, &varied(3, 1024, 256))),
        ("truncated to half", 1, |f| f.resize(100 * MB + 12_345)),
        ("grown by 1 MB of zeros", 1, |f| f.resize(201 * MB)),
        ("100 scattered writes of 4 KiB", 100, |f| {
            for i in 0..100 {
                f.write(i * 1_999_993, &varied(i as u64, 4096, 256));
            }
        }),
    ];
    for (what, ranges, edit) in edits {
        let (stranger, _dir) = store.machine();
        let mut file = Edited::new(original.clone());
        file.saved(content);
        edit(&mut file);
        store.moved();
        let uploaded = file.save(&stranger).await;
        let (up, down) = store.moved();
        println!("{what}: {up} up, {down} down; {:?}", uploaded.receipt);
        assert_eq!(uploaded.receipt.sent, up);
        assert!(up + down <= bar(&uploaded, ranges), "{what}: {up} up, {down} down");
        if ranges == 1 {
            assert!(up + down < 512 * 1024, "{what}: {up} up, {down} down");
        }
        let (reader, _dir) = store.machine();
        assert!(read_back(&reader, &uploaded.content, 8 << 20).await == file.bytes, "{what} reads back");
    }

    // A program writes the whole file again in its place, on a machine that never saw it.
    let (stranger, _dir) = store.machine();
    let mut file = Edited::new(original.clone());
    file.bytes[30 * MB..30 * MB + 1024].fill(9);
    (file.base, file.base_limit) = (Some(content), 0);
    store.moved();
    let uploaded = file.save(&stranger).await;
    let (up, down) = store.moved();
    println!("overwritten: {up} up, {down} down; {:?}", uploaded.receipt);
    assert!(up + down < 400_000, "overwritten: {up} up, {down} down");

    // A program writes a new file and renames it over the old one.
    let mut bytes = original;
    bytes[150 * MB..150 * MB + 1024].fill(7);
    let mut file = Edited::new(bytes);
    store.moved();
    let uploaded = file.save(&first).await;
    let (up, down) = store.moved();
    println!("rewritten: {up} up, {down} down; {:?}", uploaded.receipt);
    assert!(up + down < 300_000, "rewritten: {up} up, {down} down");
    assert!(uploaded.receipt.reused > 199 * MB as u64);
}

/// Without outlines the hashes are learned by reading; sent is still only the window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_without_outlines_is_read_through() {
    let store = Store::new(Offers::Nothing);
    let mut file = Edited::new(distinct(1, 80 * MB, 1 << 18));
    file.save(&store.machine().0).await;
    let (stranger, _dir) = store.machine();
    for i in 0..3 {
        file.write(40 * MB + i * MB, &varied(2, 1024, 256));
        store.moved();
        let uploaded = file.save(&stranger).await;
        let (up, down) = store.moved();
        println!("{up} up, {down} down; {:?}", uploaded.receipt);
        assert!(up < 300_000);
        if i == 0 {
            assert!(uploaded.receipt.reread >= 80 * MB as u64, "it says so");
        } else {
            assert!(up + down < 512 * 1024, "the list is known by now");
        }
    }
    let (reader, _dir) = store.machine();
    assert!(read_back(&reader, &file.base.unwrap(), 8 << 20).await == file.bytes);
}

/// Where the remote tells what stays, only the segments that are touched are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_file_never_seen_the_touched_segments_are_read() {
    let store = Store::new(Offers::Gaps);
    let mut file = Edited::new(distinct(1, 80 * MB, 1 << 18));
    file.save(&store.machine().0).await;
    let (stranger, _dir) = store.machine();
    // The first xorb holds 64 MiB, the second the rest.
    for (i, at) in [70 * MB, 70 * MB + 100, 75 * MB, file.bytes.len()].into_iter().enumerate() {
        file.write(at, &varied(2, 1024, 256));
        store.moved();
        let uploaded = file.save(&stranger).await;
        let (up, down) = store.moved();
        println!("{up} up, {down} down; {:?}", uploaded.receipt);
        assert!(up < 300_000, "{up} up");
        match i {
            0 => assert!((12 * MB as u64..18 * MB as u64).contains(&uploaded.receipt.reread), "{down} down"),
            _ => assert!(up + down < 512 * 1024, "the list is known by now"),
        }
    }
    file.resize(66 * MB);
    let (other, _dir) = store.machine();
    store.moved();
    file.save(&other).await;
    let (up, down) = store.moved();
    println!("truncated: {up} up, {down} down");
    assert!(up < 300_000 && down < 18 * MB as u64, "truncated: {up} up, {down} down");
    let (reader, _dir) = store.machine();
    assert!(read_back(&reader, &file.base.unwrap(), 8 << 20).await == file.bytes);
}
