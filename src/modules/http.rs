//! The prober `http`.

use serde_json::{Map, Value, json};

use crate::domain::Invalid;
use crate::modules::TlsRule;
use crate::modules::block::{Block, Place, Problems};
use crate::modules::client::{
    CLIENT, FAMILY, UNSUPPORTED_OF_CLIENT, json_texts, read_client, read_family,
};
use crate::modules::draft::{Draft, literal};
use crate::services_file::yaml;
use crate::spec::field::{
    ACCEPT_STATUS, BODY_LACKS, BODY_LIMIT, BODY_MATCHES, FOLLOW, HEADER_LACKS, HEADER_MATCHES,
    HTTP_VERSION, METHOD, SENT,
};

const KNOWN: [&str; 13] = [
    "body",
    "body_size_limit",
    "fail_if_body_matches_regexp",
    "fail_if_body_not_matches_regexp",
    "fail_if_header_matches",
    "fail_if_header_not_matches",
    "fail_if_not_ssl",
    "fail_if_ssl",
    "method",
    "no_follow_redirects",
    "valid_http_versions",
    "valid_status_codes",
    "compression",
];

const UNSUPPORTED: [&str; 3] =
    ["body_file", "fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel"];

/// Bytes of a body that are read for expressions, where the module has no limit: the exporter reads
/// all of it.
const BODY_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Largest limit of a body.
const MAX_BODY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

pub fn read(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let known = [&KNOWN[..], &CLIENT, &FAMILY].concat();
    block.check_keys(&known, &[&UNSUPPORTED[..], &UNSUPPORTED_OF_CLIENT].concat(), problems);
    read_family(block, draft, problems);
    read_client(block, draft, problems);
    if let Some((place, true)) = block.boolean("no_follow_redirects", problems) {
        draft.put(FOLLOW, false, place);
    }
    if let Some((place, method)) = block.text("method", problems).filter(|(_, it)| !it.is_empty()) {
        draft.put(METHOD, method, place);
    }
    if let Some((place, body)) = block.text("body", problems).filter(|(_, it)| !it.is_empty()) {
        draft.put(SENT, literal(body), place);
    }
    if let Some((place, _)) = block.text("compression", problems).filter(|(_, it)| !it.is_empty()) {
        place.unsupported(problems);
    }
    read_statuses(block, draft, problems);
    read_versions(block, draft, problems);
    read_body_rules(block, draft, problems);
    for (key, field) in
        [("fail_if_header_not_matches", HEADER_MATCHES), ("fail_if_header_matches", HEADER_LACKS)]
    {
        let items = block.list(key, problems);
        let Some((place, _)) = items.first().cloned() else { continue };
        let entries: Vec<Value> =
            items.into_iter().filter_map(|it| header_rule(it, problems)).collect();
        draft.put(field, entries, place);
    }
    draft.tls_rule = match (
        block.boolean("fail_if_ssl", problems),
        block.boolean("fail_if_not_ssl", problems),
    ) {
        (_, Some((_, true))) => Some(TlsRule::Required),
        (Some((_, true)), _) => Some(TlsRule::Refused),
        _ => None,
    };
}

/// 2xx by default.
fn read_statuses(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let mut statuses = Vec::new();
    for (place, node) in block.list("valid_status_codes", problems) {
        match yaml::text(node).and_then(|text| text.parse::<u16>().ok()) {
            Some(status) => statuses.push(status),
            None => {
                place.reject(&Invalid::new(yaml::shown(node), "a status such as 200"), problems);
            }
        }
    }
    let place = block.get("valid_status_codes").map(|(place, _)| place);
    let place = place.unwrap_or_else(|| block.place().clone());
    let ranges = if statuses.is_empty() { vec!["200-299".to_owned()] } else { ranges(statuses) };
    draft.put(ACCEPT_STATUS, ranges, place);
}

