//! Responses with pages: their headers, and errors as pages.

use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use maud::Markup;

use crate::api::error::ApiError;
use crate::ui::assets::pack;
use crate::ui::html::frame::{Frame, Section};
use crate::ui::html::login;
use crate::ui::html::text::encoded;
use crate::ui::pages::assets::accepts_gzip;
use crate::ui::pages::viewer::Viewer;

/// The result of a handler.
pub type PageResult = Result<HttpResponse, ApiError>;

/// Everything comes from this service, and no text of a page becomes a script.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     trusted-types rows; require-trusted-types-for 'script'",
);

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (VARY, HeaderValue::from_static("Accept-Encoding, Cookie")),
];

/// Pages below this length, in bytes, are sent as they are.
const PACKED_FROM: usize = 1_024;

/// A handler that answers errors with a page.
pub fn page<F, Fut>(
    handler: F,
) -> impl Fn(Viewer) -> Pin<Box<dyn Future<Output = HttpResponse>>> + Clone + 'static
where
    F: Fn(Viewer) -> Fut + Clone + 'static,
    Fut: Future<Output = PageResult> + 'static,
{
    move |viewer| {
        let (shown, answer) = (viewer.without_body(), handler(viewer));
        Box::pin(async move { answer.await.unwrap_or_else(|error| error_page(&shown, &error)) })
    }
}

/// A page.
pub fn html(viewer: &Viewer, status: StatusCode, markup: Markup) -> HttpResponse {
    let text = markup.into_string();
    let mut response = HttpResponse::build(status);
    for header in HEADERS {
        response.insert_header(header);
    }
    response.content_type(ContentType::html());
    if text.len() < PACKED_FROM || !accepts_gzip(&viewer.request) {
        return response.body(text);
    }
    response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    response.body(pack(text.as_bytes()))
}

/// 303: the page at `path`, which a browser can load again without a repeated change.
pub fn see(path: &str) -> PageResult {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, location)).finish())
}

/// A path of this service from a parameter; the first page for everything else.
pub fn local_path(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_local { path } else { "/" }
}

fn error_page(viewer: &Viewer, error: &ApiError) -> HttpResponse {
    let status = error.status();
    let title = status.canonical_reason().unwrap_or("Error");
    let frame = viewer.frame(Section::None, 0);
    html(viewer, status, login::error(&frame, title, error.errors()))
}

/// The answer to a request for a page that the guard refused; `None` for one of the API. Without
/// the token that a page requires, it redirects to the login page.
pub fn refusal(request: &HttpRequest, error: &ApiError) -> Option<HttpResponse> {
    let pattern = request.match_pattern()?;
    let is_page = !["/v1", "/api", "/metrics", "/probe", "/openapi.json", "/assets"]
        .iter()
        .any(|prefix| pattern.starts_with(prefix));
    if !is_page {
        return None;
    }
    if error.status() == StatusCode::UNAUTHORIZED {
        let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let back = if request.method().is_safe() { path } else { "/" };
        return see(&format!("/login?back={}", encoded(back))).ok();
    }
    let title = error.status().canonical_reason().unwrap_or("Error");
    let mut response = HttpResponse::build(error.status());
    for header in HEADERS {
        response.insert_header(header);
    }
    response.content_type(ContentType::html());
    let frame = Frame { name: "service-healthcheck".to_owned(), ..Frame::default() };
    Some(response.body(login::error(&frame, title, error.errors()).into_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_service_is_led_back_to() {
        for path in ["/", "/services?q=a%20b&page=2"] {
            assert_eq!(local_path(path), path);
        }
        for path in
            ["", "//evil.example/", "https://evil.example/", "/\\evil.example", "/a b", "/\n"]
        {
            assert_eq!(local_path(path), "/", "{path:?}");
        }
    }
}
