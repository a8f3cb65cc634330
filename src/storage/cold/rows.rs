//! Rows of the cold tables, and the domain values that they hold.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;

use super::Backend;
use super::schema::{service_events, service_metrics, services};
use crate::domain::alert::Runs;
use crate::domain::rollup::flapping::Recent;
use crate::domain::{
    Condition, Definition, Event, EventFailure, Group, Interval, Labels, LatestEvent, Name,
    Options, Origin, ServiceId, State, StoredReason, Streak, Tally, Target, Thresholds, Timeout,
};
use crate::spec;
use crate::spec::Form;
use crate::storage::error::StorageError;

/// A row of `services`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = services, check_for_backend(Backend))]
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
    /// Error `Unreadable` for a value that is invalid, which another program wrote.
    pub fn definition(&self) -> Result<Definition, StorageError> {
        let unreadable = |field: &str, error: &dyn std::fmt::Display| {
            StorageError::Unreadable(format!("services, id {}, {field}: {error}", self.id))
        };
        Ok(Definition {
            name: Name::parse(&self.name).map_err(|error| unreadable("name", &error))?,
            // Only the services file may name variables of the environment.
            target: match self.origin() {
                Origin::File => Target::template(&self.url),
                Origin::Api => Target::parse(&self.url),
            }
            .map_err(|error| unreadable("url", &error))?,
            group: Group::parse(self.group_name.as_deref().unwrap_or_default())
                .map_err(|error| unreadable("group_name", &error))?,
            enabled: self.enabled,
            interval: self
                .interval_seconds
                .map(Interval::from_seconds)
                .transpose()
                .map_err(|error| unreadable("interval_seconds", &error))?,
            timeout: self
                .timeout_seconds
                .map(Timeout::from_seconds)
                .transpose()
                .map_err(|error| unreadable("timeout_seconds", &error))?,
            conditions: self
                .conditions
                .as_deref()
                .unwrap_or_default()
                .lines()
                .map(Condition::parse)
                .collect::<Result<_, _>>()
                .map_err(|error| unreadable("conditions", &error))?,
            options: self.options().map_err(|error| unreadable("options", &error))?,
        })
    }

    /// The settings that have no column of their own.
    pub fn options(&self) -> Result<Arc<Options>, String> {
        let Some(text) = &self.options else { return Ok(Options::none()) };
        let map = serde_json::from_str(text).map_err(|error| error.to_string())?;
        spec::read_options(&map).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })
    }

    /// The defaults when the options cannot be read.
    pub fn thresholds(&self) -> Thresholds {
        self.options().map(|options| options.thresholds).unwrap_or_default()
    }

    pub fn origin(&self) -> Origin {
        if self.origin == Origin::File.as_str() { Origin::File } else { Origin::Api }
    }

    pub fn service_id(&self) -> Result<ServiceId, StorageError> {
        ServiceId::new(self.id)
            .ok_or_else(|| StorageError::Unreadable(format!("services has the id {}", self.id)))
    }
}

/// The labels in the column `options`; none when it cannot be read.
pub fn labels_of(options: Option<&str>) -> Labels {
    // Most services have none, and the text of an option is seldom this one.
    let text = options.filter(|text| text.contains("\"labels\""));
    let map = text.and_then(|text| serde_json::from_str(text).ok());
    let options = map.and_then(|map| spec::read_options(&map).ok());
    options.map(|options| options.labels.clone()).unwrap_or_default()
}

/// The columns of `services` that a definition sets.
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
    pub fn new(definition: &'a Definition, origin: Origin, now: i64) -> Self {
        Self {
            name: definition.name.as_str(),
            url: definition.target.as_str(),
            group_name: definition.group.as_ref().map(Group::as_str),
            enabled: definition.enabled,
            interval_seconds: definition.interval.map(Interval::as_seconds),
            timeout_seconds: definition.timeout.map(Timeout::as_seconds),
            origin: origin.as_str(),
            conditions: lines(&definition.conditions),
            options: options_text(&definition.options),
            updated_at: now,
        }
    }
}

/// As JSON; `None` when all options have their default.
fn options_text(options: &Options) -> Option<String> {
    let map = spec::write_options(options, Form::Stored);
    (!map.is_empty()).then(|| serde_json::Value::Object(map).to_string())
}

/// One condition a line; no condition contains a line break.
fn lines(conditions: &[Condition]) -> Option<String> {
    let lines: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// A row of `service_metrics`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = service_metrics, check_for_backend(Backend))]
pub struct MetricRow {
    pub tick_count: i64,
    pub up_count: i64,
    pub unknown_count: i64,
    pub response_time_sum_ns: i64,
    pub unwatched_from_ms: Option<i64>,
    pub known_is_up: Option<bool>,
    pub streak_is_up: Option<bool>,
    pub streak_count: Option<i64>,
    pub streak_since_ms: Option<i64>,
    pub recent_states: i64,
    pub is_flapping: bool,
    pub result_run: i32,
    pub slow_run: i32,
    pub certificate_step: Option<i16>,
    pub certificate_fine_since_ms: Option<i64>,
}

impl MetricRow {
    fn streak(&self) -> Option<Streak> {
        Some(Streak {
            is_up: self.streak_is_up?,
            count: u32::try_from(self.streak_count?).ok()?,
            since_ms: self.streak_since_ms?,
        })
    }

    pub fn runs(&self) -> Runs {
        Runs {
            results: self.result_run,
            slow: self.slow_run,
            certificate_step: self.certificate_step,
            certificate_fine_since_ms: self.certificate_fine_since_ms,
        }
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
#[diesel(table_name = service_events, check_for_backend(Backend))]
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
        Ok(Event {
            id,
            state: state_of(id, &event)?,
            failure: failure_of(failure, failure_detail),
            started_ms: self.date_started_ms,
            ended_ms: self.date_ended_ms,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The state of an event by its word.
pub fn state_of(event_id: i64, word: &str) -> Result<State, StorageError> {
    State::from_event(word).ok_or_else(|| {
        StorageError::Unreadable(format!("service_events, id {event_id}, event: {word}"))
    })
}

/// The failure of an event by its columns.
pub fn failure_of(word: Option<String>, detail: Option<String>) -> Option<EventFailure> {
    word.map(|word| EventFailure {
        reason: StoredReason::from_word(word),
        detail: detail.unwrap_or_default(),
    })
}

/// A new row of `service_events`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_events, treat_none_as_default_value = false)]
pub struct NewEventRow<'a> {
    pub service_id: i64,
    pub event: &'static str,
    pub failure: Option<&'a str>,
    pub failure_detail: Option<&'a str>,
    pub date_started_ms: i64,
    pub date_ended_ms: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}
