//! The built-in title and message of an alert.

use std::time::Duration;

use crate::alerting::local_time::{LocalTime, duration_text};
use crate::alerting::markup::{TEXT_LIMIT, clean, clean_lines};
use crate::alerting::phrases::{self, Phrases};
use crate::domain::alert::message::Digest;
use crate::domain::alert::{Message, MessageState};
use crate::domain::maintenance::zone::Zone;

/// Longest name of a service or group in a message, in bytes.
const NAME_LIMIT: usize = 256;
/// Longest description, in bytes.
const DESCRIPTION_LIMIT: usize = 4 * 1024;
/// Most conditions that are listed.
const CONDITIONS_LIMIT: usize = 20;
/// Most reasons of a digest that are listed.
const REASONS_LIMIT: usize = 10;

/// Plain texts, cleaned and not escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    /// Lines.
    pub message: String,
}

/// Whether everything that the message reports has ended.
pub fn is_resolved(state: MessageState) -> bool {
    match state {
        MessageState::Resolved | MessageState::Missed | MessageState::DigestResolved => true,
        MessageState::Firing | MessageState::Still | MessageState::Digest => false,
    }
}

/// From the begin to the end, or until now.
pub fn lasted(message: &Message) -> Duration {
    let end_ms = message.ended_ms.filter(|_| is_resolved(message.state));
    let milliseconds = end_ms.unwrap_or(message.now_ms).saturating_sub(message.since_ms);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

pub fn built_in(message: &Message, zone: &Zone) -> Text {
    let phrases = phrases::of(message.kind);
    let at = |ms| LocalTime::new(zone, ms);
    let (since, now) = (at(message.since_ms), at(message.now_ms));
    let end = at(message.ended_ms.unwrap_or(message.now_ms));
    let lasted = duration_text(lasted(message));
    let mut lines = Vec::new();
    let title = match (&message.digest, message.state) {
        (Some(digest), _) => digest_title(message, digest, &phrases),
        (None, MessageState::Missed) => format!(
            "{} {} {} ({lasted}), {}",
            subject(message),
            phrases.was,
            since.to(end, now),
            ending(message, &phrases)
        ),
        (None, MessageState::Still) => {
            format!("{} {} ({lasted})", subject(message), phrases.still)
        }
        (None, MessageState::Resolved | MessageState::DigestResolved) => {
            format!("{} {}", subject(message), ending(message, &phrases))
        }
        (None, MessageState::Firing | MessageState::Digest) => {
            format!("{} {}", subject(message), phrases.firing)
        }
    };
    if !message.description.is_empty() {
        lines.push(clean_lines(&message.description, DESCRIPTION_LIMIT));
    }
    lines.extend(reason(message));
    match &message.digest {
        Some(digest) => digest_lines(digest, &mut lines),
        None => condition_lines(message, &mut lines),
    }
    lines.push(if is_resolved(message.state) {
        format!("From {} to {} ({lasted})", since.full(), end.full())
    } else {
        format!("Since {} ({lasted})", since.full())
    });
    if message.dependents > 0 && !is_resolved(message.state) {
        let services = if message.dependents == 1 { "service" } else { "services" };
        lines.push(format!("And {} {services} behind it", number(message.dependents)));
    }
    if !message.facts.url.is_empty() {
        lines.push(format!("URL: {}", clean(&message.facts.url, TEXT_LIMIT)));
    }
    if !message.kind.is_own() {
        lines.push(format!("Monitor: {}", clean(&message.monitor, NAME_LIMIT)));
    }
    lines.extend(message.link.as_deref().map(|link| clean(link, TEXT_LIMIT)));
    Text { title, message: lines.join("\n") }
}

/// The service with its group, or the monitor.
fn subject(message: &Message) -> String {
    if message.facts.name.is_empty() || message.kind.is_own() {
        return clean(&message.monitor, NAME_LIMIT);
    }
    let name = clean(&message.facts.name, NAME_LIMIT);
    match message.facts.group.as_deref().filter(|group| !group.is_empty()) {
        Some(group) => format!("{}/{name}", clean(group, NAME_LIMIT)),
        None => name,
    }
}

/// What holds after the end. A paused or removed service is not up again.
fn ending(message: &Message, phrases: &Phrases) -> String {
    match message.end_cause {
        None | Some("recovered") => phrases.again.to_owned(),
        Some(cause) => format!("is not observed any more: {cause}"),
    }
}

/// The reason and the sentence of the failure.
fn reason(message: &Message) -> Option<String> {
    let facts = &message.facts;
    let reason = clean(&facts.reason, NAME_LIMIT).replace('_', " ");
    let detail = clean(&facts.detail, TEXT_LIMIT);
    let text = match (reason.is_empty(), detail.is_empty()) {
        (true, true) => return None,
        (false, true) => reason,
        (true, false) => detail,
        (false, false) => format!("{reason}: {detail}"),
    };
    Some(if is_resolved(message.state) { format!("It was: {text}") } else { text })
}

fn condition_lines(message: &Message, lines: &mut Vec<String>) {
    let conditions = &message.facts.conditions;
    for (condition, is_met) in conditions.iter().take(CONDITIONS_LIMIT) {
        let mark = if *is_met { '✓' } else { '✗' };
        lines.push(format!("{mark} {}", clean(condition, TEXT_LIMIT)));
    }
    if let Some(rest) = conditions.len().checked_sub(CONDITIONS_LIMIT).filter(|rest| *rest > 0) {
        lines.push(format!("… and {rest} more conditions"));
    }
}

fn digest_title(message: &Message, digest: &Digest, phrases: &Phrases) -> String {
    let services = |count: u32| if count == 1 { "service" } else { "services" };
    let (total, firing) = (digest.total, digest.firing);
    let group = message.facts.group.as_deref().filter(|group| !group.is_empty());
    let group = group.map(|group| format!("{}: ", clean(group, NAME_LIMIT))).unwrap_or_default();
    let text = if firing == 0 || message.state == MessageState::DigestResolved {
        format!("all {} {} {}", number(total), services(total), phrases.many_again)
    } else if firing < total {
        let (firing, all) = (number(firing), number(total));
        format!("{firing} of {all} {} {}", services(total), phrases.many_still)
    } else {
        format!("{} {} {}", number(total), services(total), phrases.many_firing)
    };
    let is_first = group.is_empty() && text.starts_with("all ");
    if is_first { format!("A{}", &text[1..]) } else { format!("{group}{text}") }
}

fn digest_lines(digest: &Digest, lines: &mut Vec<String>) {
    let mut reasons: Vec<String> = digest
        .reasons
        .iter()
        .take(REASONS_LIMIT)
        .map(|(reason, count)| format!("{} {}", clean(reason, NAME_LIMIT), number(*count)))
        .collect();
    if digest.reasons.len() > REASONS_LIMIT {
        reasons.push(format!("{} more", digest.reasons.len() - REASONS_LIMIT));
    }
    if !reasons.is_empty() {
        lines.push(format!("Reasons: {}", reasons.join(", ")));
    }
    let listed = &digest.names[..digest.names.len().min(Digest::NAMES_LISTED)];
    let mut names: Vec<String> = listed.iter().map(|name| clean(name, NAME_LIMIT)).collect();
    let of = if digest.firing > 0 { digest.firing } else { digest.total };
    let rest = u64::from(of).saturating_sub(names.len() as u64);
    if rest > 0 && !names.is_empty() {
        names.push(format!("and {} more", number(u32::try_from(rest).unwrap_or(u32::MAX))));
    }
    if !names.is_empty() {
        lines.push(names.join(", "));
    }
}

/// With commas between thousands.
fn number(value: u32) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::sample::message;
    use crate::domain::alert::AlertKind;

    fn title(message: &Message) -> String {
        built_in(message, &Zone::utc()).title
    }

    #[test]
    fn each_state_of_a_downtime_has_its_title() {
        for (state, expected) in [
            (MessageState::Firing, "core/api is down"),
            (MessageState::Still, "core/api is still down (37 min)"),
            (MessageState::Resolved, "core/api is up again"),
            (MessageState::Missed, "core/api was down 12:03–12:40 (37 min), is up again"),
        ] {
            assert_eq!(title(&message(state)), expected);
        }
    }

    #[test]
    fn the_message_says_why_since_when_and_where() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let firing = message(MessageState::Firing);
        assert_eq!(
            built_in(&firing, &berlin).message,
            "call Ann\ntimeout: no answer within 10 s\n✗ [STATUS] == 200\n✓ [CONNECTED] == true\n\
             Since 2026-11-29 13:03:00 +01:00 (37 min)\nAnd 29 services behind it\n\
             URL: https://api.example/health\nMonitor: uptime-1\nhttps://mon.example/services/7"
        );
        let resolved = built_in(&message(MessageState::Resolved), &Zone::utc()).message;
        assert!(resolved.contains("\nIt was: timeout: no answer within 10 s\n"), "{resolved}");
        let span = "\nFrom 2026-11-29 12:03:00 +00:00 to 2026-11-29 12:40:00 +00:00 (37 min)\n";
        assert!(resolved.contains(span) && !resolved.contains("behind it"), "{resolved}");
    }

    #[test]
    fn a_paused_or_removed_service_is_never_up_again() {
        for (state, cause, expected) in [
            (MessageState::Resolved, "paused", "core/api is not observed any more: paused"),
            (
                MessageState::Missed,
                "removed",
                "core/api was down 12:03–12:40 (37 min), is not observed any more: removed",
            ),
        ] {
            let message = Message { end_cause: Some(cause), ..message(state) };
            assert_eq!(title(&message), expected);
        }
    }

    #[test]
    fn every_kind_says_what_is_wrong_and_what_is_well_again() {
        for (kind, firing, resolved) in [
            (AlertKind::Certificate, "has a certificate that expires soon", "has a new"),
            (AlertKind::Degraded, "core/api is slow", "core/api responds in time again"),
            (AlertKind::Flapping, "core/api is flapping", "core/api is stable again"),
            (AlertKind::SloFast, "burns its error budget very fast", "within its error budget"),
            (AlertKind::Connectivity, "uptime-1 has no connectivity", "has connectivity again"),
            (AlertKind::Store, "uptime-1 cannot write to its store", "can write to its store"),
            (AlertKind::Late, "uptime-1 is late", "uptime-1 is on time again"),
            (AlertKind::Channel, "uptime-1 has a channel that fails", "has no channel that fails"),
            (AlertKind::File, "uptime-1 refused a changed services file", "accepted the services"),
        ] {
            let title = |state| title(&Message { kind, ..message(state) });
            let (begin, end) = (title(MessageState::Firing), title(MessageState::Resolved));
            assert!(begin.contains(firing), "{begin}");
            assert!(end.contains(resolved), "{end}");
        }
        for kind in AlertKind::ALL {
            let of = phrases::of(kind);
            assert!(of.firing != of.again && of.still != of.again && !of.was.is_empty());
        }
    }

    #[test]
    fn a_digest_counts_and_lists_the_first_names() {
        let digest = |total, firing| Digest {
            total,
            firing,
            reasons: vec![("timeout".to_owned(), 1_200), ("refused".to_owned(), 8)],
            names: (0..25).map(|at| format!("s{at}")).collect(),
        };
        let digest_message = |state, total, firing| Message {
            digest: Some(digest(total, firing)),
            ..message(state)
        };
        let many =
            |state, total, firing| built_in(&digest_message(state, total, firing), &Zone::utc());
        let all = many(MessageState::Digest, 100_000, 100_000);
        assert_eq!(all.title, "core: 100,000 services are down");
        assert!(all.message.contains("\nReasons: timeout 1,200, refused 8\ns0, s1, "));
        assert!(all.message.contains(", s19, and 99,980 more\nSince "), "{}", all.message);
        let some = many(MessageState::Digest, 100_000, 37_000);
        assert_eq!(some.title, "core: 37,000 of 100,000 services are still down");
        let none = many(MessageState::DigestResolved, 100, 0);
        assert_eq!(none.title, "core: all 100 services are up again");
        let mut own = digest_message(MessageState::DigestResolved, 5, 0);
        own.facts.group = None;
        assert_eq!(title(&own), "All 5 services are up again");
    }

    #[test]
    fn texts_of_a_target_are_cut_and_cleaned() {
        let mut message = message(MessageState::Firing);
        message.facts.detail = format!("a\nb\u{202e}{}", "ü".repeat(8 * 1024));
        message.facts.conditions = vec![("x".to_owned(), false); 100];
        let text = built_in(&message, &Zone::utc());
        let detail = text.message.lines().nth(1).unwrap();
        assert!(detail.starts_with("timeout: a bü") && detail.len() <= 9 + TEXT_LIMIT, "{detail}");
        assert!(text.message.contains("\n… and 80 more conditions\n"));
    }
}
