//! One look-up of a domain: which servers are queried, and in which order.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use url::Url;

use crate::domain::Invalid;
use crate::probe::net::policy::Policy;
use crate::probe::registry::cache::LookupFailure;
use crate::probe::registry::client::{Client, HttpAnswer};
use crate::probe::registry::mutex::locked;
use crate::probe::registry::news::{LookupCounts, NewsBox};
use crate::probe::registry::registration::Registration;
use crate::probe::registry::source::{BootstrapFile, BootstrapSource};
use crate::probe::registry::{rdap, whois};

/// Most servers of one registry that are queried in turn.
const SERVERS_LIMIT: usize = 3;

/// Largest answer of RDAP, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Most servers whose `Retry-After` is remembered, and most referrals of WHOIS.
const SERVERS_REMEMBERED: usize = 10_000;

/// How long the server to which WHOIS refers, and a `Retry-After`, are remembered at most.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Clone)]
pub struct Settings {
    pub bootstrap: BootstrapSource,
    /// Host and port of the root of WHOIS; `None` for no WHOIS.
    pub whois: Option<(String, u16)>,
}

/// A WHOIS server of a top-level domain, and the time of the root's answer.
type Referral = (Option<(String, u16)>, Instant);

/// The servers of all registries.
#[derive(Debug)]
pub struct Servers {
    bootstrap: BootstrapFile,
    whois: Option<(String, u16)>,
    /// When a server accepts requests again (`Retry-After`). Bound: [`SERVERS_REMEMBERED`].
    paused: Mutex<HashMap<String, Instant>>,
    /// By top-level domain. Bound: [`SERVERS_REMEMBERED`].
    referrals: Mutex<HashMap<String, Referral>>,
    pub news: NewsBox,
}

impl Servers {
    /// Fails for an unusable bootstrap file.
    pub fn new(settings: Settings) -> Result<Self, Invalid> {
        Ok(Self {
            bootstrap: BootstrapFile::new(settings.bootstrap)?,
            whois: settings.whois,
            paused: Mutex::default(),
            referrals: Mutex::default(),
            news: NewsBox::default(),
        })
    }

    /// Queries the registry of `domain`: by RDAP, and by WHOIS if it has no RDAP server or RDAP
    /// shows no date.
    pub async fn look_up(
        &self,
        client: &Client,
        domain: &str,
    ) -> Result<Registration, LookupFailure> {
        let (bootstrap, read) = self.bootstrap.current(client).await;
        if let Err(why) = read {
            self.news.add(|news| news.bootstrap_failure = Some(why));
        }
        let servers = bootstrap.servers(domain);
        if servers.is_empty() {
            let suffix = suffix_of(domain);
            let no_server = || LookupFailure::new(format!("WHOIS: no server for .{suffix}"));
            return self.by_whois(client, domain).await?.ok_or_else(no_server);
        }
        let by_rdap = self.by_rdap(client, servers, domain).await?;
        if matches!(by_rdap, Registration::Expires(_)) || self.whois.is_none() {
            return Ok(by_rdap);
        }
        // Some registries publish the expiry by WHOIS only, or have not all of their suffixes in
        // RDAP. A failure of WHOIS leaves open what it would have said.
        Ok(self.by_whois(client, domain).await?.unwrap_or(by_rdap))
    }

