//! Texts of responses that several clients share.

use std::sync::{Arc, OnceLock, Weak};

use actix_web::web::Bytes;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use twox_hash::XxHash3_128;

use crate::api::coding::Coding;

/// The text of a response. It holds its permit until the last client has taken its last byte.
#[derive(Debug, Clone)]
pub struct SharedText(Arc<Text>);

#[derive(Debug)]
struct Text {
    text: Box<[u8]>,
    tag: OnceLock<u128>,
    /// By [`Coding`]; `None` when the text is not sent in it.
    packed: [OnceCell<Option<SharedText>>; 2],
    _permit: OwnedSemaphorePermit,
}

impl SharedText {
    pub fn new(text: Vec<u8>, permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Text {
            text: text.into_boxed_slice(),
            tag: OnceLock::new(),
            packed: Default::default(),
            _permit: permit,
        }))
    }

    pub fn len(&self) -> usize {
        self.0.text.len()
    }

    /// The same for the same text, also after a restart; computed once.
    pub fn tag(&self) -> u128 {
        *self.0.tag.get_or_init(|| tag_of(&self.0.text))
    }

    /// The text in `coding`, which `pack` makes once.
    pub async fn packed<F: Future<Output = Result<Option<Self>, Short>>>(
        &self,
        coding: Coding,
        pack: impl FnOnce() -> F,
    ) -> Option<Self> {
        self.0.packed[coding as usize].get_or_try_init(pack).await.ok()?.clone()
    }

    /// The text without a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    pub fn downgrade(&self) -> WeakText {
        WeakText(Arc::downgrade(&self.0))
    }
}

/// There was no memory or no thread for a packed text at once; there may be for the next request.
#[derive(Debug, Clone, Copy)]
pub struct Short;

/// The tag of a text.
pub fn tag_of(text: &[u8]) -> u128 {
    XxHash3_128::oneshot(text)
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
