//! What is written in a bucket's JSON objects, apart from the engine's own types: these may change,
//! the bucket's format may not.
//!
//! A sealed object (commit, list of a snapshot) is two lines: a JSON object, and
//! `{"hash":"…"}` with xet's data hash (BLAKE3, keyed) of the first line's bytes. Every format, this and
//! those to come, has the seal and a number `format` in the first line.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use xet_core_structures::merklehash::{MerkleHash, compute_data_hash};

use crate::{
    error::{Error, Kind, Result},
    node::{Content, ContentId, Meta, Name, NodeId, Time},
    remote::{Body, RemoteNode, Version},
};

/// The newest format that this program reads. It writes the oldest one that can say what is to be said,
/// so that a bucket stays readable for older programs until it holds what they don't know.
pub const FORMAT: u32 = 1;

/// `lacuna.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketInfo {
    /// What a program must know to read or write anything here.
    pub format: u32,
    /// Random, 32 hexadecimal digits.
    pub uuid: String,
    /// When it was made.
    pub created: Time,
    /// Who made it, user and group: owns the root folder until a commit says otherwise.
    pub owner: (u32, u32),
}

/// A commit: changes that happened in one step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// What a program must know to read this commit.
    pub format: u32,
    /// From 1, without gaps.
    pub number: u64,
    /// Random, 32 hexadecimal digits: by it a writer knows its own commit when an answer was lost.
    pub id: String,
    /// The id of the commit before; of the first one the bucket's.
    pub previous: String,
    /// By the writer's clock; for people.
    pub time: Time,
    /// All changes, each node at most once. They have no order.
    pub changes: Vec<Entry>,
    /// Where the contents are that this commit is the first to name.
    pub contents: Vec<Located>,
}

/// One change of a commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// The node is now this; its version is the commit's number.
    Put(Node),
    /// The node is gone.
    Remove(#[serde(with = "hex_id")] NodeId),
}

impl Entry {
    /// Which node.
    pub fn id(&self) -> NodeId {
        match self {
            Entry::Put(node) => node.id,
            Entry::Remove(id) => *id,
        }
    }
}

/// A node. Extended attributes would be a further field of it, devices and sockets further bodies, hard
/// links further kinds of [`Entry`]: each under a higher format number, which an older program refuses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its number: 16 hexadecimal digits, for JSON's numbers are too small.
    #[serde(with = "hex_id")]
    pub id: NodeId,
    /// The folder it is in.
    #[serde(with = "hex_id")]
    pub parent: NodeId,
    /// Its name there.
    pub name: Name,
    /// The low 12 bits of a Unix mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When its content last changed, nanoseconds since 1970.
    pub mtime: Time,
    /// When it was made, nanoseconds since 1970.
    pub btime: Time,
    /// What it holds.
    pub body: NodeBody,
    /// Only in snapshots: its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What a node holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum NodeBody {
    /// A folder.
    Dir {},
    /// A file.
    File {
        /// Its content's Merkle hash, 64 hexadecimal digits; all zeros for the empty file.
        content: ContentId,
        /// Its length in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
}

impl Node {
    /// From the engine's type, with or without its version.
    pub fn new(
        id: NodeId,
        parent: NodeId,
        name: Name,
        meta: Meta,
        body: &Body,
        version: Option<u64>,
    ) -> Node {
        let body = match body {
            Body::Dir => NodeBody::Dir {},
            Body::File(c) => NodeBody::File { content: c.id, size: c.size },
            Body::Symlink(target) => NodeBody::Symlink { target: target.clone() },
        };
        let Meta { mode, uid, gid, mtime, btime } = meta;
        Node { id, parent, name, mode, uid, gid, mtime, btime, body, version }
    }

    /// As the engine's type, at this version.
    pub fn at(&self, version: Version) -> RemoteNode {
        let body = match &self.body {
            NodeBody::Dir {} => Body::Dir,
            NodeBody::File { content, size } => Body::File(Content { id: *content, size: *size }),
            NodeBody::Symlink { target } => Body::Symlink(target.clone()),
        };
        let meta =
            Meta { mode: self.mode, uid: self.uid, gid: self.gid, mtime: self.mtime, btime: self.btime };
        RemoteNode { id: self.id, parent: self.parent, name: self.name.clone(), version, meta, body }
    }
}

/// Where the file information of a content is: a few dozen bytes in a shard of any length.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Located {
    /// Which content.
    pub content: ContentId,
    /// Its length in bytes.
    pub size: u64,
    /// The shard: the data hash of its bytes, which is its name.
    #[serde(with = "hex_hash")]
    pub shard: MerkleHash,
    /// Where in it, in bytes.
    pub at: u64,
    /// How many bytes.
    pub len: u32,
    /// CRC-32 of those.
    pub crc: u32,
}

/// `snapshots/{number}.json`: the list of a snapshot's parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// What a program must know to read it.
    pub format: u32,
    /// The commit after which the tree is so.
    pub number: u64,
    /// That commit's id.
    pub id: String,
    /// How many nodes.
    pub nodes: u64,
    /// How many contents.
    pub contents: u64,
    /// The data hashes of the parts `snapshots/{number}-{part}`, in order.
    pub parts: Vec<String>,
}

