//! The kinds of channels, which a later module describes.

use serde_json::{Map, Value};

use crate::domain::alert::channel::{ChannelOptions, KeyProblem};
use crate::services_file::gatus_keys::PROVIDERS;

/// Names of the kinds of channels, and the check of their keys.
pub trait ChannelKinds {
    fn names(&self) -> Vec<&'static str>;

    /// Problems of what a channel of `kind` sets.
    fn check(&self, kind: &str, options: &ChannelOptions) -> Vec<KeyProblem>;

    /// Problems of keys that replace those of a channel of `kind`.
    fn check_overrides(&self, kind: &str, keys: &Map<String, Value>) -> Vec<KeyProblem>;
}

/// The kinds, whose keys are not checked.
pub struct Unchecked;

impl ChannelKinds for Unchecked {
    fn names(&self) -> Vec<&'static str> {
        PROVIDERS.iter().copied().chain(["alertmanager", "apprise", "webhook"]).collect()
    }

    fn check(&self, _: &str, _: &ChannelOptions) -> Vec<KeyProblem> {
        Vec::new()
    }

    fn check_overrides(&self, _: &str, _: &Map<String, Value>) -> Vec<KeyProblem> {
        Vec::new()
    }
}
