//! Name resolution as the system is configured, without a cache and without a thread pool, so a
//! hung look-up delays only its own probe.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{ResolverBuilder, TokioResolver};

use crate::domain::service::options::{IpFamily, NameServer};
use crate::domain::{Failure, Reason};
use crate::probe::failure;

/// The system's resolver configuration; changes apply within [`RECHECK_AFTER`].
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Least time between two checks of the files for changes.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// How long a look-up with addresses of one family waits for the other family (RFC 8305,
/// "Resolution Delay").
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long the IPv6 look-up may take after the IPv4 look-up failed.
const IPV6_GRACE: Duration = Duration::from_secs(1);

pub struct Resolver(Source);

enum Source {
    /// Read again when its files change.
    System(RefCell<Rc<SystemConfig>>),
    Server(Box<Result<Families, String>>),
}

struct SystemConfig {
    /// Modification times of [`FILES`]; `None` for a missing file.
    modified: [Option<SystemTime>; 2],
    checked_at: Cell<Instant>,
    families: Result<Families, String>,
}

/// One resolver for each address family, so a server that answers only one delays nothing.
struct Families {
    v4: TokioResolver,
    v6: TokioResolver,
}

impl Resolver {
    /// A resolver configured by `/etc/resolv.conf` and `/etc/hosts`. Without the former it queries
    /// 127.0.0.1 (resolv.conf(5)).
    pub fn from_system() -> Self {
        Self(Source::System(RefCell::new(Rc::new(SystemConfig::read()))))
    }

    /// A resolver that queries only `server`.
    pub fn from_server(server: NameServer) -> Self {
        let build_family = |strategy| {
            // TCP too, for responses that do not fit into UDP.
            let mut protocols = vec![ConnectionConfig::tcp()];
            if !server.over_tcp {
                protocols.insert(0, ConnectionConfig::udp());
            }
            for protocol in &mut protocols {
                protocol.port = server.address.port();
            }
            let server = NameServerConfig::new(server.address.ip(), true, protocols);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            build(
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()),
                strategy,
            )
        };
        Self(Source::Server(Box::new(Families::build(build_family))))
    }

    /// The addresses of `name`; never empty.
    pub async fn addresses(&self, name: &str, family: IpFamily) -> Result<Vec<IpAddr>, Failure> {
        let (config, is_system);
        let families = match &self.0 {
            Source::System(current) => {
                config = reread_if_outdated(current);
                is_system = true;
                &config.families
            }
            Source::Server(families) => {
                is_system = false;
                families
            }
        };
        let Families { v4, v6 } = families.as_ref().map_err(|why| {
            Failure::new(Reason::LocalResolver, format!("no resolver available: {why}"))
        })?;
        // Not IDNA: the URL is in punycode already, and container names may have underscores.
        let query = Name::from_ascii(name).map_err(|error| {
            Failure::new(Reason::DnsNoSuchName, format!("{name} is not a valid name: {error}"))
        })?;
        let found = match family {
            IpFamily::Any => race(v4, v6, query).await,
            IpFamily::V4 => look_up(v4, query).await,
            IpFamily::V6 => look_up(v6, query).await,
        };
        found.map_err(|error| failure::of_dns(name, &error, is_system))
    }
}

fn reread_if_outdated(current: &RefCell<Rc<SystemConfig>>) -> Rc<SystemConfig> {
    let mut current = current.borrow_mut();
    if current.is_outdated() {
        *current = Rc::new(SystemConfig::read());
    }
    Rc::clone(&current)
}

/// The addresses of both families, or of the one that has any. When both fail, returns the error of
/// IPv4, which more names have.
async fn race(v4: &TokioResolver, v6: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, NetError> {
    let v4 = std::pin::pin!(look_up(v4, name.clone()));
    let v6 = std::pin::pin!(look_up(v6, name));
    match select(v4, v6).await {
        Either::Left((Ok(found), v6)) => with_other_family(found, v6).await,
        Either::Right((Ok(found), v4)) => with_other_family(found, v4).await,
        // NXDOMAIN holds for both families (RFC 8020).
        Either::Left((Err(error), _)) if error.is_nx_domain() => Err(error),
        Either::Left((Err(error), v6)) => match tokio::time::timeout(IPV6_GRACE, v6).await {
            Ok(Ok(found)) => Ok(found),
            _ => Err(error),
        },
        Either::Right((Err(_), v4)) => v4.await,
    }
}

async fn look_up(resolver: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, NetError> {
    let found: Vec<IpAddr> = resolver.lookup_ip(name).await?.iter().collect();
    if found.is_empty() { Err(NetError::Message("the name has no address")) } else { Ok(found) }
}

/// Adds the addresses of `other` if they come within [`RESOLUTION_DELAY`].
async fn with_other_family(
    mut found: Vec<IpAddr>,
    other: impl Future<Output = Result<Vec<IpAddr>, NetError>>,
) -> Result<Vec<IpAddr>, NetError> {
    if let Ok(Ok(more)) = tokio::time::timeout(RESOLUTION_DELAY, other).await {
        found.extend(more);
    }
    Ok(found)
}

impl Families {
    fn build(
        build: impl Fn(LookupIpStrategy) -> Result<TokioResolver, String>,
    ) -> Result<Self, String> {
        let v4 = build(LookupIpStrategy::Ipv4Only)?;
        let v6 = build(LookupIpStrategy::Ipv6Only)?;
        Ok(Self { v4, v6 })
    }
}

impl SystemConfig {
    fn read() -> Self {
        let modified = FILES.map(modified_at);
        let is_configured = modified[0].is_some();
        let families = Families::build(|strategy| build(system_builder(is_configured)?, strategy));
        Self { modified, checked_at: Cell::new(Instant::now()), families }
    }

    fn is_outdated(&self) -> bool {
        if self.checked_at.get().elapsed() < RECHECK_AFTER {
            return false;
        }
        self.checked_at.set(Instant::now());
        FILES.map(modified_at) != self.modified
    }
}

fn modified_at(file: &str) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

type Builder = ResolverBuilder<TokioRuntimeProvider>;

fn system_builder(is_configured: bool) -> Result<Builder, String> {
    if is_configured {
        return TokioResolver::builder_tokio().map_err(|error| format!("{}: {error}", FILES[0]));
    }
    let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
    Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
}

fn build(mut builder: Builder, strategy: LookupIpStrategy) -> Result<TokioResolver, String> {
    let options = builder.options_mut();
    options.cache_size = 0;
    options.num_concurrent_reqs = 1;
    options.ip_strategy = strategy;
    builder.build().map_err(|error| error.to_string())
}
