//! A Hub for tests: the HTTP of the Hugging Face Hub for buckets and read-only repositories, with a real
//! CAS behind it that is not ours (the simulation server of `xet-client`), on loopback.
//!
//! [`Hub`] starts one and is what tests talk to. A request comes in at [`front`], which counts it and lets
//! faults happen; [`route`] says what its path names; [`api`] answers, over what [`world`] holds:
//! [`bucket`]s, [`repo`]s, [`tokens`]. Contents go to [`cas`], a proxy that wants a token. [`content`] moves
//! contents as another client would, by xet's own sessions. [`control`] is for those who run it as a
//! program: `cargo xtask hub`. [`Proxy`] is a slow way to a Hub, which counts what passes.
//!
//! What of this was seen at the real Hub and what is assumed is not told here but in the tests of the
//! client: a Hub of one's own can only confirm what one believes. Assumed are, above all: deleting a path that
//! is not there succeeds; a recursive listing has the folders too; a token's scope does not limit which
//! contents it reads.
#![allow(clippy::result_large_err, reason = "a refusal is an answer like any other, and whole")]
#![warn(missing_docs)]
#![deny(unused_must_use)]
#![deny(unsafe_code)]

mod answers;
mod api;
pub mod batch;
pub mod bucket;
mod cas;
mod clock;
mod content;
mod control;
pub mod counts;
pub mod faults;
mod front;
mod hub;
mod line;
mod proxy;
pub mod repo;
mod route;
mod serving;
pub mod tokens;
mod tree;
mod world;

pub use batch::Operation;
pub use counts::{Counts, Moved};
pub use faults::{Act, Fault, Rate};
pub use hub::{Hub, Settings, USER};
pub use proxy::{Link, Passed, Proxy};
pub use repo::Kind;
