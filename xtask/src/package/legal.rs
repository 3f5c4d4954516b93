//! What the licences of linked libraries ask for: each named, with its text.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::contents;
use crate::tools::{self, Tree};

/// A library.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Library {
    name: String,
    version: String,
    licence: String,
    authors: String,
    source: String,
    /// The texts that come with it.
    texts: Vec<String>,
}

const HEAD: &str = "\
Lacuna is free software under the GNU General Public License, version 3 or later.
Its programs contain the Rust standard library (MIT OR Apache-2.0, the Rust project's
contributors), SQLite (in the public domain), and the libraries below.
";

/// The text of the package's file about them: what this machine's build links in.
pub fn text(tree: &Tree, with_app: bool) -> Result<String> {
    let host = tools::capture(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc tells no host")?.to_owned();
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root).args(["metadata", "--format-version=1", "--filter-platform", &host]);
    let json: Value = serde_json::from_str(&tools::capture(&mut cargo)?)?;
    let roots: &[&str] = if with_app { &[contents::PROGRAM, contents::APP] } else { &[contents::PROGRAM] };
    let linked = linked(&json, roots)?;
    let mut libraries = BTreeSet::new();
    for package in json["packages"].as_array().context("cargo metadata tells no packages")? {
        let id = package["id"].as_str().unwrap_or_default();
        // Those without a source are this workspace's own.
        if linked.contains(id) && !package["source"].is_null() {
            libraries.insert(library(package)?);
        }
    }
    if with_app {
        libraries.extend(of_the_page(&tree.root.join("ui"))?);
    }
    Ok(render(&libraries))
}

/// The ids of all packages that end up in what `roots` build, by the ordinary dependencies.
fn linked(json: &Value, roots: &[&str]) -> Result<BTreeSet<String>> {
    let nodes = json["resolve"]["nodes"].as_array().context("cargo metadata tells no dependencies")?;
    let by_id: BTreeMap<&str, &Value> = nodes.iter().filter_map(|n| Some((n["id"].as_str()?, n))).collect();
    let empty = Vec::new();
    let packages = json["packages"].as_array().unwrap_or(&empty);
    let is_root = |p: &&Value| p["source"].is_null() && roots.iter().any(|r| p["name"] == *r);
    let mut waiting: Vec<&str> = packages.iter().filter(is_root).filter_map(|p| p["id"].as_str()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !found.insert(id.to_owned()) {
            continue;
        }
        let dependencies = by_id.get(id).and_then(|n| n["deps"].as_array()).unwrap_or(&empty);
        for dependency in dependencies {
            let kinds = dependency["dep_kinds"].as_array().unwrap_or(&empty);
            if kinds.iter().any(|k| k["kind"].is_null()) {
                waiting.extend(dependency["pkg"].as_str());
            }
        }
    }
    Ok(found)
}

fn library(package: &Value) -> Result<Library> {
    let word = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let authors = package["authors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let manifest = word("manifest_path");
    let folder = Path::new(&manifest).parent().context("a package without a folder")?;
    Ok(Library {
        name: word("name"),
        version: word("version"),
        licence: word("license"),
        authors: authors.collect::<Vec<_>>().join(", "),
        source: word("repository"),
        texts: texts(folder)?,
    })
}

/// The libraries that the window's page is built with, from what npm has installed.
fn of_the_page(ui: &Path) -> Result<Vec<Library>> {
    let Ok(manifest) = fs::read(ui.join("package.json")) else { return Ok(Vec::new()) };
    let manifest: Value = serde_json::from_slice(&manifest).context("ui/package.json is not JSON")?;
    let mut names: BTreeSet<String> = BTreeSet::new();
    for list in ["dependencies", "devDependencies"] {
        names.extend(manifest[list].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    }
    // Of the tools only Svelte leaves code of its own in the page.
    names.retain(|name| name == "svelte" || manifest["dependencies"].get(name).is_some());
    let mut libraries = Vec::new();
    for name in names {
        let folder = ui.join("node_modules").join(&name);
        let file = folder.join("package.json");
        let text = fs::read(&file).with_context(|| format!("{name} is not installed: npm ci in ui/"))?;
        let json: Value = serde_json::from_slice(&text).with_context(|| format!("{name}: no JSON"))?;
        let word = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        libraries.push(Library {
            name: format!("{name} (npm)"),
            version: word("version"),
            licence: word("license"),
            authors: word("author"),
            source: json["repository"]["url"].as_str().or(json["repository"].as_str()).unwrap_or("").into(),
            texts: texts(&folder)?,
        });
    }
    Ok(libraries)
}

/// Whether a file of a library is about its licence.
fn is_legal(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let source = [".RS", ".JS", ".TS", ".C", ".H", ".PY"].iter().any(|end| name.ends_with(end));
    !source
        && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|start| name.starts_with(start))
}

fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_legal(&name) && entry.path().is_file() {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).replace('\r', "");
            found.insert(name, text.trim().to_owned());
        }
    }
    Ok(found.into_values().filter(|t| !t.is_empty()).collect())
}

