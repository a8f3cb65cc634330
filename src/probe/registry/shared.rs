//! The look-ups of all probes of the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use url::Url;

use crate::bounded_file;
use crate::clock::unix_ms;
use crate::domain::Invalid;
use crate::probe::net::policy::Policy;
use crate::probe::registry::bootstrap::Bootstrap;
use crate::probe::registry::cache::{Answer, Cache, DOMAINS_LIMIT, Flight, LookupFailure};
use crate::probe::registry::client::{Client, HttpAnswer};
use crate::probe::registry::registration::Registration;
use crate::probe::registry::{rdap, whois};

/// Most look-ups at once.
const LOOKUPS_LIMIT: usize = 8;

/// Most probes that wait for the first look-up of their domain; others are judged without it.
const WAITING_LIMIT: usize = 128;

/// Most servers of one registry that are asked in turn.
const SERVERS_LIMIT: usize = 3;

/// Largest answer of RDAP, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Largest bootstrap file, in bytes.
const BOOTSTRAP_LIMIT: usize = 4 * 1024 * 1024;

/// Most servers whose `Retry-After` is remembered, and most referrals of WHOIS.
const SERVERS_REMEMBERED: usize = 10_000;

/// How long the server to which WHOIS refers is remembered.
const REFERRAL_HOLDS: Duration = Duration::from_secs(24 * 3_600);

/// Where the bootstrap file of RDAP comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapSource {
    /// The file within the program.
    Embedded,
    /// Read again for a look-up, at most every minute.
    File(PathBuf),
    /// Fetched for a look-up, at most once a day, and after a failure at most once an hour.
    Url(Url),
}

impl BootstrapSource {
    /// Shortest time between two reads of the file; the second one after a failure.
    fn periods(&self) -> (Duration, Duration) {
        match self {
            Self::Embedded => (Duration::MAX, Duration::MAX),
            Self::File(_) => (Duration::from_secs(60), Duration::from_secs(60)),
            Self::Url(_) => (Duration::from_secs(24 * 3_600), Duration::from_secs(3_600)),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub bootstrap: BootstrapSource,
    /// Host and port of the root of WHOIS; `None` for no WHOIS.
    pub whois: Option<(String, u16)>,
}

/// Look-ups by protocol and result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookupCounts {
    pub rdap_answered: u64,
    pub rdap_failed: u64,
    pub whois_answered: u64,
    pub whois_failed: u64,
}

/// What happened since the last [`DomainRegistry::take_news`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RegistryNews {
    pub counts: LookupCounts,
    /// Why the bootstrap file could not be read.
    pub bootstrap_failure: Option<String>,
}

#[derive(Debug)]
struct BootstrapState {
    current: Arc<Bootstrap>,
    /// `None` for never.
    next_at: Option<Instant>,
}

/// A WHOIS server of a top-level domain, and when the root said so.
type Referral = (Option<(String, u16)>, Instant);

/// Answers of registries, and the rules of asking them.
#[derive(Debug)]
pub struct DomainRegistry {
    settings: Settings,
    cache: Mutex<Cache>,
    bootstrap: Mutex<BootstrapState>,
    /// Until when a server wants no requests. Bound: [`SERVERS_REMEMBERED`].
    paused: Mutex<HashMap<String, Instant>>,
    /// By top-level domain. Bound: [`SERVERS_REMEMBERED`].
    referrals: Mutex<HashMap<String, Referral>>,
    lookups: Semaphore,
    waiting: Semaphore,
    news: Mutex<RegistryNews>,
    has_news: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DomainRegistry {
    /// The error is about the bootstrap file.
    pub fn new(settings: Settings) -> Result<Self, Invalid> {
        let current = match &settings.bootstrap {
            BootstrapSource::File(file) => Arc::new(read_bootstrap(file)?),
            BootstrapSource::Embedded | BootstrapSource::Url(_) => Bootstrap::embedded(),
        };
        let next_at = match &settings.bootstrap {
            BootstrapSource::Embedded => None,
            BootstrapSource::File(_) => Some(Instant::now() + settings.bootstrap.periods().0),
            BootstrapSource::Url(_) => Some(Instant::now()),
        };
        Ok(Self {
            settings,
            cache: Mutex::new(Cache::new(DOMAINS_LIMIT)),
            bootstrap: Mutex::new(BootstrapState { current, next_at }),
            paused: Mutex::default(),
            referrals: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS_LIMIT),
            waiting: Semaphore::new(WAITING_LIMIT),
            news: Mutex::default(),
            has_news: AtomicBool::new(false),
        })
    }

