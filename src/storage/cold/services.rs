//! Reads of services.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};

use super::rows::{EventRow, MetricRow, ServiceRow, failure_of, labels_of, state_of};
use super::schema::{service_events, service_metrics, services};
use super::{Backend, StoreConnection, keys, living, search};
use crate::domain::access::GroupLimit;
use crate::domain::live::{ListedDefinition, LiveService, NewestEvent, ServiceState};
use crate::domain::secret::url::plain_parts;
use crate::domain::{
    Definition, Event, FullName, Group, Invalid, Name, Page, PageRequest, ServiceId, State, Status,
};
use crate::storage::error::StorageError;
use crate::storage::history::rows::Unrelayed;
use crate::storage::records::{ListServices, LoadedService, NamedService, ServiceRecord};

/// The living service `id`.
pub fn get(connection: &mut StoreConnection, id: ServiceId) -> Result<ServiceRecord, StorageError> {
    let row: RecordRow = records()
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(record_columns())
        .get_result(connection)?;
    record(row)
}

/// Error `NotFound` unless the service lives.
pub fn require(connection: &mut StoreConnection, id: ServiceId) -> Result<(), StorageError> {
    let _: i64 = services::table
        .filter(services::id.eq(id.get()).and(services::deleted_at.is_null()))
        .select(services::id)
        .get_result(connection)?;
    Ok(())
}

pub fn list(
    connection: &mut StoreConnection,
    list: &ListServices,
) -> Result<Page<ServiceRecord>, StorageError> {
    connection.transaction(|connection| {
        if !list.has_filter() {
            return page_of_all(connection, list.page);
        }
        if list.has_nul() {
            // No stored text has a NUL character, and not every store can look for one.
            return page(Vec::new(), 0);
        }
        let found = match &list.part {
            Some(part) => Some(search::Found::of(connection, part)?),
            None => None,
        };
        let condition = || condition(list, found.as_ref());
        let total: i64 = records().filter(condition()).count().get_result(connection)?;
        let rows: Vec<RecordRow> = records()
            .filter(condition())
            .order(services::id)
            .limit(list.page.limit.into())
            .offset(list.page.offset())
            .select(record_columns())
            .load(connection)?;
        page(rows, total)
    })
}

/// Those of these services that live, in the order of `ids`.
pub fn by_id(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
) -> Result<Vec<ServiceRecord>, StorageError> {
    let rows: Vec<RecordRow> = records()
        .filter(keys::with_ids(ids).and(services::deleted_at.is_null()))
        .select(record_columns())
        .load(connection)?;
    let positions: HashMap<ServiceId, usize> = ids.iter().copied().zip(0..).collect();
    let mut records = rows.into_iter().map(record).collect::<Result<Vec<_>, _>>()?;
    records.sort_unstable_by_key(|record| positions.get(&record.id).copied());
    Ok(records)
}

fn page(rows: Vec<RecordRow>, total: i64) -> Result<Page<ServiceRecord>, StorageError> {
    let items = rows.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(Page { items, total: total.cast_unsigned() })
}

/// All living services by name, by id.
pub fn named(
    connection: &mut StoreConnection,
    page: Option<PageRequest>,
    groups: &GroupLimit,
) -> Result<Page<NamedService>, StorageError> {
    type Row = (i64, String, Option<String>, Option<String>);
    connection.transaction(|connection| {
        let living = || {
            let living = services::table.filter(services::deleted_at.is_null());
            let living = living.into_boxed::<Backend>();
            match groups.split() {
                None => living,
                Some((named, true)) => living
                    .filter(services::group_name.eq_any(named).or(services::group_name.is_null())),
                Some((named, false)) => living.filter(services::group_name.eq_any(named)),
            }
        };
        let total: i64 = living().count().get_result(connection)?;
        let (limit, offset) = page.map_or((i64::MAX, 0), |page| (page.limit.into(), page.offset()));
        let rows: Vec<Row> = living()
            .order(services::id)
            .limit(limit)
            .offset(offset)
            .select((services::id, services::name, services::group_name, services::options))
            .load(connection)?;
        // Not by a join, which would read the metrics of the pages before too.
        let ids = rows.first().map(|row| row.0).zip(rows.last().map(|row| row.0));
        let newest_seqs =
            ids.map_or(Ok(HashMap::new()), |(first, last)| newest_seqs(connection, first, last))?;
        let named = rows.into_iter().map(|(id, name, group, options)| {
            let newest_seq = newest_seqs.get(&id).copied().unwrap_or_default();
            let labels = labels_of(options.as_deref());
            Ok(NamedService { id: service_id(id)?, name, group, labels, newest_seq })
        });
        let items = named.collect::<Result<_, StorageError>>()?;
        Ok(Page { items, total: total.cast_unsigned() })
    })
}

