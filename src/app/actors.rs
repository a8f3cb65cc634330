//! Starts the actors and connects them. The only place that knows which actor sends to which.

use std::sync::Arc;

use actix::prelude::*;

use crate::actors::access_registry::AccessRegistry;
use crate::actors::coordinator::{
    Coordinator, CoordinatorLinks, CoordinatorSettings, CurrentRoster,
};
use crate::actors::current_windows::CurrentWindows;
use crate::actors::event_log::EventLog;
use crate::actors::last_results::LastResults;
use crate::actors::messages::probing::SubscribeConfirmations;
use crate::actors::messages::recording::{DispatcherRecipients, SetCanaries, Subscribe};
use crate::actors::open_alerts::OpenAlerts;
use crate::actors::pool::Pool;
use crate::actors::prober::arbiters::ArbiterPool;
use crate::actors::prober::state::ProberDeps;
use crate::actors::push_keys::PushKeys;
use crate::actors::querier::{QuerierSettings, Queriers};
use crate::actors::recorder::{EventSubscriber, Recorder, RecorderDeps, RecorderSettings};
use crate::actors::revision::Revision;
use crate::actors::runtime::Runtime;
use crate::actors::scheduler::{PoolRecipients, Scheduler, SchedulerSettings};
use crate::actors::self_check::canaries::Canaries;
use crate::actors::self_check::decision::SelfCheckSettings;
use crate::actors::service_changes::ServiceChanges;
use crate::actors::span_writer::{SpanWriter, SpanWriterLinks};
use crate::actors::store::StoreActors;
use crate::actors::store::coordinator::CoordinatorStore;
use crate::actors::store::marks::MarksSource;
use crate::actors::store::readers::Readers;
use crate::actors::upkeep::decision::UpkeepSettings;
use crate::actors::upkeep::{Upkeep, UpkeepLinks};
use crate::alerting::dispatcher::{Dispatcher, DispatcherLinks, DispatcherSettings};
use crate::alerting::sender::SenderRules;
use crate::app::startup;
use crate::config::{Config, RemoteWriteConfig};
use crate::domain::Target;
use crate::domain::alert::Policy;
use crate::domain::live::LiveService;
use crate::domain::maintenance::Windows;
use crate::domain::maintenance::zone::Zone;
use crate::live::live_state::LiveState;
use crate::logging::Throttle;
use crate::probe::Rules;
use crate::probe::net::tls::Trust;
use crate::relay::actor::{Relay, RelayLinks, RelaySettings};
use crate::relay::sender::Receiver;
use crate::storage::Store;
use crate::storage::coordination::owned::{Duties, OwnedShards};
use crate::storage::history::samples::CatalogSettings;
use crate::storage::records::{LoadedService, Resumed};
use crate::storage::relayed::RelayedSeqs;

/// Probers of an instance that only serves the API.
const API_POOL_SIZE: usize = 16;

/// The actors that HTTP and the app send messages to.
pub struct Actors {
    pub scheduler: Addr<Scheduler>,
    pub pool: Addr<Pool>,
    pub recorder: Addr<Recorder>,
    pub canaries: Recipient<SetCanaries>,
    pub dispatcher: Addr<Dispatcher>,
    /// `None` without remote write.
    pub relay: Option<Addr<Relay>>,
    pub live: Addr<LiveState>,
    pub last_results: LastResults,
    pub push_keys: PushKeys,
    pub queriers: Queriers,
    pub windows: CurrentWindows,
    pub access: AccessRegistry,
    pub open_alerts: OpenAlerts,
    /// `None` for a store with one instance.
    pub coordinator: Option<Addr<Coordinator>>,
    pub roster: CurrentRoster,
    pub owned: OwnedShards,
    pub duties: Duties,
    pub revision: Revision,
    /// Of the probers.
    pub arbiters: Vec<Arbiter>,
}

/// What the store has at the start.
pub struct Stored {
    pub services: Vec<LoadedService>,
    pub live: Vec<LiveService>,
    pub policies: Vec<Policy>,
    pub windows: Windows,
    /// Tokens and sessions of the API.
    pub access: AccessRegistry,
    pub resumed: Resumed,
    /// Number of services that the grid of slots is computed from.
    pub spread: usize,
    /// The newest change of definitions that is loaded.
    pub revision: i64,
}

