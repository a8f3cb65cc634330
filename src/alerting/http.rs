//! One attempt over HTTP: a new connection, one request, the begin of its answer.

use std::net::IpAddr;
use std::time::Instant;

use crate::alerting::client_options::ClientOptions;
use crate::alerting::dialer::Dialer;
use crate::alerting::judge::Answer;
use crate::domain::{Failure, Reason};
use crate::probe::exchange::{ExchangeAnswer, ExchangeClient, ExchangeRequest};
use crate::probe::net::proxy::Proxy;
use crate::probe::net::tls::Alpn;
use crate::probe::net::tls_stream::Transport;

/// Most bytes of an answer that are read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Sends `request` within the timeout of `client`, through `proxy`. Returns the answer and the
/// address that it came from.
pub async fn send(
    dialer: &Dialer,
    exchanges: &ExchangeClient,
    request: &ExchangeRequest<'_>,
    client: &ClientOptions,
    proxy: Option<&Proxy>,
) -> Result<(Answer, IpAddr), Failure> {
    let deadline = Instant::now() + client.timeout;
    let attempt = async {
        let connected = dialer.connect(request.url, proxy, deadline).await?;
        let peer = connected.address.ip();
        let transport = match request.url.scheme() {
            "http" => connected.transport,
            _ => {
                let options = &client.tls;
                let secured =
                    dialer.handshake(request.url, options, Alpn::Http1, connected.transport);
                Transport::Tls(Box::new(secured.await?))
            }
        };
        let answer = exchanges.run(transport, request, deadline.into(), ANSWER_LIMIT).await?;
        Ok((answer_of(answer), peer))
    };
    // A little longer, since the body ends itself at the deadline.
    let late = || {
        let detail = format!("no answer within {:?}", client.timeout);
        Err(Failure::new(Reason::Timeout, detail))
    };
    let limit = client.timeout + BODY_GRACE;
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| late())
}

/// Time for what follows the deadline of a body.
const BODY_GRACE: std::time::Duration = std::time::Duration::from_millis(100);

fn answer_of(answer: ExchangeAnswer) -> Answer {
    let ExchangeAnswer { status, retry_after, location, body, is_cut } = answer;
    Answer { status, retry_after, location, body, is_cut }
}

/// Whether `address` belongs to a network that is not public.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || is_shared
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_each_notation() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("0.0.0.0", true),
            ("100.128.0.1", false),
            ("203.0.113.7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
        }
    }
}
