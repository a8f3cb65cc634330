//! Sample values for tests.

use std::time::Duration;

use crate::domain::outcome::Outcome;
use crate::domain::service::definition::{Defaults, Definition, Service};
use crate::domain::service::interval::{Interval, Timeout};
use crate::domain::service::label::Name;
use crate::domain::service::options::Options;
use crate::domain::service::service_id::ServiceId;
use crate::domain::service::target::Target;

/// A definition with only the required fields.
pub fn definition(name: &str) -> Definition {
    Definition {
        name: Name::parse(name).unwrap(),
        target: Target::parse("http://a/").unwrap(),
        group: None,
        enabled: true,
        interval: None,
        timeout: None,
        conditions: Box::default(),
        options: Options::none(),
    }
}

pub fn defaults(interval_seconds: f64, timeout_seconds: f64) -> Defaults {
    Defaults {
        interval: Interval::from_seconds(interval_seconds).unwrap(),
        timeout: Timeout::from_seconds(timeout_seconds).unwrap(),
    }
}

/// A service with a timeout of one second.
pub fn service(id: i64, interval_seconds: f64) -> Service {
    let defaults = defaults(interval_seconds, 1.0);
    Service::new(ServiceId::new(id).unwrap(), definition("a"), &defaults)
}

/// A success.
pub fn outcome(id: i64, started_at_ms: i64) -> Outcome {
    Outcome::without_details(ServiceId::new(id).unwrap(), started_at_ms, Duration::ZERO, None)
}
