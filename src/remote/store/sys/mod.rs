//! The two steps of a durable put that the standard library does not have on every platform.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{publish_new, sync_dir};

#[cfg(not(unix))]
mod windows;
#[cfg(not(unix))]
pub use windows::{publish_new, sync_dir};
