//! Events of one service or of all, within a window.

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::must_live;
use crate::domain::{Page, PageRequest, Reason, ServiceEvent, ServiceId, State, Window};
use crate::storage::StorageError;
use crate::storage::models::EventRow;
use crate::storage::reader::Query;
use crate::storage::schema::{service_events, services};

/// Events that fit every given filter, newest first: of one living service, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListEvents {
    /// Only those of this service, which must live.
    pub service_id: Option<ServiceId>,
    /// Only those that touch it.
    pub window: Window,
    /// Only those that say this.
    pub state: Option<State>,
    /// Only those with this failure.
    pub reason: Option<Reason>,
    /// Which page.
    pub page: PageRequest,
}

type Condition = Box<dyn BoxableExpression<Joined, Sqlite, SqlType = Bool>>;
type Joined = diesel::helper_types::InnerJoinQuerySource<service_events::table, services::table>;

impl Query for ListEvents {
    type Answer = Page<ServiceEvent>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            if let Some(id) = self.service_id {
                must_live(connection, id)?;
            }
            let all = || service_events::table.inner_join(services::table);
            let total: i64 = all().filter(self.condition()).count().get_result(connection)?;
            let rows: Vec<(i64, String, EventRow)> = all()
                .filter(self.condition())
                .order((service_events::date_started_ms.desc(), service_events::id.desc()))
                .limit(self.page.limit.into())
                .offset(self.page.offset())
                .select((services::id, services::name, EventRow::as_select()))
                .load(connection)?;
            let items = rows.into_iter().map(|(id, service_name, event)| {
                let service_id = ServiceId::new(id)
                    .ok_or_else(|| StorageError::Unreadable(format!("services, id {id}: id")))?;
                Ok(ServiceEvent { service_id, service_name, event: event.event()? })
            });
            let items = items.collect::<Result<_, StorageError>>()?;
            Ok(Page { items, total: total.cast_unsigned() })
        })
    }
}

impl ListEvents {
    fn condition(&self) -> Condition {
        let Window { from_ms, to_ms } = self.window;
        let lasts_into = service_events::date_ended_ms
            .is_null()
            .or(service_events::date_ended_ms.assume_not_null().gt(from_ms));
        let mut all: Condition = Box::new(
            services::deleted_at
                .is_null()
                .and(service_events::date_started_ms.lt(to_ms))
                .and(lasts_into),
        );
        if let Some(id) = self.service_id {
            all = Box::new(all.and(service_events::service_id.eq(id.get())));
        }
        if let Some(state) = self.state {
            all = Box::new(all.and(service_events::event.eq(state.event())));
        }
        if let Some(reason) = self.reason {
            let failure = service_events::failure.assume_not_null();
            let is_it = service_events::failure.is_not_null().and(failure.eq(reason.as_str()));
            all = Box::new(all.and(is_it));
        }
        all
    }
}
