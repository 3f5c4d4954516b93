//! What several tests need.
#![allow(dead_code, reason = "each test uses its part")]

pub mod conformance;
pub mod testfs;
mod tree;
