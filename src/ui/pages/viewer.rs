//! The reader of a page: the request, what its sender may do, and the frame of the page.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HOST};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use crate::actors::messages::live::{FindServices, GetOverview, Overview};
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::input;
use crate::clock::unix_ms;
use crate::domain::access::{Caller, Proof, Scope, Scopes, Who};
use crate::domain::audit::AuditSource;
use crate::domain::live::{LiveMoment, ServiceFilter, ServiceList, ServiceOrder, StateFilter};
use crate::domain::{Group, PageRequest, ServiceId};
use crate::storage::records::ServiceRecord;
use crate::ui::html::frame::{Access, Frame, Section, Stream, Theme};
use crate::ui::html::parts::{Notice, Tone};

/// Cookie with the chosen colours.
pub const THEME: &str = "theme";

/// Messages after a change, by the word in the address that it leads to.
const NOTICES: [(&str, Tone, &str); 13] = [
    ("added", Tone::Good, "The service was added; its first probe has started."),
    ("saved", Tone::Good, "The change holds from the next probe on."),
    ("changed", Tone::Good, "The change is saved."),
    ("paused", Tone::Good, "The service is paused."),
    ("resumed", Tone::Good, "The service is probed again."),
    ("deleted", Tone::Good, "Deleted."),
    ("acknowledged", Tone::Good, "The alert is acknowledged."),
    ("unacknowledged", Tone::Good, "The acknowledgement was taken back."),
    ("silenced", Tone::Good, "The silence was added."),
    ("ended", Tone::Good, "The silence has ended."),
    ("channel", Tone::Good, "The channel was added. Send a test to see whether it works."),
    ("planned", Tone::Good, "The maintenance is planned."),
    ("signed-in", Tone::Good, "Signed in."),
];

/// The sender of a request for a page.
pub struct Viewer {
    pub api: web::Data<Api>,
    pub request: HttpRequest,
    pub now_ms: i64,
    /// `None` once it was read.
    body: Option<web::Payload>,
}

impl FromRequest for Viewer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let viewer = request.app_data::<web::Data<Api>>().map(|api| Self {
            api: api.clone(),
            request: request.clone(),
            now_ms: unix_ms(),
            body: web::Payload::from_request(request, payload).into_inner().ok(),
        });
        ready(viewer.ok_or_else(ApiError::not_found))
    }
}

impl Viewer {
    /// As this one, without the body of the request.
    pub fn without_body(&self) -> Self {
        Self {
            api: self.api.clone(),
            request: self.request.clone(),
            now_ms: self.now_ms,
            body: None,
        }
    }

    /// The `{id}` of the path.
    pub fn service_id(&self) -> Result<ServiceId, ApiError> {
        input::service_id(&self.request)
    }

    /// As [`service_id`](Self::service_id), of any record.
    pub fn record_id(&self) -> Result<i64, ApiError> {
        input::record_id(&self.request)
    }

    /// The fields of the form that was sent.
    pub async fn form(&mut self) -> Result<Vec<(String, String)>, ApiError> {
        let body = self.body.take().ok_or_else(ApiError::not_found)?;
        input::form_fields(&self.request, body, &self.api).await
    }

    /// Counts of all services and of each group.
    pub async fn overview(&self) -> Result<Overview, ApiError> {
        self.api.overview(GetOverview { trouble: 0, groups: self.caller().groups }).await
    }

    /// The services that need attention, or all of them; trouble first.
    pub async fn trouble(&self, limit: u32, has_all: bool) -> Result<ServiceList, ApiError> {
        let state = Some(StateFilter::Trouble).filter(|_| !has_all);
        let filter = ServiceFilter { state, ..ServiceFilter::default() };
        let page = PageRequest { page: 1, limit };
        self.find(FindServices { filter, order: ServiceOrder::Attention, page }).await
    }

    /// What the reader may do and see.
    pub fn caller(&self) -> Caller {
        let caller = self.request.extensions().get::<Caller>().cloned();
        caller.unwrap_or_else(|| Caller::anonymous(Who::Open, Scopes::NONE))
    }

    /// The service, if the reader may see it.
    pub fn visible(&self, record: ServiceRecord) -> Result<ServiceRecord, ApiError> {
        let group = record.definition.group.as_ref().map(Group::as_str);
        if self.caller().sees(group) { Ok(record) } else { Err(ApiError::not_found()) }
    }