    async fn by_rdap(
        &self,
        client: &Client,
        servers: &[Url],
        domain: &str,
    ) -> Result<Registration, LookupFailure> {
        let mut failure = LookupFailure::new("its registry has no RDAP server");
        for server in servers.iter().take(SERVERS_LIMIT) {
            let result = self.ask_rdap(client, server, domain).await;
            self.count(|counts| match &result {
                Ok(_) => counts.rdap_answered += 1,
                Err(_) => counts.rdap_failed += 1,
            });
            match result {
                Ok(registration) => return Ok(registration),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn ask_rdap(
        &self,
        client: &Client,
        server: &Url,
        domain: &str,
    ) -> Result<Registration, LookupFailure> {
        let name = server.authority();
        let failed = |why: &str| LookupFailure::new(format!("RDAP at {name}: {why}"));
        if let Some(retry_after) = self.pause_of(name) {
            let why = failed("the server limits the number of requests");
            return Err(LookupFailure { retry_after: Some(retry_after), ..why });
        }
        let url = rdap::domain_url(server, domain).ok_or_else(|| failed("no valid URL"))?;
        let answer = client.get(&url, ANSWER_LIMIT).await.map_err(|why| failed(&why))?;
        match answer {
            HttpAnswer { status: 200, body, .. } => {
                rdap::parse(domain, &body).map_err(|why| failed(&why))
            }
            HttpAnswer { status: 404, .. } => Ok(Registration::Unregistered),
            HttpAnswer { status, retry_after, .. } => {
                if let Some(pause) = retry_after.filter(|_| matches!(status, 429 | 503)) {
                    let until = Instant::now() + pause.min(REMEMBERED_FOR);
                    remember(&self.paused, name, until);
                }
                let why = failed(&format!("status {status}"));
                Err(LookupFailure { retry_after, ..why })
            }
        }
    }

    /// Time for which the server `name` still refuses requests.
    fn pause_of(&self, name: &str) -> Option<Duration> {
        let until = *locked(&self.paused).get(name)?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// `None` when the registry has no WHOIS server.
    async fn by_whois(
        &self,
        client: &Client,
        domain: &str,
    ) -> Result<Option<Registration>, LookupFailure> {
        let suffix = suffix_of(domain);
        let Some(root) = &self.whois else {
            let detail = format!("the registry of .{suffix} has no RDAP server, and WHOIS is off");
            return Err(LookupFailure::new(detail));
        };
        let result = self.ask_whois(client, root, suffix, domain).await;
        self.count(|counts| match &result {
            Ok(Some(_)) => counts.whois_answered += 1,
            Ok(None) => {}
            Err(_) => counts.whois_failed += 1,
        });
        result
    }

    async fn ask_whois(
        &self,
        client: &Client,
        root: &(String, u16),
        suffix: &str,
        domain: &str,
    ) -> Result<Option<Registration>, LookupFailure> {
        let failed = |host: &str, why: &str| LookupFailure::new(format!("WHOIS at {host}: {why}"));
        let known = locked(&self.referrals).get(suffix).cloned();
        let known = known.filter(|(_, at)| at.elapsed() < REMEMBERED_FOR);
        let server = match known {
            Some((server, _)) => server,
            None => {
                let question = whois::question(&root.0, suffix);
                let answer = client.whois(root, &Policy::default(), &question).await;
                let answer = answer.map_err(|why| failed(&root.0, &why))?;
                let server = whois::referral(&answer);
                if server.is_none() && !whois::is_record(&answer) {
                    return Err(failed(&root.0, &format!("no answer for .{suffix}")));
                }
                remember(&self.referrals, suffix, (server.clone(), Instant::now()));
                server
            }
        };
        let Some(server) = server else { return Ok(None) };
        let question = whois::question(&server.0, domain);
        let answer = client.whois(&server, &client.policy, &question).await;
        let answer = answer.map_err(|why| failed(&server.0, &why))?;
        whois::parse(&answer).map(Some).map_err(|why| failed(&server.0, &why))
    }

    fn count(&self, add: impl FnOnce(&mut LookupCounts)) {
        self.news.add(|news| add(&mut news.counts));
    }
}

fn suffix_of(domain: &str) -> &str {
    domain.rsplit('.').next().unwrap_or_default()
}

/// Adds an entry; at [`SERVERS_REMEMBERED`], others are forgotten first.
fn remember<V>(map: &Mutex<HashMap<String, V>>, key: &str, value: V) {
    let mut map = locked(map);
    if map.len() >= SERVERS_REMEMBERED {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}
