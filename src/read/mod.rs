//! Reading: what is present, then the remote; and read-ahead for those who read in order.

mod ahead;
mod fetch;

pub use ahead::{Ahead, MAX_AHEAD};
pub use fetch::Fetches;
pub(crate) use fetch::blocking;
