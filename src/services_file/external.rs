//! External endpoints of Gatus: push services, whose results are reported to the API.

use serde_json::{Map, Value, json};

use crate::domain::invalid::Invalid;
use crate::services_file::alerting::rules::Context;
use crate::services_file::empty_values::is_zero;
use crate::services_file::endpoint;
use crate::services_file::entry::Entry;
use crate::services_file::findings::Findings;
use crate::services_file::item::Item;
use crate::services_file::maintenance;
use crate::services_file::places;
use crate::services_file::similar::{WINDOWS, unknown_key};
use crate::services_file::unused_keys;
use crate::spec::FIELDS;
use crate::spec::field::{
    ALERTS, DEPENDS_ON, ENABLED, FAILURE_THRESHOLD, GROUP, LABELS, NAME, SUCCESS_THRESHOLD,
};

/// The target of every external endpoint.
const TARGET: &str = "push://external";

const INTERVAL_ADVICE: &str = "not used, as in Gatus: expected heartbeat: interval; without it no \
     heartbeat is late";

/// Keys that mean the same as those of an endpoint.
const SHARED: [&str; 9] = [
    NAME.file,
    GROUP.file,
    ENABLED.file,
    FAILURE_THRESHOLD.file,
    SUCCESS_THRESHOLD.file,
    LABELS.file,
    ALERTS.file,
    DEPENDS_ON.file,
    "slo",
];
/// Paths of the endpoint, and of the external endpoint.
const RENAMED: &[(&str, &str)] =
    &[("interval", "heartbeat.interval"), ("heartbeat.token", "token"), ("url", "name")];

/// Reads an external endpoint. `None` after a problem. Without `heartbeat.interval`, or with one of
/// zero, no heartbeat is late.
pub fn entry(item: &Item, context: Context<'_>, findings: &mut Findings) -> Option<Entry> {
    let known_before = findings.problems.len();
    let mut written = item.object(findings)?;
    let item = &Item { renamed: RENAMED, ..*item };
    let windows = maintenance::take_windows(item, &mut written, context.variables, findings);
    let mut object = Map::new();
    for key in SHARED {
        object.extend(written.remove(key).map(|value| (key.to_owned(), value)));
    }
    let mut heartbeat = heartbeat(item, written.remove("heartbeat"), findings);
    heartbeat.extend(written.remove("token").map(|token| ("token".to_owned(), token)));
    match heartbeat.remove("interval").filter(|interval| !is_zero(interval, context.variables)) {
        Some(interval) => drop(object.insert("interval".to_owned(), interval)),
        None => drop(heartbeat.insert("optional".to_owned(), json!(true))),
    }
    object.insert("heartbeat".to_owned(), Value::Object(heartbeat));
    object.insert("url".to_owned(), json!(TARGET));
    reject_others(item, &written, findings);
    let entry = endpoint::entry_of(item, object, context, findings);
    let entry = entry.filter(|_| findings.problems.len() == known_before)?;
    Some(Entry { windows, ..entry })
}

/// The keys of `heartbeat`: that of Gatus, and the grace.
fn heartbeat(item: &Item, block: Option<Value>, findings: &mut Findings) -> Map<String, Value> {
    const KNOWN: [&str; 2] = ["grace", "interval"];
    let mut block = match block {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(block)) => block,
        Some(_) => {
            let problem = Invalid::hidden("a mapping").to_string();
            item.reject(item.line_of("heartbeat"), "heartbeat", &problem, findings);
            Map::new()
        }
    };
    let unknown: Vec<String> =
        block.keys().filter(|key| !KNOWN.contains(&key.as_str())).cloned().collect();
    for key in unknown {
        block.remove(&key);
        let path = format!("heartbeat.{key}");
        let problem = unknown_key(&key, KNOWN.into_iter());
        item.reject(item.line_of(&path), &path, &problem, findings);
    }
    block.retain(|_, value| !value.is_null());
    block
}

