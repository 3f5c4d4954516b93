//! Sending what changed: when ([`queue`]), what together ([`plan`]), and doing it ([`run`]).

pub mod plan;
pub mod progress;
pub mod queue;
pub mod run;