/// Every library by name, then every text once, with those it is of.
fn render(libraries: &BTreeSet<Library>) -> String {
    let mut out = HEAD.to_owned();
    let mut of_text: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for l in libraries {
        let _ = write!(out, "\n{} {}\n    licence: {}\n", l.name, l.version, l.licence);
        for (what, text) in [("authors", &l.authors), ("source", &l.source)] {
            if !text.is_empty() {
                let _ = writeln!(out, "    {what}: {text}");
            }
        }
        for text in &l.texts {
            of_text.entry(text).or_default().push(format!("{} {}", l.name, l.version));
        }
    }
    for (text, of) in of_text {
        let _ = write!(out, "\n{}\nOf {}:\n\n{text}\n", "-".repeat(80), of.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(name: &str, texts: &[&str]) -> Library {
        Library {
            name: name.into(),
            version: "1.0".into(),
            licence: "MIT".into(),
            authors: String::new(),
            source: String::new(),
            texts: texts.iter().map(|t| (*t).to_owned()).collect(),
        }
    }

    #[test]
    fn a_text_that_several_share_is_there_once() {
        let text = render(&[made_of("a", &["T1", "T2"]), made_of("b", &["T1"])].into());
        assert_eq!(text.matches("T1").count(), 1, "{text}");
        assert!(text.contains("Of a 1.0, b 1.0:\n\nT1\n") && text.contains("Of a 1.0:\n\nT2\n"), "{text}");
        assert!(text.contains("\nb 1.0\n    licence: MIT\n"), "{text}");
    }

    #[test]
    fn only_what_is_linked_is_named() {
        let json = serde_json::json!({
            "packages": [
                {"id": "us", "name": "lacuna", "source": null},
                {"id": "lib", "name": "lib", "source": "registry"},
                {"id": "fake", "name": "lacuna", "source": "registry"},
            ],
            "resolve": {"nodes": [
                {"id": "us", "deps": [
                    {"pkg": "lib", "dep_kinds": [{"kind": "dev"}, {"kind": null}]},
                    {"pkg": "tests", "dep_kinds": [{"kind": "dev"}]},
                ]},
                {"id": "lib", "deps": [{"pkg": "below", "dep_kinds": [{"kind": null}]}]},
                {"id": "below", "deps": []},
                {"id": "tests", "deps": []},
                {"id": "fake", "deps": []},
            ]},
        });
        let found = linked(&json, &["lacuna"]).unwrap();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["below", "lib", "us"]);
    }

    #[test]
    fn licence_files_are_told_from_code() {
        for (name, legal) in [
            ("LICENSE-MIT", true),
            ("licence.txt", true),
            ("COPYING", true),
            ("NOTICE.md", true),
            ("license.rs", false),
            ("README.md", false),
        ] {
            assert_eq!(is_legal(name), legal, "{name}");
        }
    }
}
