//! Requests and answers of RDAP (RFC 9082, RFC 9083).

use serde::Deserialize;
use url::Url;

use crate::probe::registry::date;
use crate::probe::registry::registration::Registration;

/// The media type of answers, and what servers without it understand.
pub const ACCEPT: &str = "application/rdap+json, application/json;q=0.9";

/// The members of a domain object (RFC 9083, section 5.3) that are read here.
#[derive(Deserialize)]
struct Domain {
    #[serde(rename = "objectClassName")]
    class: Option<String>,
    #[serde(rename = "ldhName")]
    name: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
}

/// RFC 9083, section 4.5.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "eventAction")]
    action: Option<String>,
    #[serde(rename = "eventDate")]
    date: Option<String>,
}

/// The URL of `domain` at the server `base` (RFC 9082, section 3.1.3).
pub fn domain_url(base: &Url, domain: &str) -> Option<Url> {
    base.join(&format!("domain/{domain}")).ok()
}

/// Reads the answer about `domain`. The error says why it is none.
pub fn parse(domain: &str, json: &[u8]) -> Result<Registration, String> {
    let answer: Domain = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if let Some(class) = answer.class.filter(|class| class != "domain") {
        return Err(format!("the answer is about a {class:?}, not about a domain"));
    }
    let other = answer.name.filter(|name| name.is_ascii() && !is_name(name, domain));
    if let Some(other) = other {
        return Err(format!("the answer is about {other:?}"));
    }
    let is_expiration = |event: &&Event| {
        event.action.as_deref().is_some_and(|action| action.eq_ignore_ascii_case("expiration"))
    };
    let Some(event) = answer.events.iter().find(is_expiration) else {
        return Ok(Registration::Unpublished);
    };
    let text = event.date.as_deref().unwrap_or_default();
    let at = date::parse(text).ok_or_else(|| format!("{text:?} is not a date"))?;
    Ok(Registration::Expires(at))
}

fn is_name(name: &str, domain: &str) -> bool {
    name.trim_end_matches('.').eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_event_expiration_is_read() {
        // The shape of the answers of registries, shortened.
        let json =
            br#"{"objectClassName": "domain", "handle": "1_DOMAIN", "ldhName": "EXAMPLE.COM",
            "links": [{"value": "x", "href": "y"}], "status": ["active"],
            "entities": [{"objectClassName": "entity", "events": [
                {"eventAction": "expiration", "eventDate": "1999-01-01T00:00:00Z"}]}],
            "events": [
                {"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"},
                {"eventAction": "registrar expiration", "eventDate": "2031-08-13T04:00:00Z"},
                {"eventAction": "expiration", "eventDate": "2027-08-13T04:00:00Z"},
                {"eventAction": "last update of RDAP database", "eventDate": "2026-11-28T00:00:00Z"}
            ]}"#;
        assert_eq!(parse("example.com", json), Ok(Registration::Expires(1_818_129_600)));
        let bare = br#"{"events": [{"eventAction": "Expiration", "eventDate": "2027-08-13"}]}"#;
        assert_eq!(parse("example.com", bare), Ok(Registration::Expires(1_818_115_200)));
    }

    #[test]
    fn an_answer_without_the_event_says_that_the_registry_publishes_none() {
        for json in [r#"{"objectClassName": "domain", "ldhName": "a.de."}"#, r#"{"events": []}"#] {
            assert_eq!(parse("a.de", json.as_bytes()), Ok(Registration::Unpublished), "{json}");
        }
    }

    #[test]
    fn an_answer_about_something_else_is_an_error() {
        for (json, error) in [
            ("<html>", "expected value"),
            ("[]", "invalid length 0"),
            (r#"{"objectClassName": "nameserver"}"#, "about a \"nameserver\""),
            (r#"{"ldhName": "b.org"}"#, "about \"b.org\""),
            (r#"{"events": [{"eventAction": "expiration"}]}"#, "\"\" is not a date"),
            (
                r#"{"events": [{"eventAction": "expiration", "eventDate": "soon"}]}"#,
                "\"soon\" is not a date",
            ),
        ] {
            let found = parse("a.org", json.as_bytes()).unwrap_err();
            assert!(found.contains(error), "{json}: {found}");
        }
        assert!(parse("a.org", &[b"{\"x\": ".as_slice(), &b"[".repeat(100_000)].concat()).is_err());
    }

    #[test]
    fn the_url_keeps_the_path_of_the_server() {
        let base = Url::parse("https://rdap.example/com/v1/").unwrap();
        let url = domain_url(&base, "example.com").unwrap();
        assert_eq!(url.as_str(), "https://rdap.example/com/v1/domain/example.com");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(json in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse("a.org", &json);
        }
    }
}
