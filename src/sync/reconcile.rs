//! What becomes of a node that changed at the remote. Pure: what both had agreed on, what is here and what
//! is there go in, a decision comes out.

use crate::{
    node::{Content, Meta},
    remote::Body,
};

/// What becomes of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bytes {
    /// The remote's is the one we know: nothing.
    Keep,
    /// Ours is unchanged: follow theirs.
    Theirs,
    /// Theirs is our own, committed before the answer was lost.
    Ours,
    /// Both changed: theirs gets the name, ours a copy beside it.
    Conflict,
}

/// Decides about content. `base`: what both had agreed on. `changed`: whether staged bytes differ from it.
/// `announced`: what our last upload was to become, if its outcome is not known.
pub fn bytes(base: Option<Content>, changed: bool, announced: Option<Content>, theirs: Content) -> Bytes {
    if announced == Some(theirs) {
        Bytes::Ours
    } else if base == Some(theirs) {
        Bytes::Keep
    } else if changed {
        Bytes::Conflict
    } else {
        Bytes::Theirs
    }
}

/// Merges attributes field by field: who alone changed one wins, and where both did, theirs. The time of
/// the last change goes with the content: `bytes_ours` says that ours differs still.
pub fn meta(base: &Meta, ours: &Meta, theirs: &Meta, bytes_ours: bool) -> Meta {
    fn pick<T: PartialEq + Copy>(base: T, ours: T, theirs: T) -> T {
        if theirs == base { ours } else { theirs }
    }
    Meta {
        mode: pick(base.mode, ours.mode, theirs.mode),
        uid: pick(base.uid, ours.uid, theirs.uid),
        gid: pick(base.gid, ours.gid, theirs.gid),
        mtime: if bytes_ours { ours.mtime } else { pick(base.mtime, ours.mtime, theirs.mtime) },
        btime: pick(base.btime, ours.btime, theirs.btime),
    }
}

/// Whether a node that was removed here comes back because it was changed there. Only new content does
/// that: a name or a mode is no work that would be lost.
pub fn comes_back(buried: &Body, theirs: &Body) -> bool {
    match (buried, theirs) {
        (Body::File(a), Body::File(b)) => a != b,
        (Body::Dir, Body::Dir) => false,
        (a, b) => a != b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{ContentId, Time};

    fn content(n: u8) -> Content {
        Content { id: ContentId([n; 32]), size: n.into() }
    }

    #[test]
    fn content_is_never_overwritten() {
        let (base, ours, theirs) = (content(1), content(2), content(3));
        let table = [
            (false, None, base, Bytes::Keep),
            (true, None, base, Bytes::Keep),
            (false, None, theirs, Bytes::Theirs),
            (true, None, theirs, Bytes::Conflict),
            (true, Some(ours), ours, Bytes::Ours),
            (true, Some(ours), theirs, Bytes::Conflict),
            (true, Some(ours), base, Bytes::Keep),
        ];
        for (changed, announced, theirs, want) in table {
            assert_eq!(
                bytes(Some(base), changed, announced, theirs),
                want,
                "{changed} {announced:?} {theirs:?}"
            );
        }
    }

    #[test]
    fn attributes_are_merged_by_field() {
        let m = |mode, uid, t| Meta { mode, uid, gid: 0, mtime: Time(t), btime: Time(0) };
        let base = m(0o644, 1, 10);
        assert_eq!(meta(&base, &m(0o600, 1, 10), &m(0o644, 2, 10), false), m(0o600, 2, 10));
        assert_eq!(meta(&base, &m(0o600, 1, 10), &m(0o755, 1, 20), false), m(0o755, 1, 20));
        assert_eq!(meta(&base, &m(0o644, 1, 30), &m(0o644, 1, 20), true).mtime, Time(30));
        assert_eq!(meta(&base, &m(0o644, 1, 30), &m(0o644, 1, 20), false).mtime, Time(20));
    }
}
