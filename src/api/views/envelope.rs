//! The envelope of successful responses (contract, "Envelope").

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::text::SharedText;
use crate::domain::{Page, PageRequest};

/// The envelope of every successful response with data.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<D: ToSchema> {
    /// The HTTP status code.
    #[schema(example = 200)]
    status: u16,
    /// The standard reason phrase of the status.
    #[schema(example = "OK")]
    status_desc: &'static str,
    /// The requested data.
    data: D,
}

impl<D: ToSchema> Success<D> {
    fn new(status: StatusCode, data: D) -> Self {
        let status_desc = status.canonical_reason().unwrap_or_default();
        Self { status: status.as_u16(), status_desc, data }
    }
}

/// The envelope of a successful response without data.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fine)]
pub struct StatusOnly {
    /// The HTTP status code.
    #[schema(example = 200)]
    status: u16,
    /// The standard reason phrase of the status.
    #[schema(example = "OK")]
    status_desc: &'static str,
}

impl StatusOnly {
    /// 200 OK.
    pub fn ok() -> Self {
        Self { status: 200, status_desc: "OK" }
    }
}

/// The envelope of a successful response of readiness.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// The HTTP status code.
    #[schema(example = 200)]
    status: u16,
    /// The standard reason phrase of the status.
    #[schema(example = "OK")]
    status_desc: &'static str,
    /// What needs attention soon; absent when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, example = json!(["api_certificate: expires in 13 days; renew it"]))]
    warnings: Vec<String>,
}

impl Ready {
    pub fn new(warnings: Vec<String>) -> Self {
        Self { status: 200, status_desc: "OK", warnings }
    }
}

/// A single record.
#[derive(Debug, Serialize, ToSchema)]
pub struct One<T: ToSchema> {
    data: T,
}

impl<T: ToSchema> One<T> {
    pub fn new(data: T) -> Self {
        Self { data }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T: ToSchema> {
    data: Vec<T>,
    pagination: Pagination,
}

/// Position of a page in its list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// Number of this page, starting at 1.
    #[schema(format = Int64, minimum = 1, maximum = 4294967295i64)]
    page: u32,
    /// Most items per page.
    #[schema(minimum = 1, maximum = 1000)]
    limit: u32,
    /// Items in the whole list.
    total: u64,
    /// Pages in the whole list; 0 when it is empty.
    pages: u64,
}

impl<T: ToSchema> List<T> {
    /// The page `requested`, each item converted by `view`.
    pub fn new<R>(requested: PageRequest, page: Page<R>, view: impl Fn(R) -> T) -> Self {
        Self {
            pagination: Pagination {
                page: requested.page,
                limit: requested.limit,
                total: page.total,
                pages: page.total.div_ceil(requested.limit.into()),
            },
            data: page.items.into_iter().map(view).collect(),
        }
    }
}

/// A response of `status` with `data` in its envelope.
pub fn success<D: Serialize + ToSchema>(status: StatusCode, data: D) -> HttpResponse {
    HttpResponse::build(status).json(Success::new(status, data))
}

/// Bytes of a body around its items, at most.
const AROUND_ITEMS: usize = 256;

/// The body of [`success`] with status 200, whose items take about `expected_bytes`.
pub fn body<D: Serialize + ToSchema>(data: D, expected_bytes: usize) -> Vec<u8> {
    // A text that grows is copied again and again.
    let mut body = Vec::with_capacity(expected_bytes + AROUND_ITEMS);
    let written = serde_json::to_writer(&mut body, &Success::new(StatusCode::OK, data));
    debug_assert!(written.is_ok(), "every map has string keys");
    body
}

/// A response of status 200 with a text that [`body`] wrote.
pub fn json(text: SharedText) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    // For the middleware, which tags and packs a shared text once.
    response.extensions_mut().insert(text.clone());
    response.content_type(ContentType::json()).body(text.into_bytes())
}
