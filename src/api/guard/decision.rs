//! Which request may pass: by its host, its origin, its method and its token. Pure.
//!
//! Without a token, a request must name this service in `Host`, against DNS rebinding; and a change
//! must not come from a page of another origin, against cross-site request forgery. A change by the
//! cookie of a session must show that it comes from an own page.

use super::host::{Authority, OwnHosts};
use super::routes::{Limited, Required};
use crate::domain::access::{Caller, Proof, Scope, Scopes, TokenState, Who};

/// Which requests may change something without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteAccess {
    /// None: a token is required.
    Token,
    /// Every request, since the API listens on a loopback address only.
    Loopback,
    /// None, and `API_TOKEN` is not set. Tokens of the store pass.
    Denied,
}

/// What a request shows as its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    Missing,
    /// Not a token of this service by its form. On a route with its own token, the handler judges
    /// it.
    Other,
    /// A token of this service by its form, which it does not know.
    Unknown,
    /// A token that has expired or was revoked.
    Ended(TokenState),
    Known(Caller),
}

/// What a request shows of itself.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Not GET, HEAD or OPTIONS; or a heartbeat.
    pub is_change: bool,
    pub required: Required,
    pub limited: Limited,
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
    /// 403: a change from a page of another origin.
    Origin,
    /// 403: a change by a cookie that does not show that it comes from an own page.
    CookieOrigin,
    /// 403: no request may change anything without a token.
    WritesDisabled,
    /// 401: the token that the request requires is missing or wrong.
    Token,
    /// 403: the token lacks the scope; `None` for a route that requires any.
    Scope(Option<Scope>),
    /// 403: the route concerns the whole monitor, and the token is limited to groups.
    Groups,
}

/// The rules of one configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub own_hosts: OwnHosts,
    pub writes: WriteAccess,
    /// Whether reads need no token.
    pub reads_are_open: bool,
}

impl Policy {
    /// The caller of a request that may pass.
    pub fn decide(&self, request: &Facts<'_>) -> Result<Caller, Refusal> {
        match &request.credential {
            Credential::Known(caller) => {
                if request.is_change && matches!(caller.proof, Proof::Cookie(_)) {
                    self.check_own_page(request)?;
                }
                check_caller(caller, request.required, request.limited)?;
                Ok(caller.clone())
            }
            Credential::Unknown if request.required != Required::OwnToken => {
                self.refuse_token(request)
            }
            Credential::Ended(_) => self.refuse_token(request),
            Credential::Missing | Credential::Other | Credential::Unknown => {
                self.decide_without_token(request)
            }
        }
    }

    /// Who a request without a token is; `None` when every request requires one.
    pub fn anonymous(&self) -> Option<Caller> {
        match self.writes {
            WriteAccess::Loopback => Some(Caller::anonymous(Who::ThisMachine, Scopes::ALL)),
            _ if self.reads_are_open => {
                Some(Caller::anonymous(Who::Open, Scopes::from_iter([Scope::Read])))
            }
            _ => None,
        }
    }

    /// A wrong token is refused even where none is required: its owner believes in it. Health and
    /// readiness are shown all the same.
    fn refuse_token(&self, request: &Facts<'_>) -> Result<Caller, Refusal> {
        if request.required == Required::Nothing && !request.is_change {
            return self.decide_without_token(request);
        }
        self.check_host_of_open(request)?;
        Err(Refusal::Token)
    }

