//! How the requests of the kernel run.
//!
//! A request is tried at once on the thread that read it; only if the drive has to wait does it move to
//! the runtime and answer from there, so that a slow remote call holds up nobody else.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{adapter::Adapter, shared::Shared};
use crate::vfs::{self, Fault};

impl Adapter {
    /// Runs a request, whose last act is to answer. If it panics the answer is EIO (a reply that is
    /// dropped says so) and the thread goes on serving.
    pub fn run<F>(&self, request: impl FnOnce(Arc<Shared>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _context = self.0.runtime.enter();
        let mut request = Box::pin(request(self.0.clone()));
        let first = std::panic::catch_unwind(AssertUnwindSafe(|| {
            request.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }));
        match first {
            Ok(Poll::Ready(())) => {}
            Ok(Poll::Pending) => drop(self.0.runtime.spawn(request)),
            Err(_) => tracing::error!("a request to the drive panicked and was answered with EIO"),
        }
    }

    /// Runs a request that needs no waiting.
    ///
    /// # Errors
    /// What the request says, or `Io` if it panics.
    pub fn now<T>(&self, request: impl FnOnce(&Shared) -> vfs::Result<T>) -> vfs::Result<T> {
        let _context = self.0.runtime.enter();
        std::panic::catch_unwind(AssertUnwindSafe(|| request(&self.0))).unwrap_or_else(|_| {
            tracing::error!("a request to the drive panicked and was answered with EIO");
            Err(Fault::Io)
        })
    }
}