    /// Of the services that the reader may see.
    pub async fn find(&self, mut find: FindServices) -> Result<ServiceList, ApiError> {
        find.filter.groups = self.caller().groups;
        self.api.find(find).await
    }

    /// Where the changes of the reader come from.
    pub fn source(&self) -> AuditSource {
        self.api.source(&self.request)
    }

    /// The address under which the reader sees this installation.
    pub fn base_url(&self) -> String {
        let scheme = match self.api.guard.is_secure(&self.request) {
            true => "https".to_owned(),
            false => self.request.connection_info().scheme().to_owned(),
        };
        let host = self.request.headers().get(HOST).and_then(|host| host.to_str().ok());
        format!("{scheme}://{}", host.unwrap_or("localhost"))
    }

    /// What the page has besides its content.
    pub fn frame(&self, section: Section, down: u64) -> Frame {
        let path = self.request.uri().path_and_query().map_or("/", |it| it.as_str());
        Frame {
            name: self.api.name.to_string(),
            section,
            theme: self.theme(),
            now_ms: self.now_ms,
            path: path.to_owned(),
            search: String::new(),
            down,
            alerts: self.open_alerts(),
            access: self.access(),
            stream: None,
            notices: self.notice().into_iter().collect(),
            cut_off_since_ms: Some(&self.api.telemetry)
                .filter(|telemetry| telemetry.cut_off.get() == 1)
                .map(|telemetry| telemetry.cut_off_since_ms.get()),
            late: Duration::ZERO,
        }
    }

    fn access(&self) -> Access {
        let caller = self.caller();
        Access {
            can_write: caller.may(Scope::Write),
            has_session: matches!(caller.proof, Proof::Cookie(_)),
            can_sign_in: !caller.has_token() && !caller.may(Scope::Write),
            is_limited: caller.groups.is_limited(),
        }
    }

    /// Number of open alerts; 0 for a caller that may not read.
    fn open_alerts(&self) -> u64 {
        let caller = self.caller();
        if !caller.may(Scope::Read) {
            return 0;
        }
        self.api.open_alerts.get().visible(&caller.groups)
    }

    pub fn theme(&self) -> Theme {
        let cookies = self.request.headers().get_all(COOKIE).filter_map(|it| it.to_str().ok());
        let mut pairs = cookies.flat_map(|all| all.split(';')).filter_map(|it| it.split_once('='));
        let found = pairs.find(|(name, _)| name.trim() == THEME);
        found.and_then(|(_, word)| Theme::from_word(word.trim())).unwrap_or_default()
    }

    /// The message that the address asks for: one of a closed set, so that a link cannot write on
    /// the page.
    fn notice(&self) -> Option<Notice> {
        let word = self.query("done")?;
        let found = NOTICES.iter().find(|(known, _, _)| *known == word);
        found.map(|(_, tone, text)| Notice::new(*tone, *text))
    }

    /// A parameter of the address; `None` for an absent or empty one.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.request.query_string().as_bytes();
        let mut pairs = url::form_urlencoded::parse(query);
        let value = pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        value.filter(|value| !value.is_empty())
    }

    /// Whether the address has the parameter, also an empty one.
    pub fn has_query(&self, name: &str) -> bool {
        let query = self.request.query_string().as_bytes();
        url::form_urlencoded::parse(query).any(|(known, _)| known == name)
    }

    /// The number of the page, from 1; the first for anything else.
    pub fn page_number(&self) -> u32 {
        self.query("page").and_then(|page| page.parse().ok()).filter(|page| *page > 0).unwrap_or(1)
    }
}

/// The stream of the services of a list.
pub fn stream(list: &ServiceList) -> Option<Stream> {
    stream_of(&list.ids, list.moment)
}

/// The stream of these services from `moment` on.
pub fn stream_of(ids: &[ServiceId], moment: LiveMoment) -> Option<Stream> {
    let ids: Vec<String> = ids.iter().map(|id| id.get().to_string()).collect();
    let url = match ids.is_empty() {
        // For the counts.
        true => "/v1/stream?state=down".to_owned(),
        false => format!("/v1/stream?services={}", ids.join(",")),
    };
    Some(Stream { url, since: moment.to_string() })
}
