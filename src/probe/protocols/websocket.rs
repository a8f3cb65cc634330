//! A WebSocket (RFC 6455): the handshake by awc, and if wanted a message and its answer.

use awc::error::WsClientError;
use awc::http::{StatusCode, header};
use awc::ws::WebsocketsRequest;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use crate::domain::{Failure, Reason};
use crate::probe::context::{ProbeContext, ProbeResponse};
use crate::probe::failure;
use crate::probe::http;
use crate::probe::http::request;
use crate::probe::net::connection;
use crate::probe::net::tls::Alpn;
use crate::probe::protocols::frames::{Socket, wrong};
use crate::probe::timings::Phase;

/// Shakes hands, then sends and waits for what the service says.
pub async fn probe(way: &ProbeContext<'_>, url: &Url) -> Result<ProbeResponse, Failure> {
    let request = handshake(way, url)?;
    let connection = way.open(url, Alpn::Http1).await?;
    way.enter(Phase::Waiting);
    let parts = match connection::over(connection, request.connect()).await {
        Ok((_, framed)) => framed.into_parts(),
        Err(WsClientError::InvalidResponseStatus(status)) => {
            let refused = refused(status);
            // Conditions may want the refusal, but then nothing can come that is expected.
            return if way.options().expect.is_some() {
                Err(refused)
            } else {
                Ok(said(status, refused))
            };
        }
        Err(WsClientError::SendRequest(error)) => return Err(failure::of_request(&error)),
        Err(error) => return Err(wrong(&format!("in the handshake: {error}"))),
    };
    way.enter(Phase::Reading);
    let limit = way.options().body_limit;
    let mut socket = Socket::new(parts.io, parts.read_buf, limit);
    let said = converse(way, &mut socket).await?;
    // Only to be polite; what comes of it does not matter.
    let _ = socket.say_goodbye().await;
    Ok(said)
}

fn handshake(way: &ProbeContext<'_>, url: &Url) -> Result<WebsocketsRequest, Failure> {
    // awc must not secure the connection a second time, so to it every URL is http.
    let mut request = way
        .engine
        .client
        .ws(request::uri("http", url)?)
        .set_header(header::HOST, request::host(url))
        .set_header(header::USER_AGENT, request::USER_AGENT);
    if let Some(authorization) = request::authorization(way, url)? {
        request = request.set_header(header::AUTHORIZATION, authorization);
    }
    for (name, value) in request::headers(way)? {
        request = request.set_header(name.as_str(), value);
    }
    Ok(request)
}

/// An answer that is no WebSocket.
fn refused(status: StatusCode) -> Failure {
    let told = format!("{} instead of 101 Switching Protocols", http::told(status));
    Failure::new(Reason::Status, told)
}

fn said(status: StatusCode, refused: Failure) -> ProbeResponse {
    super::said(Some(status.as_u16()), Err(refused))
}

async fn converse<S>(
    way: &ProbeContext<'_>,
    socket: &mut Socket<S>,
) -> Result<ProbeResponse, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut said = super::said(Some(StatusCode::SWITCHING_PROTOCOLS.as_u16()), Ok(()));
    if let Some(text) = super::text_to_send(way)? {
        socket.send_text(&text).await?;
    }
    let expected = way.options().expect.as_ref();
    if expected.is_none() && !way.needs_body() {
        return Ok(said);
    }
    while let Some(message) = socket.message().await? {
        said.body = message;
        let fits = expected.is_none_or(|expected| expected.occurs_in(&said.body));
        if fits {
            return Ok(said);
        }
    }
    let wanted = expected.map(|expected| format!(" that contains \"{expected}\""));
    let told = format!("closed by the peer before a message{}", wanted.unwrap_or_default());
    Err(Failure::new(Reason::Condition, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_websocket_is_told_by_its_status() {
        let refused = refused(StatusCode::FORBIDDEN);
        let told = "403 Forbidden instead of 101 Switching Protocols";
        assert_eq!(refused, Failure::new(Reason::Status, told));
    }
}
