//! Texts of responses that several clients share.

use std::sync::{Arc, Weak};

use actix_web::web::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// The text of a response. It holds its permit until the last client has taken its last byte.
#[derive(Debug, Clone)]
pub struct SharedText(Arc<Text>);

#[derive(Debug)]
struct Text {
    text: Box<[u8]>,
    _permit: OwnedSemaphorePermit,
}

impl SharedText {
    pub fn new(text: Vec<u8>, permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Text { text: text.into_boxed_slice(), _permit: permit }))
    }

    pub fn len(&self) -> usize {
        self.0.text.len()
    }

    /// The text without a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    pub fn downgrade(&self) -> WeakText {
        WeakText(Arc::downgrade(&self.0))
    }
}

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        &self.0.text
    }
}

/// A text that lives for as long as a client takes it.
#[derive(Debug, Clone)]
pub struct WeakText(Weak<Text>);

impl WeakText {
    pub fn upgrade(&self) -> Option<SharedText> {
        self.0.upgrade().map(SharedText)
    }
}
