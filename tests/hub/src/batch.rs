//! What a batch says: one JSON object a line, all additions and copies before all deletions. Pure.

use serde::Deserialize;

use crate::clock::Millis;

/// One line of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Operation {
    /// Puts a content that the CAS has at a path.
    AddFile {
        /// Where.
        path: String,
        /// The content.
        xet_hash: String,
        /// Milliseconds since 1970.
        mtime: Option<Millis>,
        /// Its type.
        content_type: Option<String>,
    },
    /// Puts a content of another bucket or repository at a path.
    CopyFile {
        /// Where.
        path: String,
        /// The content.
        xet_hash: String,
        /// Milliseconds since 1970.
        mtime: Option<Millis>,
        /// Its type.
        content_type: Option<String>,
        /// `bucket`, `model`, `dataset` or `space`.
        source_repo_type: String,
        /// `namespace/name`.
        source_repo_id: String,
    },
    /// Removes a path.
    DeleteFile {
        /// Which.
        path: String,
    },
}

impl Operation {
    /// The path that it is about.
    pub fn path(&self) -> &str {
        match self {
            Operation::AddFile { path, .. }
            | Operation::CopyFile { path, .. }
            | Operation::DeleteFile { path } => path,
        }
    }

    /// The content that it needs.
    pub fn hash(&self) -> Option<&str> {
        match self {
            Operation::AddFile { xet_hash, .. } | Operation::CopyFile { xet_hash, .. } => Some(xet_hash),
            Operation::DeleteFile { .. } => None,
        }
    }
}

/// Reads a batch.
///
/// # Errors
/// A line that is no operation, an addition after a deletion, or nothing at all: says which line.
pub fn parse(body: &[u8]) -> Result<Vec<Operation>, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("the batch is not UTF-8: {e}"))?;
    let mut operations = Vec::new();
    let mut deleting = false;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let operation: Operation = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", at + 1))?;
        match operation {
            Operation::DeleteFile { .. } => deleting = true,
            _ if deleting => return Err(format!("line {}: additions come before deletions", at + 1)),
            _ => {}
        }
        operations.push(operation);
    }
    if operations.is_empty() {
        return Err("the batch is empty".to_owned());
    }
    Ok(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_operation() {
        let body = concat!(
            r#"{"type":"addFile","path":"a","xetHash":"h","mtime":1700000000000,"contentType":"text/plain"}"#,
            "\n",
            r#"{"type":"copyFile","path":"b","xetHash":"h","mtime":1,"sourceRepoType":"bucket","sourceRepoId":"n/x"}"#,
            "\n",
            r#"{"type":"deleteFile","path":"c"}"#,
            "\n"
        );
        let operations = parse(body.as_bytes()).unwrap();
        let paths: Vec<&str> = operations.iter().map(Operation::path).collect();
        assert_eq!(paths, ["a", "b", "c"]);
        assert_eq!(operations[1].hash(), Some("h"));
        assert!(matches!(&operations[0], Operation::AddFile { mtime: Some(1_700_000_000_000), .. }));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        let delete = r#"{"type":"deleteFile","path":"c"}"#;
        let add = r#"{"type":"addFile","path":"a","xetHash":"h","mtime":1}"#;
        for (body, says) in [
            (String::new(), "empty"),
            (format!("{add}\nnonsense\n"), "line 2"),
            (format!("{delete}\n{add}\n"), "line 2: additions come before deletions"),
            ("{\"type\":\"addFile\",\"path\":\"a\"}\n".into(), "line 1"),
        ] {
            assert!(parse(body.as_bytes()).unwrap_err().contains(says), "{body}");
        }
    }
}
