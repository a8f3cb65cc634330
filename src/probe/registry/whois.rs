//! Questions and answers of WHOIS (RFC 3912), which has no form: the lines of common registries.

use crate::probe::registry::date;
use crate::probe::registry::registration::Registration;

/// The port of WHOIS (RFC 3912, section 2).
pub const PORT: u16 = 43;

/// Longest line that can say in words that there is no such domain, in bytes; terms of use are
/// longer.
const SENTENCE_BYTES: usize = 120;

/// Keys of the date of expiry, in lower case. A longer key precedes its own prefix.
const EXPIRY_KEYS: [&str; 33] = [
    "registrar registration expiration date",
    "registry expiration date",
    "registry expiry date",
    "domain expiration date",
    "domain expiry date",
    "domain_datebilleduntil",
    "registration expires",
    "expiration date",
    "expiration time",
    "expiration-date",
    "record expired",
    "record expires on",
    "registered until",
    "domain expires",
    "expires date",
    "expires-on",
    "expires on",
    "expires at",
    "expiry date",
    "expiry-date",
    "expire date",
    "expire-date",
    "renewal date",
    "valid until",
    "valid-until",
    "expiration",
    "paid-till",
    "exp date",
    "validity",
    "有効期限",
    "expires",
    "expire",
    "expiry",
];

/// Parts of a sentence that says that there is no such domain.
const UNREGISTERED: [&str; 14] = [
    "no match",
    "not found",
    "no entries found",
    "no entry found",
    "no data found",
    "no object found",
    "no information",
    "no such domain",
    "nothing found",
    "not registered",
    "does not exist",
    "available for registration",
    "status: free",
    "status: available",
];

/// Parts of a sentence that refuses to answer.
const REFUSED: [&str; 8] = [
    "exceeded",
    "quota",
    "too many",
    "try again",
    "access denied",
    "not allowed",
    "temporarily",
    "unavailable",
];

/// Beginnings of the lines of a registered domain.
const RECORD_KEYS: [&str; 5] = ["nserver", "name server", "nameserver", "registrar", "domain serv"];

/// The line to send to `server` about `domain`.
pub fn question(server: &str, domain: &str) -> String {
    match server {
        // Without `/e`, it answers in ISO-2022-JP.
        "whois.jprs.jp" => format!("{domain}/e\r\n"),
        _ => format!("{domain}\r\n"),
    }
}

/// Reads the answer of a registry about one domain. The error is the sentence of a server that
/// refuses to answer, or says why the answer says nothing.
pub fn parse(answer: &str) -> Result<Registration, String> {
    let lines = || answer.lines().map(|line| line.trim_matches(['%', '#', ' ', '\t', '*']));
    if let Some(at) = lines().find_map(|line| date::parse(value_of(line, &EXPIRY_KEYS)?)) {
        return Ok(Registration::Expires(at));
    }
    let has_record = lines().any(|line| value_of(line, &RECORD_KEYS).is_some());
    if has_record {
        return Ok(Registration::Unpublished);
    }
    let sentence = |parts: &[&str]| {
        let mut lines = lines().filter(|line| line.len() <= SENTENCE_BYTES);
        lines.find(|line| {
            let words = line.to_ascii_lowercase();
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            parts.iter().any(|part| words.contains(part))
        })
    };
    if let Some(refusal) = sentence(&REFUSED) {
        return Err(refusal.to_owned());
    }
    if sentence(&UNREGISTERED).is_some() {
        return Ok(Registration::Unregistered);
    }
    let is_empty = lines().all(str::is_empty);
    Err(if is_empty { "an empty answer" } else { "an answer of an unknown form" }.to_owned())
}

/// The server of a registry, and its port, in the answer of the root about a top-level domain.
pub fn referral(answer: &str) -> Option<(String, u16)> {
    let server = answer.lines().find_map(|line| {
        let value = value_of(line.trim(), &["refer", "whois server", "whois"])?;
        (!value.is_empty()).then_some(value)
    })?;
    parse_server(server.strip_prefix("whois://").unwrap_or(server).trim_end_matches('/'))
}

/// Whether the root answered with the record of a suffix, and not with a limit or nothing.
pub fn is_record(answer: &str) -> bool {
    answer.lines().any(|line| value_of(line.trim(), &["domain"]).is_some())
}

/// Host and port of `host`, `host:port` or `[address]:port`.
pub fn parse_server(text: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(&format!("http://{text}/")).ok()?;
    let is_server = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !is_server || has_user || text.contains('/') {
        return None;
    }
    // `url` leaves out the port 80.
    let port = if text.ends_with(":80") { Some(80) } else { url.port() };
    Some((url.host_str()?.to_owned(), port.unwrap_or(PORT)))
}