    /// Starts a look-up of `domain` when one is due.
    pub fn prepare(self: &Arc<Self>, client: &Rc<Client>, domain: &str) {
        drop(self.status(client, domain));
    }

    /// What is known about `domain`. While nothing is, waits until `deadline` for the look-up under
    /// way. The error says why nothing is known.
    pub async fn registration(
        self: &Arc<Self>,
        client: &Rc<Client>,
        domain: &str,
        deadline: Instant,
    ) -> Answer {
        let not_yet = || Err("its first look-up has not ended".to_owned());
        let (answer, flight) = self.status(client, domain);
        let mut flight = match (answer, flight) {
            (Some(answer), _) => return answer,
            (None, Some(flight)) => flight,
            (None, None) => return not_yet(),
        };
        let Ok(_waiting) = self.waiting.try_acquire() else { return not_yet() };
        // An error of the channel is the end of the look-up.
        let ended = tokio::time::timeout_at(deadline.into(), flight.changed()).await;
        if ended.is_err() {
            return not_yet();
        }
        self.status(client, domain).0.unwrap_or_else(not_yet)
    }

    /// The answer that holds, and the look-up under way, which is started when it is due.
    fn status(
        self: &Arc<Self>,
        client: &Rc<Client>,
        domain: &str,
    ) -> (Option<Answer>, Option<Flight>) {
        let status = locked(&self.cache).get(domain, Instant::now());
        if let Some(start) = status.start {
            self.start(client, domain, start);
        }
        (status.answer, status.flight)
    }

    fn start(self: &Arc<Self>, client: &Rc<Client>, domain: &str, start: watch::Sender<()>) {
        let (registry, client, domain) = (Arc::clone(self), Rc::clone(client), domain.to_owned());
        actix_rt::spawn(async move {
            let result = registry.look_up(&client, &domain).await;
            locked(&registry.cache).finish(&domain, &result, Instant::now(), unix_ms() / 1_000);
            // Wakes the probes that wait.
            drop(start);
        });
    }

    async fn look_up(&self, client: &Client, domain: &str) -> Result<Registration, LookupFailure> {
        let _slot = self.lookups.acquire().await;
        let bootstrap = self.bootstrap(client).await;
        let servers = bootstrap.servers(domain);
        if servers.is_empty() {
            return self.look_up_by_whois(client, domain).await;
        }
        let by_rdap = self.look_up_by_rdap(client, servers, domain).await?;
        if matches!(by_rdap, Registration::Expires(_)) || self.settings.whois.is_none() {
            return Ok(by_rdap);
        }
        // Some registries publish the expiry by WHOIS only, or have not all of their suffixes in
        // RDAP.
        let by_whois = self.look_up_by_whois(client, domain).await;
        Ok(by_whois.unwrap_or(by_rdap))
    }

