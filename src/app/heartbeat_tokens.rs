//! Warns about heartbeat tokens that were accepted by an earlier version, or stand in the services
//! file.

use slog::{Logger, warn};

use crate::domain::Variables;
use crate::domain::service::options::TOKEN_MIN_LENGTH;
use crate::storage::records::LoadedService;

/// Most names in one warning.
const SHOWN: usize = 10;

/// Warns about tokens that are short, and about those that no heartbeat can show.
pub fn warn_about_tokens(services: &[LoadedService], variables: &Variables, log: &Logger) {
    let Weak { short, unusable } = weak(services, variables);
    if !short.is_empty() {
        warn!(log, "heartbeat tokens are shorter than {} characters", TOKEN_MIN_LENGTH;
            "services" => short.len(), "first" => first(&short));
    }
    if !unusable.is_empty() {
        warn!(log, "heartbeat tokens are empty or name a variable that is not set; such heartbeats \
            are refused"; "services" => unusable.len(), "first" => first(&unusable));
    }
}

/// Full names of services.
#[derive(Debug, Default, PartialEq, Eq)]
struct Weak {
    short: Vec<String>,
    unusable: Vec<String>,
}

fn weak(services: &[LoadedService], variables: &Variables) -> Weak {
    let mut weak = Weak::default();
    for service in services {
        let Some(heartbeat) = &service.definition.options.heartbeat else { continue };
        let name = service.definition.full_name().to_string();
        match heartbeat.token.fill(variables).map_or(0, |token| token.len()) {
            0 => weak.unusable.push(name),
            1..TOKEN_MIN_LENGTH => weak.short.push(name),
            _ => {}
        }
    }
    weak
}

fn first(names: &[String]) -> String {
    names[..names.len().min(SHOWN)].join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::service::options::Heartbeat;
    use crate::domain::{Options, Origin, ServiceId, Template, sample};

    #[test]
    fn short_empty_and_unset_tokens_are_found() {
        let tokens =
            ["0123456789abcdef", "short", "${LONG}", "${SHORT}", "${EMPTY}", "${UNSET}", ""];
        let service = |(nth, token): (usize, &&str)| {
            let mut definition = sample::definition(&nth.to_string());
            let token = Template::parse(token).unwrap();
            let heartbeat = Some(Heartbeat { token, grace: Duration::ZERO, is_optional: false });
            definition.options = Arc::new(Options { heartbeat, ..Options::default() });
            let id = ServiceId::new(nth as i64 + 1).unwrap();
            LoadedService { id, definition, origin: Origin::Api, last_tick: None, created_at: 0 }
        };
        let services: Vec<_> = tokens.iter().enumerate().map(service).collect();
        let variables = [("LONG", "fedcba9876543210"), ("SHORT", "s"), ("EMPTY", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = Variables::new(HashMap::from(variables));
        let found = weak(&services, &variables);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let (short, unusable) = (names(&["1", "3"]), names(&["4", "5", "6"]));
        assert_eq!(found, Weak { short, unusable });
    }
}
