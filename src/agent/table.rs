//! The table of drives as a value: what is in it, and where a new drive may go. Pure.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Held;
use crate::{
    config::DriveConfig,
    control::api::{Cache, DriveState, DriveStatus, Paused},
    error::{Error, Kind, Result},
    health,
    node::Time,
    policy::Pause,
};

#[derive(Default)]
pub(super) struct Table {
    pub drives: BTreeMap<String, Entry>,
    /// What the user has allowed each to take on this machine, also those that are not mounted now.
    pub limits: BTreeMap<String, Option<u64>>,
    /// The agent is on its way out: no new drives.
    pub ending: bool,
}

pub(super) struct Entry {
    pub config: DriveConfig,
    /// Whether the settings list it.
    pub keep: bool,
    pub slot: Slot,
}

#[derive(Clone)]
pub(super) enum Slot {
    Mounting,
    Held(Arc<dyn Held>),
    /// On its way out; still answers.
    Leaving(Arc<dyn Held>),
    Failed {
        why: Arc<Error>,
        again: Instant,
        pause: Duration,
    },
}

/// What a drive that is not there shows.
pub(super) fn absent(config: &DriveConfig, state: DriveState, why: Option<&Error>) -> DriveStatus {
    let at = config.mountpoint.display().to_string();
    DriveStatus {
        problems: why.map(|e| health::problem_of("mount-failed", e)).into_iter().collect(),
        read_only: config.read_only,
        paused: match config.pause {
            Pause::Forever => Some(Paused { until: None }),
            Pause::Until(end) if config.pause.holds(Time::now()) => Some(Paused { until: Some(end) }),
            Pause::Until(_) | Pause::No => None,
        },
        cache: Cache { limit: config.cache_limit, ..Cache::default() },
        ..DriveStatus::new(&config.name, &config.url, &at, state)
    }
}

/// Where a new mount goes in the table.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It is there.
    Already(String),
    /// This very drive is being mounted there: the table changes when that is done.
    Coming,
    /// Under this name, which is free or a failed drive's of the same remote.
    Named(String),
    /// Under any name that is free.
    Free,
}

/// Whether a new mount may take the entry's place: the same drive, which failed before.
pub(super) fn replaceable(entry: &Entry, url: &str) -> bool {
    matches!(entry.slot, Slot::Failed { .. }) && entry.config.url == url
}

/// Whether and where a mount may be made; pure.
pub(super) fn place(table: &Table, url: &str, mountpoint: &Path, name: Option<&str>) -> Result<Place> {
    let mut place = name.map_or(Place::Free, |name| Place::Named(name.to_owned()));
    for (have, entry) in &table.drives {
        let same_place = entry.config.mountpoint == mountpoint;
        let same_name = name.is_some_and(|name| name == have);
        if !same_place && !same_name {
            continue;
        }
        if same_place && (same_name || name.is_none()) && entry.config.url == url {
            match entry.slot {
                Slot::Held(_) => return Ok(Place::Already(have.clone())),
                Slot::Failed { .. } => place = Place::Named(have.clone()),
                Slot::Mounting => return Ok(Place::Coming),
                Slot::Leaving(_) => {}
            }
        }
        if !replaceable(entry, url) || (same_place && name.is_some() && !same_name) {
            let (what, at) = if same_place {
                ("mount point", mountpoint.display().to_string())
            } else {
                ("name", have.clone())
            };
            let cause = format!("this {what} is in use by the drive '{have}' ({})", entry.config.url);
            return Err(Error::new(Kind::Busy, cause)
                .at(at)
                .remedy(format!("choose another {what}, or first: lacuna unmount {have}")));
        }
    }
    Ok(place)
}

/// The name of the drive that is meant by a name or a mount point.
pub(super) fn find(table: &Table, drive: &str) -> Result<String> {
    if table.drives.contains_key(drive) {
        return Ok(drive.to_owned());
    }
    let at = Path::new(drive);
    let by_place = table.drives.iter().find(|(_, entry)| entry.config.mountpoint == at);
    by_place.map(|(name, _)| name.clone()).ok_or_else(|| no_drive(drive))
}

pub(super) fn no_drive(drive: &str) -> Error {
    Error::new(Kind::NotFound, "no drive has this name or mount point")
        .at(drive)
        .remedy("`lacuna status` shows the drives")
}
