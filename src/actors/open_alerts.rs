//! Numbers of open alerts, in memory.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::alert::open_counts::OpenAlertCounts;

/// Written by the dispatcher at most twice a second, or by the coordinator with each look while
/// another instance decides about alerts; clones share the content.
#[derive(Debug, Clone, Default)]
pub struct OpenAlerts(Arc<RwLock<Arc<OpenAlertCounts>>>);

impl OpenAlerts {
    pub fn get(&self) -> Arc<OpenAlertCounts> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, counts: OpenAlertCounts) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(counts);
    }
}
