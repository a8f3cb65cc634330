//! The URL that a service is probed at; the scheme selects the kind of probe.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::domain::invalid::Invalid;
use crate::domain::secret::url::{Requests, mask, mask_rejected, mask_template};
use crate::domain::service::template::{Template, UnsetVariable, Variables};

/// Longest URL, in characters (contract, "Service").
pub const URL_MAX_CHARS: usize = 2_083;

/// The kind of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Http,
    /// Handshake, and optionally one message and its response.
    WebSocket,
    /// Connection, and optionally one text and its response.
    Tcp,
    /// As `Tcp`, over TLS.
    Tls,
    /// A datagram, and optionally the response to it.
    Udp,
    /// A plaintext protocol that a command upgrades to TLS; SMTP unless the service says otherwise.
    StartTls,
    /// Query to a name server.
    Dns,
    /// Echo request.
    Icmp,
    /// gRPC health checking protocol.
    Grpc,
    /// Identification of an SSH server.
    Ssh,
    /// External check by a plugin.
    Exec,
    /// No probe: the watched job sends heartbeats.
    Push,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = SCHEMES.iter().find(|(_, kind, _)| kind == self);
        f.write_str(known.map_or("", |(scheme, _, _)| scheme))
    }
}

/// Scheme, kind, and the http scheme with the same transport, under which `url` parses the rest.
const SCHEMES: [(&str, Kind, &str); 15] = [
    ("http", Kind::Http, "http"),
    ("https", Kind::Http, "https"),
    ("ws", Kind::WebSocket, "http"),
    ("wss", Kind::WebSocket, "https"),
    ("tcp", Kind::Tcp, "http"),
    ("tls", Kind::Tls, "https"),
    ("udp", Kind::Udp, "http"),
    ("starttls", Kind::StartTls, "http"),
    ("dns", Kind::Dns, "http"),
    ("icmp", Kind::Icmp, "http"),
    ("grpc", Kind::Grpc, "http"),
    ("grpcs", Kind::Grpc, "https"),
    ("ssh", Kind::Ssh, "http"),
    ("exec", Kind::Exec, "http"),
    ("push", Kind::Push, "http"),
];

/// A target URL. It may have variables behind the scheme, which are filled in for each probe.
///
/// Each service has one, as text: a [`Url`] takes 88 bytes more, and to parse it again takes
/// a probe less than half a microsecond.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL as written. Behind it the text of the parsed URL, under its http scheme, unless both
    /// are the same, or the URL has variables.
    text: Box<str>,
    /// Bytes of the URL as written.
    written_length: u32,
    kind: Kind,
    has_variables: bool,
}

/// A target with variables that is no valid URL for this environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    UnsetVariable(#[from] UnsetVariable),
    #[error("invalid URL after its variables were filled in")]
    InvalidUrl,
}

impl Target {
    pub const EXPECTED: &'static str = "a URL with a host, at most 2,083 characters, and one of \
         the schemes http, https, ws, wss, tcp, tls, udp, starttls (these four with a port), dns, \
         icmp, grpc, grpcs, ssh, exec (with the name of a plugin) and push";

