//! [`Coordinate`] on PostgreSQL, on a connection of its own.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable, SmallInt, Text};

use super::REGION;
use super::cold::services as service_reads;
use super::columns::state_of;
use super::inbox;
use super::registration;
use super::schema::{service_events, services};
use super::statement::statement;
use super::store::PostgresStore;
use crate::clock;
use crate::clock::unix_ms;
use crate::domain::live::{LastResult, ServiceUpdate};
use crate::domain::time::shared_clock::behind_ms;
use crate::domain::{Outcome, Role, ServiceId, ShardSet};
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::{Duty, Roster, Seen};
use crate::storage::error::StorageError;
use crate::storage::port::{Coordinate, Result};
use crate::storage::records::LoadedService;

impl Coordinate for PostgresStore {
    fn look(&mut self, owned: &ShardSet) -> Result<Roster> {
        let instance = self.instance()?;
        let own_id = instance.id();
        self.run(|connection| {
            let seen: Vec<SeenRow> = Living { region_id: &REGION }.load(connection)?;
            let before_ms = clock::followed_ms();
            let (orphans, unadopted, revision, now_ms, held): (i64, i64, i64, i64, Vec<String>) =
                Shared { id: &own_id, owned: &owned.to_bytes() }.get_result(connection)?;
            let clock_behind_ms = behind_ms(before_ms, now_ms, clock::followed_ms());
            let is_living = seen.iter().any(|row| row.0 == own_id);
            let duties = Duty::ALL.into_iter();
            let duties = duties.filter(|duty| held.iter().any(|held| held == duty.as_str()));
            Ok(Roster {
                instances: seen.into_iter().map(living).collect(),
                own_id,
                orphans: usize::try_from(orphans).unwrap_or_default(),
                unadopted: usize::try_from(unadopted).unwrap_or_default(),
                revision,
                duties: duties.collect(),
                now_ms,
                clock_behind_ms,
                may_rejoin: !is_living && instance.was_fenced(connection)?,
            })
        })
    }

    fn end(&mut self, other: &Seen, now_ms: i64) -> Result<bool> {
        let own_id = self.instance()?.id();
        self.transaction(|store| {
            let connection = &mut store.connection;
            let end =
                End { now_ms: &now_ms, by: &own_id, id: &other.id, commit_no: &other.commit_no };
            let has_ended = end.execute(&mut **connection)? > 0;
            if has_ended {
                registration::free_ended(connection)?;
            }
            Ok(has_ended)
        })
    }

    fn take_duty(&mut self, duty: Duty) -> Result<bool> {
        let own_id = self.instance()?.id();
        let name = duty.as_str().to_owned();
        self.run(|connection| Ok(registration::take_duty(connection, own_id, &name)?))
    }

    fn rejoin(&mut self) -> Result<()> {
        let instance = self.instance()?;
        let joined = instance.joined().cloned();
        let joined =
            joined.ok_or_else(|| StorageError::Conflict("a command runs alone".to_owned()))?;
        let registered = self.run(|connection| {
            registration::join(connection, &joined, &[], unix_ms())
                .map_err(|error| StorageError::Unavailable(error.to_string()))
        })?;
        // What it has at once is taken over by a claim, as the rest.
        instance.rejoined(registered.id);
        Ok(())
    }

    fn changed_services(&mut self, since: i64) -> Result<Vec<(ServiceId, i64)>> {
        self.run(|connection| {
            let rows: Vec<(i64, i64)> = services::table
                .filter(services::revision.gt(since))
                .order(services::revision)
                .select((services::id, services::revision))
                .load(connection)?;
            let rows = rows.into_iter();
            Ok(rows.filter_map(|(id, revision)| Some((ServiceId::new(id)?, revision))).collect())
        })
    }

    fn load_services_of(&mut self, ids: &[ServiceId]) -> Result<Vec<LoadedService>> {
        self.run(|connection| service_reads::load(connection, Some(ids)))
    }

    fn events_after(&mut self, after: i64, limit: u32) -> Result<Vec<(i64, ServiceId)>> {
        self.run(|connection| {
            let rows: Vec<(i64, i64)> = service_events::table
                .filter(service_events::id.gt(after))
                .order(service_events::id)
                .limit(limit.into())
                .select((service_events::id, service_events::service_id))
                .load(connection)?;
            let rows = rows.into_iter();
            Ok(rows.filter_map(|(id, service)| Some((id, ServiceId::new(service)?))).collect())
        })
    }

