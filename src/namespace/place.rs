//! Places after a fold: the remote says where its nodes are, and whoever is in the way here steps aside.
//! No node is ever lost over a place.

use super::{
    Effect, Node,
    fold::{Fold, parked},
    local::{below, park, put},
    row::{self, judge, sql},
};
use crate::{
    node::{Ino, Kind, Name},
    remote::RemoteNode,
    sync::conflict::copy_name,
    vfs::Invalidate,
};

type Sql<T> = rusqlite::Result<T>;

impl Fold<'_> {
    /// Gives all nodes of [`Fold::places`] their places, as a set: first all leave, then all arrive.
    pub(super) fn place_all(&mut self) -> Sql<()> {
        let places = std::mem::take(&mut self.places);
        let mut old = Vec::with_capacity(places.len());
        for (ino, _) in &places {
            let Some(node) = row::get(self.tx, *ino)? else {
                old.push(None);
                continue;
            };
            if !parked(&node) {
                self.forget_entry(&node);
                park(self.tx, *ino)?;
            }
            old.push(Some(node));
        }
        for ((ino, n), old) in places.iter().zip(old) {
            match old {
                Some(old) => self.place(*ino, n, &old)?,
                None => continue,
            }
        }
        Ok(())
    }

    fn forget_entry(&mut self, node: &Node) {
        if let Some(parent) = node.parent {
            self.effects.push(Effect::Invalidate(Invalidate::Entry(parent, node.name.clone())));
        }
    }

    fn place(&mut self, ino: Ino, n: &RemoteNode, old: &Node) -> Sql<()> {
        let parent = match row::by_id(self.tx, n.parent)? {
            Some(parent) if parent.kind == Kind::Dir => parent.ino,
            // Moved to where nobody here has looked yet.
            _ => return self.out_of_sight(ino, old),
        };
        self.untangle(ino, parent)?;
        match row::child(self.tx, parent, &n.name)? {
            None => {}
            // Two folders of one name are one folder: ours takes on theirs, which has no children here yet.
            Some(mine)
                if mine.kind == Kind::Dir
                    && mine.synced.is_none()
                    && parked(old)
                    && old.kind == Kind::Dir =>
            {
                self.tx.prepare_cached("DELETE FROM nodes WHERE ino = ?")?.execute([sql(ino)])?;
                row::set_synced(self.tx, mine.ino, n)?;
                self.tx
                    .prepare_cached("UPDATE nodes SET listed = 0 WHERE ino = ?")?
                    .execute([sql(mine.ino)])?;
                judge(self.tx, mine.ino)?;
                for (_, child) in row::children(self.tx, mine.ino, 0, usize::MAX)? {
                    judge(self.tx, child.ino)?;
                }
                return Ok(());
            }
            Some(mine) => {
                tracing::info!(ours = ?mine, theirs = ?n, "both are in one place");
                self.step_aside(&mine)?;
                if mine.kind != Kind::Dir {
                    self.conflicts.push((mine.ino, ino));
                }
            }
        }
        // Nobody is told of a name that is new: missing names are not remembered anywhere, and a kernel
        // that has just looked it up would be told to forget what is right.
        put(self.tx, ino, parent, &n.name, self.ctx.now)
    }

    /// Ours gives its name up for that of a conflicted copy beside it.
    pub(super) fn step_aside(&mut self, node: &Node) -> Sql<()> {
        let parent = match node.parent {
            Some(parent) if !parked(node) => parent,
            _ => Ino::ROOT,
        };
        let name = self.free_copy_name(parent, &node.name)?;
        self.forget_entry(node);
        put(self.tx, node.ino, parent, &name, self.ctx.now)?;
        self.effects.push(Effect::Requeue { ino: node.ino });
        Ok(())
    }

    fn free_copy_name(&self, parent: Ino, name: &Name) -> Sql<Name> {
        let mut attempt = 1;
        loop {
            let copy = copy_name(name, &self.ctx.host, &self.ctx.date, attempt);
            if row::child(self.tx, parent, &copy)?.is_none() {
                return Ok(copy);
            }
            attempt += 1;
        }
    }

    /// Their move may put a folder below itself because of a move here: moves here that are not sent yet
    /// are taken back until it does not.
    fn untangle(&mut self, ino: Ino, parent: Ino) -> Sql<()> {
        while below(self.tx, parent, ino)? {
            let mut at = parent;
            let mut back = None;
            while at != ino && at != Ino::ROOT {
                let Some(node) = row::get(self.tx, at)? else { break };
                let Some(above) = node.parent else { break };
                if let Some(s) = &node.synced {
                    let there = row::by_id(self.tx, s.parent)?;
                    match there {
                        Some(t) if t.ino != above && !below(self.tx, t.ino, ino)? => {
                            back = Some((node.clone(), t.ino, s.name.clone()));
                            break;
                        }
                        _ => {}
                    }
                }
                at = above;
            }
            // Nothing to take back (its old folder is gone): up to the root with it.
            let (node, to, name) = match back {
                Some(b) => b,
                None => match row::get(self.tx, parent)? {
                    Some(node) => {
                        let name = node.name.clone();
                        (node, Ino::ROOT, name)
                    }
                    None => return Ok(()),
                },
            };
            self.forget_entry(&node);
            let free = if row::child(self.tx, to, &name)?.is_none() {
                name
            } else {
                self.free_copy_name(to, &name)?
            };
            put(self.tx, node.ino, to, &free, self.ctx.now)?;
        }
        Ok(())
    }

    /// What is unchanged goes from here, to be found again in its new place; what is only here stays.
    fn out_of_sight(&mut self, ino: Ino, old: &Node) -> Sql<()> {
        if !self.prune(ino)? {
            return Ok(());
        }
        let parent = match old.parent {
            Some(p)
                if !parked(old)
                    && row::get(self.tx, p)?.is_some_and(|n| n.parent.is_some() || p == Ino::ROOT) =>
            {
                p
            }
            _ => Ino::ROOT,
        };
        let name = match row::child(self.tx, parent, &old.name)? {
            None => old.name.clone(),
            Some(_) => self.free_copy_name(parent, &old.name)?,
        };
        put(self.tx, ino, parent, &name, self.ctx.now)
    }

    /// Answers whether anything of the node stays.
    fn prune(&mut self, ino: Ino) -> Sql<bool> {
        let Some(node) = row::get(self.tx, ino)? else { return Ok(false) };
        if node.kind != Kind::Dir {
            return self.leave(&node);
        }
        let mut stays = node.synced.is_none();
        for (_, child) in row::children(self.tx, ino, 0, usize::MAX)? {
            stays |= self.prune(child.ino)?;
        }
        if stays {
            self.keep_folder(ino)?;
            Ok(true)
        } else {
            self.leave(&node)
        }
    }
}
