//! Looking names up: as the system is configured, without a cache and without a thread pool, so that a look-up that hangs
//! holds one probe and nothing else.

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

/// What the system says of names; a change is taken up within [`LOOK_AGAIN`].
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// How often the files are looked at for a change.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long the addresses of one family wait for those of the other (RFC 8305, "Resolution Delay").
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long the addresses over IPv6 have once the look-up over IPv4 has failed.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// A resolver of one arbiter.
pub struct Resolver(Source);

enum Source {
    /// As the system is configured now.
    System(RefCell<Rc<Configured>>),
    /// One name server, and nothing else.
    Server(Box<Result<Families, String>>),
}

struct Configured {
    /// When the files last changed, as far as they are there.
    changed: [Option<SystemTime>; 2],
    looked_at: Cell<Instant>,
    families: Result<Families, String>,
}

/// One resolver a family, so that a server that answers for one and not for the other delays nothing.
struct Families {
    four: TokioResolver,
    six: TokioResolver,
}

impl Resolver {
    /// A resolver configured by `/etc/resolv.conf` and `/etc/hosts`. Without the former it asks 127.0.0.1, as
    /// resolv.conf(5) says.
    pub fn from_system() -> Self {
        Self(Source::System(RefCell::new(Rc::new(Configured::read()))))
    }

    /// A resolver that asks `server` alone.
    pub fn asking(server: NameServer) -> Self {
        let family = |strategy| {
            // Over TCP also when it is asked over UDP: for answers that do not fit.
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
        Self(Source::Server(Box::new(Families::of(family))))
    }

    /// The addresses of `name`; never empty.
    pub async fn addresses(&self, name: &str, family: IpFamily) -> Result<Vec<IpAddr>, Failure> {
        let (configured, is_ours);
        let families = match &self.0 {
            Source::System(current) => {
                configured = now_configured(current);
                is_ours = true;
                &configured.families
            }
            Source::Server(families) => {
                is_ours = false;
                families
            }
        };
        let Families { four, six } = families
            .as_ref()
            .map_err(|why| Failure::new(Reason::LocalResolver, format!("no resolver: {why}")))?;
        // As it stands: the URL has been to punycode already, and names of containers have underscores.
        let asked = Name::from_ascii(name).map_err(|error| {
            Failure::new(Reason::DnsNoSuchName, format!("{name} is no name: {error}"))
        })?;
        let found = match family {
            IpFamily::Any => race(four, six, asked).await,
            IpFamily::V4 => look_up(four, asked).await,
            IpFamily::V6 => look_up(six, asked).await,
        };
        found.map_err(|error| failure::of_dns(name, &error, is_ours))
    }
}

fn now_configured(current: &RefCell<Rc<Configured>>) -> Rc<Configured> {
    let mut current = current.borrow_mut();
    if current.is_outdated() {
        *current = Rc::new(Configured::read());
    }
    Rc::clone(&current)
}

/// The addresses of both families, or of the one that answers. The error of IPv4 is told, since that is what most names
/// have.
async fn race(
    four: &TokioResolver,
    six: &TokioResolver,
    name: Name,
) -> Result<Vec<IpAddr>, NetError> {
    let four = std::pin::pin!(look_up(four, name.clone()));
    let six = std::pin::pin!(look_up(six, name));
    match select(four, six).await {
        Either::Left((Ok(found), six)) => with_late(found, six).await,
        Either::Right((Ok(found), four)) => with_late(found, four).await,
        // No such name is none of either family (RFC 8020). After another error, the other family has its chance.
        Either::Left((Err(error), _)) if error.is_nx_domain() => Err(error),
        Either::Left((Err(error), six)) => match tokio::time::timeout(LAST_CHANCE, six).await {
            Ok(Ok(found)) => Ok(found),
            _ => Err(error),
        },
        Either::Right((Err(_), four)) => four.await,
    }
}

async fn look_up(resolver: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, NetError> {
    let found: Vec<IpAddr> = resolver.lookup_ip(name).await?.iter().collect();
    if found.is_empty() { Err(NetError::Message("the name has no address")) } else { Ok(found) }
}

async fn with_late(
    mut found: Vec<IpAddr>,
    other: impl Future<Output = Result<Vec<IpAddr>, NetError>>,
) -> Result<Vec<IpAddr>, NetError> {
    if let Ok(Ok(late)) = tokio::time::timeout(RESOLUTION_DELAY, other).await {
        found.extend(late);
    }
    Ok(found)
}

impl Families {
    fn of(
        build: impl Fn(LookupIpStrategy) -> Result<TokioResolver, String>,
    ) -> Result<Self, String> {
        let four = build(LookupIpStrategy::Ipv4Only)?;
        let six = build(LookupIpStrategy::Ipv6Only)?;
        Ok(Self { four, six })
    }
}

impl Configured {
    fn read() -> Self {
        let changed = FILES.map(changed_at);
        let is_configured = changed[0].is_some();
        let families = Families::of(|strategy| build(system(is_configured)?, strategy));
        Self { changed, looked_at: Cell::new(Instant::now()), families }
    }

    fn is_outdated(&self) -> bool {
        if self.looked_at.get().elapsed() < LOOK_AGAIN {
            return false;
        }
        self.looked_at.set(Instant::now());
        FILES.map(changed_at) != self.changed
    }
}

fn changed_at(file: &str) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

type Builder = ResolverBuilder<TokioRuntimeProvider>;

fn system(is_configured: bool) -> Result<Builder, String> {
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
