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
use crate::domain::service::server_url::ServerUrl;
use crate::domain::service::template::Template;
use crate::spec::field::*;
use crate::spec::masks::{header, value};
use crate::spec::problem::{Problem, Rejection};
use crate::spec::writer::is_token;

/// The header that selects one of the hosts behind an address.
const HOST: &str = "headers.Host";

/// One problem for each secret of `after` that `change` keeps although it changes the receiver of
/// `before`. `change` is without masks, except for those in its URLs.
pub fn problems(
    before: &Definition,
    after: &Definition,
    change: &Map<String, Value>,
) -> Vec<Problem> {
    let receiver = changes_of_receiver(before, after);
    let kept = kept_secrets(after, change).into_iter();
    let all = kept.filter_map(|path| {
        let reaches = |cause: &&str| may_send(cause, &path);
        // The body follows a redirect to another origin (307, 308); other secrets do not.
        let redirects = (path == SENT.api).then(|| change_of_redirects(before, after)).flatten();
        let causes = receiver.iter().copied().filter(reaches).chain(redirects);
        let causes = causes.collect::<Vec<_>>().join(", ");
        let rejection = Rejection::RequiredAnew(causes.clone());
        (!causes.is_empty()).then_some(Problem { path, rejection })
    });
    all.collect()
}

/// The changed fields that decide where a request goes, or who can read it.
fn changes_of_receiver(before: &Definition, after: &Definition) -> Vec<&'static str> {
    let (old, new) = (&before.options, &after.options);
    let token_url = |options: &Options| options.oauth2.as_ref().map(|it| it.token_url.clone());
    let changes = [
        (URL.api, !before.target.has_same_origin(&after.target)),
        (HOST, host(old) != host(new)),
        (TOKEN_URL.api, leads_elsewhere(token_url(old).as_ref(), token_url(new).as_ref())),
        (PROXY_URL.api, leads_elsewhere(old.proxy.as_ref(), new.proxy.as_ref())),
        (RESOLVER.api, old.resolver != new.resolver),
        (INSECURE.api, new.tls.insecure && !old.tls.insecure),
        (CA.api, old.tls.ca != new.tls.ca),
        // Holds for the target's own connection only, unlike the options above.
        (SERVER_NAME.api, old.tls.server_name != new.tls.server_name && after.target.may_use_tls()),
    ];
    changes.into_iter().filter(|(_, is_changed)| *is_changed).map(|(path, _)| path).collect()
}

fn leads_elsewhere(old: Option<&ServerUrl>, new: Option<&ServerUrl>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old != new && !old.has_same_origin(new),
        (old, new) => old.is_some() != new.is_some(),
    }
}

/// Whether a change of the field `cause` may send the secret at `path` elsewhere. A client secret
/// goes to the token endpoint, and the token that it brings to the target.
fn may_send(cause: &str, path: &str) -> bool {
    let is_of = |field: Field| path == field.api;
    let is_of_target = [URL.api, HOST, SERVER_NAME.api].contains(&cause);
    match cause {
        _ if is_of(CLIENT_SECRET) => true,
        _ if is_of(PROXY_URL) => !is_of_target && cause != TOKEN_URL.api,
        _ if is_of(TOKEN_URL) => !is_of_target,
        _ => cause != TOKEN_URL.api,
    }
}

fn change_of_redirects(before: &Definition, after: &Definition) -> Option<&'static str> {
    let follows = |definition: &Definition| definition.options.redirects_followed() > 0;
    (follows(after) && !follows(before)).then_some(FOLLOW.api)
}

/// The value of [`HOST`].
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
        (CLIENT_SECRET, options.oauth2.is_some()),
        (PRIVATE_KEY, options.tls.private_key.is_some()),
    ];
    let token_url = options.oauth2.as_ref().map(|oauth2| oauth2.token_url.written());
    let urls = [
        (URL, Some(after.target.as_str().to_owned())),
        (TOKEN_URL, token_url),
        (PROXY_URL, options.proxy.as_ref().map(ServerUrl::written)),
    ];
    let is_kept = |field: Field, url: &str| {
        let given = value(change, field).and_then(Value::as_str);
        secrets(url).next().is_some() && given.is_none_or(may_keep_secret)
    };
    let urls = urls
        .into_iter()
        .filter_map(|(field, url)| url.filter(|url| is_kept(field, url)).map(|_| field.api));
    let headers = options.headers.iter().map(|(name, _)| name);
    let headers = headers.filter(|name| is_secret_header(name) && header(change, name).is_none());
    let fields = fields
        .into_iter()
        .filter(|(field, is_set)| *is_set && value(change, *field).is_none())
        .map(|(field, _)| field.api);
    let headers = headers.map(|name| format!("{}.{name}", HEADERS.api));
    urls.chain(fields).map(str::to_owned).chain(headers).collect()
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
            (
                "oauth2.client_secret",
                json!({"oauth2": {
                    "token_url": "https://t/", "client_id": "i", "client_secret": "s3cret"
                }}),
            ),
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
            ("proxy_url", json!({"proxy_url": "http://b:3128"})),
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
    fn secrets_of_a_proxy_and_a_token_endpoint_stay_with_their_server() {
        let before = definition(&json!({
            "proxy_url": "http://u:s3cret@p:3128", "bearer_token": "s3cret",
            "oauth2": {
                "token_url": "https://u:s3cret@t/", "client_id": "i", "client_secret": "s3cret"
            }
        }));
        let causes = |change: Value| {
            let errors = patched(&before, &[&change]).err().unwrap_or_default();
            let of = |error: &String| {
                let cause = error.split("a change of ").nth(1).unwrap().split(" may").next();
                (error.split_once(": ").unwrap().0.to_owned(), cause.unwrap().to_owned())
            };
            errors.iter().map(of).collect::<Vec<_>>()
        };
        let named = |paths: &[&str], cause: &str| {
            paths.iter().map(|path| ((*path).to_owned(), cause.to_owned())).collect::<Vec<_>>()
        };
        let (proxy, token, secret) = ("proxy_url", "oauth2.token_url", "oauth2.client_secret");
        assert_eq!(
            causes(json!({"url": "https://b/"})),
            named(&["bearer_token", secret], "url"),
            "proxy and token endpoint are the same"
        );
        for url in ["http://u:***@evil:3128", "https://u:***@p:3128", "http://u:***@p:3129"] {
            let all = named(&[token, proxy, "bearer_token", secret], "proxy_url");
            assert_eq!(causes(json!({"proxy_url": url})), all, "{url}");
        }
        assert_eq!(
            causes(json!({"proxy_url": null})),
            named(&[token, "bearer_token", secret], "proxy_url")
        );
        assert_eq!(
            causes(json!({"oauth2": {"token_url": "https://u:***@evil/"}})),
            named(&[token, secret], token)
        );
        assert_eq!(
            causes(json!({"oauth2": {"token_url": "https://evil/"}})),
            named(&[secret], token)
        );
        assert_eq!(causes(json!({"oauth2": null})), [], "nothing is sent");
        for kept in [
            json!({"proxy_url": "http://u:***@p:3128/"}),
            json!({"proxy_url": "http://u:new@p:3128"}),
            json!({"oauth2": {"token_url": "https://u:***@t/other", "client_id": "j"}}),
            json!({"oauth2": {"scopes": ["a"]}}),
        ] {
            assert_eq!(causes(kept.clone()), [], "{kept}");
        }
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
