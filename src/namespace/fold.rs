//! Folding in what others committed.
//!
//! Events are taken as a set: of each node the last one counts. Contents and attributes are decided node
//! by node ([`reconcile`]), places afterwards and together ([`place`](super::place)), so that two nodes that
//! swapped their names at the remote swap them here. Events that are known already change nothing, so a
//! fold that was cut off can be done again.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use super::{
    Contents, Ctx, Effect, Namespace, NewNode, Node, local,
    row::{self, id_of, id_sql, ino_of, judge, sql},
    schema,
};
use crate::{
    error::Result,
    node::{Ino, Kind, NodeId},
    remote::{Body, Cursor, Event, RemoteNode, Version},
    sync::reconcile::{self, Bytes},
    vfs::Invalidate,
};

type Sql<T> = rusqlite::Result<T>;

impl Namespace {
    /// Folds events in, and notes how far that is, in one transaction.
    pub fn apply(
        &self,
        events: &[Event],
        cursor: Option<Cursor>,
        contents: &dyn Contents,
        ctx: &Ctx,
    ) -> Result<Vec<Effect>> {
        let effects = self.change(|tx| {
            let mut fold = Fold::new(tx, contents, ctx);
            fold.events(events)?;
            if let Some(cursor) = cursor {
                schema::set(tx, "cursor", &cursor.0)?;
            }
            Ok(fold.finish()?)
        });
        self.moved();
        effects
    }

    /// Takes in all children of a folder as the remote has them; from then on the folder is listed.
    pub fn adopt_listing(
        &self,
        dir: Ino,
        nodes: &[RemoteNode],
        contents: &dyn Contents,
        ctx: &Ctx,
    ) -> Result<Vec<Effect>> {
        let effects = self.change(|tx| {
            tx.prepare_cached("UPDATE nodes SET listed = 1 WHERE ino = ?")?.execute([sql(dir)])?;
            let Some(id) = row::get(tx, dir)?.and_then(|n| n.synced).map(|s| s.id) else { return Ok(Vec::new()) };
            let mut events: Vec<Event> = nodes.iter().cloned().map(Event::Upsert).collect();
            // What we thought to be in it and is not any more. (Had it moved, it would be found when its
            // new folder is listed.)
            let there: HashMap<NodeId, ()> = nodes.iter().map(|n| (n.id, ())).collect();
            let mut q = tx.prepare_cached(
                "SELECT rid FROM nodes WHERE s_parent = ?1 AND s_version IS NOT NULL AND parent IS NOT NULL AND ino != 1 \
                 UNION SELECT rid FROM tombstones WHERE s_parent = ?1",
            )?;
            for known in q.query_map([id_sql(id)], |r| r.get(0).map(id_of))? {
                let known = known?;
                if !there.contains_key(&known) {
                    events.push(Event::Remove(known, Version(u64::MAX)));
                }
            }
            let mut fold = Fold::new(tx, contents, ctx);
            fold.events(&events)?;
            Ok(fold.finish()?)
        });
        self.moved();
        effects
    }

    /// Forgets that folders are listed: their contents at the remote have to be looked at anew.
    pub fn unlist_all(&self) -> Result<()> {
        self.change(|tx| {
            tx.execute("UPDATE nodes SET listed = 0 WHERE kind = 1 AND s_version IS NOT NULL", [])?;
            Ok(())
        })
    }
}

/// One fold under way.
pub(super) struct Fold<'a> {
    pub(super) tx: &'a Transaction<'a>,
    pub(super) contents: &'a dyn Contents,
    pub(super) ctx: &'a Ctx,
    pub(super) effects: Vec<Effect>,
    /// Nodes whose place is the remote's to say.
    pub(super) places: Vec<(Ino, RemoteNode)>,
    /// Ours and theirs of a conflict; their paths are known at the end.
    pub(super) conflicts: Vec<(Ino, Ino)>,
    gone_folders: Vec<Ino>,
}

impl<'a> Fold<'a> {
    fn new(tx: &'a Transaction<'a>, contents: &'a dyn Contents, ctx: &'a Ctx) -> Self {
        Fold {
            tx,
            contents,
            ctx,
            effects: Vec::new(),
            places: Vec::new(),
            conflicts: Vec::new(),
            gone_folders: Vec::new(),
        }
    }

    fn events(&mut self, events: &[Event]) -> Sql<()> {
        let id = |e: &Event| match e {
            Event::Upsert(n) => n.id,
            Event::Remove(id, _) => *id,
        };
        let last: HashMap<NodeId, usize> = events.iter().enumerate().map(|(i, e)| (id(e), i)).collect();
        for (i, event) in events.iter().enumerate() {
            if last.get(&id(event)) != Some(&i) {
                continue;
            }
            match event {
                Event::Upsert(n) => self.upserted(n)?,
                Event::Remove(id, version) => self.removed(*id, *version)?,
            }
        }
        self.place_all()?;
        self.remove_folders()
    }

