//! A test for each promise that is kept so far, of the promise's name, on a real mount; contents are
//! checked from a second machine with an empty cache.

#[path = "../support/mod.rs"]
mod support;

mod acknowledged_survives;
mod cache_keeps_its_limit;
mod hole_is_never_data;
mod nobody_is_overwritten;
mod opening_is_free;
mod pinned_stays;
mod saving_sends_what_changed;
mod shown_is_so;
mod synced_is_a_fact;
mod version_is_an_instant;
