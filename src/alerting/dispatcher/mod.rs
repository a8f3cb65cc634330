//! The dispatcher: from signals to messages that arrive.
//!
//! It reads signals, decides with the pure [`Engine`], writes each [`Settlement`] through the
//! recorder, and then sends what is due. Only what is settled is sent, and a signal is deleted in
//! the settlement that decides it: so after a crash nothing is lost, and only requests that were
//! under way are repeated, with the same key.

mod asking;
mod burn_rates;
mod counting;
mod deciding;
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
use std::time::{Duration, Instant};

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
use crate::domain::Defaults;
use crate::domain::alert::engine::lane::{LaneSettings, REFILL_MS};
use crate::domain::alert::engine::{Engine, Env, Restored};
use crate::domain::alert::{AlertKind, Channel, ChannelId, Policy, Settlement};
use crate::metrics::Telemetry;
use crate::storage::StorageError;
use crate::storage::alerting::{AlertingState, GetAlertingState};
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
    /// The term of the duty in which that was read.
    term: Option<u64>,
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
    /// The store failed: nothing is tried until then.
    paused_until: Option<Instant>,
    /// The times in the store are others than those in memory.
    times_moved: bool,
    /// The monitor has no connectivity: nothing is attempted.
    is_cut_off: bool,
    /// No new attempt begins.
    is_stopping: bool,
    counted_at: Option<Instant>,
    /// Whether open alerts may be others than those that were counted, and when that was.
    open_alerts: (bool, Option<Instant>),
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
            term: None,
            definitions: DefinitionReads::default(),
            has_signals: true,
            is_reading: false,
            settlement: None,
            is_settling: false,
            waiting: Vec::new(),
            settling: Vec::new(),
            paused_until: None,
            times_moved: false,
            is_cut_off: false,
            is_stopping: false,
            counted_at: None,
            open_alerts: (true, None),
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
        let (now, now_ms) = (Instant::now(), unix_ms());
        let term = self.links.duties.term(Duty::Alerts);
        if term.is_none() || term != self.term {
            self.stand_by();
            self.term = term;
        }
        if term.is_none() || self.paused_until.is_some_and(|until| now < until) {
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
        self.count(now);
        self.count_open(now);
    }

    /// Another instance decides and sends, or did so until now. What is under way here ends as in a
    /// crash: that instance repeats it, with the same keys.
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
        self.paused_until = Some(Instant::now() + STORE_PAUSE);
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
                self.open_alerts.0 = true;
                // `None` for one of an engine that was forgotten meanwhile.
                if self.settlement.take().is_some()
                    && let Some(loaded) = &mut self.loaded
                {
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
                // What waits for the next settlement was dropped with it.
                let waiting = self.waiting.drain(..);
                waiting.for_each(|reply| _ = reply.send(Err(StorageError::Busy)));
                self.pause();
            }
        }
        self.settling.drain(..).for_each(|reply| _ = reply.send(result.clone()));
        self.turn(context);
    }

    fn is_busy(&self) -> bool {
        self.is_reading || self.is_settling || self.settlement.is_some()
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
