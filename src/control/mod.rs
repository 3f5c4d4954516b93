//! The agent's one door: what can be asked, the server, the client. The command line, the tray and the
//! window come in by it alike.
//!
//! A connection is newline-delimited JSON. The client starts with `hello` and its protocol version; each
//! request carries a number that its reply repeats, so that a long one (`flush`) holds up no other.

pub mod api;
pub mod client;
pub mod server;
mod wire;
