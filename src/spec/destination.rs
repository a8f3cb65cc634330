//! Which stored secrets a change may send to another receiver.
//!
//! A client that may write must not learn the secrets that it cannot read. So when a change
//! decides anew where the request goes, or who can read it, the client must repeat or remove the
//! secrets.

use serde_json::{Map, Value};

use crate::domain::secret::names::is_secret_header;
use crate::domain::secret::url::{may_keep_secret, secrets};
use crate::domain::service::definition::Definition;
use crate::domain::service::options::Options;
use crate::domain::service::template::Template;
use crate::spec::field::*;
use crate::spec::masks::{header, value};
use crate::spec::problem::{Problem, Rejection};
use crate::spec::writer::is_token;

/// One problem for each secret of `after` that `change` keeps although it changes the receiver of
/// `before`. `change` is without masks, except for those in its URL.
pub fn problems(
    before: &Definition,
    after: &Definition,
    change: &Map<String, Value>,
) -> Vec<Problem> {
    let receiver = changes_of_receiver(before, after);
    let kept = kept_secrets(after, change).into_iter();
    let problem = |path, causes: &[&str]| Problem {
        path,
        rejection: Rejection::RequiredAnew(causes.join(", ")),
    };
    let all = kept.filter_map(|path| {
        // The body follows a redirect to another origin (307, 308); other secrets do not.
        let redirects = (path == SENT.api).then(|| change_of_redirects(before, after)).flatten();
        let causes: Vec<&str> = receiver.iter().copied().chain(redirects).collect();
        (!causes.is_empty()).then(|| problem(path, &causes))
    });
    all.collect()
}

/// The changed fields that decide where the request goes, or who can read it.
fn changes_of_receiver(before: &Definition, after: &Definition) -> Vec<&'static str> {
    let (old, new) = (&before.options, &after.options);
    let changes = [
        (URL.api, !before.target.has_same_origin(&after.target)),
        ("headers.Host", host(old) != host(new)),
        (RESOLVER.api, old.resolver != new.resolver),
        (INSECURE.api, new.tls.insecure && !old.tls.insecure),
        (CA.api, old.tls.ca != new.tls.ca),
        // Holds for the target's own connection only, unlike the options above.
        (SERVER_NAME.api, old.tls.server_name != new.tls.server_name && after.target.may_use_tls()),
    ];
    changes.into_iter().filter(|(_, is_changed)| *is_changed).map(|(path, _)| path).collect()
}

fn change_of_redirects(before: &Definition, after: &Definition) -> Option<&'static str> {
    let follows = |definition: &Definition| definition.options.redirects_followed() > 0;
    (follows(after) && !follows(before)).then_some(FOLLOW.api)
}

/// The header that selects one of the hosts behind an address.
fn host(options: &Options) -> Option<&Template> {
    let mut headers = options.headers.iter();
    headers.find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value)
}

