//! Values for tests, so that a new field is filled in at one place.

use std::time::Duration;

use super::{Definition, Interval, Name, Options, Outcome, Service, ServiceId, Target, Timeout};

/// A definition that sets only what it must.
pub fn definition(name: &str) -> Definition {
    Definition {
        name: Name::parse(name).unwrap(),
        target: Target::parse("http://a/").unwrap(),
        group: None,
        enabled: true,
        interval: None,
        timeout: None,
        conditions: Vec::new(),
        options: Options::none(),
    }
}

/// The service `id` with that interval, and a timeout of a second.
pub fn service(id: i64, interval_seconds: f64) -> Service {
    let defaults = super::Defaults {
        interval: Interval::from_seconds(interval_seconds).unwrap(),
        timeout: Timeout::from_seconds(1.0).unwrap(),
    };
    Service::new(ServiceId::new(id).unwrap(), definition("a"), &defaults)
}

/// A success of the service `id` at `started_at_ms`.
pub fn outcome(id: i64, started_at_ms: i64) -> Outcome {
    Outcome::without_details(ServiceId::new(id).unwrap(), started_at_ms, Duration::ZERO, None)
}
