//! Where the defaults of this program differ from those of Gatus.

use crate::domain::service::definition::Defaults;
use crate::domain::service::target::Kind;
use crate::services_file::content::{Content, DefaultsKey};
use crate::services_file::entry::Entry;

/// The interval of Gatus, in seconds (its README, `endpoints[].interval`).
const INTERVAL_SECONDS: f64 = 60.0;

/// The timeout of Gatus, in seconds (its README, `client.timeout`).
const TIMEOUT_SECONDS: f64 = 10.0;

/// One line for each default that differs and that an entry relies on, and the line to add.
pub fn differences(content: &Content, defaults: &Defaults) -> Vec<String> {
    let entries = &content.entries;
    let probed = || entries.iter().filter(|entry| entry.definition.target.kind() != Kind::Push);
    let relying = |is_set: &dyn Fn(&Entry) -> bool| probed().filter(|entry| !is_set(entry)).count();
    let rows = [
        (
            ("interval", "RUNNER_SCRAPE_INTERVAL_SECONDS"),
            relying(&|entry| entry.definition.interval.is_some()),
            defaults.interval.as_seconds(),
            INTERVAL_SECONDS,
        ),
        (
            ("timeout", "RUNNER_HTTP_TIMEOUT_SECONDS"),
            relying(&|entry| entry.definition.timeout.is_some()),
            defaults.timeout.as_seconds(),
            TIMEOUT_SECONDS,
        ),
    ];
    let differing = rows.into_iter().filter(|(_, count, here, gatus)| *count > 0 && here != gatus);
    let (mut lines, mut keys, mut settings) = (Vec::new(), Vec::new(), Vec::new());
    for ((key, setting), count, here, gatus) in differing {
        let all = probed().count();
        lines.push(format!(
            "{count} of {all} endpoints set no {key}: {here}s here, {gatus}s in Gatus"
        ));
        keys.push(format!("{key}: {gatus}s"));
        settings.push(format!("{setting}={gatus}"));
    }
    if !keys.is_empty() {
        let keys = keys.join(", ");
        let advice = match content.defaults_key {
            DefaultsKey::Absent => format!("add this line: defaults: {{{keys}}}"),
            DefaultsKey::Present => format!("add {keys} to defaults"),
            DefaultsKey::Unusable => format!("set {}", settings.join(" and ")),
        };
        lines.push(format!("for the defaults of Gatus, {advice}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{Interval, Timeout, Variables};
    use crate::services_file::read::read_text;

    fn lines(text: &str, interval: f64, timeout: f64) -> Vec<String> {
        let content = read_text(Path::new("s.yaml"), text, &Variables::default()).unwrap();
        let defaults = Defaults {
            interval: Interval::from_seconds(interval).unwrap(),
            timeout: Timeout::from_seconds(timeout).unwrap(),
        };
        differences(&content, &defaults)
    }

    const TEXT: &str = "endpoints:\n  - {name: a, url: 'http://a/', client: {timeout: 3s}}\n  \
         - {name: b, url: 'http://b/'}\n  \
         - {name: c, url: 'push://c', heartbeat: {token: 0123456789abcdef}}\n";

    #[test]
    fn what_entries_rely_on_is_listed_with_the_line_to_add() {
        assert_eq!(
            lines(TEXT, 15.0, 15.0),
            [
                "2 of 2 endpoints set no interval: 15s here, 60s in Gatus",
                "1 of 2 endpoints set no timeout: 15s here, 10s in Gatus",
                "for the defaults of Gatus, add this line: defaults: {interval: 60s, timeout: 10s}",
            ]
        );
        let last = lines(TEXT, 15.0, 10.0).pop().unwrap();
        assert_eq!(last, "for the defaults of Gatus, add this line: defaults: {interval: 60s}");
    }

    #[test]
    fn a_file_that_cannot_take_the_line_gets_other_advice() {
        let last = |text: &str| lines(text, 15.0, 15.0).pop().unwrap();
        for has_defaults in ["defaults: {interval: 60s}\n", "defaults:\n  interval: 60s\n"] {
            let advice = last(&format!("{has_defaults}{TEXT}"));
            assert_eq!(advice, "for the defaults of Gatus, add timeout: 10s to defaults");
        }
        let both = "interval: 60s, timeout: 10s";
        let advice = last(&format!("defaults:\n{TEXT}"));
        assert_eq!(advice, format!("for the defaults of Gatus, add {both} to defaults"));
        let own = format!("defaults: &d {{interval: 60s}}\n{TEXT}");
        let json = r#"{"endpoints": [{"name": "a", "url": "http://a/"}]}"#;
        for text in [own.as_str(), json] {
            let expected = "for the defaults of Gatus, set RUNNER_SCRAPE_INTERVAL_SECONDS=60 and \
                            RUNNER_HTTP_TIMEOUT_SECONDS=10";
            assert_eq!(last(text), expected);
        }
    }

    #[test]
    fn the_added_line_leaves_no_difference() {
        assert_eq!(lines(TEXT, 60.0, 10.0), [""; 0]);
        let text = format!("defaults: {{interval: 60s, timeout: 10s}}\n{TEXT}");
        assert_eq!(lines(&text, 15.0, 15.0), [""; 0]);
    }
}
