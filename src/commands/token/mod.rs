//! `service-healthcheck token …`: tokens of the API.
//!
//! While a service uses the store, the commands go through its API, so that the store has one
//! writer; otherwise they write to the store.

mod place;

use std::fmt;

use serde_json::Value;

use self::place::Place;
use crate::cli::{TokenArgs, TokenCommand};
use crate::clock::unix_ms;
use crate::commands::output::print_line;
use crate::config::Config;
use crate::domain::time::timestamp::to_rfc3339;
use crate::error::Error;

/// Runs one of the commands.
pub(super) fn run(config: &Config, command: &TokenCommand) -> Result<(), Error> {
    let mut place = Place::open(config)?;
    match command {
        TokenCommand::Create(args) => print_line(place.create(args, end_ms(args, unix_ms()))?),
        TokenCommand::List => {
            let tokens = place.list()?;
            tokens.iter().for_each(|token| print_line(Line(token)));
            if tokens.is_empty() {
                print_line("no tokens");
            }
        }
        TokenCommand::Revoke { name } => {
            let tokens = place.list()?;
            let is_living =
                |token: &&Value| token["name"] == name.as_str() && token["state"] != "revoked";
            let id = tokens.iter().find(is_living).and_then(|token| token["id"].as_i64());
            let id = id.ok_or_else(|| Error::Failed(format!("there is no token {name:?}")))?;
            place.revoke(id)?;
            print_line(format_args!("token {name} is revoked"));
        }
    }
    Ok(())
}

/// When the token ends, in unix milliseconds.
fn end_ms(args: &TokenArgs, now_ms: i64) -> Option<i64> {
    let length = i64::try_from(args.expires?.as_millis()).unwrap_or(i64::MAX);
    Some(now_ms.saturating_add(length))
}

/// A token of the API on one line.
struct Line<'a>(&'a Value);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &str| self.0[field].as_str().unwrap_or_default();
        let texts = |field: &str| {
            let items = self.0[field].as_array()?;
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(items.join(", "))
        };
        let time = |field: &str| {
            let seconds = self.0[field].as_i64()?;
            Some(to_rfc3339(seconds.saturating_mul(1_000)).replace(".000Z", "Z"))
        };
        let scopes = texts("scopes").unwrap_or_default();
        write!(
            f,
            "{} {} {} {}: {scopes}",
            self.0["id"],
            text("state"),
            text("shown"),
            text("name")
        )?;
        if let Some(groups) = texts("groups") {
            write!(f, "; groups {groups}")?;
        }
        let times = [
            ("created", "created_at"),
            ("expires", "expires_at"),
            ("last used", "last_used_at"),
            ("revoked", "revoked_at"),
        ];
        for (word, field) in times {
            if let Some(time) = time(field) {
                write!(f, "; {word} {time}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_one_line() {
        let mut token = json!({
            "id": 3, "state": "active", "shown": "shc_4fKq", "name": "grafana",
            "scopes": ["read", "probe"], "groups": ["core"], "created_at": 1_795_413_298,
            "expires_at": 1_795_416_898, "last_used_at": null, "revoked_at": null
        });
        assert_eq!(
            Line(&token).to_string(),
            "3 active shc_4fKq grafana: read, probe; groups core; created 2026-11-23T05:54:58Z; \
             expires 2026-11-23T06:54:58Z"
        );
        token["groups"] = Value::Null;
        token["expires_at"] = Value::Null;
        token["last_used_at"] = json!(1_795_413_300);
        assert_eq!(
            Line(&token).to_string(),
            "3 active shc_4fKq grafana: read, probe; created 2026-11-23T05:54:58Z; last used \
             2026-11-23T05:55:00Z"
        );
    }
}
