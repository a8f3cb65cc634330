//! The roll-ups of a group of services, read at once, merged in memory, and written at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable};

use super::REGION;
use super::cold::rollups::RollupRow;
use super::connection::StoreConnection;
use super::history::spans_from;
use super::rollup_columns::{EventColumns, RollupColumns, TimeColumns};
use super::schema::service_rollups;
use super::statement::statement;
use crate::domain::{ServiceId, Span, Totals, Window};
use crate::storage::history::rollups::Affected;
use crate::storage::history::rows::{Bucket, DAY_S, HOUR_S, Packed, Rollup};
use crate::storage::port::{Result, RollupRead, RollupWrite};

/// What a merge of each service reads, and what it has written.
pub struct Staged {
    services: HashMap<ServiceId, Service>,
}

#[derive(Default)]
struct Service {
    /// Earliest start and newest row of the events that the roll-ups do not contain yet.
    begun: Option<(i64, i64)>,
    newest_day_s: Option<i64>,
    /// Starts of its roll-ups: at least those from the first hour or day that a merge may affect.
    hours: BTreeSet<i64>,
    days: BTreeSet<i64>,
    /// The roll-ups that a merge changes, or adds up to a day.
    rollups: BTreeMap<Bucket, Rollup>,
    spans: Vec<Span>,
    inserted: BTreeSet<Bucket>,
    replaced: BTreeSet<Bucket>,
    /// Roll-ups of which only the times change.
    totals: BTreeMap<Bucket, Totals>,
}

impl Staged {
    pub fn read(connection: &mut StoreConnection, group: &[&Packed], now_ms: i64) -> Result<Self> {
        let ids = group.iter().map(|packed| packed.id);
        let mut staged = Self { services: ids.map(|id| (id, Service::default())).collect() };
        staged.read_begun(connection, group)?;
        staged.read_starts(connection, group)?;
        let affected: Vec<(&Packed, Affected)> =
            group.iter().map(|packed| (*packed, staged.affected(packed, now_ms))).collect();
        staged.read_hours(connection, &affected)?;
        staged.read_spans(connection, &affected, now_ms)?;
        Ok(staged)
    }

    /// Start of the first event of the service that no sealing has processed.
    pub fn begun_ms(&self, id: ServiceId) -> Option<i64> {
        self.services.get(&id)?.begun.map(|(begun_ms, _)| begun_ms)
    }

    fn read_begun(&mut self, connection: &mut StoreConnection, group: &[&Packed]) -> Result<()> {
        let service_id: Vec<i64> = group.iter().map(|packed| packed.id.get()).collect();
        let rows: Vec<(i64, i64, i64)> = Begun { service_id: &service_id }.load(connection)?;
        for (service_id, begun_ms, event_id) in rows {
            self.update(service_id, |service| service.begun = Some((begun_ms, event_id)));
        }
        Ok(())
    }

    fn read_starts(&mut self, connection: &mut StoreConnection, group: &[&Packed]) -> Result<()> {
        type Row = (i64, Option<i64>, Vec<i64>, Vec<i64>);
        let (mut service_id, mut from_s) = (Vec::new(), Vec::new());
        for packed in group {
            let begun = self.begun_ms(packed.id).map(Bucket::hour);
            let first = packed.hours.first().map(|hour| hour.bucket).into_iter().chain(begun).min();
            service_id.push(packed.id.get());
            // Its whole day, which is made again when a clock was set back.
            from_s.push(first.map_or(i64::MAX, |first| first.day().start_s));
        }
        let rows: Vec<Row> =
            Starts { service_id: &service_id, from_s: &from_s }.load(connection)?;
        for (service_id, newest_day_s, hours, days) in rows {
            self.update(service_id, |service| {
                service.newest_day_s = newest_day_s;
                service.hours.extend(hours);
                service.days.extend(days);
            });
        }
        Ok(())
    }

