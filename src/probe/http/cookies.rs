//! Cookies that redirects set, sent on later hops of the same probe (RFC 6265).
//!
//! Every probe begins without cookies. What browsers ignore is ignored here: cookies with control
//! characters, for another site, or for a whole public suffix (`co.uk`).

use cookie_store::{Cookie, CookieDomain, CookieStore};
use psl::{List, Psl};
use url::Url;

use crate::probe::http::fields::Fields;

/// Most cookies that are accepted in one probe.
const COOKIES_LIMIT: usize = 100;

/// Longest `Set-Cookie`, in bytes (RFC 6265, section 6.1).
const COOKIE_BYTES_LIMIT: usize = 4 * 1024;

/// Most bytes of all `Set-Cookie` that are accepted in one probe.
const TOTAL_BYTES_LIMIT: usize = 64 * 1024;

/// Bytes beyond ASCII become characters of a private area, since cookies in `cookie_store` are
/// text, and have no charset in HTTP.
const PRIVATE_AREA: u32 = 0xe000;

/// The cookies of one probe.
#[derive(Debug, Clone, Default)]
pub struct Cookies {
    store: CookieStore,
    accepted: usize,
    accepted_bytes: usize,
    /// Names of all cookies that a response has set or removed.
    names: Vec<String>,
}

impl Cookies {
    /// Takes the cookies of a response from `url`. Beyond the limits, cookies are ignored.
    pub fn store(&mut self, url: &Url, fields: &Fields) {
        for set_cookie in fields.all("set-cookie") {
            let bytes = self.accepted_bytes + set_cookie.len();
            if self.accepted >= COOKIES_LIMIT
                || set_cookie.len() > COOKIE_BYTES_LIMIT
                || bytes > TOTAL_BYTES_LIMIT
                || set_cookie.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
            {
                continue;
            }
            let Ok(cookie) = Cookie::parse(to_text(set_cookie), url) else { continue };
            let is_secure = cookie.secure().unwrap_or(false);
            let Some(cookie) = within_one_site(cookie, url) else { continue };
            if is_secure && url.scheme() != "https" {
                continue;
            }
            self.accepted += 1;
            self.accepted_bytes = bytes;
            self.names.push(cookie.name().to_owned());
            // An error here is the removal of a cookie that is not there.
            let _ = self.store.insert(cookie, url);
        }
    }

    /// The header `Cookie` of a request to `url` whose service writes `written` into it. A cookie
    /// that a response has set replaces the written one of the same name. `None` while no response
    /// has set any.
    pub fn header(&self, url: &Url, written: Option<&str>) -> Option<Vec<u8>> {
        if self.names.is_empty() {
            return None;
        }
        let mut cookies = self.store.matches(url);
        cookies.retain(|cookie| !cookie.secure().unwrap_or(false) || url.scheme() == "https");
        // Longer paths first (RFC 6265, section 5.4); the sort is stable.
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let written = written.into_iter().flat_map(|header| header.split(';')).map(str::trim);
        let kept = written.filter(|pair| !pair.is_empty() && !self.has_set(pair, &cookies));
        let set = cookies.iter().map(|cookie| {
            let (name, value) = cookie.name_value();
            to_bytes(&format!("{name}={value}"))
        });
        let pairs: Vec<Vec<u8>> = kept.map(|pair| pair.as_bytes().to_vec()).chain(set).collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }

    /// Whether a response has set the cookie of `pair` for this URL (`cookies`), or removed it.
    fn has_set(&self, pair: &str, cookies: &[&Cookie<'_>]) -> bool {
        let name = pair.split('=').next().unwrap_or_default().trim();
        let is_known = self.names.iter().any(|known| known == name);
        let elsewhere = || self.store.iter_unexpired().any(|cookie| cookie.name() == name);
        is_known && (cookies.iter().any(|cookie| cookie.name() == name) || !elsewhere())
    }
}

/// `None` for a cookie of a whole public suffix, under which the sites of others are. If the suffix
/// is the host of `url` itself, the cookie is for that host only (RFC 6265, section 5.3).
fn within_one_site<'a>(mut cookie: Cookie<'a>, url: &Url) -> Option<Cookie<'a>> {
    if let CookieDomain::Suffix(domain) = &cookie.domain {
        let suffix = List.suffix(domain.as_bytes());
        if suffix.is_some_and(|suffix| suffix == domain.as_bytes()) {
            let is_host = url.host_str() == Some(domain);
            cookie.domain = CookieDomain::host_only(url).ok().filter(|_| is_host)?;
        }
    }
    Some(cookie)
}

