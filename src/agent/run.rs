//! The life of an agent: take the home, listen, mount what the settings list, serve, unmount.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use super::{Agent, Holder, HomeLock, serve::Door};
use crate::{
    config::{Home, Settings, write_atomic},
    control::{api::Pending, server::Server},
    error::{Error, Result},
    platform,
};

/// How often the drives are looked after.
const TEND: Duration = Duration::from_secs(1);

/// A drive to mount before anything else; it lives as long as this agent and is not listed.
#[derive(Clone, Debug)]
pub struct First {
    /// The remote.
    pub url: String,
    /// Where, absolute.
    pub mountpoint: PathBuf,
    /// The drive's name, if it is to have a certain one.
    pub name: Option<String>,
    /// Programs may only read.
    pub read_only: bool,
    /// How many bytes its files may take on this machine; none: as usual, none in it: no limit.
    pub cache_limit: Option<Option<u64>>,
    /// Called with the name when it is mounted.
    pub tell: fn(&str),
}

/// Holds drives until `stop` returns or a client says [`Quit`](crate::control::api::Request::Quit).
/// Answers which drives still have something pending.
///
/// # Errors
/// [`Kind::Busy`](crate::error::Kind::Busy) if another agent has the home; settings that can't be read; `first` if it can't be mounted.
pub async fn run(
    home: Home,
    holder: Arc<dyn Holder>,
    first: Option<First>,
    stop: impl Future<Output = ()>,
) -> Result<Vec<(String, Pending)>> {
    home.create()?;
    let _lock = HomeLock::take(&home)?;
    let settings = Settings::load(&home.settings())?;
    platform::raise_open_files();
    let server = listen(&home)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), home = %home.state.display(), "the agent is up");

    let agent = Arc::new(Agent::new(home.clone(), holder));
    let mut quit = agent.quit.subscribe();
    // Listed before the first client can ask, so that none sees an agent without its drives.
    let listed = agent.list(&settings);
    // Tasks of their own, which a request to end does not cut off in the middle of a mount.
    let serve = tokio::spawn({
        let agent = agent.clone();
        async move { server.run(Arc::new(Door(agent))).await }
    });
    let tend = tokio::spawn({
        let agent = agent.clone();
        async move {
            agent.mount_listed(listed).await;
            loop {
                tokio::time::sleep(TEND).await;
                agent.tend().await;
            }
        }
    });
    let mount_first = tokio::spawn({
        let agent = agent.clone();
        async move {
            let Some(first) = first else { return Ok(()) };
            let name = first.name.as_deref();
            let done = agent.mount(&first.url, &first.mountpoint, name, first.read_only, false).await?;
            if let Some(limit) = first.cache_limit {
                agent.cache_limit(&done.0, limit).await?;
            }
            (first.tell)(&done.0);
            Ok::<(), Error>(())
        }
    });
    let failed = async {
        match mount_first.await {
            Ok(Err(e)) => e,
            // It is mounted (or its task broke, which the log has): nothing ends by this.
            _ => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        () = stop => Ok(()),
        _ = quit.wait_for(|quit| *quit) => Ok(()),
        e = failed => Err(e),
    };
    let waiting = agent.end().await;
    // The last answers get out before the socket closes.
    tokio::time::sleep(Duration::from_millis(100)).await;
    for task in [serve, tend] {
        task.abort();
        // Awaited, so that the socket is gone from the disk before the home is given back.
        let _ = task.await;
    }
    tracing::info!("the agent has ended");
    ended.map(|()| waiting)
}

/// Makes the socket, and leaves word in the home if it had to be elsewhere.
fn listen(home: &Home) -> Result<Server> {
    let (socket, pointer) = (home.socket(), home.socket_pointer());
    let server = Server::bind(&socket)?;
    if socket.starts_with(&home.state) {
        // One that a longer-named home left here would lead clients astray.
        let _ = fs::remove_file(&pointer);
    } else {
        let text = socket.to_string_lossy();
        write_atomic(&pointer, text.as_bytes())
            .map_err(|e| Error::io("can't note where the control socket is", e).at(pointer.display()))?;
    }
    Ok(server)
}
