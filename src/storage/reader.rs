//! The only SELECT that is served to HTTP, and what the runner loads at start.
//!
//! Each question is a struct that says what it wants; [`Query::run`] answers it on a connection. Lists come as a
//! [`Page`], read in one transaction so that items and total agree.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::domain::{
    Definition, Event, Origin, Page, PageRequest, Reason, ServiceId, State, Tally,
};
use crate::storage::error::StorageError;
use crate::storage::models::{EventRow, MetricRow, ServiceRow};
use crate::storage::schema::{service_count, service_events, service_metrics, services};

/// A question to the store.
pub trait Query: Send + 'static {
    /// What answers it.
    type Answer: Send + 'static;

    /// Asks it on `connection`.
    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError>;
}

/// A service with everything that is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    /// Its key.
    pub id: ServiceId,
    /// What the operator says of it.
    pub definition: Definition,
    /// Who owns it.
    pub origin: Origin,
    /// Unix seconds of its creation.
    pub created_at: i64,
    /// Unix seconds of the last change to its definition.
    pub updated_at: i64,
    /// The metric; `None` before the first tick.
    pub tally: Option<Tally>,
    /// The newest event; `None` before the first tick.
    pub latest_event: Option<Event>,
}

/// What a service is now (contract, "Service").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The newest event is an uptime.
    Up,
    /// The newest event is a downtime.
    Down,
    /// The newest event is unknown: our own network is gone.
    Unknown,
    /// There is no result yet.
    Pending,
    /// It is not enabled.
    Paused,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Unknown, Self::Pending, Self::Paused];

    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Paused => "paused",
        }
    }
}

impl ServiceRecord {
    /// What the service is now.
    pub fn status(&self) -> Status {
        if !self.definition.enabled {
            return Status::Paused;
        }
        match self.latest_event.as_ref().map(|event| event.state) {
            // A pause lasts until the first result after it.
            None | Some(State::Paused) => Status::Pending,
            Some(State::Up) => Status::Up,
            Some(State::Down) => Status::Down,
            Some(State::Unknown) => Status::Unknown,
        }
    }
}

/// The living services that fit every given filter, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct ListServices {
    /// Only those that are this now.
    pub status: Option<Status>,
    /// Only those with this text in their name or URL; ASCII letters match in either case. A URL with a password is not
    /// searched.
    pub part: Option<String>,
    /// Only those of this group; the empty text means those of none.
    pub group: Option<String>,
    /// Only those whose newest event has this failure.
    pub reason: Option<Reason>,
    /// Which page.
    pub page: PageRequest,
}

impl Query for ListServices {
    type Answer = Page<ServiceRecord>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            if self.is_of_all() {
                return page_of_all(connection, self.page);
            }
            let total: i64 = records().filter(self.condition()).count().get_result(connection)?;
            let rows: Vec<RecordRow> = records()
                .filter(self.condition())
                .order(services::id)
                .limit(self.page.limit.into())
                .offset(self.page.offset())
                .select(record_columns())
                .load(connection)?;
            let items = rows.into_iter().map(record).collect::<Result<_, _>>()?;
            Ok(Page { items, total: total.cast_unsigned() })
        })
    }
}

/// Nullable, since a column of a service without events compares as null, which filters the service out.
type Condition = Box<dyn BoxableExpression<Joined, Sqlite, SqlType = Nullable<Bool>>>;
type Joined = diesel::helper_types::LeftJoinQuerySource<
    diesel::helper_types::LeftJoinQuerySource<services::table, service_metrics::table>,
    service_events::table,
    diesel::dsl::Eq<
        diesel::dsl::Nullable<service_metrics::latest_event_id>,
        diesel::dsl::Nullable<service_events::id>,
    >,
>;

/// A page of all living services, at a cost that does not grow with their number, but for the walk over an index of their ids to
/// where the page begins.
fn page_of_all(
    connection: &mut SqliteConnection,
    page: PageRequest,
) -> Result<Page<ServiceRecord>, StorageError> {
    let total: i64 = service_count::table.select(service_count::living).first(connection)?;
    let first: Option<i64> = services::table
        .filter(services::deleted_at.is_null())
        .order(services::id)
        .select(services::id)
        .offset(page.offset())
        .first(connection)
        .optional()?;
    let Some(first) = first else {
        return Ok(Page { items: Vec::new(), total: total.cast_unsigned() });
    };
    let rows: Vec<RecordRow> = records()
        .filter(services::deleted_at.is_null().and(services::id.ge(first)))
        .order(services::id)
        .limit(page.limit.into())
        .select(record_columns())
        .load(connection)?;
    let items = rows.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(Page { items, total: total.cast_unsigned() })
}

impl ListServices {
    /// Whether nothing is filtered out.
    fn is_of_all(&self) -> bool {
        let Self { status, part, group, reason, page: _ } = self;
        status.is_none() && part.is_none() && group.is_none() && reason.is_none()
    }

