//! The sender against a receiver over real sockets.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Received, Sender as Sends, channel as queue};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::alerting::sample::{channel, message};
use crate::domain::alert::MessageState;
use crate::probe::net::policy::parse_networks;
use crate::probe::net::tls::Trust;

/// What the receiver does after a request.
#[derive(Clone)]
enum Answer {
    /// These bytes, then it closes the connection.
    Bytes(Vec<u8>),
    /// These bytes at once, and then one byte after the other, without end.
    Drip(&'static [u8]),
    /// Nothing, until the client closes.
    Hang,
}

fn reply(line: &str, head: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!("HTTP/1.1 {line}\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    Answer::Bytes(text.into_bytes())
}

/// A server that answers one connection after the other.
struct Receiver {
    address: SocketAddr,
    requests: Received<String>,
}

impl Receiver {
    /// The last answer is repeated.
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sends, requests) = queue();
        thread::spawn(move || {
            for (nth, stream) in listener.incoming().enumerate() {
                let answer = answers[nth.min(answers.len() - 1)].clone();
                serve(stream.unwrap(), &answer, &sends);
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, requests: &Sends<String>) {
    let request = read_request(&mut stream);
    let _ = requests.send(request);
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(bytes);
        }
        Answer::Drip(bytes) => {
            let mut sent = stream.write_all(bytes);
            while sent.is_ok() {
                thread::sleep(Duration::from_millis(5));
                sent = stream.write_all(b"x");
            }
        }
        Answer::Hang => {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}

/// Head and body of a request with a Content-Length.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
            _ => return text,
        }
    }
}

fn sender(deny: &str) -> Sender {
    let variables = [("TOKEN".to_owned(), "t0ken-s3cret".to_owned())];
    let deny = if deny.is_empty() { Vec::new() } else { parse_networks(deny).unwrap() };
    Sender::new(SenderRules {
        trust: Trust::load(None).unwrap(),
        policy: Policy::named("ALERT_DENY_NETWORKS", deny, Vec::new()),
        resolver_health: Arc::default(),
        variables: Variables::new(HashMap::from(variables)),
        zone: Zone::utc(),
    })
}

fn send(channel: &Channel, message: &Message) -> Attempt {
    send_with(&sender(""), channel, message)
}

fn send_with(sender: &Sender, channel: &Channel, message: &Message) -> Attempt {
    let overrides = Map::new();
    actix_rt::System::new().block_on(sender.send(channel, &overrides, message))
}

/// A Telegram channel, which has a plain form, a rule for answers, and a pointer for retries.
fn telegram(receiver: &Receiver) -> Channel {
    channel("telegram", &json!({"token": "${TOKEN}", "id": "1", "base-url": receiver.url()}))
}

fn gotify(receiver: &Receiver) -> Channel {
    let mut channel =
        channel("gotify", &json!({"server-url": receiver.url(), "token": "${TOKEN}"}));
    channel.options.client.insert("timeout".to_owned(), json!("60s"));
    channel
}

fn failed(attempt: Attempt) -> (Option<u16>, String, Option<Duration>) {
    match attempt {
        Attempt::ChannelFailed { http_status, error, retry_after } => {
            (http_status, error, retry_after)
        }
        other => panic!("{other:?}"),
    }
}

const OK: &str = "{\"ok\": true, \"id\": 7}";

#[test]
fn a_message_is_delivered_with_its_key_and_its_secret() {
    let receiver = Receiver::start(vec![reply("200 OK", "", OK)]);
    let attempt = send(&gotify(&receiver), &message(MessageState::Firing));
    assert_eq!(attempt, Attempt::Delivered { http_status: Some(200), reference: None });
    let [request] = receiver.requests().try_into().unwrap();
    let head = request.to_ascii_lowercase();
    assert!(head.starts_with("post /message http/1.1\r\n"), "{request}");
    assert!(head.contains("\r\nx-gotify-key: t0ken-s3cret\r\n"), "{request}");
    assert!(head.contains("\r\nidempotency-key: shc-abcdefgh-12-3\r\n"), "{request}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{request}");
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["title"], "core/api is down");
}

