//! `/wall`

use actix_web::http::StatusCode;
use futures_util::future::try_join;

use crate::ui::html::frame::Section;
use crate::ui::html::wall;
use crate::ui::pages::facts;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::{Viewer, stream};

/// Most services in trouble.
const ROWS: u32 = 24;

/// Most groups: so many fit on a screen.
const GROUPS: usize = 60;

/// The wall display.
pub async fn show(viewer: Viewer) -> PageResult {
    let (found, list) = try_join(viewer.overview(), viewer.trouble(ROWS, false)).await?;
    let rows = facts::rows(&viewer.api, &list, viewer.now_ms).await?;
    let mut frame = viewer.frame(Section::None, found.counts.down.into());
    frame.stream = stream(&list);
    let mut groups = facts::groups(found.groups);
    groups.truncate(GROUPS);
    let facts = wall::Wall { counts: facts::counts(&found.counts), groups, rows };
    Ok(html(&viewer, StatusCode::OK, wall::page(&frame, &facts)))
}
