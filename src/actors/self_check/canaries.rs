//! The canaries: targets whose silence shows that the local network is down.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream::{FuturesUnordered, StreamExt};
use url::Url;

use crate::actors::messages::recording::{AreCanariesDead, SetCanaries};
use crate::domain::service::dns_question::{DnsQuestion, RecordKind};
use crate::domain::{
    Interval, Kind, Name, Options, Outcome, Reason, Requests, Service, ServiceId, Target, Timeout,
};
use crate::probe::{Engine, Rules};

/// Interval between probes of the canaries without a cause: which of the detected ones answer at
/// all, and at which address the named ones do.
const DETECT_EVERY: Duration = Duration::from_secs(60);

/// Timeout of a canary, in seconds.
const CANARY_SECONDS: f64 = 2.0;

/// TCP ports of a gateway that are probed: a refusal is an answer too.
const GATEWAY_PORTS: [u16; 3] = [53, 80, 443];

/// Owns its own probe engine.
pub struct Canaries {
    engine: Rc<Engine>,
    /// Of `SELF_CHECK_TARGETS` or the services file. Without any, the gateways and name servers of
    /// this machine are canaries.
    targets: Vec<Target>,
    /// Detected canaries that have answered before; others are ignored. Bound: what is detected.
    known: HashSet<String>,
    /// The address at which each canary answered last; without name servers it is probed there.
    /// Bound: the canaries.
    addresses: HashMap<String, SocketAddr>,
}

impl Canaries {
    pub fn spawn(arbiter: &ArbiterHandle, targets: Vec<Target>, rules: Rules) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| Self {
            engine: Rc::new(Engine::new(rules)),
            targets,
            known: HashSet::new(),
            addresses: HashMap::new(),
        })
    }

    fn are_configured(&self) -> bool {
        !self.targets.is_empty()
    }

    fn canaries(&self) -> Vec<Canary> {
        if !self.are_configured() {
            return gateways()
                .into_iter()
                .flat_map(gateway_canaries)
                .chain(name_servers())
                .collect();
        }
        let targets = self.targets.iter().cloned();
        targets.filter_map(|target| Canary::new(target, Options::none())).collect()
    }

    /// Probes all canaries at once until one answers. Returns the results up to then.
    fn probe_all(&self) -> impl Future<Output = Vec<Probed>> + use<> {
        let canaries = self.canaries().into_iter();
        let mut probes: FuturesUnordered<_> = canaries.map(|canary| self.probe(canary)).collect();
        async move {
            let mut results = Vec::new();
            while let Some(probed) = probes.next().await {
                let is_alive = probed.answer == Answer::Alive;
                results.push(probed);
                if is_alive {
                    break;
                }
            }
            results
        }
    }

    /// Probes a canary; at its last address when the name servers of this machine fail.
    fn probe(&self, canary: Canary) -> impl Future<Output = Probed> + use<> {
        let engine = Rc::clone(&self.engine);
        let by_address = self.addresses.get(&canary.name).and_then(|at| canary.at(*at));
        async move {
            let mut outcome = engine.probe(&canary.service, false).await;
            if let (Some(by_address), true) = (by_address, is_local_resolver(&outcome)) {
                outcome = engine.probe(&by_address, false).await;
            }
            let answer = Answer::of(&outcome);
            Probed { name: canary.name, answer, address: outcome.details.address }
        }
    }

    fn remember(&mut self, results: &[Probed]) {
        for probed in results.iter().filter(|probed| probed.answer == Answer::Alive) {
            if let Some(address) = probed.address {
                self.addresses.insert(probed.name.clone(), address);
            }
        }
    }

    /// Probes the canaries: detected ones that answer become known, and named ones keep their
    /// address.
    fn detect(&mut self, context: &mut Context<Self>) {
        let is_wanted = |canary: &Canary| !self.are_configured() || canary.has_name();
        for canary in self.canaries().into_iter().filter(is_wanted) {
            let probe = self.probe(canary).into_actor(self);
            context.spawn(probe.map(|probed, canaries, _| {
                canaries.remember(std::slice::from_ref(&probed));
                if probed.answer == Answer::Alive && !canaries.are_configured() {
                    canaries.known.insert(probed.name);
                }
            }));
        }
    }

    fn are_dead(&self, results: &[Probed]) -> bool {
        let is_trusted = |name: &String| self.are_configured() || self.known.contains(name);
        let is_silent =
            |probed: &Probed| probed.answer == Answer::Silent && is_trusted(&probed.name);
        let none_alive = results.iter().all(|probed| probed.answer != Answer::Alive);
        // Without a route, a known gateway is not detected and not probed: it is dead too.
        let none_left = results.is_empty() && !self.known.is_empty();
        none_alive && (none_left || results.iter().any(is_silent))
    }
}

struct Probed {
    /// The canary's.
    name: String,
    answer: Answer,
    address: Option<SocketAddr>,
}

