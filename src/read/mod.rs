//! Reading: what is present, then the remote; and read-ahead for those who read in order.

mod ahead;
mod fetch;
mod pace;

pub use ahead::Ahead;
pub(crate) use fetch::blocking;
pub use fetch::{Fetches, Keeper, PIECE};
pub use pace::Pace;