    fn finish(mut self) -> Sql<Vec<Effect>> {
        for (ours, theirs) in std::mem::take(&mut self.conflicts) {
            let path = |ino| row::path(self.tx, ino).map(Option::unwrap_or_default);
            self.effects.push(Effect::Conflict { ours: path(ours)?, theirs: path(theirs)?, ino: ours });
        }
        Ok(self.effects)
    }

    fn removed(&mut self, id: NodeId, version: Version) -> Sql<()> {
        if row::buried(self.tx, id)?.is_some() {
            return row::unbury(self.tx, id);
        }
        let Some(node) = row::by_id(self.tx, id)? else { return Ok(()) };
        match &node.synced {
            Some(s) if s.version < version => {}
            _ => return Ok(()),
        }
        if node.kind == Kind::Dir {
            // Its children's events may come after it.
            self.gone_folders.push(node.ino);
            Ok(())
        } else {
            self.leave(&node).map(drop)
        }
    }

    /// The remote has the file or link no more. What was changed here stays, as a new node; answers
    /// whether it does.
    pub(super) fn leave(&mut self, node: &Node) -> Sql<bool> {
        if node.synced.is_none() || (node.kind == Kind::File && self.contents.changed(node.ino)) {
            row::clear_synced(self.tx, node.ino)?;
            judge(self.tx, node.ino)?;
            self.effects.push(Effect::Requeue { ino: node.ino });
            Ok(true)
        } else {
            self.vanish(node)?;
            Ok(false)
        }
    }

    fn vanish(&mut self, node: &Node) -> Sql<()> {
        local::unname(self.tx, node.ino, self.ctx.now)?;
        if let Some(parent) = node.parent {
            self.effects.push(Effect::Invalidate(Invalidate::Entry(parent, node.name.clone())));
        }
        self.effects.push(Effect::Invalidate(Invalidate::Node(node.ino)));
        self.effects.push(Effect::Gone { ino: node.ino });
        Ok(())
    }

