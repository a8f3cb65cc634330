//! `ssh` of the services file: credentials, with which Gatus runs a command.

use serde_json::Value;

use crate::domain::invalid::Invalid;
use crate::spec::problem::{Problem, Rejection};

/// Key of the mapping.
pub const KEY: &str = "ssh";

const KEYS: [&str; 4] = ["username", "password", "private-key", "passphrase"];

/// Whether `value` has credentials and nothing that is invalid.
pub fn has_credentials(value: Option<&Value>) -> bool {
    let Some(Value::Object(map)) = value else { return false };
    map.keys().all(|key| KEYS.contains(&key.as_str())) && map.values().any(is_set)
}

fn is_set(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// Refuses unknown keys.
pub fn problems(value: &Value) -> Vec<Problem> {
    let problem = |path: String, rejection| Problem { path, rejection };
    let Value::Object(map) = value else {
        let is_set = !value.is_null();
        let rejection = Invalid::hidden("a mapping").into();
        return is_set.then(|| problem(KEY.to_owned(), rejection)).into_iter().collect();
    };
    let unknown = map.keys().filter(|key| !KEYS.contains(&key.as_str()));
    let rejection = || Rejection::UnknownKey(KEYS.join(", "));
    unknown.map(|key| problem(format!("{KEY}.{key}"), rejection())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_keys_are_refused_and_no_value_is_shown() {
        let texts = |value: Value| {
            problems(&value).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(texts(json!(null)), "");
        assert_eq!(texts(json!({"username": "", "password": "s3cret"})), "");
        assert!(texts(json!({"user": "x"})).starts_with("ssh.user: unknown key, expected one of"));
        assert_eq!(texts(json!("s3cret")), "ssh: invalid value, expected a mapping");
    }

    #[test]
    fn empty_credentials_count_as_not_set() {
        assert!(has_credentials(Some(&json!({"username": "ann", "password": null}))));
        for none in [json!(null), json!({"username": "", "password": null}), json!({"user": "x"})] {
            assert!(!has_credentials(Some(&none)), "{none}");
        }
    }
}
