//! What the standard library does not have on every platform: the two steps of a durable put, and who we
//! are.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{owner, publish_new, sync_dir};

#[cfg(not(unix))]
mod windows;
#[cfg(not(unix))]
pub use windows::{owner, publish_new, sync_dir};
