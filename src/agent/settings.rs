//! What of the agent outlives it, and what holds for all its drives.

use super::{Agent, Slot, blocking, find, no_drive};
use crate::{
    config::{DriveConfig, Settings},
    control::api::AgentSettings,
    error::{Error, Kind, Result},
};

impl Agent {
    /// Writes the list of drives and what holds for all. What another version put into the settings stays.
    pub(super) async fn save(&self) -> Result<()> {
        let _one_writer = self.settings.lock().await;
        let (drives, limits) = {
            let table = self.table();
            let kept = table.drives.values().filter(|e| e.keep).map(|e| e.config.clone());
            (kept.collect::<Vec<DriveConfig>>(), table.limits.clone())
        };
        let agent = self.shared();
        let file = self.home.settings();
        blocking(move || {
            let mut settings = Settings::load(&file)?;
            if settings.drives == drives && settings.agent == agent && settings.cache_limits == limits {
                return Ok(());
            }
            (settings.drives, settings.agent, settings.cache_limits) = (drives, agent, limits);
            settings.save(&file)
        })
        .await
    }

    /// What holds for all drives.
    pub(super) fn shared(&self) -> AgentSettings {
        *self.shared.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes it in, for bytes that wait already, too.
    pub(super) fn share(&self, settings: AgentSettings) {
        *self.shared.lock().unwrap_or_else(|e| e.into_inner()) = settings;
        self.bandwidth.up.set(settings.upload_limit);
        self.bandwidth.down.set(settings.download_limit);
    }

    /// Changes what holds for all drives, at once and for good.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a limit of nothing; what writing the settings fails with, and then it is as before.
    pub(super) async fn configure(&self, settings: AgentSettings) -> Result<()> {
        if [settings.upload_limit, settings.download_limit].contains(&Some(0)) {
            return Err(Error::new(
                Kind::Invalid,
                "with a limit of 0 bytes a second nothing would ever move",
            )
            .remedy("give a larger one, or pause the drives"));
        }
        let before = self.shared();
        self.share(settings);
        self.save().await.inspect_err(|_| self.share(before))
    }

    /// Sets how much a drive may take on this machine, also of one that is not mounted now, and for good.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; what writing the settings fails with.
    pub(super) async fn cache_limit(&self, drive: &str, bytes: Option<u64>) -> Result<()> {
        let held = {
            let mut table = self.table();
            let name = find(&table, drive)?;
            let entry = table.drives.get_mut(&name).ok_or_else(|| no_drive(drive))?;
            entry.config.cache_limit = bytes;
            let held = match &entry.slot {
                Slot::Held(held) | Slot::Leaving(held) => Some(held.clone()),
                Slot::Mounting | Slot::Failed { .. } => None,
            };
            table.limits.insert(name, bytes);
            held
        };
        if let Some(held) = held {
            held.set_cache_limit(bytes).await;
        }
        self.news.tell();
        self.save().await
    }
}
