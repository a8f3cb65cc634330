//! Counts and failures of look-ups, which the prober takes for metrics and log.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::probe::registry::mutex::locked;

/// Requests to registries by protocol and result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupCounts {
    pub rdap_answered: u64,
    pub rdap_failed: u64,
    pub whois_answered: u64,
    pub whois_failed: u64,
}

/// Counts and failures since the last `NewsBox::take`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RegistryNews {
    pub counts: LookupCounts,
    /// Why the bootstrap file could not be read.
    pub bootstrap_failure: Option<String>,
}

#[derive(Debug, Default)]
pub struct NewsBox {
    news: Mutex<RegistryNews>,
    /// Saves most probes the lock.
    has_news: AtomicBool,
}

impl NewsBox {
    pub fn add(&self, add: impl FnOnce(&mut RegistryNews)) {
        add(&mut locked(&self.news));
        self.has_news.store(true, Ordering::Release);
    }

    /// `None` if nothing was added since the last call.
    pub fn take(&self) -> Option<RegistryNews> {
        let has_news = self.has_news.swap(false, Ordering::Acquire);
        has_news.then(|| std::mem::take(&mut *locked(&self.news)))
    }
}