/// Paths of the secrets that a request of `after` contains and `change` does not give.
fn kept_secrets(after: &Definition, change: &Map<String, Value>) -> Vec<String> {
    let options = &after.options;
    let basic_auth = options.basic_auth.as_ref();
    let fields = [
        (SENT, options.body.is_some()),
        (ARGS, !options.args.is_empty()),
        (USERNAME, basic_auth.is_some_and(is_token)),
        (PASSWORD, basic_auth.is_some()),
        (BEARER, options.bearer_token.is_some()),
        (PRIVATE_KEY, options.tls.private_key.is_some()),
    ];
    let gives_url =
        value(change, URL).and_then(Value::as_str).is_some_and(|url| !may_keep_secret(url));
    let url = (!gives_url && secrets(after.target.as_str()).next().is_some()).then_some(URL.api);
    let headers = options.headers.iter().map(|(name, _)| name);
    let headers = headers.filter(|name| is_secret_header(name) && header(change, name).is_none());
    let fields = fields
        .into_iter()
        .filter(|(field, is_set)| *is_set && value(change, *field).is_none())
        .map(|(field, _)| field.api);
    let headers = headers.map(|name| format!("{}.{name}", HEADERS.api));
    url.into_iter().chain(fields).map(str::to_owned).chain(headers).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::spec::field::Dialect;
    use crate::spec::patch::Patch;
    use crate::spec::reader::read;
    use crate::spec::writer::merge;

    use super::*;

    const PEM: &str = "-----BEGIN X";

    /// Each secret: the path of its field, and the field with the secret.
    fn secrets_by_path() -> Vec<(&'static str, Value)> {
        vec![
            ("url", json!({"url": "https://u:s3cret@a/?page=2"})),
            ("url", json!({"url": "https://s3cret@a/"})),
            ("url", json!({"url": "https://a/?api_key=s3cret"})),
            ("headers.X-Api-Key", json!({"headers": {"X-Api-Key": "s3cret"}})),
            ("headers.Cookie", json!({"headers": {"Cookie": "s3cret"}})),
            ("body", json!({"body": "s3cret"})),
            ("basic_auth.password", json!({"basic_auth": {"username": "u", "password": "s3cret"}})),
            ("bearer_token", json!({"bearer_token": "s3cret"})),
            ("tls.private_key", json!({"tls": {"certificate": PEM, "private_key": PEM}})),
        ]
    }

    /// Each change of the receiver: the named cause and the change.
    fn changes() -> Vec<(&'static str, Value)> {
        vec![
            ("url", json!({"url": "https://b/"})),
            ("url", json!({"url": "https://a.b/"})),
            ("url", json!({"url": "https://a:8443/"})),
            ("url", json!({"url": "http://a/"})),
            ("url", json!({"url": "wss://a/"})),
            ("headers.Host", json!({"headers": {"host": "b"}})),
            ("resolver", json!({"resolver": "udp://192.0.2.1"})),
            ("insecure", json!({"insecure": true})),
            ("tls.ca", json!({"tls": {"ca": "-----BEGIN Y"}})),
            ("tls.ca", json!({"tls": {"ca": null}})),
            ("tls.server_name", json!({"tls": {"server_name": "b"}})),
        ]
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn definition(secret: &Value) -> Definition {
        let mut map = object(&json!({"name": "a", "url": "https://a/", "tls": {"ca": PEM}}));
        merge(&mut map, &object(secret));
        read(&map, Dialect::Api).unwrap()
    }

    fn patched(before: &Definition, changes: &[&Value]) -> Result<Definition, Vec<String>> {
        let mut all = Map::new();
        for change in changes {
            // Not merged by RFC 7396, which removes nulls.
            for (key, value) in object(change) {
                match (all.get_mut(&key), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                    (_, value) => drop(all.insert(key, value)),
                }
            }
        }
        let texts = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        Patch::new(all).map_err(texts)?.apply(before).map_err(texts)
    }

    #[test]
    fn a_change_of_the_receiver_requires_every_stored_secret_anew() {
        for (path, secret) in secrets_by_path() {
            let before = definition(&secret);
            for (cause, change) in changes() {
                let gives_url = change.get("url").is_some();
                let result = patched(&before, &[&change]);
                if path == "url" && gives_url {
                    assert!(result.is_ok(), "{change} replaces the secret: {result:?}");
                    continue;
                }
                let expected = format!(
                    "{path}: required in clear, or null: a change of {cause} may send the stored \
                     secret elsewhere"
                );
                assert_eq!(result.unwrap_err(), [expected], "{secret} and {change}");
                let mut anew = secret.clone();
                if path == "url" {
                    anew = json!({"url": secret["url"]});
                }
                let given = patched(&before, &[&anew, &change]);
                assert!(given.is_ok(), "{anew} and {change}: {given:?}");
                if path != "url" {
                    let outer = path.split('.').next().unwrap();
                    let removed = match outer {
                        "headers" => json!({"headers": {path.split('.').nth(1).unwrap(): null}}),
                        "tls" => json!({"tls": {"certificate": null, "private_key": null}}),
                        _ => json!({outer: null}),
                    };
                    let removed = patched(&before, &[&removed, &change]);
                    assert!(removed.is_ok(), "{change}: {removed:?}");
                }
            }
        }
    }

    #[test]
    fn a_mask_does_not_give_a_secret_anew() {
        let before = definition(&json!({
            "url": "https://u:s3cret@a/?token=s3cret", "bearer_token": "s3cret",
            "headers": {"X-Api-Key": "s3cret"}
        }));
        let change = json!({
            "url": "https://u:***@b/?token=***", "bearer_token": "***",
            "headers": {"x-api-key": "***"}
        });
        let errors = patched(&before, &[&change]).unwrap_err();
        let paths: Vec<&str> =
            errors.iter().map(|error| error.split_once(": ").unwrap().0).collect();
        assert_eq!(paths, ["url", "bearer_token", "headers.X-Api-Key"]);
        // A secret by its value, not by the name of its parameter.
        for url in
            ["https://a/?next=http%3A%2F%2Fu%3As3cret%40h", "https://a/?x=%2F%3Ftoken%3Ds3cret"]
        {
            let before = definition(&json!({"url": url}));
            let name = if url.contains("next") { "next" } else { "x" };
            let change = json!({"url": format!("https://b/?{name}=***")});
            assert!(patched(&before, &[&change]).is_err(), "{url}");
        }
    }

    #[test]
    fn changes_that_keep_the_receiver_keep_the_secrets() {
        for (_, secret) in secrets_by_path() {
            let before = definition(&secret);
            for change in [
                json!({"name": "b", "group": "g", "enabled": false}),
                json!({"interval_seconds": 5, "conditions": ["[STATUS] == 200"]}),
                json!({"insecure": false, "method": "POST"}),
                json!({"tls": {"min_version": "1.3"}}),
                json!({"url": "HTTPS://A:443/other"}),
            ] {
                let result = patched(&before, &[&change]);
                assert!(result.is_ok(), "{secret} and {change}: {result:?}");
            }
        }
    }

    #[test]
    fn a_body_is_required_anew_when_redirects_are_followed_from_now_on() {
        let stays = definition(&json!({"body": "s3cret", "follow_redirects": false}));
        let errors = patched(&stays, &[&json!({"follow_redirects": true})]).unwrap_err();
        assert!(errors[0].starts_with("body: ") && errors[0].contains("follow_redirects"));
        let header = json!({"headers": {"Cookie": "s3cret"}, "max_redirects": 0});
        let header = patched(&definition(&header), &[&json!({"max_redirects": 3})]);
        assert!(header.is_ok(), "{header:?}");
    }

    #[test]
    fn a_server_name_does_not_matter_without_tls() {
        let before = definition(&json!({"url": "http://a/", "bearer_token": "s3cret"}));
        let after = patched(&before, &[&json!({"tls": {"server_name": "b"}})]);
        assert!(after.is_ok(), "{after:?}");
    }

    #[test]
    fn all_secrets_and_all_causes_are_named() {
        let before = definition(&json!({"body": "s", "bearer_token": "s"}));
        let change = json!({"url": "http://b/", "insecure": true});
        let errors = patched(&before, &[&change]).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors.iter().all(|error| error.contains("url, insecure")), "{errors:?}");
    }
}
