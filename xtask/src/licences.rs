//! Whether every dependency's licence lets it be a part of a GPL-3.0-or-later program.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{
    tally::Tally,
    tools::{self, Tree},
};

/// Licences that may be combined into a program under GPL-3.0-or-later, by their SPDX ids. (CDLA is
/// that of a list of certificates, which is data.)
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "GPL-3.0",
    "GPL-3.0-or-later",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks all packages that any platform's build may take in.
pub fn check(tree: &Tree) -> Result<Tally> {
    let mut cargo = Command::new(tools::cargo());
    cargo.current_dir(&tree.root).args(["metadata", "--format-version=1"]);
    let json: serde_json::Value = serde_json::from_str(&tools::capture(&mut cargo)?)?;
    let packages = json["packages"].as_array().context("cargo metadata tells no packages")?;
    let bad: Vec<String> = packages
        .iter()
        .filter(|p| !compatible(p["license"].as_str().unwrap_or_default()))
        .map(|p| format!("licence of {} {}: {}", p["name"], p["version"], p["license"]))
        .collect();
    println!("    {} packages, {} with a licence that is not known to do", packages.len(), bad.len());
    let name = if bad.is_empty() { "licences".into() } else { bad.join("; ") };
    Ok(Tally::check(&name, bad.is_empty()))
}

/// Whether an SPDX expression (or the older form with a slash for OR) leaves a compatible choice.
fn compatible(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let ok = any(&mut words);
    ok && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut ok = all(words);
    while words.next_if_eq(&"OR").is_some() {
        ok |= all(words);
    }
    ok
}

fn all(words: &mut Words<'_>) -> bool {
    let mut ok = one(words);
    while words.next_if_eq(&"AND").is_some() {
        ok &= one(words);
    }
    ok
}

fn one(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => any(words) & words.next_if_eq(&")").is_some(),
        Some(id) => {
            // An exception only ever allows more.
            if words.next_if_eq(&"WITH").is_some() {
                words.next();
            }
            COMPATIBLE.contains(&id)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_compatible_licence_and_a_sum_all() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "GPL-2.0-only OR MIT",
            "Apache-2.0 WITH LLVM-exception",
            "ISC AND (Apache-2.0 OR ISC) AND BSD-3-Clause",
            "(MIT OR GPL-2.0-only) AND Unicode-3.0",
        ] {
            assert!(compatible(good), "{good}");
        }
        for bad in ["", "GPL-2.0-only", "MIT AND OpenSSL", "(OpenSSL OR SSPL-1.0) AND MIT", "(MIT", "MIT ISC"]
        {
            assert!(!compatible(bad), "{bad}");
        }
    }
}
