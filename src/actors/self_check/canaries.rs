//! The canaries: asks canaries whether our own network is there.

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
    Interval, Name, Options, Outcome, Reason, Service, ServiceId, Target, Timeout,
};
use crate::probe::{Engine, Rules};

/// How often the canaries of our own finding are asked, so that we learn which of them answer at all.
const LEARN_EVERY: Duration = Duration::from_secs(60);
/// Longest time a canary may take, in seconds.
const CANARY_SECONDS: f64 = 2.0;
/// Ports at which a gateway is knocked at: a refusal is an answer too.
const GATEWAY_PORTS: [u16; 3] = [53, 80, 443];

/// Owns an engine of its own, and what it has learned of the canaries.
pub struct Canaries {
    engine: Rc<Engine>,
    /// `SELF_CHECK_TARGETS`; without any, gateway and name server are asked.
    targets: Vec<Target>,
    /// The canaries of our own finding that have answered once. Who never has is no canary. Bound: what is found.
    known: HashSet<String>,
}

impl Canaries {
    /// Starts the canaries on `arbiter`.
    pub fn start_on(arbiter: &ArbiterHandle, targets: Vec<Target>, rules: Rules) -> Addr<Self> {
        Self::start_in_arbiter(arbiter, move |_| Self {
            engine: Rc::new(Engine::new(rules)),
            targets,
            known: HashSet::new(),
        })
    }

    fn canaries(&self) -> Vec<Canary> {
        if self.targets.is_empty() {
            return gateways().into_iter().flat_map(knocks).chain(name_servers()).collect();
        }
        let targets = self.targets.iter().cloned();
        targets.filter_map(|target| Canary::new(target, Options::none())).collect()
    }

    /// Asks all of them at once, until one answers. Gives each that was heard of with what came of it.
    fn ask(&self) -> impl Future<Output = Vec<(String, Answer)>> + use<> {
        let canaries = self.canaries().into_iter();
        let mut asking: FuturesUnordered<_> = canaries.map(|canary| self.ask_one(canary)).collect();
        async move {
            let mut answers = Vec::new();
            while let Some((name, answer)) = asking.next().await {
                answers.push((name, answer));
                if answer == Answer::Alive {
                    break;
                }
            }
            answers
        }
    }

    fn ask_one(&self, canary: Canary) -> impl Future<Output = (String, Answer)> + use<> {
        let engine = Rc::clone(&self.engine);
        async move {
            let outcome = engine.probe(&canary.service, false).await;
            (canary.name, Answer::of(&outcome))
        }
    }
}

/// What came of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It answered: any answer will do, a refusal or an error too.
    Alive,
    /// It did not, as in an outage.
    Silent,
    /// It could not be asked, which says nothing: no descriptors, a rule against its address.
    NotAsked,
}

impl Answer {
    fn of(outcome: &Outcome) -> Self {
        match outcome.failure.as_ref().map(|failure| failure.reason) {
            Some(reason) if reason.may_be_local_network() => Self::Silent,
            Some(reason) if reason.is_local() || reason == Reason::AddressBlocked => Self::NotAsked,
            _ => Self::Alive,
        }
    }
}

struct Canary {
    name: String,
    service: Service,
}

impl Canary {
    /// The canary at `target`; never `None`, since all that is set here is accepted.
    fn new(target: Target, options: Arc<Options>) -> Option<Self> {
        let name = target.shown();
        let service = Service {
            id: ServiceId::new(i64::MAX)?,
            name: Name::parse("canary").ok()?,
            group: None,
            interval: Interval::from_seconds(CANARY_SECONDS).ok()?,
            timeout: Timeout::from_seconds(CANARY_SECONDS).ok()?,
            conditions: Vec::new(),
            target,
            options,
        };
        Some(Self { name, service })
    }
}

fn knocks(gateway: IpAddr) -> Vec<Canary> {
    let urls = GATEWAY_PORTS.map(|port| format!("tcp://{}", SocketAddr::new(gateway, port)));
    let targets = urls.iter().filter_map(|url| Target::parse(url).ok());
    targets.filter_map(|target| Canary::new(target, Options::none())).collect()
}

/// Any answer to a question for the root tells that the server is there.
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

/// The default gateways over IPv4, as the kernel has them now.
fn gateways() -> Vec<IpAddr> {
    let routes = procfs::net::route().unwrap_or_default();
    let gateways = routes.into_iter().filter(|route| route.destination.is_unspecified());
    let found: HashSet<Ipv4Addr> = gateways.map(|route| route.gateway).collect();
    found.into_iter().filter(|ip| !ip.is_unspecified()).map(IpAddr::from).collect()
}

impl Actor for Canaries {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        if !self.targets.is_empty() {
            return;
        }
        let learn = |canaries: &mut Self, context: &mut Context<Self>| {
            for canary in canaries.canaries() {
                let asked = canaries.ask_one(canary).into_actor(canaries);
                context.spawn(asked.map(|(name, answer), canaries, _| {
                    if answer == Answer::Alive {
                        canaries.known.insert(name);
                    }
                }));
            }
        };
        learn(self, context);
        context.run_interval(LEARN_EVERY, learn);
    }
}

impl Handler<AreCanariesDead> for Canaries {
    type Result = ResponseActFuture<Self, bool>;

    fn handle(&mut self, _: AreCanariesDead, _: &mut Self::Context) -> Self::Result {
        if self.targets.is_empty() && self.known.is_empty() {
            // Nobody that ever answered, so nobody whose silence would tell.
            return Box::pin(async { false }.into_actor(self));
        }
        let asked = self.ask().into_actor(self);
        Box::pin(asked.map(|answers, canaries, _| canaries.are_dead(&answers)))
    }
}

impl Canaries {
    fn are_dead(&self, answers: &[(String, Answer)]) -> bool {
        let is_trusted = |name: &String| !self.targets.is_empty() || self.known.contains(name);
        let silent =
            |(name, answer): &(String, Answer)| *answer == Answer::Silent && is_trusted(name);
        let none_alive = answers.iter().all(|(_, answer)| *answer != Answer::Alive);
        // A gateway that is no longer in the routes is not asked at all, and is not there either.
        let none_left = answers.is_empty() && !self.known.is_empty();
        none_alive && (none_left || answers.iter().any(silent))
    }
}
