//! Signing in: a token is checked at once, kept for this user alone, and helps a drive that is mounted.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    kit,
    support::{LACUNA, Machine, wait_for},
};

/// Without `HF_TOKEN`, and without a desktop whose keychain could be asked.
fn nobody(hub: &lacuna_test_hub::Hub) -> Machine {
    Machine::unmounted("hf://buckets/ada/data")
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", "")
        .env("HF_HOME", "/nonexistent")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
}

#[test]
fn a_token_is_checked_kept_and_forgotten() {
    let hub = kit::hub();
    // Who is not signed in may read what is public, and is told that what is not there may be hidden.
    let m = Machine::unmounted("hf://buckets/ada/hidden")
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", "")
        .env("HF_HOME", "/nonexistent");
    let out = m.try_mount();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("lacuna login hf"));
    let m = nobody(&hub);

    let out = m.lacuna(&["login", "hf", "--token", "hf_wrong"]);
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("settings/tokens"));
    assert!(!m.home().join("tokens.json").exists());

    let said = m.ok(&["login", "hf", "--token", hub.token()]);
    assert!(said.contains("as ada") && said.contains("tokens.json"), "{said}");
    let mode = std::fs::metadata(m.home().join("tokens.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    m.mount();
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    m.flush();

    // Signed out, the drive says so; signed in again, it goes on.
    assert!(m.ok(&["logout", "hf"]).contains("Signed out"));
    assert!(m.ok(&["logout", "hf"]).contains("Nobody"));
    // The agent looks for the token every ten seconds.
    std::thread::sleep(std::time::Duration::from_secs(11));
    std::fs::write(m.mnt().join("later"), "x").unwrap();
    wait_for("the problem", || m.drive()["problems"].to_string().contains("lacuna login hf"));
    m.ok(&["login", "hf", "--token", hub.token()]);
    std::thread::sleep(std::time::Duration::from_secs(11));
    kit::flush_at_last(&m);
    assert!(hub.tree(kit::BUCKET).contains_key("later"));
    wait_for("the problem to be gone", || m.drive()["problems"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn without_a_terminal_the_token_comes_by_the_input_and_the_other_command_line_is_heard() {
    let hub = kit::hub();
    let m = nobody(&hub);
    let mut child = Command::new(LACUNA)
        .args(["login", "hf"])
        .env("LACUNA_HOME", m.home())
        .env("HF_ENDPOINT", hub.endpoint())
        .env("HF_TOKEN", "")
        .env("HF_HOME", "/nonexistent")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{}\n", hub.token()).as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("as ada"));

    let theirs = tempfile::tempdir().unwrap();
    std::fs::write(theirs.path().join("token"), hub.token()).unwrap();
    let m = nobody(&hub).env("HF_HOME", theirs.path().to_str().unwrap());
    m.mount();
    assert_eq!(kit::names(&m.mnt()), Vec::<String>::new());
}

/// A session bus with the keychain of a desktop, which is unlocked.
struct Keychain {
    bus: Child,
    keeper: Child,
    address: String,
}

impl Keychain {
    fn start(dir: &Path) -> Keychain {
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a session bus: cargo xtask test installs dbus-daemon");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let mut keeper = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .env("HOME", dir)
            .env("XDG_DATA_HOME", dir)
            .env("XDG_RUNTIME_DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a keychain: cargo xtask test installs gnome-keyring");
        keeper.stdin.take().unwrap().write_all(b"password").unwrap();
        let keychain = Keychain { bus, keeper, address };
        wait_for("the keychain", || {
            let mut ask = Command::new("dbus-send");
            ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
            ask.args(["org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.secrets"]);
            let asked = ask.env("DBUS_SESSION_BUS_ADDRESS", &keychain.address).output();
            asked.expect("dbus-send runs").status.success()
        });
        keychain
    }
}

impl Drop for Keychain {
    fn drop(&mut self) {
        for child in [&mut self.keeper, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_token_is_kept_in_the_desktops_keychain() {
    let dir = tempfile::tempdir().unwrap();
    let keychain = Keychain::start(dir.path());
    let hub = kit::hub();
    let m = nobody(&hub).env("DBUS_SESSION_BUS_ADDRESS", &keychain.address);
    let said = m.ok(&["login", "hf", "--token", hub.token()]);
    assert!(said.contains("as ada") && said.contains("keychain"), "{said}");
    assert!(!m.home().join("tokens.json").exists());
    m.mount();
    std::fs::write(m.mnt().join("file"), "content").unwrap();
    m.flush();
    assert_eq!(hub.read_file(kit::BUCKET, "file").unwrap(), b"content");
    assert!(m.ok(&["logout", "hf"]).contains("Signed out"));
    assert!(m.ok(&["logout", "hf"]).contains("Nobody"));
}