/// How targets and receivers are reached.
pub struct Network {
    pub rules: Rules,
    pub canaries: Vec<Target>,
    /// In which times are written.
    pub zone: Zone,
    /// The certificates that the receiver of remote write is trusted by.
    pub remote_write_trust: Option<Trust>,
}

impl Actors {
    /// Starts the actors and connects them.
    pub fn start(
        config: &Config,
        store: &Store,
        stored: Stored,
        network: Network,
        runtime: &Runtime,
    ) -> Self {
        let (spread, loaded) = (stored.spread, stored.revision);
        let Stored { services, live, policies, windows, access, resumed, .. } = stored;
        let (owned, duties) = (store.access().owned(), store.access().duties());
        runtime.telemetry.shards_owned.set(owned.get().len() as i64);
        runtime.telemetry.instances.set(1);
        let Network { rules, canaries, zone, remote_write_trust } = network;
        let last_results = LastResults::default();
        let is_watched =
            |service: &&LoadedService| service.definition.enabled && owned.contains(service.id);
        for service in services.iter().filter(is_watched) {
            last_results.watch(service.id, &service.definition);
        }
        let push_keys = PushKeys::default();
        for service in &services {
            push_keys.update(service.id, Some(&service.definition));
        }
        let service_changes = ServiceChanges::default();
        let windows = CurrentWindows::new(windows);
        let revision = Revision::default();
        let mut source = MarksSource::new(policies);
        let marks = source.of_all(&services);
        let relay = relay_settings(config, remote_write_trust, &rules);
        let relayed = relay.is_some().then(RelayedSeqs::default);
        let default_interval = config.services.defaults.interval.get();
        let stores = StoreActors::start(
            &store.access(),
            (source, marks),
            relayed.clone(),
            default_interval,
            runtime,
        );
        let arbiters: Vec<Arbiter> = (0..cores()).map(|_| Arbiter::new()).collect();

        let open_alerts = OpenAlerts::default();
        let shared = (windows.clone(), access.clone(), open_alerts.clone());
        let live = start_live_state(config, live, shared, runtime);
        let settings = recorder_settings(config, store, &resumed);
        let deps = RecorderDeps {
            revision: revision.clone(),
            last_results: last_results.clone(),
            push_keys: push_keys.clone(),
            service_changes: service_changes.clone(),
            windows: windows.clone(),
            access: access.clone(),
            subscribers: vec![EventSubscriber::new("log", EventLog::spawn(runtime).recipient())],
            live: LiveState::recipients(&live),
            owned: owned.clone(),
            written: stores.written.clone(),
            writer: stores.writer_recipients(),
            readers: Readers::new(stores.readers.clone(), store.read_deadline()),
        };
        let recorder = Recorder::new(settings, &services, deps, runtime).start();
        let upkeep = start_upkeep(config, &stores, &last_results, &recorder, runtime);
        start_span_writer(&stores, &windows, &duties, &recorder, runtime);
        let canaries = Canaries::spawn(&arbiters[0].handle(), canaries, rules.clone());
        let sender_rules = SenderRules {
            trust: rules.trust.clone(),
            policy: config.alerting.policy.clone(),
            resolver_health: Arc::clone(&rules.resolver_health),
            variables: rules.variables.clone(),
            zone,
        };
        let pool = start_pool(config, &arbiters, rules, &recorder, runtime);
        let scheduler = start_scheduler(config, (services, spread), &owned, &pool, runtime);
        let dispatcher = start_dispatcher(
            config,
            store,
            &stores,
            (&recorder, &scheduler, &pool),
            (&last_results, &windows, &open_alerts, &duties),
            sender_rules,
            runtime,
        );

        let relay = relay.zip(relayed).map(|(settings, relayed)| {
            let links = RelayLinks {
                readers: Readers::new(stores.readers.clone(), store.read_deadline()),
                recorder: recorder.clone().recipient(),
                relayed,
            };
            // On an arbiter of its own, so that nothing of sending delays probes.
            Relay::spawn(&Arbiter::new().handle(), settings, links, runtime)
        });
        recorder.do_send(Subscribe {
            scheduler: scheduler.clone().recipient(),
            heartbeat_waits: scheduler.clone().recipient(),
            leave: scheduler.clone().recipient(),
            heartbeats: scheduler.clone().recipient(),
            pool: pool.clone().recipient(),
            probes: pool.clone().recipient(),
            canaries: canaries.clone().recipient(),
            upkeep: upkeep.recipient(),
            dispatcher: DispatcherRecipients {
                signals: dispatcher.clone().recipient(),
                changes: dispatcher.clone().recipient(),
                own: dispatcher.clone().recipient(),
                clock: dispatcher.clone().recipient(),
            },
            relay: relay.as_ref().map(Relay::recipients),
        });
        pool.do_send(SubscribeConfirmations(scheduler.clone().recipient()));
        let canaries = canaries.recipient();
        let queriers = start_queriers(config, store, (&last_results, service_changes), runtime);
        let roster = CurrentRoster::default();
        let links = (&recorder, &dispatcher, &roster, &open_alerts);
        let coordinator = start_coordinator(config, store, loaded, links, runtime);
        Self {
            scheduler,
            pool,
            recorder,
            canaries,
            dispatcher,
            relay,
            live,
            last_results,
            push_keys,
            queriers,
            windows,
            access,
            open_alerts,
            coordinator,
            roster,
            owned,
            duties,
            revision,
            arbiters,
        }
    }
}

