//! service-healthcheck: an uptime monitor.
//!
//! # The parts
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | services, outcomes and the roll-up, as plain values and pure functions |
//! | [`probe`] | one probe under one deadline → an outcome |
//! | [`storage`] | SQLite through diesel: opening, migrations, the writes, the reads |
//! | [`actors`] | scheduler, pool, probers, recorder, writer and readers |
//! | [`http`] | the JSON API and `/metrics` |
//! | [`telemetry`], [`logging`] | what the program counts and says of itself |
//! | [`config`], [`services_file`], [`import`] | settings; services from a declarative file; data of other tools |
//! | [`startup`] | what is checked and read before anything runs |
//! | [`app`], [`reload`], [`shutdown`] | the only wiring: starts all of it, applies a changed file, and stops it in order |
//! | [`export`], [`backup`] | taking data out as a text; copies of the database, putting them back, looking through them |
//! | [`cli`], [`health`], [`probe_once`], [`check_file`] | the command line and its small commands |
//!
//! Imports point one way: `domain` ← `probe`, `storage`, `telemetry` ← `config`, `services_file`, `import` ← `actors` ←
//! `http` ← `startup`, `probe_once` ← `reload`, `check_file`, `export`, `backup` ← `app` ← `main`.
//!
//! # The way of one probe
//!
//! 1. The [`scheduler`](actors::scheduler) wakes when a slot is due and sends its job to the [`pool`](actors::pool).
//! 2. The pool gives it to an idle [`prober`](actors::prober), or has it wait, or counts the slot as missed.
//! 3. The prober runs it with its arbiter's [`Engine`](probe::Engine) and hands the outcome to the
//!    [`recorder`](actors::recorder), which keeps it in a bounded buffer.
//! 4. The [`writer`](actors::store::writer) commits what has gathered: tick, metric and event of an outcome together.
//! 5. An HTTP handler asks the recorder, which forwards the question to a [`reader`](actors::store::readers).
//!
//! The decisions on that way are pure, so they can be read and tested without an actor:
//!
//! ```
//! use std::time::Duration;
//! use service_healthcheck::domain::{EventChange, State, Tally, Thresholds, Tick, rollup};
//!
//! let tick = |state, at_ms, ms| Tick { state, at_ms, response_time: Duration::from_millis(ms) };
//! let at_once = Thresholds::default();
//! let (first, _) = rollup(&Tally::default(), &tick(State::Up, 1_000, 50), &at_once);
//! let (second, change) = rollup(&first, &tick(State::Down, 16_000, 70), &at_once);
//! assert_eq!(change, EventChange::Begins { state: State::Down, at_ms: 16_000 });
//! assert_eq!(second.average_response_time_ms(), 60.0);
//! assert_eq!(second.uptime_percent(), 50.0);
//! ```
//!
//! Why it is built this way, and what was measured, stands in `docs/design/`.

pub mod actors;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod domain;
pub mod error;
pub mod logging;
pub mod metrics;
pub mod probe;
pub mod services_file;
pub mod spec;
pub mod storage;