    fn decide_without_token(&self, request: &Facts<'_>) -> Result<Caller, Refusal> {
        let anonymous = self.anonymous();
        let nobody = || Caller::anonymous(Who::Open, Scopes::NONE);
        if request.required == Required::OwnToken {
            if request.credential == Credential::Missing {
                self.check_host(request)?;
                self.check_origin(request)?;
            }
            return Ok(nobody());
        }
        if request.required == Required::Nothing {
            self.check_host_of_open(request)?;
            if request.is_change {
                self.check_origin(request)?;
            }
            return Ok(anonymous.unwrap_or_else(nobody));
        }
        if !request.is_change {
            self.check_host_of_open(request)?;
            let is_confidential = request.required == Required::Confidential;
            let must_show = is_confidential && self.writes == WriteAccess::Token;
            let permitted = anonymous.filter(|caller| {
                !must_show && check_caller(caller, request.required, request.limited).is_ok()
            });
            return permitted.ok_or(Refusal::Token);
        }
        match (self.writes, &request.credential) {
            (WriteAccess::Loopback, _) => {
                self.check_host(request)?;
                self.check_origin(request)?;
                anonymous.ok_or(Refusal::Token)
            }
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

    /// The host of a request that needs no token must be this service: a page of another site
    /// reaches it by DNS rebinding.
    fn check_host_of_open(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        if self.reads_are_open { self.check_host(request) } else { Ok(()) }
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
        let mut sites = request.fetch_sites.iter();
        let is_own = self.are_own_origins(request)
            && sites.all(|site| ["same-origin", "none"].contains(site));
        if is_own { Ok(()) } else { Err(Refusal::Origin) }
    }

    /// A change by a cookie must say that it comes from an own page: browsers add `Origin` to every
    /// such request.
    fn check_own_page(&self, request: &Facts<'_>) -> Result<(), Refusal> {
        let sites = request.fetch_sites;
        let says_so = sites.contains(&"same-origin") || !request.origins.is_empty();
        let is_own = says_so
            && self.are_own_origins(request)
            && sites.iter().all(|site| *site == "same-origin");
        if is_own { Ok(()) } else { Err(Refusal::CookieOrigin) }
    }

    fn are_own_origins(&self, request: &Facts<'_>) -> bool {
        let requested = request.target.or(request.hosts.first().copied());
        let requested = requested.and_then(Authority::parse);
        let mut origins = request.origins.iter();
        origins.all(|it| self.own_hosts.is_own_origin(it, requested.as_ref()))
    }
}

/// Whether the scopes and the groups of a caller permit the request.
fn check_caller(caller: &Caller, required: Required, limited: Limited) -> Result<(), Refusal> {
    let scope = match required {
        Required::Nothing | Required::AnyScope => None,
        // By a cookie, the handler judges the token of the service.
        Required::OwnToken => (caller.proof == Proof::Header).then_some(Scope::Heartbeat),
        Required::Scope(scope) => Some(scope),
        Required::Confidential => Some(Scope::Read),
    };
    if let Some(scope) = scope.filter(|scope| !caller.may(*scope)) {
        return Err(Refusal::Scope(Some(scope)));
    }
    if limited == Limited::Refused && caller.groups.is_limited() {
        return Err(Refusal::Groups);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use url::Host;

    use super::*;
    use crate::domain::access::{GroupLimit, TokenHash};

    const OWN: &str = "localhost:9999";
    const EVIL: &str = "evil.example:9999";
    const READ: Required = Required::Scope(Scope::Read);
    const WRITE: Required = Required::Scope(Scope::Write);
    const ADMIN: Required = Required::Scope(Scope::Admin);

    /// The accepted requests are 0, refusals their status.
    fn status(policy: &Policy, request: &Facts<'_>) -> u16 {
        match policy.decide(request) {
            Ok(_) => 0,
            Err(Refusal::Host(_)) => 421,
            Err(Refusal::Token) => 401,
            Err(_) => 403,
        }
    }

    fn policy(writes: WriteAccess, reads_are_open: bool) -> Policy {
        let listens_on = match writes {
            WriteAccess::Denied => "0.0.0.0",
            WriteAccess::Loopback | WriteAccess::Token => "127.0.0.1",
        };
        let names = [Host::parse("mon.example.org").unwrap()];
        let own_hosts = OwnHosts::new(listens_on.parse().unwrap(), names);
        Policy { own_hosts, writes, reads_are_open }
    }

    fn right() -> Credential {
        Credential::Known(Caller::api_token(Proof::Header))
    }

    fn known(scopes: &[Scope], groups: GroupLimit, proof: Proof) -> Credential {
        let who = Who::Token { id: 1, name: "a".to_owned() };
        let scopes = scopes.iter().copied().collect();
        Credential::Known(Caller { who, scopes, groups, proof })
    }

    fn facts(is_change: bool, required: Required, credential: Credential) -> Facts<'static> {
        Facts {
            is_change,
            required,
            limited: Limited::Within,
            credential,
            target: None,
            hosts: &[OWN],
            origins: &[],
            fetch_sites: &[],
        }
    }

    #[test]
    fn the_matrix_of_host_origin_method_and_token() {
        use Credential::{Known, Missing, Other};
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
                    for (is_change, required) in
                        [(false, READ), (true, WRITE), (true, Required::OwnToken)]
                    {
                        for credential in [Missing, Other, right()] {
                            let facts = Facts {
                                hosts,
                                origins,
                                fetch_sites,
                                ..facts(is_change, required, credential.clone())
                            };
                            let open_change = match (is_own_host, is_own_origin) {
                                (false, _) => 421,
                                (true, false) => 403,
                                (true, true) => 0,
                            };
                            let has_own_token = required == Required::OwnToken;
                            let expected = match (is_change, has_own_token, writes, credential) {
                                (_, _, _, Known(_)) => 0,
                                (false, ..) => {
                                    if is_own_host {
                                        0
                                    } else {
                                        421
                                    }
                                }
                                (true, true, _, Missing) => open_change,
                                (true, true, ..) => 0,
                                (true, false, WriteAccess::Loopback, _) => open_change,
                                (true, false, WriteAccess::Token, Missing) => {
                                    if is_own_origin {
                                        401
                                    } else {
                                        403
                                    }
                                }
                                (true, false, WriteAccess::Token, _) => 401,
                                (true, false, WriteAccess::Denied, _) => {
                                    if is_own_host {
                                        403
                                    } else {
                                        421
                                    }
                                }
                            };
                            let found = status(&policy(writes, true), &facts);
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
            target: Some(target),
            hosts,
            ..facts(false, READ, Credential::Missing)
        };
        let policy = policy(WriteAccess::Loopback, true);
        assert_eq!(status(&policy, &facts(OWN, &[OWN])), 0);
        assert_eq!(status(&policy, &facts(OWN, &[])), 0);
        assert_eq!(status(&policy, &facts(EVIL, &[OWN])), 421);
        assert_eq!(status(&policy, &facts(OWN, &[EVIL])), 421);
        assert_eq!(status(&policy, &facts("localhost@evil.example", &[OWN])), 421);
    }

    #[test]
    fn a_confidential_read_requires_the_token_when_there_is_one() {
        use Credential::{Missing, Other};
        for (writes, credential, host, expected) in [
            (WriteAccess::Token, Missing, OWN, 401),
            (WriteAccess::Token, Other, OWN, 401),
            (WriteAccess::Token, right(), OWN, 0),
            (WriteAccess::Token, Missing, EVIL, 421),
            (WriteAccess::Loopback, Missing, OWN, 0),
            (WriteAccess::Loopback, Missing, EVIL, 421),
            (WriteAccess::Denied, Missing, "192.0.2.1:9999", 0),
        ] {
            let hosts = [host];
            let facts = Facts { hosts: &hosts, ..facts(false, Required::Confidential, credential) };
            assert_eq!(status(&policy(writes, true), &facts), expected, "{writes:?} {facts:?}");
        }
    }

    #[test]
    fn while_reads_require_a_token_only_health_and_the_login_are_open() {
        let policy = policy(WriteAccess::Denied, false);
        for required in [READ, Required::AnyScope, Required::Confidential, ADMIN] {
            let missing = facts(false, required, Credential::Missing);
            assert_eq!(status(&policy, &missing), 401);
            let rebound = Facts { hosts: &[EVIL], ..missing };
            assert_eq!(status(&policy, &rebound), 401, "nothing is shown to any host");
        }
        for credential in [Credential::Missing, Credential::Other, Credential::Unknown] {
            let health = facts(false, Required::Nothing, credential);
            let caller = policy.decide(&health).unwrap();
            assert!(!caller.may(Scope::Metrics) && !caller.has_token());
        }
        let login = facts(true, Required::Nothing, Credential::Missing);
        assert_eq!(status(&policy, &login), 0);
        let foreign = Facts { origins: &["http://evil.example"], ..login };
        assert_eq!(status(&policy, &foreign), 403);
    }

    #[test]
    fn an_open_read_shows_nothing_that_requires_more() {
        let missing = |required| facts(false, required, Credential::Missing);
        for (writes, admin) in
            [(WriteAccess::Loopback, 0), (WriteAccess::Token, 401), (WriteAccess::Denied, 401)]
        {
            let policy = policy(writes, true);
            assert_eq!(status(&policy, &missing(ADMIN)), admin, "{writes:?}");
            assert_eq!(status(&policy, &missing(Required::Scope(Scope::Metrics))), 0);
            let who = policy.decide(&missing(Required::AnyScope)).unwrap().who;
            let this_machine = writes == WriteAccess::Loopback;
            assert_eq!(who, if this_machine { Who::ThisMachine } else { Who::Open });
        }
    }

    #[test]
    fn a_token_is_taken_at_its_word_even_where_none_is_required() {
        let policy = policy(WriteAccess::Loopback, true);
        for wrong in [
            Credential::Unknown,
            Credential::Ended(TokenState::Expired),
            Credential::Ended(TokenState::Revoked),
        ] {
            assert_eq!(status(&policy, &facts(false, READ, wrong.clone())), 401);
            assert_eq!(status(&policy, &facts(true, WRITE, wrong.clone())), 401);
            assert_eq!(status(&policy, &facts(false, Required::Nothing, wrong)), 0);
        }
        let read = || known(&[Scope::Read], GroupLimit::NONE, Proof::Header);
        assert_eq!(status(&policy, &facts(false, READ, read())), 0);
        assert_eq!(
            policy.decide(&facts(true, WRITE, read())),
            Err(Refusal::Scope(Some(Scope::Write)))
        );
        assert_eq!(status(&policy, &facts(true, Required::OwnToken, read())), 403);
        let limited = |proof| known(&[Scope::Write], GroupLimit::to(["core".to_owned()]), proof);
        let whole =
            Facts { limited: Limited::Refused, ..facts(false, READ, limited(Proof::Header)) };
        assert_eq!(policy.decide(&whole), Err(Refusal::Groups));
        assert_eq!(status(&policy, &facts(true, WRITE, limited(Proof::Header))), 0);
    }

    #[test]
    fn a_change_by_a_cookie_must_come_from_an_own_page() {
        let cookie = || {
            let proof = Proof::Cookie(TokenHash([1; 32]));
            known(&[Scope::Write], GroupLimit::NONE, proof)
        };
        let own: &[&str] = &["http://localhost:9999"];
        for (origins, sites, is_own) in [
            (&[][..], &[][..], false),
            (&[], &["none"], false),
            (&[], &["same-origin"], true),
            (own, &[], true),
            (own, &["same-origin"], true),
            (own, &["same-site"], false),
            (&["http://evil.example"], &[], false),
            (&["http://evil.example"], &["same-origin"], false),
            (&["null"], &["same-origin"], false),
            (own, &["same-origin", "cross-site"], false),
        ] {
            for writes in [WriteAccess::Loopback, WriteAccess::Token, WriteAccess::Denied] {
                let policy = policy(writes, true);
                let change = Facts { origins, fetch_sites: sites, ..facts(true, WRITE, cookie()) };
                let expected = if is_own { 0 } else { 403 };
                assert_eq!(status(&policy, &change), expected, "{origins:?} {sites:?}");
                let read = Facts { is_change: false, required: READ, ..change };
                assert_eq!(status(&policy, &read), 0, "SameSite keeps the cookie off");
            }
        }
    }
}