/// `None` without remote write.
fn relay_settings(config: &Config, trust: Option<Trust>, rules: &Rules) -> Option<RelaySettings> {
    let RemoteWriteConfig { url, token, labels, ca_file: _ } = config.remote_write.clone()?;
    let token = token.map(|token| token.reveal().to_owned());
    let resolver_health = Arc::clone(&rules.resolver_health);
    let receiver = Receiver { url, token, trust: trust?, resolver_health };
    Some(RelaySettings { receiver, labels })
}

fn recorder_settings(config: &Config, store: &Store, resumed: &Resumed) -> RecorderSettings {
    RecorderSettings {
        buffer_limit: config.storage.buffer_limit,
        commit_window: config.storage.commit_window,
        liveness_interval: store.liveness_interval(config.storage.commit_window),
        stopped_at_ms: resumed.stopped_at_ms,
        defaults: config.services.defaults,
        self_check: SelfCheckSettings {
            window: config.self_check.window,
            share: config.self_check.share,
            limit: config.storage.buffer_limit,
        },
    }
}

fn start_queriers(
    config: &Config,
    store: &Store,
    (last_results, changes): (&LastResults, ServiceChanges),
    runtime: &Runtime,
) -> Queriers {
    let settings = QuerierSettings {
        concurrency: config.queries.concurrency,
        max_samples: config.queries.max_samples,
        catalog: CatalogSettings {
            job: config.queries.job.clone(),
            requests: config.process.requests,
            default_interval: config.services.defaults.interval.get(),
        },
    };
    Queriers::start(settings, store.access(), (last_results.clone(), changes), runtime)
}

/// On an arbiter of its own, so that no list delays probes.
fn start_live_state(
    config: &Config,
    services: Vec<LiveService>,
    shared: (CurrentWindows, AccessRegistry, OpenAlerts),
    runtime: &Runtime,
) -> Addr<LiveState> {
    let arbiter = Arbiter::new();
    LiveState::spawn(&arbiter.handle(), services, shared, config.api.max_streams, runtime)
}

/// On an arbiter of its own, so that nothing of sending delays probes.
fn start_dispatcher(
    config: &Config,
    store: &Store,
    stores: &StoreActors,
    (recorder, scheduler, pool): (&Addr<Recorder>, &Addr<Scheduler>, &Addr<Pool>),
    shared: (&LastResults, &CurrentWindows, &OpenAlerts, &Duties),
    rules: SenderRules,
    runtime: &Runtime,
) -> Addr<Dispatcher> {
    let (last_results, windows, open_alerts, duties) = shared;
    let settings = DispatcherSettings {
        monitor: config.process.service_name.clone(),
        public_url: config.alerting.public_url.clone(),
        defaults: config.services.defaults,
    };
    let links = DispatcherLinks {
        readers: Readers::new(stores.readers.clone(), store.read_deadline()),
        recorder: recorder.clone().recipient(),
        store_failure: recorder.clone().recipient(),
        lateness: scheduler.clone().recipient(),
        probe: pool.clone().recipient(),
        last_results: last_results.clone(),
        windows: windows.clone(),
        open_alerts: open_alerts.clone(),
        duties: duties.clone(),
        commands: recorder.clone().recipient(),
    };
    let arbiter = Arbiter::new();
    Dispatcher::spawn(&arbiter.handle(), settings, links, rules, runtime)
}

