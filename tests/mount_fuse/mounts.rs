//! Mounting, unmounting, and what is left by a process that was killed.

use std::{
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use lacuna::{
    error::Kind,
    mount::{MountOptions, mount},
};

use crate::{Drive, again, eventually, options, role, runtime, support::testfs::TestFs};

const STALE: &str = "mounts::the_mount_of_a_killed_process_is_recovered";
const ORDINARY: &str = "mounts::an_ordinary_user_mounts_through_fusermount3";

/// `nobody` on every Linux.
const NOBODY: u32 = 65_534;

fn mounts(at: &Path) -> Vec<String> {
    let at = format!(" {} ", at.display());
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|l| l.contains(&at)).map(str::to_owned).collect()
}

#[test]
fn a_mount_is_named_after_its_drive() {
    let drive = Drive::new();
    let lines = mounts(&drive.at);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(" - fuse.lacuna lacuna:test "), "{}", lines[0]);
    assert!(lines[0].contains("default_permissions") && lines[0].contains("nosuid"), "{}", lines[0]);
}

#[test]
fn a_busy_drive_stays_and_the_error_names_who_uses_it() {
    let drive = Drive::new();
    let file = File::create(drive.path("open")).unwrap();
    let e = drive.mounted().unmount().unwrap_err();
    assert_eq!(e.kind(), Kind::Busy);
    assert!(e.cause().contains(&format!("process {}", std::process::id())), "{e}");
    assert!(e.remedy_text().is_some_and(|r| r.contains("close")), "{e}");
    assert!(drive.mounted().is_alive());
    fs::write(drive.path("more"), "works").unwrap();

    drop(file);
    drive.mounted().unmount().unwrap();
    assert!(!drive.mounted().is_alive());
    assert_eq!(mounts(&drive.at), Vec::<String>::new());
    drive.mounted().unmount().unwrap();
}

#[test]
fn a_detached_drive_serves_what_is_open_until_it_is_closed() {
    let drive = Drive::new();
    let mut file = File::create(drive.path("open")).unwrap();
    drive.mounted().detach().unwrap();
    assert!(!drive.mounted().is_alive());
    assert_eq!(fs::read_dir(&drive.at).unwrap().count(), 0, "the folder beneath shows");
    file.write_all(b"still").unwrap();
    assert_eq!(drive.fs.content("open"), b"still");
    drop(file);
    eventually("the handle is released", || drive.fs.leftovers().1 == 0);
}

#[test]
fn an_unmount_by_hand_is_noticed_and_later_ones_harm_nobody() {
    let drive = Drive::new();
    assert!(drive.mounted().is_alive());
    let by_hand = Command::new("fusermount3").arg("-u").arg(&drive.at).status().unwrap();
    assert!(by_hand.success());
    assert!(!drive.mounted().is_alive());

    // Another drive in the same place is not ours to unmount.
    let (other, rt) = (Arc::new(TestFs::default()), runtime());
    let second = mount(other, &drive.at, &options(), rt.handle().clone()).unwrap();
    drive.mounted().unmount().unwrap();
    drive.mounted().detach().unwrap();
    assert!(second.is_alive() && !drive.mounted().is_alive());
    second.unmount().unwrap();
}

#[test]
fn dropping_a_mount_takes_it_away() {
    let mut drive = Drive::new();
    drop(drive.mounted.take());
    assert_eq!(mounts(&drive.at), Vec::<String>::new());
}

#[test]
fn a_second_mount_in_the_same_place_is_refused_and_says_what_is_there() {
    let drive = Drive::new();
    let handle = drive.runtime.handle().clone();
    let e = mount(Arc::new(TestFs::default()), &drive.at, &options(), handle).map(drop).unwrap_err();
    assert_eq!(e.kind(), Kind::Busy);
    assert!(e.cause().contains("lacuna:test"), "{e}");
    assert!(drive.mounted().is_alive());
}

#[test]
fn a_read_only_drive_refuses_to_write() {
    let (fs, rt, dir) = (Arc::new(TestFs::default()), runtime(), tempfile::tempdir().unwrap());
    fs.change_behind("a", b"text");
    let options = MountOptions { read_only: true, ..options() };
    let mounted = mount(fs, dir.path(), &options, rt.handle().clone()).unwrap();
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"text");
    let e = File::create(dir.path().join("b")).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mounted.unmount().unwrap();
}

