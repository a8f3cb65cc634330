//! Where a key belongs that stands at a level where Gatus ignores it.

use crate::services_file::gatus_keys;
use crate::services_file::unused_keys;
use crate::spec::field::{
    ACCEPT_STATUS, ARGS, BODY_LACKS, BODY_MATCHES, CONDITIONS, EXPECT, EXPECTED, GRACE,
    GRPC_SERVICE, HEADER_LACKS, HEADER_MATCHES, NAME, QUERY_NAME, QUERY_TYPE, TOKEN, URL,
};
use crate::spec::{FIELDS, Field};

/// Options that define a probe or judge it: they are refused at a wrong place of an endpoint, and
/// on a kind that does not use them.
pub const DEFINING: [Field; 16] = [
    ACCEPT_STATUS,
    ARGS,
    BODY_LACKS,
    BODY_MATCHES,
    CONDITIONS,
    EXPECT,
    EXPECTED,
    GRACE,
    GRPC_SERVICE,
    HEADER_LACKS,
    HEADER_MATCHES,
    NAME,
    QUERY_NAME,
    QUERY_TYPE,
    TOKEN,
    URL,
];

/// Keys of an entry of `alerts` that no endpoint has itself.
const OF_ALERTS: [&str; 5] = [
    "alerts.type",
    "alerts.description",
    "alerts.send-on-resolved",
    "alerts.minimum-reminder-interval",
    "alerts.provider-override",
];

/// Where the last key of `path`, a path in an endpoint, belongs, if there is such a place.
pub fn in_endpoint(path: &str) -> Option<String> {
    let key = path.rsplit('.').next()?;
    let renamed = [("alert", "alerts"), ("maintenance", "maintenance-windows")];
    if let Some((_, right)) = renamed.iter().find(|(wrong, _)| *wrong == path) {
        return Some((*right).to_owned());
    }
    if path == "dns.query-port" {
        return Some("the port in url".to_owned());
    }
    // `client` has other options too.
    let mut steps = DEFINING.iter().flat_map(|field| field.file.split('.'));
    let defining = key != "client" && steps.any(|step| step == key);
    // Its own keys define the question.
    let mut of_gatus = gatus_keys::OF_ENDPOINTS.iter().chain(&OF_ALERTS);
    let is_of_dns = path.starts_with("dns.") && of_gatus.any(is_last(key));
    if defining || is_of_dns {
        return None;
    }
    nearest(paths_in_endpoint(), key, path)
}

/// Where a key at the top level of the file belongs, if there is such a place.
pub fn in_file(key: &str) -> Option<String> {
    if gatus_keys::PROVIDERS.contains(&key) {
        return Some(format!("alerting: {key}"));
    }
    let blocks = gatus_keys::OF_TOP_LEVEL.iter().copied();
    let of_endpoint = || nearest(paths_in_endpoint(), key, "");
    let place = nearest(blocks, key, key);
    place.or_else(|| of_endpoint().map(|place| format!("endpoints: {place}")))
}

/// The paths that an endpoint may have.
fn paths_in_endpoint() -> impl Iterator<Item = &'static str> {
    let fields = FIELDS.iter().map(|field| field.file);
    let unused = unused_keys::OF_ENDPOINTS.iter().map(|(path, _)| *path);
    let of_gatus = gatus_keys::OF_ENDPOINTS.iter().copied();
    fields.chain(OF_ALERTS).chain(unused).chain(of_gatus)
}

fn is_last(key: &str) -> impl Fn(&&str) -> bool {
    move |path| path.rsplit('.').next() == Some(key)
}

/// The shortest path to `key`, but for `wrong`.
fn nearest<'p>(all: impl Iterator<Item = &'p str>, key: &str, wrong: &str) -> Option<String> {
    let places = all.filter_map(|known| up_to(known, key)).filter(|place| *place != wrong);
    let nearest = places.min_by_key(|place| place.split('.').count());
    nearest.map(|place| place.replace('.', ": "))
}

/// The part of `path` that ends with the key `key`.
fn up_to<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    let mut end = 0;
    for step in path.split('.') {
        end += step.len();
        if step == key {
            return path.get(..end);
        }
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_at_another_level_has_a_right_place() {
        for (path, right) in [
            ("timeout", Some("client: timeout")),
            ("insecure", Some("client: insecure")),
            ("ignore-redirect", Some("client: ignore-redirect")),
            ("tls", Some("client: tls")),
            ("ca-file", Some("client: tls: ca-file")),
            ("query-name", None),
            ("client.dns", None),
            ("client.interval", Some("interval")),
            ("client.headers", Some("headers")),
            ("client.alerts", Some("alerts")),
            ("client.ui", Some("ui")),
            ("alert", Some("alerts")),
            ("maintenance", Some("maintenance-windows")),
            ("dns.query-port", Some("the port in url")),
            ("dns.dns-resolver", Some("client: dns-resolver")),
            ("dns.type", None),
            ("client.conditions", None),
            ("client.url", None),
            ("intreval", None),
            ("client.query-port", None),
            ("colour", None),
            ("badge", Some("ui: badge")),
            ("thresholds", Some("ui: badge: response-time: thresholds")),
            ("client.hide-url", Some("ui: hide-url")),
            ("hide-hostname", Some("ui: hide-hostname")),
            ("hide-port", Some("ui: hide-port")),
            ("hide-errors", Some("ui: hide-errors")),
            ("client.hide-conditions", Some("ui: hide-conditions")),
            ("dont-resolve-failed-conditions", Some("ui: dont-resolve-failed-conditions")),
            ("send-on-resolved", Some("alerts: send-on-resolved")),
            ("description", Some("alerts: description")),
            ("client.type", Some("alerts: type")),
            ("minimum-reminder-interval", Some("alerts: minimum-reminder-interval")),
            ("provider-override", Some("alerts: provider-override")),
            ("start", Some("maintenance-windows: start")),
            ("hide-ulr", None),
        ] {
            assert_eq!(in_endpoint(path).as_deref(), right, "{path}");
        }
    }

    #[test]
    fn a_known_key_at_the_top_level_has_a_right_place() {
        for (key, right) in [
            ("client", Some("endpoints: client")),
            ("interval", Some("endpoints: interval")),
            ("timeout", Some("endpoints: client: timeout")),
            ("alerts", Some("endpoints: alerts")),
            ("conditions", Some("endpoints: conditions")),
            ("group", Some("endpoints: group")),
            ("query-name", Some("endpoints: dns: query-name")),
            ("badge", Some("endpoints: ui: badge")),
            ("port", Some("web: port")),
            ("address", Some("web: address")),
            ("title", Some("ui: title")),
            ("type", Some("storage: type")),
            ("slack", Some("alerting: slack")),
            ("endpoint", None),
            ("alertin", None),
            ("colour", None),
        ] {
            assert_eq!(in_file(key).as_deref(), right, "{key}");
        }
    }
}
