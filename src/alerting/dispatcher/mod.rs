//! The dispatcher: from signals to messages that arrive.
//!
//! It reads signals, decides with the pure [`Engine`], writes each [`Settlement`] through the
//! recorder, and then sends what is due. Only what is settled is sent, and a signal is deleted in
//! the settlement that decides it: so after a crash nothing is lost, and only requests that were
//! under way are repeated, with the same key.

mod asking;
mod burn_rates;
mod definition_reads;
mod elsewhere;
mod handlers;
mod messages;
mod mirrors;
mod own;
mod parents;
mod pushing;
mod sending;
mod suppressions;
mod watchdog;
mod watched;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use slog::{Logger, error, info, warn};
use tokio::sync::oneshot;

use crate::actors::current_windows::CurrentWindows;
use crate::actors::last_results::LastResults;
use crate::actors::messages::instances::PostCommand;
use crate::actors::messages::probing::{GetLateness, ProbeNow};
use crate::actors::messages::recording::GetStoreFailure;
use crate::actors::messages::store::{Ask, SettleAlerts};
use crate::actors::open_alerts::OpenAlerts;
use crate::actors::runtime::{Lifeline, Runtime};
use crate::actors::store::readers::Readers;
use crate::alerting::kind::Kind;
use crate::alerting::sender::{Sender, SenderRules};
use crate::clock::unix_ms;
use crate::domain::alert::engine::lane::{LaneSettings, REFILL_MS};
use crate::domain::alert::engine::open::Subject;
use crate::domain::alert::engine::{Backlog, Engine, Env, Restored, Routed};
use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::domain::alert::{AlertKind, Channel, ChannelId, Policy, Route, Settlement, Watched};
use crate::domain::{Defaults, Definition, Group, Requests, ServiceId};
use crate::metrics::Outbox;
use crate::metrics::Telemetry;
use crate::storage::StorageError;
use crate::storage::alerting::{
    AlertingState, GetAlertingState, GetDefinitions, ReadSignals, SignalBatch,
};
use crate::storage::coordination::Duty;
use crate::storage::coordination::owned::Duties;
use definition_reads::DefinitionReads;
pub use messages::MessageSource;
use mirrors::Mirrors;
use suppressions::SuppressionRules;

/// Interval between two looks at what is due.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// The same while no alert and no notification is open; a signal begins a turn at once.
const IDLE_TURN_EVERY: Duration = Duration::from_secs(5);

/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Signals, or alerts to route, that are decided at once.
const BATCH: u32 = 1_000;

/// Interval between two counts for `/metrics`.
const COUNT_EVERY_MS: i64 = 5_000;

/// The same for the number of open alerts on pages, when they may have changed.
const OPEN_COUNT_EVERY_MS: u64 = 500;

#[derive(Debug, Clone)]
pub struct DispatcherSettings {
    /// `SERVICE_NAME`.
    pub monitor: String,
    /// `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// Interval and timeout of services that set none.
    pub defaults: Defaults,
}

/// What the dispatcher sends messages to.
pub struct DispatcherLinks {
    pub readers: Readers,
    pub recorder: Recipient<SettleAlerts>,
    pub store_failure: Recipient<GetStoreFailure>,
    pub lateness: Recipient<GetLateness>,
    pub probe: Recipient<ProbeNow>,
    pub last_results: LastResults,
    pub windows: CurrentWindows,
    /// Written by the dispatcher.
    pub open_alerts: OpenAlerts,
    pub duties: Duties,
    /// Commands for the instance that decides about alerts.
    pub commands: Recipient<PostCommand>,
}

