//! The agent's one door: what can be asked, the server, the client.

pub mod api;
