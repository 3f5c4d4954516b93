//! What is said when a drive can't be mounted.

use super::*;

fn options() -> MountOptions {
    MountOptions { name: "test".into(), read_only: false }
}

/// An ordinary user's machine in a folder: a device anyone may open, no helper, nothing mounted.
fn machine(dir: &Path) -> System {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    System {
        device: file("device", ""),
        conf: file("fuse.conf", "# user_allow_other\n"),
        mountinfo: file("mountinfo", ""),
        helpers: vec![],
        root: false,
    }
}

fn says(e: &Error, kind: Kind, cause: &str, remedy: &str) {
    assert_eq!(e.kind(), kind, "{e}");
    assert!(e.cause().contains(cause), "{e}");
    assert!(e.remedy_text().is_some_and(|r| r.contains(remedy)), "{e}");
}

#[test]
fn without_fuse_the_error_says_what_to_load_or_install() {
    let dir = tempfile::tempdir().unwrap();
    let system = System { device: dir.path().join("no"), ..machine(dir.path()) };
    let e = system.plan(&options()).unwrap_err();
    says(&e, Kind::NotFound, "no FUSE", "modprobe fuse");
    says(&e, Kind::NotFound, "no FUSE", "apt install fuse3");
}

#[test]
fn an_ordinary_user_without_fusermount3_is_told_to_install_it() {
    let dir = tempfile::tempdir().unwrap();
    let e = machine(dir.path()).plan(&options()).unwrap_err();
    says(&e, Kind::NotFound, "fusermount3", "apt install fuse3");
}

#[test]
fn without_the_right_to_open_the_device_the_error_says_how_to_give_it() {
    let dir = tempfile::tempdir().unwrap();
    // A folder can't be opened for writing by anybody, root included.
    let system = System { device: dir.path().into(), root: true, ..machine(dir.path()) };
    says(&system.plan(&options()).unwrap_err(), Kind::Denied, "FUSE", "chmod 666 /dev/fuse");
}

#[test]
fn an_ordinary_user_mounts_by_the_first_helper_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let helpers = vec![dir.path().join("none"), "/bin/true".into()];
    let system = System { helpers, ..machine(dir.path()) };
    let plan = system.plan(&options()).unwrap();
    assert_eq!((plan.allow_other, plan.helper), (false, Some("/bin/true".into())));
}

#[test]
fn others_may_look_only_where_the_machine_allows_it() {
    assert!(!allows_others("# user_allow_other\n#user_allow_other\n"));
    assert!(allows_others("mount_max = 5\n user_allow_other \n"));
    let dir = tempfile::tempdir().unwrap();
    let system = System { root: true, ..machine(dir.path()) };
    assert!(system.plan(&options()).unwrap().allow_other);
}

#[test]
fn a_name_can_not_smuggle_options_in() {
    assert_eq!(source("my drive"), "lacuna:my drive");
    assert_eq!(source("a,allow_other\\\n"), "lacuna:a_allow_other__");
}

#[test]
fn each_bad_mount_point_is_named_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let mut system = machine(dir.path());

    let missing = dir.path().join("missing");
    let e = system.prepare(&missing).unwrap_err();
    says(&e, Kind::NotFound, "does not exist", "mkdir -p");
    assert_eq!(e.path(), missing.to_str());

    let e = system.prepare(&dir.path().join("device")).unwrap_err();
    says(&e, Kind::Invalid, "not a folder", "empty folder");
    says(&system.prepare(dir.path()).unwrap_err(), Kind::Invalid, "not empty", "empty folder");

    let at = dir.path().canonicalize().unwrap().join("at");
    fs::create_dir(&at).unwrap();
    assert_eq!(system.prepare(&at).unwrap(), at);

    let line = format!("7 1 0:9 / {} rw - ext4 /dev/sdb1 rw\n", at.display());
    system.mountinfo = dir.path().join("mounts");
    fs::write(&system.mountinfo, line).unwrap();
    says(&system.prepare(&at).unwrap_err(), Kind::Busy, "/dev/sdb1 (ext4)", "umount");
}

#[test]
fn links_on_the_way_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let system = machine(dir.path());
    let at = dir.path().canonicalize().unwrap().join("at");
    fs::create_dir(&at).unwrap();
    std::os::unix::fs::symlink(&at, dir.path().join("link")).unwrap();
    assert_eq!(system.prepare(&dir.path().join("link")).unwrap(), at);
}
