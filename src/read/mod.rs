//! Reading: what is present, then the remote; and read-ahead for those who read in order.

mod ahead;
mod fetch;

pub use ahead::{Ahead, MAX_AHEAD};
pub(crate) use fetch::blocking;
pub use fetch::{Fetches, Keeper, PIECE};