/// Numbers of the newest ticks of the services from `first` to `last`.
fn newest_seqs(
    connection: &mut StoreConnection,
    first: i64,
    last: i64,
) -> Result<HashMap<i64, u64>, StorageError> {
    let counts: Vec<(i64, i64, i64)> = service_metrics::table
        .filter(service_metrics::service_id.between(first, last))
        .select((
            service_metrics::service_id,
            service_metrics::tick_count,
            service_metrics::unknown_count,
        ))
        .load(connection)?;
    let newest =
        counts.into_iter().map(|(id, known, unknown)| (id, (known + unknown).cast_unsigned()));
    Ok(newest.collect())
}

/// The next living services that have ticks which are not relayed, by id.
pub fn unrelayed(
    connection: &mut StoreConnection,
    after: i64,
    limit: u32,
) -> Result<Vec<Unrelayed>, StorageError> {
    let newest_seq = || service_metrics::tick_count + service_metrics::unknown_count;
    let rows: Vec<(i64, i64, i64)> = service_metrics::table
        .inner_join(services::table)
        .filter(services::deleted_at.is_null())
        .filter(service_metrics::service_id.gt(after))
        .filter(service_metrics::relayed_seq.lt(newest_seq()))
        .order(service_metrics::service_id)
        .limit(limit.into())
        .select((service_metrics::service_id, service_metrics::relayed_seq, newest_seq()))
        .load(connection)?;
    let rows = rows.into_iter().map(|(id, relayed_seq, newest_seq)| {
        Ok(Unrelayed {
            service_id: service_id(id)?,
            relayed_seq: relayed_seq.cast_unsigned(),
            newest_seq: newest_seq.cast_unsigned(),
        })
    });
    rows.collect()
}

/// Deleted ones included.
pub fn all_ids(connection: &mut StoreConnection) -> Result<Vec<ServiceId>, StorageError> {
    let ids: Vec<i64> =
        services::table.order(services::id).select(services::id).load(connection)?;
    Ok(ids.into_iter().filter_map(ServiceId::new).collect())
}

fn service_id(id: i64) -> Result<ServiceId, StorageError> {
    ServiceId::new(id).ok_or_else(|| StorageError::Unreadable(format!("services, id {id}: id")))
}

/// Nullable, since a column of a service without events compares as null, which excludes it.
pub type Condition = Box<dyn BoxableExpression<Joined, Backend, SqlType = Nullable<Bool>>>;
type Joined = diesel::helper_types::LeftJoinQuerySource<
    diesel::helper_types::LeftJoinQuerySource<services::table, service_metrics::table>,
    service_events::table,
    diesel::dsl::Eq<
        diesel::dsl::Nullable<service_metrics::latest_event_id>,
        diesel::dsl::Nullable<service_events::id>,
    >,
>;

/// A page of all living services. Its cost does not depend on their number, except for skipping
/// the ids before the page in an index.
fn page_of_all(
    connection: &mut StoreConnection,
    request: PageRequest,
) -> Result<Page<ServiceRecord>, StorageError> {
    let total = living::count(connection)?;
    let first: Option<i64> = services::table
        .filter(services::deleted_at.is_null())
        .order(services::id)
        .select(services::id)
        .offset(request.offset())
        .first(connection)
        .optional()?;
    let Some(first) = first else {
        return Ok(Page { items: Vec::new(), total: total.cast_unsigned() });
    };
    let rows: Vec<RecordRow> = records()
        .filter(services::deleted_at.is_null().and(services::id.ge(first)))
        .order(services::id)
        .limit(request.limit.into())
        .select(record_columns())
        .load(connection)?;
    page(rows, total)
}

