//! Comparing two folders: names, kinds, modes, times, targets, bytes.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::Path};

use sha2::{Digest, Sha256};

/// One line for each node below `root`, by path.
pub fn describe(root: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).path();
            let m = std::fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let rest = if m.is_dir() {
                todo.push(path.clone());
                format!("folder nlink {}", m.nlink())
            } else if m.is_symlink() {
                format!("link to {:?}", std::fs::read_link(&path).expect("a link is read"))
            } else {
                let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                format!("file of {} bytes {:.16}", m.len(), hex(&Sha256::digest(&bytes)))
            };
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            out.insert(name, format!("{:o} {rest}", m.mode()));
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Both folders hold the same.
pub fn same(drive: &Path, plain: &Path, when: &str) {
    let (drive, plain) = (describe(drive), describe(plain));
    for (name, want) in &plain {
        let have = drive.get(name).map_or("nothing", String::as_str);
        // A link count of 1 says that the folder was not looked into yet.
        let same = have == want
            || (have.ends_with("folder nlink 1")
                && have.split(" nlink").next() == want.split(" nlink").next());
        assert!(same, "{when}: {name} is {have} on the drive, {want} in the plain folder");
    }
    for name in drive.keys() {
        assert!(plain.contains_key(name), "{when}: {name} is on the drive and should not be");
    }
}
