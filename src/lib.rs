//! Lacuna: remote storage as a drive whose files are gaps until they are touched.
#![warn(missing_docs)]
#![deny(unused_must_use)]
#![deny(unsafe_code)]

pub mod agent;
pub mod config;
pub mod control;
pub mod error;
pub mod flush;
pub mod health;
pub mod journal;
pub mod mount;
pub mod namespace;
pub mod node;
pub mod platform;
pub mod policy;
pub mod ranges;
pub mod read;
pub mod remote;
pub mod staging;
pub mod sync;
pub mod vfs;
pub mod xet;