fn start_upkeep(
    config: &Config,
    stores: &StoreActors,
    last_results: &LastResults,
    recorder: &Addr<Recorder>,
    runtime: &Runtime,
) -> Addr<Upkeep> {
    let settings = UpkeepSettings {
        chunk_ticks: config.storage.chunk_ticks,
        retention: config.storage.retention,
    };
    let links = UpkeepLinks {
        recorder: recorder.clone().recipient(),
        store_failure: recorder.clone().recipient(),
        prepare: stores.upkeep_reader.clone().recipient(),
        usage: stores.upkeep_reader.clone().recipient(),
    };
    Upkeep::new(settings, last_results.clone(), links, runtime).start()
}

fn start_span_writer(
    stores: &StoreActors,
    windows: &CurrentWindows,
    duties: &Duties,
    recorder: &Addr<Recorder>,
    runtime: &Runtime,
) {
    let links = SpanWriterLinks {
        duties: duties.clone(),
        due: stores.upkeep_reader.clone().recipient(),
        recorder: recorder.clone().recipient(),
    };
    SpanWriter::new(windows.clone(), links, runtime).start();
}

fn start_pool(
    config: &Config,
    arbiters: &[Arbiter],
    rules: Rules,
    recorder: &Addr<Recorder>,
    runtime: &Runtime,
) -> Addr<Pool> {
    let deps = ProberDeps {
        rules,
        recorder: recorder.clone().recipient(),
        runtime: runtime.clone(),
        faults: Arc::new(Throttle::default()),
    };
    let arbiters = ArbiterPool::new(arbiters.iter().map(Arbiter::handle).collect(), deps);
    Pool::new(pool_size(config), config.probing.queue_limit, arbiters, runtime).start()
}

fn start_scheduler(
    config: &Config,
    (services, spread): (Vec<LoadedService>, usize),
    owned: &OwnedShards,
    pool: &Addr<Pool>,
    runtime: &Runtime,
) -> Addr<Scheduler> {
    let pool = PoolRecipients {
        dispatch: pool.clone().recipient(),
        revise: pool.clone().recipient(),
        remove: pool.clone().recipient(),
    };
    let settings = SchedulerSettings {
        defaults: config.services.defaults,
        pool_size: config.probing.pool_size,
        tolerance: config.probing.tolerance,
        spread,
    };
    Scheduler::new(services, owned, settings, pool, runtime).start()
}

/// Number of probers. An instance of the API only probes on demand.
pub fn pool_size(config: &Config) -> usize {
    match config.storage.role.owns() {
        true => config.probing.pool_size,
        false => config.probing.pool_size.min(API_POOL_SIZE),
    }
}

/// `None` for a store with one instance.
fn start_coordinator(
    config: &Config,
    store: &Store,
    revision: i64,
    links: (&Addr<Recorder>, &Addr<Dispatcher>, &CurrentRoster, &OpenAlerts),
    runtime: &Runtime,
) -> Option<Addr<Coordinator>> {
    let (recorder, dispatcher, roster, open_alerts) = links;
    let access = store.access();
    access.coordinator()?;
    let (of_thread, lifelines) = (access.clone(), runtime.lifelines.clone());
    let thread = SyncArbiter::start(1, move || {
        let lifeline = lifelines.lifeline("coordinator store");
        CoordinatorStore::new(&of_thread, lifeline)
            .unwrap_or_else(|| unreachable!("the store has a coordinator"))
    });
    let settings = CoordinatorSettings {
        role: config.storage.role,
        ttl: config.storage.instance_ttl,
        wanted: startup::duties(config),
        revision,
    };
    let links = CoordinatorLinks {
        look: thread.clone().recipient(),
        end: thread.clone().recipient(),
        rejoin: thread.clone().recipient(),
        commands: dispatcher.clone().recipient(),
        commands_done: thread.recipient(),
        claim: recorder.clone().recipient(),
        give_back: recorder.clone().recipient(),
        drop: recorder.clone().recipient(),
        changes: recorder.clone().recipient(),
        inbox: recorder.clone().recipient(),
        owned: access.owned(),
        duties: access.duties(),
        open_alerts: open_alerts.clone(),
        roster: roster.clone(),
    };
    Some(Coordinator::new(settings, links, runtime).start())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
