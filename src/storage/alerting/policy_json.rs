//! The options of a policy as the store holds them: JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::alert::{AlertKind, PolicyOptions, Severity};

/// Times are milliseconds; kinds and severities are words.
#[derive(Serialize, Deserialize)]
struct Stored {
    on: Vec<String>,
    severity: Option<String>,
    failure_threshold: u32,
    success_threshold: u32,
    description: String,
    steps: Vec<(u64, Vec<String>)>,
    group_by: Vec<String>,
    group_wait_ms: u64,
    group_interval_ms: u64,
    reminder_ms: Option<u64>,
    send_on_resolved: bool,
    continues: bool,
    quiet: Vec<Value>,
    quiet_passes: Vec<String>,
}

pub fn to_json(options: &PolicyOptions) -> String {
    let stored = Stored {
        on: options.on.iter().map(|kind| kind.as_str().to_owned()).collect(),
        severity: options.severity.map(|severity| severity.as_str().to_owned()),
        failure_threshold: options.failure_threshold,
        success_threshold: options.success_threshold,
        description: options.description.clone(),
        steps: options.steps.iter().map(|(after, to)| (millis(*after), to.clone())).collect(),
        group_by: options.group_by.clone(),
        group_wait_ms: millis(options.group_wait),
        group_interval_ms: millis(options.group_interval),
        reminder_ms: options.reminder.map(millis),
        send_on_resolved: options.send_on_resolved,
        continues: options.continues,
        quiet: options.quiet.clone(),
        quiet_passes: words(&options.quiet_passes),
    };
    // Texts, numbers and values of JSON: this cannot fail.
    serde_json::to_string(&stored).unwrap_or_default()
}

/// Error for a text that another program wrote.
pub fn from_json(text: &str) -> Result<PolicyOptions, String> {
    let stored: Stored = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let kind = |word: &String| {
        AlertKind::from_word(word).ok_or_else(|| format!("on: {word} is no kind of alert"))
    };
    Ok(PolicyOptions {
        on: stored.on.iter().map(kind).collect::<Result<_, _>>()?,
        severity: stored.severity.as_ref().map(severity).transpose()?,
        failure_threshold: stored.failure_threshold,
        success_threshold: stored.success_threshold,
        description: stored.description,
        steps: stored
            .steps
            .into_iter()
            .map(|(after_ms, to)| (Duration::from_millis(after_ms), to))
            .collect(),
        group_by: stored.group_by,
        group_wait: Duration::from_millis(stored.group_wait_ms),
        group_interval: Duration::from_millis(stored.group_interval_ms),
        reminder: stored.reminder_ms.map(Duration::from_millis),
        send_on_resolved: stored.send_on_resolved,
        continues: stored.continues,
        quiet: stored.quiet,
        quiet_passes: stored.quiet_passes.iter().map(severity).collect::<Result<_, _>>()?,
    })
}

fn severity(word: &String) -> Result<Severity, String> {
    Severity::from_word(word).ok_or_else(|| format!("{word} is no severity"))
}

fn words(severities: &[Severity]) -> Vec<String> {
    severities.iter().map(|severity| severity.as_str().to_owned()).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_read_back() {
        let options = PolicyOptions {
            on: vec![AlertKind::Down, AlertKind::SloTicket],
            severity: Some(Severity::Info),
            failure_threshold: 7,
            success_threshold: 9,
            description: "a \"b\" \0".to_owned(),
            steps: vec![
                (Duration::ZERO, vec!["ops".to_owned()]),
                (Duration::from_secs(900), vec!["boss".to_owned(), "ops".to_owned()]),
            ],
            group_by: vec!["name".to_owned()],
            group_wait: Duration::from_millis(1_500),
            group_interval: Duration::from_secs(61),
            reminder: Some(Duration::from_secs(3_600)),
            send_on_resolved: false,
            continues: true,
            quiet: vec![json!({"start": "22:00", "duration": "8h"})],
            quiet_passes: vec![Severity::Critical],
        };
        assert_eq!(from_json(&to_json(&options)), Ok(options));
        let default = PolicyOptions::default();
        assert_eq!(from_json(&to_json(&default)), Ok(default));
    }

    #[test]
    fn what_another_program_wrote_is_an_error() {
        let text = to_json(&PolicyOptions::default());
        for (from, to, error) in [
            ("\"down\"", "\"gone\"", "on: gone is no kind of alert"),
            ("\"severity\":null", "\"severity\":\"high\"", "high is no severity"),
            ("\"quiet_passes\":[]", "\"quiet_passes\":[\"low\"]", "low is no severity"),
        ] {
            assert!(text.contains(from), "{text}");
            assert_eq!(from_json(&text.replace(from, to)), Err(error.to_owned()));
        }
        assert!(from_json("{}").is_err());
    }
}
