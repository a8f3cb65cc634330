//! Warnings and infos beside an answer.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// Of each kind, beside an answer.
pub const MAX_ANNOTATIONS: usize = 10;

#[derive(Debug, Default)]
pub struct Annotations {
    warnings: RefCell<BTreeSet<String>>,
    infos: RefCell<BTreeSet<String>>,
}

impl Annotations {
    pub fn warn(&self, message: impl Into<String>) {
        add(&self.warnings, message.into());
    }

    pub fn inform(&self, message: impl Into<String>) {
        add(&self.infos, message.into());
    }

    pub fn warnings(&self) -> Vec<String> {
        listed(&self.warnings, "warning")
    }

    pub fn infos(&self) -> Vec<String> {
        listed(&self.infos, "info")
    }
}

/// One more than [`MAX_ANNOTATIONS`] are kept, so that [`listed`] knows of the others.
fn add(kept: &RefCell<BTreeSet<String>>, message: String) {
    let mut kept = kept.borrow_mut();
    if kept.len() <= MAX_ANNOTATIONS {
        kept.insert(message);
    }
}

fn listed(kept: &RefCell<BTreeSet<String>>, kind: &str) -> Vec<String> {
    let kept = kept.borrow();
    let mut list: Vec<String> = kept.iter().take(MAX_ANNOTATIONS).cloned().collect();
    if kept.len() > MAX_ANNOTATIONS {
        list.push(format!("further {kind} annotations omitted"));
    }
    list
}
