//! `/events`

use actix_web::http::StatusCode;
use futures_util::future::try_join;

use crate::domain::{PageRequest, Reason, ServiceId, State, Window};
use crate::storage::records::{GetService, ListEvents};
use crate::ui::html::events::{Events, STATES, page};
use crate::ui::html::frame::Section;
use crate::ui::html::paging::Position;
use crate::ui::pages::facts;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::Viewer;

/// Events a page.
const ROWS: u32 = 50;

/// The page of events.
pub async fn show(viewer: Viewer) -> PageResult {
    let id = viewer.query("service").and_then(|id| id.parse().ok()).and_then(ServiceId::new);
    let service = match id {
        Some(id) => Some(viewer.visible(viewer.api.query(GetService(id)).await?)?),
        None => None,
    };
    let word = viewer.query("state");
    let state = STATES.into_iter().find(|state| Some(state.word()) == word.as_deref());
    let reason = viewer.query("reason").and_then(|word| Reason::from_word(&word));
    let request = PageRequest { page: viewer.page_number(), limit: ROWS };
    let list = ListEvents {
        service_id: service.as_ref().map(|service| service.id),
        window: Window::ALL,
        state: state
            .and_then(|state| State::ALL.into_iter().find(|it| it.as_str() == state.word())),
        reason,
        groups: viewer.caller().groups,
        page: request,
    };
    let (found, overview) = try_join(viewer.api.query(list), viewer.overview()).await?;
    let frame = viewer.frame(Section::Events, overview.counts.down.into());
    let facts = Events {
        events: found.items.into_iter().map(facts::event).collect(),
        position: Position { page: request.page, limit: ROWS, total: found.total },
        state,
        reason: reason.map_or_else(String::new, |reason| reason.as_str().to_owned()),
        service: service.map(|it| (it.id.get(), it.definition.name.as_str().to_owned())),
        reasons: facts::reasons(),
    };
    Ok(html(&viewer, StatusCode::OK, page(&frame, &facts)))
}
