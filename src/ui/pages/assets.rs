//! `/assets/{name}`: files that never change under their path.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use crate::api::error::{ApiError, ApiResult};
use crate::ui::assets;

/// For a year, which is what a cache takes as for ever.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file of the pages.
pub async fn serve(request: HttpRequest) -> ApiResult {
    let asset = assets::find(request.path()).ok_or_else(ApiError::not_found)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, FOR_EVER))
        .insert_header((VARY, HeaderValue::from_static("Accept-Encoding")));
    if accepts_gzip(&request) {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        Ok(response.body(Bytes::from_static(&asset.packed)))
    } else {
        Ok(response.body(Bytes::from_static(&asset.bytes)))
    }
}

/// Whether the client takes gzip.
pub fn accepts_gzip(request: &HttpRequest) -> bool {
    let mut values = request.headers().get_all(ACCEPT_ENCODING).filter_map(|it| it.to_str().ok());
    values.any(|value| {
        value.split(',').any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !is_refused(quality)
        })
    })
}

/// Whether a weight such as `q=0.0` is 0.
fn is_refused(quality: &str) -> bool {
    let weight = quality.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    weight == Some(0.0)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_accepted() {
        for (value, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("br", false),
            ("", false),
        ] {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, value));
            assert_eq!(accepts_gzip(&request.to_http_request()), expected, "{value}");
        }
    }
}