    async fn look_up_by_rdap(
        &self,
        client: &Client,
        servers: &[Url],
        domain: &str,
    ) -> Result<Registration, LookupFailure> {
        let mut failure = LookupFailure::new("its registry has no RDAP server");
        for server in servers.iter().take(SERVERS_LIMIT) {
            let result = self.ask(client, server, domain).await;
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

    async fn ask(
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
                    self.pause(name, pause);
                }
                let why = failed(&format!("status {status}"));
                Err(LookupFailure { retry_after, ..why })
            }
        }
    }

    async fn look_up_by_whois(
        &self,
        client: &Client,
        domain: &str,
    ) -> Result<Registration, LookupFailure> {
        let suffix = domain.rsplit('.').next().unwrap_or_default();
        let Some(root) = &self.settings.whois else {
            let detail = format!("the registry of .{suffix} has no RDAP server, and WHOIS is off");
            return Err(LookupFailure::new(detail));
        };
        let result = self.ask_whois(client, root, suffix, domain).await;
        self.count(|counts| match &result {
            Ok(_) => counts.whois_answered += 1,
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
    ) -> Result<Registration, LookupFailure> {
        let failed = |host: &str, why: &str| LookupFailure::new(format!("WHOIS at {host}: {why}"));
        let known = locked(&self.referrals).get(suffix).cloned();
        let known = known.filter(|(_, at)| at.elapsed() < REFERRAL_HOLDS);
        let server = match known {
            Some((server, _)) => server,
            None => {
                let question = whois::question(&root.0, suffix);
                let answer = client.whois(root, &Policy::default(), &question).await;
                let server = whois::referral(&answer.map_err(|why| failed(&root.0, &why))?);
                let referral = (server.clone(), Instant::now());
                remember(&self.referrals, suffix, referral);
                server
            }
        };
        let Some(server) = server else {
            return Err(failed(&root.0, &format!("no server for .{suffix}")));
        };
        let question = whois::question(&server.0, domain);
        let answer = client.whois(&server, &client.policy, &question).await;
        let answer = answer.map_err(|why| failed(&server.0, &why))?;
        whois::parse(&answer).map_err(|why| failed(&server.0, &why))
    }

    /// The newest bootstrap file. A file that cannot be read leaves the former one.
    async fn bootstrap(&self, client: &Client) -> Arc<Bootstrap> {
        let (period, after_failure) = self.settings.bootstrap.periods();
        {
            let (mut state, now) = (locked(&self.bootstrap), Instant::now());
            match state.next_at {
                Some(next_at) if next_at <= now => state.next_at = Some(now + after_failure),
                _ => return Arc::clone(&state.current),
            }
        }
        let read = match &self.settings.bootstrap {
            BootstrapSource::Embedded => return Bootstrap::embedded(),
            BootstrapSource::File(file) => {
                let read = bounded_file::read_async(file.clone(), BOOTSTRAP_LIMIT).await;
                read.map_err(|error| error.to_string())
            }
            BootstrapSource::Url(url) => match client.get(url, BOOTSTRAP_LIMIT).await {
                Ok(HttpAnswer { status: 200, body, .. }) => Ok(body),
                Ok(HttpAnswer { status, .. }) => Err(format!("status {status}")),
                Err(why) => Err(why),
            },
        };
        let parsed = read.and_then(|json| Bootstrap::parse(&json));
        let mut state = locked(&self.bootstrap);
        match parsed {
            Ok(bootstrap) => {
                state.current = Arc::new(bootstrap);
                state.next_at = Some(Instant::now() + period);
            }
            Err(why) => self.add_news(|news| news.bootstrap_failure = Some(why)),
        }
        Arc::clone(&state.current)
    }

    /// How long the server `name` wants no requests.
    fn pause_of(&self, name: &str) -> Option<Duration> {
        let until = *locked(&self.paused).get(name)?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn pause(&self, name: &str, pause: Duration) {
        let until = Instant::now() + pause.min(REFERRAL_HOLDS);
        remember(&self.paused, name, until);
    }

    fn count(&self, add: impl FnOnce(&mut LookupCounts)) {
        self.add_news(|news| add(&mut news.counts));
    }

    fn add_news(&self, add: impl FnOnce(&mut RegistryNews)) {
        add(&mut locked(&self.news));
        self.has_news.store(true, Ordering::Release);
    }

    /// What happened since the last call; `None` for nothing.
    pub fn take_news(&self) -> Option<RegistryNews> {
        let has_news = self.has_news.swap(false, Ordering::Acquire);
        has_news.then(|| std::mem::take(&mut *locked(&self.news)))
    }
}

/// Adds an entry; at [`SERVERS_REMEMBERED`], others are forgotten first.
fn remember<V>(map: &Mutex<HashMap<String, V>>, key: &str, value: V) {
    let mut map = locked(map);
    if map.len() >= SERVERS_REMEMBERED {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}

fn read_bootstrap(file: &Path) -> Result<Bootstrap, Invalid> {
    let read = bounded_file::read(file, BOOTSTRAP_LIMIT).map_err(|error| error.to_string());
    read.and_then(|json| Bootstrap::parse(&json))
        .map_err(|why| Invalid::quoted(file, "a bootstrap file of RDAP (RFC 9224)").because(why))
}
