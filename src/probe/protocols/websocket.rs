//! A WebSocket (RFC 6455): the handshake by awc, and optionally a message and its response.

use awc::error::WsClientError;
use awc::http::header;
use awc::ws::WebsocketsRequest;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::{Failure, Reason};
use crate::probe::context::ProbeContext;
use crate::probe::failure;
use crate::probe::http::client::{self, status_of};
use crate::probe::http::request;
use crate::probe::http::response::status_text;
use crate::probe::http::supplied::with_connection;
use crate::probe::http::token;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::websocket_frames::{WebSocket, invalid};
use crate::probe::protocols::websocket_handshake;
use crate::probe::response::ProbeResponse;
use crate::probe::timings::Phase;

/// Does the handshake, then sends and reads messages as configured.
pub async fn probe(context: &ProbeContext<'_>) -> Result<ProbeResponse, Failure> {
    let authorization = token::authorization(context).await?;
    let connection = context.open(context.url, Alpn::Http1).await?;
    let headers = request::headers(context)?;
    let request = handshake(context, &headers, authorization)?;
    context.enter(Phase::Processing);
    let parts = match with_connection(connection.clone(), request.connect()).await {
        Ok((_, framed)) => framed.into_parts(),
        Err(WsClientError::InvalidResponseStatus(status)) => {
            let status = status_of(status)?;
            context.timings.set_http_status(status.as_u16());
            let failure = refused(status);
            // Conditions may accept a refusal, but the expected message can never arrive.
            return if context.options().expect.is_some() {
                Err(failure)
            } else {
                Ok(ProbeResponse::with_status(status.as_u16(), Err(failure)))
            };
        }
        Err(WsClientError::SendRequest(error)) => return Err(failure::of_request(&error)),
        Err(error) => return Err(invalid(&format!("in the handshake: {error}"))),
    };
    let received = connection.take_head().map(|received| received.head.fields);
    websocket_handshake::verify(&received.unwrap_or_default(), &headers)?;
    context.enter(Phase::Transfer);
    let limit = context.options().body_limit;
    let mut socket = WebSocket::new(parts.io, parts.read_buf, limit);
    let response = send_and_read(context, &mut socket).await?;
    // The result is known: an error here does not matter.
    let _ = socket.send_close().await;
    Ok(response)
}

fn handshake(
    context: &ProbeContext<'_>,
    headers: &[(String, String)],
    authorization: Option<String>,
) -> Result<WebsocketsRequest, Failure> {
    let url = context.url;
    // The scheme `http` keeps awc from a second TLS handshake.
    let mut request = context
        .resources
        .http_client
        .ws(client::uri("http", url)?)
        .set_header(header::HOST, client::host(url))
        .set_header(header::USER_AGENT, client::USER_AGENT);
    if let Some(authorization) = authorization {
        request = request.set_header(header::AUTHORIZATION, authorization);
    }
    for (name, value) in headers {
        request = request.set_header(name.as_str(), request::header_value(value.as_bytes())?);
    }
    Ok(request)
}

/// The failure of a handshake that the target answered with `status`.
fn refused(status: StatusCode) -> Failure {
    let detail = format!("{} instead of 101 Switching Protocols", status_text(status));
    Failure::new(Reason::Status, detail)
}

async fn send_and_read<S>(
    context: &ProbeContext<'_>,
    socket: &mut WebSocket<S>,
) -> Result<ProbeResponse, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let mut response = ProbeResponse::with_status(status, Ok(()));
    for step in context.options().dialogue() {
        let template = step.send.as_deref().unwrap_or_default();
        let text = match &step.expect {
            Some(regex) => expect(context, socket, regex, template).await?,
            None => template.to_owned(),
        };
        if step.send.is_some() {
            socket.send_text(&text).await?;
        }
    }
    if let Some(text) = context.text_to_send()? {
        socket.send_text(&text).await?;
    }
    let expected = context.options().expect.as_ref();
    if expected.is_none() && !context.needs_body() {
        return Ok(response);
    }
    while let Some(message) = socket.read_message().await? {
        response.body = message;
        if expected.is_none_or(|expected| expected.occurs_in(&response.body)) {
            return Ok(response);
        }
    }
    let expected = expected.map(|expected| context.expected_text(expected));
    let expected = expected.map(|expected| format!(" that contains {expected}"));
    let detail = format!("closed by the peer before a message{}", expected.unwrap_or_default());
    Err(Failure::new(Reason::Condition, detail))
}

/// Reads messages until one matches. Returns `template`, filled in with the groups of the match.
async fn expect<S>(
    context: &ProbeContext<'_>,
    socket: &mut WebSocket<S>,
    regex: &BytesRegex,
    template: &str,
) -> Result<String, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.read_message().await? {
        if let Some(text) = regex.expand(&message, template) {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
    let expected = context.expected_match(regex);
    let detail = format!("closed by the peer before a message that contains {expected}");
    Err(Failure::new(Reason::Condition, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_handshake_has_its_status_in_the_detail() {
        let refused = refused(StatusCode::FORBIDDEN);
        let detail = "403 Forbidden instead of 101 Switching Protocols";
        assert_eq!(refused, Failure::new(Reason::Status, detail));
    }
}
