//! System packages: which are missing, and installing them where we know how (Debian, Ubuntu).

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::tools;

/// A package of Debian and Ubuntu that something needs.
pub struct Package {
    /// Its name there.
    pub name: &'static str,
    /// What for, to be read after "for".
    pub why: &'static str,
    /// Programs that make it unnecessary, all of them, however they came here. None: only the
    /// package will do.
    pub programs: &'static [&'static str],
}

/// Shorthand for the tables.
pub const fn package(name: &'static str, why: &'static str, programs: &'static [&'static str]) -> Package {
    Package { name, why, programs }
}

/// What building needs.
pub const BUILD: &[Package] =
    &[package("build-essential", "the C code in SQLite and cryptography", &["cc", "make"])];

/// What mounting needs on Linux.
pub const MOUNT: &[Package] = &[package("fuse3", "mounting (fusermount3)", &["fusermount3"])];

/// What the tests use.
pub const TESTS: &[Package] = &[
    package("git", "cloning onto the drive", &["git"]),
    package("sqlite3", "a database on the drive", &["sqlite3"]),
    package("rsync", "copying onto the drive twice", &["rsync"]),
    package("tar", "packing and unpacking on the drive", &["tar"]),
    package("vim", "an editor's way of saving", &["vim"]),
    package("diffutils", "comparing trees", &["diff", "cmp"]),
    package(
        "util-linux",
        "mounting, locking and separate worlds of mounts by command",
        &["mount", "flock", "unshare", "nsenter"],
    ),
    package("e2fsprogs", "a disk that loses its power", &["mkfs.ext4"]),
    package("procps", "looking for left-over processes", &["pgrep"]),
    package("acl", "telling which access lists are not supported", &["getfacl", "setfacl"]),
    package("attr", "telling which attributes are not supported", &["getfattr", "setfattr"]),
    package("passwd", "the user that pjdfstest acts as", &["useradd"]),
    package("dbus", "a session with a keychain", &["dbus-daemon", "dbus-send"]),
    package("gnome-keyring", "a desktop's keychain", &["gnome-keyring-daemon"]),
];

/// What programs of PyPI need.
pub const PYTHON: &[Package] =
    &[package("python3-venv", "zig, the C compiler for macOS, and the Hub's official client", &[])];
/// What making packages uses.
pub const PACKAGE: &[Package] = &[
    package("dpkg-dev", "the libraries that a program needs", &["dpkg-shlibdeps", "dpkg-deb"]),
    package("rpm", "building the RPM package", &["rpmbuild"]),
    package("librsvg2-bin", "icons of all sizes", &["rsvg-convert"]),
    package("binutils", "programs without what debuggers want", &["strip"]),
    package("git", "the time of the last commit", &["git"]),
];

/// What trying the packages uses.
pub const PACKAGE_TESTS: &[Package] = &[
    package("lintian", "Debian's rules for packages", &["lintian"]),
    package("appstream", "the rules for software centres", &["appstreamcli"]),
    package("desktop-file-utils", "the rules for desktop entries", &["desktop-file-validate"]),
    package("systemd", "the rules for units", &["systemd-analyze"]),
    package("debootstrap", "a fresh system to install in", &["debootstrap"]),
    package("nautilus", "the file manager that the extension is for", &["nautilus"]),
    package("python3-nautilus", "extensions of the file manager", &[]),
    package("xvfb", "a screen for the file manager", &["Xvfb"]),
    package("dbus", "a session for the file manager", &["dbus-run-session"]),
];

/// What building the window's page needs.
pub const PAGE: &[Package] = &[
    package("nodejs", "building the window's page", &["node"]),
    package("npm", "fetching what the page is built with", &["npm"]),
];

/// What the tests of the whole page need.
pub const BROWSER: &[Package] = &[package("chromium", "testing the page in a browser", &["chromium"])];

/// What building the desktop app needs on Linux.
pub const DESKTOP: &[Package] = &[
    package("pkg-config", "finding the libraries of the desktop app", &["pkg-config"]),
    package("libwebkit2gtk-4.1-dev", "the window", &[]),
    package("libayatana-appindicator3-dev", "the tray icon", &[]),
    package("librsvg2-dev", "icons", &[]),
    package("libxdo-dev", "keys in menus", &[]),
    package("libssl-dev", "the desktop app's libraries", &[]),
];

/// A desktop without a screen, for the tests of the desktop app.
pub const SESSION: &[Package] = &[
    package("xvfb", "a display", &["Xvfb"]),
    package("openbox", "a window manager", &["openbox"]),
    package("wmctrl", "closing windows", &["wmctrl"]),
    package("xdotool", "pressing keys", &["xdotool"]),
    package("imagemagick", "pictures of the display", &["import"]),
    package("dbus-daemon", "a session bus", &["dbus-daemon"]),
    package("python3-dbusmock", "a place for notifications", &[]),
    package("python3-gi", "a place for tray icons", &[]),
    package("webkit2gtk-driver", "acting in the window", &["WebKitWebDriver"]),
    package("fonts-dejavu-core", "letters in pictures", &[]),
];

/// What `cargo xtask cross` uses, besides a compiler with the other systems' standard libraries.
pub const CROSS: &[Package] = &[
    package("gcc-mingw-w64-x86-64", "C code and linking for Windows", &["x86_64-w64-mingw32-gcc"]),
    package("nasm", "assembly for Windows", &["nasm"]),
    package("wine", "running Windows programs", &["wine"]),
    package("wine64", "running 64-bit Windows programs", &[]),
];