/// Bounds: those of the [`Engine`]; one query and one settlement under way; a command of HTTP a
/// connection.
pub struct Dispatcher {
    settings: DispatcherSettings,
    links: DispatcherLinks,
    sender: Rc<Sender>,
    mirrors: Mirrors,
    /// `None` until the store was read.
    loaded: Option<Loaded>,
    /// Of channels, policies and silences; at first, of alerts and notifications too.
    definitions: DefinitionReads,
    /// There may be signals that are not read.
    has_signals: bool,
    is_reading: bool,
    /// A settlement that is not stored yet.
    settlement: Option<Settlement>,
    is_settling: bool,
    /// Replies to commands, which wait for the next settlement.
    waiting: Vec<oneshot::Sender<Result<(), StorageError>>>,
    /// Those that wait for the settlement under way.
    settling: Vec<oneshot::Sender<Result<(), StorageError>>>,
    /// The store failed: nothing is tried until then, in unix milliseconds.
    paused_until_ms: i64,
    /// The times in the store are others than those in memory.
    times_moved: bool,
    /// The monitor has no connectivity: nothing is attempted.
    is_cut_off: bool,
    /// No new attempt begins.
    is_stopping: bool,
    counted_ms: i64,
    /// Whether open alerts may be others than those that were counted, and when that was.
    open_alerts: (bool, i64),
    next_test: u64,
    own: watched::OwnWatch,
    burn_rates: watched::BurnRates,
    watchdog: watched::WatchdogCalls,
    telemetry: Telemetry,
    log: Logger,
    /// Cancels the newest request to a channel.
    under_way: HashMap<ChannelId, oneshot::Sender<()>>,
    /// The timer of the next turn.
    next_turn: Option<SpawnHandle>,
    _lifeline: Lifeline,
}

/// What is known from the store.
struct Loaded {
    engine: Engine,
    source: MessageSource,
    channels: HashMap<ChannelId, Rc<Channel>>,
    policies: Vec<Policy>,
    rules: SuppressionRules,
}

impl Dispatcher {
    /// Starts the dispatcher on `arbiter`.
    pub fn spawn(
        arbiter: &ArbiterHandle,
        settings: DispatcherSettings,
        links: DispatcherLinks,
        rules: SenderRules,
        runtime: &Runtime,
    ) -> Addr<Self> {
        let runtime = runtime.clone();
        Self::start_in_arbiter(arbiter, move |_| Self {
            settings,
            links,
            sender: Rc::new(Sender::new(rules)),
            mirrors: Mirrors::default(),
            loaded: None,
            definitions: DefinitionReads::default(),
            has_signals: true,
            is_reading: false,
            settlement: None,
            is_settling: false,
            waiting: Vec::new(),
            settling: Vec::new(),
            paused_until_ms: 0,
            times_moved: false,
            is_cut_off: false,
            is_stopping: false,
            counted_ms: 0,
            open_alerts: (true, 0),
            next_test: 1,
            own: watched::OwnWatch::default(),
            burn_rates: watched::BurnRates::default(),
            watchdog: watched::WatchdogCalls::default(),
            telemetry: runtime.telemetry.clone(),
            log: runtime.log.clone(),
            under_way: HashMap::new(),
            next_turn: None,
            _lifeline: runtime.lifeline("dispatcher"),
        })
    }

    /// Does everything that is due, and sets the timer of the next turn.
    fn turn(&mut self, context: &mut Context<Self>) {
        self.do_due(context);
        if let Some(timer) = self.next_turn.take() {
            context.cancel_future(timer);
        }
        let wait = if self.is_idle() { IDLE_TURN_EVERY } else { TURN_EVERY };
        self.next_turn = Some(context.run_later(wait, |dispatcher, context| {
            dispatcher.next_turn = None;
            dispatcher.turn(context);
        }));
    }

    fn is_idle(&self) -> bool {
        let is_behind = self.times_moved || self.definitions.is_outdated() || self.open_alerts.0;
        let has_work = self.has_signals || is_behind || self.is_busy();
        if !self.decides() {
            return true;
        }
        !has_work && self.loaded.as_ref().is_some_and(|loaded| loaded.engine.is_idle())
    }

    fn do_due(&mut self, context: &mut Context<Self>) {
        let now_ms = unix_ms();
        if !self.decides() {
            return self.stand_by();
        }
        if now_ms < self.paused_until_ms {
            return;
        }
        if self.definitions.is_outdated() || self.loaded.is_none() {
            self.load(context);
        }
        let Some(loaded) = &mut self.loaded else { return };
        let engine = &loaded.engine;
        let is_open = |id| engine.is_open(id, AlertKind::Down);
        loaded.rules.parents.refresh(&self.links.last_results, is_open, now_ms);
        let env = Env { now_ms, suppressions: &loaded.rules };
        loaded.engine.tick(&env);
        self.settle(context);
        // A read that has begun may have found the times of before.
        if self.times_moved && !self.is_busy() && !self.definitions.is_reading() {
            return self.read_again(context);
        }
        self.read_unrouted(context);
        self.read_signals(context);
        self.read_parents(now_ms, context);
        self.send_due(context);
        self.push_due(context);
        self.count(now_ms);
        self.count_open(now_ms);
    }

