//! The agent's answers to what comes in by the control socket.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Agent, Held, Which, no_drive};
use crate::{
    control::{
        api::{Reply, Request, Status},
        server::Service,
    },
    error::{Error, Kind, Result},
    policy::Pause,
    remote,
};

/// The most entries or saves of one answer.
const MOST: u32 = 1000;

/// A number from a request, within what is answered at once.
fn at_most(limit: u32) -> usize {
    limit.min(MOST) as usize
}

/// A `store:` URL of a request must name one folder for everybody: the agent has a working folder of its own.
fn absolute(url: &str) -> Result<()> {
    match url.strip_prefix("store:") {
        Some(path) if !Path::new(path).is_absolute() => {
            Err(Error::new(Kind::Invalid, "the bucket's folder must be an absolute path")
                .remedy("write it from the root on, such as store:/srv/bucket")
                .at(url))
        }
        _ => Ok(()),
    }
}

impl Agent {
    fn one(&self, drive: &str) -> Result<Arc<dyn Held>> {
        let mut held = self.held(Which::One(drive))?;
        held.pop().map(|(_, held)| held).ok_or_else(|| no_drive(drive))
    }
}

/// The agent as the server sees it. A type of its own because what it starts outlives a request.
#[derive(Clone)]
pub(super) struct Door(pub Arc<Agent>);

#[async_trait]
impl Service for Door {
    fn changes(&self) -> watch::Receiver<u64> {
        self.0.news.follow()
    }

    async fn status(&self) -> Status {
        self.0.status().await
    }

    async fn answer(&self, request: Request) -> Result<Reply> {
        let agent = &self.0;
        match request {
            Request::Status => Ok(Reply::Status(agent.status().await)),
            Request::Mount { url, mountpoint, name, read_only } => {
                let mountpoint = Path::new(&mountpoint);
                if !mountpoint.is_absolute() {
                    return Err(Error::new(Kind::Invalid, "the mount point must be an absolute path")
                        .at(mountpoint.display()));
                }
                let (name, already) = agent.mount(&url, mountpoint, name.as_deref(), read_only, true).await?;
                Ok(Reply::Mounted { name, already })
            }
            Request::Unmount { drive } => {
                let (name, pending) = agent.unmount(&drive).await?;
                Ok(Reply::Unmounted { name, pending })
            }
            Request::Flush { drive } => agent.flush(Which::from(&drive)).await.map(|()| Reply::Done),
            Request::Pause { drive, until } => {
                agent.pause(Which::from(&drive), Pause::new(until)).await.map(|()| Reply::Done)
            }
            Request::Resume { drive } => {
                agent.pause(Which::from(&drive), Pause::No).await.map(|()| Reply::Done)
            }
            Request::Info { drive, path } => agent.one(&drive)?.info(&path).await.map(Reply::Info),
            Request::Evict { drive, path } => {
                agent.one(&drive)?.evict(&path).await.map(|bytes| Reply::Evicted { bytes })
            }
            Request::Pin { drive, path } => agent.one(&drive)?.pin(&path).await.map(|()| Reply::Done),
            Request::Unpin { drive, path } => agent.one(&drive)?.unpin(&path).await.map(|()| Reply::Done),
            Request::List { drive, path, after, limit } => {
                agent.one(&drive)?.list(&path, after.as_deref(), at_most(limit)).await.map(Reply::List)
            }
            Request::Activity { drive, limit } => {
                agent.activity(Which::from(&drive), at_most(limit)).await.map(Reply::Activity)
            }
            Request::Settings => Ok(Reply::Settings(agent.shared())),
            Request::Configure { settings } => agent.configure(settings).await.map(|()| Reply::Done),
            Request::CacheLimit { drive, bytes } => {
                agent.cache_limit(&drive, bytes).await.map(|()| Reply::Done)
            }
            Request::Retry { drive } => agent.retry(Which::from(&drive)).await.map(|()| Reply::Done),
            Request::Probe { url } => {
                absolute(&url)?;
                let found = agent.holder.probe(&url).await?;
                let name = agent.free_name(&agent.table(), &url);
                Ok(Reply::Probed { found, name })
            }
            Request::Init { url } => {
                absolute(&url)?;
                remote::init(&url).await.map(|()| Reply::Done)
            }
            Request::Account => agent.hub()?.look().await.map(Reply::Account),
            Request::SignIn { token } => agent.sign_in(token.as_ref()).await,
            Request::SignOut => agent.sign_out().await.map(Reply::Account),
            Request::Buckets { page } => agent.hub()?.buckets(page.as_deref()).await.map(Reply::Buckets),
            Request::Quit => {
                agent.end().await;
                agent.quit.send_replace(true);
                Ok(Reply::Done)
            }
            Request::Hello { .. } | Request::Watch => {
                Err(Error::new(Kind::Other, "the server answers this itself"))
            }
        }
    }
}