fn condition(list: &ListServices, found: Option<&search::Found>) -> Condition {
    let event_is = |word: &'static str| {
        services::enabled.eq(true).and(service_events::event.nullable().eq(word))
    };
    let mut all: Condition = Box::new(services::deleted_at.is_null().nullable());
    match list.status {
        None => {}
        Some(Status::Paused) => all = Box::new(all.and(services::enabled.eq(false))),
        Some(Status::Pending) => {
            let is_pending = service_events::id
                .nullable()
                .is_null()
                .or(service_events::event.nullable().eq(State::Paused.event()));
            all = Box::new(all.and(services::enabled.eq(true).and(is_pending)));
        }
        Some(Status::Up) => all = Box::new(all.and(event_is(State::Up.event()))),
        Some(Status::Down) => all = Box::new(all.and(event_is(State::Down.event()))),
        Some(Status::Unknown) => all = Box::new(all.and(event_is(State::Unknown.event()))),
    }
    if let Some(found) = found {
        all = Box::new(all.and(found.condition()));
    }
    match list.group.as_deref() {
        None => {}
        Some("") => all = Box::new(all.and(services::group_name.is_null())),
        Some(group) => {
            all = Box::new(all.and(services::group_name.eq(group.to_owned())));
        }
    }
    if let Some((named, has_ungrouped)) = list.groups.split() {
        let is_named = services::group_name.eq_any(named);
        all = match has_ungrouped {
            true => Box::new(all.and(is_named.or(services::group_name.is_null()))),
            false => Box::new(all.and(is_named)),
        };
    }
    if let Some(reason) = list.reason {
        all = Box::new(all.and(service_events::failure.nullable().eq(reason.as_str())));
    }
    all
}

/// The pattern of `LIKE` for texts that contain `part`; its escape is a backslash.
pub fn like_pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The definitions of those of these services that live.
pub fn definitions(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
) -> Result<HashMap<ServiceId, Definition>, StorageError> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows: Vec<ServiceRow> = services::table
        .filter(services::id.eq_any(numbers).and(services::deleted_at.is_null()))
        .select(ServiceRow::as_select())
        .load(connection)?;
    rows.into_iter().map(|row| Ok((row.service_id()?, row.definition()?))).collect()
}

/// The living services with these names.
pub fn by_name(
    connection: &mut StoreConnection,
    names: &[FullName],
) -> Result<Vec<(ServiceId, Definition)>, StorageError> {
    let mut found = Vec::new();
    for name in names {
        let living = services::table
            .filter(services::deleted_at.is_null().and(services::name.eq(name.name.as_str())))
            .select(ServiceRow::as_select());
        let row: Option<ServiceRow> = match &name.group {
            Some(group) => living
                .filter(services::group_name.eq(group.as_str()))
                .first(connection)
                .optional()?,
            None => living.filter(services::group_name.is_null()).first(connection).optional()?,
        };
        if let Some(row) = row {
            found.push((row.service_id()?, row.definition()?));
        }
    }
    Ok(found)
}

/// The living services, by id; all, or those of these ids.
pub fn load(
    connection: &mut StoreConnection,
    ids: Option<&[ServiceId]>,
) -> Result<Vec<LoadedService>, StorageError> {
    let mut living = services::table
        .left_join(service_metrics::table)
        .filter(services::deleted_at.is_null())
        .order(services::id)
        .select((ServiceRow::as_select(), service_metrics::updated_at.nullable()))
        .into_boxed::<Backend>();
    if let Some(ids) = ids {
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        living = living.filter(services::id.eq_any(ids));
    }
    // Row by row, since all rows at once would need as much memory again.
    let rows = living.load_iter::<(ServiceRow, Option<i64>), DefaultLoadingMode>(connection)?;
    rows.map(|row| {
        let (row, last_tick) = row?;
        Ok(LoadedService {
            id: row.service_id()?,
            definition: row.definition()?,
            origin: row.origin(),
            last_tick,
            created_at: row.created_at,
        })
    })
    .collect()
}

