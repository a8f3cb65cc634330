//! Rows and the domain values they stand for.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;

use crate::domain::history::tick::StoredTick;
use crate::domain::rollup::flapping::Recent;
use crate::domain::{
    Condition, Definition, Event, EventFailure, Group, Interval, LatestEvent, Name, Options,
    Origin, Outcome, Reason, ServiceId, State, StoredReason, Streak, Tally, Target, Thresholds,
    Timeout,
};
use crate::spec;
use crate::spec::Form;
use crate::storage::error::StorageError;
use crate::storage::schema::{service_events, service_metrics, service_ticks, services};

/// A row of `services`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = services, check_for_backend(diesel::sqlite::Sqlite))]
pub struct ServiceRow {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub group_name: Option<String>,
    pub enabled: bool,
    pub interval_seconds: Option<f64>,
    pub timeout_seconds: Option<f64>,
    pub origin: String,
    pub conditions: Option<String>,
    pub options: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ServiceRow {
    /// The definition that the row holds; an error when somebody else wrote a value that is none.
    pub fn definition(&self) -> Result<Definition, StorageError> {
        let broken = |field: &str, why: &dyn std::fmt::Display| {
            StorageError::Unreadable(format!("services, id {}, {field}: {why}", self.id))
        };
        Ok(Definition {
            name: Name::parse(&self.name).map_err(|why| broken("name", &why))?,
            // Only an operator of this machine names variables.
            target: match self.origin() {
                Origin::File => Target::template(&self.url),
                Origin::Api => Target::parse(&self.url),
            }
            .map_err(|why| broken("url", &why))?,
            group: Group::parse(self.group_name.as_deref().unwrap_or_default())
                .map_err(|why| broken("group_name", &why))?,
            enabled: self.enabled,
            interval: self
                .interval_seconds
                .map(Interval::from_seconds)
                .transpose()
                .map_err(|why| broken("interval_seconds", &why))?,
            timeout: self
                .timeout_seconds
                .map(Timeout::from_seconds)
                .transpose()
                .map_err(|why| broken("timeout_seconds", &why))?,
            conditions: self
                .conditions
                .as_deref()
                .unwrap_or_default()
                .lines()
                .map(Condition::parse)
                .collect::<Result<_, _>>()
                .map_err(|why| broken("conditions", &why))?,
            options: self.options().map_err(|why| broken("options", &why))?,
        })
    }

    /// What the service says beyond its columns; most say nothing.
    fn options(&self) -> Result<Arc<Options>, String> {
        let Some(text) = &self.options else { return Ok(Options::none()) };
        let map = serde_json::from_str(text).map_err(|error| error.to_string())?;
        spec::read_options(&map).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })
    }

    /// How many results in a row make an event of the service. A row that cannot be read is read as one that says nothing.
    pub fn thresholds(&self) -> Thresholds {
        self.options().map(|options| options.thresholds).unwrap_or_default()
    }

    /// Who owns the service.
    pub fn origin(&self) -> Origin {
        if self.origin == origin_word(Origin::File) { Origin::File } else { Origin::Api }
    }

    /// The key of the row.
    pub fn service_id(&self) -> Result<ServiceId, StorageError> {
        ServiceId::new(self.id)
            .ok_or_else(|| StorageError::Unreadable(format!("services has the id {}", self.id)))
    }
}

/// The word for `origin` in the store.
pub fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "api",
        Origin::File => "file",
    }
}

/// What a definition writes into `services`, on creation and on every change.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = services, treat_none_as_null = true)]
pub struct DefinitionRow<'a> {
    pub name: &'a str,
    pub url: &'a str,
    pub group_name: Option<&'a str>,
    pub enabled: bool,
    pub interval_seconds: Option<f64>,
    pub timeout_seconds: Option<f64>,
    pub origin: &'static str,
    pub conditions: Option<String>,
    pub options: Option<String>,
    pub updated_at: i64,
}

impl<'a> DefinitionRow<'a> {
    /// The columns of `definition`.
    pub fn new(definition: &'a Definition, origin: Origin, now: i64) -> Self {
        Self {
            name: definition.name.as_str(),
            url: definition.target.as_str(),
            group_name: definition.group.as_ref().map(Group::as_str),
            enabled: definition.enabled,
            interval_seconds: definition.interval.map(Interval::as_seconds),
            timeout_seconds: definition.timeout.map(Timeout::as_seconds),
            origin: origin_word(origin),
            conditions: lines(&definition.conditions),
            options: options_text(&definition.options),
            updated_at: now,
        }
    }
}

/// The options as JSON; `None` where there is nothing to say.
fn options_text(options: &Options) -> Option<String> {
    let map = spec::write_options(options, Form::Stored);
    (!map.is_empty()).then(|| serde_json::Value::Object(map).to_string())
}