    /// Another instance decides and sends. What is under way here ends as in a crash: that instance
    /// repeats it, with the same keys.
    fn stand_by(&mut self) {
        if self.loaded.is_some() {
            self.forget();
            self.definitions = DefinitionReads::default();
            let waiting = self.waiting.drain(..).chain(self.settling.drain(..));
            waiting.for_each(|reply| _ = reply.send(Err(StorageError::Busy)));
        }
    }

    /// Whether this instance decides about alerts.
    fn decides(&self) -> bool {
        self.links.duties.has(Duty::Alerts)
    }

    fn pause(&mut self) {
        self.paused_until_ms = unix_ms() + STORE_PAUSE.as_millis() as i64;
    }

    /// Reads the store; the open alerts and notifications only at the start.
    fn load(&mut self, context: &mut Context<Self>) {
        if !self.definitions.begin() {
            return;
        }
        let state = self.links.readers.ask(Ask(GetAlertingState)).into_actor(self);
        context.spawn(state.map(|state, dispatcher, context| {
            dispatcher.definitions.ended(state.is_err());
            match state {
                Ok(state) => {
                    dispatcher.take_over(state);
                    dispatcher.turn(context);
                }
                Err(error) => {
                    warn!(dispatcher.log, "alerting was not read from the store";
                        "error" => %error);
                    dispatcher.pause();
                }
            }
        }));
    }

    /// Replaces what is in memory by what is in the store. The results of requests under way are
    /// lost, as in a crash: the requests are repeated with the same keys.
    fn read_again(&mut self, context: &mut Context<Self>) {
        self.forget();
        self.load(context);
    }

    fn forget(&mut self) {
        self.settlement = None;
        self.loaded = None;
        self.mirrors = Mirrors::default();
        self.has_signals = true;
        self.times_moved = false;
    }

    fn take_over(&mut self, state: AlertingState) {
        let AlertingState {
            instance_key,
            next_alert_id,
            next_notification_id,
            alerts,
            notifications,
            channels,
            policies,
            silences,
        } = state;
        self.telemetry.alerting.channels(channels.iter().map(|channel| channel.name.clone()));
        let rules = SuppressionRules::new(silences, self.links.windows.get(), &channels, &policies);
        let lanes: Vec<LaneSettings> = channels.iter().map(lane_settings).collect();
        let by_id = channels.iter().map(|channel| (channel.id, Rc::new(channel.clone())));
        let by_id = by_id.collect();
        let is_mirror_new = self.mirrors.set_channels(&by_id, &self.sender);
        if let Some(loaded) = &mut self.loaded {
            loaded.engine.set_channels(lanes, unix_ms());
            loaded.engine.recheck_all();
            if is_mirror_new {
                loaded.engine.mirror_all();
            }
            let parents = std::mem::take(&mut loaded.rules.parents);
            loaded.rules = rules;
            loaded.rules.parents = parents;
            (loaded.channels, loaded.policies) = (by_id, policies);
            return;
        }
        let escalates = policies.iter().any(|policy| policy.options.steps.len() > 1)
            || lanes.iter().any(|lane| lane.is_mirror);
        let failing = channels.iter().map(|channel| channel.failing_since_ms);
        let members = |record: crate::storage::alerting::NotificationRecord| {
            (record.notification, record.members)
        };
        let restored = Restored {
            next_alert_id,
            next_notification_id,
            alerts,
            notifications: notifications.into_iter().map(members).collect(),
            channels: lanes.into_iter().zip(failing).collect(),
        };
        let source = MessageSource {
            monitor: self.settings.monitor.clone(),
            instance_key,
            public_url: self.settings.public_url.clone(),
        };
        let engine = Engine::restore(restored, escalates);
        self.loaded = Some(Loaded { engine, source, channels: by_id, policies, rules });
        self.open_alerts.0 = true;
    }