    fn condition(&self) -> Condition {
        let event_is = |word: &'static str| {
            services::enabled.eq(true).and(service_events::event.nullable().eq(word))
        };
        let mut all: Condition = Box::new(services::deleted_at.is_null().nullable());
        match self.status {
            None => {}
            Some(Status::Paused) => all = Box::new(all.and(services::enabled.eq(false))),
            Some(Status::Pending) => {
                let says_nothing = service_events::id
                    .nullable()
                    .is_null()
                    .or(service_events::event.nullable().eq(State::Paused.event()));
                all = Box::new(all.and(services::enabled.eq(true).and(says_nothing)));
            }
            Some(Status::Up) => all = Box::new(all.and(event_is(State::Up.event()))),
            Some(Status::Down) => all = Box::new(all.and(event_is(State::Down.event()))),
            Some(Status::Unknown) => all = Box::new(all.and(event_is(State::Unknown.event()))),
        }
        if let Some(part) = &self.part {
            let pattern = like_pattern(part);
            let found = services::name
                .like(pattern.clone())
                .escape('\\')
                .or(services::url.like(pattern).escape('\\').and(services::url.not_like(SECRET)));
            all = Box::new(all.and(found));
        }
        match self.group.as_deref() {
            None => {}
            Some("") => all = Box::new(all.and(services::group_name.is_null())),
            Some(group) => {
                all = Box::new(all.and(services::group_name.eq(group.to_owned())));
            }
        }
        if let Some(reason) = self.reason {
            all = Box::new(all.and(service_events::failure.nullable().eq(reason.as_str())));
        }
        all
    }
}

/// A URL with a password: nobody is to find out by searching what no answer shows.
const SECRET: &str = "%://%:%@%";

fn like_pattern(part: &str) -> String {
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

/// One living service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetService(pub ServiceId);

impl Query for GetService {
    type Answer = ServiceRecord;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        let row: RecordRow = records()
            .filter(services::id.eq(self.0.get()).and(services::deleted_at.is_null()))
            .select(record_columns())
            .first(connection)?;
        record(row)
    }
}

/// A living service as the runner loads it at start.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedService {
    /// Its key.
    pub id: ServiceId,
    /// What the operator says of it.
    pub definition: Definition,
    /// Who owns it.
    pub origin: Origin,
    /// When its newest tick was kept, in unix seconds, if it has one.
    pub last_tick: Option<i64>,
    /// When it was made, in unix seconds.
    pub created_at: i64,
}

/// Every living service, by id.
pub fn load_known(connection: &mut SqliteConnection) -> Result<Vec<LoadedService>, StorageError> {
    // Row by row: all rows at once would take as much memory again.
    let rows = services::table
        .left_join(service_metrics::table)
        .filter(services::deleted_at.is_null())
        .order(services::id)
        .select((ServiceRow::as_select(), service_metrics::updated_at.nullable()))
        .load_iter::<(ServiceRow, Option<i64>), DefaultLoadingMode>(connection)?;
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

type RecordRow = (ServiceRow, Option<MetricRow>, Option<EventRow>);

#[diesel::dsl::auto_type]
fn records() -> _ {
    let newest: diesel::dsl::Eq<
        diesel::dsl::Nullable<service_metrics::latest_event_id>,
        diesel::dsl::Nullable<service_events::id>,
    > = service_metrics::latest_event_id.nullable().eq(service_events::id.nullable());
    services::table.left_join(service_metrics::table).left_join(service_events::table.on(newest))
}

type RecordColumns = (
    diesel::dsl::AsSelect<ServiceRow, Sqlite>,
    diesel::dsl::AsSelect<Option<MetricRow>, Sqlite>,
    diesel::dsl::AsSelect<Option<EventRow>, Sqlite>,
);

fn record_columns() -> RecordColumns {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;
    use crate::storage::writer::{Change, apply};
    use crate::storage::{Store, connection};

    #[test]
    fn a_page_of_all_has_the_living_in_order_and_their_number() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db")).unwrap();
        let mut connection = connection::writer(store.path()).unwrap();
        let ids: Vec<ServiceId> = (0..7)
            .map(|nth| {
                let definition = sample::definition(&format!("service-{nth}"));
                apply(&mut connection, Change::Create(Box::new(definition)), 0).unwrap().id
            })
            .collect();
        for gone in [0, 3] {
            apply(&mut connection, Change::Delete(ids[gone]), 0).unwrap();
        }
        let mut page = |page, group: Option<&str>| {
            let list = ListServices {
                status: None,
                part: None,
                group: group.map(str::to_owned),
                reason: None,
                page: PageRequest { page, limit: 2 },
            };
            let page = list.run(&mut connection).unwrap();
            (page.items.iter().map(|record| record.id).collect::<Vec<_>>(), page.total)
        };
        for (nth, expected) in [(1, vec![1, 2]), (2, vec![4, 5]), (3, vec![6]), (4, vec![])] {
            let expected: Vec<ServiceId> =
                expected.into_iter().map(|nth: usize| ids[nth]).collect();
            assert_eq!(page(nth, None), (expected.clone(), 5));
            assert_eq!(page(nth, Some("")), (expected, 5), "as when it is filtered");
        }
    }
}
