//! The plain rule for the response of a name server, and the comparison with expected records.

use std::net::IpAddr;

use hickory_resolver::proto::op::ResponseCode;

use crate::domain::service::dns_question::{DnsQuestion, RecordKind, ascii_name};
use crate::domain::{Failure, Reason};
use crate::probe::protocols::dns::presentation::RecordText;

/// The mnemonics of RCODE 0 to 10 (RFC 6895, section 2.3).
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

/// Names of parameters of SVCB and HTTPS, by their number (RFC 9460, section 14.3.2).
const SVC_KEYS: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
];

/// The mnemonic of `code`, as dig prints it.
pub fn mnemonic(code: ResponseCode) -> String {
    let number = u16::from(code);
    match RCODES.get(usize::from(number)) {
        Some(known) => (*known).to_owned(),
        None if number == 16 => "BADVERS".to_owned(),
        None => format!("RCODE{number}"),
    }
}

/// Up with exactly the expected records; without expectations, with any record of the type.
pub fn plain_rule(
    question: &DnsQuestion,
    rcode: &str,
    records: &[&RecordText],
) -> Result<(), Failure> {
    let (name, kind) = (&question.name, question.kind.name());
    match rcode {
        "NOERROR" => {}
        "NXDOMAIN" => {
            let detail = format!("the server answered that there is no {name}");
            return Err(Failure::new(Reason::DnsNoSuchName, detail));
        }
        _ => return Err(Failure::new(Reason::DnsServer, format!("the server answered {rcode}"))),
    }
    if question.expected.is_empty() && records.is_empty() {
        return Err(Failure::new(Reason::DnsNoSuchName, format!("no {kind} record for {name}")));
    }
    if question.expected.is_empty() || are_expected(records, &question.expected) {
        return Ok(());
    }
    let is_any = question.kind == RecordKind::ANY;
    let text = |record: &&RecordText| {
        if is_any { record.with_type() } else { record.text.clone() }
    };
    let actual = records.iter().map(text).collect::<Vec<_>>().join(", ");
    let actual = if records.is_empty() { "nothing" } else { &actual };
    let expected = question.expected.join(", ");
    let detail = format!("the server answered {actual} instead of {expected}");
    Err(Failure::new(Reason::Condition, detail))
}

/// Whether each record is expected, and each expected record is there.
fn are_expected(records: &[&RecordText], expected: &[String]) -> bool {
    let is_there = |text: &String| records.iter().any(|record| is_same(record, text));
    expected.iter().all(is_there)
        && records.iter().all(|record| expected.iter().any(|text| is_same(record, text)))
}

/// Whether `expected` is the record, in any notation; the type may precede it.
fn is_same(record: &RecordText, expected: &str) -> bool {
    let actual = normalized(record.kind, &record.text);
    let typed = expected.trim().split_once(char::is_whitespace);
    let typed = typed.filter(|(kind, _)| RecordKind::parse(kind) == Some(record.kind));
    normalized(record.kind, expected) == actual
        || typed.is_some_and(|(_, data)| normalized(record.kind, data) == actual)
}

/// The data of a record in one notation: without the case of names, quotes, and the order of
/// parameters. Text records stay as they are.
fn normalized(kind: RecordKind, text: &str) -> String {
    let text = text.trim();
    if matches!(kind, RecordKind::TXT | RecordKind::CAA) {
        return text.to_owned();
    }
    let tokens = tokens(text);
    let joined = |numbers: usize, rest: fn(&str) -> String| {
        let (numbers, data) = tokens.split_at(tokens.len().min(numbers));
        format!("{} {}", numbers.join(" "), rest(&data.concat()))
    };
    match kind {
        RecordKind::DS | RecordKind::CDS | RecordKind::TLSA | RecordKind::SMIMEA => {
            joined(3, str::to_lowercase)
        }
        RecordKind::SSHFP => joined(2, str::to_lowercase),
        RecordKind::DNSKEY | RecordKind::CDNSKEY => joined(3, str::to_owned),
        RecordKind::SVCB | RecordKind::HTTPS => {
            let (fixed, params) = tokens.split_at(tokens.len().min(2));
            let mut params: Vec<String> = params.iter().map(|param| svc_param(param)).collect();
            params.sort();
            let fixed = fixed.iter().map(|token| name_or_number(token));
            fixed.chain(params).collect::<Vec<_>>().join(" ")
        }
        RecordKind::NAPTR => {
            // The case of the regular expression matters.
            let normalize = |(nth, token): (usize, &String)| match nth {
                4 => token.clone(),
                _ => name_or_number(token),
            };
            tokens.iter().enumerate().map(normalize).collect::<Vec<_>>().join("\t")
        }
        _ => tokens.iter().map(|token| name_or_number(token)).collect::<Vec<_>>().join(" "),
    }
}

/// Words, and texts in quotes without the quotes. A backslash and the character behind it stay.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut current, mut in_quotes): (Vec<String>, Option<String>, bool) =
        (Vec::new(), None, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                in_quotes = !in_quotes;
                current.get_or_insert_default();
            }
            _ if character.is_whitespace() && !in_quotes => tokens.extend(current.take()),
            _ => {
                let token = current.get_or_insert_default();
                token.push(character);
                if character == '\\' {
                    token.extend(characters.next());
                }
            }
        }
    }
    tokens.extend(current);
    tokens
}

/// A name in lower-case ASCII without its final dot, an address in its usual form, or the token.
fn name_or_number(token: &str) -> String {
    if let Ok(ip) = token.parse::<IpAddr>() {
        return ip.to_string();
    }
    let name = ascii_name(token).unwrap_or_else(|| token.to_owned());
    name.to_ascii_lowercase()
}