    /// Writes what was decided. A settlement that may be stored is written again as it is.
    fn settle(&mut self, context: &mut Context<Self>) {
        let Some(loaded) = &mut self.loaded else { return };
        if self.is_settling {
            return;
        }
        if self.settlement.is_none() {
            self.settlement = loaded.engine.take_settlement();
            self.settling.append(&mut self.waiting);
            self.mirrors.settling(loaded.engine.take_mirrored());
        }
        let Some(settlement) = self.settlement.clone() else {
            // Nothing had to be written.
            self.mirrors.settled(&loaded.engine);
            return self.settling.drain(..).for_each(|reply| _ = reply.send(Ok(())));
        };
        self.is_settling = true;
        let reply = self.links.recorder.send(SettleAlerts(Box::new(settlement))).into_actor(self);
        context.spawn(reply.map(|reply, dispatcher, context| {
            dispatcher.is_settling = false;
            let result = reply.unwrap_or_else(|_| {
                Err(StorageError::Unavailable("the recorder has ended".to_owned()))
            });
            dispatcher.settled(&result, context);
        }));
    }

    fn settled(&mut self, result: &Result<(), StorageError>, context: &mut Context<Self>) {
        match result {
            Ok(()) => {
                self.settlement = None;
                self.open_alerts.0 = true;
                if let Some(loaded) = &mut self.loaded {
                    loaded.engine.settled();
                    self.mirrors.settled(&loaded.engine);
                }
            }
            Err(StorageError::Unavailable(_) | StorageError::Busy) => self.pause(),
            Err(error) => {
                // The rows contradict what is in memory: they are read again.
                error!(self.log, "alerts were not written; they are read from the store again";
                    "error" => %error);
                self.forget();
                self.pause();
            }
        }
        self.settling.drain(..).for_each(|reply| _ = reply.send(result.clone()));
        self.turn(context);
    }

    fn is_busy(&self) -> bool {
        self.is_reading || self.is_settling || self.settlement.is_some()
    }

    /// Reads the next signals, once those before are settled and every change of a policy is read
    /// that was made before them.
    fn read_signals(&mut self, context: &mut Context<Self>) {
        if !self.has_signals || self.is_busy() || self.definitions.is_behind() {
            return;
        }
        self.is_reading = true;
        self.has_signals = false;
        let batch = self.links.readers.ask(Ask(ReadSignals { limit: BATCH })).into_actor(self);
        context.spawn(batch.map(|batch, dispatcher, context| {
            dispatcher.is_reading = false;
            match batch {
                Ok(batch) => {
                    dispatcher.has_signals |= batch.signals.len() >= BATCH as usize;
                    dispatcher.ask_parents(&batch, context);
                    dispatcher.decide(&batch);
                    dispatcher.turn(context);
                }
                Err(error) => {
                    dispatcher.has_signals = true;
                    warn!(dispatcher.log, "signals were not read"; "error" => %error);
                    dispatcher.pause();
                }
            }
        }));
    }

    fn decide(&mut self, batch: &SignalBatch) {
        let Some(loaded) = &mut self.loaded else { return };
        let Loaded { engine, policies, rules, .. } = loaded;
        let env = Env { now_ms: unix_ms(), suppressions: rules };
        for signal in &batch.signals {
            let definition = batch.definitions.get(&signal.service_id);
            let definition = definition.filter(|definition| definition.enabled);
            let Some(definition) = definition else {
                engine.signal(signal, None, &env);
                continue;
            };
            let routes = routes(definition, signal.kind, policies);
            let url = definition.target.shown(Requests::Masked);
            let routed = Routed { subject: subject(definition), url: &url, routes: &routes };
            engine.signal(signal, Some(&routed), &env);
        }
    }

    /// Reads the services of alerts whose notifications are not decided.
    fn read_unrouted(&mut self, context: &mut Context<Self>) {
        let Some(loaded) = &mut self.loaded else { return };
        if self.is_reading {
            return;
        }
        let alerts = loaded.engine.to_route(BATCH as usize);
        if alerts.is_empty() {
            return;
        }
        self.is_reading = true;
        let ids: Vec<ServiceId> = alerts.iter().filter_map(|(_, service_id)| *service_id).collect();
        let definitions = self.links.readers.ask(Ask(GetDefinitions(ids))).into_actor(self);
        context.spawn(definitions.map(move |definitions, dispatcher, context| {
            dispatcher.is_reading = false;
            match definitions {
                Ok(definitions) => {
                    for (id, definition) in &definitions {
                        dispatcher.ask_parents_of(*id, definition, context);
                    }
                    dispatcher.route(&alerts, &definitions);
                    dispatcher.turn(context);
                }
                Err(error) => {
                    warn!(dispatcher.log, "services of alerts were not read"; "error" => %error);
                    dispatcher.pause();
                }
            }
        }));
    }

