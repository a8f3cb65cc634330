//! Marked secrets in every field, sent to targets that repeat them, are in no output.

use serde_json::{Value, json};

use crate::support::{App, Authority, Behaviour, Launch, Peer, Shape, Target};

/// Begins every marked secret, so that even a part of one is found.
const MARK: &str = "c4nary";

/// Shown when requests are: queries, bodies, expectations, lone user names.
const OPEN: &str = "c4nary-open";

/// Shown never: passwords, tokens, keys, secret headers.
const NEVER: &str = "c4nary-never";

/// The targets: each repeats what it was sent, or fails in its own way.
struct Targets {
    redirects: Target,
    repeats: Target,
    refuses: Target,
    repeats_token: Target,
    talks: Peer,
}

/// A response with every secret in its head and its body, each cut differently.
fn repetition(status: &str) -> Vec<u8> {
    let body = format!(
        "{{\"got\": \"{NEVER}-header {NEVER}-bearer {OPEN}-query\", \"body\": \"{OPEN}-body\", \
         \"long\": \"{}{NEVER}-password\"}}",
        "x".repeat(40)
    );
    let location = format!("ftp://ann:{NEVER}-password@h/?x={OPEN}-query#{NEVER}-header");
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// `url` with a password and a query with the name of a secret.
fn with_secrets(url: &str) -> String {
    let userinfo = format!("://ann:{NEVER}-password@");
    url.replacen("://", &userinfo, 1) + &format!("?token={OPEN}-query")
}

impl Targets {
    fn start() -> Self {
        let raw = |status| Target::start(Behaviour::Raw(repetition(status)));
        Self {
            redirects: raw("302 Found"),
            repeats: raw("200 OK"),
            refuses: raw("500 Oops"),
            repeats_token: Target::start(Behaviour::Raw(
                format!("HTTP/1.1 200 OK\r\n\r\nyou sent {NEVER}-bearer").into_bytes(),
            )),
            talks: Peer::tcp(|wire| {
                wire.read_exact(&mut [0; 8])?;
                wire.write_all(format!("{OPEN}-body is unknown").as_bytes())?;
                wire.flush()
            }),
        }
    }

    /// Services with a marked secret in each field that may hold one, in the dialect of the API.
    fn services(&self) -> Vec<Value> {
        let identity = Authority::named("clients").certify("client.example", Shape::Good);
        let key = identity.key_pem();
        let secret = |name: &str, url: &str| {
            json!({
                "name": name, "url": url, "method": "POST", "body": format!("{OPEN}-body"),
                "headers": {
                    "X-Api-Key": format!("{NEVER}-header"), "Cookie": format!("a={NEVER}-cookie")
                },
                "bearer_token": format!("{NEVER}-bearer"),
                "tls": {"certificate": identity.certificate_pem(), "private_key": key}
            })
        };
        let mut services = vec![
            secret("redirects", &with_secrets(&self.redirects.url())),
            secret("refuses", &with_secrets(&self.refuses.url())),
            secret("no TLS", &with_secrets(&self.repeats.url().replace("http:", "https:"))),
            secret("refused", &format!("http://{OPEN}-user@127.0.0.1:1/;sid={OPEN}#code={OPEN}")),
        ];
        for condition in ["[BODY] == x", "[BODY].got == x", "len([BODY].got) == 1"] {
            let mut service = secret(condition, &with_secrets(&self.repeats.url()));
            service["conditions"] = json!([condition]);
            services.push(service);
        }
        services.push(json!({
            "name": "talks", "url": self.talks.url("tcp"), "body": format!("{OPEN}-body"),
            "expect": format!("{OPEN}-expect")
        }));
        services.push(json!({
            "name": "account", "url": self.refuses.url(),
            "basic_auth": {"username": format!("{OPEN}-name"), "password": "x"}
        }));
        services.push(json!({
            "name": "login", "url": self.refuses.url(), "oauth2": {
                "token_url": with_secrets(&self.refuses.url()), "client_id": "id",
                "client_secret": format!("{NEVER}-client")
            }
        }));
        services.push(json!({
            "name": "proxy", "url": "https://127.0.0.1:1/",
            "proxy_url": with_secrets(&self.refuses.url())
        }));
        services.push(json!({
            "name": "job", "url": "push://job", "heartbeat": {"token": format!("{NEVER}-beat")},
            "interval_seconds": 3600
        }));
        services
    }
}

/// The same services as a services file; JSON is YAML.
fn services_file(services: &[Value], url: &str) -> String {
    let entries: Vec<Value> = services
        .iter()
        .filter(|service| service["name"] != "job")
        .map(|service| {
            let mut entry = json!({"name": format!("file {}", service["name"]), "interval": "1s"});
            for (api, file) in [
                ("url", "url"),
                ("body", "body"),
                ("headers", "headers"),
                ("expect", "expect"),
                ("bearer_token", "bearer-token"),
                ("basic_auth", "basic-auth"),
                ("conditions", "conditions"),
            ] {
                if let Some(value) = service.get(api) {
                    entry[file] = value.clone();
                }
            }
            entry
        })
        .collect();
    let variable = json!({
        "name": "variable", "url": format!("{url}?token=${{QUERY}}"), "conditions": ["[BODY] == x"],
        "headers": {"Authorization": "Bearer ${TOKEN}"}
    });
    let endpoints = [entries, vec![variable]].concat();
    json!({"endpoints": endpoints}).to_string()
}

/// Everything that a client can read.
fn answers(app: &App, ids: &[i64]) -> Vec<(String, String)> {
    let mut paths: Vec<String> = [
        "/v1/services?limit=1000",
        "/v1/services?q=http",
        "/v1/services?reason=condition",
        "/v1/overview?limit=1000",
        "/v1/events?limit=1000",
        "/v1/uptime?limit=1000",
        "/v1/_internal/health",
        "/v1/_internal/ready",
        "/v1/_internal/storage",
        "/metrics",
        "/openapi.json",
    ]
    .map(str::to_owned)
    .to_vec();
    for id in ids {
        for part in ["", "/events", "/ticks", "/series", "/uptime", "/slo"] {
            paths.push(format!("/v1/services/{id}{part}"));
        }
    }
    let get = |path: &String| (path.clone(), app.get(path).text);
    let mut answers: Vec<(String, String)> = paths.iter().map(get).collect();
    for id in ids {
        let path = format!("/v1/services/{id}/probe");
        answers.push((path.clone(), app.request("POST", &path, &[], "").text));
    }
    answers
}

/// The output of a command on both streams.
fn output_of(launch: &Launch, words: &[&str]) -> String {
    let output = launch.command(words).output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
}

/// Runs the services until each has failed; returns every output of the program.
fn outputs(requests: &str) -> Vec<(String, String)> {
    let targets = Targets::start();
    let services = targets.services();
    let launch = Launch::new()
        .with("DEBUG", "true")
        .with("SHOW_REQUESTS", requests)
        .with("TOKEN", format!("{NEVER}-bearer"))
        .with("QUERY", format!("{OPEN}-query"))
        .with_services_file(&services_file(&services, &targets.repeats_token.url()));
    let mut outputs = Vec::new();
    let mut command = |words: &[&str]| {
        outputs.push((words.join(" "), output_of(&launch, words)));
    };
    command(&["check-file", "services.yaml"]);
    let options = json!({
        "headers": {"X-Api-Key": format!("{NEVER}-header")},
        "bearer_token": format!("{NEVER}-bearer"),
        "method": "POST", "body": format!("{OPEN}-body")
    });
    let options = options.to_string();
    command(&["probe", &with_secrets(&targets.redirects.url()), "--option", &options]);
    let url = with_secrets(&targets.repeats.url());
    command(&["probe", &url, "--json", "--option", &options, "--condition", "[BODY] == x"]);
    command(&["probe", "http://a/", "--option", &format!("\"{NEVER}\"")]);
    // The words of a command are its input.
    outputs.iter_mut().for_each(|(words, _)| words.truncate(10));

    let app = launch.start();
    for service in &services {
        let reply = app.send("POST", "/v1/services", service);
        assert_eq!(reply.status, 201, "{}", reply.text);
        outputs.push((format!("POST {}", service["name"]), reply.text));
    }
    let list = app.get("/v1/services?limit=1000");
    let ids: Vec<i64> =
        list.list("services").iter().map(|service| service["id"].as_i64().unwrap()).collect();
    let job = *ids.last().unwrap();
    let token = format!("Bearer {NEVER}-beat");
    let path = format!("/v1/services/{job}/heartbeat?success=false&error=used%20{NEVER}-beat");
    let beat = app.request("POST", &path, &[("authorization", &token)], "");
    assert_eq!(beat.status, 200, "{}", beat.text);
    for id in &ids {
        app.wait_for_state(*id, "down");
    }
    for (field, value) in [
        ("url", json!(format!("http//u:{NEVER}@h/?token={OPEN}"))),
        ("url", json!(format!("http://u:{NEVER}/{NEVER}@h/"))),
        ("bearer_token", json!(format!("{NEVER}\n"))),
        ("headers", json!({"X-Api-Key": format!("{NEVER}\n")})),
        ("headers", json!({format!("Authorization: {NEVER}"): ""})),
        ("resolver", json!(format!("https://{NEVER}@dns.example/?token={NEVER}"))),
        ("basic_auth", json!([NEVER])),
        ("tls", json!({"private_key": NEVER})),
        ("body", json!([NEVER])),
        ("proxy_url", json!(format!("socks5://u:{NEVER}@h/"))),
    ] {
        let mut body = json!({"name": "bad", "url": "http://a/"});
        body[field] = value;
        outputs.push((format!("invalid {field}"), app.rejected("POST", "/v1/services", &body)));
    }
    let found = app.get(&format!("/v1/services?q={MARK}"));
    assert_eq!(found.body["data"]["services"]["pagination"]["total"], 0, "{}", found.text);
    outputs.extend(answers(&app, &ids));
    for format in ["csv", "jsonl", "openmetrics"] {
        outputs.push((format.to_owned(), output_of(&launch, &["export", "--format", format])));
    }
    outputs.push(("log".to_owned(), app.stop()));
    outputs
}

#[test]
fn marked_secrets_are_in_no_output() {
    for (name, text) in outputs("false") {
        let at = text.find(MARK);
        let excerpt = at.map(|at| text[at.saturating_sub(200)..].chars().take(300).collect());
        assert_eq!(excerpt, None::<String>, "{name}");
    }
}

#[test]
fn shown_requests_have_no_passwords_tokens_and_secret_headers() {
    let outputs = outputs("true");
    for (name, text) in &outputs {
        assert!(!text.contains(NEVER), "{name}: {text}");
    }
    let all: String = outputs.into_iter().map(|(_, text)| text).collect();
    for shown in ["query", "body", "expect", "user", "name"] {
        assert!(all.contains(&format!("{OPEN}-{shown}")), "{shown}");
    }
}