/// Debian's newest Rust: its sources of the standard library are built for the other systems.
pub const DEBIAN_RUST: &[Package] = &[
    package("cargo-web", "building for other systems", &[]),
    package("rustc-web", "building for other systems", &[]),
    package("rust-web-src", "the standard library for other systems", &[]),
];

/// Sees to it that all of `lists` are there, saying what it installs and why.
pub fn ensure(lists: &[&'static [Package]]) -> Result<()> {
    let wanted: Vec<&Package> = lists.iter().flat_map(|list| list.iter()).collect();
    let debian = is_debian();
    let installed = if debian { installed(&wanted)? } else { Vec::new() };
    let missing = missing(&wanted, &installed, tools::on_path, debian);
    if missing.is_empty() {
        return Ok(());
    }
    println!("Missing on this machine:");
    for p in &missing {
        println!("    {:<22} for {}", p.name, p.why);
    }
    if !debian {
        bail!(
            "install what the list above names (as Debian calls it) with this system's package manager, \
             then run this again; only Debian and Ubuntu are known here well enough to do it for you"
        );
    }
    if !tools::is_root() && !tools::on_path("sudo") {
        let names = missing.iter().map(|p| p.name).collect::<Vec<_>>().join(" ");
        bail!("this takes root's rights and there is no sudo; as root: apt-get install {names}");
    }
    update_if_never()?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(missing.iter().map(|p| p.name));
    if tools::succeeds(&mut apt(&install))? {
        return Ok(());
    }
    // Lists that are there may be too old to fetch anything by.
    tools::run(&mut apt(&["update"]))?;
    tools::run(&mut apt(&install))
}

/// Whether apt could install a package, or has.
pub fn known(name: &str) -> Result<bool> {
    if !is_debian() {
        return Ok(false);
    }
    let show =
        || tools::capture(Command::new("apt-cache").args(["show", name])).is_ok_and(|text| !text.is_empty());
    if show() {
        return Ok(true);
    }
    update_if_never()?;
    Ok(show())
}

/// Fetches apt's lists if there are none.
fn update_if_never() -> Result<()> {
    if lists_are_empty(Path::new("/var/lib/apt/lists")) {
        tools::run(&mut apt(&["update"]))?;
    }
    Ok(())
}

fn apt(words: &[&str]) -> Command {
    let mut command = tools::as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]).args(words);
    command
}

fn is_debian() -> bool {
    tools::on_path("apt-get") && tools::on_path("dpkg-query")
}

/// Which of `wanted` dpkg has. It answers failure as soon as it knows nothing of one of them.
fn installed(wanted: &[&Package]) -> Result<Vec<String>> {
    let out = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status} ${Package}\\n"])
        .args(wanted.iter().map(|p| p.name))
        .output()?;
    Ok(parse_dpkg(&String::from_utf8_lossy(&out.stdout)))
}

/// The installed packages in lines of `STATUS NAME`.
fn parse_dpkg(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("installed ")).map(|n| n.trim().to_owned()).collect()
}

/// Which of `wanted` have to be installed. Where packages can't be asked for (`!debian`), those
/// without programs are taken to be missing.
fn missing<'a>(
    wanted: &[&'a Package],
    installed: &[String],
    on_path: impl Fn(&str) -> bool,
    debian: bool,
) -> Vec<&'a Package> {
    let there = |p: &Package| {
        let by_program = !p.programs.is_empty() && p.programs.iter().all(|program| on_path(program));
        by_program || (debian && installed.iter().any(|name| name == p.name))
    };
    wanted.iter().copied().filter(|p| !there(p)).collect()
}

/// Whether `apt-get update` has never been run, or its result thrown away (as in most images).
fn lists_are_empty(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return true };
    !entries.flatten().any(|e| e.file_name().to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Package = package("a", "x", &[]);
    const B: Package = package("b", "x", &["b1", "b2"]);

    fn names(installed: &[&str], path: &[&str], debian: bool) -> Vec<&'static str> {
        let installed: Vec<String> = installed.iter().map(|n| (*n).to_owned()).collect();
        missing(&[&A, &B], &installed, |p| path.contains(&p), debian).iter().map(|p| p.name).collect()
    }

    #[test]
    fn only_what_dpkg_calls_installed_is_there() {
        let text = "installed fuse3\nnot-installed rsync\nconfig-files git\ninstalled tar\n";
        assert_eq!(parse_dpkg(text), ["fuse3", "tar"]);
        assert!(parse_dpkg("").is_empty());
    }

    #[test]
    fn a_program_makes_its_package_unnecessary() {
        assert_eq!(names(&[], &[], true), ["a", "b"]);
        assert_eq!(names(&["a", "b"], &[], true), [""; 0]);
        assert_eq!(names(&["a"], &["b1"], true), ["b"]);
        assert_eq!(names(&["a"], &["b1", "b2"], true), [""; 0]);
        assert_eq!(names(&["a", "b"], &["b1", "b2"], false), ["a"]);
    }

    #[test]
    fn empty_lists_are_recognised() {
        let dir = tempfile::tempdir().unwrap();
        assert!(lists_are_empty(&dir.path().join("none")));
        std::fs::create_dir(dir.path().join("partial")).unwrap();
        assert!(lists_are_empty(dir.path()));
        std::fs::write(dir.path().join("deb.debian.org_dists_bookworm_main_Packages.lz4"), "").unwrap();
        assert!(!lists_are_empty(dir.path()));
    }

    #[test]
    fn no_package_is_listed_twice() {
        let mut names: Vec<_> =
            [BUILD, MOUNT, TESTS, PYTHON, PAGE, BROWSER, DESKTOP, SESSION, CROSS, DEBIAN_RUST]
                .iter()
                .flat_map(|l| l.iter().map(|p| p.name))
                .collect();
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
    }
}
