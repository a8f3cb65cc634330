//! The tables of a store, as a copy of it sees them.
//!
//! A test of each store compares these lists with its schema, column by column: a new column is
//! added here, or to [`LEFT`] with the reason why a copy does not have it.

/// Calls `$define!` with the plain tables: those whose rows are copied column by column. The first
/// part has those of services, each with the column of the service's id and the order of its rows;
/// the second part has the others, each with the order of its rows.
macro_rules! plain_tables {
    ($define:ident) => {
        $define! {
            services {
                Service services [id] by (id) {
                    id: i64,
                    name: String,
                    url: String,
                    group_name: Option<String>,
                    enabled: bool,
                    interval_seconds: Option<f64>,
                    timeout_seconds: Option<f64>,
                    origin: String,
                    created_at: i64,
                    updated_at: i64,
                    deleted_at: Option<i64>,
                    conditions: Option<String>,
                    options: Option<String>,
                }
                Event service_events [service_id] by (id) {
                    id: i64,
                    service_id: i64,
                    event: String,
                    failure: Option<String>,
                    failure_detail: Option<String>,
                    date_started_ms: i64,
                    date_ended_ms: Option<i64>,
                    created_at: i64,
                    updated_at: i64,
                }
                Metric service_metrics [service_id] by (service_id) {
                    service_id: i64,
                    tick_count: i64,
                    up_count: i64,
                    unknown_count: i64,
                    response_time_sum_ns: i64,
                    latest_event_id: Option<i64>,
                    known_is_up: Option<bool>,
                    streak_is_up: Option<bool>,
                    streak_count: Option<i64>,
                    streak_since_ms: Option<i64>,
                    recent_states: i64,
                    is_flapping: bool,
                    unwatched_from_ms: Option<i64>,
                    result_run: i32,
                    slow_run: i32,
                    certificate_step: Option<i16>,
                    certificate_fine_since_ms: Option<i64>,
                    relayed_seq: i64,
                    created_at: i64,
                    updated_at: i64,
                }
                Facts service_facts [service_id] by (id) {
                    id: i64,
                    service_id: i64,
                    at_ms: i64,
                    certificate_expires_at: Option<i64>,
                    tls_version: Option<String>,
                    http_version: Option<String>,
                    redirects: i32,
                    ip_version: Option<i32>,
                }
            }
            others {
                Channel channels by (id) {
                    id: i64,
                    name: String,
                    kind: String,
                    origin: String,
                    enabled: bool,
                    options: String,
                    failing_since_ms: Option<i64>,
                }
                Policy policies by (id) {
                    id: i64,
                    name: String,
                    origin: String,
                    position: i64,
                    matcher: String,
                    options: String,
                }
                Silence silences by (id) {
                    id: i64,
                    matcher: String,
                    from_ms: i64,
                    to_ms: i64,
                    author: Option<String>,
                    note: Option<String>,
                }
                Signal alert_signals by (id) {
                    id: i64,
                    service_id: i64,
                    kind: String,
                    edge: String,
                    amount: i64,
                    at_ms: i64,
                    since_ms: i64,
                    facts: String,
                }
                Alert alerts by (id) {
                    id: i64,
                    service_id: Option<i64>,
                    kind: String,
                    severity: String,
                    state: String,
                    since_ms: i64,
                    fired_ms: Option<i64>,
                    acknowledged_ms: Option<i64>,
                    acknowledged_by: Option<String>,
                    acknowledged_note: Option<String>,
                    acknowledged_until_ms: Option<i64>,
                    resolved_ms: Option<i64>,
                    cause: Option<String>,
                    amount: i64,
                    suppressed_by: Option<String>,
                    group_name: Option<String>,
                    facts: String,
                }
                Notification notifications by (id) {
                    id: i64,
                    channel_id: i64,
                    recipient: Option<String>,
                    policy_id: Option<i64>,
                    scope: String,
                    step: i32,
                    revision: i64,
                    delivered: i64,
                    state: String,
                    due_ms: Option<i64>,
                    attempts: i64,
                    revised_ms: i64,
                    reference: Option<String>,
                    reminder_due_ms: Option<i64>,
                    opened_ms: i64,
                    closed_ms: Option<i64>,
                    is_dead: bool,
                    terms: String,
                }
                Member notification_alerts by (notification_id, alert_id) {
                    notification_id: i64,
                    alert_id: i64,
                }
                Delivery deliveries by (id) {
                    id: i64,
                    notification_id: i64,
                    channel_id: i64,
                    revision: i64,
                    at_ms: i64,
                    took_ms: i64,
                    outcome: String,
                    http_status: Option<i32>,
                    error: Option<String>,
                }
                Maintenance maintenances by (id) {
                    id: i64,
                    origin: String,
                    definition: String,
                    effective_ms: i64,
                    mark_ms: i64,
                    created_at: i64,
                    updated_at: i64,
                }
                Span maintenance_spans by (service_id, from_ms, maintenance_id) {
                    service_id: i64,
                    from_ms: i64,
                    to_ms: i64,
                    maintenance_id: i64,
                }
                Token api_tokens by (id) {
                    id: i64,
                    name: String,
                    shown: String,
                    hash: Vec<u8>,
                    scopes: String,
                    groups: Option<String>,
                    created_at_ms: i64,
                    created_by: String,
                    expires_at_ms: Option<i64>,
                    last_used_at_ms: Option<i64>,
                    revoked_at_ms: Option<i64>,
                }
                Session api_sessions by (hash) {
                    hash: Vec<u8>,
                    token_id: i64,
                    created_at_ms: i64,
                    expires_at_ms: i64,
                }
                Audit audit by (id) {
                    id: i64,
                    at_ms: i64,
                    actor: String,
                    token_id: Option<i64>,
                    address: Option<String>,
                    action: String,
                    object: String,
                    object_id: Option<i64>,
                    object_name: Option<String>,
                    before: Option<String>,
                    after: Option<String>,
                }
            }
        }
    };
}
pub(in crate::storage) use plain_tables;

