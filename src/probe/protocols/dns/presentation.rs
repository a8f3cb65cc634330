//! Records as texts: the presentation form of the RFCs, as dig prints it, and that of Gatus.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::rdata::{NAPTR, TLSA};
use hickory_resolver::proto::rr::{RData, Record};

use crate::domain::service::dns_question::RecordKind;

/// One record of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordText {
    pub kind: RecordKind,
    /// The data in presentation form, names in ASCII.
    pub text: String,
    /// The form of Gatus: an MX record is its host, an SRV record `target:port`.
    pub short: String,
    /// The data with names in Unicode, if that differs.
    unicode: Option<String>,
}

impl RecordText {
    /// `None` for a pseudo-record.
    pub fn new(record: &Record) -> Option<Self> {
        let data = &record.data;
        let text = presentation(data)?;
        let short = match data {
            RData::MX(mx) => mx.exchange.to_ascii(),
            RData::SRV(srv) => format!("{}:{}", srv.target.to_ascii(), srv.port),
            _ => text.clone(),
        };
        let unicode = unicode(data).filter(|unicode| *unicode != text);
        let kind = RecordKind::from_number(u16::from(record.record_type()));
        Some(Self { kind, text, short, unicode })
    }

    /// Type and data, as for a question for ANY.
    pub fn with_type(&self) -> String {
        format!("{} {}", self.kind.name(), self.text)
    }

    /// All texts of the data that a condition may compare with.
    pub fn forms(&self) -> Vec<String> {
        let mut forms = vec![self.short.clone(), self.text.clone()];
        forms.extend(self.unicode.clone());
        forms
    }
}

fn presentation(data: &RData) -> Option<String> {
    Some(match data {
        RData::OPT(_) | RData::TSIG(_) | RData::Update0(_) => return None,
        RData::CNAME(name) => name.to_ascii(),
        RData::NS(name) => name.to_ascii(),
        RData::PTR(name) => name.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => {
            let target = srv.target.to_ascii();
            format!("{} {} {} {target}", srv.priority, srv.weight, srv.port)
        }
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname.to_ascii(),
            soa.rname.to_ascii(),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::NAPTR(naptr) => of_naptr(naptr),
        RData::TLSA(tlsa) => of_tlsa(tlsa),
        RData::SMIMEA(smimea) => of_tlsa(&smimea.0),
        RData::SSHFP(sshfp) => format!(
            "{} {} {}",
            u8::from(sshfp.algorithm),
            u8::from(sshfp.fingerprint_type),
            hex(&sshfp.fingerprint)
        ),
        RData::SVCB(svcb) => of_svcb(svcb),
        RData::HTTPS(https) => of_svcb(&https.0),
        RData::HINFO(hinfo) => format!("{} {}", quoted(&hinfo.cpu), quoted(&hinfo.os)),
        RData::Unknown { code, rdata } => {
            of_bytes(RecordKind::from_number(u16::from(*code)), &rdata.anything)
        }
        other => other.to_string(),
    })
}

/// The data as the resolver library prints it, for records with names.
fn unicode(data: &RData) -> Option<String> {
    let has_name = matches!(
        data,
        RData::CNAME(_) | RData::NS(_) | RData::PTR(_) | RData::MX(_) | RData::SRV(_)
    );
    has_name.then(|| data.to_string())
}

/// RFC 3403, section 4.
fn of_naptr(naptr: &NAPTR) -> String {
    format!(
        "{} {} {} {} {} {}",
        naptr.order,
        naptr.preference,
        quoted(&naptr.flags),
        quoted(&naptr.services),
        quoted(&naptr.regexp),
        naptr.replacement.to_ascii()
    )
}

/// RFC 6698, section 2.2.
fn of_tlsa(tlsa: &TLSA) -> String {
    format!(
        "{} {} {} {}",
        u8::from(tlsa.cert_usage),
        u8::from(tlsa.selector),
        u8::from(tlsa.matching),
        hex(&tlsa.cert_data)
    )
}

/// RFC 9460, section 2.1.
fn of_svcb(svcb: &SVCB) -> String {
    let mut text = format!("{} {}", svcb.svc_priority, svcb.target_name.to_ascii());
    for (key, value) in &svcb.svc_params {
        text.push(' ');
        text.push_str(&svc_param(*key, value));
    }
    text
}

fn svc_param(key: SvcParamKey, value: &SvcParamValue) -> String {
    let name = key_name(key);
    let value = match value {
        SvcParamValue::Mandatory(keys) => {
            keys.0.iter().map(|key| key_name(*key)).collect::<Vec<_>>().join(",")
        }
        SvcParamValue::Alpn(ids) => {
            // A comma within an id is escaped (appendix A.1).
            let ids = ids.0.iter().map(|id| id.replace('\\', r"\\").replace(',', r"\,"));
            quoted(ids.collect::<Vec<_>>().join(",").as_bytes())
        }
        SvcParamValue::Port(port) => port.to_string(),
        SvcParamValue::Ipv4Hint(hint) => joined(hint.0.iter().map(|ip| ip.0)),
        SvcParamValue::Ipv6Hint(hint) => joined(hint.0.iter().map(|ip| ip.0)),
        SvcParamValue::EchConfigList(list) => BASE64.encode(&list.0),
        SvcParamValue::Unknown(value) if !value.0.is_empty() => quoted(&value.0),
        SvcParamValue::NoDefaultAlpn | SvcParamValue::Unknown(_) => return name,
    };
    format!("{name}={value}")
}

