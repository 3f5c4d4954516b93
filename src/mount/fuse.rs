//! Linux: FUSE by the crate `fuser`.
//!
//! - `adapter` translates each request, `readdir` listings, `answer` replies, `translate` values; `shared` is what
//!   they share, `run` how they run, `negotiate` what is agreed with the kernel before the first;
//! - `invalidate` tells the kernel what to forget;
//! - `system` looks whether a mount is possible and says what is in the way, `attach` makes it;
//! - `mountinfo` reads what is mounted, `holders` who uses it.
//!
//! The session with the kernel is fuser's; mounting and unmounting are ours, because fuser's own would
//! unmount a second time whatever is at the same place when a session ends, and hides why `fusermount3`
//! refused.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use fuser::{Config, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec};

use self::{adapter::Adapter, invalidate::Queue, mountinfo::MountPoint, system::System};
use super::MountOptions;
use crate::{
    error::{Error, Kind, Result},
    vfs::Vfs,
};

mod adapter;
mod answer;
mod attach;
mod holders;
mod invalidate;
mod mountinfo;
mod negotiate;
mod readdir;
mod run;
mod shared;
mod system;
mod translate;

/// How long unmounting waits for the session to end. It ends with the last mount of the connection;
/// another mount namespace (a container started meanwhile) may hold one for as long as it lives.
const FAREWELL: Duration = Duration::from_secs(5);

pub struct Mounted {
    /// Absolute, without links.
    at: PathBuf,
    /// Which of the mounts that may come and go at this place is ours.
    id: u64,
    /// The connection, only to ask whether the kernel still holds it.
    connection: OwnedFd,
    ended: Arc<Ended>,
}

/// Set when the session with the kernel is over.
#[derive(Default)]
struct Ended {
    flag: Mutex<bool>,
    wake: Condvar,
}

impl Ended {
    fn set(&self) {
        *self.flag.lock().unwrap_or_else(|e| e.into_inner()) = true;
        self.wake.notify_all();
    }

    fn wait(&self, most: Duration) {
        let flag = self.flag.lock().unwrap_or_else(|e| e.into_inner());
        let _ = self.wake.wait_timeout_while(flag, most, |ended| !*ended);
    }
}

pub fn mount(
    vfs: Arc<dyn Vfs>,
    at: &Path,
    options: &MountOptions,
    runtime: tokio::runtime::Handle,
) -> Result<Mounted> {
    let system = System::this();
    let at = system.prepare(at)?;
    let plan = system.plan(options)?;
    let device = attach::attach(&at, &plan)?;

    // From here on a failure must take the dead mount away again.
    let start = || -> Result<Mounted> {
        let mine = system
            .mounted_at(&at)
            .ok_or_else(|| Error::new(Kind::Other, "the mount vanished as soon as it was made"))?;
        let ended = Arc::new(Ended::default());
        let session = |e| Error::io("the session with FUSE did not start", e);
        let connection = device.try_clone().map_err(session)?;
        serve(vfs, device, &plan, runtime, ended.clone()).map_err(session)?;
        system::raise_readahead(&mine.device);
        Ok(Mounted { at: at.clone(), id: mine.id, connection, ended })
    };
    start().map_err(|e| {
        let _ = attach::detach(&at);
        e.at(at.display())
    })
}

/// Shakes hands with the kernel and starts the threads that answer it.
fn serve(
    vfs: Arc<dyn Vfs>,
    device: OwnedFd,
    plan: &system::Plan,
    runtime: tokio::runtime::Handle,
    ended: Arc<Ended>,
) -> std::io::Result<()> {
    let queue = Arc::new(Queue::default());
    let mut config = Config::default();
    config.acl = if plan.allow_other { SessionACL::All } else { SessionACL::Owner };
    // They wait for local disks at most; what waits for the remote moves to the runtime.
    let cores = std::thread::available_parallelism().map_or(4, usize::from);
    config.n_threads = Some((2 * cores).clamp(4, 16));
    config.clone_fd = true;

    let adapter = Adapter::new(vfs.clone(), runtime, queue.clone());
    let session = Session::from_fd(adapter, device, config.acl, config)?;
    queue.clone().serve(session.notifier())?;
    let session = match session.spawn() {
        Ok(session) => session,
        Err(e) => {
            queue.close();
            return Err(e);
        }
    };
    let sink = queue.clone();
    vfs.subscribe(Arc::new(move |what| sink.push(what)));
    std::thread::Builder::new().name("lacuna-mount".into()).spawn(move || {
        if let Err(error) = session.join() {
            tracing::error!(%error, "the session with FUSE ended badly");
        }
        queue.close();
        ended.set();
    })?;
    Ok(())
}

impl Mounted {
    /// Whether the kernel still holds the connection: false as soon as the last mount of it is gone.
    fn is_connected(&self) -> bool {
        let mut fds = [PollFd::new(&self.connection, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match rustix::event::poll(&mut fds, Some(&now)) {
            Ok(_) => !fds[0].revents().contains(PollFlags::ERR),
            Err(_) => true,
        }
    }

    /// Our mount as the system has it, if it still has it. The number of a mount is given again to the
    /// next one, so it says nothing once the connection is gone.
    fn find(&self) -> Option<MountPoint> {
        if !self.is_connected() {
            return None;
        }
        System::this().mounts().into_iter().find(|m| m.id == self.id && m.at == self.at)
    }

    pub fn is_alive(&self) -> bool {
        self.find().is_some()
    }

    pub fn unmount(&self) -> Result<()> {
        let Some(mine) = self.find() else { return Ok(()) };
        if let Some(above) = System::this().mounted_at(&self.at).filter(|m| m.id != mine.id) {
            return Err(Error::new(Kind::Busy, format!("{} is mounted over the drive", above.describe()))
                .remedy(format!("unmount that first: umount {}", self.at.display()))
                .at(self.at.display()));
        }
        attach::unmount(&self.at)?;
        self.ended.wait(FAREWELL);
        Ok(())
    }

    pub fn detach(&self) -> Result<()> {
        // Only if what is on top is ours: the system knows no other way to say which.
        match (self.find(), System::this().mounted_at(&self.at)) {
            (Some(mine), Some(top)) if top.id == mine.id => attach::detach(&self.at),
            _ => Ok(()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = self.detach() {
            tracing::warn!(%error, "the drive stays mounted");
        }
    }
}