    /// A target without variables. A fragment is part of the shown URL and is never sent (RFC 9110,
    /// section 4.2.5).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::literal(text, text)
    }

    /// The target of the URL `text`, which is written as `written`.
    fn literal(written: &str, text: &str) -> Result<Self, Invalid> {
        let reject = || rejected(text);
        let (kind, http) = within_limits(text).and_then(as_http).ok_or_else(reject)?;
        let url = checked(kind, &http).ok_or_else(reject)?;
        Ok(Self::new(written, kind, Some(url.as_str())))
    }

    /// `parsed` is the text of the parsed URL, of one without variables.
    fn new(written: &str, kind: Kind, parsed: Option<&str>) -> Self {
        let other = parsed.filter(|parsed| *parsed != written).unwrap_or_default();
        Self {
            text: [written, other].concat().into(),
            // At most 2,083 characters of four bytes, twice as many with each `$` written `$$`.
            written_length: u32::try_from(written.len()).unwrap_or(u32::MAX),
            kind,
            has_variables: parsed.is_none(),
        }
    }

    /// A target that may have variables, as in the services file.
    pub fn template(text: &str) -> Result<Self, Invalid> {
        let reject = || rejected(text);
        let template = Template::parse(text).map_err(|_| reject())?;
        if let Some(literal) = template.as_literal() {
            return Self::literal(text, &literal);
        }
        let (kind, http) = within_limits(text).and_then(as_http).ok_or_else(reject)?;
        // A variable may be a label of the host, a port, or both.
        let is_possible = ["a", "1", "a:1"].into_iter().any(|host| {
            let sample = sample(&http, host);
            sample.is_some_and(|sample| checked(kind, &sample).is_some())
        });
        if !is_possible {
            return Err(reject());
        }
        Ok(Self::new(text, kind, None))
    }

    /// The URL as written, secrets included.
    pub fn as_str(&self) -> &str {
        &self.text[..self.written_length as usize]
    }

    /// The parsed URL; `None` when it has variables.
    fn parsed(&self) -> Option<Url> {
        let text = match &self.text[self.written_length as usize..] {
            "" => &self.text,
            parsed => parsed,
        };
        // Parsed before, so without an error.
        if self.has_variables { None } else { Url::parse(text).ok() }
    }

    /// The URL as written, with variables filled in, secrets included.
    pub fn filled_text(&self, variables: &Variables) -> Result<String, TargetError> {
        if !self.has_variables {
            return Ok(self.as_str().to_owned());
        }
        let template = Template::parse(self.as_str()).map_err(|_| TargetError::InvalidUrl)?;
        Ok(template.fill(variables)?)
    }

    /// The URL with its secrets masked; variables remain.
    pub fn shown(&self, requests: Requests) -> String {
        let mask = if self.has_variables { mask_template } else { mask };
        mask(self.as_str(), requests)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the connection to the target itself may use TLS; redirects may lead to others.
    pub fn may_use_tls(&self) -> bool {
        let is_plain = self.parsed().is_some_and(|url| url.scheme() == "http");
        !is_plain || self.kind == Kind::StartTls
    }

    /// Whether both lead to the same kind of probe, transport, host and port. URLs with variables
    /// never do.
    pub fn has_same_origin(&self, other: &Self) -> bool {
        match (self.parsed(), other.parsed()) {
            (Some(one), Some(two)) => {
                let is_same_plugin = self.kind != Kind::Exec || one.path() == two.path();
                self.kind == other.kind && one.origin() == two.origin() && is_same_plugin
            }
            _ => false,
        }
    }

    /// The URL under the http scheme with the same transport, with variables filled in.
    pub fn url(&self, variables: &Variables) -> Result<Url, TargetError> {
        let url = match self.parsed() {
            Some(url) => Some(url),
            None => checked(self.kind, &self.filled(variables)?),
        };
        url.ok_or(TargetError::InvalidUrl)
    }

    /// The http URL with variables filled in. Values before the host are escaped, so that no part
    /// of a password becomes the host.
    fn filled(&self, variables: &Variables) -> Result<String, TargetError> {
        let http = as_http(self.as_str()).map(|(_, http)| http).unwrap_or_default();
        let host = host_of(&http).start;
        let fill = |part: &str, escape: &dyn Fn(&str) -> String| {
            let template = Template::parse(part).map_err(|_| TargetError::InvalidUrl)?;
            let filled = template.fill_each(|name| variables.get(name).map(escape));
            filled.map_err(TargetError::from)
        };
        let escaped = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let (user, rest) = http.split_at(host);
        Ok(fill(user, &escaped)? + &fill(rest, &str::to_owned)?)
    }

    /// The names of the variables.
    pub fn variables(&self) -> Vec<String> {
        if !self.has_variables {
            return Vec::new();
        }
        let template = Template::parse(self.as_str()).ok();
        template.iter().flat_map(Template::variables).map(str::to_owned).collect()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(Requests::Masked))
    }
}

/// Why `text` is no target.
fn rejected(text: &str) -> Invalid {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let expected = if scheme.eq_ignore_ascii_case("sctp") {
        "a scheme other than sctp, which is not supported, such as tcp or udp"
    } else if host.parse::<Ipv6Addr>().is_ok() {
        "an IPv6 address in brackets, such as tcp://[2001:db8::1]:80"
    } else {
        Target::EXPECTED
    };
    Invalid::quoted(mask_rejected(text), expected)
}

