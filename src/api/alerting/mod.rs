//! Handlers of alerting: channels, policies, silences, alerts and deliveries.

pub mod acknowledgements;
pub mod alerts;
pub mod channel_tests;
pub mod channels;
pub mod deliveries;
pub mod maintenance;
pub mod policies;
pub mod silences;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::views::envelope::success;
use crate::domain::{Page, PageRequest};

/// The page `request` of `all`.
fn page<T>(request: PageRequest, all: Vec<T>) -> Page<T> {
    let total = all.len() as u64;
    let first = (request.page as usize - 1).saturating_mul(request.limit as usize);
    let items = all.into_iter().skip(first).take(request.limit as usize).collect();
    Page { items, total }
}

/// 201 with the path of the new record.
fn created<D: Serialize + ToSchema>(path: &str, id: i64, data: D) -> HttpResponse {
    let mut response = success(StatusCode::CREATED, data);
    if let Ok(location) = format!("{path}/{id}").parse() {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The fields of `view` without those that are `read_only`, as a client may write them.
fn fields(view: &impl Serialize, read_only: &[&str]) -> Map<String, Value> {
    // Serialization cannot fail: every map has string keys.
    let Ok(Value::Object(mut fields)) = serde_json::to_value(view) else { return Map::new() };
    fields.retain(|name, _| !read_only.contains(&name.as_str()));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_after_the_last_one_is_empty() {
        let page = |number, limit| page(PageRequest { page: number, limit }, vec![1, 2, 3]);
        assert_eq!((page(1, 2).items, page(1, 2).total), (vec![1, 2], 3));
        assert_eq!(page(2, 2).items, [3]);
        assert_eq!((page(u32::MAX, 1_000).items, page(3, 2).items), (vec![], vec![]));
    }
}
