//! Channels of kind `email`, with postfix as the mail server.

use std::net::TcpListener;
use std::sync::Arc;

use serde_json::{Value, json};
use service_healthcheck::alerting::dialer::Dialer;
use service_healthcheck::alerting::{ClientOptions, smtp};
use service_healthcheck::domain::Origin;
use service_healthcheck::domain::alert::{Attempt, Message, MessageState};
use service_healthcheck::probe::net::policy::Policy;
use service_healthcheck::probe::net::tls::Trust;

use super::message;
use crate::support::postfix::{LOGIN, Postfix};
use crate::support::{Behaviour, Launch, Target};

/// Sends one message with the keys and `client` of a channel.
fn send(keys: &Value, client: &Value, message: &Message, texts: (&str, &str)) -> Attempt {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dialer = Dialer::new(Policy::default(), Trust::load(None).unwrap(), Arc::default());
    let settings = smtp::Settings::read(keys.as_object().unwrap()).unwrap();
    let client = ClientOptions::read(client.as_object().unwrap(), Origin::File).unwrap();
    let (subject, text) = texts;
    let mail = smtp::Mail { message, subject, text, quotes_private: true };
    runtime.block_on(smtp::send(&dialer, None, &settings, &client, &mail))
}

/// Keys for `server`, with a login unless the port is 25.
fn keys(server: &Postfix, port: u16, changes: Value) -> Value {
    let mut keys = json!({"from": "Wächter <mon@example.net>", "host": server.host, "port": port,
        "to": ["ops@example.org"]});
    let all = keys.as_object_mut().unwrap();
    if port != 25 {
        let (username, password) = LOGIN;
        all.insert("username".to_owned(), username.into());
        all.insert("password".to_owned(), password.into());
    }
    all.extend(changes.as_object().unwrap().clone());
    keys
}

fn begin() -> Message {
    message(MessageState::Firing, 1)
}

const TEXTS: (&str, &str) = ("DOWN: api", "It does not answer.");

