//! Holds recordings back until someone is ready for the next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// Lets the recordings of a playlist through one by one. Clones are handles to the same turnstile.
#[derive(Clone, Debug)]
pub struct Turnstile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// How many recordings may have begun.
    released: AtomicUsize,
    /// The thread that waited first; it is woken by a release.
    waiting: OnceLock<Thread>,
}

impl Turnstile {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { released: AtomicUsize::new(0), waiting: OnceLock::new() }))
    }

    /// Let one more recording through.
    pub fn release(&self) {
        self.0.released.fetch_add(1, Ordering::Release);
        if let Some(thread) = self.0.waiting.get() {
            thread.unpark();
        }
    }

    /// Whether recording `index` may begin.
    pub(super) fn is_released(&self, index: usize) -> bool {
        self.0.released.load(Ordering::Acquire) > index
    }

    /// Wait at most `timeout`, maybe less, for recording `index` to be released.
    pub(super) fn wait(&self, index: usize, timeout: Duration) -> bool {
        self.0.waiting.get_or_init(thread::current);
        // Looked at again after the thread made itself known, or a release in between would be missed.
        if !self.is_released(index) {
            thread::park_timeout(timeout);
        }
        self.is_released(index)
    }
}
