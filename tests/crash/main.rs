//! What survives when the agent, or the whole machine, stops at a random moment.

mod kills;
mod power;
#[path = "../support/mod.rs"]
mod support;
