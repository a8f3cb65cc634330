//! `service-healthcheck alert list`: the alerts of the running service.

use std::fmt;

use serde_json::Value;

use crate::commands::client::Client;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::domain::time::timestamp::to_rfc3339;
use crate::error::Error;

/// Alerts of one request.
const PAGE: u64 = 1_000;

/// Prints a line for each open alert, or for every one with `all`, newest first.
pub(super) fn run(config: &Config, all: bool) -> Result<(), Error> {
    let client = Client::new(config);
    let mut page = 1;
    let mut shown = 0;
    loop {
        let data = client.get(&format!("/v1/alerts?limit={PAGE}&page={page}"))?;
        let alerts = data["alerts"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        for alert in alerts.iter().filter(|alert| all || alert["state"] != "resolved") {
            print_line(Line(alert));
            shown += 1;
        }
        if page >= data["alerts"]["pagination"]["pages"].as_u64().unwrap_or_default() {
            break;
        }
        page += 1;
    }
    if shown == 0 {
        print_line(if all { "no alerts" } else { "no open alerts" });
    }
    Ok(())
}

/// An alert of the API on one line.
struct Line<'a>(&'a Value);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &str| self.0[field].as_str().filter(|text| !text.is_empty());
        let since = self.0["since"].as_i64().unwrap_or_default();
        let name = match (text("group"), text("service_name")) {
            (Some(group), Some(name)) => format!("{group}/{name}"),
            (None, Some(name)) => name.to_owned(),
            (_, None) => "(this monitor)".to_owned(),
        };
        let [kind, severity, state] =
            ["kind", "severity", "state"].map(|field| text(field).unwrap_or_default());
        let since = to_rfc3339(since.saturating_mul(1_000)).replace(".000Z", "Z");
        write!(f, "{} {state} {severity} {kind} {name} since {since}", self.0["id"])?;
        if let Some(cause) = text("suppressed_by") {
            write!(f, ", suppressed by {cause}")?;
        }
        if let Some(by) = self.0["acknowledged"]["by"].as_str() {
            write!(f, ", acknowledged by {by}")?;
        }
        match text("detail").or(text("reason")) {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_is_one_line() {
        let mut alert = json!({
            "id": 7, "service_name": "pay", "group": "core", "kind": "down", "severity": "critical",
            "state": "acknowledged", "since": 1_795_413_298, "suppressed_by": "silence",
            "acknowledged": {"by": "ann"}, "reason": "timeout", "detail": "no answer within 5 s"
        });
        assert_eq!(
            Line(&alert).to_string(),
            "7 acknowledged critical down core/pay since 2026-11-23T05:54:58Z, suppressed by \
             silence, acknowledged by ann: no answer within 5 s"
        );
        alert["suppressed_by"] = Value::Null;
        alert["acknowledged"] = Value::Null;
        alert["detail"] = json!("");
        alert["group"] = Value::Null;
        alert["service_name"] = json!("");
        assert_eq!(
            Line(&alert).to_string(),
            "7 acknowledged critical down (this monitor) since 2026-11-23T05:54:58Z: timeout"
        );
    }
}
