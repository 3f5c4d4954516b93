//! The agent's answers to what comes in by the control socket.

use std::path::Path;

use async_trait::async_trait;

use super::{Agent, Which};
use crate::{
    control::{
        api::{Reply, Request, Status},
        server::Service,
    },
    error::{Error, Kind, Result},
    policy::Pause,
};

#[async_trait]
impl Service for Agent {
    async fn status(&self) -> Status {
        Agent::status(self).await
    }

    async fn answer(&self, request: Request) -> Result<Reply> {
        match request {
            Request::Status => Ok(Reply::Status(Agent::status(self).await)),
            Request::Mount { url, mountpoint, name, read_only } => {
                let mountpoint = Path::new(&mountpoint);
                if !mountpoint.is_absolute() {
                    return Err(Error::new(Kind::Invalid, "the mount point must be an absolute path")
                        .at(mountpoint.display()));
                }
                let (name, already) = self.mount(&url, mountpoint, name.as_deref(), read_only, true).await?;
                Ok(Reply::Mounted { name, already })
            }
            Request::Unmount { drive } => {
                let (name, pending) = self.unmount(&drive).await?;
                Ok(Reply::Unmounted { name, pending })
            }
            Request::Flush { drive } => self.flush(Which::from(&drive)).await.map(|()| Reply::Done),
            Request::Pause { drive, until } => {
                self.pause(Which::from(&drive), Pause::new(until)).await.map(|()| Reply::Done)
            }
            Request::Resume { drive } => {
                self.pause(Which::from(&drive), Pause::No).await.map(|()| Reply::Done)
            }
            Request::Info { drive, path } => {
                let held = self.held(Which::One(&drive))?;
                let (_, held) = held.first().ok_or_else(|| super::no_drive(&drive))?;
                held.info(&path).await.map(Reply::Info)
            }
            Request::Evict { drive, path } => {
                let held = self.held(Which::One(&drive))?;
                let (_, held) = held.first().ok_or_else(|| super::no_drive(&drive))?;
                held.evict(&path).await.map(|bytes| Reply::Evicted { bytes })
            }
            Request::Quit => {
                self.end().await;
                self.quit.send_replace(true);
                Ok(Reply::Done)
            }
            Request::Pin { .. }
            | Request::Unpin { .. }
            | Request::List { .. }
            | Request::Activity { .. }
            | Request::Settings
            | Request::Configure { .. }
            | Request::CacheLimit { .. }
            | Request::Retry { .. }
            | Request::Probe { .. }
            | Request::Init { .. } => Err(Error::new(Kind::Other, "not built yet")),
            Request::Hello { .. } | Request::Watch => {
                Err(Error::new(Kind::Other, "the server answers this itself"))
            }
        }
    }
}
