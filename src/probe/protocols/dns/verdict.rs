//! What is made of a name server's answer.

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

/// The word for `code`, as dig writes it.
pub fn mnemonic(code: ResponseCode) -> String {
    let number = u16::from(code);
    match RCODES.get(usize::from(number)) {
        Some(known) => (*known).to_owned(),
        None if number == 16 => "BADVERS".to_owned(),
        None => format!("RCODE{number}"),
    }
}

/// The plain rule: the records expected, or any of that type.
pub fn judge(asked: &DnsQuestion, rcode: &str, records: &[String]) -> Result<(), Failure> {
    let (name, kind) = (&asked.name, asked.kind.as_str());
    match rcode {
        "NOERROR" => {}
        "NXDOMAIN" => {
            let told = format!("the server answered that there is no {name}");
            return Err(Failure::new(Reason::DnsNoSuchName, told));
        }
        _ => return Err(Failure::new(Reason::DnsServer, format!("the server answered {rcode}"))),
    }
    if asked.expected.is_empty() && records.is_empty() {
        return Err(Failure::new(Reason::DnsNoSuchName, format!("no {kind} record for {name}")));
    }
    if asked.expected.is_empty() || normal(kind, records) == normal(kind, &asked.expected) {
        return Ok(());
    }
    let got = if records.is_empty() { "nothing".to_owned() } else { records.join(", ") };
    let told = format!("answers {got} instead of {}", asked.expected.join(", "));
    Err(Failure::new(Reason::Condition, told))
}

/// The records as a set, in which the ways to write one thing are one. Case counts in what is a text.
fn normal(kind: &str, records: &[String]) -> BTreeSet<String> {
    let is_text = matches!(kind, "TXT" | "CAA");
    let normal = |record: &String| match record.trim().parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) if is_text => record.trim().to_owned(),
        Err(_) => record.trim().trim_end_matches('.').to_lowercase(),
    };
    records.iter().map(normal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::options::RecordKind;

    fn judged(rcode: &str, records: &[&str], expected: &[&str]) -> Result<(), Reason> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let kind = RecordKind::parse("A").unwrap();
        let asked = DnsQuestion { name: "a.example".to_owned(), kind, expected: owned(expected) };
        let records: Vec<String> = owned(records);
        judge(&asked, rcode, &records).map_err(|failure| failure.reason)
    }

    #[test]
    fn records_are_compared_as_a_set() {
        assert_eq!(judged("NOERROR", &["10.0.0.1"], &[]), Ok(()));
        assert_eq!(judged("NOERROR", &["b", "A.example."], &["a.EXAMPLE", "b."]), Ok(()));
        assert_eq!(judged("NOERROR", &["2001:db8::1"], &["2001:DB8:0::1"]), Ok(()));
        for (records, expected) in [(&["a", "b"][..], "a"), (&[][..], "a"), (&["ab"][..], "a")] {
            assert_eq!(judged("NOERROR", records, &[expected]), Err(Reason::Condition));
        }
    }

    #[test]
    fn an_answer_without_a_record_says_whose_fault_it_is() {
        assert_eq!(judged("NXDOMAIN", &[], &["a"]), Err(Reason::DnsNoSuchName));
        assert_eq!(judged("NOERROR", &[], &[]), Err(Reason::DnsNoSuchName));
        assert_eq!(judged("SERVFAIL", &[], &[]), Err(Reason::DnsServer));
        assert_eq!(mnemonic(ResponseCode::ServFail), "SERVFAIL");
        assert_eq!(mnemonic(ResponseCode::BADVERS), "BADVERS");
        assert_eq!(mnemonic(ResponseCode::Unknown(11)), "RCODE11");
    }
}
