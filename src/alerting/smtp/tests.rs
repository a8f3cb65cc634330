//! Tests against a server that plays one part of a session wrong.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::alerting::ClientOptions;
use crate::alerting::dialer::Dialer;
use crate::alerting::smtp::{Mail, Settings, send};
use crate::domain::alert::{Attempt, Message};
use crate::probe::net::policy::Policy;
use crate::probe::net::tls::Trust;

/// The password of the tests; no error may contain it.
const PASSWORD: &str = "p4ss-word";

/// What the server replies instead of what a server would, by the begin of a command.
type Replies = &'static [(&'static str, &'static str)];

/// The attempt to send a mail to a server with these `replies`, and the lines that it received.
async fn attempt(replies: Replies, keys: Value) -> (Attempt, Vec<String>) {
    let policy = Policy::default();
    attempt_with(replies, keys, ClientOptions::TIMEOUT, policy, true).await
}

async fn attempt_with(
    replies: Replies,
    keys: Value,
    timeout: Duration,
    policy: Policy,
    quotes_private: bool,
) -> (Attempt, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut all = json!({"from": "mon@example.net", "to": ["ops@example.org"], "starttls": "off",
        "host": "127.0.0.1", "port": listener.local_addr().unwrap().port()});
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let settings = Settings::read(all.as_object().unwrap()).unwrap();
    let client = ClientOptions { timeout, ..ClientOptions::default() };
    let dialer = Dialer::new(policy, Trust::load(None).unwrap(), Arc::default());
    let message = message();
    let mail = mail_of(&message, quotes_private);
    let server = serve(listener, replies);
    let sent = send(&dialer, None, &settings, &client, &mail);
    let (mut sent, mut server) = (Box::pin(sent), Box::pin(server));
    tokio::select! {
        attempt = sent.as_mut() => {
            let rest = tokio::time::timeout(Duration::from_millis(100), server).await;
            (attempt, rest.unwrap_or_default())
        }
        lines = server.as_mut() => (sent.await, lines),
    }
}

pub fn message() -> Message {
    super::mail::tests::message()
}

fn mail_of(message: &Message, quotes_private: bool) -> Mail<'_> {
    Mail { message, subject: "down: api", text: "a text", quotes_private }
}

/// Serves one connection, until it is closed. A reply of nothing hangs.
async fn serve(listener: TcpListener, replies: Replies) -> Vec<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut received = Vec::new();
    let special = |line: &str| {
        replies.iter().find(|(begin, _)| line.starts_with(begin)).map(|(_, reply)| *reply)
    };
    let mut reply = special("greeting").unwrap_or("220 mail.example");
    let mut in_data = false;
    loop {
        if reply == "hang" {
            std::future::pending::<()>().await;
        }
        if !reply.is_empty() && write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return received;
        }
        let Ok(Some(line)) = lines.next_line().await else { return received };
        let usual = match line.split_ascii_whitespace().next().unwrap_or_default() {
            "." => "250 queued",
            _ if in_data => "",
            "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
            "DATA" => "354 go on",
            "AUTH" => "235 welcome",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        reply = special(&line).filter(|_| !in_data || line == ".").unwrap_or(usual);
        in_data = (in_data || reply.starts_with("354")) && line != ".";
        received.push(line);
    }
}

fn text(attempt: &Attempt) -> (&'static str, String) {
    match attempt {
        Attempt::Delivered { .. } => ("delivered", String::new()),
        Attempt::ChannelFailed { error, .. } => ("channel", error.clone()),
        Attempt::MessageRefused { error, .. } => ("message", error.clone()),
    }
}