/// The state of the newest event of a service.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_events, check_for_backend(Backend))]
struct NewestRow {
    id: i64,
    event: String,
    failure: Option<String>,
    failure_detail: Option<String>,
    date_started_ms: i64,
}

impl NewestRow {
    fn event(self) -> Result<NewestEvent, StorageError> {
        let Self { id, event, failure, failure_detail, date_started_ms } = self;
        Ok(NewestEvent {
            state: state_of(id, &event)?,
            since_ms: date_started_ms,
            failure: failure_of(failure, failure_detail),
        })
    }
}

/// The living services, by id; of all, or of these.
pub fn live(
    connection: &mut StoreConnection,
    ids: Option<&[ServiceId]>,
) -> Result<Vec<LiveService>, StorageError> {
    type Row = (i64, String, String, Option<String>, bool, Option<bool>, Option<NewestRow>);
    let is_living = services::deleted_at.is_null().nullable();
    let condition: Condition = match ids {
        Some(ids) => Box::new(keys::with_ids(ids).and(is_living)),
        None => Box::new(is_living),
    };
    let rows = records()
        .filter(condition)
        .order(services::id)
        .select((
            services::id,
            services::name,
            services::url,
            services::group_name,
            services::enabled,
            service_metrics::is_flapping.nullable(),
            Option::<NewestRow>::as_select(),
        ))
        .load_iter::<Row, DefaultLoadingMode>(connection)?;
    let live = rows.map(|row| {
        let (id, name, url, group, is_enabled, is_flapping, event) = row?;
        let unreadable = |field: &str, error: &Invalid| {
            StorageError::Unreadable(format!("services, id {id}, {field}: {error}"))
        };
        let group = Group::parse(group.as_deref().unwrap_or_default());
        let definition = ListedDefinition {
            name: Name::parse(&name).map_err(|error| unreadable("name", &error))?,
            group: group.map_err(|error| unreadable("group_name", &error))?,
            is_enabled,
            url_parts: plain_parts(&url),
        };
        let event = event.map(NewestRow::event).transpose()?;
        let state = ServiceState { event, is_flapping: is_flapping.unwrap_or_default() };
        Ok(LiveService { id: service_id(id)?, definition, state })
    });
    live.collect()
}

pub type RecordRow = (ServiceRow, Option<MetricRow>, Option<EventRow>);

#[diesel::dsl::auto_type]
pub fn records() -> _ {
    let newest: diesel::dsl::Eq<
        diesel::dsl::Nullable<service_metrics::latest_event_id>,
        diesel::dsl::Nullable<service_events::id>,
    > = service_metrics::latest_event_id.nullable().eq(service_events::id.nullable());
    services::table.left_join(service_metrics::table).left_join(service_events::table.on(newest))
}

pub type RecordColumns = (
    diesel::dsl::AsSelect<ServiceRow, Backend>,
    diesel::dsl::AsSelect<Option<MetricRow>, Backend>,
    diesel::dsl::AsSelect<Option<EventRow>, Backend>,
);

pub fn record_columns() -> RecordColumns {
    (ServiceRow::as_select(), Option::<MetricRow>::as_select(), Option::<EventRow>::as_select())
}

fn record((service, metric, event): RecordRow) -> Result<ServiceRecord, StorageError> {
    let event = event.map(EventRow::event).transpose()?;
    Ok(ServiceRecord {
        id: service.service_id()?,
        definition: service.definition()?,
        origin: service.origin(),
        created_at: service.created_at,
        updated_at: service.updated_at,
        tally: metric.map(|metric| metric.tally(event.as_ref().map(Event::latest))),
        latest_event: event,
    })
}
