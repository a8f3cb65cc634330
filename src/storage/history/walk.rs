//! A walk over the ticks of a service, oldest first, that holds nothing up: each step reads one chunk in a transaction of its own.
//!
//! A tick keeps its number for good and is in exactly one place at any moment, so a walk by numbers meets each tick once, however
//! ticks are sealed meanwhile. One long transaction would do it too, but then whoever takes the ticks slowly, such as a pager that
//! is left open, would keep the log of a running service from ever being folded into the file.

use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::ticks;
use super::{fresh, newest_seq};
use crate::domain::ServiceId;
use crate::domain::Window;
use crate::domain::history::tick::StoredTick;
use crate::storage::StorageError;
use crate::storage::history::ticks::ChunkInfo;
use crate::storage::schema::{service_metrics, service_tick_chunks, services};

/// A living service, and how far its ticks reached at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// Its key.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its group, if it has one.
    pub group: Option<String>,
    /// The number of its newest tick; 0 without any.
    pub newest_seq: u64,
}

/// Every living service at one moment, by id.
pub fn living(connection: &mut SqliteConnection) -> Result<Vec<Walked>, StorageError> {
    type Row = (i64, String, Option<String>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = services::table
        .left_join(service_metrics::table)
        .filter(services::deleted_at.is_null())
        .order(services::id)
        .select((
            services::id,
            services::name,
            services::group_name,
            service_metrics::tick_count.nullable(),
            service_metrics::unknown_count.nullable(),
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(id, name, group, known, unknown)| {
            let id = ServiceId::new(id)
                .ok_or_else(|| StorageError::Unreadable(format!("services, id {id}: id")))?;
            let newest_seq = known.unwrap_or(0) + unknown.unwrap_or(0);
            Ok(Walked { id, name, group, newest_seq: newest_seq.cast_unsigned() })
        })
        .collect()
}

/// How far a walk is.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    id: ServiceId,
    window: Window,
    /// Every tick before this number is behind us.
    next: u64,
    /// The last tick that is wanted.
    last: u64,
}

impl Walk {
    /// A walk over the ticks of `service` in `window`, up to the one that was its newest.
    pub fn new(service: &Walked, window: Window) -> Self {
        Self { id: service.id, window, next: 1, last: service.newest_seq }
    }

    /// The ticks that come next, oldest first: those of a chunk, or all that are fresh. May be empty; `None` at the end.
    pub fn step(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<Vec<StoredTick>>, StorageError> {
        if self.next > self.last {
            return Ok(None);
        }
        let (first, run) =
            connection.transaction(|connection| match self.chunk(connection)? {
                Some(chunk) => ticks::open(connection, &chunk),
                None => self.fresh(connection),
            })?;
        let (next, last) = (self.next, self.last);
        // Nothing sealed and nothing fresh is left.
        self.next = if run.is_empty() { last + 1 } else { first + run.len() as u64 };
        let numbered = (first..).zip(run);
        let wanted = numbered.filter(|(seq, _)| (next..=last).contains(seq));
        let group = wanted.map(|(_, tick)| tick).filter(|tick| self.window.contains(tick.at_ms));
        Ok(Some(group.collect()))
    }

    /// The chunk that holds the next tick, or else the first one behind it, of those that touch the window.
    fn chunk(&self, connection: &mut SqliteConnection) -> Result<Option<ChunkInfo>, StorageError> {
        use service_tick_chunks as chunks;
        let next = self.next.cast_signed();
        let of_service = || chunks::table.filter(chunks::service_id.eq(self.id.get()));
        let around: Option<ChunkInfo> = of_service()
            .filter(chunks::first_seq.le(next))
            .order(chunks::first_seq.desc())
            .select(ChunkInfo::as_select())
            .first(connection)
            .optional()?;
        if let Some(chunk) = around.filter(|chunk| chunk.first_seq + chunk.tick_count > next) {
            return Ok(Some(chunk));
        }
        Ok(of_service()
            .filter(chunks::first_seq.gt(next))
            .filter(chunks::from_ms.lt(self.window.to_ms))
            .filter(chunks::to_ms.ge(self.window.from_ms))
            .order(chunks::first_seq.asc())
            .select(ChunkInfo::as_select())
            .first(connection)
            .optional()?)
    }

    /// The fresh ticks, oldest first, with the number of the first.
    fn fresh(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(u64, Vec<StoredTick>), StorageError> {
        let mut run = Vec::new();
        fresh::newest_first(connection, self.id, |tick| {
            run.push(tick);
            ControlFlow::Continue(())
        })?;
        run.reverse();
        let newest = newest_seq(connection, self.id)?;
        Ok(((newest + 1).saturating_sub(run.len() as u64), run))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::sample;
    use crate::storage::history::seal;
    use crate::storage::ledger::Ledger;
    use crate::storage::writer::{Change, apply};
    use crate::storage::{Store, connection};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Ticks are recorded and sealed while the walk is under way, so short chunks are sealed anew behind its back.
        #[test]
        fn a_walk_meets_each_tick_once_whatever_is_sealed_meanwhile(
            before in prop::collection::vec(0..12usize, 1..6),
            meanwhile in prop::collection::vec((0..12usize, any::<bool>()), 0..12),
            chunk_ticks in 2..6usize,
            from in 0..20i64,
            to in 20..60i64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db")).unwrap();
            let mut writer = connection::writer(store.path()).unwrap();
            let mut reader = connection::reader(store.path()).unwrap();
            let create = Change::Create(Box::new(sample::definition("a")));
            let id = apply(&mut writer, create, 0).unwrap().id;
            let (mut ledger, mut count) = (Ledger::default(), 0);
            let mut record = |ticks: usize, seals: bool| {
                for _ in 0..ticks {
                    ledger.commit(&mut writer, &[sample::outcome(id.get(), count)], 0).unwrap();
                    count += 1;
                }
                if seals {
                    seal::seal_all(&mut writer, chunk_ticks, 0).unwrap();
                }
                count
            };
            let mut reached = 0;
            for ticks in before {
                reached = record(ticks, true);
            }
            let service = living(&mut reader).unwrap().remove(0);
            prop_assert_eq!(service.newest_seq, reached.cast_unsigned());

            let window = Window { from_ms: from, to_ms: to };
            let mut walk = Walk::new(&service, window);
            let (mut met, mut meanwhile) = (Vec::new(), meanwhile.into_iter());
            while let Some(ticks) = walk.step(&mut reader).unwrap() {
                met.extend(ticks.iter().map(|tick| tick.at_ms));
                if let Some((ticks, seals)) = meanwhile.next() {
                    record(ticks, seals);
                }
            }
            prop_assert_eq!(met, (from..to.min(reached)).collect::<Vec<_>>());
        }
    }
}