fn to_text(bytes: &[u8]) -> String {
    let character = |byte: &u8| match byte {
        0..0x80 => char::from(*byte),
        _ => char::from_u32(PRIVATE_AREA + u32::from(*byte)).unwrap_or_default(),
    };
    bytes.iter().map(character).collect()
}

/// The bytes that [`to_text`] made a text of.
fn to_bytes(text: &str) -> Vec<u8> {
    let byte = |character: char| {
        let code = u32::from(character);
        u8::try_from(code.checked_sub(PRIVATE_AREA).unwrap_or(code)).unwrap_or(b'?')
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn fields(set_cookies: &[&[u8]]) -> Fields {
        let field = |value: &&[u8]| ("set-cookie".to_owned(), value.to_vec());
        Fields::new(set_cookies.iter().map(field).collect())
    }

    /// The header that a request to `to` has after a response from `from` with these cookies.
    fn sent(from: &str, set_cookies: &[&str], to: &str) -> String {
        let mut cookies = Cookies::default();
        let set_cookies: Vec<&[u8]> = set_cookies.iter().map(|text| text.as_bytes()).collect();
        cookies.store(&url(from), &fields(&set_cookies));
        let header = cookies.header(&url(to), None).unwrap_or_default();
        String::from_utf8(header).unwrap()
    }

    #[test]
    fn cookies_go_to_matching_requests_only() {
        for (from, set_cookie, to, expected) in [
            ("http://a.test/", "x=1", "http://a.test/b", "x=1"),
            ("http://a.test/", "x=1", "http://a.test:81/", "x=1"),
            ("http://a.test/", "x=1", "http://b.a.test/", ""),
            ("http://a.test/", "x=1", "http://other.test/", ""),
            ("http://b.a.test/", "x=1; Domain=.A.test", "http://c.a.test/", "x=1"),
            ("http://b.a.test/", "x=1; Domain=a.test", "http://xa.test/", ""),
            ("http://a.test/", "x=1; Domain=other.test", "http://other.test/", ""),
            ("http://a.test/", "x=1; Domain=b.a.test", "http://b.a.test/", ""),
            ("http://a.test/", "x=1; Domain=test", "http://other.test/", ""),
            ("http://a.co.uk/", "x=1; Domain=co.uk", "http://b.co.uk/", ""),
            ("http://b.a.co.uk/", "x=1; Domain=a.co.uk", "http://c.a.co.uk/", "x=1"),
            ("http://a.github.io/", "x=1; Domain=github.io", "http://b.github.io/", ""),
            ("http://github.io/", "x=1; Domain=github.io", "http://github.io/", "x=1"),
            ("http://github.io/", "x=1; Domain=github.io", "http://b.github.io/", ""),
            ("http://localhost/", "x=1; Domain=localhost", "http://localhost/", "x=1"),
            ("http://127.0.0.1/", "x=1; Domain=0.0.1", "http://10.0.0.1/", ""),
            ("http://127.0.0.1/", "x=1; Domain=127.0.0.1", "http://127.0.0.1/", "x=1"),
            ("http://[::1]/", "x=1", "http://[::1]/", "x=1"),
            ("http://a.test/p/q", "x=1", "http://a.test/p/r", "x=1"),
            ("http://a.test/p/q", "x=1", "http://a.test/pp", ""),
            ("http://a.test/", "x=1; Path=/p", "http://a.test/p/q?r", "x=1"),
            ("http://a.test/", "x=1; Path=/p", "http://a.test/", ""),
            ("https://a.test/", "x=1; Secure", "https://a.test/", "x=1"),
            ("https://a.test/", "x=1; Secure", "http://a.test/", ""),
            ("https://127.0.0.1/", "x=1; Secure", "http://127.0.0.1/", ""),
            ("http://127.0.0.1/", "x=1; Secure", "https://127.0.0.1/", ""),
            ("http://a.test/", "x=1; HttpOnly; SameSite=Strict", "http://a.test/", "x=1"),
            ("http://a.test/", "x=1; Max-Age=60", "http://a.test/", "x=1"),
            ("http://a.test/", "x=1; Max-Age=0", "http://a.test/", ""),
            ("http://a.test/", "x=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", ""),
            (
                "http://a.test/",
                "x=1; Expires=Fri, 01-Jan-2100 00:00:00 GMT",
                "http://a.test/",
                "x=1",
            ),
            ("http://a.test/", "x=\u{1}fOe", "http://a.test/", ""),
            ("http://a.test/", "no pair", "http://a.test/", ""),
        ] {
            assert_eq!(sent(from, &[set_cookie], to), expected, "{from}: {set_cookie} → {to}");
        }
    }

    #[test]
    fn a_written_cookie_is_replaced_only_where_the_one_of_its_name_is_sent() {
        let from = url("http://a.test/");
        let with_written = |set_cookie: &str, to: &str| {
            let mut cookies = Cookies::default();
            cookies.store(&from, &fields(&[set_cookie.as_bytes()]));
            let header = cookies.header(&url(to), Some("sid=abc; y=2")).unwrap_or_default();
            String::from_utf8(header).unwrap()
        };
        let elsewhere = with_written("sid=x; Path=/admin", "http://a.test/app");
        assert_eq!(elsewhere, "sid=abc; y=2");
        assert_eq!(with_written("sid=x; Path=/admin", "http://a.test/admin"), "y=2; sid=x");
        assert_eq!(with_written("sid=; Max-Age=0", "http://a.test/app"), "y=2", "removed");
    }

    #[test]
    fn later_cookies_replace_earlier_ones_and_longer_paths_come_first() {
        let sent = |set: &[&str]| sent("http://a.test/p/", set, "http://a.test/p/q");
        assert_eq!(sent(&["x=1; Path=/", "y=2; Path=/", "z=3; Path=/p/q"]), "z=3; x=1; y=2");
        assert_eq!(sent(&["x=1", "x=2"]), "x=2");
        assert_eq!(sent(&["x=1", "y=2", "x=; Max-Age=0"]), "y=2");
    }

    #[test]
    fn a_written_header_stays_but_for_cookies_that_a_response_has_set() {
        let mut cookies = Cookies::default();
        let target = url("http://a.test/");
        let header = |cookies: &Cookies, written| {
            let header = cookies.header(&target, Some(written));
            header.map(|header| String::from_utf8(header).unwrap())
        };
        assert_eq!(header(&cookies, "session=1;a=b"), None, "nothing to add");
        cookies.store(&target, &fields(&[b"session=2", b"old=; Max-Age=0", b"new=3"]));
        let merged = Some("keep=1; session=2; new=3".into());
        assert_eq!(header(&cookies, "session=1; keep=1; old=1"), merged);
    }

    #[test]
    fn bytes_beyond_ascii_are_sent_as_they_came() {
        let mut cookies = Cookies::default();
        let target = url("http://a.test/");
        cookies.store(&target, &fields(&[b"x=voil\xc3\xa0", b"y=caf\xe9\xff\x80"]));
        let expected = b"x=voil\xc3\xa0; y=caf\xe9\xff\x80".to_vec();
        assert_eq!(cookies.header(&target, None), Some(expected));
    }

    #[test]
    fn cookies_are_limited_in_number_and_bytes() {
        let target = url("http://a.test/");
        let count = |set_cookies: &[String]| {
            let mut cookies = Cookies::default();
            let values: Vec<&[u8]> = set_cookies.iter().map(String::as_bytes).collect();
            cookies.store(&target, &fields(&values));
            let header = cookies.header(&target, None).unwrap_or_default();
            header.split(|byte| *byte == b';').filter(|pair| !pair.is_empty()).count()
        };
        let many: Vec<String> = (0..200).map(|nth| format!("c{nth}=1")).collect();
        assert_eq!(count(&many), COOKIES_LIMIT);
        let large = |length: usize| move |nth| format!("c{nth}={}", "x".repeat(length));
        let several: Vec<String> = (0..50).map(large(4_000)).collect();
        assert_eq!(count(&several), TOTAL_BYTES_LIMIT / 4_003);
        assert_eq!(count(&[large(COOKIE_BYTES_LIMIT)(0)]), 0);
    }
}
