//! Queries without EDNS to name servers that do not understand it (RFC 6891, section 7).

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

/// How long a query with EDNS is waited for alone: some servers and firewalls drop what they do not
/// understand, and some responses that reject EDNS have no question, so hickory ignores them.
pub const SILENCE: Duration = Duration::from_millis(500);

/// The result of `with_edns`; of `plain`, if the server rejects EDNS or is silent for `silence`.
pub async fn with_fallback<T, F: Future<Output = Result<T, NetError>>>(
    silence: Duration,
    with_edns: impl Future<Output = Result<T, NetError>>,
    plain: impl FnOnce() -> F,
) -> Result<T, NetError> {
    let mut with_edns = pin!(with_edns);
    match tokio::time::timeout(silence, with_edns.as_mut()).await {
        Ok(Err(error)) if rejects_edns(&error) => return plain().await,
        Ok(result) => return result,
        Err(_elapsed) => {}
    }
    match select(with_edns, pin!(plain())).await {
        Either::Left((Err(error), plain)) if rejects_edns(&error) => plain.await,
        Either::Left((result, _)) => result,
        Either::Right((Err(error), with_edns)) if !is_response(&error) => with_edns.await,
        Either::Right((result, _)) => result,
    }
}

/// Whether a query without EDNS may have another result.
fn rejects_edns(error: &NetError) -> bool {
    // BADVERS and BADSIG have the same number.
    use ResponseCode::{BADSIG, BADVERS, FormErr, NotImp};
    let code = match error {
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        NetError::Dns(DnsError::NoRecordsFound(found)) => found.response_code,
        // The response could not be parsed.
        NetError::Proto(_) => return true,
        _ => return false,
    };
    matches!(code, FormErr | NotImp | BADVERS | BADSIG)
}

/// Whether a server responded, if only with an error.
pub fn is_response(error: &NetError) -> bool {
    matches!(error, NetError::Dns(_))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    type Reply = Result<u8, NetError>;

    fn code(code: ResponseCode) -> Reply {
        Err(DnsError::ResponseCode(code).into())
    }

    /// `reply` after the runtime has run other tasks `turns` times.
    async fn after(turns: usize, reply: Reply) -> Reply {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        reply
    }

    fn run(
        silence: Duration,
        with_edns: impl Future<Output = Reply>,
        plain: impl Future<Output = Reply>,
    ) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap().block_on(with_fallback(silence, with_edns, || plain))
    }

    #[test]
    fn a_server_that_rejects_edns_is_asked_without() {
        use ResponseCode::{BADSIG, BADVERS, FormErr, NotImp, Refused, ServFail};
        for rejection in [FormErr, NotImp, BADVERS, BADSIG] {
            let reply = run(Duration::MAX, ready(code(rejection)), ready(Ok(2)));
            assert_eq!(reply.unwrap(), 2, "{rejection:?}");
            // Both are under way.
            let reply = run(Duration::ZERO, after(5, code(rejection)), after(10, Ok(2)));
            assert_eq!(reply.unwrap(), 2, "{rejection:?}");
        }
        for other in [ServFail, Refused] {
            assert!(run(Duration::MAX, ready(code(other)), ready(Ok(2))).is_err(), "{other:?}");
        }
        let not_because_of_edns = run(Duration::MAX, ready(code(FormErr)), ready(code(FormErr)));
        assert!(not_because_of_edns.is_err());
    }

    #[test]
    fn a_server_that_drops_edns_is_asked_without() {
        assert_eq!(run(Duration::ZERO, pending(), ready(Ok(2))).unwrap(), 2);
        assert_eq!(run(Duration::MAX, after(5, Ok(1)), pending()).unwrap(), 1);
        assert_eq!(run(Duration::ZERO, after(5, Ok(1)), pending()).unwrap(), 1, "a slow answer");
        let lost = || ready(Err(NetError::Timeout));
        assert_eq!(run(Duration::ZERO, after(5, Ok(1)), lost()).unwrap(), 1);
        let failing = ready(code(ResponseCode::ServFail));
        assert!(run(Duration::ZERO, pending(), failing).is_err());
    }
}