/// A parameter of SVCB and HTTPS with the name of its key.
fn svc_param(param: &str) -> String {
    let (key, value) = param.split_once('=').unwrap_or((param, ""));
    let key = key.to_lowercase();
    let number = key.strip_prefix("key").and_then(|number| number.parse::<usize>().ok());
    let key = number.and_then(|number| SVC_KEYS.get(number)).map_or(key.as_str(), |known| known);
    let mut items: Vec<String> = value.split(',').map(str::to_owned).collect();
    match key {
        "ipv4hint" | "ipv6hint" => items = items.iter().map(|ip| name_or_number(ip)).collect(),
        "mandatory" => items.sort(),
        _ => {}
    }
    format!("{key}={}", items.join(","))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX};
    use hickory_resolver::proto::rr::{Name, RData, Record};

    use super::*;

    fn record(data: RData) -> RecordText {
        RecordText::new(&Record::from_rdata(Name::root(), 60, data)).unwrap()
    }

    fn name(text: &str) -> RData {
        RData::CNAME(CNAME(Name::from_str(text).unwrap()))
    }

    fn result_of(rcode: &str, data: &[RData], expected: &[&str]) -> Result<(), Reason> {
        let question = DnsQuestion {
            name: "a.example".to_owned(),
            kind: RecordKind::A,
            expected: expected.iter().map(|text| (*text).to_owned()).collect(),
        };
        let records: Vec<RecordText> = data.iter().cloned().map(record).collect();
        let records: Vec<&RecordText> = records.iter().collect();
        plain_rule(&question, rcode, &records).map_err(|failure| failure.reason)
    }

    #[test]
    fn records_are_compared_as_a_set() {
        let address = RData::A(A::new(10, 0, 0, 1));
        assert_eq!(result_of("NOERROR", std::slice::from_ref(&address), &[]), Ok(()));
        let names = [name("b."), name("A.example.")];
        assert_eq!(result_of("NOERROR", &names, &["a.EXAMPLE", "b."]), Ok(()));
        let v6 = [RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))];
        assert_eq!(result_of("NOERROR", &v6, &["2001:DB8:0::1"]), Ok(()));
        let (a, ab) = (name("a."), name("ab."));
        for (records, expected) in [(&[a, name("b.")][..], "a"), (&[][..], "a"), (&[ab][..], "a")] {
            assert_eq!(result_of("NOERROR", records, &[expected]), Err(Reason::Condition));
        }
        let mixed = [address, RData::MX(MX::new(10, Name::from_str("m.example.").unwrap()))];
        let any = ["MX 10 M.example", "10.0.0.1"];
        assert_eq!(result_of("NOERROR", &mixed, &any), Ok(()), "the type may precede");
    }

    #[test]
    fn a_record_is_expected_in_any_notation() {
        for (kind, one, other) in [
            ("MX", "10 mail.bücher.example", "10 MAIL.xn--bcher-kva.example."),
            ("SOA", "ns.a. host.a. 1 2 3 4 5", "NS.a host.a 1 2 3 4 5"),
            ("DS", "60485 5 1 2BB1 83AF", "60485 5 1 2bb183af"),
            ("TLSA", "3 1 1 D2 AB", "3 1 1 d2ab"),
            ("HTTPS", "1 . alpn=\"h2,h3\" port=443", "1 . port=443 alpn=h2,h3"),
            ("HTTPS", "1 . ipv6hint=2001:DB8:0::1", "1 . key6=\"2001:db8::1\""),
            ("SVCB", "1 Svc.example. mandatory=port,alpn", "1 svc.example mandatory=alpn,port"),
            ("NAPTR", r#"1 2 "S" "SIP+D2U" "" _sip.a."#, r#"1 2 s sip+d2u "" _SIP.a"#),
            ("PTR", "Host.example.", "host.example"),
        ] {
            let kind = RecordKind::parse(kind).unwrap();
            assert_eq!(normalized(kind, one), normalized(kind, other), "{one}");
        }
        for (kind, one, other) in [
            ("TXT", "token=AbC", "token=abc"),
            ("DNSKEY", "257 3 13 AQID", "257 3 13 aqid"),
            ("HTTPS", "1 . alpn=h2", "1 . alpn=h3"),
            ("HTTPS", "0 .", "1 ."),
            ("NAPTR", r#"1 2 "u" "s" "!A!b!" ."#, r#"1 2 "u" "s" "!a!b!" ."#),
            ("NAPTR", r#"1 2 "" "s" "" ."#, r#"1 2 "s" "" "" ."#),
            ("TLSA", "3 1 1 D2AB", "3 1 1 D2AC"),
            ("MX", "10 a.", "20 a."),
        ] {
            let kind = RecordKind::parse(kind).unwrap();
            assert_ne!(normalized(kind, one), normalized(kind, other), "{one}");
        }
    }

    #[test]
    fn a_response_without_records_has_a_reason_by_its_rcode() {
        assert_eq!(result_of("NXDOMAIN", &[], &["a"]), Err(Reason::DnsNoSuchName));
        assert_eq!(result_of("NOERROR", &[], &[]), Err(Reason::DnsNoSuchName));
        assert_eq!(result_of("SERVFAIL", &[], &[]), Err(Reason::DnsServer));
        assert_eq!(mnemonic(ResponseCode::ServFail), "SERVFAIL");
        assert_eq!(mnemonic(ResponseCode::BADVERS), "BADVERS");
        assert_eq!(mnemonic(ResponseCode::Unknown(11)), "RCODE11");
    }
}
