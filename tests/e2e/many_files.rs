//! More files than fit into one batch.

use crate::support::{Bucket, Machine, wait_for};

const FOLDERS: usize = 12;
const EACH: usize = 450;

/// What is removed goes from the bucket by itself, however much it is, folders after what was in them.
#[test]
fn a_big_tree_comes_and_goes() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let top = m.mnt().join("top");
    for i in 0..FOLDERS {
        let dir = top.join(format!("{}/{i}", i % 3));
        std::fs::create_dir_all(&dir).unwrap();
        for k in 0..EACH {
            std::fs::write(dir.join(k.to_string()), format!("{i} {k}")).unwrap();
        }
    }
    m.flush();
    let second = Machine::new(&bucket);
    let dir = second.mnt().join("top/1/4");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), EACH);
    assert_eq!(std::fs::read_to_string(dir.join("17")).unwrap(), "4 17");

    std::fs::remove_dir_all(&top).unwrap();
    wait_for("the removals to be sent", || m.drive()["state"] == "synced");
    assert_eq!(m.drive()["pending"]["files"], 0);
    wait_for("the folder to go elsewhere", || !second.mnt().join("top").exists());
    let third = Machine::new(&bucket);
    assert_eq!(std::fs::read_dir(third.mnt()).unwrap().count(), 0);
    assert_eq!(m.drive()["problems"].as_array().map(Vec::len), Some(0), "{}", m.drive());
}
