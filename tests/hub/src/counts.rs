//! What moved: requests and bytes of bodies by route, of the Hub's API and of the CAS.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::Serialize;

/// What moved on one route, seen from the client.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Requests that came in.
    pub requests: u64,
    /// Bytes of request bodies that were read.
    pub up: u64,
    /// Bytes of response bodies that were handed to the connection.
    pub down: u64,
}

impl AddAssign for Moved {
    fn add_assign(&mut self, other: Moved) {
        self.requests += other.requests;
        self.up += other.up;
        self.down += other.down;
    }
}

/// What moved on every route. A route is the method and the path with `{…}` for what varies, for example
/// `GET /api/buckets/{id}/tree` or `POST /v1/xorbs/{prefix}/{hash}`.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Counts(pub BTreeMap<String, Moved>);

impl Counts {
    /// The sum of the routes that contain `part`; of all if it is empty.
    pub fn of(&self, part: &str) -> Moved {
        let mut sum = Moved::default();
        self.0.iter().filter(|(route, _)| route.contains(part)).for_each(|(_, moved)| sum += *moved);
        sum
    }

    /// How often the routes that contain `part` were asked.
    pub fn requests(&self, part: &str) -> u64 {
        self.of(part).requests
    }

    /// What the CAS moved, data and metadata.
    pub fn cas(&self) -> Moved {
        let mut sum = Moved::default();
        self.0.iter().filter(|(route, _)| is_cas(route)).for_each(|(_, moved)| sum += *moved);
        sum
    }

    /// What the Hub moved apart from the CAS.
    pub fn hub(&self) -> Moved {
        let mut sum = Moved::default();
        self.0.iter().filter(|(route, _)| !is_cas(route)).for_each(|(_, moved)| sum += *moved);
        sum
    }

    /// What moved since `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        let mut rest = self.clone();
        for (route, before) in &earlier.0 {
            if let Some(now) = rest.0.get_mut(route) {
                now.requests -= before.requests;
                now.up -= before.up;
                now.down -= before.down;
            }
        }
        rest.0.retain(|_, moved| *moved != Moved::default());
        rest
    }
}

fn is_cas(route: &str) -> bool {
    route.contains(" /v1/") || route.contains(" /v2/") || route.contains(" /simulation/")
}

/// The name of a CAS route.
pub fn cas_route(method: &str, path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let known = match parts.as_slice() {
        [version, kind, _] if matches!(*kind, "reconstructions" | "file-chunk-hashes") => {
            format!("/{version}/{kind}/{{hash}}")
        }
        [version, kind, _, _, ..] if matches!(*kind, "chunks" | "xorbs" | "xorb-grants" | "get_xorb") => {
            format!("/{version}/{kind}/{{prefix}}/{{hash}}")
        }
        [version, "xorb-commits", ..] => format!("/{version}/xorb-commits/{{prefix}}/{{hash}}/grant/{{id}}"),
        ["simulation", "xorb-uploads", _] => "/simulation/xorb-uploads/{id}".to_owned(),
        [_, "reconstructions" | "shards" | "fetch_term" | "telemetry"] => path.to_owned(),
        _ => "/v1/{unknown}".to_owned(),
    };
    format!("{method} {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_names_without_what_varies() {
        for (path, name) in [
            ("/v2/reconstructions/ab", "/v2/reconstructions/{hash}"),
            ("/v1/reconstructions", "/v1/reconstructions"),
            ("/v2/file-chunk-hashes/ab", "/v2/file-chunk-hashes/{hash}"),
            ("/v1/xorbs/default/ab", "/v1/xorbs/{prefix}/{hash}"),
            ("/v1/xorb-commits/default/ab/grant/7", "/v1/xorb-commits/{prefix}/{hash}/grant/{id}"),
            ("/simulation/xorb-uploads/7", "/simulation/xorb-uploads/{id}"),
            ("/v1/fetch_term", "/v1/fetch_term"),
            ("/simulation/set_config", "/v1/{unknown}"),
        ] {
            assert_eq!(cas_route("GET", path), format!("GET {name}"));
        }
    }

    #[test]
    fn counts_are_summed_and_subtracted() {
        let moved = |requests, up, down| Moved { requests, up, down };
        let mut counts = Counts::default();
        counts.0.insert("POST /v1/shards".into(), moved(1, 10, 2));
        counts.0.insert("GET /api/buckets/{id}/tree".into(), moved(2, 0, 30));
        assert_eq!((counts.cas(), counts.hub()), (moved(1, 10, 2), moved(2, 0, 30)));
        let earlier = counts.clone();
        *counts.0.get_mut("POST /v1/shards").unwrap() += moved(1, 5, 5);
        let since = counts.since(&earlier);
        assert_eq!(since.0.len(), 1);
        assert_eq!(since.of(""), moved(1, 5, 5));
        assert_eq!(counts.requests("tree"), 2);
    }
}