    /// Folders go when all that was in them is gone; one that still holds what is only here stays, as a
    /// new one.
    fn remove_folders(&mut self) -> Sql<()> {
        let mut left = std::mem::take(&mut self.gone_folders);
        while !left.is_empty() {
            let before = left.len();
            let mut still = Vec::new();
            for ino in left {
                let Some(node) = row::get(self.tx, ino)? else { continue };
                if row::children(self.tx, ino, 0, 1)?.is_empty() {
                    self.vanish(&node)?;
                } else {
                    still.push(ino);
                }
            }
            left = still;
            if left.len() == before {
                for ino in left {
                    self.keep_folder(ino)?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// The folder is only here now.
    pub(super) fn keep_folder(&mut self, ino: Ino) -> Sql<()> {
        row::clear_synced(self.tx, ino)?;
        self.tx.prepare_cached("UPDATE nodes SET listed = 1 WHERE ino = ?")?.execute([sql(ino)])?;
        judge(self.tx, ino)?;
        for (_, child) in row::children(self.tx, ino, 0, usize::MAX)? {
            judge(self.tx, child.ino)?;
        }
        self.effects.push(Effect::Requeue { ino });
        Ok(())
    }

    fn upserted(&mut self, n: &RemoteNode) -> Sql<()> {
        if let Some(buried) = row::buried(self.tx, n.id)? {
            if buried.version >= n.version {
                return Ok(());
            }
            // What we sent before we removed it is no news.
            let echo = self.echo(n)?.is_some();
            row::clear_sent(self.tx, n.id)?;
            if echo || !reconcile::comes_back(&buried.body, &n.body) {
                return row::bury(self.tx, n);
            }
            row::unbury(self.tx, n.id)?;
        }
        match row::by_id(self.tx, n.id)? {
            Some(node) => self.known(&node, n),
            // Made here, sent, and removed here before the answer came: the remote must lose it again.
            None if row::sent(self.tx, n.id)?.is_some() => {
                row::clear_sent(self.tx, n.id)?;
                row::bury(self.tx, n)
            }
            None => self.unknown(n),
        }
    }

    /// As what the node was sent, if that is what the remote now has.
    fn echo(&self, n: &RemoteNode) -> Sql<Option<RemoteNode>> {
        let sent = row::sent(self.tx, n.id)?;
        Ok(sent.filter(|e| (e.parent, &e.name, e.meta) == (n.parent, &n.name, n.meta)))
    }

    fn unknown(&mut self, n: &RemoteNode) -> Sql<()> {
        match row::by_id(self.tx, n.parent)? {
            Some(parent) if parent.listed => self.arrive(n).map(drop),
            // It will be found when somebody looks.
            Some(_) => Ok(()),
            None => match row::buried(self.tx, n.parent)? {
                // Something new is in a folder that was removed here: the folder comes back.
                Some(folder) => {
                    row::unbury(self.tx, folder.id)?;
                    self.unknown(&folder)
                }
                None => Ok(()),
            },
        }
    }

    /// A node that is new here.
    pub(super) fn arrive(&mut self, n: &RemoteNode) -> Sql<Ino> {
        let new = NewNode {
            kind: row::kind_of_body(&n.body),
            mode: n.meta.mode,
            uid: n.meta.uid,
            gid: n.meta.gid,
            target: None,
        };
        // In no place yet; `place_all` gives it its own.
        let ino = row::insert(self.tx, Ino(0), &n.name, &new, self.ctx.now)?;
        local::park(self.tx, ino)?;
        self.tx.prepare_cached("UPDATE nodes SET listed = 0 WHERE ino = ?")?.execute([sql(ino)])?;
        row::take(self.tx, ino, n)?;
        row::set_synced(self.tx, ino, n)?;
        self.places.push((ino, n.clone()));
        Ok(ino)
    }

    fn known(&mut self, node: &Node, n: &RemoteNode) -> Sql<()> {
        let ino = node.ino;
        let Some(s) = &node.synced else { return self.own(node, n) };
        if s.version >= n.version {
            return Ok(());
        }
        let changed = node.kind == Kind::File && self.contents.changed(ino);
        let mut bytes_ours = changed;
        if let Body::File(theirs) = n.body {
            match reconcile::bytes(row::content(node), changed, self.contents.intent(ino), theirs) {
                Bytes::Keep => {}
                Bytes::Ours => self.effects.push(Effect::Committed { ino, content: theirs }),
                Bytes::Theirs => {
                    bytes_ours = false;
                    self.resize(ino, theirs.size)?;
                    self.effects.push(Effect::Rebase { ino, content: Some(theirs) });
                }
                Bytes::Conflict => {
                    tracing::info!(?node, theirs = ?n, announced = ?self.contents.intent(ino), "both changed");
                    return self.split(node, n);
                }
            }
        }
        let ours = crate::node::Meta {
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            btime: node.btime,
        };
        // Our own commit whose answer was lost: what it says is what both have agreed on since, and what
        // is otherwise here is newer.
        let echo = self.echo(n)?;
        row::clear_sent(self.tx, n.id)?;
        let m = reconcile::meta(echo.as_ref().map_or(&s.meta, |e| &e.meta), &ours, &n.meta, bytes_ours);
        let mut q = self.tx.prepare_cached(
            "UPDATE nodes SET mode = ?, uid = ?, gid = ?, mtime = ?, btime = ?, ctime = ? WHERE ino = ?",
        )?;
        q.execute(params![m.mode, m.uid, m.gid, m.mtime.0, m.btime.0, self.ctx.now.0, sql(ino)])?;
        if let Body::Symlink(target) = &n.body {
            self.tx
                .prepare_cached("UPDATE nodes SET target = ? WHERE ino = ?")?
                .execute(params![target, sql(ino)])?;
        }
        if ino != Ino::ROOT && echo.is_none() && (s.parent, &s.name) != (n.parent, &n.name) {
            self.places.push((ino, n.clone()));
        }
        row::set_synced(self.tx, ino, n)?;
        judge(self.tx, ino)?;
        self.effects.push(Effect::Invalidate(Invalidate::Node(ino)));
        Ok(())
    }

    /// A node that we made: its publication was done, the answer lost. What is here is as new or newer.
    fn own(&mut self, node: &Node, n: &RemoteNode) -> Sql<()> {
        let ino = node.ino;
        if let Body::File(theirs) = n.body {
            if self.contents.intent(ino) == Some(theirs) {
                self.effects.push(Effect::Committed { ino, content: theirs });
            } else if !self.contents.changed(ino) && theirs != crate::node::Content::EMPTY {
                self.resize(ino, theirs.size)?;
                self.effects.push(Effect::Rebase { ino, content: Some(theirs) });
            }
        }
        row::set_synced(self.tx, ino, n)?;
        judge(self.tx, ino)
    }

    fn resize(&self, ino: Ino, size: u64) -> Sql<()> {
        let mut q = self.tx.prepare_cached("UPDATE nodes SET size = ?, data_dirty = 0 WHERE ino = ?")?;
        q.execute(params![size.cast_signed(), sql(ino)]).map(drop)
    }

    /// Both changed the content: theirs arrives as a node under the name, ours becomes a new one beside.
    fn split(&mut self, node: &Node, n: &RemoteNode) -> Sql<()> {
        row::clear_synced(self.tx, node.ino)?;
        self.step_aside(node)?;
        self.effects.push(Effect::Requeue { ino: node.ino });
        let theirs = self.arrive(n)?;
        self.conflicts.push((node.ino, theirs));
        Ok(())
    }
}

pub(super) fn parked(node: &Node) -> bool {
    node.parent.is_some_and(|p| (p.0.cast_signed()) < 0 || p == ino_of(0))
}