/// `text`, if it is not too long and has no control characters or spaces.
fn within_limits(text: &str) -> Option<&str> {
    let has_blank = text.contains(|c: char| c.is_control() || c.is_whitespace());
    (!has_blank && text.chars().count() <= URL_MAX_CHARS).then_some(text)
}

/// The kind of `text`, and `text` under the http scheme with the same transport.
fn as_http(text: &str) -> Option<(Kind, String)> {
    let (scheme, rest) = text.split_once("://")?;
    // The URL standard would read `http:///a` as `http://a`, which the operator did not mean.
    if rest.starts_with(['/', '\\']) {
        return None;
    }
    let known = SCHEMES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(scheme));
    known.map(|(_, kind, transport)| {
        // The case of a plugin's name matters, unlike that of a host.
        let host = if *kind == Kind::Exec { "localhost/" } else { "" };
        (*kind, format!("{transport}://{host}{rest}"))
    })
}

/// Where host and port are in a URL.
fn host_of(url: &str) -> Range<usize> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    let start = url[..end].rfind('@').map_or(authority, |at| authority.max(at + 1));
    start..end
}

/// `http` with `host` for the variables of its host, and a digit for all others.
fn sample(http: &str, host: &str) -> Option<String> {
    let Range { start, end } = host_of(http);
    let port = http[start..end].rfind(':').map_or(end, |at| start + at);
    let fill = |part: &str, value: &str| {
        Template::parse(part).ok()?.fill_each(|_| Some(value.to_owned())).ok()
    };
    let parts = [&http[..start], &http[start..port], &http[port..end], &http[end..]];
    let [before, name, port, after] = parts;
    Some(fill(before, "1")? + &fill(name, host)? + &fill(port, "1")? + &fill(after, "1")?)
}

/// `text` as it is written in a services file, with the variables of its scheme, host and port
/// filled, which select the kind of the probe; those of a URL that begins with a variable up to
/// its path. The variables of user, path and query remain.
pub fn fill_origin(text: &str, variables: &Variables) -> Result<String, OriginError> {
    let text = Template::with_braces(text);
    let fill = |part: &str| -> Result<String, OriginError> {
        let filled = Template::parse(part)?.fill(variables)?;
        Ok(Template::literal(&filled).as_written().to_owned())
    };
    let path = |from: usize| text[from..].find(['/', '?', '#']).map_or(text.len(), |at| from + at);
    let end = path(0);
    let has_scheme = end > 0 && text[end - 1..].starts_with("://");
    if !has_scheme {
        return Ok(fill(&text[..end])? + &text[end..]);
    }
    let Range { start, end } = host_of(&text);
    let user = text.find("://").map_or(0, |at| at + 3);
    Ok(fill(&text[..user])? + &text[user..start] + &fill(&text[start..end])? + &text[end..])
}

/// Why the origin of a URL cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error(transparent)]
    Unset(#[from] UnsetVariable),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// The parsed URL, if it has the host and port that `kind` requires.
fn checked(kind: Kind, http: &str) -> Option<Url> {
    let http = &with_brackets(kind, http);
    let mut url = Url::parse(http).ok()?;
    let default_port = match kind {
        Kind::Dns => Some(53),
        Kind::Ssh => Some(22),
        _ => None,
    };
    if default_port.is_some() && !has_port(http) {
        url.set_port(default_port).ok()?;
    }
    let needs_port = matches!(kind, Kind::Tcp | Kind::Tls | Kind::Udp | Kind::StartTls);
    let port_is_good = url.port() != Some(0) && (!needs_port || has_port(http));
    let plugin_is_good = kind != Kind::Exec || has_plugin(http);
    (has_usable_host(&url) && port_is_good && plugin_is_good).then_some(url)
}

/// Whether the path is the name of a file, of letters, digits and `_`, and behind the first
/// character also `-`, `.` and `+`; and nothing follows.
fn has_plugin(http: &str) -> bool {
    // As written: a parsed URL has lost `..`.
    let name = http.strip_prefix("http://localhost/").unwrap_or_default();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = name.len() <= 128 && name.starts_with(is_word);
    fits && name.chars().all(|c| is_word(c) || "-.+".contains(c))
}

/// An IPv6 address in brackets, for the kinds that need no port. Gatus takes the address as it is
/// after `icmp://`; with other schemes, the end of the address would look like a port.
fn with_brackets(kind: Kind, http: &str) -> Cow<'_, str> {
    let (scheme, rest) = http.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match host.parse::<Ipv6Addr>() {
        Ok(address) if matches!(kind, Kind::Icmp | Kind::Dns) => {
            Cow::Owned(format!("{scheme}://[{address}]{path}"))
        }
        _ => Cow::Borrowed(http),
    }
}

