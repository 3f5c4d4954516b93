//! Drives of a Hugging Face Hub: real mounts by the real program against the test Hub, whose CAS is not ours.

#[path = "../support/mod.rs"]
mod support;

mod bucket;
mod faults;
mod kit;
mod listing;
mod login;
mod model;
#[path = "../model/ops.rs"]
mod ops;
mod promises;
mod real;
mod repos;
mod sign_in;
#[path = "../model/tree.rs"]
mod tree;
