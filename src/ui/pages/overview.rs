//! `/`

use actix_web::http::StatusCode;
use futures_util::future::try_join;

use crate::storage::records::ListNewestEvents;
use crate::ui::html::frame::Section;
use crate::ui::html::overview;
use crate::ui::pages::facts;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::{Viewer, stream};

/// Most rows; an installation of at most so many services is shown whole.
const ROWS: u32 = 50;

/// Number of the newest events.
const EVENTS: u32 = 12;

/// The first page.
pub async fn show(viewer: Viewer) -> PageResult {
    let api = &viewer.api;
    let found = viewer.overview().await?;
    let has_all = found.counts.total() <= ROWS;
    let list = viewer.trouble(ROWS, has_all).await?;
    let (rows, events) =
        try_join(facts::rows(api, &list, viewer.now_ms), api.query(ListNewestEvents(EVENTS)))
            .await?;
    let mut frame = viewer.frame(Section::Overview, found.counts.down.into());
    frame.stream = stream(&list);
    let facts = overview::Overview {
        counts: facts::counts(&found.counts),
        rows,
        has_all,
        groups: facts::groups(found.groups),
        events: events.into_iter().map(facts::event).collect(),
        form: Default::default(),
        base_url: viewer.base_url(),
    };
    Ok(html(&viewer, StatusCode::OK, overview::page(&frame, &facts)))
}