/// One condition a line; none has a line break in it.
fn lines(conditions: &[Condition]) -> Option<String> {
    let lines: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// A row of `service_ticks`: a tick that is not sealed yet.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, QueryableByName, Insertable)]
#[diesel(table_name = service_ticks, treat_none_as_default_value = false)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
pub struct TickRow {
    pub id: i64,
    pub service_id: i64,
    pub step_back: Option<i64>,
    pub is_up: bool,
    pub is_unknown: bool,
    pub http_status: Option<i32>,
    pub failure: Option<String>,
    pub created_at_ms: i64,
    pub dns_us: Option<i64>,
    pub connect_us: Option<i64>,
    pub tls_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub transfer_us: Option<i64>,
    pub unphased_us: Option<i64>,
}

impl TickRow {
    /// The row of `tick`, behind the one that `previous_id` names.
    pub fn new(
        id: i64,
        service_id: ServiceId,
        previous_id: Option<i64>,
        tick: &StoredTick,
    ) -> Self {
        let phase = |nth: usize| tick.phases_us.map(|phases| phases[nth].cast_signed());
        let phased: u64 = tick.phases_us.unwrap_or_default().iter().sum();
        let unphased = tick.response_time_us.wrapping_sub(phased).cast_signed();
        Self {
            id,
            service_id: service_id.get(),
            step_back: previous_id.map(|previous| id - previous),
            is_up: tick.state == State::Up,
            is_unknown: tick.state == State::Unknown,
            http_status: tick.http_status.map(i32::from),
            failure: tick.reason.map(|reason| reason.as_str().to_owned()),
            created_at_ms: tick.at_ms,
            dns_us: phase(0),
            connect_us: phase(1),
            tls_us: phase(2),
            first_byte_us: phase(3),
            transfer_us: phase(4),
            unphased_us: (unphased != 0).then_some(unphased),
        }
    }

    /// The tick of the row. A status or failure that is none of ours is left out.
    pub fn kept(&self) -> StoredTick {
        let micros = |us: Option<i64>| us.unwrap_or_default().max(0).cast_unsigned();
        let phases =
            [self.dns_us, self.connect_us, self.tls_us, self.first_byte_us, self.transfer_us]
                .map(micros);
        StoredTick {
            at_ms: self.created_at_ms,
            state: match (self.is_unknown, self.is_up) {
                (true, _) => State::Unknown,
                (false, true) => State::Up,
                (false, false) => State::Down,
            },
            response_time_us: phases
                .iter()
                .sum::<u64>()
                .saturating_add_signed(self.unphased_us.unwrap_or_default()),
            phases_us: self.dns_us.map(|_| phases),
            http_status: self.http_status.and_then(|status| u16::try_from(status).ok()),
            reason: self.failure.as_deref().and_then(Reason::from_word),
        }
    }
}

/// What the history keeps of `outcome`; `state` is its verdict. Its response time is that of its phases, of which each is kept in
/// whole microseconds, unless there is more to it.
pub fn kept(outcome: &Outcome, state: State) -> StoredTick {
    let phases = outcome.phases.named().map(|(_, spent)| micros(spent));
    let phased: u64 = phases.iter().sum();
    let response_time_us = micros(outcome.response_time);
    let is_rounding = response_time_us.abs_diff(phased) < phases.len() as u64;
    StoredTick {
        at_ms: outcome.started_at_ms,
        state,
        response_time_us: if is_rounding { phased } else { response_time_us },
        phases_us: Some(phases),
        http_status: outcome.http_status,
        reason: outcome.failure.as_ref().map(|failure| failure.reason),
    }
}

fn micros(spent: Duration) -> u64 {
    // Far below what the store can hold: an hour is the longest timeout.
    u64::try_from(spent.as_micros()).unwrap_or(u64::MAX)
}

/// A row of `service_metrics`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = service_metrics, check_for_backend(diesel::sqlite::Sqlite))]
pub struct MetricRow {
    pub tick_count: i64,
    pub up_count: i64,
    pub unknown_count: i64,
    pub response_time_sum_ns: i64,
    pub latest_tick_id: Option<i64>,
    pub unwatched_from_ms: Option<i64>,
    pub known_is_up: Option<bool>,
    pub streak_is_up: Option<bool>,
    pub streak_count: Option<i64>,
    pub streak_since_ms: Option<i64>,
    pub recent_states: i64,
    pub is_flapping: bool,
}

impl MetricRow {
    fn streak(&self) -> Option<Streak> {
        Some(Streak {
            is_up: self.streak_is_up?,
            count: u32::try_from(self.streak_count?).ok()?,
            since_ms: self.streak_since_ms?,
        })
    }

    /// The tally of this row and of the newest event of its service.
    pub fn tally(&self, latest: Option<LatestEvent>) -> Tally {
        Tally {
            tick_count: self.tick_count.cast_unsigned(),
            up_count: self.up_count.cast_unsigned(),
            response_time_sum: Duration::from_nanos(self.response_time_sum_ns.cast_unsigned()),
            unknown_count: self.unknown_count.cast_unsigned(),
            latest,
            known_is_up: self.known_is_up,
            streak: self.streak(),
            recent: Recent::from_bits(self.recent_states),
            is_flapping: self.is_flapping,
        }
    }
}

/// A row of `service_events`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = service_events, check_for_backend(diesel::sqlite::Sqlite))]
pub struct EventRow {
    pub id: i64,
    pub event: String,
    pub failure: Option<String>,
    pub failure_detail: Option<String>,
    pub date_started_ms: i64,
    pub date_ended_ms: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl EventRow {
    pub fn event(self) -> Result<Event, StorageError> {
        let Self { id, event, failure, failure_detail, .. } = self;
        let state = State::from_event(&event).ok_or_else(|| {
            StorageError::Unreadable(format!("service_events, id {id}, event: {event}"))
        })?;
        let failure = failure.map(|word| EventFailure {
            reason: StoredReason::from_word(word),
            detail: failure_detail.unwrap_or_default(),
        });
        Ok(Event {
            id,
            state,
            failure,
            started_ms: self.date_started_ms,
            ended_ms: self.date_ended_ms,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A new row of `service_events`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_events, treat_none_as_default_value = false)]
pub struct NewEvent<'a> {
    pub service_id: i64,
    pub event: &'static str,
    pub failure: Option<&'a str>,
    pub failure_detail: Option<&'a str>,
    pub date_started_ms: i64,
    pub date_ended_ms: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}
