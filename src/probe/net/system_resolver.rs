//! Name resolution as the system is configured (resolv.conf(5)): the files of `/etc`, and all name
//! servers in order within the deadline of the probe.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RecordType};

use crate::domain::service::options::IpFamily;
use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::net::edns::is_response;
use crate::probe::net::lookup::{absolute, race};
use crate::probe::net::name_server::{NameServerClient, QuerySettings};
use crate::probe::net::resolv_conf::{Hosts, ResolvConf};
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::server_order::{ServerOrder, delay};

/// The system's resolver configuration; changes apply within [`RECHECK_AFTER`].
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Least time between two checks of the files for changes.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// How long a check of the system's name servers waits for the first answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Time between the end of a check in advance and the deadline of the look-up.
const CHECK_MARGIN: Duration = Duration::from_millis(100);

pub struct SystemResolver {
    /// Read again when its files change.
    config: RefCell<Rc<SystemConfig>>,
    health: Arc<ResolverHealth>,
}

struct SystemConfig {
    /// State of [`FILES`]; `None` for a missing file.
    files: [Option<FileState>; 2],
    checked_at: Cell<Instant>,
    hosts: Hosts,
    conf: ResolvConf,
    /// One client for each server of `conf`.
    servers: Result<Vec<NameServerClient>, String>,
    order: RefCell<ServerOrder>,
}

/// Modification time and size.
type FileState = (SystemTime, u64);

impl SystemResolver {
    pub fn new(health: Arc<ResolverHealth>) -> Self {
        Self { config: RefCell::new(Rc::new(SystemConfig::read())), health }
    }

    /// The configuration as of its files at most [`RECHECK_AFTER`] ago.
    fn current(&self) -> Rc<SystemConfig> {
        let mut current = self.config.borrow_mut();
        if current.is_outdated() {
            *current = Rc::new(SystemConfig::read());
        }
        Rc::clone(&current)
    }

    /// The outer error is independent of the name servers.
    pub async fn addresses(
        &self,
        name: &str,
        family: IpFamily,
        deadline: Instant,
    ) -> Result<Result<Vec<IpAddr>, NetError>, Failure> {
        let config = self.current();
        let found = config.hosts.addresses(name, family);
        if !found.is_empty() {
            return Ok(Ok(found));
        }
        let (candidates, name_is_first) = config.conf.candidates(name);
        let early = self.check_before(&config, name, deadline);
        let looked_up = self.look_up(&config, candidates, name_is_first, family, deadline);
        match select(pin!(looked_up), pin!(early)).await {
            Either::Left((found, _)) => found,
            Either::Right(((), looked_up)) => looked_up.await,
        }
    }

    /// Starts a check of the servers if the look-up has no answer shortly before `deadline`.
    async fn check_before(&self, config: &Rc<SystemConfig>, name: &str, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        tokio::time::sleep(left.saturating_sub(CHECK_TIMEOUT + CHECK_MARGIN).max(left / 2)).await;
        let (config, health) = (Rc::clone(config), Arc::clone(&self.health));
        let name = name.to_owned();
        // The check goes on when the look-up has ended.
        tokio::task::spawn_local(async move {
            health.check_early(&name, |names| async move { config.check(&names).await }).await;
        });
    }

    /// The addresses of the first of `candidates` that exists.
    async fn look_up(
        &self,
        config: &SystemConfig,
        candidates: Vec<String>,
        name_is_first: bool,
        family: IpFamily,
        deadline: Instant,
    ) -> Result<Result<Vec<IpAddr>, NetError>, Failure> {
        let mut errors = Vec::new();
        for candidate in &candidates {
            let query = absolute(candidate)?;
            let found = race(family, |kind| config.query(query.clone(), kind, deadline)).await;
            match found {
                Ok(found) => {
                    self.health.resolved(candidate);
                    return Ok(Ok(found));
                }
                Err(error) => errors.push(error),
            }
            // The servers would not answer for the next candidate either.
            if errors.last().is_some_and(|error| !is_response(error)) {
                break;
            }
        }
        // As in glibc: the error of the name itself if it was queried first, else the one that
        // says most.
        let position =
            if name_is_first { Some(0) } else { errors.iter().position(|error| !is_final(error)) };
        let chosen = position.unwrap_or(errors.len().saturating_sub(1));
        Ok(Err(errors.into_iter().nth(chosen).unwrap_or(NetError::NoConnections)))
    }

    /// See [`Resolver::judge`](crate::probe::net::resolve::Resolver::judge).
    pub async fn judge(&self, name: &str, began: Instant, failure: Failure) -> Failure {
        let config = self.current();
        let check = |names: Vec<String>| async move { config.check(&names).await };
        match self.health.judge(name, began, check).await {
            None => failure,
            Some(why) => {
                let detail = format!("no name server of this machine works: {why}");
                Failure::new(Reason::LocalResolver, detail)
            }
        }
    }
}

