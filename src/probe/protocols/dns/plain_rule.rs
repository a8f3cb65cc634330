//! The plain rule for the response of a name server.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_resolver::proto::op::ResponseCode;

use crate::domain::service::options::DnsQuestion;
use crate::domain::{Failure, Reason};

/// The mnemonics of RCODE 0 to 10 (RFC 6895, section 2.3).
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
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
pub fn plain_rule(question: &DnsQuestion, rcode: &str, records: &[String]) -> Result<(), Failure> {
    let (name, kind) = (&question.name, question.kind.as_str());
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
    if question.expected.is_empty()
        || normalized(kind, records) == normalized(kind, &question.expected)
    {
        return Ok(());
    }
    let actual = if records.is_empty() { "nothing".to_owned() } else { records.join(", ") };
    let expected = question.expected.join(", ");
    let detail = format!("the server answered {actual} instead of {expected}");
    Err(Failure::new(Reason::Condition, detail))
}

/// The records as a set in one notation. Only text records are case-sensitive.
fn normalized(kind: &str, records: &[String]) -> BTreeSet<String> {
    let is_text = matches!(kind, "TXT" | "CAA");
    let normalize = |record: &String| match record.trim().parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) if is_text => record.trim().to_owned(),
        Err(_) => record.trim().trim_end_matches('.').to_lowercase(),
    };
    records.iter().map(normalize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::options::RecordKind;

    fn result_of(rcode: &str, records: &[&str], expected: &[&str]) -> Result<(), Reason> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let kind = RecordKind::parse("A").unwrap();
        let question =
            DnsQuestion { name: "a.example".to_owned(), kind, expected: owned(expected) };
        let records: Vec<String> = owned(records);
        plain_rule(&question, rcode, &records).map_err(|failure| failure.reason)
    }

    #[test]
    fn records_are_compared_as_a_set() {
        assert_eq!(result_of("NOERROR", &["10.0.0.1"], &[]), Ok(()));
        assert_eq!(result_of("NOERROR", &["b", "A.example."], &["a.EXAMPLE", "b."]), Ok(()));
        assert_eq!(result_of("NOERROR", &["2001:db8::1"], &["2001:DB8:0::1"]), Ok(()));
        for (records, expected) in [(&["a", "b"][..], "a"), (&[][..], "a"), (&["ab"][..], "a")] {
            assert_eq!(result_of("NOERROR", records, &[expected]), Err(Reason::Condition));
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
