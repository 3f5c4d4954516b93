//! Checks that the page is built, and makes Tauri's context from it.

use std::{path::Path, process::exit};

/// The commands that the page may call; `capabilities/main.json` lets the main window do so.
const COMMANDS: &[&str] = &[
    "ask",
    "default_places",
    "ensure_folder",
    "hello",
    "open_path",
    "pick_folder",
    "preferences",
    "reveal",
    "set_preferences",
];

fn main() {
    let page = Path::new("../ui/dist/index.html");
    println!("cargo::rerun-if-changed={}", page.display());
    if !page.is_file() {
        println!(
            "cargo::error=the page is not built: run `npm ci && npm run build` in ui/ first (`cargo xtask test --only ui` \
             and `cargo xtask run` do it themselves)"
        );
        exit(1);
    }
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(e) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error={e:#}");
        exit(1);
    }
}
