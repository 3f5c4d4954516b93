//! Programs that people use: each works on the drive, and a second machine finds the same.

use std::path::{Path, PathBuf};

use crate::support::{Bucket, Machine, data, run};

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn git_clones_and_checks_itself() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let source = project();
    run(&m.mnt(), "git", &["clone", "--no-hardlinks", source.to_str().unwrap(), "clone"]);
    let clone = m.mnt().join("clone");
    run(&clone, "git", &["fsck", "--full"]);
    assert_eq!(run(&clone, "git", &["status", "--porcelain"]), "");
    run(&clone, "git", &["gc", "--quiet"]);
    run(&clone, "git", &["fsck", "--full"]);
    m.flush();
    let second = Machine::new(&bucket);
    let clone = second.mnt().join("clone");
    run(&clone, "git", &["-c", "safe.directory=*", "fsck", "--full"]);
    run(&clone, "git", &["-c", "safe.directory=*", "diff", "--quiet", "HEAD"]);
}

#[test]
fn sqlite_in_wal_mode_keeps_its_integrity() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let sql = |m: &Machine, sql: &str| run(&m.mnt(), "sqlite3", &["app.db", sql]);
    sql(&m, "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB);");
    for round in 0..5 {
        sql(
            &m,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) \
             INSERT INTO t(v) SELECT randomblob(200+i%300) FROM n; \
             UPDATE t SET v=randomblob(100) WHERE id%7=0; DELETE FROM t WHERE id%11=3;",
        );
        assert_eq!(sql(&m, "PRAGMA integrity_check;").trim(), "ok", "round {round}");
    }
    let sum = sql(&m, "PRAGMA wal_checkpoint(TRUNCATE); SELECT count(*), sum(length(v)) FROM t;");
    m.crash();
    assert_eq!(sql(&m, "PRAGMA integrity_check;").trim(), "ok", "after a crash");
    m.flush();
    let second = Machine::new(&bucket);
    assert_eq!(sql(&second, "PRAGMA integrity_check;").trim(), "ok", "elsewhere");
    let there = sql(&second, "SELECT count(*), sum(length(v)) FROM t;");
    assert_eq!(there.trim(), sum.lines().last().unwrap_or_default());
}

/// A tree with what tar and rsync look at: modes, times, links, empty folders, empty files.
fn make_tree(dir: &Path) {
    let (_, mut rng) = data::rng("make_tree");
    for i in 0..40 {
        let sub = dir.join(format!("d{}/e{}", i % 5, i % 3));
        std::fs::create_dir_all(&sub).unwrap();
        let len = if i % 9 == 0 { 0 } else { 1 << (i % 20) };
        std::fs::write(sub.join(format!("file {i}")), data::bytes(&mut rng, len)).unwrap();
    }
    std::fs::create_dir(dir.join("empty")).unwrap();
    std::os::unix::fs::symlink("d1/e1", dir.join("link")).unwrap();
    run(
        dir,
        "sh",
        &["-c", "chmod 640 d0/e0/*; chmod 755 d1/e1/*; touch -d '2001-02-03 04:05:06.789012345' d2/e2/*"],
    );
}

#[test]
fn tar_and_compare() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let plain = tempfile::tempdir().unwrap();
    make_tree(plain.path());
    let tar = plain.path().with_extension("tar");
    let tar = tar.to_str().unwrap();
    run(plain.path(), "tar", &["cf", tar, "."]);
    run(&m.mnt(), "tar", &["xpf", tar]);
    run(&m.mnt(), "tar", &["df", tar]);
    m.flush();
    let second = Machine::new(&bucket);
    run(&second.mnt(), "tar", &["df", tar]);
    std::fs::remove_file(tar).unwrap();
}

#[test]
fn rsync_twice_changes_nothing() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let plain = tempfile::tempdir().unwrap();
    make_tree(plain.path());
    let (from, to) = (format!("{}/", plain.path().display()), format!("{}/copy/", m.mnt().display()));
    let rsync = |to: &str| run(plain.path(), "rsync", &["-a", "--itemize-changes", &from, to]);
    assert_ne!(rsync(&to), "");
    assert_eq!(rsync(&to), "", "the second time there is nothing to do");
    m.flush();
    let second = Machine::new(&bucket);
    let to = format!("{}/copy/", second.mnt().display());
    let changes =
        run(plain.path(), "rsync", &["-a", "--checksum", "--itemize-changes", "--dry-run", &from, &to]);
    assert_eq!(changes, "", "elsewhere it is the same, times and owners too");
}

#[test]
fn vim_saves_as_it_does() {
    let bucket = Bucket::new();
    let m = Machine::new(&bucket);
    let path = m.mnt().join("notes.txt");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    m.flush();
    for (backup, line) in [("yes", "three"), ("no", "four"), ("auto", "five")] {
        let set = format!("set backupcopy={backup} nobackup writebackup");
        let insert = format!("normal Go{line}");
        run(
            &m.mnt(),
            "vim",
            &["-u", "NONE", "-N", "-es", "-c", &set, "-c", &insert, "-c", "wq", "notes.txt"],
        );
    }
    let want = "one\ntwo\nthree\nfour\nfive\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
    m.flush();
    let second = Machine::new(&bucket);
    assert_eq!(std::fs::read_to_string(second.mnt().join("notes.txt")).unwrap(), want);
    assert_eq!(std::fs::read_dir(second.mnt()).unwrap().count(), 1, "no swap or backup files are left");
}