/// The tables with the ticks and their sums, which each store writes in its own way.
pub const HISTORY: &[(&str, &[&str])] = &[
    (
        "service_ticks",
        &[
            "service_id",
            "http_status",
            "failure",
            "dns_us",
            "connect_us",
            "tls_us",
            "first_byte_us",
            "transfer_us",
            "unphased_us",
            // SQLite
            "is_up",
            "is_unknown",
            "created_at_ms",
            // PostgreSQL
            "seq",
            "at_ms",
            "state",
        ],
    ),
    (
        "service_tick_chunks",
        &[
            "service_id",
            "first_seq",
            "from_ms",
            "to_ms",
            "tick_count",
            "up_count",
            "down_count",
            "data",
        ],
    ),
    (
        "service_rollups",
        &[
            "service_id",
            "step_s",
            "start_s",
            "up_count",
            "down_count",
            "unknown_count",
            "up_ms",
            "down_ms",
            "unknown_ms",
            "paused_ms",
            "response_sum_us",
            "response_min_us",
            "response_max_us",
            "phased_count",
            "dns_us",
            "connect_us",
            "tls_us",
            "first_byte_us",
            "transfer_us",
            "sketch",
        ],
    ),
];

/// The rows that a store has once: what is copied of them ([`StoreCopy`](super::StoreCopy)).
pub const ONCE: &[(&str, &[&str])] = &[
    ("alerting", &["id", "instance_key", "next_alert_id", "next_notification_id"]),
    // SQLite
    (
        "history",
        &[
            "id",
            "sealed_event_id",
            "sealed_at_ms",
            "expired_tick_count",
            "ticks_expired_to_ms",
            "rollups_expired_to_ms",
        ],
    ),
    ("liveness", &["id", "at_ms"]),
    // PostgreSQL
    ("store", &["id", "sealed_at_ms"]),
    ("instances", &["committed_at_ms"]),
    ("shards", &["expired_tick_count", "ticks_expired_to_ms", "rollups_expired_to_ms"]),
];

/// What a copy does not have, or makes anew: a table and a column, or `*` for all of its columns.
pub const LEFT: &[(&str, &str, &str)] = &[
    ("moves", "*", "the move to this store"),
    ("store", "store_id", "tells the copy from the store that was copied"),
    ("regions", "*", "a store with a second region is refused"),
    // SQLite
    ("sealing_ticks", "*", "ticks that are not sealed yet are fresh ticks of the copy"),
    ("service_count", "*", "kept by triggers"),
    ("service_ticks", "id", "the rows are numbered anew"),
    ("service_ticks", "step_back", "made anew with the ids"),
    ("service_metrics", "latest_tick_id", "made anew with the ids"),
    ("service_tick_chunks", "id", "nothing refers to it"),
    ("history", "sealed_tick_id", "0: every tick of the copy is fresh or in a chunk"),
    ("history", "chunk_count", "counted anew"),
    ("history", "sealed_tick_count", "counted anew"),
    ("history", "sealed_byte_count", "counted anew"),
    ("history", "rollup_count", "counted anew"),
    ("history", "emptied_page_count", "of the pages of another file"),
    ("history", "sealing_tick_id", "a sealing under way begins anew"),
    ("history", "sealing_event_id", "a sealing under way begins anew"),
    ("history", "sealing_service_id", "a sealing under way begins anew"),
    ("history", "sealing_tick_count", "a sealing under way begins anew"),
    // PostgreSQL
    ("inbox", "*", "a store with outcomes in it is refused"),
    ("duties", "*", "of instances, and none lives"),
    ("instances", "*", "the copy has one, ended: the move"),
    ("shards", "*", "none is owned; their rows are counted anew"),
    ("store", "revision", "counts changes while instances live"),
    ("store", "living", "counted anew"),
    ("store", "spread", "set by the next start"),
    ("store", "oldest_version", "of the migrations"),
    ("services", "changed_ms", "made of updated_at"),
    ("services", "revision", "counts changes while instances live"),
    ("service_metrics", "sealed_event_id", "one mark for the whole file in SQLite"),
    ("service_metrics", "latest_slot_ms", "slots before a stop are not probed again"),
];

/// The column of PostgreSQL that is 0 in every row.
pub const REGION: &str = "region_id";

/// Tables whose next row gets a greater id than every row before, deleted ones included.
pub const NUMBERED: [&str; 10] = [
    "services",
    "service_events",
    "channels",
    "policies",
    "silences",
    "alert_signals",
    "deliveries",
    "maintenances",
    "api_tokens",
    "audit",
];