/// Mounts, says so, and goes on until it is killed.
fn mount_and_wait(at: &Path) -> ! {
    let rt = runtime();
    let fs = Arc::new(TestFs::default());
    let _mounted = mount(fs, at, &options(), rt.handle().clone()).unwrap();
    println!("\nmounted");
    loop {
        std::thread::park();
    }
}

fn wait_until_mounted(child: &mut Child) {
    let out = BufReader::new(child.stdout.take().unwrap());
    assert!(out.lines().any(|line| line.unwrap() == "mounted"), "it ended without mounting");
}

#[test]
fn the_mount_of_a_killed_process_is_recovered() {
    if let Some((_, at)) = role() {
        mount_and_wait(&at);
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    let mut child = again(STALE, "mount", &at).stdout(Stdio::piped()).spawn().unwrap();
    wait_until_mounted(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let e = fs::read_dir(&at).map(drop).unwrap_err();
    assert_eq!(e.raw_os_error(), Some(rustix::io::Errno::NOTCONN.raw_os_error()));

    let (fs, rt) = (Arc::new(TestFs::default()), runtime());
    let mounted = mount(fs, &at, &options(), rt.handle().clone()).unwrap();
    fs::write(at.join("a"), "works again").unwrap();
    assert_eq!(mounts(&at).len(), 1, "the dead one is gone");
    mounted.unmount().unwrap();
}

#[test]
fn an_ordinary_user_mounts_through_fusermount3() {
    match role() {
        Some((role, at)) if role == "stale" => mount_and_wait(&at),
        Some((role, at)) if role == "ordinary" => return as_ordinary_user(&at),
        Some((_, at)) => {
            let device = at.join("fuse");
            let quote = |path: &Path| format!("'{}'", path.display());
            let script = format!(
                "mount -t tmpfs tmpfs {0} && mknod -m 666 {1} c 10 229 && mount --bind {1} /dev/fuse",
                quote(&at),
                quote(&device)
            );
            assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        }
        // As root we become nobody, in a mount namespace of our own: only there is the device opened to all,
        // as udev has it on desktops and containers often have not.
        None if rustix::process::geteuid().is_root() => {
            let dir = tempfile::tempdir().unwrap();
            let inside = again(ORDINARY, "private", dir.path());
            let mut command = Command::new("unshare");
            command.arg("--mount").arg(inside.get_program()).args(inside.get_args());
            command.envs(inside.get_envs().filter_map(|(k, v)| Some((k, v?))));
            assert!(command.status().unwrap().success());
            return;
        }
        None => {}
    }
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap().join("drive");
    fs::create_dir(&at).unwrap();
    // A copy, because nobody may not look into the folder where we are built.
    let program = dir.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&at, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = |role| {
        let mut command = Command::new(&program);
        command.args(again(ORDINARY, role, &at).get_args()).current_dir(dir.path());
        command.env("LACUNA_TEST_ROLE", role).env("LACUNA_TEST_AT", &at);
        if root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let mut killed = run("stale").stdout(Stdio::piped()).spawn().unwrap();
    wait_until_mounted(&mut killed);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(mounts(&at).len(), 1, "a dead mount is left");
    assert!(run("ordinary").status().unwrap().success());
    assert_eq!(mounts(&at), Vec::<String>::new());
}

/// Over a dead mount of its own: mounts, works, is told who uses it, unmounts.
fn as_ordinary_user(at: &Path) {
    assert!(!rustix::process::geteuid().is_root());
    let (fs, rt) = (Arc::new(TestFs::default()), runtime());
    let mounted = mount(fs.clone(), at, &options(), rt.handle().clone()).unwrap();
    let lines = mounts(at);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(" - fuse.lacuna lacuna:test "), "{}", lines[0]);

    // The root of the file system in memory is root's; what is there is read.
    fs.change_behind("a", b"text");
    let file = File::open(at.join("a")).unwrap();
    assert_eq!(fs::read(at.join("a")).unwrap(), b"text");
    let e = mounted.unmount().unwrap_err();
    assert_eq!(e.kind(), Kind::Busy);
    assert!(e.cause().contains(&format!("process {}", std::process::id())), "{e}");
    drop(file);
    assert!(mounted.is_alive());
    mounted.unmount().unwrap();
    assert!(!mounted.is_alive());
}