impl SystemConfig {
    fn read() -> Self {
        let files = FILES.map(state_of);
        let [conf, hosts] = FILES.map(|file| fs::read(file).unwrap_or_default());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let conf = ResolvConf::parse(&conf, host.trim(), interface_number);
        let settings = QuerySettings {
            timeout: conf.timeout,
            retries: 0,
            over_tcp: conf.over_tcp,
            edns: conf.edns,
        };
        let servers = conf.servers.iter();
        let servers = servers.map(|server| NameServerClient::new(*server, settings)).collect();
        Self {
            files,
            checked_at: Cell::new(Instant::now()),
            hosts: Hosts::parse(&hosts),
            order: RefCell::new(ServerOrder::new(conf.servers.len(), conf.rotate)),
            conf,
            servers,
        }
    }

    fn is_outdated(&self) -> bool {
        if self.checked_at.get().elapsed() < RECHECK_AFTER {
            return false;
        }
        self.checked_at.set(Instant::now());
        FILES.map(state_of) != self.files
    }

    fn servers(&self) -> Result<&[NameServerClient], NetError> {
        self.servers.as_deref().map_err(|why| NetError::from(why.clone()))
    }

    /// Queries the servers in turn, each as often as configured, until one has an answer. A server
    /// that is slow keeps its chance while the next one is queried.
    async fn query(
        &self,
        name: Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<Vec<IpAddr>, NetError> {
        let servers = self.servers()?;
        let order = self.order.borrow_mut().next_order(Instant::now());
        let left = deadline.saturating_duration_since(Instant::now());
        let delay = delay(self.conf.timeout, servers.len(), left);
        let rounds = (0..self.conf.attempts).flat_map(|_| &order);
        let mut turns = rounds.copied().peekable();
        let mut queried: Vec<usize> = Vec::new();
        let mut running = FuturesUnordered::new();
        let mut error: Option<NetError> = None;
        let mut next_at = Instant::now();
        loop {
            // A server is queried again only after its first query ended; hickory repeats packets.
            let next = turns.peek().copied().filter(|server| !queried.contains(server));
            if let Some(server) = next
                && (Instant::now() >= next_at || running.is_empty())
            {
                turns.next();
                queried.push(server);
                let query = servers[server].addresses(name.clone(), kind);
                running.push(async move { (server, query.await) });
                next_at = Instant::now() + delay;
                continue;
            }
            if running.is_empty() {
                return Err(error.unwrap_or(NetError::NoConnections));
            }
            tokio::select! {
                Some((server, result)) = running.next() => {
                    queried.retain(|other| *other != server);
                    let now = Instant::now();
                    let mut order = self.order.borrow_mut();
                    match result {
                        Err(why) if !is_final(&why) => {
                            order.failed(server, now);
                            error = Some(error.map_or(why.clone(), |old| more_telling(old, why)));
                            next_at = now;
                        }
                        answer => {
                            order.answered(server);
                            queried.iter().for_each(|silent| order.failed(*silent, now));
                            return answer;
                        }
                    }
                }
                () = tokio::time::sleep_until(next_at.into()), if next.is_some() => {}
            }
        }
    }

    /// Queries all servers for what they must know: the root's name servers, and `names`, which
    /// they resolved before. Returns with the first answer, or with what each server did.
    async fn check(&self, names: &[String]) -> Result<(), String> {
        let servers = self.servers().map_err(|error| error.to_string())?;
        let mut questions = vec![(Name::root(), RecordType::NS)];
        for name in names.iter().filter_map(|name| absolute(name).ok()) {
            questions.push((name.clone(), RecordType::A));
            questions.push((name, RecordType::AAAA));
        }
        let queries = servers.iter().flat_map(|server| {
            let query = move |(name, kind): &(Name, RecordType)| {
                let query = server.query(name.clone(), *kind);
                async move { (server.address, query.await) }
            };
            questions.iter().map(query)
        });
        let mut queries: FuturesUnordered<_> = queries.collect();
        let mut failures: Vec<(SocketAddr, String)> = Vec::new();
        let answered = async {
            while let Some((server, result)) = queries.next().await {
                match result {
                    Err(error) if !is_final(&error) => {
                        if failures.iter().all(|(known, _)| *known != server) {
                            failures.push((server, failure::dns_detail(&error)));
                        }
                    }
                    _ => return true,
                }
            }
            false
        };
        if tokio::time::timeout(CHECK_TIMEOUT, answered).await.unwrap_or(false) {
            return Ok(());
        }
        let what_each_did = servers.iter().map(|server| {
            let known = failures.iter().find(|(address, _)| *address == server.address);
            let what = known.map_or("no answer", |(_, what)| what);
            format!("{}: {what}", server.address.ip())
        });
        Err(what_each_did.collect::<Vec<_>>().join("; "))
    }
}

/// Whether the error is an answer about the name, which other servers would repeat: it does not
/// exist, or has no such record.
fn is_final(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(found)) => {
            matches!(found.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}

/// Of the errors of two servers, the one that says more: a fault of this machine, a response, any
/// other.
fn more_telling(old: NetError, new: NetError) -> NetError {
    let rank = |error: &NetError| match error {
        NetError::Io(error) if failure::is_local(error) => 3,
        error if is_response(error) => 2,
        NetError::Io(_) => 1,
        _ => 0,
    };
    if rank(&new) > rank(&old) { new } else { old }
}

fn state_of(file: &str) -> Option<FileState> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The number of the network interface `name`.
fn interface_number(name: &str) -> Option<u32> {
    let is_name = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    let file = is_name.then(|| format!("/sys/class/net/{name}/ifindex"))?;
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