/// The error of an attempt that the channel failed by.
#[track_caller]
fn channel_error(attempt: Attempt) -> String {
    match attempt {
        Attempt::ChannelFailed { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn message_error(attempt: Attempt) -> String {
    match attempt {
        Attempt::MessageRefused { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_delivered(attempt: &Attempt) {
    assert!(matches!(attempt, Attempt::Delivered { .. }), "{attempt:?}");
}

#[test]
fn a_mail_arrives_at_all_recipients_after_starttls_and_login() {
    let server = Postfix::start();
    let to = json!({"to": ["ops@example.org", "Nacht <night@example.org>"]});
    let (keys, client) =
        (keys(&server, 587, to), json!({"tls": {"ca-file": server.certificate()}}));
    let texts = ("DOWN: Bücher\r\nBcc: x@example.org", "Grüße 📚\n.\nend");
    assert_delivered(&send(&keys, &client, &begin(), texts));
    let ended = message(MessageState::Resolved, 2);
    assert_delivered(&send(&keys, &client, &ended, ("UP: Bücher", "ok")));
    let mails = server.mails("ops", 2);
    let (first, second) = (&mails[0], &mails[1]);
    for expected in [
        "(using TLSv1.3",
        "(Authenticated sender: monitor)",
        "with ESMTPSA",
        "from example.net (",
        "\nFrom: =?utf-8?b?V8OkY2h0ZXI=?= <mon@example.net>\n",
        "\nTo: ops@example.org, Nacht <night@example.org>\n",
        "\nMessage-ID: <shc-abcdefgh-7-1@example.net>\n",
        "\nAuto-Submitted: auto-generated\n",
        "\nContent-Type: text/plain; charset=utf-8\n",
    ] {
        assert!(first.contains(expected), "{expected}: {first}");
    }
    assert!(!first.contains("\nBcc:") && !first.contains("\nReferences:"), "{first}");
    assert!(second.contains("\nMessage-ID: <shc-abcdefgh-7-2@example.net>\n"), "{second}");
    assert!(second.contains("\nReferences: <shc-abcdefgh-7-1@example.net>\n"), "{second}");
    let other = server.mails("night", 2);
    assert_eq!(body(&other[0]), body(first));
    assert_eq!(decoded(body(first)), "Grüße 📚\n.\nend");
}

fn body(mail: &str) -> &str {
    mail.split_once("\n\n").unwrap().1
}

/// A body in base64, or in quoted-printable.
fn decoded(body: &str) -> String {
    use base64::Engine;
    let joined: String = body.split_whitespace().collect();
    if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(joined) {
        return String::from_utf8(bytes).unwrap().replace("\r\n", "\n").trim_end().to_owned();
    }
    let text = body.replace("=\n", "");
    let (mut bytes, mut rest) = (Vec::new(), text.trim_end().as_bytes());
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'=' {
            let (hex, after) = tail.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn port_465_is_tls_from_the_start_and_port_25_needs_no_password() {
    let server = Postfix::start();
    let client = json!({"insecure": true});
    assert_delivered(&send(&keys(&server, 465, json!({})), &client, &begin(), TEXTS));
    assert_delivered(&send(&keys(&server, 25, json!({})), &json!({}), &begin(), TEXTS));
    let mails = server.mails("ops", 2);
    assert!(mails.iter().any(|mail| mail.contains("with ESMTPSA")), "{mails:?}");
    assert!(mails.iter().any(|mail| mail.contains("with ESMTP id")), "{mails:?}");
}

#[test]
fn what_the_server_refuses_is_a_fault_of_the_channel_or_of_the_message() {
    let server = Postfix::start();
    let trusted = json!({"tls": {"ca-file": server.certificate()}});
    let send = |port, changes, client: &Value| {
        send(&keys(&server, port, changes), client, &begin(), TEXTS)
    };
    let error = channel_error(send(587, json!({"password": "wrong word"}), &trusted));
    assert!(error.starts_with("AUTH: 535 5.7.8 ") && !error.contains("wrong"), "{error}");
    let error = channel_error(send(587, json!({}), &json!({})));
    assert!(error.contains("certificate"), "{error}");
    let error = channel_error(send(25, json!({"starttls": "required"}), &json!({})));
    assert_eq!(error, "STARTTLS: the server does not offer it");
    let error = channel_error(send(587, json!({"starttls": "off", "password": ""}), &json!({})));
    assert!(error.starts_with("MAIL FROM: 530 5.7.0 "), "{error}");
    let error = message_error(send(25, json!({"to": ["nobody@example.org"]}), &json!({})));
    let expected = "sent to 0 of 1: RCPT TO nobody@example.org: 550 5.1.1 ";
    assert!(error.starts_with(expected), "{error}");
    let error = message_error(send(25, json!({"to": ["ops@elsewhere.example"]}), &json!({})));
    assert!(error.contains("RCPT TO ops@elsewhere.example: 554 5.7.1 "), "{error}");
    let to = json!({"to": ["nobody@example.org", "ops@example.org"]});
    let error = message_error(send(25, to, &json!({})));
    assert!(error.starts_with("sent to 1 of 2: RCPT TO nobody@example.org: 550"), "{error}");
    assert_eq!(server.mails("ops", 1).len(), 1, "one recipient was accepted");
}

#[test]
fn a_server_that_is_away_is_a_fault_of_the_channel() {
    let mut server = Postfix::start();
    let keys = keys(&server, 25, json!({}));
    server.stop();
    let error = channel_error(send(&keys, &json!({}), &begin(), TEXTS));
    assert!(error.contains("Connection refused"), "{error}");
    server.run();
    assert_delivered(&send(&keys, &json!({}), &begin(), TEXTS));
    server.mails("ops", 1);
}

/// A server that accepts connections and says nothing ends an attempt at its deadline.
#[test]
fn a_silent_server_ends_at_the_timeout_of_the_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let keys = json!({"from": "mon@example.net", "host": "localhost", "port": port,
        "to": ["ops@example.org"]});
    let error = channel_error(send(&keys, &json!({"timeout": "300ms"}), &begin(), TEXTS));
    assert_eq!(error, "greeting: no complete reply within 300ms");
}

/// The program over a channel that the API made, through a downtime.
#[test]
fn a_downtime_is_mailed_at_its_begin_and_at_its_end() {
    let server = Postfix::start();
    let target = Target::healthy();
    let app = Launch::new().start();
    let (username, password) = LOGIN;
    let channel = json!({
        "name": "ops",
        "kind": "email",
        "keys": {"from": "mon@example.net", "host": server.host, "port": 587,
            "to": ["ops@example.org"], "username": username, "password": password},
        "client": {"tls": {"ca-file": std::fs::read_to_string(server.certificate()).unwrap()}},
    });
    let created = app.send("POST", "/v1/channels", &channel);
    assert_eq!(created.status, 201, "{}", created.text);
    assert!(!created.text.contains(password), "{}", created.text);
    let id = app.add_with(&json!({
        "name": "Bücher", "url": target.url(), "alerts": [{"channel": "ops",
            "failure_threshold": 1, "success_threshold": 1, "send_on_resolved": true}],
    }));
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(503));
    let begin = server.mails("ops", 1).remove(0);
    target.set_behaviour(Behaviour::Status(200));
    let end = server.mails("ops", 2).remove(1);
    let header = |mail: &str, name: &str| {
        let line = mail.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().to_owned()
    };
    let first = header(&begin, "Message-ID");
    assert!(first.starts_with("<shc-") && first.ends_with("-1@example.net>"), "{begin}");
    assert_eq!(header(&end, "References"), first, "{end}");
    assert_ne!(header(&end, "Message-ID"), first);
    assert!(begin.contains("(Authenticated sender: monitor)"), "{begin}");
    assert!(header(&begin, "Subject").contains("=?utf-8?"), "{begin}");
    assert!(!app.log().contains(password));
}