/// The statuses as ranges: the exporter knows single ones only.
fn ranges(mut statuses: Vec<u16>) -> Vec<String> {
    statuses.sort_unstable();
    statuses.dedup();
    let runs = statuses.chunk_by(|one, next| one + 1 == *next);
    let written = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(u16::to_string).collect(),
    });
    written.collect()
}

/// The version that a response must have. Probes speak HTTP/1.1 unless HTTP/2 is required.
fn read_versions(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let versions = block.texts("valid_http_versions", problems);
    let Some((place, _)) = block.get("valid_http_versions").filter(|_| !versions.is_empty()) else {
        return;
    };
    let has = |number: &str| {
        versions.iter().any(|it| it.strip_prefix("HTTP/").is_some_and(|it| it == number))
    };
    let is_known = |it: &&str| ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/2"].contains(it);
    if let Some(other) = versions.iter().find(|it| !is_known(it)) {
        place.reject(&Invalid::quoted(other, "HTTP/1.0, HTTP/1.1 or HTTP/2.0"), problems);
        return;
    }
    match (has("1.0"), has("1.1")) {
        (true, true) => {}
        (false, true) => draft.put(HTTP_VERSION, "1.1", place),
        (true, false) => draft.put(HTTP_VERSION, "1.0", place),
        (false, false) => draft.put(HTTP_VERSION, "2", place),
    }
}

fn read_body_rules(block: &Block, draft: &mut Draft, problems: &mut Problems) {
    let mut reads_body = false;
    for (key, field) in [
        ("fail_if_body_not_matches_regexp", BODY_MATCHES),
        ("fail_if_body_matches_regexp", BODY_LACKS),
    ] {
        let regexes = block.texts(key, problems);
        if let Some((place, _)) = block.get(key).filter(|_| !regexes.is_empty()) {
            draft.put(field, json_texts(&regexes), place);
            reads_body = true;
        }
    }
    let written = block.text("body_size_limit", problems);
    let limit = written.as_ref().map(|(place, text)| (place, bytes(text)));
    match limit {
        Some((place, None)) => {
            place.reject(&Invalid::hidden("a size such as 10MB"), problems);
        }
        Some((place, Some(bytes))) if bytes > MAX_BODY_LIMIT_BYTES => {
            place.reject(&Invalid::new(bytes, "at most 64MB"), problems);
        }
        Some((place, Some(bytes))) if bytes > 0 => draft.put(BODY_LIMIT, bytes, place.clone()),
        _ if reads_body => draft.put(BODY_LIMIT, BODY_LIMIT_BYTES, block.place().clone()),
        _ => {}
    }
}

/// Bytes of a size such as `10MB`, whose units are powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// An entry of `header_matches` or `header_lacks`.
fn header_rule((place, node): (Place, &yaml::Node<'_>), problems: &mut Problems) -> Option<Value> {
    let rule = Block::of(node, place.clone(), problems)?;
    rule.check_keys(&["header", "regexp", "allow_missing"], &[], problems);
    let mut entry = Map::new();
    for (key, name) in [("header", "name"), ("regexp", "regex")] {
        match rule.text(key, problems) {
            Some((_, text)) => drop(entry.insert(name.to_owned(), json!(text))),
            None => problems.add(place.line, format!("{}.{key}: required", place.path)),
        }
    }
    let allows = rule.boolean("allow_missing", problems).is_some_and(|(_, allows)| allows);
    entry.insert("allow_missing".to_owned(), json!(allows));
    (entry.len() == 3).then_some(Value::Object(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_statuses_become_ranges() {
        assert_eq!(ranges((200..400).rev().collect()), ["200-399"]);
        assert_eq!(ranges(vec![404, 201, 200, 503, 200]), ["200-201", "404", "503"]);
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, expected) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("12B", Some(12)),
            ("2KB", Some(2_048)),
            ("1MiB", Some(1 << 20)),
            ("1.5MB", None),
            ("MB", None),
            ("99999999999999999999GB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
