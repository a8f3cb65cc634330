//! The canaries: targets whose silence shows that the local network is down.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::actors::messages::recording::AreCanariesDead;
use crate::domain::service::options::{DnsQuestion, RecordKind};
use crate::domain::{
    Interval, Name, Options, Outcome, Reason, Requests, Service, ServiceId, Target, Timeout,
};
use crate::probe::{Engine, Rules};

/// Interval between probes of the detected canaries, which find out which of them answer at all.
const DETECT_EVERY: Duration = Duration::from_secs(60);

/// Timeout of a canary, in seconds.
const CANARY_SECONDS: f64 = 2.0;

/// TCP ports of a gateway that are probed: a refusal is an answer too.
const GATEWAY_PORTS: [u16; 3] = [53, 80, 443];

/// Owns its own probe engine.
pub struct Canaries {
    engine: Rc<Engine>,
    /// `SELF_CHECK_TARGETS`. Without any, the gateways and name servers of this machine are
    /// canaries.
    targets: Vec<Target>,
    /// Detected canaries that have answered before; others are ignored. Bound: what is detected.
    known: HashSet<String>,
}

impl Canaries {
    pub fn spawn(arbiter: &ArbiterHandle, targets: Vec<Target>, rules: Rules) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| Self {
            engine: Rc::new(Engine::new(rules)),
            targets,
            known: HashSet::new(),
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

    /// Probes all canaries at once until one answers. Returns the results up to then, by name.
    fn probe_all(&self) -> impl Future<Output = Vec<(String, Answer)>> + use<> {
        let canaries = self.canaries().into_iter();
        let mut probes: FuturesUnordered<_> = canaries.map(|canary| self.probe(canary)).collect();
        async move {
            let mut answers = Vec::new();
            while let Some((name, answer)) = probes.next().await {
                answers.push((name, answer));
                if answer == Answer::Alive {
                    break;
                }
            }
            answers
        }
    }

    fn probe(&self, canary: Canary) -> impl Future<Output = (String, Answer)> + use<> {
        let engine = Rc::clone(&self.engine);
        async move {
            let outcome = engine.probe(&canary.service, false).await;
            (canary.name, Answer::of(&outcome))
        }
    }

    /// Probes the detected canaries and adds those that answer to `known`.
    fn detect(&mut self, context: &mut Context<Self>) {
        for canary in self.canaries() {
            let probe = self.probe(canary).into_actor(self);
            context.spawn(probe.map(|(name, answer), canaries, _| {
                if answer == Answer::Alive {
                    canaries.known.insert(name);
                }
            }));
        }
    }

    fn are_dead(&self, answers: &[(String, Answer)]) -> bool {
        let is_trusted = |name: &String| self.are_configured() || self.known.contains(name);
        let is_silent =
            |(name, answer): &(String, Answer)| *answer == Answer::Silent && is_trusted(name);
        let none_alive = answers.iter().all(|(_, answer)| *answer != Answer::Alive);
        // Without a route, a known gateway is not detected and not probed: it is dead too.
        let none_left = answers.is_empty() && !self.known.is_empty();
        none_alive && (none_left || answers.iter().any(is_silent))
    }
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
            conditions: Vec::new(),
            target,
            options,
            revision: 0,
        };
        Some(Self { name, service })
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
    let Some(kind) = RecordKind::parse("NS") else { return Vec::new() };
    let question = DnsQuestion { name: ".".to_owned(), kind, expected: Vec::new() };
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
        if self.are_configured() {
            return;
        }
        self.detect(context);
        context.run_interval(DETECT_EVERY, Self::detect);
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
        Box::pin(answers.map(|answers, canaries, _| canaries.are_dead(&answers)))
    }
}
