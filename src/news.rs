//! [`News`]: tells those who show a state that it may have changed, so that they need not look when it has not.

use tokio::sync::watch;

/// Counts changes. Telling costs next to nothing and is done by whatever changes, from any thread.
pub struct News(watch::Sender<u64>);

impl Default for News {
    fn default() -> Self {
        News(watch::Sender::new(0))
    }
}

impl News {
    /// Something may look different now.
    pub fn tell(&self) {
        self.0.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// To wait for the next time. It ends when this is dropped.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