#[tokio::test]
async fn the_reply_decides_whether_channel_or_message_failed() {
    let cases: &[(Replies, &str, &str)] = &[
        (&[], "delivered", ""),
        (&[("greeting", "554 no service")], "channel", "greeting: 554 no service"),
        (&[("greeting", "SSH-2.0-x")], "channel", "greeting: "),
        (&[("EHLO", "502 what")], "channel", "greeting: 502 what"),
        (&[("AUTH", "535 5.7.8 bad credentials")], "channel", "AUTH: 535 5.7.8 bad credentials"),
        (&[("AUTH", "454 later")], "channel", "AUTH: 454 later"),
        (&[("MAIL", "550 not you")], "channel", "MAIL FROM: 550 not you"),
        (&[("MAIL", "451 later")], "channel", "MAIL FROM: 451 later"),
        (&[("RCPT", "450 greylisted")], "channel", "RCPT TO ops@example.org: 450 greylisted"),
        (
            &[("RCPT", "550 5.1.1 unknown")],
            "message",
            "sent to 0 of 1: RCPT TO ops@example.org: 550 5.1.1 unknown",
        ),
        (&[("DATA", "451 later")], "channel", "DATA: 451 later"),
        (&[("DATA", "554 no")], "message", "DATA: 554 no"),
        (&[(".", "452 full")], "channel", "DATA: 452 full"),
        (&[(".", "552-too large\r\n552 by far")], "message", "DATA: 552 too large by far"),
        (&[("QUIT", "hang")], "delivered", ""),
        (&[("QUIT", "500 what")], "delivered", ""),
    ];
    for (replies, outcome, error) in cases {
        let (attempt, _) = attempt(replies, json!({"password": PASSWORD})).await;
        let (found, why) = text(&attempt);
        assert_eq!(found, *outcome, "{replies:?}: {attempt:?}");
        assert!(why.starts_with(error), "{replies:?}: {why}");
    }
}

#[tokio::test]
async fn recipients_that_are_accepted_receive_the_mail() {
    let to = json!({"to": ["a@example.org", "b@example.org", "c@example.org"]});
    let (attempt, lines) = attempt(&[("RCPT TO:<b@", "550 unknown")], to).await;
    let expected = ("message", "sent to 2 of 3: RCPT TO b@example.org: 550 unknown".to_owned());
    assert_eq!(text(&attempt), expected);
    let commands = lines.iter().filter(|line| line.starts_with("DATA") || *line == ".").count();
    assert_eq!(commands, 2, "{lines:?}");
    let headers = lines.iter().filter(|line| line.starts_with("To: ")).count();
    assert_eq!(headers, 1, "one mail for all: {lines:?}");
}

