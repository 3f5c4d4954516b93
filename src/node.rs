//! What a file, folder or link is, in words of no platform and no remote.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The drive's own number of a node: stable, persisted, never reused. The root is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Ino(pub u64);

impl Ino {
    /// The root folder of a drive.
    pub const ROOT: Ino = Ino(1);
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The remote's number of a node. The root is 1; others are random and never reused, so that two
/// machines can make nodes without asking each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root folder of a bucket.
    pub const ROOT: NodeId = NodeId(1);
}

/// One component of a path: UTF-8, 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a string is not a [`Name`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// Longer than 255 bytes.
    #[error("a name may have at most 255 bytes")]
    TooLong,
    /// Empty, `.`, `..`, or with a `/` or a NUL.
    #[error("a name may not be empty, '.' or '..', nor hold '/' or NUL")]
    Reserved,
    /// Not UTF-8.
    #[error("a name must be UTF-8")]
    NotUtf8,
}

impl Name {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, BadName> {
        let name = name.into();
        if name.len() > Self::MAX_BYTES {
            return Err(BadName::TooLong);
        }
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(BadName::Reserved);
        }
        Ok(Name(name))
    }

    /// Checks and takes a name from an operating system's bytes.
    pub fn from_bytes(name: &[u8]) -> Result<Self, BadName> {
        Self::new(std::str::from_utf8(name).map_err(|_| BadName::NotUtf8)?)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(name: String) -> Result<Self, BadName> {
        Name::new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, negative before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// The clock's time.
    pub fn now() -> Self {
        std::time::SystemTime::now().into()
    }
}

impl From<std::time::SystemTime> for Time {
    /// Clamps to what 64 bits of nanoseconds can say (the years 1678 to 2262). On Windows the system's
    /// own times are multiples of 100 ns.
    fn from(t: std::time::SystemTime) -> Self {
        let clamp = |d: std::time::Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        match t.duration_since(std::time::UNIX_EPOCH) {
            Ok(d) => Time(clamp(d)),
            Err(e) => Time(-clamp(e.duration())),
        }
    }
}

impl From<Time> for std::time::SystemTime {
    fn from(t: Time) -> Self {
        let d = std::time::Duration::from_nanos(t.0.unsigned_abs());
        if t.0 >= 0 { std::time::UNIX_EPOCH + d } else { std::time::UNIX_EPOCH - d }
    }
}

/// What kind of thing a node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A file with bytes.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
}

/// What travels of a node's attributes: the same on every machine that mounts the bucket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits, set-id bits and sticky bit: the low 12 bits of a Unix mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When the content last changed.
    pub mtime: Time,
    /// When the node was made.
    pub btime: Time,
}

/// Names a content: the Merkle hash that xet gives a file; all zeros for the empty file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContentId(pub [u8; 32]);

impl ContentId {
    /// The empty file.
    pub const EMPTY: ContentId = ContentId([0; 32]);

    /// The 64 hexadecimal digits in xet's own order (each 8 bytes as a little-endian number).
    pub fn hex(&self) -> String {
        self.merkle().hex()
    }

    /// As xet's type.
    pub fn merkle(&self) -> xet_core_structures::merklehash::MerkleHash {
        xet_core_structures::merklehash::MerkleHash::from(&self.0)
    }
}

impl From<xet_core_structures::merklehash::MerkleHash> for ContentId {
    fn from(h: xet_core_structures::merklehash::MerkleHash) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(h.as_bytes());
        ContentId(id)
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentId({})", &self.hex()[..12])
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl Serialize for ContentId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(d)?;
        xet_core_structures::merklehash::MerkleHash::from_hex(&hex)
            .map(ContentId::from)
            .map_err(|_| serde::de::Error::custom(format!("{hex:?} is not a content id")))
    }
}

/// A content and its length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Content {
    /// Which content.
    pub id: ContentId,
    /// Its length in bytes.
    pub size: u64,
}

impl Content {
    /// No bytes.
    pub const EMPTY: Content = Content { id: ContentId::EMPTY, size: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Name::new("a").is_ok());
        assert!(Name::new("ü".repeat(127)).is_ok());
        assert_eq!(Name::new("ü".repeat(128)), Err(BadName::TooLong));
        for bad in ["", ".", "..", "a/b", "a\0b"] {
            assert_eq!(Name::new(bad), Err(BadName::Reserved), "{bad:?}");
        }
        assert_eq!(Name::from_bytes(b"\xff"), Err(BadName::NotUtf8));
    }

    #[test]
    fn times_survive_the_system_clock() {
        // Multiples of 100: Windows' clock counts in 100 ns.
        for t in [0, 100, -100, 1_700_000_000_123_456_700, -1_000_000_100] {
            let sys: std::time::SystemTime = Time(t).into();
            assert_eq!(Time::from(sys), Time(t));
        }
    }
}
