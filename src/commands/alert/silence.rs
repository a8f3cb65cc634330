//! `service-healthcheck alert silence …`: silences of the running service.

use serde_json::{Value, json};

use crate::cli::{SilenceArgs, SilenceCommand};
use crate::clock::unix_ms;
use crate::commands::client::Client;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::domain::time::timestamp::to_rfc3339;
use crate::error::Error;

/// Runs one of the commands.
pub(super) fn run(config: &Config, command: &SilenceCommand) -> Result<(), Error> {
    let client = Client::new(config);
    match command {
        SilenceCommand::Add(args) => {
            let data = client.post("/v1/silences", &body(args, unix_ms()))?;
            print_line(line(&data["silence"]["data"]));
        }
        SilenceCommand::List => {
            let data = client.get("/v1/silences?limit=1000")?;
            let silences = data["silences"]["data"].as_array();
            let silences = silences.map(Vec::as_slice).unwrap_or_default();
            for silence in silences.iter().filter(|silence| silence["state"] != "expired") {
                print_line(line(silence));
            }
        }
        SilenceCommand::End { id } => {
            client.delete(&format!("/v1/silences/{id}"))?;
            print_line(format_args!("silence {id} is deleted"));
        }
    }
    Ok(())
}

fn body(args: &SilenceArgs, now_ms: i64) -> Value {
    let SilenceArgs { name, group, kind, severity, length, until, by, note } = args;
    let length_ms = length.and_then(|length| i64::try_from(length.as_millis()).ok());
    let to_ms = until.or(length_ms.map(|ms| now_ms.saturating_add(ms))).unwrap_or(now_ms);
    json!({
        "match": {"name": name, "group": group, "kind": kind, "severity": severity},
        // Rounded up, so that a silence of less than a second has an end after now.
        "to": to_ms.saturating_add(999).div_euclid(1_000), "by": by, "note": note,
    })
}

/// A silence of the API on one line.
fn line(silence: &Value) -> String {
    let texts = |field: &str| {
        let items = silence["match"][field].as_array().map(Vec::as_slice).unwrap_or_default();
        let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        (!items.is_empty()).then(|| format!("{field} {}", items.join(", ")))
    };
    let matched: Vec<String> =
        ["name", "group", "kind", "severity"].into_iter().filter_map(texts).collect();
    let to_ms = silence["to"].as_i64().unwrap_or_default().saturating_mul(1_000);
    let state = silence["state"].as_str().unwrap_or_default();
    let to = to_rfc3339(to_ms).replace(".000Z", "Z");
    let note = silence["note"].as_str().map(|note| format!(" ({note})")).unwrap_or_default();
    format!("{} {state} until {to}: {}{note}", silence["id"], matched.join("; "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_silence_lasts_for_a_time_or_until_a_moment() {
        let args = SilenceArgs {
            name: vec!["a*".to_owned()],
            length: Some(Duration::from_secs(3_600)),
            note: Some("disks".to_owned()),
            ..SilenceArgs::default()
        };
        let body = body(&args, 1_795_413_298_500);
        assert_eq!(body["to"], 1_795_416_899);
        assert_eq!(body["match"]["name"], json!(["a*"]));
        let silence = json!({
            "id": 3, "state": "active", "match": {"name": ["a*"], "group": ["core", "web"]},
            "to": 1_795_416_898, "note": "disks"
        });
        let expected = "3 active until 2026-11-23T06:54:58Z: name a*; group core, web (disks)";
        assert_eq!(line(&silence), expected);
        let args = SilenceArgs { until: Some(1_795_416_898_000), ..args };
        assert_eq!(super::body(&args, 0)["to"], 1_795_416_898);
    }
}
