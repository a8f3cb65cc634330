//! Representations of JSON: entity tags, and content codings.
//!
//! A text that several clients share is tagged and packed once.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EntityTag, Header, HeaderValue,
    IfNoneMatch, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::api::budget::ResponseBudget;
use crate::api::coding::Coding;
use crate::api::state::Api;
use crate::api::text::{SharedText, Short, tag_of};

/// Shorter texts are not packed: they fit into a packet.
const PACKED_MIN: usize = 1_400;

/// Longer texts are packed on a blocking thread, so that the other requests of a worker continue.
const INLINE_MAX: usize = 16 * 1024;

/// Middleware: gives each JSON answer to a GET under `/v1` a strong entity tag, answers 304 to a
/// client that has it, and packs it as the client accepts.
pub async fn represent(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_represented = is_read && request.path().starts_with("/v1/");
    let response = next.call(request).await?.map_into_boxed_body();
    if !is_represented || response.status() != StatusCode::OK || !is_json(&response) {
        return Ok(response);
    }
    let (request, mut response) = response.into_parts();
    let shared = response.extensions_mut().remove::<SharedText>();
    let (head, body) = response.into_parts();
    let content = match (shared, body.try_into_bytes()) {
        (Some(text), Ok(_)) => Content::Shared(text),
        (None, Ok(bytes)) => Content::Own(bytes),
        // A stream has no tag.
        (_, Err(body)) => return Ok(ServiceResponse::new(request, head.set_body(body))),
    };
    let response = represented(&request, head, content).await;
    Ok(ServiceResponse::new(request, response))
}

fn is_json(response: &ServiceResponse) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// The text of an answer.
enum Content {
    Shared(SharedText),
    Own(Bytes),
}

impl Content {
    fn tag(&self) -> u128 {
        match self {
            Self::Shared(text) => text.tag(),
            Self::Own(bytes) => tag_of(bytes),
        }
    }

    /// `None` when the text is sent as it is: it is short, does not get shorter, or there is no
    /// memory for it.
    async fn packed(&self, coding: Coding, budget: &ResponseBudget) -> Option<Bytes> {
        match self {
            Self::Shared(text) => {
                let packed = text.packed(coding, || pack(text, coding, budget)).await?;
                Some(packed.into_bytes())
            }
            Self::Own(bytes) if (PACKED_MIN..=INLINE_MAX).contains(&bytes.len()) => {
                coding.pack(bytes, bytes.len() / 2).map(Bytes::from)
            }
            Self::Own(_) => None,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Shared(text) => text.into_bytes(),
            Self::Own(bytes) => bytes,
        }
    }
}

/// The packed text takes at most half the memory of the text, which is reserved before. `None` for
/// a text that is sent as it is.
async fn pack(
    text: &SharedText,
    coding: Coding,
    budget: &ResponseBudget,
) -> Result<Option<SharedText>, Short> {
    if text.len() < PACKED_MIN {
        return Ok(None);
    }
    let limit = text.len() / 2;
    let reserved = budget.reserve_packing(limit).ok_or(Short)?;
    let packed = if text.len() <= INLINE_MAX {
        coding.pack(text.as_ref(), limit)
    } else {
        let text = text.clone();
        web::block(move || coding.pack(text.as_ref(), limit)).await.map_err(|_| Short)?
    };
    Ok(packed.map(|packed| reserved.hold(packed)))
}

async fn represented(
    request: &HttpRequest,
    head: HttpResponse<()>,
    content: Content,
) -> HttpResponse {
    let coding = AcceptEncoding::parse(request).ok().and_then(|it| Coding::negotiate(&it));
    let tag = content.tag();
    if is_known(request, tag) {
        return not_modified(tag, coding);
    }
    let api = request.app_data::<Data<Api>>();
    let packed = match (coding, api) {
        (Some(coding), Some(api)) => {
            content.packed(coding, &api.budget).await.map(|packed| (coding, packed))
        }
        _ => None,
    };
    let (coding, body) = match packed {
        Some((coding, packed)) => (Some(coding), packed),
        None => (None, content.into_bytes()),
    };
    let mut response = head.set_body(BoxBody::new(body));
    set_headers(&mut response, tag, coding);
    if let Some(coding) = coding {
        let value = HeaderValue::from_static(coding.as_str());
        response.headers_mut().insert(CONTENT_ENCODING, value);
    }
    response
}

/// Whether the client has a representation of the text, in any coding.
fn is_known(request: &HttpRequest, tag: u128) -> bool {
    if !request.headers().contains_key(actix_web::http::header::IF_NONE_MATCH) {
        return false;
    }
    let codings = [None].into_iter().chain(Coding::ALL.map(Some));
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => {
            let mut own = codings.map(|coding| entity_tag(tag, coding));
            own.any(|own| known.iter().any(|known| known.weak_eq(&own)))
        }
        Err(_) => false,
    }
}

fn not_modified(tag: u128, coding: Option<Coding>) -> HttpResponse {
    let mut response = HttpResponse::NotModified().finish();
    set_headers(&mut response, tag, coding);
    response
}

fn set_headers(response: &mut HttpResponse, tag: u128, coding: Option<Coding>) {
    let headers = response.headers_mut();
    if let Ok(value) = entity_tag(tag, coding).to_string().parse() {
        headers.insert(ETAG, value);
    }
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
}

/// Each representation has a strong tag of its own.
fn entity_tag(tag: u128, coding: Option<Coding>) -> EntityTag {
    let suffix = coding.map(|coding| format!("-{}", coding.as_str())).unwrap_or_default();
    EntityTag::new_strong(format!("{tag:032x}{suffix}"))
}