fn is_local_resolver(outcome: &Outcome) -> bool {
    outcome.failure.as_ref().is_some_and(|failure| failure.reason == Reason::LocalResolver)
}

/// The result of a canary's probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Any answer counts, a refusal or an error too.
    Alive,
    /// A failure that a loss of the local network would explain.
    Silent,
    /// No probe was possible, which says nothing: no descriptors, or the address is blocked.
    NotProbed,
}

impl Answer {
    fn of(outcome: &Outcome) -> Self {
        match outcome.failure.as_ref().map(|failure| failure.reason) {
            Some(reason) if reason.may_be_local_network() => Self::Silent,
            Some(reason) if reason.is_local() || reason == Reason::AddressBlocked => {
                Self::NotProbed
            }
            _ => Self::Alive,
        }
    }
}

struct Canary {
    name: String,
    service: Service,
}

impl Canary {
    /// Never `None`: every value here is valid.
    fn new(target: Target, options: Arc<Options>) -> Option<Self> {
        let name = target.shown(Requests::Masked);
        let service = Service {
            id: ServiceId::new(i64::MAX)?,
            name: Name::parse("canary").ok()?,
            group: None,
            interval: Interval::from_seconds(CANARY_SECONDS).ok()?,
            timeout: Timeout::from_seconds(CANARY_SECONDS).ok()?,
            conditions: Box::default(),
            target,
            options,
            revision: 0,
        };
        Some(Self { name, service })
    }

    /// Whether probing it needs a name server.
    fn has_name(&self) -> bool {
        let url = Url::parse(&self.name).ok();
        url.is_some_and(|url| url.domain().is_some_and(|name| name.parse::<IpAddr>().is_err()))
    }

    /// The canary at `address`, without its name: over TCP a connection is enough.
    fn at(&self, address: SocketAddr) -> Option<Service> {
        let url = match self.service.target.kind() {
            Kind::Icmp if address.is_ipv6() => format!("icmp://[{}]", address.ip()),
            Kind::Icmp => format!("icmp://{}", address.ip()),
            Kind::Dns => format!("dns://{address}"),
            _ => format!("tcp://{address}"),
        };
        let target = Target::parse(&url).ok()?;
        Some(Service { target, ..self.service.clone() })
    }
}

fn gateway_canaries(gateway: IpAddr) -> Vec<Canary> {
    let urls = GATEWAY_PORTS.map(|port| format!("tcp://{}", SocketAddr::new(gateway, port)));
    let targets = urls.iter().filter_map(|url| Target::parse(url).ok());
    targets.filter_map(|target| Canary::new(target, Options::none())).collect()
}

/// The name servers of `/etc/resolv.conf`, without loopback addresses. Any answer to a query for
/// the root zone counts.
fn name_servers() -> Vec<Canary> {
    let question = DnsQuestion { name: ".".to_owned(), kind: RecordKind::NS, expected: Vec::new() };
    let options = Arc::new(Options { dns: Some(question), ..Options::default() });
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let addresses = servers.filter_map(|address| address.trim().parse::<IpAddr>().ok());
    let urls = addresses.filter(|address| !address.is_loopback()).map(|address| match address {
        IpAddr::V4(ip) => format!("dns://{ip}"),
        IpAddr::V6(ip) => format!("dns://[{ip}]"),
    });
    let targets = urls.filter_map(|url| Target::parse(&url).ok());
    targets.filter_map(|target| Canary::new(target, Arc::clone(&options))).collect()
}

/// The default gateways over IPv4, from the kernel's current routes.
fn gateways() -> Vec<IpAddr> {
    let routes = procfs::net::route().unwrap_or_default();
    let gateways = routes.into_iter().filter(|route| route.destination.is_unspecified());
    let found: HashSet<Ipv4Addr> = gateways.map(|route| route.gateway).collect();
    found.into_iter().filter(|ip| !ip.is_unspecified()).map(IpAddr::from).collect()
}

impl Actor for Canaries {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.detect(context);
        context.run_interval(DETECT_EVERY, Self::detect);
    }
}

impl Handler<SetCanaries> for Canaries {
    type Result = ();

    fn handle(&mut self, SetCanaries(targets): SetCanaries, context: &mut Self::Context) {
        if targets != self.targets {
            self.targets = targets;
            self.known.clear();
            self.addresses.clear();
            self.detect(context);
        }
    }
}

impl Handler<AreCanariesDead> for Canaries {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, _: AreCanariesDead, _: &mut Self::Context) -> Self::Result {
        if !self.are_configured() && self.known.is_empty() {
            // No canary has ever answered, so silence shows nothing.
            return Box::pin(async { false }.into_actor(self));
        }
        let answers = self.probe_all().into_actor(self);
        Box::pin(answers.map(|answers, canaries, _| {
            canaries.remember(&answers);
            canaries.are_dead(&answers)
        }))
    }
}
