//! Which changes of a batch hold, decided purely: a function of the batch and of the tree as the newest
//! commit has it. The caller commits what holds, or, if another writer was faster, decides again.
//!
//! A change holds if the node is at the version that the change expects, and if the tree after all
//! changes that hold is a tree: parents are there and are folders, no two nodes have one name in one
//! folder, nothing is inside itself, and what was removed was empty. So a change may stand on others of
//! its batch, and falls with them.

use std::collections::{HashMap, HashSet};

use super::format::{Node, NodeBody};
use crate::{
    error::Result,
    node::{Name, NodeId},
    remote::{RemoteNode, Version},
};

/// The tree that a batch is to change.
pub trait Tree {
    /// The node, if there is one.
    fn node(&self, id: NodeId) -> Result<Option<RemoteNode>>;
    /// What has this name in this folder.
    fn child(&self, parent: NodeId, name: &Name) -> Result<Option<NodeId>>;
    /// At most `limit` children of a folder.
    fn some_children(&self, dir: NodeId, limit: usize) -> Result<Vec<NodeId>>;
}

/// A change as far as it matters here.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The node.
    pub id: NodeId,
    /// At which version it must be; `None`: it must not exist.
    pub expect: Option<Version>,
    /// What it shall be; `None`: gone.
    pub put: Option<Node>,
    /// Its content could not be uploaded: it does not hold.
    pub failed: bool,
}

/// What is to become of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes into the commit.
    Holds,
    /// The tree is so already, since this version.
    Already(Version),
    /// The node, its name or its folder is not as expected.
    Conflict,
    /// It makes no sense in any tree.
    Senseless(&'static str),
    /// It would hold but for one whose upload failed (or it is that one).
    Waits,
}

/// Decides: one verdict for each wish, in order.
pub fn decide(batch: &[Wish], tree: &dyn Tree) -> Result<Vec<Verdict>> {
    let verdicts = settle(batch, tree, false)?;
    if !batch.iter().any(|w| w.failed) {
        return Ok(verdicts);
    }
    // Who would hold if the uploads had not failed only has to wait.
    let hopeful = settle(batch, tree, true)?;
    let with_hope = |(v, h): (Verdict, Verdict)| match (v, h) {
        (Verdict::Conflict | Verdict::Waits, Verdict::Holds | Verdict::Already(_)) => Verdict::Waits,
        (Verdict::Waits, h) => h,
        (v, _) => v,
    };
    Ok(verdicts.into_iter().zip(hopeful).map(with_hope).collect())
}

fn settle(batch: &[Wish], tree: &dyn Tree, ignore_failures: bool) -> Result<Vec<Verdict>> {
    let mut now = Vec::with_capacity(batch.len());
    for wish in batch {
        now.push(tree.node(wish.id)?);
    }
    let mut seen = HashSet::new();
    let mut verdicts: Vec<Verdict> = batch
        .iter()
        .zip(&now)
        .map(|(wish, node)| {
            if !seen.insert(wish.id) {
                Verdict::Senseless("a batch may change a node only once")
            } else if wish.failed && !ignore_failures {
                Verdict::Waits
            } else {
                alone(wish, node.as_ref())
            }
        })
        .collect();
    // Taking one away may fell others, never raise any, so this ends.
    loop {
        let after = After::new(batch, &verdicts, tree);
        let holds: Vec<usize> = (0..batch.len()).filter(|&i| verdicts[i] == Verdict::Holds).collect();
        let mut fallen = Vec::new();
        for &i in &holds {
            if !after.stands(i, now[i].as_ref())? {
                fallen.push(i);
            }
        }
        if fallen.is_empty() {
            // Of a circle of folders it is enough to take one away.
            for &i in holds.iter().rev() {
                if !after.is_rooted(i)? {
                    fallen.push(i);
                    break;
                }
            }
        }
        if fallen.is_empty() {
            return Ok(verdicts);
        }
        for i in fallen {
            verdicts[i] = Verdict::Conflict;
        }
    }
}

/// What the node itself has to say.
fn alone(wish: &Wish, now: Option<&RemoteNode>) -> Verdict {
    let root = wish.id == NodeId::ROOT;
    match &wish.put {
        None if root => return Verdict::Senseless("the root can't be removed"),
        Some(_) if wish.id.0 == 0 => return Verdict::Senseless("0 is the number of no node"),
        Some(new) if root && (new.parent != NodeId::ROOT || !matches!(new.body, NodeBody::Dir {})) => {
            return Verdict::Senseless("the root is a folder and stays where it is");
        }
        _ => {}
    }
    match (now, &wish.put) {
        // What a lost answer leaves behind: our change, committed. (Or somebody made the very same one.)
        (Some(now), Some(new)) if same(now, new) => Verdict::Already(now.version),
        (None, None) => Verdict::Already(Version(0)),
        (Some(now), _) if wish.expect != Some(now.version) => Verdict::Conflict,
        (None, Some(_)) if wish.expect.is_some() => Verdict::Conflict,
        (Some(now), Some(new)) if kind(&now_body(now)) != kind(&new.body) => {
            Verdict::Senseless("a node can't become another kind of node")
        }
        _ => Verdict::Holds,
    }
}

