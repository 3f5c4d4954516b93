//! The process that holds drives: which there are, what they do, and what of that outlives it.
//!
//! A drive of the table is being mounted, held, or failed; a failed one stays, as a problem, and is tried
//! again with growing pauses. The settings list the drives that the user mounted and did not unmount, so
//! an agent that starts again has them again. A drive whose mount is taken away from outside leaves the
//! table but not the settings: the system does that when it shuts down, and then the drive shall be back
//! after the restart.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::future::join_all;
use tokio::{sync::watch, time::Instant};

use crate::{
    cache,
    config::{self, DriveConfig, Home, Settings},
    control::api::{AgentSettings, DriveState, Pending, Save, Status, VERSION},
    error::{Error, Kind, Result},
    news::News,
    node::Time,
    policy::{Bandwidth, Pause},
};

mod account;
mod claim;
mod held;
mod lock;
mod mounted;
mod run;
mod serve;
mod settings;
mod table;

pub use held::{Held, Holder, Wanted};
pub use lock::HomeLock;
pub use mounted::Mounter;
pub use run::{First, run};
use table::{Entry, Place, Slot, Table, absent, find, no_drive, place, replaceable};

/// The pause before a drive that failed to mount is tried again: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(300));

/// How long an ending agent waits for programs that still use a drive.
const BUSY: Duration = Duration::from_secs(3);

/// All drives of one home.
pub struct Agent {
    home: Home,
    holder: Arc<dyn Holder>,
    /// Protects the table and nothing else; never held while waiting. Where both are taken,
    /// `settings` comes first.
    table: Mutex<Table>,
    /// One writer of the settings' file at a time.
    settings: tokio::sync::Mutex<()>,
    /// Counts changes of the table, for those who wait for one.
    changed: watch::Sender<u64>,
    /// Told when the status may be another one: by the table and by each drive.
    news: Arc<News>,
    /// What holds for all drives. Moments only.
    shared: Mutex<AgentSettings>,
    /// The limits of that, where the drives' bytes pass.
    bandwidth: Arc<Bandwidth>,
    /// Becomes true when a client asks the agent to end.
    quit: watch::Sender<bool>,
}

/// Which drives a request means.
enum Which<'a> {
    All,
    One(&'a str),
}

impl<'a> From<&'a Option<String>> for Which<'a> {
    fn from(drive: &'a Option<String>) -> Self {
        drive.as_deref().map_or(Which::All, Which::One)
    }
}

