//! macOS and Windows: the system itself shows tray icons.

use tokio::sync::watch;

/// Whether tray icons can be made at all.
pub fn tray_library() -> bool {
    true
}

/// Tells whether something shows tray icons: always.
pub async fn tray_host(tell: watch::Sender<Option<bool>>) {
    tell.send_replace(Some(true));
}
