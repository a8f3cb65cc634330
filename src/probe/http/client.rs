//! The awc client, and its `http` 0.2 types converted from and to those of `http` 1, which the rest
//! of the code uses.

use awc::ClientRequest;
use awc::http::header::{self, HeaderValue};
use awc::http::{self as awc_http, Uri};
use http::{Method, StatusCode};
use url::{Position, Url};

use crate::domain::Failure;
use crate::probe::failure;
use crate::probe::http::supplied::SuppliedConnector;

pub const USER_AGENT: &str = concat!("service-healthcheck/", env!("CARGO_PKG_VERSION"));

/// Without limits and timeouts: the pool bounds the number of probes, the deadline bounds each.
pub fn new() -> awc::Client {
    let connector = awc::Connector::new().connector(SuppliedConnector).limit(0);
    awc::Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// A request with the headers `Host`, `User-Agent` and `Accept`. The connection is closed after the
/// response, whose body is not decompressed.
pub fn request(
    client: &awc::Client,
    method: &Method,
    uri: Uri,
    host: &str,
    accept: &'static str,
) -> Result<ClientRequest, Failure> {
    let request = client
        .request(awc_method(method)?, uri)
        .insert_header((header::HOST, host))
        .insert_header((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)))
        .insert_header((header::ACCEPT, HeaderValue::from_static(accept)))
        .force_close()
        // Also keeps awc from adding `accept-encoding`.
        .no_decompress();
    Ok(request)
}

fn awc_method(method: &Method) -> Result<awc_http::Method, Failure> {
    let method = awc_http::Method::from_bytes(method.as_str().as_bytes());
    method.map_err(|error| failure::of_invalid_request(&error))
}

pub fn status_of(status: awc_http::StatusCode) -> Result<StatusCode, Failure> {
    StatusCode::from_u16(status.as_u16()).map_err(|error| failure::of_invalid_response(&error))
}

/// Host and port of `url`, as in the header `Host`.
pub fn host(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `url` under another scheme, without credentials and fragment.
pub fn uri(scheme: &str, url: &Url) -> Result<Uri, Failure> {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let host = host(url);
    let mut text = String::with_capacity(scheme.len() + 3 + host.len() + path.len());
    text.extend([scheme, "://", host, path]);
    Uri::try_from(text).map_err(|error| failure::of_invalid_request(&error))
}
