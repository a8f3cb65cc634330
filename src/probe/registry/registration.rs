//! The expiry of a domain, as its registry publishes it.

/// The answer of a registry about a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// The registration expires at this time, in unix seconds.
    Expires(i64),
    /// The domain is registered, and its registry does not publish when it expires.
    Unpublished,
    /// There is no such domain.
    Unregistered,
}
