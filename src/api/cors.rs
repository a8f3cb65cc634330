//! Which pages of other origins may read responses (CORS).

use actix_cors::Cors;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER,
};

/// How long a browser may remember the response to a preflight, in seconds.
const MAX_AGE_S: usize = 600;

/// Lets pages of these origins read responses, and send the token in a header. Cookies of this
/// service are for its own pages.
pub fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE"])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH])
        .expose_headers([ETAG, LOCATION, RETRY_AFTER])
        .max_age(MAX_AGE_S);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