/// Keys that an external endpoint does not use: a notice for those of endpoints, an error for all
/// others.
fn reject_others(item: &Item, written: &Map<String, Value>, findings: &mut Findings) {
    for key in written.keys() {
        let is_of_endpoints =
            || FIELDS.iter().any(|field| field.file.split('.').next() == Some(key.as_str()));
        if key == "interval" {
            item.notice(key, INTERVAL_ADVICE, findings);
        } else if let Some(advice) = unused_keys::advice(unused_keys::OF_ENDPOINTS, key) {
            item.notice(key, advice, findings);
        } else if is_of_endpoints() {
            item.notice(key, "not used: an external endpoint is not probed", findings);
        } else if let Some(right) = places::in_endpoint(key) {
            item.notice(key, &format!("not used, as in Gatus: expected {right}"), findings);
        } else {
            let unused = unused_keys::OF_ENDPOINTS.iter().map(|(path, _)| *path);
            let known = SHARED.into_iter().chain(["heartbeat", "token", WINDOWS]);
            let known = known.chain(unused);
            let problem = unknown_key(key, known.filter(|known| !known.contains('.')));
            item.reject(item.line_of(key), key, &problem, findings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Variables;
    use crate::services_file::Content;
    use crate::services_file::read::read_text;

    fn read(text: &str) -> Result<Content, Vec<String>> {
        let pairs = [("TOKEN", "s3cret-of-the-job"), ("NONE", "0s"), ("G", "core")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read_text("s.yaml".as_ref(), text, &Variables::new(pairs.into()))
    }

    #[test]
    fn an_external_endpoint_is_a_push_service() {
        let content = read(
            "alerting: {slack: {}}\nexternal-endpoints:\n  - {name: backup, group: $G, \
             token: '${TOKEN}', heartbeat: {interval: 30m}, alerts: [{type: slack}]}\n  \
             - {name: backup, token: plain-text-token}\n  - {name: c, token: t, enabled: false, \
             heartbeat: {interval: '$NONE'}, extra-labels: {team: a}}\n",
        )
        .unwrap();
        let [backup, alone, third] = content.entries.as_slice() else { panic!("{content:?}") };
        let heartbeat = |entry: &Entry| entry.definition.options.heartbeat.clone().unwrap();
        assert_eq!(backup.definition.full_name().key(), "core_backup");
        assert_eq!(backup.definition.target.as_str(), TARGET);
        assert_eq!(backup.definition.interval.unwrap().as_seconds(), 1_800.0);
        assert_eq!(heartbeat(backup).token.as_written(), "${TOKEN}", "not stored in clear");
        assert!(!heartbeat(backup).is_optional && heartbeat(alone).is_optional);
        assert_eq!((alone.line, alone.definition.interval), (4, None));
        assert!(heartbeat(third).is_optional && !third.definition.enabled);
        assert_eq!(third.definition.options.labels.iter().count(), 1);
        assert_eq!(content.notices.messages(), [""; 0]);
        assert_eq!(backup.definition.options.alerts.as_ref().unwrap()[0].channel, "slack");
    }

    #[test]
    fn problems_have_the_paths_of_the_file() {
        let problems = read(
            "external-endpoints:\n  - name: a\n    group: core\n  - name: b\n    token: t\n    \
             heartbeat:\n      interval: soon\n  - name: c\n    token: '${UNSET}'\n    \
             heartbeat:\n      intreval: 1m\n    tokn: t\n  - name: d\n    token: t\n    \
             heartbeat: 3m\n    url: http://a/\n",
        )
        .unwrap_err();
        for expected in [
            "s.yaml:2: external endpoint 1 (core/a): token: required",
            "s.yaml:7: external endpoint 2 (b): heartbeat: interval: invalid value soon",
            "s.yaml:9: external endpoint 3 (c): UNSET: environment variable not set",
            "s.yaml:11: external endpoint 3 (c): heartbeat: intreval: unknown key",
            "s.yaml:12: external endpoint 3 (c): tokn: unknown key",
            "s.yaml:15: external endpoint 4 (d): heartbeat: invalid value, expected a mapping",
        ] {
            let is_reported = problems.iter().any(|problem| problem.starts_with(expected));
            assert!(is_reported, "{expected}\n{problems:#?}");
        }
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }

    #[test]
    fn group_and_name_are_unique_over_both_lists() {
        let problems = read(
            "endpoints:\n  - {name: a, group: g, url: 'http://a/'}\nexternal-endpoints:\n  \
             - {name: a, token: t}\n  - {name: a, group: g, token: t}\n",
        )
        .unwrap_err();
        assert_eq!(
            problems,
            ["s.yaml:5: endpoint (g/a): name: already used by the entry at line 2"]
        );
    }
}
