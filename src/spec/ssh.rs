//! `ssh` of the services file: credentials, with which Gatus runs a command.

use serde_json::Value;

use crate::domain::invalid::Invalid;
use crate::spec::problem::{Problem, Rejection};

/// Key of the mapping.
pub const KEY: &str = "ssh";

const KEYS: [&str; 4] = ["username", "password", "private-key", "passphrase"];

const EXPECTED: &str = "no credentials, since ssh:// checks the identification of the server only; \
     the plugin check_by_ssh runs a command (exec://check_by_ssh)";

/// Whether `value` has credentials and nothing that is invalid.
pub fn has_credentials(value: Option<&Value>) -> bool {
    let Some(Value::Object(map)) = value else { return false };
    map.keys().all(|key| KEYS.contains(&key.as_str())) && map.values().any(is_set)
}

fn is_set(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// Refuses credentials. As in Gatus, empty ones count as not set.
pub fn problems(value: &Value) -> Vec<Problem> {
    let problem = |path: String, rejection| Problem { path, rejection };
    let Value::Object(map) = value else {
        let is_set = !value.is_null();
        let rejection = Invalid::hidden("a mapping").into();
        return is_set.then(|| problem(KEY.to_owned(), rejection)).into_iter().collect();
    };
    let found = map.iter().filter_map(|(key, value)| {
        let rejection = match KEYS.contains(&key.as_str()) {
            false => Rejection::UnknownKey(KEYS.join(", ")),
            true if is_set(value) => Invalid::hidden(EXPECTED).into(),
            true => return None,
        };
        Some(problem(format!("{KEY}.{key}"), rejection))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_are_refused_and_not_shown() {
        let texts = |value: Value| {
            problems(&value).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(texts(json!(null)), "");
        assert_eq!(texts(json!({"username": "", "password": null})), "");
        let refused = texts(json!({"password": "s3cret", "private-key": "s3cret"}));
        assert!(refused.contains("ssh.password: invalid value, expected no credentials"));
        assert!(
            refused.contains("exec://check_by_ssh") && !refused.contains("s3cret"),
            "{refused}"
        );
        assert!(texts(json!({"user": "x"})).starts_with("ssh.user: unknown key, expected one of"));
        assert_eq!(texts(json!("s3cret")), "ssh: invalid value, expected a mapping");
    }
}
