//! Promise 5: if the remote has moved, both versions stay, and the user is told.

use crate::support::{Bucket, Machine, wait_for};

#[test]
fn nobody_is_overwritten() {
    let bucket = Bucket::new();
    let (a, b) = (Machine::new(&bucket), Machine::new(&bucket));
    std::fs::write(a.mnt().join("report.ods"), "first").unwrap();
    a.flush();
    wait_for("the file on the other machine", || b.mnt().join("report.ods").exists());
    assert_eq!(std::fs::read(b.mnt().join("report.ods")).unwrap(), b"first");

    b.ok(&["pause"]);
    std::fs::write(b.mnt().join("report.ods"), "from b").unwrap();
    std::fs::write(a.mnt().join("report.ods"), "from a, first at the remote").unwrap();
    a.flush();
    b.ok(&["resume"]);
    let _ = b.lacuna(&["flush"]);

    let names = |m: &Machine| -> Vec<String> {
        let mut v: Vec<String> = std::fs::read_dir(m.mnt())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        v.sort();
        v
    };
    wait_for("both versions everywhere", || names(&a).len() == 2 && names(&b).len() == 2);
    for m in [&a, &b] {
        let names = names(m);
        let copy =
            names.iter().find(|n| n.starts_with("report (conflicted copy, ")).expect("a conflicted copy");
        assert!(copy.ends_with(").ods"), "{copy}");
        assert_eq!(std::fs::read(m.mnt().join("report.ods")).unwrap(), b"from a, first at the remote");
        assert_eq!(std::fs::read(m.mnt().join(copy)).unwrap(), b"from b");
    }
    let problems = b.drive()["problems"].clone();
    assert_eq!(problems[0]["code"], "conflict", "{problems}");
    assert!(problems[0]["remedy"].as_str().is_some_and(|r| !r.is_empty()));

    // Solved by the user, it is no problem any more.
    let copy = b.mnt().join(names(&b).into_iter().find(|n| n.contains("conflicted copy")).unwrap());
    std::fs::remove_file(copy).unwrap();
    wait_for("the problem to be solved", || b.drive()["problems"].as_array().is_some_and(Vec::is_empty));
}
