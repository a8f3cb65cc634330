//! A silence.

use serde::Serialize;
use utoipa::ToSchema;

use super::policy::Match;
use super::seconds;
use crate::api::views::envelope::{List, One};
use crate::domain::alert;

/// `data` of a response with one silence.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceData {
    pub silence: One<Silence>,
}

/// `data` of a response with a list of silences.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilencesData {
    /// The silences, ordered by id.
    pub silences: List<Silence>,
}

/// Notifications of matching alerts are suppressed for a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Silence {
    /// Id of the silence.
    id: i64,
    /// `pending`, `active` or `expired`.
    #[schema(pattern = "^(pending|active|expired)$", example = "active")]
    state: &'static str,
    /// The alerts that are suppressed.
    #[serde(rename = "match")]
    matcher: Match,
    /// Unix seconds.
    from: i64,
    /// Unix seconds.
    to: i64,
    /// Who suppresses them; null when it is not known.
    #[schema(required = true)]
    by: Option<String>,
    /// Why; null without a note.
    #[schema(required = true)]
    note: Option<String>,
}

impl Silence {
    pub fn new(silence: &alert::Silence, now_ms: i64) -> Self {
        let state = match silence {
            silence if now_ms < silence.from_ms => "pending",
            silence if now_ms < silence.to_ms => "active",
            _ => "expired",
        };
        Self {
            id: silence.id,
            state,
            matcher: Match::new(&silence.matcher),
            from: seconds(silence.from_ms),
            to: seconds(silence.to_ms),
            by: silence.by.clone(),
            note: silence.note.clone(),
        }
    }
}
