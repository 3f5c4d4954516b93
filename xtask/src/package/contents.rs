//! What the Linux packages hold: one table for both formats.

/// The two formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Debian, Ubuntu and what comes of them.
    Deb,
    /// Fedora, openSUSE and what comes of them.
    Rpm,
}

/// Where a file of the package comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// A program that cargo has built, by its name.
    Program(&'static str),
    /// A file below `installers/linux`.
    Ours(&'static str),
    /// The same, with its words in `@…@` replaced.
    Filled(&'static str),
    /// A file of the repository.
    Tree(&'static str),
    /// What `lacuna` prints when it is run with these words.
    Printed(&'static [&'static str]),
    /// [`ICON`], so many pixels wide.
    Icon(u32),
    /// All manual pages that `lacuna man` writes, into a folder.
    Manual,
    /// The licences of what is linked in.
    Licences,
    /// A symbolic link to this.
    Link(&'static str),
}

/// One row.
pub struct Item {
    /// Where it is installed, without the leading slash. One that ends in `.gz` is compressed on the way.
    pub to: &'static str,
    /// What it is.
    pub from: From,
    /// Only in this format; none: in both.
    pub only: Option<Format>,
    /// Only if the desktop app is.
    pub app: bool,
}

const fn item(to: &'static str, from: From) -> Item {
    Item { to, from, only: None, app: false }
}

const fn app(to: &'static str, from: From) -> Item {
    Item { to, from, only: None, app: true }
}

const fn only(format: Format, to: &'static str, from: From) -> Item {
    Item { to, from, only: Some(format), app: false }
}

/// The command line, which is also the agent.
pub const PROGRAM: &str = "lacuna";
/// The app: tray and window.
pub const APP: &str = "lacuna-desktop";

/// The app's icon, which the command line's package has too.
pub const ICON: &str = "src-tauri/icons/svg/app.svg";

/// All of it.
pub const ITEMS: &[Item] = &[
    item("usr/bin/lacuna", From::Program(PROGRAM)),
    app("usr/bin/lacuna-desktop", From::Program(APP)),
    item("usr/lib/systemd/user/lacuna.service", From::Ours("lacuna.service")),
    // Enabled for everybody; the unit does nothing for those without drives.
    item("usr/lib/systemd/user/default.target.wants/lacuna.service", From::Link("../lacuna.service")),
    app("usr/share/applications/lacuna-desktop.desktop", From::Ours("lacuna-desktop.desktop")),
    // For ~/.config/autostart or /etc/xdg/autostart: who wants the tray icon at login puts it there.
    app("usr/share/lacuna/autostart/lacuna-desktop.desktop", From::Ours("autostart.desktop")),
    app("usr/share/metainfo/org.lacuna.Lacuna.metainfo.xml", From::Filled("org.lacuna.Lacuna.metainfo.xml")),
    item("usr/share/icons/hicolor/scalable/apps/lacuna.svg", From::Tree(ICON)),
    item("usr/share/icons/hicolor/16x16/apps/lacuna.png", From::Icon(16)),
    item("usr/share/icons/hicolor/22x22/apps/lacuna.png", From::Icon(22)),
    item("usr/share/icons/hicolor/24x24/apps/lacuna.png", From::Icon(24)),
    item("usr/share/icons/hicolor/32x32/apps/lacuna.png", From::Icon(32)),
    item("usr/share/icons/hicolor/48x48/apps/lacuna.png", From::Icon(48)),
    item("usr/share/icons/hicolor/64x64/apps/lacuna.png", From::Icon(64)),
    item("usr/share/icons/hicolor/128x128/apps/lacuna.png", From::Icon(128)),
    item("usr/share/icons/hicolor/256x256/apps/lacuna.png", From::Icon(256)),
    item("usr/share/icons/hicolor/512x512/apps/lacuna.png", From::Icon(512)),
    item(
        "usr/share/icons/hicolor/scalable/emblems/emblem-lacuna-synced.svg",
        From::Ours("icons/emblems/lacuna-synced.svg"),
    ),
    item(
        "usr/share/icons/hicolor/scalable/emblems/emblem-lacuna-modified.svg",
        From::Ours("icons/emblems/lacuna-modified.svg"),
    ),
    item(
        "usr/share/icons/hicolor/scalable/emblems/emblem-lacuna-uploading.svg",
        From::Ours("icons/emblems/lacuna-uploading.svg"),
    ),
    item(
        "usr/share/icons/hicolor/scalable/emblems/emblem-lacuna-online.svg",
        From::Ours("icons/emblems/lacuna-online.svg"),
    ),
    item(
        "usr/share/icons/hicolor/scalable/emblems/emblem-lacuna-pinned.svg",
        From::Ours("icons/emblems/lacuna-pinned.svg"),
    ),
    item("usr/share/nautilus-python/extensions/lacuna.py", From::Ours("nautilus/lacuna.py")),
    item("usr/share/bash-completion/completions/lacuna", From::Printed(&["completions", "bash"])),
    item("usr/share/fish/vendor_completions.d/lacuna.fish", From::Printed(&["completions", "fish"])),
    only(Format::Deb, "usr/share/zsh/vendor-completions/_lacuna", From::Printed(&["completions", "zsh"])),
    only(Format::Rpm, "usr/share/zsh/site-functions/_lacuna", From::Printed(&["completions", "zsh"])),
    item("usr/share/man/man1", From::Manual),
    app("usr/share/man/man1/lacuna-desktop.1.gz", From::Filled("lacuna-desktop.1")),
    item("usr/share/doc/lacuna/copyright", From::Ours("copyright")),
    item("usr/share/doc/lacuna/third-party-licences.gz", From::Licences),
    item("usr/share/doc/lacuna/changelog.gz", From::Filled("changelog")),
    only(Format::Rpm, "usr/share/licenses/lacuna/LICENSE", From::Tree("LICENSE")),
    only(Format::Deb, "usr/share/lintian/overrides/lacuna", From::Ours("deb/lintian-overrides")),
];

/// The rows of a format, with the app or without.
pub fn items(format: Format, with_app: bool) -> impl Iterator<Item = &'static Item> {
    ITEMS.iter().filter(move |i| i.only.is_none_or(|only| only == format) && (with_app || !i.app))
}

/// The mode of an installed file.
pub fn mode(from: From) -> u32 {
    match from {
        From::Program(_) => 0o755,
        _ => 0o644,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_place_is_named_twice_in_one_format() {
        for format in [Format::Deb, Format::Rpm] {
            let mut seen = BTreeSet::new();
            for i in items(format, true) {
                assert!(seen.insert(i.to), "{} twice in {format:?}", i.to);
                assert!(i.to.starts_with("usr/") && !i.to.ends_with('/'), "{}", i.to);
            }
        }
    }

    #[test]
    fn without_the_app_nothing_of_it_is_left() {
        for i in items(Format::Deb, false) {
            assert!(!i.to.contains("desktop"), "{}", i.to);
        }
        assert!(items(Format::Deb, true).any(|i| i.to == "usr/bin/lacuna-desktop"));
        assert!(items(Format::Rpm, true).all(|i| !i.to.contains("lintian")));
    }

    #[test]
    fn files_of_ours_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for i in ITEMS {
            let file = match i.from {
                From::Ours(name) | From::Filled(name) => root.join("installers/linux").join(name),
                From::Tree(name) => root.join(name),
                _ => continue,
            };
            assert!(file.is_file(), "{} is not there", file.display());
        }
    }
}
