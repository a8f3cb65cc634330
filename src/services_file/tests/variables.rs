//! Variables: where they are filled, where they stay, and what is wrong with them.

use std::path::Path;

use super::problems_with;
use crate::domain::Variables;
use crate::services_file::content::Content;
use crate::services_file::read::read_text;

fn variables() -> Variables {
    let pairs = [
        ("DOMAIN", "example.org"),
        ("HOST_AND_PORT", "mail.example.org:25"),
        ("WHOLE", "https://whole.example.org:8443/health"),
        ("RELEASE", "1.2.3"),
        ("EVERY", "2m"),
        ("TOKEN", "s3cret-t0ken"),
        ("HEADER", "X-Key"),
        ("ON", "true"),
        ("NAME", "shop"),
    ];
    Variables::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

fn content(text: &str) -> Content {
    read_text(Path::new("s.yaml"), text, &variables()).unwrap_or_else(|problems| {
        panic!("{problems:#?}");
    })
}

#[test]
fn every_text_but_a_template_is_filled_when_the_file_is_read() {
    let content = content(
        "# $NOBODY ${NEITHER}\nendpoints:\n  - name: $NAME-${RELEASE}\n    group: \"${NAME}\"\n    \
         url: https://status.${DOMAIN}/v/$RELEASE\n    interval: ${EVERY}\n    enabled: $ON\n    \
         client: {timeout: $EVERY, insecure: ${ON}}\n    \
         headers: {$HEADER: \"Bearer $TOKEN\"}\n    body: 'pay $$5 ${TOKEN}'\n    \
         conditions: [\"[BODY].version == ${RELEASE}\", '[BODY].price == $$5']\n  \
         - {name: names, url: \"$DOMAIN\", dns: {query-name: 'a.${DOMAIN}', query-type: A, \
         expected: ['$DOMAIN.']}}\n  \
         - {name: text, url: 'tcp://${HOST_AND_PORT}', expect: '220 $DOMAIN*'}\n  \
         - {name: whole, url: \"${WHOLE}\"}\n",
    );
    let [web, names, text, whole] = &content.entries[..] else { panic!("{content:?}") };
    let web = &web.definition;
    assert_eq!(web.name.as_str(), "shop-1.2.3");
    assert_eq!(web.group.as_ref().unwrap().as_str(), "shop");
    assert_eq!(web.target.as_str(), "https://status.example.org/v/${RELEASE}");
    assert_eq!(web.interval.unwrap().as_seconds(), 120.0);
    assert_eq!(web.timeout.unwrap().as_seconds(), 120.0);
    assert!(web.enabled && web.options.tls.insecure);
    let (header, value) = &web.options.headers[0];
    assert_eq!((header.as_str(), value.as_written()), ("X-Key", "Bearer ${TOKEN}"));
    assert_eq!(web.options.body.as_ref().unwrap().as_written(), "pay $$5 ${TOKEN}");
    let conditions: Vec<String> = web.conditions.iter().map(ToString::to_string).collect();
    assert_eq!(conditions, ["[BODY].version == 1.2.3", "[BODY].price == $5"]);
    let names = &names.definition;
    assert_eq!(names.target.as_str(), "dns://example.org");
    let question = names.options.dns.as_ref().unwrap();
    assert_eq!((&*question.name, &*question.expected[0]), ("a.example.org", "example.org."));
    assert_eq!(text.definition.target.as_str(), "tcp://mail.example.org:25");
    let expect = text.definition.options.expect.as_ref().unwrap();
    assert!(expect.occurs_in(b"220 example.org"));
    assert_eq!(whole.definition.target.as_str(), "https://whole.example.org:8443/health");
}

#[test]
fn no_field_that_may_hold_a_secret_is_filled() {
    let content = content(
        "endpoints:\n  - {name: a, url: 'https://u:${TOKEN}@a/$TOKEN?k=${TOKEN}', body: $TOKEN, \
         headers: {A: $TOKEN}, basic-auth: {username: $TOKEN, password: $TOKEN}}\n  \
         - {name: b, url: 'https://b/', bearer-token: $TOKEN}\n  \
         - {name: c, url: 'push://c', heartbeat: {token: $TOKEN}}\n  \
         - {name: d, url: 'exec://check_x', args: [-k, $TOKEN]}\n",
    );
    let shown = content.entries.iter().map(|entry| {
        let definition = &entry.definition;
        let templates: Vec<&str> =
            definition.options.templates().map(|template| template.as_written()).collect();
        format!("{} {}", definition.target.as_str(), templates.join(" "))
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(shown.matches("${TOKEN}").count(), 10, "{shown}");
}

#[test]
fn an_unset_variable_has_the_line_of_its_text() {
    let problems = problems_with(
        "endpoints:\n  - name: a\n    group: ${NO_GROUP}\n    url: https://x.$NO_HOST/\n    \
         conditions:\n      - '[STATUS] == 200'\n      - '[BODY] == ${NO_BODY}'\n    \
         headers:\n      A: b\n      B: $NO_HEADER\n  - name: b\n    url: http://b/${NO_PATH}\n",
        &variables(),
    );
    let expected = [
        "s.yaml:4: endpoint 1 (${NO_GROUP}/a): NO_HOST",
        "s.yaml:7: endpoint 1 (${NO_GROUP}/a): NO_BODY",
        "s.yaml:3: endpoint 1 (${NO_GROUP}/a): NO_GROUP",
        "s.yaml:10: endpoint 1 (${NO_GROUP}/a): NO_HEADER",
        "s.yaml:12: endpoint 2 (b): NO_PATH",
    ];
    let expected = expected.map(|place| {
        format!("{place}: environment variable not set or empty; $$ is a dollar sign")
    });
    assert_eq!(problems, expected);
}

#[test]
fn an_unset_variable_is_reported_once_for_an_entry() {
    let problems = problems_with(
        "endpoints:\n  - name: ${NO}\n    group: $NO\n    url: http://a/$NO\n",
        &variables(),
    );
    let expected = "s.yaml:2: endpoint 1 (${NO}/${NO}): NO: environment variable not set or \
                    empty; $$ is a dollar sign";
    assert_eq!(problems, [expected]);
}

#[test]
fn variables_of_keys_that_are_not_used_need_not_be_set() {
    let content = content(
        "storage: {type: postgres, path: '${DATABASE}'}\nendpoints:\n  - name: a\n    \
         url: http://a/\n    ui: {hide-url: $HIDE}\n  \
         - {name: b, url: 'icmp://b', headers: {A: $NO_HEADER}}\n",
    );
    assert_eq!(content.entries.len(), 2);
}

#[test]
fn other_dollar_signs_stay() {
    let content = content(
        "endpoints:\n  - {name: 'a$', url: 'http://a/', body: '$(x) $5 ^$ $', \
         conditions: ['[BODY] == pat(*$)']}\n",
    );
    let definition = &content.entries[0].definition;
    assert_eq!(definition.name.as_str(), "a$");
    let body = definition.options.body.as_ref().unwrap();
    assert_eq!(body.as_literal().as_deref(), Some("$(x) $5 ^$ $"));
    assert_eq!(definition.conditions[0].to_string(), "[BODY] == pat(*$)");
}

#[test]
fn a_brace_that_names_no_variable_is_a_problem() {
    for (text, path) in [
        ("name: '${a b}', url: 'http://a/'", "name"),
        ("name: a, url: 'http://${}/'", "url"),
        ("name: a, url: 'http://a/', conditions: ['[BODY] == ${X:-y}']", "conditions"),
        ("name: a, url: 'http://a/', body: '${'", "body"),
    ] {
        let problems = problems_with(&format!("endpoints:\n  - {{{text}}}\n"), &variables());
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(&format!(": {path}: invalid value")), "{problems:#?}");
        assert!(problems[0].contains("${NAME}"), "{problems:#?}");
    }
}

#[test]
fn values_are_judged_as_if_they_were_written() {
    let bad = Variables::new(
        [("LINES", "a\nb"), ("COLON", "a:b"), ("PORT", "99999"), ("NEVER", "never")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    );
    for (text, expected) in [
        ("url: 'http://a/', headers: {A: $LINES}", "headers: A: invalid value, expected a text"),
        (
            "url: 'http://a/', basic-auth: {username: $COLON, password: x}",
            "basic-auth: username: invalid value, expected a user name without a colon",
        ),
        ("url: 'http://a:$PORT/'", "url: invalid value \"http://a:99999/\""),
        ("url: 'http://a/', interval: $NEVER", "interval: invalid value never, expected"),
        ("url: 'http://a/', conditions: [$NEVER]", "conditions: invalid value"),
    ] {
        let problems = problems_with(&format!("endpoints:\n  - {{name: a, {text}}}\n"), &bad);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        let expected = format!("s.yaml:2: endpoint 1 (a): {expected}");
        assert!(problems[0].starts_with(&expected), "{expected}\n{problems:#?}");
    }
}

#[test]
fn a_proxy_and_a_login_have_variables_like_the_url() {
    let content = content(
        "endpoints:\n  - name: a\n    url: http://a/\n    client:\n      \
         proxy-url: \"http://u:$TOKEN@proxy.${DOMAIN}:3128\"\n      oauth2:\n        \
         token-url: \"${WHOLE}/token?key=${TOKEN}\"\n        client-id: $NAME\n        \
         client-secret: ${TOKEN}\n        scopes: [\"https://${DOMAIN}/.default\"]\n  \
         - {name: b, url: 'http://a/', client: {proxy-url: ''}}\n",
    );
    let [with, without] = &content.entries[..] else { panic!("{content:?}") };
    let options = &with.definition.options;
    let (proxy, oauth2) = (options.proxy.as_ref().unwrap(), options.oauth2.as_ref().unwrap());
    assert_eq!(proxy.template().as_written(), "http://u:${TOKEN}@proxy.example.org:3128");
    let token_url = "https://whole.example.org:8443/health/token?key=${TOKEN}";
    assert_eq!(oauth2.token_url.template().as_written(), token_url);
    assert_eq!(oauth2.client_secret.as_written(), "${TOKEN}");
    assert_eq!(oauth2.scopes, ["https://example.org/.default"]);
    assert!(without.definition.options.proxy.is_none());
}
