//! What all files set under `alerting`.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::alert::settings::AlertingSettings;
use crate::domain::invalid::Invalid;
use crate::services_file::findings::Findings;
use crate::services_file::similar::did_you_mean;
use crate::storage::alerting::{NewChannel, NewPolicy};

/// Where a channel or a policy is defined.
#[derive(Debug, Clone)]
pub struct Place {
    pub file: Arc<Path>,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A channel of the file.
#[derive(Debug, Clone)]
pub struct FileChannel {
    pub channel: NewChannel,
    /// What entries of `alerts` leave out.
    pub default_alert: Map<String, Value>,
    pub place: Place,
}

/// What all files set under `alerting`.
#[derive(Debug, Default)]
pub struct Alerting {
    pub channels: Vec<FileChannel>,
    pub policies: Vec<(NewPolicy, Place)>,
    pub settings: AlertingSettings,
    /// Names of channels with a problem of their own: alerts that use them are not rejected too.
    pub rejected: HashSet<String>,
    /// Places of the settings that are set.
    pub places: Vec<(&'static str, Place)>,
}

impl Alerting {
    pub fn channel(&self, name: &str) -> Option<&FileChannel> {
        self.channels.iter().find(|known| known.channel.name == name)
    }

    /// The names of all channels.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(|known| known.channel.name.as_str())
    }

    /// The problem of a name that no channel has.
    pub fn unknown(&self, name: &str) -> Invalid {
        let names: Vec<&str> = self.names().collect();
        let names = if names.is_empty() { "none is".to_owned() } else { names.join(", ") };
        Invalid::new(name, format!("what is set up under alerting: {names}"))
    }

    /// The most similar channel, or one of `others`.
    pub fn similar<'s>(
        &'s self,
        name: &str,
        others: impl Iterator<Item = &'s str>,
    ) -> Option<&'s str> {
        did_you_mean(name, self.names().chain(others))
    }

    /// Rejects policies whose channels no file defines. To be called once all files are added.
    pub fn check_policies(&self, findings: &mut Findings) {
        for (policy, place) in &self.policies {
            let channels = policy.options.steps.iter().flat_map(|(_, channels)| channels);
            let is_unknown =
                |name: &&String| self.channel(name).is_none() && !self.rejected.contains(*name);
            for name in channels.filter(is_unknown) {
                let unknown = self.unknown(name);
                let unknown = match self.similar(name, std::iter::empty()) {
                    Some(similar) => unknown.because(format_args!("did you mean {similar}?")),
                    None => unknown,
                };
                let problem = format!("alerting: policy {}: channels: {unknown}", policy.name);
                findings.problems.add(&place.file, place.line, problem);
            }
        }
    }
}