/// One line of a snapshot's part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// A node with its version. In the order of their ids.
    Node(Node),
    /// A content. After all nodes, in the order of their ids.
    Content(Located),
}

#[derive(Serialize, Deserialize)]
struct Seal {
    hash: String,
}

/// 128 random bits, hexadecimal.
pub fn random_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    // Each `RandomState` has fresh random keys, from the operating system's source at first.
    let half = || RandomState::new().hash_one((std::process::id(), Time::now().0));
    format!("{:016x}{:016x}", half(), half())
}

/// Writes a sealed object.
pub fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let internal = |e: serde_json::Error| Error::new(Kind::Other, format!("can't be written as JSON: {e}"));
    let mut text = serde_json::to_vec(value).map_err(internal)?;
    let seal = Seal { hash: compute_data_hash(&text).hex() };
    text.push(b'\n');
    text.extend(serde_json::to_vec(&seal).map_err(internal)?);
    text.push(b'\n');
    Ok(text)
}

/// Reads a sealed object called `what` in errors.
///
/// # Errors
/// `Damaged` if the seal does not fit or the object makes no sense, `NewerFormat` if it is for a newer
/// Lacuna.
pub fn unseal<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let damaged = |why: &str| Error::new(Kind::Damaged, format!("{what} is damaged: {why}"));
    let end = bytes.iter().position(|&b| b == b'\n').ok_or_else(|| damaged("it has no seal"))?;
    let (text, seal) = (&bytes[..end], &bytes[end + 1..]);
    let seal: Seal = serde_json::from_slice(seal).map_err(|_| damaged("it has no seal"))?;
    if seal.hash != compute_data_hash(text).hex() {
        return Err(damaged("its checksum does not fit"));
    }
    check_format(text, what)?;
    serde_json::from_slice(text).map_err(|e| damaged(&e.to_string()))
}

/// `NewerFormat` if the JSON object `text` says that it is of a newer format than [`FORMAT`].
pub fn check_format(text: &[u8], what: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Peek {
        format: u32,
    }
    let peek: Peek = serde_json::from_slice(text)
        .map_err(|e| Error::new(Kind::Damaged, format!("{what} is damaged: {e}")))?;
    if peek.format > FORMAT {
        return Err(Error::new(
            Kind::NewerFormat,
            format!("{what} was written by a newer Lacuna (format {}, known is {FORMAT})", peek.format),
        )
        .remedy("update Lacuna"));
    }
    Ok(())
}

mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::node::NodeId;

    pub fn serialize<S: Serializer>(id: &NodeId, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:016x}", id.0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<NodeId, D::Error> {
        let text = String::deserialize(d)?;
        u64::from_str_radix(&text, 16)
            .map(NodeId)
            .map_err(|_| D::Error::custom(format!("{text:?} is not the number of a node")))
    }
}

mod hex_hash {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use xet_core_structures::merklehash::MerkleHash;

    pub fn serialize<S: Serializer>(hash: &MerkleHash, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hash.hex())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<MerkleHash, D::Error> {
        let text = String::deserialize(d)?;
        MerkleHash::from_hex(&text).map_err(|_| D::Error::custom(format!("{text:?} is not a hash")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> Commit {
        let meta = Meta { mode: 0o644, uid: 1, gid: 2, mtime: Time(-5), btime: Time(6) };
        let body = Body::File(Content { id: ContentId([7; 32]), size: 9 });
        let name = Name::new("ü\n\"").unwrap();
        Commit {
            format: FORMAT,
            number: 3,
            id: random_id(),
            previous: random_id(),
            time: Time(1),
            changes: vec![
                Entry::Put(Node::new(NodeId(u64::MAX), NodeId::ROOT, name, meta, &body, None)),
                Entry::Remove(NodeId(5)),
            ],
            contents: vec![Located {
                content: ContentId([7; 32]),
                size: 9,
                shard: MerkleHash::default(),
                at: 48,
                len: 96,
                crc: 1,
            }],
        }
    }

    #[test]
    fn a_commit_comes_back_as_it_was() {
        let c = commit();
        assert_eq!(unseal::<Commit>(&seal(&c).unwrap(), "c").unwrap(), c);
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let text = seal(&commit()).unwrap();
        for i in 0..text.len() - 1 {
            let mut bad = text.clone();
            bad[i] ^= 1;
            assert_eq!(unseal::<Commit>(&bad, "c").unwrap_err().kind(), Kind::Damaged, "byte {i}");
            assert_eq!(unseal::<Commit>(&text[..i], "c").unwrap_err().kind(), Kind::Damaged, "cut {i}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_and_newer_formats_named() {
        let mut json = serde_json::to_value(commit()).unwrap();
        json["xattrs"] = true.into();
        assert_eq!(unseal::<Commit>(&seal(&json).unwrap(), "c").unwrap_err().kind(), Kind::Damaged);
        json["format"] = (FORMAT + 1).into();
        let e = unseal::<Commit>(&seal(&json).unwrap(), "commit 3").unwrap_err();
        assert_eq!(e.kind(), Kind::NewerFormat);
        assert!(e.remedy_text().is_some());
    }

    #[test]
    fn random_ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| random_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