#[test]
fn too_many_requests_say_when_to_come_back() {
    let of_body = "{\"ok\": false, \"parameters\": {\"retry_after\": 35}}";
    for (head, body, expected) in [
        ("Retry-After: 7\r\n", "{}", Some(7)),
        ("", of_body, Some(35)),
        ("Retry-After: 86400\r\n", "{}", Some(3_600)),
        ("", "{}", None),
    ] {
        let receiver = Receiver::start(vec![reply("429 Too Many Requests", head, body)]);
        let attempt = send(&telegram(&receiver), &message(MessageState::Firing));
        let (status, _, retry_after) = failed(attempt);
        assert_eq!((status, retry_after), (Some(429), expected.map(Duration::from_secs)));
        assert_eq!(receiver.requests().len(), 1);
    }
}

#[test]
fn an_error_of_the_receiver_is_the_channel_s_fault_and_shows_no_secret() {
    let answer = reply("500 Internal Server Error", "", "no such bot t0ken-s3cret");
    let receiver = Receiver::start(vec![answer]);
    let attempt = send(&telegram(&receiver), &message(MessageState::Firing));
    let (status, error, _) = failed(attempt);
    assert_eq!(status, Some(500));
    assert_eq!(error, "HTTP 500 Internal Server Error: no such bot ***");
}

#[test]
fn a_refused_message_is_sent_once_more_without_markup() {
    let refused = reply("400 Bad Request", "", "{\"ok\": false, \"description\": \"entities\"}");
    let receiver = Receiver::start(vec![refused.clone(), reply("200 OK", "", OK)]);
    let attempt = send(&telegram(&receiver), &message(MessageState::Firing));
    assert_eq!(attempt, Attempt::Delivered { http_status: Some(200), reference: None });
    let requests = receiver.requests();
    let has_markup: Vec<bool> = requests.iter().map(|it| it.contains("parse_mode")).collect();
    assert_eq!(has_markup, [true, false]);

    let receiver = Receiver::start(vec![refused.clone()]);
    let attempt = send(&telegram(&receiver), &message(MessageState::Firing));
    let Attempt::MessageRefused { http_status: Some(400), error } = attempt else { panic!() };
    assert!(error.starts_with("HTTP 400 Bad Request: {\"ok\": false,"), "{error}");
    assert_eq!(receiver.requests().len(), 2);

    let receiver = Receiver::start(vec![refused]);
    let attempt = send(&gotify(&receiver), &message(MessageState::Firing));
    assert!(matches!(attempt, Attempt::MessageRefused { .. }));
    assert_eq!(receiver.requests().len(), 1, "gotify has no other form");
}

