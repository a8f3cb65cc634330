//! Changes of one service by a button: pause, resume, probe, delete.

use serde_json::json;

use crate::api::error::ApiError;
use crate::api::input;
use crate::api::probes::probe_now;
use crate::storage::records::{Applied, Change, GetService};
use crate::ui::pages::respond::{PageResult, see};
use crate::ui::pages::service_form::after;
use crate::ui::pages::viewer::Viewer;

impl Viewer {
    /// Changes a service in the store.
    pub async fn change(&self, change: Change) -> Result<Applied, ApiError> {
        self.api.change(change, self.source()).await
    }
}

/// No more probes.
pub async fn pause(viewer: Viewer) -> PageResult {
    set_enabled(viewer, false, "paused").await
}

/// Probes again.
pub async fn resume(viewer: Viewer) -> PageResult {
    set_enabled(viewer, true, "resumed").await
}

async fn set_enabled(viewer: Viewer, enabled: bool, word: &str) -> PageResult {
    let id = viewer.service_id()?;
    let object = json!({"enabled": enabled}).as_object().cloned().unwrap_or_default();
    viewer.change(Change::Update(id, input::patch(object)?)).await?;
    after(id, word)
}

/// Probes once, outside of the schedule.
pub async fn probe(viewer: Viewer) -> PageResult {
    let id = viewer.service_id()?;
    let revision = viewer.api.revision.current();
    let record = viewer.visible(viewer.api.query(GetService(id)).await?)?;
    probe_now(&viewer.api, record, revision).await?;
    see(&format!("/services/{id}#checks"))
}

/// Deletes the service. Its history stays in the store.
pub async fn delete(viewer: Viewer) -> PageResult {
    viewer.change(Change::Delete(viewer.service_id()?)).await?;
    see("/services?done=deleted")
}
