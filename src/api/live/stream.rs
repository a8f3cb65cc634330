//! Handler of `/v1/stream`: Server-Sent Events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Method;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::mpsc;

use crate::actors::messages::live::{OpenStream, StreamReply};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::ReadErrors;
use crate::api::input;
use crate::api::state::Api;
use crate::api::transport::Connection;
use crate::domain::access::Caller;

/// The changes of services as Server-Sent Events.
///
/// The events are `hello`, `reset`, `state`, `gone`, `ticks`, `counts` and `many`; docs/api.md
/// describes their data. A client that reconnects with `Last-Event-ID` misses no change.
#[utoipa::path(get, path = "/v1/stream", tag = "services",
    params(
        ("services" = Option<String>, Query,
            description = "Only these services: at most 200 ids, separated by commas"),
        ("group" = Option<String>, Query,
            description = "Only services of this group; empty: services without a group"),
        ("state" = Option<String>, Query, description = "Only services in this state"),
        ("since" = Option<String>, Query,
            description = "Continue from this moment, such as that of `GET /v1/overview`"),
        ("Last-Event-ID" = Option<String>, Header,
            description = "As `since`, which it overrides"),
    ),
    responses(
        (status = 200, description = "The events", body = String,
            content_type = "text/event-stream"),
        ReadErrors,
    ))]
pub async fn stream(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    let (view, since) = input::stream(&request, &caller.groups)?;
    let mut response = HttpResponse::Ok();
    // A proxy would hold the events back.
    response.content_type("text/event-stream").insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let (chunks, received) = mpsc::channel(1);
    match api.recorder.send(OpenStream { view, since, caller, chunks }).await?? {
        StreamReply::Opened => {}
        StreamReply::TooMany => return Err(ApiError::too_many_streams()),
        StreamReply::Closing => return Err(ApiError::stopping()),
    }
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.watch_client();
    }
    Ok(response.body(Chunks(received)))
}

/// The body of a stream. Dropping it ends the stream.
struct Chunks(mpsc::Receiver<Bytes>);

impl MessageBody for Chunks {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(Ok))
    }
}
