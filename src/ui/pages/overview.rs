//! `/`

use actix_web::http::StatusCode;
use futures_util::future::try_join3;

use crate::actors::messages::probing::GetLateness;
use crate::api::error::ApiError;
use crate::domain::{PageRequest, ServiceEvent, Window};
use crate::storage::records::{ListEvents, ListNewestEvents};
use crate::ui::html::frame::Section;
use crate::ui::html::overview;
use crate::ui::pages::facts;
use crate::ui::pages::maintenance;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::{Viewer, stream};

/// Most rows; an installation of at most so many services is shown whole.
const ROWS: u32 = 50;

/// Number of the newest events.
const EVENTS: u32 = 12;

/// Of the services that the reader may see.
async fn newest_events(viewer: &Viewer) -> Result<Vec<ServiceEvent>, ApiError> {
    let groups = viewer.caller().groups;
    if !groups.is_limited() {
        return viewer.api.query(ListNewestEvents(EVENTS)).await;
    }
    let page = PageRequest { page: 1, limit: EVENTS };
    let (service_id, window, state, reason) = (None, Window::ALL, None, None);
    let list = ListEvents { service_id, window, state, reason, groups, page };
    Ok(viewer.api.query(list).await?.items)
}

/// The first page.
pub async fn show(viewer: Viewer) -> PageResult {
    let api = &viewer.api;
    let found = viewer.overview().await?;
    let has_all = found.counts.total() <= ROWS;
    let list = viewer.trouble(ROWS, has_all).await?;
    let (rows, events, planned) = try_join3(
        facts::rows(api, &list, viewer.now_ms),
        newest_events(&viewer),
        maintenance::rows(&viewer),
    )
    .await?;
    let mut frame = viewer.frame(Section::Overview, found.counts.down.into());
    frame.stream = stream(&list);
    frame.late = api.scheduler.send(GetLateness).await?;
    let facts = overview::Overview {
        counts: facts::counts(&found.counts),
        rows,
        has_all,
        groups: facts::groups(found.groups),
        planned,
        events: events.into_iter().map(facts::event).collect(),
        form: Default::default(),
        base_url: viewer.base_url(),
    };
    Ok(html(&viewer, StatusCode::OK, overview::page(&frame, &facts)))
}
