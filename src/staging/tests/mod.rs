//! What staged files promise, tried.

mod cases;
mod crash;
mod kit;
mod model;
mod threads;

use std::{io, sync::Mutex};

use super::Step;

type Hook = Box<dyn FnMut(Step) -> io::Result<()> + Send>;

/// Lets a test look at, or fail, each step of an operation.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<Hook>>);

impl Probe {
    pub(super) fn at(&self, step: Step) -> io::Result<()> {
        match self.0.lock().unwrap().as_mut() {
            Some(hook) => hook(step),
            None => Ok(()),
        }
    }

    pub(super) fn set(&self, hook: impl FnMut(Step) -> io::Result<()> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::new(hook));
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap() = None;
    }
}