    /// As the merge finds it.
    fn affected(&self, packed: &Packed, now_ms: i64) -> Affected {
        let service = &self.services[&packed.id];
        let made_to_s = service.newest_day_s.map_or(i64::MIN, |day| day + i64::from(DAY_S));
        let stored: Vec<i64> = service.hours.range(made_to_s..).copied().collect();
        let begun_ms = service.begun.map(|(begun_ms, _)| begun_ms);
        Affected::new(made_to_s, &stored, &packed.hours, begun_ms, now_ms)
    }

    /// Reads the hours that are changed, and those of the days that are made.
    fn read_hours(
        &mut self,
        connection: &mut StoreConnection,
        affected: &[(&Packed, Affected)],
    ) -> Result<()> {
        let (mut ids, mut starts): (Vec<i64>, BTreeSet<i64>) = Default::default();
        for (packed, Affected { days, .. }) in affected {
            let stored = &self.services[&packed.id].hours;
            let changed = packed.hours.iter().map(|hour| &hour.bucket.start_s);
            let changed = changed.filter(|start_s| stored.contains(start_s));
            let of_days = days.iter().flat_map(|day| stored.range(day.start_s..day.end_s()));
            let mut wanted = changed.chain(of_days).peekable();
            if wanted.peek().is_some() {
                ids.push(packed.id.get());
                starts.extend(wanted);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        // Services of a group have mostly the same hours.
        let rows: Vec<(i64, RollupRow)> = service_rollups::table
            .filter(service_rollups::service_id.eq_any(ids))
            .filter(service_rollups::region_id.eq(REGION))
            .filter(service_rollups::step_s.eq(HOUR_S))
            .filter(service_rollups::start_s.eq_any(Vec::<i64>::from_iter(starts)))
            .select((service_rollups::service_id, RollupRow::as_select()))
            .load(connection)?;
        for (service_id, row) in rows {
            let rollup = Rollup::from(row);
            self.update(service_id, |service| {
                service.rollups.insert(rollup.bucket, rollup);
            });
        }
        Ok(())
    }

    fn read_spans(
        &mut self,
        connection: &mut StoreConnection,
        affected: &[(&Packed, Affected)],
        now_ms: i64,
    ) -> Result<()> {
        let windows = affected
            .iter()
            .filter_map(|(packed, affected)| affected.window.map(|window| (packed.id, window)));
        let (ids, from_ms): (Vec<ServiceId>, Vec<i64>) =
            windows.clone().map(|(id, window)| (id, window.from_ms)).unzip();
        let to_ms = windows.map(|(_, window)| window.to_ms).max().unwrap_or(now_ms);
        for (id, spans) in spans_from(connection, &ids, &from_ms, to_ms)? {
            self.update(id.get(), |service| service.spans = spans);
        }
        Ok(())
    }

    /// Every service of a merge has been read.
    fn service(&mut self, id: ServiceId) -> &mut Service {
        self.services.entry(id).or_default()
    }

    fn update(&mut self, service_id: i64, update: impl FnOnce(&mut Service)) {
        let service = ServiceId::new(service_id).and_then(|id| self.services.get_mut(&id));
        if let Some(service) = service {
            update(service);
        }
    }

    /// Stores what the merges of `group` have written.
    pub fn write(&self, connection: &mut StoreConnection, group: &[&Packed]) -> Result<()> {
        let (mut inserted, mut replaced) = (RollupColumns::default(), RollupColumns::default());
        let (mut times, mut events) = (TimeColumns::default(), EventColumns::default());
        for packed in group {
            let service = &self.services[&packed.id];
            for bucket in &service.inserted {
                inserted.push(packed.id, &service.rollups[bucket]);
            }
            for bucket in &service.replaced {
                replaced.push(packed.id, &service.rollups[bucket]);
            }
            for (bucket, totals) in &service.totals {
                times.push(packed.id, *bucket, totals);
            }
            if let Some((_, event_id)) = service.begun {
                events.push(packed.id.get(), event_id);
            }
        }
        inserted.insert(connection)?;
        replaced.replace(connection)?;
        times.write(connection)?;
        events.write(connection)
    }
}

impl RollupRead for Staged {
    /// The spans that were read for the service, which cover the window of its merge.
    fn spans(&mut self, ids: &[ServiceId], _: Window) -> Result<HashMap<ServiceId, Vec<Span>>> {
        let spans = ids.iter().filter_map(|id| Some((*id, self.services.get(id)?.spans.clone())));
        Ok(spans.collect())
    }

    fn rollups(&mut self, id: ServiceId, step_s: i32, window: Window) -> Result<Vec<Rollup>> {
        let start = |start_s| Bucket { step_s, start_s };
        let from = start(window.from_ms.div_euclid(1_000));
        let to = start((window.to_ms - 1).div_euclid(1_000) + 1);
        Ok(self.service(id).rollups.range(from..to).map(|(_, rollup)| rollup.clone()).collect())
    }

    fn rollup_starts(&mut self, id: ServiceId, step_s: i32, from_s: i64) -> Result<Vec<i64>> {
        Ok(self.service(id).starts(step_s).range(from_s..).copied().collect())
    }

    fn newest_rollup(&mut self, id: ServiceId, step_s: i32) -> Result<Option<i64>> {
        let service = self.service(id);
        let newest = service.starts(step_s).last().copied();
        Ok(if step_s == DAY_S { newest.max(service.newest_day_s) } else { newest })
    }
}

impl RollupWrite for Staged {
    fn insert_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<bool> {
        let (service, bucket) = (self.service(id), rollup.bucket);
        let is_new = service.starts(bucket.step_s).insert(bucket.start_s);
        if is_new {
            service.rollups.insert(bucket, rollup.clone());
            service.inserted.insert(bucket);
        }
        Ok(is_new)
    }

    fn replace_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<()> {
        let (service, bucket) = (self.service(id), rollup.bucket);
        service.rollups.insert(bucket, rollup.clone());
        if !service.inserted.contains(&bucket) {
            service.replaced.insert(bucket);
        }
        Ok(())
    }

    fn set_totals(&mut self, id: ServiceId, bucket: Bucket, totals: &Totals) -> Result<()> {
        let service = self.service(id);
        if let Some(rollup) = service.rollups.get_mut(&bucket) {
            rollup.totals = *totals;
        }
        service.totals.insert(bucket, *totals);
        Ok(())
    }
}

impl Service {
    fn starts(&mut self, step_s: i32) -> &mut BTreeSet<i64> {
        if step_s == DAY_S { &mut self.days } else { &mut self.hours }
    }
}

statement!(
    /// Of services with events that the roll-ups do not contain yet.
    Begun { service_id: Array<BigInt> = [i64] } -> (BigInt, BigInt, BigInt),
    "SELECT m.service_id, min(e.date_started_ms), max(e.id) \
        FROM unnest(?) u(service_id) \
        JOIN service_metrics m ON m.service_id = u.service_id AND m.region_id = 0 \
            AND m.latest_event_id > m.sealed_event_id \
        JOIN service_events e ON e.service_id = m.service_id AND e.region_id = 0 \
            AND e.id > m.sealed_event_id \
        GROUP BY m.service_id"
);

statement!(
    /// The newest day; the hours from `from_s` on, and all that are part of no day; the days from
    /// `from_s` on.
    Starts {
        service_id: Array<BigInt> = [i64],
        from_s: Array<BigInt> = [i64],
    } -> (BigInt, Nullable<BigInt>, Array<BigInt>, Array<BigInt>),
    "SELECT u.service_id, d.start_s, \
            ARRAY(SELECT start_s FROM service_rollups \
                WHERE service_id = u.service_id AND region_id = 0 AND step_s = 3600 \
                    AND start_s >= least(u.from_s, \
                        coalesce(d.start_s + 86400, '-9223372036854775808'::bigint))), \
            ARRAY(SELECT start_s FROM service_rollups \
                WHERE service_id = u.service_id AND region_id = 0 AND step_s = 86400 \
                    AND start_s >= u.from_s) \
        FROM unnest(?, ?) u(service_id, from_s) \
        CROSS JOIN LATERAL ( \
            SELECT max(start_s) AS start_s FROM service_rollups \
            WHERE service_id = u.service_id AND region_id = 0 AND step_s = 86400) d"
);
