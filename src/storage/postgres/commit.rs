//! The hot commit: a batch as one statement, and so in one round trip.
//!
//! Each kind of row is an array a column. The text is fixed, so it is prepared once. The parts of
//! the statement see the tables as they were before it, but for what another part returns.
//!
//! It is planned once as well, perhaps while the tables are empty: [`ALWAYS`] and the settings of
//! the writer's connection make it look rows up by their keys in any case.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text};

use super::columns::{Begun, Ended, FactColumns, Metrics, Runs, Signals, Ticks};
use super::connection::StoreConnection;
use super::instance::Instance;
use crate::storage::batch::{Batch, Stored};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Writes `batch` behind the fence, as the next write of `instance`.
pub fn commit(
    connection: &mut StoreConnection,
    instance: &Instance,
    batch: &Batch<'_>,
) -> Result<Stored> {
    let number = instance.next_number();
    let done = if batch.relays {
        Commit::<true>::new(instance, number, batch).get_result(connection)
    } else {
        Commit::<false>::new(instance, number, batch).get_result(connection)
    };
    let done: QueryResult<(bool, Option<Vec<i64>>)> = done;
    let (has_passed, event_ids) = done.map_err(explain)?;
    if has_passed {
        return Ok(Stored { event_ids: event_ids.unwrap_or_default() });
    }
    Err(instance.stopped_by_fence(connection)?)
}

fn explain(error: diesel::result::Error) -> StorageError {
    match StorageError::from(error) {
        StorageError::Conflict(why) if why.contains("\"duties\"") => {
            StorageError::Conflict("its row in service_metrics is missing".to_owned())
        }
        other => other,
    }
}

/// The statement; with the cursors of remote write if `RELAYS`.
struct Commit<'b, const RELAYS: bool> {
    instance_id: i64,
    number: i64,
    now_ms: i64,
    ticks: Ticks,
    ended: Ended,
    begun: Begun<'b>,
    /// Rows that exist.
    changed: Metrics,
    changed_count: i64,
    /// Rows of services with their first tick.
    added: Metrics,
    /// Of both.
    runs: Runs,
    signals: Signals,
    facts: FactColumns,
    /// Rows of the inbox.
    taken: Vec<i64>,
}

impl<'b, const RELAYS: bool> Commit<'b, RELAYS> {
    fn new(instance: &Instance, number: i64, batch: &Batch<'b>) -> Self {
        let mut runs = Runs::default();
        let changed = Metrics::of(batch, true, &mut runs);
        Self {
            instance_id: instance.id(),
            number,
            now_ms: batch.now_ms,
            ticks: Ticks::of(batch),
            ended: Ended::of(batch),
            begun: Begun::of(batch),
            changed_count: changed.service_id.len() as i64,
            changed,
            added: Metrics::of(batch, false, &mut runs),
            runs,
            signals: Signals::of(batch),
            facts: FactColumns::of(batch),
            taken: batch.taken.clone(),
        }
    }
}

impl<const RELAYS: bool> QueryId for Commit<'_, RELAYS> {
    type QueryId = Commit<'static, RELAYS>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const RELAYS: bool> Query for Commit<'_, RELAYS> {
    /// Whether the fence let it pass; the ids of the events that begin, in their order.
    type SqlType = (Bool, Nullable<Array<BigInt>>);
}

impl<const RELAYS: bool> RunQueryDsl<StoreConnection> for Commit<'_, RELAYS> {}

/// A derived table `u` of parameters, an array a column; all arrays have the same length. A column
/// behind `; if` is left out unless its condition holds. `unnest`
/// stands in the list of columns, since a function in `FROM` stores its rows before they are read.
macro_rules! push_rows {
    (
        $out:ident,
        $first:ident: $type:ty = $values:expr
        $(, $name:ident: $types:ty = $more:expr)* $(,)?
        $(; if $condition:expr, $last:ident: $last_type:ty = $last_values:expr)?
    ) => {
        $out.push_sql("(SELECT unnest(");
        $out.push_bind_param::<Array<$type>, _>($values)?;
        $out.push_sql(concat!(") AS ", stringify!($first)));
        $(
            $out.push_sql(", unnest(");
            $out.push_bind_param::<Array<$types>, _>($more)?;
            $out.push_sql(concat!(") AS ", stringify!($name)));
        )*
        $(
            if $condition {
                $out.push_sql(", unnest(");
                $out.push_bind_param::<Array<$last_type>, _>($last_values)?;
                $out.push_sql(concat!(") AS ", stringify!($last)));
            }
        )?
        $out.push_sql(") u");
    };
}