/// The rest of `line` behind the first of `keys` that it begins with.
fn value_of<'l>(line: &'l str, keys: &[&str]) -> Option<&'l str> {
    let line = line.trim_start_matches('[');
    keys.iter().find_map(|key| {
        let start = line.get(..key.len())?;
        let rest = &line[key.len()..];
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
        let value = rest.trim_start_matches([' ', '\t', '.', ']', ':']);
        let value = match value.strip_prefix('(').and_then(|value| value.split_once(')')) {
            // A form such as `(dd/mm/yyyy)`.
            Some((_, value)) => value.trim_start_matches([' ', '\t', '.', ':']),
            None => value,
        };
        (start.eq_ignore_ascii_case(key) && ends).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2027-05-01T00:00:00Z
    const MAY: i64 = 1_809_129_600;

    #[test]
    fn only_the_record_of_a_suffix_tells_that_it_has_no_server() {
        assert!(is_record("% IANA WHOIS server\n\ndomain:       XY\nwhois:\n"));
        for other in ["", "% Rate limit exceeded\n", "You have been blocked\n"] {
            assert!(!is_record(other), "{other}");
        }
    }

    #[test]
    fn the_expiry_in_the_forms_of_registries_is_read() {
        for answer in [
            "Domain Name: A.COM\r\n   Registry Expiry Date: 2027-05-01T00:00:00Z\r\n",
            "    Relevant dates:\n        Registered on: 26-Nov-2003\n        Expiry date:  \
             01-May-2027\n",
            "domain:        a.ru\nstate: REGISTERED\npaid-till:     2027-05-01T00:00:00Z\n\
             free-date:     2027-06-01\n",
            "% comment: expires\ndomain: a.cz\nexpire:       01.05.2027\n",
            "domain.............: a.fi\nexpires............: 1.5.2027 00:00:00\n",
            "[Domain Name]                A.JP\n[Expires on]                 2027/05/01\n",
            "[有効期限]                      2027/05/01\n",
            "Registration Date           : 2000. 01. 01.\nExpiration Date             : 2027. 05. \
             01.\n",
            "DOMAIN NAME:           a.pl\nrenewal date:          2027.05.01 00:00:00\n",
            "domain:      a.com.br\nexpires:     20270501\n",
            "   Record expires on 2027-05-01 08:00:00 (UTC+8)\n",
            "** Additional Info:\nExpires on..............: 2027-May-01.\n",
            "Expiration Date (dd/mm/yyyy): 01/05/2027 00:00:00\n",
            "Domain expires:   01-May-2027\n",
            "validity:     01-05-2027\n",
            "expires:      May  1 2027\n",
            "Valid Until:                  2027-05-01\n",
            "EXPIRATION TIME:2027-05-01 00:00:00",
        ] {
            assert_eq!(parse(answer), Ok(Registration::Expires(MAY)), "{answer}");
        }
    }

    #[test]
    fn a_domain_without_a_published_expiry_is_registered() {
        for answer in [
            "Domain: a.de\nNserver: ns1.a.de\nStatus: connect\nChanged: 2026-05-01T00:00:00Z\n",
            "Domain: a.eu\nScript: LATIN\nRegistrar:\n        Name: not found Ltd\n",
            "domain: a.at\nregistrar: X\nnserver: ns1.a.at\n% not found in the last 24 hours\n",
            "expires: on request\nnserver: ns1.a.at\n",
        ] {
            assert_eq!(parse(answer), Ok(Registration::Unpublished), "{answer}");
        }
    }

    #[test]
    fn a_domain_that_does_not_exist_is_told_from_a_refusal() {
        for answer in [
            "No match for \"A.COM\".\r\n>>> Last update of whois database\r\n",
            "Domain: a.de\nStatus: free\n",
            "Domain: a.eu\nScript: LATIN\nStatus:\tAVAILABLE\n",
            "% nothing found\n",
            "The queried object does not exist: no data found\n",
        ] {
            assert_eq!(parse(answer), Ok(Registration::Unregistered), "{answer}");
        }
        for (answer, error) in [
            ("", "an empty answer"),
            ("\r\n\r\n", "an empty answer"),
            ("% Quota exceeded, not found\n", "Quota exceeded, not found"),
            ("%% Too many requests\n", "Too many requests"),
        ] {
            assert_eq!(parse(answer), Err(error.to_owned()), "{answer}");
        }
        let terms = format!("{} is not found {}\n", "x".repeat(90), "y".repeat(90));
        assert_eq!(parse(&terms), Err("an answer of an unknown form".to_owned()), "terms of use");
    }

    #[test]
    fn the_root_refers_to_the_server_of_a_registry() {
        let iana = "% IANA WHOIS server\n\nrefer:        whois.nic.example\n\ndomain:       \
            EXAMPLE\n\nwhois:        whois.other.example\n";
        assert_eq!(referral(iana), Some(("whois.nic.example".to_owned(), 43)));
        let only = "domain: X\nwhois:  whois.nic.x:4343\n";
        assert_eq!(referral(only), Some(("whois.nic.x".to_owned(), 4_343)));
        assert_eq!(referral("whois: whois://[::1]:4300/"), Some(("[::1]".to_owned(), 4_300)));
        for none in ["", "domain: X\nwhois:\n", "refer: a/b", "refer: u@h", "whois: a b"] {
            assert_eq!(referral(none), None, "{none}");
        }
    }

    #[test]
    fn the_server_of_japan_is_asked_for_english() {
        assert_eq!(question("whois.jprs.jp", "a.jp"), "a.jp/e\r\n");
        assert_eq!(question("whois.nic.example", "a.example"), "a.example\r\n");
    }

    proptest! {
        #[test]
        fn any_answer_is_read(
            answer in "(expires|refer|[a-z ]{0,9})?[:. ]{0,3}.{0,60}\\n?.{0,60}"
        ) {
            let _ = (parse(&answer), referral(&answer), parse_server(&answer));
        }

        /// No date in another line is taken for the expiry.
        #[test]
        fn only_a_known_key_gives_a_date(key in "[a-z]{3,12}") {
            prop_assume!(!EXPIRY_KEYS.contains(&key.as_str()));
            let answer = format!("{key}: 2027-05-01\n");
            prop_assert!(!matches!(parse(&answer), Ok(Registration::Expires(_))));
        }
    }
}