fn now_body(now: &RemoteNode) -> NodeBody {
    Node::new(now.id, now.parent, now.name.clone(), now.meta, &now.body, None).body
}

fn same(now: &RemoteNode, new: &Node) -> bool {
    let as_now = new.at(now.version);
    // The root's name is nobody's business.
    as_now
        == RemoteNode {
            name: if now.id == NodeId::ROOT { as_now.name.clone() } else { now.name.clone() },
            ..now.clone()
        }
}

fn kind(body: &NodeBody) -> u8 {
    match body {
        NodeBody::Dir {} => 0,
        NodeBody::File { .. } => 1,
        NodeBody::Symlink { .. } => 2,
    }
}

/// The tree after the wishes that hold.
struct After<'a> {
    batch: &'a [Wish],
    tree: &'a dyn Tree,
    /// What the nodes that are changed become; `None`: gone.
    changed: HashMap<NodeId, Option<&'a Node>>,
    /// Who is put where: the first that holds.
    places: HashMap<(NodeId, &'a Name), usize>,
    /// Folders that something is put into.
    filled: HashSet<NodeId>,
    /// Every place that any wish wants, whether it holds or not.
    wanted: HashSet<(NodeId, &'a Name)>,
}

impl<'a> After<'a> {
    fn new(batch: &'a [Wish], verdicts: &[Verdict], tree: &'a dyn Tree) -> Self {
        let mut after = After {
            batch,
            tree,
            changed: HashMap::new(),
            places: HashMap::new(),
            filled: HashSet::new(),
            wanted: HashSet::new(),
        };
        for (i, wish) in batch.iter().enumerate() {
            if let Some(new) = &wish.put
                && wish.id != NodeId::ROOT
            {
                after.wanted.insert((new.parent, &new.name));
            }
            if verdicts[i] != Verdict::Holds {
                continue;
            }
            after.changed.insert(wish.id, wish.put.as_ref());
            if let Some(new) = &wish.put
                && wish.id != NodeId::ROOT
            {
                after.places.entry((new.parent, &new.name)).or_insert(i);
                after.filled.insert(new.parent);
            }
        }
        after
    }

    fn stands(&self, i: usize, now: Option<&RemoteNode>) -> Result<bool> {
        let wish = &self.batch[i];
        match &wish.put {
            Some(_) if wish.id == NodeId::ROOT => Ok(true),
            Some(new) => Ok(self.is_folder(new.parent)? && self.place_is_free(i, new)?),
            None => match now {
                Some(now) => Ok(self.successor_holds(now) && self.is_empty_after(now)?),
                None => Ok(true),
            },
        }
    }

    fn is_folder(&self, id: NodeId) -> Result<bool> {
        match self.changed.get(&id) {
            Some(Some(new)) => Ok(matches!(new.body, NodeBody::Dir {})),
            Some(None) => Ok(false),
            None => Ok(matches!(self.tree.node(id)?, Some(n) if n.body == crate::remote::Body::Dir)),
        }
    }

    fn place_is_free(&self, i: usize, new: &Node) -> Result<bool> {
        if self.places.get(&(new.parent, &new.name)) != Some(&i) {
            return Ok(false);
        }
        // Who has the name now must be somewhere else afterwards; where, is checked there.
        Ok(match self.tree.child(new.parent, &new.name)? {
            Some(holder) => holder == self.batch[i].id || self.changed.contains_key(&holder),
            None => true,
        })
    }

    /// Whether the way up from a folder that is put ends at the root, and not in a circle.
    fn is_rooted(&self, i: usize) -> Result<bool> {
        let Some(Node { parent, body: NodeBody::Dir {}, .. }) = &self.batch[i].put else { return Ok(true) };
        let mut at = *parent;
        let mut passed = HashSet::from([self.batch[i].id]);
        while at != NodeId::ROOT {
            if !passed.insert(at) {
                return Ok(false);
            }
            at = match self.changed.get(&at) {
                Some(Some(node)) => node.parent,
                Some(None) => return Ok(false),
                None => match self.tree.node(at)? {
                    Some(node) => node.parent,
                    None => return Ok(false),
                },
            };
        }
        Ok(true)
    }

    /// A file that is removed because another of the batch takes its place stays if that one does not
    /// come: else a save by rename could lose both.
    fn successor_holds(&self, now: &RemoteNode) -> bool {
        let place = (now.parent, &now.name);
        !self.wanted.contains(&place) || self.places.contains_key(&place)
    }

    fn is_empty_after(&self, now: &RemoteNode) -> Result<bool> {
        if now.body != crate::remote::Body::Dir {
            return Ok(true);
        }
        if self.filled.contains(&now.id) {
            return Ok(false);
        }
        let children = self.tree.some_children(now.id, self.batch.len() + 1)?;
        Ok(children.iter().all(|child| match self.changed.get(child) {
            Some(Some(new)) => new.parent != now.id,
            Some(None) => true,
            None => false,
        }))
    }
}