impl Agent {
    /// An agent without drives. The caller holds the home's [`HomeLock`].
    pub fn new(home: Home, holder: Arc<dyn Holder>) -> Agent {
        Agent {
            home,
            holder,
            table: Mutex::default(),
            settings: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(0),
            news: Arc::default(),
            shared: Mutex::default(),
            bandwidth: Arc::default(),
            quit: watch::Sender::new(false),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Changes a drive's entry, if it is still there.
    fn set(&self, name: &str, slot: Slot) {
        if let Some(entry) = self.table().drives.get_mut(name) {
            entry.slot = slot;
        }
        self.table_changed();
    }

    fn forget(&self, name: &str) {
        self.table().drives.remove(name);
        self.table_changed();
    }

    fn table_changed(&self) {
        self.changed.send_modify(|n| *n += 1);
        self.news.tell();
    }

    /// Takes the drives of the settings into the table, and answers those for [`Agent::mount_listed`] to mount. Not
    /// the table says which these are later: by then a request may have put drives there that it mounts itself,
    /// and two engines on one drive's journal would be the end of it.
    fn list(&self, settings: &Settings) -> Vec<DriveConfig> {
        let mut wanted = Vec::new();
        self.share(settings.agent);
        self.table().limits.clone_from(&settings.cache_limits);
        for config in &settings.drives {
            if config.cache_limit != Some(cache::DEFAULT_LIMIT) {
                // Settings of before there was a list of limits have it only here.
                self.table().limits.entry(config.name.clone()).or_insert(config.cache_limit);
            }
            let failed = config::check_name(&config.name).err();
            let slot = match failed {
                None => {
                    wanted.push(config.clone());
                    Slot::Mounting
                }
                Some(e) => {
                    Slot::Failed { why: Arc::new(e), again: Instant::now() + RETRY.1 * 1_000, pause: RETRY.1 }
                }
            };
            let entry = Entry { config: config.clone(), keep: true, slot };
            self.table().drives.insert(config.name.clone(), entry);
        }
        self.table_changed();
        wanted
    }

    /// Mounts what [`Agent::list`] answered. One that fails becomes a problem and stops no other.
    async fn mount_listed(&self, wanted: Vec<DriveConfig>) {
        join_all(wanted.into_iter().map(|config| self.try_again(config, RETRY.0))).await;
    }

    async fn try_again(&self, config: DriveConfig, pause: Duration) {
        let name = config.name.clone();
        match self.hold(config).await {
            Ok(held) => self.set(&name, Slot::Held(held)),
            Err(e) => {
                tracing::warn!(drive = name, "not mounted: {e}");
                self.set(&name, Slot::Failed { why: Arc::new(e), again: Instant::now() + pause, pause });
            }
        }
    }

    async fn hold(&self, config: DriveConfig) -> Result<Arc<dyn Held>> {
        let state_dir = self.home.drive(&config.name);
        let (dir, url) = (state_dir.clone(), config.url.clone());
        let new = blocking(move || claim::claim(&dir, &url)).await?;
        let pause = config.pause;
        let bandwidth = self.bandwidth.clone();
        let held = self.holder.hold(Wanted { drive: config, state_dir: state_dir.clone(), bandwidth }).await;
        if held.is_err() && new {
            // A name is not taken by a mistyped remote. (If this is not reached, the name stays taken: safe.)
            blocking(move || {
                claim::give_back(&state_dir);
                Ok(())
            })
            .await?;
        }
        let held = held?;
        // Ends with the drive.
        let (mut changes, news) = (held.changes(), self.news.clone());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                news.tell();
            }
        });
        match pause {
            Pause::No => {}
            Pause::Until(end) if !pause.holds(Time::now()) => tracing::debug!("a pause ended at {end:?}"),
            Pause::Until(end) => held.pause(Some(end)).await,
            Pause::Forever => held.pause(None).await,
        }
        Ok(held)
    }

    /// Mounts a remote. Answers the drive's name and whether it was mounted there already.
    ///
    /// # Errors
    /// [`Kind::Busy`] if the name or the mount point is in use, [`Kind::Invalid`] for a bad name, and all
    /// that mounting can fail with.
    pub async fn mount(
        &self,
        url: &str,
        mountpoint: &Path,
        name: Option<&str>,
        read_only: bool,
        keep: bool,
    ) -> Result<(String, bool)> {
        if let Some(name) = name {
            config::check_name(name)?;
        }
        let mut changed = self.changed.subscribe();
        let (config, before) = loop {
            changed.mark_unchanged();
            {
                let mut table = self.table();
                if table.ending {
                    return Err(
                        Error::new(Kind::Busy, "the agent is about to end").remedy("try again in a moment")
                    );
                }
                let name = match place(&table, url, mountpoint, name)? {
                    Place::Already(name) => return Ok((name, true)),
                    Place::Named(name) => Some(name),
                    Place::Free => Some(self.free_name(&table, url)),
                    // An agent that has just started mounts what it had before.
                    Place::Coming => None,
                };
                if let Some(name) = name {
                    let mut config = DriveConfig { read_only, ..DriveConfig::new(&name, url, mountpoint) };
                    if let Some(limit) = table.limits.get(&name) {
                        config.cache_limit = *limit;
                    }
                    let entry = Entry { config: config.clone(), keep, slot: Slot::Mounting };
                    let before = table.drives.insert(config.name.clone(), entry);
                    break (config, before);
                }
            }
            // The sender is part of `self`, so it is there.
            let _ = changed.changed().await;
        };
        self.table_changed();
        let name = config.name.clone();
        match self.hold(config).await {
            Ok(held) => self.set(&name, Slot::Held(held)),
            Err(e) => {
                // The user is told now and can act; a drive that was listed before goes on being a problem.
                self.forget(&name);
                if let Some(before) = before {
                    self.table().drives.insert(name, before);
                    self.table_changed();
                }
                return Err(e);
            }
        }
        tracing::info!(drive = name, url, "mounted at {}", mountpoint.display());
        self.save().await?;
        Ok((name, false))
    }

    /// The first of `bucket`, `bucket-2`, … that is free, or whose state is this remote's.
    fn free_name(&self, table: &Table, url: &str) -> String {
        let base = config::name_from_url(url);
        let mut name = base.clone();
        for n in 2.. {
            let in_use = table.drives.get(&name).is_some_and(|e| !replaceable(e, url));
            if !in_use && claim::owner(&self.home.drive(&name)).is_none_or(|owner| owner == url) {
                break;
            }
            name = format!("{base}-{n}");
        }
        name
    }

    /// Unmounts a drive, by its name or mount point. Answers its name and what still waits.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none, [`Kind::Busy`] while a program uses it.
    pub async fn unmount(&self, drive: &str) -> Result<(String, Pending)> {
        let (name, held) = {
            let mut table = self.table();
            let name = find(&table, drive)?;
            let entry = table.drives.get_mut(&name).ok_or_else(|| no_drive(drive))?;
            match entry.slot.clone() {
                Slot::Held(held) => {
                    entry.slot = Slot::Leaving(held.clone());
                    self.news.tell();
                    (name, Some(held))
                }
                Slot::Failed { .. } => (name, None),
                Slot::Mounting | Slot::Leaving(_) => {
                    return Err(Error::new(Kind::Busy, "the drive is just being mounted or unmounted")
                        .at(name)
                        .remedy("try again in a moment"));
                }
            }
        };
        let mut pending = Pending::default();
        if let Some(held) = held {
            if let Err(e) = held.unmount().await {
                self.set(&name, Slot::Held(held));
                return Err(e);
            }
            pending = held.status().await.pending;
        }
        self.forget(&name);
        self.save().await?;
        tracing::info!(drive = name, waiting = pending.files, "unmounted");
        Ok((name, pending))
    }

    /// All drives as they are now.
    pub async fn status(&self) -> Status {
        let entries: Vec<(DriveConfig, Slot)> =
            self.table().drives.values().map(|e| (e.config.clone(), e.slot.clone())).collect();
        let mut drives = Vec::with_capacity(entries.len());
        for (config, slot) in entries {
            drives.push(match slot {
                Slot::Held(held) | Slot::Leaving(held) => held.status().await,
                Slot::Mounting => absent(&config, DriveState::Syncing, None),
                Slot::Failed { why, .. } => absent(&config, DriveState::Problem, Some(&why)),
            });
        }
        Status { version: VERSION, drives }
    }

    /// The held drives that are meant.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such drive, [`Kind::Busy`] if one that is meant is not mounted.
    fn held(&self, which: Which<'_>) -> Result<Vec<(String, Arc<dyn Held>)>> {
        let table = self.table();
        let names = match which {
            Which::All => table.drives.keys().cloned().collect(),
            Which::One(drive) => vec![find(&table, drive)?],
        };
        let mut held = Vec::new();
        for name in names {
            match table.drives.get(&name).map(|e| &e.slot) {
                Some(Slot::Held(h) | Slot::Leaving(h)) => held.push((name, h.clone())),
                Some(Slot::Mounting) => {
                    return Err(Error::new(Kind::Busy, "the drive is still being mounted")
                        .at(name)
                        .remedy("try again in a moment"));
                }
                Some(Slot::Failed { why, .. }) => {
                    let cause = why.cause();
                    return Err(Error::new(Kind::Busy, format!("the drive is not mounted: {cause}"))
                        .at(name)
                        .remedy(why.remedy_text().unwrap_or("see `lacuna status`")));
                }
                None => {}
            }
        }
        Ok(held)
    }

    async fn flush(&self, which: Which<'_>) -> Result<()> {
        let held = self.held(which)?;
        let flushes = held.iter().map(|(name, held)| async move { (name, held.flush().await) });
        let mut failed: Vec<(&String, Error)> = Vec::new();
        for (name, done) in join_all(flushes).await {
            failed.extend(done.err().map(|e| (name, e)));
        }
        match failed.len() {
            0 => Ok(()),
            1 => failed.pop().map_or(Ok(()), |(_, e)| Err(e)),
            _ => {
                let kind = failed[0].1.kind();
                let causes: Vec<String> = failed.iter().map(|(name, e)| format!("{name}: {e}")).collect();
                Err(Error::new(kind, causes.join("; ")))
            }
        }
    }

    /// Holds or lets go, and remembers it for the next life.
    async fn pause(&self, which: Which<'_>, pause: Pause) -> Result<()> {
        let held = match which {
            // A drive that is not mounted sends nothing now; the setting below holds it later.
            Which::All => self.held_now(),
            Which::One(_) => self.held(which)?,
        };
        for (name, held) in &held {
            match pause {
                Pause::No => held.resume().await,
                Pause::Until(end) => held.pause(Some(end)).await,
                Pause::Forever => held.pause(None).await,
            }
            if let Some(entry) = self.table().drives.get_mut(name) {
                entry.config.pause = pause;
            }
        }
        self.save().await
    }

    fn held_now(&self) -> Vec<(String, Arc<dyn Held>)> {
        let table = self.table();
        let held = |(name, entry): (&String, &Entry)| match &entry.slot {
            Slot::Held(held) => Some((name.clone(), held.clone())),
            _ => None,
        };
        table.drives.iter().filter_map(held).collect()
    }

    /// The newest saves of the drives that are mounted, newest first.
    async fn activity(&self, which: Which<'_>, limit: usize) -> Result<Vec<Save>> {
        let held = match which {
            Which::All => self.held_now(),
            Which::One(_) => self.held(which)?,
        };
        let mut all = Vec::new();
        for (_, held) in held {
            all.extend(held.activity(limit).await);
        }
        all.sort_by_key(|save| std::cmp::Reverse(save.at));
        all.truncate(limit);
        Ok(all)
    }

    /// Tries at once what waits after a failure: changes, and drives that could not be mounted.
    async fn retry(self: &Arc<Self>, which: Which<'_>) -> Result<()> {
        let meant = match which {
            Which::All => None,
            Which::One(drive) => Some(find(&self.table(), drive)?),
        };
        let is_meant = |name: &str| meant.as_deref().is_none_or(|meant| meant == name);
        for (name, held) in self.held_now() {
            if is_meant(&name) {
                held.retry().await;
            }
        }
        self.mount_failed(|name, _| is_meant(name));
        Ok(())
    }

    /// Starts to mount again those of the failed drives that `now` chooses by their names and moments.
    fn mount_failed(self: &Arc<Self>, now: impl Fn(&str, Instant) -> bool) {
        let mut table = self.table();
        if table.ending {
            return;
        }
        for (name, entry) in &mut table.drives {
            if let Slot::Failed { again, pause, .. } = entry.slot
                && now(name, again)
                && config::check_name(name).is_ok()
            {
                entry.slot = Slot::Mounting;
                self.news.tell();
                let (agent, config) = (self.clone(), entry.config.clone());
                // Not waited for: a remote that does not answer must not keep others from being looked after.
                tokio::spawn(async move { agent.try_again(config, (pause * 2).min(RETRY.1)).await });
            }
        }
    }

    /// Looks after the drives: those whose mount is gone leave, those that failed are tried again.
    async fn tend(self: &Arc<Self>) {
        let gone: Vec<_> = self.held_now().into_iter().filter(|(_, held)| !held.is_alive()).collect();
        for (name, held) in gone {
            tracing::info!(drive = name, "unmounted from outside");
            self.forget(&name);
            held.close().await;
        }
        let now = Instant::now();
        self.mount_failed(|_, again| again <= now);
    }

    /// Unmounts everything, for good. What is pending stays in the journals; answers which drives have
    /// some. The settings keep all drives, for the next life.
    pub async fn end(&self) -> Vec<(String, Pending)> {
        self.table().ending = true;
        // Mounts and unmounts under way come to their end first, or would be left half done.
        let mut changed = self.changed.subscribe();
        let under_way =
            |t: &Table| t.drives.values().any(|e| matches!(e.slot, Slot::Mounting | Slot::Leaving(_)));
        let settled = async {
            while under_way(&self.table()) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(BUSY * 3, settled).await.is_err() {
            tracing::warn!("a mount that is under way is given up");
        }
        let held = self.held_now();
        for (name, held) in &held {
            self.set(name, Slot::Leaving(held.clone()));
        }
        let ends = held.into_iter().map(|(name, held)| async move {
            leave(&name, &*held).await;
            let pending = held.status().await.pending;
            (name, pending)
        });
        let mut waiting = join_all(ends).await;
        for (name, _) in &waiting {
            self.forget(name);
        }
        waiting.retain(|(_, pending)| *pending != Pending::default());
        for (name, pending) in &waiting {
            tracing::info!(
                drive = name,
                files = pending.files,
                bytes = pending.bytes,
                "waits for the next mount"
            );
        }
        waiting
    }
}

/// Unmounts; if programs hold on to the drive, stops it all the same after a while. Their next access
/// fails then, and the next mount at that place takes the dead one away.
async fn leave(name: &str, held: &dyn Held) {
    let deadline = Instant::now() + BUSY;
    loop {
        match held.unmount().await {
            Ok(()) => return,
            Err(e) if e.kind() == Kind::Busy && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(e) => {
                tracing::warn!(drive = name, "left without unmounting: {e}");
                return held.close().await;
            }
        }
    }
}

/// Runs what waits for the disk where that holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) => Err(Error::new(Kind::Other, format!("a task broke: {e}"))),
    }
}
