//! Bodies of `/v1/maintenance`, for the OpenAPI document. `domain::maintenance` reads them.

use serde::Serialize;
use utoipa::ToSchema;

/// The body of `POST /v1/maintenance`. One of three forms: `start`, `duration`, `timezone` and
/// `every`; `cron`, `duration` and `timezone`; `from` and `to`. Unknown fields are rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMaintenance {
    /// Whether the maintenance takes place.
    #[schema(required = false, default = true)]
    enabled: bool,
    /// Local time of the start.
    #[schema(required = false, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "23:00")]
    start: Option<String>,
    /// Five fields of cron: minute, hour, day of month, month, day of week.
    #[schema(required = false, max_length = 200, example = "0 3 * * sun")]
    cron: Option<String>,
    /// Length such as 1h30m: above 0s, with `start` at most 24h, with `cron` at most 744h.
    #[schema(required = false, example = "1h")]
    duration: Option<String>,
    /// Time zone of IANA of `start` and `cron`.
    #[schema(required = false, default = "UTC", example = "Europe/Berlin")]
    timezone: Option<String>,
    /// Days on which it starts: Monday to Sunday; every day by default and when empty.
    #[schema(required = false, example = json!(["Monday", "Thursday"]))]
    every: Option<Vec<String>>,
    /// Begin of a single maintenance: unix seconds, or a text in RFC 3339; from now on.
    #[schema(required = false, example = 1796522400)]
    from: Option<i64>,
    /// Its end, exclusive, in the form of `from`.
    #[schema(required = false, example = 1796529600)]
    to: Option<i64>,
    /// The services by group and name, in which `*` stands for any characters; all services by
    /// default.
    #[schema(required = false)]
    r#match: Option<MaintenanceMatch>,
    /// Ids of the services, instead of `match`; at most 1000.
    #[schema(required = false, min_items = 1, max_items = 1000)]
    service_ids: Option<Vec<i64>>,
    /// Shown with the services while it lasts.
    #[schema(required = false, max_length = 1000, example = "Database upgrade")]
    note: Option<String>,
    /// `exclude`: time that is down or unknown is planned; `count`: it counts as ever.
    #[schema(required = false, default = "exclude", pattern = "^(exclude|count)$")]
    uptime: Option<String>,
    /// Whether `from` may be in the past, which changes the uptime of the past.
    #[schema(required = false, default = false)]
    retroactive: bool,
}

/// Services by group and name. Each list matches when it is empty or one of its entries does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceMatch {
    #[schema(required = false, max_items = 100, example = json!(["core"]))]
    pub group: Vec<String>,
    #[schema(required = false, max_items = 100, example = json!(["db-*"]))]
    pub name: Vec<String>,
}

/// Placeholder for the schema of the body of `PATCH`, which the OpenAPI document derives from
/// [`NewMaintenance`].
#[derive(Debug, Serialize, ToSchema)]
pub struct MaintenanceChange {}