#[tokio::test]
async fn a_password_is_sent_only_over_tls_unless_the_channel_says_otherwise() {
    let commands = |lines: &[String]| {
        let words = lines.iter().filter_map(|line| line.split_ascii_whitespace().next());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let (refused, lines) = attempt(&[], json!({"password": PASSWORD, "starttls": ""})).await;
    assert_eq!(text(&refused), ("channel", "STARTTLS: the server does not offer it".to_owned()));
    assert_eq!(commands(&lines), ["EHLO"], "the password was sent without TLS");
    for starttls in ["off", "optional"] {
        let keys = json!({"password": PASSWORD, "starttls": starttls});
        let (delivered, lines) = attempt(&[], keys).await;
        assert_eq!(text(&delivered).0, "delivered");
        assert_eq!(commands(&lines)[..2], ["EHLO", "AUTH"]);
    }
    let (delivered, lines) = attempt(&[], json!({"username": "u"})).await;
    assert_eq!(text(&delivered).0, "delivered");
    assert!(!commands(&lines).contains(&"AUTH".to_owned()), "no password, no AUTH: {lines:?}");
}

#[tokio::test]
async fn login_is_used_where_plain_is_not_offered() {
    let keys = json!({"password": PASSWORD, "username": "u"});
    let login: Replies = &[
        ("EHLO", "250-mail.example\r\n250 AUTH LOGIN CRAM-MD5"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("dQ==", "334 UGFzc3dvcmQ6"),
        ("cDRzcy13b3Jk", "235 welcome"),
    ];
    let (delivered, lines) = attempt(login, keys.clone()).await;
    assert_eq!(text(&delivered).0, "delivered", "{lines:?}");
    assert_eq!(lines[1..4], ["AUTH LOGIN", "dQ==", "cDRzcy13b3Jk"]);
    let (failed, _) = attempt(&[("EHLO", "250-m\r\n250 AUTH CRAM-MD5")], keys).await;
    let expected = "AUTH: the server offers neither PLAIN nor LOGIN".to_owned();
    assert_eq!(text(&failed), ("channel", expected));
}

#[tokio::test]
async fn an_error_is_one_short_line_without_secrets() {
    let keys = json!({"password": PASSWORD, "username": "u"});
    let echo: Replies = &[(
        "AUTH",
        "535-AHUAcDRzcy13b3Jk is wrong\r\n535-p4ss-word\r\n535 cDRzcy13b3Jk \x07\x1b[1m",
    )];
    let (failed, _) = attempt(echo, keys.clone()).await;
    let (outcome, error) = text(&failed);
    assert_eq!(outcome, "channel");
    assert!(error.starts_with("AUTH: 535 *** is wrong *** *** "), "{error}");
    assert!(!error.contains(char::is_control), "{error}");
    let long: Replies = &[(
        "AUTH",
        concat!(
            "535 ",
            "éééééééééééééééééééééééééééééééééééééééééé",
            "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
            "éééééééééééééééééééééééééééééééééééééééééé"
        ),
    )];
    let (failed, _) = attempt(long, keys).await;
    let length = text(&failed).1.len();
    assert!((250..=256).contains(&length), "{length}");
}

#[tokio::test]
async fn the_text_of_a_private_server_is_not_shown_to_clients_of_the_api() {
    let refused: Replies = &[("RCPT", "550 internal host name")];
    let timeout = ClientOptions::TIMEOUT;
    let (failed, _) = attempt_with(refused, json!({}), timeout, Policy::default(), false).await;
    let expected = "sent to 0 of 1: RCPT TO ops@example.org: 550".to_owned();
    assert_eq!(text(&failed), ("message", expected));
}

#[tokio::test]
async fn a_server_that_hangs_ends_at_the_deadline() {
    for (replies, step) in [
        (&[("greeting", "hang")] as Replies, "greeting"),
        (&[("MAIL", "hang")], "MAIL FROM"),
        (&[(".", "hang")], "DATA"),
    ] {
        let timeout = Duration::from_millis(300);
        let (failed, _) = attempt_with(replies, json!({}), timeout, Policy::default(), true).await;
        let expected = format!("{step}: no complete reply within 300ms");
        assert_eq!(text(&failed), ("channel", expected));
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let keys = json!({"from": "mon@example.net", "to": ["ops@example.org"], "host": "127.0.0.1",
        "port": listener.local_addr().unwrap().port()});
    let settings = Settings::read(keys.as_object().unwrap()).unwrap();
    let dialer = Dialer::new(Policy::default(), Trust::load(None).unwrap(), Arc::default());
    let (client, message) = (ClientOptions::default(), message());
    let mail = mail_of(&message, true);
    let sent = send(&dialer, None, &settings, &client, &mail);
    let flood = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0_usize;
        while stream.write_all(&[b'2'; 64 * 1024]).await.is_ok() {
            sent += 64 * 1024;
        }
        sent
    };
    let (attempt, flooded) = tokio::join!(sent, flood);
    assert!(text(&attempt).1.contains("more than 262144 bytes of replies"), "{attempt:?}");
    assert!(flooded < 64 * 1024 * 1024, "{flooded}");
}

#[tokio::test]
async fn a_denied_address_is_not_connected_to() {
    let policy = Policy::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new());
    let timeout = ClientOptions::TIMEOUT;
    let (failed, lines) = attempt_with(&[], json!({}), timeout, policy, true).await;
    assert_eq!(text(&failed).0, "channel");
    assert!(text(&failed).1.contains("127.0.0.1") && lines.is_empty(), "{failed:?} {lines:?}");
}
