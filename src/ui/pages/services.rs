//! `/services`

use actix_web::http::StatusCode;
use futures_util::future::try_join;

use crate::actors::messages::live::FindServices;
use crate::domain::live::{ServiceFilter, ServiceOrder, StateFilter};
use crate::domain::shown_state::ShownState;
use crate::domain::{Group, PageRequest, Reason};
use crate::ui::html::frame::Section;
use crate::ui::html::paging::Position;
use crate::ui::html::services::{Filter, Services, Sort, page};
use crate::ui::pages::facts;
use crate::ui::pages::respond::{PageResult, html};
use crate::ui::pages::viewer::{Viewer, stream};

/// Services a page.
const ROWS: u32 = 50;

/// Most characters of a search.
const SEARCH_MAX: usize = 500;

/// The list of services.
pub async fn show(viewer: Viewer) -> PageResult {
    let filter = filter(&viewer);
    let request = PageRequest { page: viewer.page_number(), limit: ROWS };
    let find = FindServices {
        filter: ServiceFilter {
            state: filter.state.and_then(|state| StateFilter::from_word(state.word())),
            part: Some(filter.search.clone()).filter(|part| !part.is_empty()),
            group: filter.group.clone(),
            reason: Reason::from_word(&filter.reason),
            groups: viewer.caller().groups,
        },
        order: order(filter.sort),
        page: request,
    };
    let (found, overview) = try_join(viewer.find(find), viewer.overview()).await?;
    let rows = facts::rows(&viewer.api, &found, viewer.now_ms).await?;
    let mut frame = viewer.frame(Section::Services, overview.counts.down.into());
    frame.search.clone_from(&filter.search);
    frame.stream = stream(&found);
    let groups = overview
        .groups
        .iter()
        .map(|group| group.name.as_ref().map_or("", Group::as_str).to_owned());
    let facts = Services {
        filter,
        rows,
        position: Position { page: request.page, limit: ROWS, total: found.total },
        counts: facts::counts(&overview.counts),
        groups: groups.collect(),
        reasons: facts::reasons(),
    };
    Ok(html(&viewer, StatusCode::OK, page(&frame, &facts)))
}

/// The filter in the address; what is not known is left out.
fn filter(viewer: &Viewer) -> Filter {
    let group = viewer.query("group").filter(|group| group != "*");
    let has_group = viewer.has_query("group") && viewer.query("group").is_none();
    Filter {
        search: viewer.query("q").unwrap_or_default().chars().take(SEARCH_MAX).collect(),
        state: viewer.query("state").and_then(|word| ShownState::from_word(&word)),
        group: if has_group { Some(String::new()) } else { group },
        reason: viewer
            .query("reason")
            .filter(|word| Reason::from_word(word).is_some())
            .unwrap_or_default(),
        sort: viewer.query("sort").and_then(|word| Sort::from_word(&word)).unwrap_or_default(),
    }
}

fn order(sort: Sort) -> ServiceOrder {
    match sort {
        Sort::Attention => ServiceOrder::Attention,
        Sort::Name => ServiceOrder::Name,
        Sort::Since => ServiceOrder::Since,
        Sort::Response => ServiceOrder::Response,
    }
}
