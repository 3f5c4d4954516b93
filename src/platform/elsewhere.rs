//! Where mounting is not built yet.

use std::path::PathBuf;

use crate::health::DriverFacts;

/// What is there of the things that mounting needs.
pub fn driver_facts(_path: &[PathBuf]) -> DriverFacts {
    DriverFacts::NotBuilt
}

/// Mount points of ours whose agent is gone.
pub fn dead_mounts() -> Vec<PathBuf> {
    Vec::new()
}
