//! The files and folders of a drive as clients see them.

use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::node::{Kind, Time};

/// The answer to `info`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileInfo {
    /// From the drive's root.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// The content id of the version it is based on, 64 hexadecimal digits; none: never committed.
    pub base: Option<String>,
    /// Byte ranges that are on this machine.
    pub present: Vec<[u64; 2]>,
    /// Byte ranges that the remote has not committed.
    pub dirty: Vec<[u64; 2]>,
    /// `synced`, `modified`, `uploading` or `new`.
    pub state: String,
    /// What the last save cost, if this machine made it.
    pub receipt: Option<Receipt>,
    /// What it is.
    #[serde(default = "file")]
    pub kind: Kind,
    /// Whether it, or a folder above it, is kept on this machine.
    #[serde(default)]
    pub pinned: bool,
    /// Byte ranges of the generation that is being sent; part of `dirty`.
    #[serde(default)]
    pub sending: Vec<[u64; 2]>,
}

fn file() -> Kind {
    Kind::File
}

/// One node of a folder, as the file browser shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; of a folder 0.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Time,
    /// Bytes of it that are on this machine.
    pub present: u64,
    /// Bytes of it that the remote has not committed.
    pub dirty: u64,
    /// Whether it, or a folder above it, is kept on this machine.
    pub pinned: bool,
    /// As in [`FileInfo`]; of a folder `synced` or `modified`, by its own place and attributes.
    pub state: String,
}

/// Some of the nodes of a folder, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// In the order of their names (by bytes).
    pub entries: Vec<Entry>,
    /// There are more after the last one.
    pub more: bool,
}
