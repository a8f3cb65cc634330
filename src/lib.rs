//! service-healthcheck: an uptime monitor.
//!
//! It probes each service in its interval, judges the response, stores every result in SQLite or
//! PostgreSQL, notifies channels of what begins and ends, and serves history, uptime and metrics
//! over HTTP. This page is the map of the code.
//!
//! # The modules
//!
//! | module | content |
//! |---|---|
//! | [`domain`] | services, conditions, outcomes, events, history: values and pure decisions |
//! | [`promql`] | the query language of Prometheus, over any source of series |
//! | [`remote`] | the messages of Prometheus's remote read and remote write |
//! | [`spec`] | the fields of a service, as the API, the services file and the store write them |
//! | [`probe`] | one probe under one deadline: resolve, connect, TLS, protocol → an outcome |
//! | [`storage`] | the store: its operations, queries and errors; all SQL |
//! | [`metrics`] | counters and gauges for `GET /metrics` |
//! | [`config`] | settings: names, defaults, valid values |
//! | [`services_file`] | services from YAML files in the form of Gatus |
//! | [`modules`] | modules of blackbox_exporter, for `GET /probe` |
//! | [`actors`] | scheduler, pool, probers, recorder, self-check, upkeep, and the store's threads |
//! | [`live`] | the current state of every service in memory: lists, counts, searches |
//! | [`alerting`] | sending of alerts: kinds of channels, requests, answers |
//! | [`relay`] | remote write: every result on to a time series database |
//! | [`api`] | the HTTP API |
//! | [`ui`] | the dashboard: HTML pages, stylesheet, scripts |
//! | [`app`] | startup checks, start and stop of all actors in order, reload of the services file |
//! | [`cli`], [`commands`] | the command line; one file or folder per command |
//! | [`error`], [`clock`], [`logging`] | errors and exit codes; the wall clock; the log |
//! | [`bounded_file`] | reads a whole file with a limit and a deadline |
//!
//! `main.rs` parses the command line, reads the configuration, and runs one of the [`commands`];
//! `service-healthcheck run` calls [`app::run`].
//!
//! Imports go in one direction: `domain` ← `spec` ← `probe`, `storage`, `metrics` ← `config`,
//! `services_file` ← `modules`, `actors` ← `alerting`, `live` ← `relay`, `api` ← `ui` ← `app` ←
//! `commands` ← `main`. No two files import each other, directly or through others. The test
//! `tests/e2e/imports/` checks both.
//!
//! # The path of one probe
//!
//! 1. The [scheduler](actors::scheduler) wakes when a service is due and dispatches a job to the
//!    [pool](actors::pool).
//! 2. The pool leases a free slot to the job, queues the job, or counts it as missed. The
//!    [prober](actors::prober) of that slot runs the job with the [`Engine`](probe::Engine) of its
//!    thread.
//! 3. `probe/` resolves the name, connects, negotiates TLS, and sends the request. Every wait
//!    belongs to a phase (resolve, connect, TLS, processing, transfer), and every error has a
//!    [`Reason`](domain::Reason). HTTP redirects are followed in `probe/http/`. An external check
//!    (`exec://`) runs a Nagios plugin instead, in `probe/exec/`.
//! 4. The service's [conditions](domain::condition) judge the response; without conditions the
//!    default rule of its kind does (HTTP: a status below 400 is up). The result is an
//!    [`Outcome`](domain::Outcome): up, down, local (the monitor's own fault, such as no free file
//!    descriptor) or unknown.
//! 5. The [recorder](actors::recorder) takes the outcome. When many services fail at once, the
//!    [self-check](actors::self_check) holds the failures and decides whether the local network is
//!    down; then they become unknown. Everything else goes to the buffer.
//! 6. The [writer](actors::store::writer) commits the buffer in one transaction (a group commit).
//!    The [ledger](storage::ledger) makes the batch: for each outcome,
//!    [`rollup`](domain::rollup::rollup) decides what the tick changes: counts, the state of the
//!    service, and whether an event begins or ends.
//! 7. After the commit, the recorder publishes the events that began; the
//!    [log](actors::event_log) is a subscriber. With remote write, it hands the ticks to the
//!    [relay](relay::actor). If the commit wrote signals of alerts, the
//!    [dispatcher](alerting::dispatcher) reads them, decides, and sends what is due.
//!
//! A request of the [`api`] goes to the recorder, which forwards queries to the
//! [readers](actors::store::readers) and puts changes in order with the commits.
//!
//! # Where to find it
//!
//! | question | file |
//! |---|---|
//! | When is a service probed next? | `actors/scheduler/schedule.rs` |
//! | Which job waits, and which is preempted? | `actors/pool/queue.rs` |
//! | Where is a redirect followed? | `probe/http/mod.rs` |
//! | Which addresses may a probe connect to? | `probe/net/policy.rs` |
//! | Which name server is queried, and when? | `probe/net/system_resolver.rs` |
//! | Does a failed look-up count against the target? | `probe/net/resolver_health.rs` |
//! | When is a domain looked up at its registry? | `probe/registry/cache.rs` |
//! | Which registry server is queried, and in which order? | `probe/registry/lookup.rs` |
//! | Which plugins may run, and with which limits? | `probe/exec/folder.rs`, `launcher.rs` |
//! | How does a probe use an HTTP proxy? | `probe/net/proxy.rs` |
//! | When is a token of OAuth 2.0 fetched? | `probe/tokens.rs`, `probe/http/token.rs` |
//! | Which certificates are trusted? | `probe/net/tls/trust.rs` |
//! | How much may a target send without data? | `probe/limits.rs` |
//! | Which failure has which reason? | `probe/failure.rs`; the list: `domain/outcome.rs` |
//! | Is this *response* up or down? | `domain/condition/judge.rs`; default: `probe/http/mod.rs` |
//! | Which status, body or header is expected? | `domain/service/expectations.rs` |
//! | Which conditions are refused? | `domain/condition/contradiction.rs` |
//! | When is a missing connection up? | `domain/condition/absence.rs`, `probe/no_connection.rs` |
//! | Is the *service* down, and since when? | `domain/rollup/tally.rs`: thresholds, state, events |
//! | What if the wall clock is set? | `domain/time/clock_watch.rs`, `domain/time/step_back.rs` |
//! | Is it the local network instead? | `actors/self_check/decision.rs` |
//! | Is a service under maintenance, and until when? | `domain/maintenance/` |
//! | When is the time of a maintenance written? | `domain/maintenance/spans.rs` |
//! | When is a service unobserved? | `actors/recorder/observation.rs` |
//! | When does an alert begin, end, or wait? | `domain/alert/engine/` |
//! | Which module of blackbox_exporter is which service? | `modules/http.rs`, `probers.rs` |
//! | Which targets may `/probe` dial? | `probe/net/policy.rs`: guests; `probe/net/targets.rs` |
//! | What is sent by remote write next? | `relay/state.rs`; its answers: `relay/response.rs` |
//! | Which services notify which channels? | `domain/alert/routing.rs` |
//! | What is a kind of channel? | a row of `alerting/providers.yaml`; `alerting/row.rs` |
//! | When is a message tried again? | `domain/alert/engine/attempts.rs`, `lane.rs` |
//! | Which request may read or write? | `api/guard/decision.rs` |
//! | Which scope does a route require? | `api/guard/routes.rs` |
//! | What does a scope, a group or a token permit? | `domain/access/` |
//! | Which silences may a token with groups change? | `domain/access/reach.rs` |
//! | Which fields does a row of the audit have? | `domain/audit/differences.rs` |
//! | What is the address of a client behind a proxy? | `api/guard/forwarded.rs` |
//! | When is the certificate of the API replaced? | `app/certificate.rs` |
//! | Which response is packed, and what is its tag? | `api/representation.rs` |
//! | What does a heartbeat report? | `api/input/heartbeat.rs` |
//! | Which connection of the API is closed? | `api/transport/places.rs` |
//! | Which services does a list show, and in which order? | `live/overview/find.rs` |
//! | Which of them are read from the store? | `api/service_texts.rs`; `live/overview/version.rs` |
//! | What is a stream sent, and when? | `live/subscribers.rs` |
//! | What if the database file is removed or replaced? | `storage/sqlite/watch.rs` |
//! | Which database is refused at the start? | `storage/postgres/start_checks.rs` |
//! | How does a state look on a page? | `domain/shown_state.rs`, `domain/strip.rs` |
//! | When is another instance dead, and ended? | `actors/membership.rs` |
//! | Which instance probes a service? | `domain/shards.rs`, `storage/postgres/shards.rs` |
//! | Whom does a command refuse to write beside? | `storage/postgres/takeover.rs` |
//! | When does retention run? | `actors/upkeep/decision.rs` |
//! | Which PromQL functions exist, and what computes them? | `promql/functions.rs` |
//! | What does a move to another store copy, and what not? | `storage/transfer/tables.rs` |
//! | When does an interrupted move go on, or begin anew? | `storage/cold/transfer/moves.rs` |
//! | What does retention delete? | `storage/history/` and, in SQL, `storage/sqlite/retention.rs` |
//! | Which values are secret, and how are they masked? | `domain/secret/` |
//! | When must a change repeat the secrets? | `spec/destination.rs` |
//! | When is the services file read again, and applied? | `app/reload/decision.rs` |
//! | Which keys of Gatus are not used? | `services_file/unused_keys.rs` |
//! | Which endpoints of Gatus are left out? | `services_file/unsupported.rs` |
//! | Where do I add a setting? | `config/`, the file of its subject; all steps: `CONTRIBUTING.md` |
//! | Where do I add a field of a service? | `domain/service/`, `spec/field.rs` (a row) |
//! | Where do I add a metric? | `metrics/` |
//!
//! `CONTRIBUTING.md` has the steps for a new probe kind, setting, table and metric; `docs/design/`
//! has the reasons for each decision, one page per module.
//!
//! # Pure decisions
//!
//! A decision does no I/O, and time is a parameter, so a test calls it without an actor or a clock:
//!
//! ```
//! use std::time::Duration;
//! use service_healthcheck::domain::{EventChange, State, Tally, Thresholds, Tick, rollup};
//!
//! let tick = |state, at_ms, ms| Tick { state, at_ms, response_time: Duration::from_millis(ms) };
//! let thresholds = Thresholds::default();
//! let (first, _) = rollup(&Tally::default(), &tick(State::Up, 1_000, 50), &thresholds);
//! let (second, change) = rollup(&first, &tick(State::Down, 16_000, 70), &thresholds);
//! assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 16_000 });
//! assert_eq!(second.average_response_time_ms(), 60.0);
//! assert_eq!(second.uptime_percent(), 50.0);
//! ```

pub mod actors;
pub mod alerting;
pub mod api;
pub mod app;
pub mod bounded_file;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod error;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod modules;
pub mod probe;
pub mod promql;
pub mod relay;
pub mod remote;
pub mod services_file;
pub mod spec;
pub mod storage;
pub mod ui;
