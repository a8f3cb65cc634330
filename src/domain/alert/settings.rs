//! Settings of alerting that the services file sets.

use std::time::Duration;

use crate::domain::maintenance::zone::Zone;
use crate::domain::service::template::Template;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertingSettings {
    /// Of the times in messages; UTC by default.
    pub timezone: Option<Zone>,
    pub watchdog: Option<Watchdog>,
}

/// A URL that is called while the monitor is ready, so that another system notices its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watchdog {
    /// http or https; may contain a secret.
    pub url: Template,
    pub interval: Duration,
}

impl Watchdog {
    pub const INTERVAL: Duration = Duration::from_secs(60);
}
