//! Which request may pass: by its host, its origin, its method and its token. Pure.
//!
//! Without a token, a request must name this service in `Host`, against DNS rebinding; and a write
//! must not come from a page of another origin, against cross-site request forgery.

use super::host::{Authority, OwnHosts};

/// Which requests may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteAccess {
    /// Requests with the API token.
    Token,
    /// Every request, since the API listens on a loopback address only.
    Loopback,
    /// No request.
    Denied,
}

/// The bearer token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Missing,
    /// Not the API token. On a route with its own token, the handler judges it.
    Other,
    /// The API token.
    Right,
}

/// What a request shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Not GET, HEAD or OPTIONS.
    pub is_write: bool,
    /// The response is for clients with the API token, when one is configured.
    pub is_confidential: bool,
    /// The route requires a token of its own, as heartbeats do.
    pub has_own_token: bool,
    pub credential: Credential,
    /// The authority of a request target in absolute form.
    pub target: Option<&'a str>,
    /// The values of all `Host` headers; empty when they are not text.
    pub hosts: &'a [&'a str],
    /// The values of all `Origin` headers.
    pub origins: &'a [&'a str],
    /// The values of all `Sec-Fetch-Site` headers.
    pub fetch_sites: &'a [&'a str],
}

/// Why a request may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 421: the request names this host, or `None`.
    Host(Option<String>),
    /// 403: a write from a page of another origin.
    Origin,
    /// 403: no request may write.
    WritesDisabled,
    /// 401: the token that a write or a confidential read requires is missing or wrong.
    Token,
}

/// The rules of one configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub own_hosts: OwnHosts,
    pub writes: WriteAccess,
}

impl Policy {
    pub fn decide(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        if request.credential == Credential::Right {
            return Ok(());
        }
        if !request.is_write {
            self.check_host(request)?;
            let requires_token = request.is_confidential && self.writes == WriteAccess::Token;
            return if requires_token { Err(Refusal::Token) } else { Ok(()) };
        }
        if request.has_own_token {
            return match request.credential {
                Credential::Missing => self.check_open_write(request),
                _ => Ok(()),
            };
        }
        match (self.writes, request.credential) {
            (WriteAccess::Loopback, _) => self.check_open_write(request),
            (WriteAccess::Denied, _) => {
                self.check_host(request)?;
                Err(Refusal::WritesDisabled)
            }
            (WriteAccess::Token, Credential::Missing) => {
                self.check_origin(request)?;
                Err(Refusal::Token)
            }
            (WriteAccess::Token, _) => Err(Refusal::Token),
        }
    }

    fn check_open_write(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        self.check_host(request)?;
        self.check_origin(request)
    }

    /// Every host that the request names must be this service, and one must be named.
    fn check_host(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        let is_own =
            |text: &str| Authority::parse(text).is_some_and(|it| self.own_hosts.contains(&it.host));
        let named = || request.target.into_iter().chain(request.hosts.iter().copied());
        match named().find(|text| !is_own(text)) {
            Some(foreign) => Err(Refusal::Host(Some(foreign.to_owned()))),
            None if request.hosts.len() > 1 => Err(Refusal::Host(Some(request.hosts.join(", ")))),
            None if named().next().is_none() => Err(Refusal::Host(None)),
            None => Ok(()),
        }
    }

    fn check_origin(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        let requested = request.target.or(request.hosts.first().copied());
        let requested = requested.and_then(Authority::parse);
        let mut origins = request.origins.iter();
        let mut sites = request.fetch_sites.iter();
        let is_own = origins.all(|it| self.own_hosts.is_own_origin(it, requested.as_ref()))
            && sites.all(|site| ["same-origin", "none"].contains(site));
        if is_own { Ok(()) } else { Err(Refusal::Origin) }
    }
}

#[cfg(test)]
mod tests {
    use url::Host;

    use super::*;

    const OWN: &str = "localhost:9999";
    const EVIL: &str = "evil.example:9999";

    /// The accepted requests are 0, refusals their status.
    fn status(policy: &Policy, request: &Facts<'_>) -> u16 {
        match policy.decide(request) {
            Ok(()) => 0,
            Err(Refusal::Host(_)) => 421,
            Err(Refusal::Origin | Refusal::WritesDisabled) => 403,
            Err(Refusal::Token) => 401,
        }
    }

    fn policy(writes: WriteAccess) -> Policy {
        let listens_on = match writes {
            WriteAccess::Denied => "0.0.0.0",
            WriteAccess::Loopback | WriteAccess::Token => "127.0.0.1",
        };
        let names = [Host::parse("mon.example.org").unwrap()];
        Policy { own_hosts: OwnHosts::new(listens_on.parse().unwrap(), names), writes }
    }