    fn results_of_others(
        &mut self,
        owned: &ShardSet,
        since_s: i64,
    ) -> Result<Vec<(ServiceId, ServiceUpdate)>> {
        self.run(|connection| {
            let newest = ResultsOfOthers { since_s: &since_s, owned: &owned.to_bytes() };
            let rows: Vec<(i64, bool, i16, i64, i64)> = newest.load(connection)?;
            Ok(rows.into_iter().filter_map(update).collect())
        })
    }

    fn newest_event(&mut self) -> Result<i64> {
        self.run(|connection| {
            let newest: Option<i64> = service_events::table
                .order(service_events::id.desc())
                .select(service_events::id)
                .first(connection)
                .optional()?;
            Ok(newest.unwrap_or_default())
        })
    }

    fn commands(&mut self, limit: u32) -> Result<Vec<(i64, AlertCommand)>> {
        self.run(|connection| inbox::commands(connection, limit))
    }

    fn commands_done(&mut self, ids: &[i64]) -> Result<()> {
        self.run(|connection| inbox::delete(connection, ids))
    }

    fn inbox(&mut self, shards: &ShardSet, limit: u32) -> Result<Vec<(i64, Outcome)>> {
        self.run(|connection| inbox::read(connection, shards, limit))
    }
}

type SeenRow = (i64, String, String, String, i64, Option<i64>, i64);

fn living(row: SeenRow) -> Seen {
    let (id, name, role, version, commit_no, committed_at_ms, shards) = row;
    Seen {
        id,
        name,
        // A role of a newer version owns nothing that this one could count on.
        role: Role::from_word(&role).unwrap_or(Role::Api),
        version,
        commit_no,
        committed_at_ms,
        shards: usize::try_from(shards).unwrap_or_default(),
    }
}

fn update(row: (i64, bool, i16, i64, i64)) -> Option<(ServiceId, ServiceUpdate)> {
    let (id, is_flapping, state, at_ms, us) = row;
    let response_time_us = u64::try_from(us).unwrap_or_default();
    let result = LastResult { state: state_of(state), at_ms, response_time_us };
    let result = Some(result);
    let update = ServiceUpdate { event: None, is_flapping, result, totals: None };
    Some((ServiceId::new(id)?, update))
}

statement!(
    /// The tick is looked up by its key, whatever the planner knows of the table.
    ResultsOfOthers { since_s: BigInt = i64, owned: Bytea = Vec<u8> }
        -> (BigInt, Bool, SmallInt, BigInt, BigInt),
    "SELECT m.service_id, m.is_flapping, t.state, t.at_ms, t.response_us \
        FROM service_metrics m CROSS JOIN LATERAL ( \
            SELECT state, at_ms, (coalesce(unphased_us, 0) + coalesce(dns_us, 0) \
                + coalesce(connect_us, 0) + coalesce(tls_us, 0) + coalesce(first_byte_us, 0) \
                + coalesce(transfer_us, 0))::bigint AS response_us \
            FROM service_ticks WHERE service_id = m.service_id AND region_id = m.region_id \
                AND seq = m.tick_count + m.unknown_count LIMIT 1) t \
        WHERE m.region_id = 0 AND m.updated_at >= ? \
            AND get_bit(?, m.service_id / 16 % 1024) = 0"
);

statement!(
    Living { region_id: SmallInt = i16 }
        -> (BigInt, Text, Text, Text, BigInt, Nullable<BigInt>, BigInt),
    "SELECT i.id, i.name, i.role, i.version, i.commit_no, i.committed_at_ms, \
            (SELECT count(*) FROM shards s WHERE s.owner_id = i.id) \
        FROM instances i WHERE i.ended_at_ms IS NULL AND i.region_id = ? ORDER BY i.id"
);

statement!(
    Shared { id: BigInt = i64, owned: Bytea = Vec<u8> }
        -> (BigInt, BigInt, BigInt, BigInt, Array<Text>),
    "SELECT (SELECT count(*) FROM shards WHERE region_id = 0 AND owner_id IS NULL), \
        (SELECT count(*) FROM shards WHERE region_id = 0 \
            AND owner_id = p.id AND get_bit(p.owned, shard::bigint) = 0), \
        s.revision, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, \
        ARRAY(SELECT name FROM duties WHERE owner_id = p.id) \
        FROM store s, (SELECT ?::bigint AS id, ?::bytea AS owned) p"
);

statement!(
    End { now_ms: BigInt = i64, by: BigInt = i64, id: BigInt = i64, commit_no: BigInt = i64 } -> (),
    "UPDATE instances SET ended_at_ms = ?, ended_by = ? \
        WHERE id = ? AND commit_no = ? AND ended_at_ms IS NULL"
);
