//! The RPM package: a spec that installs the staged root, and rpmbuild.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    facts::{Facts, MAINTAINER, SUMMARY},
    scripts, stage,
    stage::Staged,
};
use crate::tools::{self, Tree};

/// What it needs besides the libraries that its programs name, which rpmbuild finds.
const NEEDS: &[&str] = &["fuse3"];
/// What the app opens by name when it runs: the tray icon. By the library, since the package is called
/// differently on each system.
const NEEDS_APP: &[&str] = &["libayatana-appindicator3.so.1()(64bit)"];

/// Folders that every system has. All others are owned by this package too: the packages that they are of
/// (Nautilus, shells) may not be installed.
const COMMON: &[&str] = &[
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib/systemd",
    "usr/lib/systemd/user",
    "usr/share",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/man/man1",
];

/// Builds it from a staged root; answers the file.
pub fn build(
    tree: &Tree,
    facts: &Facts,
    root: &Path,
    staged: &[Staged],
    out: &Path,
    quick: bool,
) -> Result<PathBuf> {
    let top = root.with_extension("rpmbuild");
    stage::empty(&top)?;
    let spec = top.join("lacuna.spec");
    fs::write(&spec, spec_file(facts, staged, &scripts::rpm_preun(tree)?))
        .with_context(|| format!("can't write {}", spec.display()))?;
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild.env("SOURCE_DATE_EPOCH", facts.epoch.to_string());
    rpmbuild.args(["-bb", "--quiet"]);
    for (name, value) in [
        ("_topdir", top.to_string_lossy().into_owned()),
        ("_rpmdir", out.to_string_lossy().into_owned()),
        ("_rpmfilename", "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm".into()),
        ("lacuna_root", root.to_string_lossy().into_owned()),
        // The same tree gives the same bytes: no time and no name of the machine.
        ("use_source_date_epoch_as_buildtime", "1".into()),
        ("clamp_mtime_to_source_date_epoch", "1".into()),
        ("_buildhost", "reproducible".into()),
        // Everything is stripped and compressed already.
        ("__os_install_post", "%{nil}".into()),
        ("debug_package", "%{nil}".into()),
        ("_build_id_links", "none".into()),
        ("_binary_payload", if quick { "w0.gzdio" } else { "w6.xzdio" }.into()),
    ] {
        rpmbuild.arg("--define").arg(format!("{name} {value}"));
    }
    tools::capture(rpmbuild.arg(&spec))?;
    let arch = tools::capture(Command::new("rpm").args(["--eval", "%{_arch}"]))?;
    let file = out.join(format!("lacuna-{}-1.{}.rpm", facts.version, arch.trim()));
    fs::metadata(&file).with_context(|| format!("rpmbuild has not made {}", file.display()))?;
    Ok(file)
}

/// The text of the spec. `preun` runs before the last version is removed, and before each upgrade.
fn spec_file(facts: &Facts, staged: &[Staged], preun: &str) -> String {
    let mut text = format!(
        "Name: lacuna\nVersion: {}\nRelease: 1\nSummary: {SUMMARY}\nLicense: GPL-3.0-or-later\nPackager: {MAINTAINER}\n",
        facts.version
    );
    let app = if facts.app { NEEDS_APP } else { &[] };
    for need in NEEDS.iter().chain(app) {
        let _ = writeln!(text, "Requires: {need}");
    }
    text.push_str("Recommends: nautilus-python\n\n%description\n");
    text.push_str(&facts.description().join("\n\n"));
    text.push_str("\n\n%install\ncp -a %{lacuna_root}/. %{buildroot}/\n\n%preun\n");
    text.push_str(preun);
    text.push_str("\n%files\n%defattr(-,root,root,-)\n");
    let mut lines = BTreeSet::new();
    for s in staged {
        lines.insert(file_line(&s.path));
        let folders = Path::new(&s.path).ancestors().skip(1).filter_map(Path::to_str);
        lines.extend(folders.filter(|f| !f.is_empty() && !COMMON.contains(f)).map(|f| format!("%dir /{f}")));
    }
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn file_line(path: &str) -> String {
    let mark = match path {
        p if p.starts_with("usr/share/licenses/") => "%license ",
        p if p.starts_with("usr/share/doc/") => "%doc ",
        _ => "",
    };
    format!("{mark}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_lists_every_file_and_the_folders_of_our_own() {
        let staged = |path: &str| Staged { path: path.into(), mode: Some(0o644) };
        let files = [
            staged("usr/bin/lacuna"),
            staged("usr/share/doc/lacuna/copyright"),
            staged("usr/share/licenses/lacuna/L"),
        ];
        let facts = Facts { version: "0.1.0".into(), epoch: 0, app: true };
        let text = spec_file(&facts, &files, "true\n");
        let (_, list) = text.split_once("%files\n").unwrap();
        assert_eq!(
            list,
            "%defattr(-,root,root,-)\n%dir /usr/share/doc/lacuna\n%dir /usr/share/licenses\n\
             %dir /usr/share/licenses/lacuna\n\
             %doc /usr/share/doc/lacuna/copyright\n%license /usr/share/licenses/lacuna/L\n/usr/bin/lacuna\n"
        );
        assert!(
            text.contains("Requires: fuse3\nRequires: libayatana-appindicator3.so.1()(64bit)\n"),
            "{text}"
        );
        assert!(text.contains("\n%preun\ntrue\n"), "{text}");
    }
}
