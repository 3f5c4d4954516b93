//! Listings: which rows a folder has, in what order, and how they are cut into pages. Pure.

use std::collections::{BTreeMap, btree_map::Entry};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::clock::Millis;

/// What a listing says about one path. `F` is what is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row<F> {
    /// A file.
    File(F),
    /// A folder, which is there because a file is below it; with the time of its newest file.
    Folder(Millis),
}

/// The rows of `files` whose path starts with `prefix`, sorted by path.
///
/// The prefix is compared as text: `a/1` also finds `a/1.txt` and what is in `a/1b`. Of what lies deeper
/// than one level below it, only the folder is shown, unless `recursive`: then all folders and files.
/// `time` tells a file's time.
pub fn rows<'a, F>(
    files: &'a BTreeMap<String, F>,
    prefix: &str,
    recursive: bool,
    time: impl Fn(&F) -> Millis,
) -> BTreeMap<String, Row<&'a F>> {
    let mut rows = BTreeMap::new();
    for (path, file) in files.range(prefix.to_owned()..).take_while(|(path, _)| path.starts_with(prefix)) {
        let rest = &path[prefix.len()..];
        // Listing `a`, the slash of `a/b` belongs to the prefix; that of `ab/c` doesn't.
        let own =
            if prefix.is_empty() || prefix.ends_with('/') { 0 } else { usize::from(rest.starts_with('/')) };
        let below = prefix.len() + own;
        let folders = path[below..].match_indices('/').map(|(at, _)| &path[..below + at]);
        let depth = if recursive { usize::MAX } else { 1 };
        let mut deeper = false;
        for folder in folders.take(depth) {
            deeper = true;
            match rows.entry(folder.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(Row::Folder(time(file)));
                }
                Entry::Occupied(mut entry) => {
                    if let Row::Folder(newest) = entry.get_mut() {
                        *newest = (*newest).max(time(file));
                    }
                }
            }
        }
        if recursive || !deeper {
            rows.insert(path.clone(), Row::File(file));
        }
    }
    rows
}

/// A page of something sorted: what comes after `cursor`, at most `limit`, and the cursor of the next page
/// if there is more. A cursor names the last key of its page, so that changes between two pages neither
/// repeat nor skip what stays.
pub fn page<T>(
    rows: BTreeMap<String, T>,
    cursor: Option<&str>,
    limit: usize,
) -> (Vec<(String, T)>, Option<String>) {
    let mut rest = rows.into_iter().filter(|(path, _)| cursor.is_none_or(|after| path.as_str() > after));
    let page: Vec<(String, T)> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = if more { page.last().map(|(path, _)| path.clone()) } else { None };
    (page, next)
}

/// A cursor as it is handed out: opaque.
pub fn seal(cursor: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{cursor}"))
}

/// Reads a cursor that was handed out.
pub fn unseal(text: &str) -> Option<String> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    Some(plain.strip_prefix("after:")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(paths: &[&str], prefix: &str, recursive: bool) -> Vec<String> {
        let files = paths.iter().enumerate().map(|(at, path)| ((*path).to_owned(), at as Millis)).collect();
        let show = |(path, row): (String, Row<&Millis>)| match row {
            Row::File(_) => path,
            Row::Folder(newest) => format!("{path}/ {newest}"),
        };
        rows(&files, prefix, recursive, |at| *at).into_iter().map(show).collect()
    }

    #[test]
    fn a_level_shows_files_and_implied_folders() {
        let paths = ["a/b/c", "a/b/d/e", "a/f", "g"];
        let cases: [(&str, bool, &[&str]); 6] = [
            ("", false, &["a/ 2", "g"]),
            ("a", false, &["a/b/ 1", "a/f"]),
            ("a/b", false, &["a/b/c", "a/b/d/ 1"]),
            ("", true, &["a/ 2", "a/b/ 1", "a/b/c", "a/b/d/ 1", "a/b/d/e", "a/f", "g"]),
            ("a/b", true, &["a/b/c", "a/b/d/ 1", "a/b/d/e"]),
            ("nothing", false, &[]),
        ];
        for (prefix, recursive, expected) in cases {
            assert_eq!(listed(&paths, prefix, recursive), expected, "{prefix} {recursive}");
        }
    }

    #[test]
    fn a_prefix_is_compared_as_text() {
        let paths = ["a/1", "a/1#1", "a/1/x", "a/12/y/z", "b"];
        assert_eq!(listed(&paths, "a/1", false), ["a/1", "a/1#1", "a/1/x", "a/12/ 3"]);
        assert_eq!(listed(&paths, "a/1/", false), ["a/1/x"]);
        assert_eq!(listed(&["a", "a/b"], "", false), ["a"]);
    }

    #[test]
    fn pages_put_together_are_the_whole() {
        let all: BTreeMap<String, u32> = (0..10).map(|n| (format!("f{n}"), n)).collect();
        for limit in 1..12 {
            let (mut got, mut cursor) = (Vec::new(), None);
            loop {
                let (rows, next) = page(all.clone(), cursor.as_deref(), limit);
                assert!(rows.len() <= limit);
                got.extend(rows);
                let Some(next) = next else { break };
                cursor = unseal(&seal(&next));
                assert_eq!(cursor, Some(next));
            }
            assert_eq!(got, all.clone().into_iter().collect::<Vec<_>>());
        }
        assert_eq!(unseal("bm9uc2Vuc2U"), None);
    }
}