/// Whether the URL has a port, even the default port of the scheme.
fn has_port(http: &str) -> bool {
    let other = match http.strip_prefix("http://") {
        Some(rest) => format!("https://{rest}"),
        None => http.replacen("https://", "http://", 1),
    };
    [http, &other].into_iter().any(|text| Url::parse(text).is_ok_and(|url| url.port().is_some()))
}

/// Whether the host is an address, or a name within the limits of DNS (RFC 1035, section 2.3.4).
fn has_usable_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            // Characters of a variable are not part of a name.
            let is_plain = !name.contains(['$', '{', '}']);
            let labels_fit = name.split('.').all(|label| (1..=63).contains(&label.len()));
            is_plain && name.len() <= 253 && labels_fit
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use url::Position;

    use super::*;

    #[test]
    fn a_target_is_a_url_with_a_known_scheme_and_a_host() {
        for good in [
            "http://a",
            "https://a.example:8443/x?y#z",
            "http://[::1]:80/",
            "HTTP://A/",
            "http://my_service/",
            "http://a.b./",
            "wss://a/socket",
            "tcp://a:80",
            "tcp://a:443",
            "tls://a:443",
            "starttls://a:587",
            "dns://1.1.1.1",
            "udp://a:53",
            "icmp://[::1]",
            "icmp://::1",
            "icmp://2001:db8::1/",
            "dns://2001:db8::1",
            "grpcs://a:443",
            "push://backup",
            "ssh://a",
            "ssh://a:2222",
            "exec://check_http",
            "exec://Check.1+x-y",
            "exec://${PLUGIN}",
            "https://user:${PASSWORD}@${HOST}:${PORT}/${PATH}?${QUERY}",
        ] {
            assert!(Target::template(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "ftp://a",
            "http://",
            "http://a:0/",
            "http://a b",
            "http://a:99999",
            "//a",
            "http:a",
            "http:/a",
            "http:///a",
            "http://a..b/",
            "http://./",
            "tcp://a",
            "tls://a/",
            "udp://a",
            "sctp://a:80",
            "tcp://2001:db8::1",
            "http://2001:db8::1/",
            "icmp://2001:db8:::1",
            "${SCHEME}://a",
            "http://${",
            "exec://",
            "exec:///check",
            "exec://../check",
            "exec://a/../b",
            "exec://a/check",
            "exec://.hidden",
            "exec://-x",
            "exec://a?b",
            "exec://a#b",
            "exec://u@a",
            "exec://a%2fb",
            "exec://check:80",
        ] {
            assert!(Target::template(bad).is_err(), "{bad}");
        }
        assert!(Target::parse("http://a/?x=${NAME}&y=${").is_ok(), "a literal");
        assert!(Target::parse("http://${HOST}/").is_err(), "not a host");
    }

    #[test]
    fn a_target_is_small_since_each_service_has_one() {
        assert!(size_of::<Target>() <= 24, "{} bytes", size_of::<Target>());
        let text_length = |text: &str| Target::template(text).unwrap().text.len();
        assert_eq!(text_length("http://a/"), 9, "parsed as it is written");
        assert_eq!(text_length("http://a"), 8 + 9);
        assert_eq!(text_length("http://a/$$"), 11 + 10);
        assert_eq!(text_length("http://${A}/"), 12);
    }

    proptest! {
        /// The text of a parsed URL is parsed to the same URL.
        #[test]
        fn a_target_keeps_its_url(
            scheme in prop::sample::select(SCHEMES.map(|(scheme, _, _)| scheme).to_vec()),
            user in prop_oneof![2 => Just(String::new()), 1 => "[a-zA-Z0-9%:ü~!$&'+,;=-]{0,9}@"],
            host in prop_oneof![
                "[a-zA-Z0-9_.-]{1,12}",
                "(xn--)?[a-z0-9üß日。-]{1,9}",
                "[0-9]{1,3}\\.[0-9x]{1,3}(\\.[0-9]{1,9}){0,2}",
                "\\[[0-9a-fA-F:.]{2,20}\\]",
            ],
            path in "(:[0-9]{0,5})?(/[a-z.%0-9ü\"<>^`{}|\\\\]{0,9}){0,3}",
            rest in "(\\?[ -~ü]{0,9})?(#[ -~]{0,5})?",
        ) {
            let text = format!("{scheme}://{user}{host}{path}{rest}");
            if let Ok(target) = Target::parse(&text) {
                let (kind, http) = as_http(&text).unwrap();
                prop_assert_eq!(target.parsed(), checked(kind, &http));
                prop_assert_eq!(target.as_str(), text);
            }
        }
    }

    #[test]
    fn a_bare_ipv6_address_is_a_host_where_no_port_can_follow() {
        for (text, url) in [
            ("icmp://2001:db8::1", "http://[2001:db8::1]/"),
            ("ICMP://2001:DB8:0::1/", "http://[2001:db8::1]/"),
            ("dns://2001:db8::1", "http://[2001:db8::1]:53/"),
            ("dns://[2001:db8::1]:5353", "http://[2001:db8::1]:5353/"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.as_str(), text, "as written");
            assert_eq!(target.url(&Variables::default()).unwrap().as_str(), url);
        }
        let host = Target::template("icmp://${HOST}").unwrap();
        let variables = [("HOST".to_owned(), "2001:db8::1".to_owned())].into();
        let filled = host.url(&Variables::new(variables)).unwrap();
        assert_eq!(filled.as_str(), "http://[2001:db8::1]/");
        let expected = |text| Target::parse(text).unwrap_err().to_string();
        assert!(expected("udp://2001:db8::1").contains("in brackets"));
        assert!(expected("sctp://a:80").contains("sctp, which is not supported"));
    }

    #[test]
    fn a_target_may_have_2083_characters_and_no_more() {
        let fits = format!("http://a/{}", "x".repeat(URL_MAX_CHARS - 9));
        assert!(Target::parse(&fits).is_ok());
        assert!(Target::parse(&format!("{fits}x")).is_err());
    }

    #[test]
    fn a_port_that_is_left_out_is_the_one_of_the_protocol() {
        let port =
            |text: &str| Target::parse(text).unwrap().url(&Variables::default()).unwrap().port();
        assert_eq!((port("ssh://a"), port("dns://a")), (Some(22), Some(53)));
        assert_eq!((port("ssh://a:2222"), port("ssh://a:80")), (Some(2222), None), "http's own");
    }

    #[test]
    fn the_name_of_a_plugin_is_case_sensitive() {
        let target = |text: &str| Target::parse(text).unwrap();
        let url = target("exec://Check_A").url(&Variables::default()).unwrap();
        assert_eq!(url.path(), "/Check_A");
        assert_eq!(target("exec://Check_A").shown(Requests::Masked), "exec://Check_A");
        assert!(target("exec://a").has_same_origin(&target("exec://a")));
        assert!(!target("exec://a").has_same_origin(&target("exec://A")));
    }

    #[test]
    fn variables_are_filled_for_each_probe() {
        let target = Target::template("https://u:${PASS}@${HOST}/x").unwrap();
        let with = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            target.url(&Variables::new(HashMap::from_iter(pairs)))
        };
        let url = with(&[("PASS", "p"), ("HOST", "a.example")]).unwrap();
        assert_eq!(url.as_str(), "https://u:p@a.example/x");
        let odd = with(&[("PASS", "p@evil.example/?#"), ("HOST", "a.example")]).unwrap();
        assert_eq!(odd.host_str(), Some("a.example"), "a password is not the host: {odd}");
        let twice = Target::template("http://a/$${X}/$$").unwrap();
        assert_eq!(twice.as_str(), "http://a/$${X}/$$", "stored as written");
        assert_eq!(twice.url(&Variables::default()).unwrap().path(), "/$%7BX%7D/$");
        assert_eq!(
            with(&[("PASS", "p")]).unwrap_err().to_string(),
            "environment variable HOST not set"
        );
        assert_eq!(with(&[("PASS", "p"), ("HOST", "a b")]), Err(TargetError::InvalidUrl));
        assert_eq!(target.variables(), ["PASS", "HOST"]);
    }

    #[test]
    fn the_origin_of_a_url_in_a_file_is_filled_and_the_rest_stays_a_template() {
        let pairs = [
            ("D", "example.org"),
            ("HP", "a.example:25"),
            ("URL", "https://u:p$x@a.example/x"),
            ("S", "https"),
            ("P", "8443"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = Variables::new(HashMap::from(pairs));
        for (written, filled) in [
            ("https://status.${D}/health", "https://status.example.org/health"),
            ("https://x.$D:${P}/$K?k=${K}", "https://x.example.org:8443/${K}?k=${K}"),
            ("https://u:${K}@$D/", "https://u:${K}@example.org/"),
            ("icmp://nas.${D}", "icmp://nas.example.org"),
            ("tcp://${HP}", "tcp://a.example:25"),
            ("${URL}", "https://u:p$$x@a.example/x"),
            ("$URL/deep?k=$K", "https://u:p$$x@a.example/x/deep?k=${K}"),
            ("${S}://${D}?a=b", "https://example.org?a=b"),
            ("$D", "example.org"),
            ("$URL/$K?to=https://x", "https://u:p$$x@a.example/x/${K}?to=https://x"),
            ("https://a/$$x", "https://a/$$x"),
        ] {
            assert_eq!(fill_origin(written, &variables).as_deref(), Ok(filled), "{written}");
        }
        for bad in ["https://${NO}.org/", "$NO/x", "https://a:${NO}/"] {
            assert_eq!(
                fill_origin(bad, &variables),
                Err(OriginError::Unset(UnsetVariable("NO".to_owned()))),
                "{bad}"
            );
        }
        assert!(matches!(fill_origin("https://${a b}/", &variables), Err(OriginError::Invalid(_))));
    }

    #[test]
    fn a_variable_may_be_any_part_of_a_host_and_port() {
        for good in [
            "https://status.${D}/",
            "https://${D}/",
            "https://x.${D}.org/",
            "https://a.${D}:8443/",
            "https://a.${D}:${P}/",
            "icmp://nas.${D}",
            "tcp://${HOST_AND_PORT}",
            "tcp://a:${P}",
        ] {
            assert!(Target::template(good).is_ok(), "{good}");
        }
        assert!(Target::template("tcp://a.${D}..b:1").is_err());
    }

    #[test]
    fn a_value_behind_the_host_is_used_as_it_is() {
        let target = Target::template("http://a/p?key=${KEY}&last=1").unwrap();
        for (value, path_and_query, fragment) in [
            ("plain", "/p?key=plain&last=1", None),
            ("a&b=c", "/p?key=a&b=c&last=1", None),
            ("a#b", "/p?key=a", Some("b&last=1")),
            ("a%23%26", "/p?key=a%23%26&last=1", None),
        ] {
            let variables = HashMap::from([("KEY".to_owned(), value.to_owned())]);
            let variables = Variables::new(variables);
            let url = target.url(&variables).unwrap();
            assert_eq!(&url[Position::BeforePath..Position::AfterQuery], path_and_query, "{value}");
            assert_eq!(url.fragment(), fragment, "{value}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = |text: &str| Target::template(text).unwrap().shown(Requests::Masked);
        assert_eq!(shown("http://u:p%40@a/x:y@z"), "http://u:***@a/x:y@z");
        assert_eq!(shown("http://u@a/"), "http://***@a/");
        assert_eq!(shown("http://a/?key=${K}&sig=1"), "http://a/?key=${K}&sig=***");
        assert_eq!(shown("http://u:${P}@a/"), "http://u:${P}@a/");
        assert_eq!(format!("{:?}", Target::parse("http://u:p@a/").unwrap()), "http://u:***@a/");
        let rejected = Target::parse("ftp://u:p@a/").unwrap_err().to_string();
        assert!(!rejected.contains(":p@"), "{rejected}");
        let rejected = Target::parse("http//u:p@a/").unwrap_err().to_string();
        assert!(!rejected.contains(":p@"), "{rejected}");
    }
}