    fn route(
        &mut self,
        alerts: &[(i64, Option<ServiceId>)],
        definitions: &HashMap<ServiceId, Definition>,
    ) {
        let Some(Loaded { engine, policies, rules, .. }) = &mut self.loaded else { return };
        let env = Env { now_ms: unix_ms(), suppressions: rules };
        for (alert_id, service_id) in alerts {
            let Some(kind) = engine.alert(*alert_id).map(|alert| alert.kind) else { continue };
            let definition = service_id.and_then(|id| definitions.get(&id));
            let routes = match (service_id, definition) {
                (None, _) => engine.own_routes(kind, &[]),
                (Some(_), Some(definition)) => routes(definition, kind, policies),
                (Some(_), None) => Vec::new(),
            };
            engine.route(*alert_id, &routes, &env);
        }
    }

    /// Counts the open alerts for pages and streams.
    fn count_open(&mut self, now_ms: i64) {
        let (has_changed, counted_ms) = self.open_alerts;
        let Some(loaded) = &self.loaded else { return };
        if !has_changed || now_ms.abs_diff(counted_ms) < OPEN_COUNT_EVERY_MS {
            return;
        }
        self.open_alerts = (false, now_ms);
        let alerts = loaded.engine.open_alerts();
        let alerts =
            alerts.map(|alert| (alert.service_id.is_some(), alert.subject.group.as_deref()));
        self.links.open_alerts.set(OpenAlertCounts::of(alerts));
    }

    fn count(&mut self, now_ms: i64) {
        let Some(loaded) = &self.loaded else { return };
        if now_ms - self.counted_ms < COUNT_EVERY_MS {
            return;
        }
        self.counted_ms = now_ms;
        let metrics = &self.telemetry.alerting;
        let (mut states, mut suppressed) = (HashMap::new(), HashMap::new());
        for alert in loaded.engine.open_alerts() {
            *states.entry((alert.kind, alert.state)).or_insert(0) += 1;
            if let Some(cause) = alert.suppressed_by {
                *suppressed.entry(cause).or_insert(0) += 1;
            }
        }
        metrics.alerts(states);
        metrics.suppressed(suppressed);
        let Backlog { due, oldest, dead } = loaded.engine.backlog(now_ms);
        metrics.outbox(Outbox { due, oldest, dead });
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        info!(self.log, "alerting is started");
        self.turn(context);
        context.run_interval(watched::WATCH_EVERY, Self::watch_own);
        context.run_interval(watched::LOOK_EVERY, Self::look_at_burn_rates);
    }
}

fn routes(definition: &Definition, kind: AlertKind, policies: &[Policy]) -> Vec<Rc<Route>> {
    Watched::new(definition).routes(kind, policies).into_iter().map(Rc::new).collect()
}

fn subject(definition: &Definition) -> Rc<Subject> {
    Rc::new(Subject {
        name: definition.name.as_str().into(),
        group: definition.group.as_ref().map(|group| Group::as_str(group).into()),
    })
}

fn lane_settings(channel: &Channel) -> LaneSettings {
    let kind = Kind::find(&channel.kind);
    let own_ms = channel.options.refill_seconds.map(|seconds| i64::from(seconds) * 1_000);
    let of_kind_ms = kind.map(|kind| kind.row.refill().as_millis() as i64);
    LaneSettings {
        channel_id: channel.id,
        name: channel.name.clone(),
        enabled: channel.enabled,
        system: channel.options.system,
        recipients: kind.map(|kind| kind.recipients(&channel.options)).unwrap_or_default(),
        refill_ms: own_ms.or(of_kind_ms).unwrap_or(REFILL_MS),
        is_mirror: channel.kind == "alertmanager",
    }
}
