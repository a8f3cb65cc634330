//! The mail of one message: headers and text.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};

use crate::alerting::smtp::settings::Settings;
use crate::domain::alert::{Message, MessageState};

/// Longest subject, in characters.
const SUBJECT_LIMIT: usize = 250;

/// The mail with this subject and text. All mails of an alert are one thread: each has an id made
/// of key and revision, and refers to the first one.
pub fn build(
    settings: &Settings,
    message: &Message,
    subject: &str,
    text: &str,
) -> Result<Mail, String> {
    let domain = settings.from.email.domain();
    let id = |revision: u32| format!("<{}-{revision}@{domain}>", message.key);
    let at = Duration::from_millis(u64::try_from(message.now_ms).unwrap_or_default());
    let mut mail = Mail::builder()
        .from(settings.from.clone())
        .date(UNIX_EPOCH + at)
        .subject(one_line(subject))
        .message_id(Some(id(message.revision)))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN);
    for recipient in &settings.to {
        mail = mail.to(Mailbox::clone(recipient));
    }
    if refers_to_first(message) {
        mail = mail.in_reply_to(id(FIRST)).references(id(FIRST));
    }
    mail.body(text.to_owned()).map_err(|error| error.to_string())
}

/// RFC 3834: no vacation notice is sent in reply.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// The revision of the begin.
const FIRST: u32 = 1;

fn refers_to_first(message: &Message) -> bool {
    message.revision > FIRST && message.state != MessageState::Missed
}

/// Control characters would begin another header.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.chars().take(SUBJECT_LIMIT).collect()
}

#[cfg(test)]
pub mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::alert::{AlertKind, Facts, Severity};

    pub fn message() -> Message {
        Message {
            state: MessageState::Firing,
            kind: AlertKind::Down,
            severity: Severity::Critical,
            key: "shc-abcdefgh-7".to_owned(),
            revision: 1,
            monitor: "monitor".to_owned(),
            description: String::new(),
            facts: Facts { name: "api".to_owned(), ..Facts::default() },
            since_ms: 1_795_915_000_000,
            ended_ms: None,
            now_ms: 1_795_915_117_000,
            end_cause: None,
            failure_threshold: 3,
            success_threshold: 2,
            dependents: 0,
            link: None,
            recipient: None,
            reference: None,
            digest: None,
        }
    }

    fn text_of(message: &Message, subject: &str, text: &str) -> String {
        let keys = json!({"from": "Wächter <mon@example.net>", "host": "mail.example", "port": 25,
            "to": ["ops@example.org", "Nacht <night@example.org>"]});
        let settings = Settings::read(keys.as_object().unwrap()).unwrap();
        let mail = build(&settings, message, subject, text).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    #[test]
    fn a_begin_is_a_plain_mail_to_all_recipients() {
        let mail = text_of(&message(), "DOWN: api", "It does not answer.\nSince 09:00.");
        assert_eq!(
            mail,
            "From: =?utf-8?b?V8OkY2h0ZXI=?= <mon@example.net>\r\n\
             Date: Sun, 29 Nov 2026 01:18:37 +0000\r\n\
             Subject: DOWN: api\r\n\
             Message-ID: <shc-abcdefgh-7-1@example.net>\r\n\
             Auto-Submitted: auto-generated\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             To: ops@example.org, Nacht <night@example.org>\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\n\
             It does not answer.\r\nSince 09:00."
        );
    }

    #[test]
    fn the_end_and_reminders_refer_to_the_first_mail() {
        for state in [MessageState::Still, MessageState::Resolved] {
            let mail = text_of(&Message { state, revision: 3, ..message() }, "UP: api", "x");
            assert!(mail.contains("Message-ID: <shc-abcdefgh-7-3@example.net>\r\n"), "{mail}");
            assert!(mail.contains("References: <shc-abcdefgh-7-1@example.net>\r\n"), "{mail}");
            assert!(mail.contains("In-Reply-To: <shc-abcdefgh-7-1@example.net>\r\n"), "{mail}");
        }
        let missed = Message { state: MessageState::Missed, revision: 2, ..message() };
        assert!(!text_of(&missed, "was down", "x").contains("References"), "it is the first mail");
    }

    #[test]
    fn a_name_adds_no_header_and_every_character_arrives() {
        let mail = text_of(&message(), "DOWN: a\r\nBcc: x@example.com\n\n \u{7}b", "x");
        assert!(mail.contains("Subject: DOWN: a Bcc: x@example.com b\r\n"), "{mail}");
        assert!(!mail.contains("\nBcc:"), "{mail}");
        let mail = text_of(&message(), "DOWN: Bücher 📚", "Grüße 📚\n.\n..");
        assert!(mail.is_ascii() && mail.contains("Subject: DOWN: =?utf-8?b?"), "{mail}");
        let (headers, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(headers.contains("charset=utf-8"), "{mail}");
        assert!(body.contains("Gr=C3=BC=C3=9Fe") || headers.contains("base64"), "{mail}");
        let long = text_of(&message(), &"é".repeat(2_000), &"w".repeat(5_000));
        assert!(long.lines().all(|line| line.len() <= 998), "RFC 5322, section 2.1.1");
    }
}
