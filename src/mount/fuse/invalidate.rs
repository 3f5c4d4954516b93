//! Tells the kernel what to forget, from a thread of its own.
//!
//! The kernel takes a folder's lock to drop a name and a page's lock to drop bytes. A request that we
//! have not answered yet may hold them, so a notification may block until other requests are answered:
//! never send one from a thread that answers requests.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ffi::OsStr,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use fuser::{INodeNo, Notifier};

use crate::{node::Ino, vfs::Invalidate};

/// What waits to be told.
#[derive(Default)]
pub struct Queue {
    /// Protects the whole state; never held while the kernel is told.
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Invalidate>,
    /// What `waiting` holds: the same thing twice is told once, so the queue is no longer than what is known.
    queued: HashSet<Key>,
    /// Nodes announced and not yet told, with how often.
    pending: HashMap<Ino, usize>,
    closed: bool,
}

type Key = (Ino, Option<crate::node::Name>);

fn key(what: &Invalidate) -> Key {
    match what {
        Invalidate::Node(ino) => (*ino, None),
        Invalidate::Entry(ino, name) => (*ino, Some(name.clone())),
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes one more. Never blocks on the kernel.
    pub fn push(&self, what: Invalidate) {
        let mut state = self.state();
        if state.closed || !state.queued.insert(key(&what)) {
            return;
        }
        if let Invalidate::Node(ino) = what {
            *state.pending.entry(ino).or_default() += 1;
        }
        state.waiting.push_back(what);
        self.wake.notify_one();
    }

    /// Whether the kernel may still hold old bytes of a node: an open in between must not keep them.
    pub fn is_pending(&self, ino: Ino) -> bool {
        self.state().pending.contains_key(&ino)
    }

    /// Nothing more is told; the thread ends.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        self.wake.notify_all();
    }

    fn next(&self) -> Option<Invalidate> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(what) = state.waiting.pop_front() {
                // From here on the same thing is queued anew: it may have changed after we look.
                state.queued.remove(&key(&what));
                return Some(what);
            }
            state = self.wake.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn told(&self, what: &Invalidate) {
        if let Invalidate::Node(ino) = what {
            let mut state = self.state();
            if let Some(n) = state.pending.get_mut(ino) {
                *n -= 1;
                if *n == 0 {
                    state.pending.remove(ino);
                }
            }
        }
    }

    /// Starts the thread. It ends at [`Queue::close`].
    pub fn serve(self: Arc<Self>, notifier: Notifier) -> std::io::Result<()> {
        std::thread::Builder::new().name("lacuna-notify".into()).spawn(move || {
            while let Some(what) = self.next() {
                let told = match &what {
                    // From byte 0, all: attributes too.
                    Invalidate::Node(ino) => notifier.inval_inode(INodeNo(ino.0), 0, 0),
                    Invalidate::Entry(dir, name) => {
                        notifier.inval_entry(INodeNo(dir.0), OsStr::new(name.as_str()))
                    }
                };
                if let Err(error) = told {
                    // The kernel not knowing the node is no error here; this is a connection that ends.
                    tracing::debug!(?what, %error, "the kernel was not told");
                }
                self.told(&what);
            }
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Name;

    #[test]
    fn the_same_thing_is_told_once_and_again_if_it_changes_meanwhile() {
        let queue = Queue::default();
        let node = Invalidate::Node(Ino(5));
        let entry = Invalidate::Entry(Ino(5), Name::new("a").unwrap());
        queue.push(node.clone());
        queue.push(entry.clone());
        queue.push(node.clone());
        assert!(queue.is_pending(Ino(5)));

        assert_eq!(queue.next(), Some(node.clone()));
        queue.push(node.clone());
        queue.told(&node);
        assert!(queue.is_pending(Ino(5)), "the second change is not told yet");
        assert_eq!(queue.next(), Some(entry.clone()));
        queue.told(&entry);
        assert_eq!(queue.next(), Some(node.clone()));
        queue.told(&node);
        assert!(!queue.is_pending(Ino(5)));
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let queue = Queue::default();
        queue.close();
        queue.push(Invalidate::Node(Ino(5)));
        assert!(!queue.is_pending(Ino(5)));
        assert_eq!(queue.next(), None);
    }
}
