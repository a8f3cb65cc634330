//! All maintenance, in memory.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::maintenance::Windows;

/// Written by the recorder after each change; clones share the content.
#[derive(Debug, Clone, Default)]
pub struct CurrentWindows(Arc<RwLock<Windows>>);

impl CurrentWindows {
    pub fn new(windows: Windows) -> Self {
        Self(Arc::new(RwLock::new(windows)))
    }

    pub fn get(&self) -> Windows {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, windows: Windows) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = windows;
    }
}