    #[test]
    fn the_matrix_of_host_origin_method_and_token() {
        use Credential::{Missing, Other, Right};
        let no_origin: &[&str] = &[];
        let origins: [(&[&str], &[&str], bool); 9] = [
            (no_origin, &[], true),
            (&["http://localhost:9999"], &["same-origin"], true),
            (no_origin, &["none"], true),
            (&["http://evil.example"], &["cross-site"], false),
            (&["http://evil.example"], &[], false),
            (&["null"], &[], false),
            (no_origin, &["cross-site"], false),
            (&["http://localhost:9999"], &["same-site"], false),
            (&["http://localhost:9999", "http://evil.example"], &[], false),
        ];
        let hosts: [(&[&str], bool); 5] = [
            (&[OWN], true),
            (&["mon.example.org"], true),
            (&[EVIL], false),
            (&[], false),
            (&[OWN, EVIL], false),
        ];
        let mut cases = 0;
        for writes in [WriteAccess::Loopback, WriteAccess::Token, WriteAccess::Denied] {
            for (hosts, is_own_host) in hosts {
                for (origins, fetch_sites, mut is_own_origin) in origins {
                    // The origin is compared with the host of the request.
                    is_own_origin &= origins.is_empty() || hosts.first() == Some(&OWN);
                    for (is_write, has_own_token) in [(false, false), (true, false), (true, true)] {
                        for credential in [Missing, Other, Right] {
                            let facts = Facts {
                                is_write,
                                is_confidential: false,
                                has_own_token,
                                credential,
                                target: None,
                                hosts,
                                origins,
                                fetch_sites,
                            };
                            let open_write = match (is_own_host, is_own_origin) {
                                (false, _) => 421,
                                (true, false) => 403,
                                (true, true) => 0,
                            };
                            let expected = match (is_write, has_own_token, writes, credential) {
                                (_, _, _, Right) => 0,
                                (false, ..) => {
                                    if is_own_host {
                                        0
                                    } else {
                                        421
                                    }
                                }
                                (true, true, _, Missing) => open_write,
                                (true, true, _, Other) => 0,
                                (true, false, WriteAccess::Loopback, _) => open_write,
                                (true, false, WriteAccess::Token, Missing) => {
                                    if is_own_origin {
                                        401
                                    } else {
                                        403
                                    }
                                }
                                (true, false, WriteAccess::Token, Other) => 401,
                                (true, false, WriteAccess::Denied, _) => {
                                    if is_own_host {
                                        403
                                    } else {
                                        421
                                    }
                                }
                            };
                            let found = status(&policy(writes), &facts);
                            assert_eq!(found, expected, "{writes:?} {facts:?}");
                            cases += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(cases, 3 * 5 * 9 * 3 * 3);
    }

    #[test]
    fn a_target_in_absolute_form_is_a_host_too() {
        let facts = |target, hosts| Facts {
            is_write: false,
            is_confidential: false,
            has_own_token: false,
            credential: Credential::Missing,
            target: Some(target),
            hosts,
            origins: &[],
            fetch_sites: &[],
        };
        let policy = policy(WriteAccess::Loopback);
        assert_eq!(status(&policy, &facts(OWN, &[OWN])), 0);
        assert_eq!(status(&policy, &facts(OWN, &[])), 0);
        assert_eq!(status(&policy, &facts(EVIL, &[OWN])), 421);
        assert_eq!(status(&policy, &facts(OWN, &[EVIL])), 421);
        assert_eq!(status(&policy, &facts("localhost@evil.example", &[OWN])), 421);
    }
    #[test]
    fn a_confidential_read_requires_the_token_when_there_is_one() {
        use Credential::{Missing, Other, Right};
        for (writes, credential, host, expected) in [
            (WriteAccess::Token, Missing, OWN, 401),
            (WriteAccess::Token, Other, OWN, 401),
            (WriteAccess::Token, Right, OWN, 0),
            (WriteAccess::Token, Missing, EVIL, 421),
            (WriteAccess::Loopback, Missing, OWN, 0),
            (WriteAccess::Loopback, Missing, EVIL, 421),
            (WriteAccess::Denied, Missing, "192.0.2.1:9999", 0),
        ] {
            let facts = Facts {
                is_write: false,
                is_confidential: true,
                has_own_token: false,
                credential,
                target: None,
                hosts: &[host],
                origins: &[],
                fetch_sites: &[],
            };
            assert_eq!(status(&policy(writes), &facts), expected, "{writes:?} {facts:?}");
        }
    }
}
