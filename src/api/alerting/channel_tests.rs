//! `POST /v1/channels/{id}/test`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::actors::messages::alerting::TestChannel;
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{NotFoundError, WriteErrors};
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::alerting::delivery::{Test, TestData};
use crate::api::views::envelope::{One, Success, success};

/// Longest wait for the result.
const TEST_LIMIT: Duration = Duration::from_secs(10);

/// Delivers a test message to a channel, and responds with the result within 10 seconds.
///
/// Nothing of it is stored but a row of the audit, and it is tried once. One test runs at a time.
#[utoipa::path(post, path = "/v1/channels/{id}/test", tag = "alerting",
    security((), ("token" = [])),
    params(
        ("id" = i64, Path, description = "Id of the channel", minimum = 1),
        ("state" = Option<String>, Query, description = "What the message reports"),
    ),
    responses(
        (status = 200, description = "The result, also of a message that did not arrive",
            body = Success<TestData>),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn test(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let channel_id = input::record_id(&request)?;
    let state = input::alerting::test_state(&request)?;
    let source = api.source(&request);
    let test = One::new(run(&api, TestChannel { channel_id, state, source }).await?);
    Ok(success(StatusCode::OK, TestData { test }))
}

/// Delivers a test message and waits for the result.
pub async fn run(api: &Api, test: TestChannel) -> Result<Test, ApiError> {
    let busy = "test: cannot start: a test of a channel is running";
    let _running = api.channel_tests.try_acquire().map_err(|_| ApiError::busy(busy))?;
    let state = test.state;
    let tested = api.dispatcher.test.send(test);
    match tokio::time::timeout(TEST_LIMIT, tested).await {
        Ok(tested) => Ok(Test::new(state, tested??)),
        Err(_elapsed) => Ok(Test::timed_out(state, TEST_LIMIT)),
    }
}
