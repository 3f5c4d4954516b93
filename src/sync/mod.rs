//! Following what others commit: [`watch`] pulls, [`reconcile`] decides, [`conflict`] names what is kept
//! beside.

pub mod conflict;
pub mod reconcile;
pub mod watch;