/// A condition on a key that always holds, and of which the planner expects that few rows meet it.
/// So one look-up by key seems cheaper than reading the table, however small that is.
const ALWAYS: &str = " BETWEEN 1 AND 9223372036854775807";

impl<const RELAYS: bool> QueryFragment<Pg> for Commit<'_, RELAYS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.push_fence(out.reborrow())?;
        self.push_ticks(out.reborrow())?;
        self.push_events(out.reborrow())?;
        self.push_runs(out.reborrow())?;
        self.push_metrics(out.reborrow())?;
        self.push_signals(out.reborrow())?;
        self.push_facts(out.reborrow())?;
        self.push_taken(out.reborrow())?;
        out.push_sql(" SELECT EXISTS (SELECT FROM fence), (SELECT ids FROM events)");
        Ok(())
    }
}

impl<const RELAYS: bool> Commit<'_, RELAYS> {
    fn push_fence<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH fence AS (UPDATE instances SET commit_no = ");
        out.push_bind_param::<BigInt, _>(&self.number)?;
        out.push_sql(", committed_at_ms = ");
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<BigInt, _>(&self.instance_id)?;
        out.push_sql(" AND commit_no = ");
        out.push_bind_param::<BigInt, _>(&self.number)?;
        out.push_sql(" - 1 AND ended_at_ms IS NULL RETURNING 1)");
        Ok(())
    }

    fn push_ticks<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Ticks { service_id, seq, at_ms, unphased_us, phases_us, state, http_status, failure } =
            &self.ticks;
        let [dns_us, connect_us, tls_us, first_byte_us, transfer_us] = phases_us;
        out.push_sql(
            ", ticks AS (INSERT INTO service_ticks (service_id, seq, at_ms, unphased_us, dns_us, \
            connect_us, tls_us, first_byte_us, transfer_us, state, http_status, failure) \
            SELECT u.* FROM fence, ",
        );
        push_rows!(
            out,
            service_id: BigInt = service_id,
            seq: BigInt = seq,
            at_ms: BigInt = at_ms,
            unphased_us: Nullable<BigInt> = unphased_us,
            dns_us: Nullable<Integer> = dns_us,
            connect_us: Nullable<Integer> = connect_us,
            tls_us: Nullable<Integer> = tls_us,
            first_byte_us: Nullable<Integer> = first_byte_us,
            transfer_us: Nullable<Integer> = transfer_us,
            state: SmallInt = state,
            http_status: Nullable<SmallInt> = http_status,
            failure: Nullable<Text> = failure,
        );
        out.push_sql(")");
        Ok(())
    }

    /// At most one event of a service is open, so `begun` reads `ended`, which ends the one before.
    /// The condition on the end is written so that the index of open events does not serve it: the
    /// planner would search all of them for each event.
    fn push_events<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", ended AS (UPDATE service_events e \
            SET date_ended_ms = greatest(e.date_started_ms, u.at_ms), \
                updated_at = greatest(e.date_started_ms, u.at_ms) / 1000 FROM fence, ",
        );
        push_rows!(out, id: BigInt = &self.ended.id, at_ms: BigInt = &self.ended.at_ms);
        out.push_sql(" WHERE e.id = u.id AND u.id");
        out.push_sql(ALWAYS);
        out.push_sql(
            " AND coalesce(e.date_ended_ms, -1) = -1 RETURNING 1), \
            begun AS (INSERT INTO service_events (service_id, event, failure, failure_detail, \
                date_started_ms, date_ended_ms, created_at, updated_at) \
            SELECT u.service_id, u.event, u.failure, u.failure_detail, u.started_ms, u.ended_ms, \
                n.now_ms / 1000, coalesce(u.ended_ms, n.now_ms) / 1000 FROM fence, (SELECT ",
        );
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(" AS now_ms) n, ");
        let Begun { nth, service_id, event, failure, failure_detail, started_ms, ended_ms } =
            &self.begun;
        push_rows!(
            out,
            nth: Integer = nth,
            service_id: BigInt = service_id,
            event: Text = event,
            failure: Nullable<Text> = failure,
            failure_detail: Nullable<Text> = failure_detail,
            started_ms: BigInt = started_ms,
            ended_ms: Nullable<BigInt> = ended_ms,
        );
        out.push_sql(
            " WHERE (SELECT count(*) FROM ended) >= 0 ORDER BY u.nth RETURNING id), \
            events AS (SELECT array_agg(id ORDER BY id) AS ids FROM begun)",
        );
        Ok(())
    }

    /// One row of arrays, of which [`Metrics`] has the index.
    fn push_runs<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Runs { results, slow, certificate_step, certificate_fine_since_ms } = &self.runs;
        out.push_sql(", runs AS MATERIALIZED (SELECT ");
        out.push_bind_param::<Array<Integer>, _>(results)?;
        out.push_sql(" AS results, ");
        out.push_bind_param::<Array<Integer>, _>(slow)?;
        out.push_sql(" AS slow, ");
        out.push_bind_param::<Array<SmallInt>, _>(certificate_step)?;
        out.push_sql(" AS certificate_step, ");
        out.push_bind_param::<Array<BigInt>, _>(certificate_fine_since_ms)?;
        out.push_sql(" AS certificate_fine_since_ms)");
        Ok(())
    }

    fn push_signals<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Signals { nth, service_id, kind, edge, amount, at_ms, since_ms, facts } = &self.signals;
        out.push_sql(
            ", signals AS (INSERT INTO alert_signals (service_id, kind, edge, amount, at_ms, \
                since_ms, facts) \
            SELECT u.service_id, u.kind, u.edge, u.amount, u.at_ms, u.since_ms, u.facts \
            FROM fence, ",
        );
        push_rows!(
            out,
            nth: Integer = nth,
            service_id: BigInt = service_id,
            kind: Text = kind,
            edge: Text = edge,
            amount: BigInt = amount,
            at_ms: BigInt = at_ms,
            since_ms: BigInt = since_ms,
            facts: Text = facts,
        );
        out.push_sql(" ORDER BY u.nth)");
        Ok(())
    }

    fn push_facts<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let FactColumns {
            service_id,
            at_ms,
            certificate_expires_at,
            tls_version,
            http_version,
            redirects,
            ip_version,
        } = &self.facts;
        out.push_sql(
            ", facts AS (INSERT INTO service_facts (service_id, at_ms, certificate_expires_at, \
                tls_version, http_version, redirects, ip_version) SELECT u.* FROM fence, ",
        );
        push_rows!(
            out,
            service_id: BigInt = service_id,
            at_ms: BigInt = at_ms,
            certificate_expires_at: Nullable<BigInt> = certificate_expires_at,
            tls_version: Nullable<Text> = tls_version,
            http_version: Nullable<Text> = http_version,
            redirects: Integer = redirects,
            ip_version: Nullable<Integer> = ip_version,
        );
        out.push_sql(")");
        Ok(())
    }

    /// What the batch contains is not in the inbox any more.
    fn push_taken<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(", taken AS (DELETE FROM inbox i USING fence WHERE i.id = ANY(");
        out.push_bind_param::<Array<BigInt>, _>(&self.taken)?;
        out.push_sql("))");
        Ok(())
    }

    /// A row that is missing fails the statement: a null violates the key of `duties`.
    fn push_metrics<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            ", changed AS (UPDATE service_metrics m SET tick_count = u.tick_count, \
                up_count = u.up_count, unknown_count = u.unknown_count, \
                response_time_sum_ns = u.response_time_sum_ns, \
                latest_event_id = coalesce(events.ids[u.begun], m.latest_event_id), \
                known_is_up = u.known_is_up, streak_is_up = u.streak_is_up, \
                streak_count = u.streak_count, streak_since_ms = u.streak_since_ms, \
                recent_states = u.recent_states, is_flapping = u.is_flapping, \
                result_run = coalesce(runs.results[u.runs], m.result_run), \
                slow_run = coalesce(runs.slow[u.runs], m.slow_run), \
                certificate_step = CASE WHEN u.runs IS NULL THEN m.certificate_step \
                    ELSE nullif(runs.certificate_step[u.runs], -1) END, \
                certificate_fine_since_ms = CASE WHEN u.runs IS NULL \
                    THEN m.certificate_fine_since_ms \
                    ELSE nullif(runs.certificate_fine_since_ms[u.runs], -1) END, \
                unwatched_from_ms = CASE WHEN u.clears_unwatched THEN NULL \
                    ELSE m.unwatched_from_ms END, ",
        );
        if RELAYS {
            out.push_sql("relayed_seq = coalesce(u.relayed_seq, m.relayed_seq), ");
        }
        out.push_sql("updated_at = ");
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(" / 1000 FROM fence, events, runs, ");
        self.changed.push_rows(out.reborrow(), RELAYS)?;
        out.push_sql(" WHERE m.service_id = u.service_id AND u.service_id");
        out.push_sql(ALWAYS);
        out.push_sql(
            " AND m.region_id = 0 RETURNING 1), \
            added AS (INSERT INTO service_metrics (service_id, tick_count, up_count, \
                unknown_count, response_time_sum_ns, latest_event_id, known_is_up, streak_is_up, \
                streak_count, streak_since_ms, recent_states, is_flapping, result_run, slow_run, \
                certificate_step, certificate_fine_since_ms, created_at, updated_at) \
            SELECT u.service_id, u.tick_count, u.up_count, u.unknown_count, \
                u.response_time_sum_ns, coalesce(events.ids[u.begun], u.latest_event_id), \
                u.known_is_up, u.streak_is_up, u.streak_count, u.streak_since_ms, \
                u.recent_states, u.is_flapping, coalesce(runs.results[u.runs], 0), \
                coalesce(runs.slow[u.runs], 0), nullif(runs.certificate_step[u.runs], -1), \
                nullif(runs.certificate_fine_since_ms[u.runs], -1), t.now_s, t.now_s \
            FROM fence, events, runs, (SELECT ",
        );
        out.push_bind_param::<BigInt, _>(&self.now_ms)?;
        out.push_sql(" / 1000 AS now_s) t, ");
        self.added.push_rows(out.reborrow(), false)?;
        out.push_sql(
            "), missing AS (INSERT INTO duties (name) SELECT NULL FROM fence \
                WHERE (SELECT count(*) FROM changed) <> ",
        );
        out.push_bind_param::<BigInt, _>(&self.changed_count)?;
        out.push_sql(")");
        Ok(())
    }
}

impl Metrics {
    fn push_rows<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>, relays: bool) -> QueryResult<()> {
        push_rows!(
            out,
            service_id: BigInt = &self.service_id,
            tick_count: BigInt = &self.tick_count,
            up_count: BigInt = &self.up_count,
            unknown_count: BigInt = &self.unknown_count,
            response_time_sum_ns: BigInt = &self.response_time_sum_ns,
            latest_event_id: Nullable<BigInt> = &self.latest_event_id,
            begun: Nullable<Integer> = &self.begun,
            known_is_up: Nullable<Bool> = &self.known_is_up,
            streak_is_up: Nullable<Bool> = &self.streak_is_up,
            streak_count: Nullable<BigInt> = &self.streak_count,
            streak_since_ms: Nullable<BigInt> = &self.streak_since_ms,
            recent_states: BigInt = &self.recent_states,
            is_flapping: Bool = &self.is_flapping,
            clears_unwatched: Bool = &self.clears_unwatched,
            runs: Nullable<Integer> = &self.runs,
            ; if relays, relayed_seq: Nullable<BigInt> = &self.relayed_seq
        );
        Ok(())
    }
}
