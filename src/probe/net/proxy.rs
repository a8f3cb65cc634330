//! An HTTP proxy between probe and target: CONNECT (RFC 9110, section 9.3.6).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::{Position, Url};

use crate::domain::{Failure, Reason};
use crate::probe::failure;
use crate::probe::http::client::USER_AGENT;
use crate::probe::http::credentials;
use crate::probe::http::response::status_text;

/// Longest heads of the proxy before the tunnel, in bytes.
const HEADS_LIMIT: usize = 16 * 1024;

const WHEN: &str = "waiting for its response";

pub struct Proxy {
    pub url: Url,
}

impl Proxy {
    /// The name of the proxy in the detail of a failure.
    pub fn name(&self) -> String {
        format!("the proxy {}", authority(&self.url))
    }

    /// The header `Proxy-Authorization`.
    pub fn authorization(&self) -> Option<String> {
        credentials::of_url(&self.url)
    }

    /// Requests a tunnel to host and port of `target` over `stream`, and reads no byte beyond the
    /// response.
    pub async fn request_tunnel<S>(&self, stream: &mut S, target: &Url) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let io = |error| failure::of_io(WHEN, &error);
        let target = authority(target);
        let mut request =
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n");
        if let Some(authorization) = self.authorization() {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(io)?;
        stream.flush().await.map_err(io)?;
        let (mut head, mut read) = (Vec::new(), 0);
        loop {
            let mut byte = [0];
            if stream.read(&mut byte).await.map_err(io)? == 0 {
                let detail = format!("closed the connection instead of a tunnel to {target}");
                return Err(Failure::new(Reason::Proxy, detail));
            }
            head.push(byte[0]);
            read += 1;
            match Answer::read(&head) {
                _ if read > HEADS_LIMIT => {
                    let detail = format!("the response has more than {HEADS_LIMIT} bytes");
                    return Err(Failure::new(Reason::Proxy, detail));
                }
                Answer::Incomplete => {}
                Answer::Interim => head.clear(),
                Answer::Final(status) if (200..300).contains(&status) => return Ok(()),
                Answer::Final(status) => return Err(refusal(status, &target)),
                Answer::Invalid => {
                    let detail = "the response to CONNECT is not HTTP";
                    return Err(Failure::new(Reason::Proxy, detail));
                }
            }
        }
    }
}

/// The failure of a proxy that answers `status` to a request for `target`.
pub fn refusal(status: u16, target: &str) -> Failure {
    let status = http::StatusCode::from_u16(status).map_or(status.to_string(), status_text);
    Failure::new(Reason::Proxy, format!("no connection to {target}: {status}"))
}

/// Host and port of `url`, the port also when it is that of the scheme.
pub fn authority(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or(80);
    format!("{}:{port}", &url[Position::BeforeHost..Position::AfterHost])
}

/// The data that a proxy has sent so far.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Incomplete,
    /// A response of 100 to 199.
    Interim,
    Final(u16),
    Invalid,
}

impl Answer {
    fn read(head: &[u8]) -> Self {
        if !(head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n")) {
            return Self::Incomplete;
        }
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_ascii_whitespace();
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().filter(|status| is_http && status.len() == 3);
        match status.and_then(|status| status.parse().ok()) {
            Some(100..200) => Self::Interim,
            Some(status @ 200..600) => Self::Final(status),
            _ => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_response_decides() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\nVia: p\r\n", Answer::Incomplete),
            ("HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n", Answer::Final(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\n\n", Answer::Final(407)),
            ("HTTP/1.1 100 Continue\r\n\r\n", Answer::Interim),
            ("HTTP/1.1 200\r\n\r\n", Answer::Final(200)),
            ("HTTP/1.1 20\r\n\r\n", Answer::Invalid),
            ("HTTP/1.1 999 x\r\n\r\n", Answer::Invalid),
            ("SSH-2.0-x 200 y\r\n\r\n", Answer::Invalid),
            ("\r\n\r\n", Answer::Invalid),
        ] {
            assert_eq!(Answer::read(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn an_authority_has_a_port_and_brackets() {
        for (url, expected) in [
            ("https://a/", "a:443"),
            ("http://u:p@a/x", "a:80"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(authority(&url.parse().unwrap()), expected);
        }
    }
}