/// The names of the IANA registry "DNS Service Parameter Keys (SvcParamKeys)".
fn key_name(key: SvcParamKey) -> String {
    match key {
        SvcParamKey::Unknown(7) => "dohpath".to_owned(),
        SvcParamKey::Unknown(8) => "ohttp".to_owned(),
        SvcParamKey::Unknown(number) => format!("key{number}"),
        known => known.to_string(),
    }
}

fn joined<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// Data that the resolver library does not parse.
fn of_bytes(kind: RecordKind, data: &[u8]) -> String {
    match (kind, data) {
        // RFC 4034, section 5.3: key tag, algorithm, digest type, digest.
        (RecordKind::DS | RecordKind::CDS, [high, low, algorithm, digest_type, digest @ ..]) => {
            let tag = u16::from_be_bytes([*high, *low]);
            format!("{tag} {algorithm} {digest_type} {}", hex(digest))
        }
        // RFC 4034, section 2.2: flags, protocol, algorithm, key.
        (RecordKind::DNSKEY | RecordKind::CDNSKEY, [high, low, protocol, algorithm, key @ ..]) => {
            let flags = u16::from_be_bytes([*high, *low]);
            format!("{flags} {protocol} {algorithm} {}", BASE64.encode(key))
        }
        // RFC 3597, section 5.
        _ => format!(r"\# {} {}", data.len(), hex(data)),
    }
}

/// Upper case, as dig prints it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// A character string in quotes (RFC 1035, section 5.1).
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory, Unknown};
    use hickory_resolver::proto::rr::rdata::{A, AAAA, HTTPS, MX, NULL, SRV, TXT};
    use hickory_resolver::proto::rr::{Name, RecordType};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(data: RData) -> RecordText {
        RecordText::new(&Record::from_rdata(name("a.example."), 60, data)).unwrap()
    }

    fn unknown(kind: RecordKind, bytes: &[u8]) -> RData {
        let code = RecordType::from(kind.number());
        RData::Unknown { code, rdata: NULL::with(bytes.to_vec()) }
    }

    #[test]
    fn records_have_the_presentation_form_of_their_rfc() {
        let naptr = |flags: &[u8], services: &[u8], regexp: &[u8], replacement| {
            RData::NAPTR(NAPTR::new(
                100,
                10,
                flags.into(),
                services.into(),
                regexp.into(),
                name(replacement),
            ))
        };
        let params = vec![
            (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::Alpn]))),
            (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h2".to_owned(), "h3".to_owned()]))),
            (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
            (SvcParamKey::Port, SvcParamValue::Port(8443)),
            (
                SvcParamKey::Ipv4Hint,
                SvcParamValue::Ipv4Hint(IpHint(vec![A::new(192, 0, 2, 1), A::new(192, 0, 2, 2)])),
            ),
            (
                SvcParamKey::Ipv6Hint,
                SvcParamValue::Ipv6Hint(IpHint(vec![AAAA("2001:db8::1".parse().unwrap())])),
            ),
            (
                SvcParamKey::Unknown(7),
                SvcParamValue::Unknown(Unknown(b"/dns-query{?dns}".to_vec())),
            ),
            (SvcParamKey::Key(65280), SvcParamValue::Unknown(Unknown(b"a\"\x00".to_vec()))),
        ];
        for (data, text) in [
            (
                naptr(b"S", b"SIP+D2U", b"", "_sip._udp.example.com."),
                r#"100 10 "S" "SIP+D2U" "" _sip._udp.example.com."#,
            ),
            (
                naptr(b"u", b"E2U+sip", br"!^(.*)$!sip:\1@example.com!", "."),
                r#"100 10 "u" "E2U+sip" "!^(.*)$!sip:\\1@example.com!" ."#,
            ),
            (RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), vec![0xd2, 0xab])), "3 1 1 D2AB"),
            (unknown(RecordKind::DS, &[0xec, 0x45, 5, 1, 0x2b, 0xb1]), "60485 5 1 2BB1"),
            (unknown(RecordKind::DNSKEY, &[1, 1, 3, 13, 1, 2, 3]), "257 3 13 AQID"),
            (unknown(RecordKind::DS, &[1, 2]), r"\# 2 0102"),
            (RData::HTTPS(HTTPS(SVCB::new(0, name("b.example."), vec![]))), "0 b.example."),
            (
                RData::SVCB(SVCB::new(1, Name::root(), params)),
                "1 . mandatory=alpn alpn=\"h2,h3\" no-default-alpn port=8443 \
                 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1 \
                 dohpath=\"/dns-query{?dns}\" key65280=\"a\\\"\\000\"",
            ),
            (RData::TXT(TXT::new(vec!["v=spf1 ".to_owned(), "-all".to_owned()])), "v=spf1 -all"),
        ] {
            let record = record(data);
            assert_eq!((record.text.as_str(), record.short.as_str()), (text, text));
        }
    }

    #[test]
    fn mx_and_srv_have_the_form_of_gatus_too() {
        let mx = record(RData::MX(MX::new(10, name("mail.test."))));
        assert_eq!(mx.forms(), ["mail.test.", "10 mail.test."]);
        assert_eq!(mx.with_type(), "MX 10 mail.test.");
        let srv = record(RData::SRV(SRV::new(1, 2, 5_060, name("sip.test."))));
        assert_eq!(srv.forms(), ["sip.test.:5060", "1 2 5060 sip.test."]);
        let mx = record(RData::MX(MX::new(10, name("xn--bcher-kva.test."))));
        assert_eq!(mx.short, "xn--bcher-kva.test.");
        assert!(mx.forms().contains(&"10 bücher.test.".to_owned()), "{mx:?}");
    }
}