#[test]
fn a_cut_answer_is_a_failure_only_where_the_row_needs_it() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\": tr";
    let cut = Answer::Bytes(head.into());
    let receiver = Receiver::start(vec![cut.clone()]);
    let (status, _, _) = failed(send(&telegram(&receiver), &message(MessageState::Firing)));
    assert_eq!(status, Some(200));
    let receiver = Receiver::start(vec![cut]);
    let attempt = send(&gotify(&receiver), &message(MessageState::Firing));
    assert!(matches!(attempt, Attempt::Delivered { .. }), "{attempt:?}");
    let receiver = Receiver::start(vec![Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent".to_vec())]);
    let (status, error, _) = failed(send(&gotify(&receiver), &message(MessageState::Firing)));
    assert!(status.is_none() && !error.is_empty());
}

#[test]
fn a_redirect_is_not_followed_and_named_without_its_query() {
    let location = "Location: https://other.example/x?token=s3cret\r\n";
    let receiver = Receiver::start(vec![reply("302 Found", location, "")]);
    let (status, error, _) = failed(send(&gotify(&receiver), &message(MessageState::Firing)));
    assert_eq!(status, Some(302));
    assert_eq!(error, "HTTP 302 Found to https://other.example/x?***, which is not followed");
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn of_a_long_answer_only_the_begin_is_read() {
    let body = "x".repeat(10 * 1024 * 1024);
    let receiver = Receiver::start(vec![reply("503 Service Unavailable", "", &body)]);
    let (status, error, _) = failed(send(&gotify(&receiver), &message(MessageState::Firing)));
    assert_eq!(status, Some(503));
    assert!(error.len() <= 256 && error.ends_with("xx…"), "{error}");
    let receiver = Receiver::start(vec![reply("200 OK", "", &body)]);
    let attempt = send(&gotify(&receiver), &message(MessageState::Firing));
    assert!(matches!(attempt, Attempt::Delivered { .. }), "{attempt:?}");
}

#[test]
fn a_receiver_that_hangs_or_drips_costs_no_more_than_the_timeout() {
    let dripped: &[u8] = b"HTTP/1.1 200 OK\r\nX-Drip: ";
    for answer in [Answer::Hang, Answer::Drip(dripped)] {
        let receiver = Receiver::start(vec![answer]);
        let mut channel = gotify(&receiver);
        channel.options.client.insert("timeout".to_owned(), json!("300ms"));
        let (status, error, _) = failed(send(&channel, &message(MessageState::Firing)));
        assert_eq!((status, error.as_str()), (None, "no answer within 300ms"));
    }
}

#[test]
fn a_body_that_drips_does_not_undo_its_status() {
    let receiver = Receiver::start(vec![Answer::Drip(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n",
    )]);
    let mut channel = gotify(&receiver);
    channel.options.client.insert("timeout".to_owned(), json!("2s"));
    // Again when the machine was too slow for a head within the timeout.
    let attempts = (0..5).map(|_| send(&channel, &message(MessageState::Firing)));
    let delivered = Attempt::Delivered { http_status: Some(200), reference: None };
    assert!(attempts.into_iter().any(|attempt| attempt == delivered));
}

#[test]
fn denied_networks_are_not_dialled() {
    let receiver = Receiver::start(vec![reply("200 OK", "", OK)]);
    let sender = sender("127.0.0.0/8");
    let attempt = send_with(&sender, &gotify(&receiver), &message(MessageState::Firing));
    let (_, error, _) = failed(attempt);
    assert_eq!(error, "127.0.0.1 is in 127.0.0.0/8 of ALERT_DENY_NETWORKS");
    let metadata =
        channel("gotify", &json!({"server-url": "http://169.254.169.254", "token": "t"}));
    let (_, error, _) = failed(send(&metadata, &message(MessageState::Firing)));
    assert!(error.contains("link-local"), "{error}");
    assert_eq!(receiver.requests(), [""; 0]);
}

#[test]
fn a_client_of_the_api_reads_no_answer_of_a_private_address() {
    let answer = reply("500 Internal Server Error", "", "internal data");
    let receiver = Receiver::start(vec![answer]);
    let mut channel = gotify(&receiver);
    channel.origin = Origin::Api;
    channel.options.keys.insert("token".to_owned(), json!("${TOKEN}"));
    let (_, error, _) = failed(send(&channel, &message(MessageState::Firing)));
    assert_eq!(error, "HTTP 500 Internal Server Error");
    let [request] = receiver.requests().try_into().unwrap();
    assert!(request.contains("${TOKEN}"), "a variable is not filled for the API: {request}");
}

#[test]
fn requests_go_through_the_proxy_of_the_channel() {
    let receiver = Receiver::start(vec![reply("403 Forbidden", "", "")]);
    let mut channel =
        channel("gotify", &json!({"server-url": "http://gotify.example", "token": "t"}));
    let proxy = receiver.url().replace("http://", "http://u:t0ken-s3cret@");
    channel.options.client.insert("proxy-url".to_owned(), json!(proxy));
    let (_, error, _) = failed(send(&channel, &message(MessageState::Firing)));
    assert!(error.contains("the proxy 127.0.0.1:") && error.contains("403"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    let [request] = receiver.requests().try_into().unwrap();
    assert!(request.starts_with("CONNECT gotify.example:80 HTTP/1.1\r\n"), "{request}");
}

#[test]
fn bad_data_is_a_failed_attempt() {
    let receiver = Receiver::start(vec![reply("200 OK", "", OK)]);
    let mut unset = gotify(&receiver);
    unset.options.keys.insert("token".to_owned(), json!("${UNSET}"));
    let mut bad_client = gotify(&receiver);
    bad_client.options.client.insert("timeout".to_owned(), json!("forever"));
    for (channel, expected) in [
        (channel("unknown", &json!({})), "unknown kind of channel: unknown"),
        (channel("gotify", &json!({})), "server-url: missing, expected an http:// or https:// URL"),
        (unset, "token: environment variable UNSET not set"),
        (bad_client, "client.timeout: invalid value \"forever\", expected 100ms to 60s"),
        (channel("email", &json!({"to": 7})), "from: missing, expected a text that is not empty"),
    ] {
        let (_, error, _) = failed(send(&channel, &message(MessageState::Firing)));
        assert_eq!(error, expected);
    }
    assert_eq!(receiver.requests(), [""; 0]);
}
