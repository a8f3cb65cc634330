//! `/instances`

use actix_web::http::StatusCode;

use crate::api::instances_of;
use crate::ui::html::frame::Section;
use crate::ui::html::instances::{Instance, page};
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::Viewer;

/// The living instances.
pub async fn show(viewer: Viewer) -> PageResult {
    let all = instances_of(&viewer.api).into_iter().map(|one| Instance {
        name: one.name,
        role: one.role,
        version: one.version,
        is_this: one.is_this,
        shards: one.shards,
        committed_ms_ago: one.committed_seconds_ago.map(|seconds| (seconds * 1e3) as u64),
    });
    let all: Vec<Instance> = all.collect();
    let has_several = viewer.api.instances.has_several;
    let frame = viewer.frame(Section::None, 0);
    Ok(html(&viewer, StatusCode::OK, page(&frame, &all, has_several)))
}
