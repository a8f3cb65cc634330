//! Judges a probe that found no connection by conditions that expect none.

use std::time::Duration;

use crate::clock::unix_ms;
use crate::domain::{Condition, Facts, Failure, Kind, Reason, Service};
use crate::probe::conditions;
use crate::probe::timings::{Recorded, time_until};

/// The failure that counts after `failure`: `None` when a condition expects no connection and all
/// conditions are fulfilled.
pub fn judge(
    service: &Service,
    recorded: &mut Recorded,
    response_time: Duration,
    failure: &Failure,
) -> Option<Failure> {
    if !is_absent(service.target.kind(), recorded, failure.reason) || !is_expected(service) {
        return Some(failure.clone());
    }
    let address = recorded.details.address.filter(|_| !recorded.details.via_proxy);
    let ip = address.map(|address| address.ip());
    let domain_expires_in = recorded.details.domain_expires_at.map(|at| time_until(at, unix_ms()));
    let facts = Facts { response_time, ip, domain_expires_in, ..Facts::no_connection() };
    let (results, failure) = conditions::judge(&service.conditions, Vec::new(), &facts, None);
    if let Some(report) = &mut recorded.report {
        report.conditions = results;
    }
    failure
}

/// Whether a condition of the service expects no connection. Expectations of a response are not
/// fulfilled without one.
pub fn is_expected(service: &Service) -> bool {
    if service.options.expectations.is_some() {
        return false;
    }
    let zero_is_success = matches!(service.target.kind(), Kind::Ssh | Kind::Exec);
    let expects = |condition: &Condition| condition.expects_no_connection(zero_is_success);
    service.conditions.iter().any(expects)
}

/// Whether nothing of the target answered. A port that accepts a connection is open, whatever
/// follows; protocols without a connection have only their response. A proxy or a token endpoint
/// is not the target.
fn is_absent(kind: Kind, recorded: &Recorded, reason: Reason) -> bool {
    let is_first_hop = recorded.http_status.is_none() && recorded.details.redirects == 0;
    let is_target = recorded.server.is_none();
    let is_absent = match reason {
        Reason::Refused | Reason::Unreachable | Reason::ConnectTimeout => true,
        Reason::Timeout => matches!(kind, Kind::Icmp | Kind::Dns | Kind::Udp),
        _ => false,
    };
    is_first_hop && is_target && is_absent
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::probe::timings::Timings;

    #[test]
    fn only_a_target_that_did_not_answer_at_all_is_absent() {
        let absent = |kind, reason, change: fn(&Timings)| {
            let timings = Timings::new(Instant::now(), false);
            change(&timings);
            is_absent(kind, &timings.finish(Instant::now()), reason)
        };
        for reason in Reason::all() {
            let is_unreached =
                matches!(reason, Reason::Refused | Reason::Unreachable | Reason::ConnectTimeout);
            assert_eq!(absent(Kind::Http, reason, |_| ()), is_unreached, "{reason:?}");
            let is_unanswered = is_unreached || reason == Reason::Timeout;
            assert_eq!(absent(Kind::Icmp, reason, |_| ()), is_unanswered, "{reason:?}");
            let redirected = |timings: &Timings| timings.update_details(|it| it.redirects = 1);
            assert!(!absent(Kind::Http, reason, redirected), "another target refused");
            assert!(!absent(Kind::Http, reason, |timings| timings.set_http_status(200)));
            let at_proxy = |timings: &Timings| drop(timings.set_server(Some("proxy".into())));
            assert!(!absent(Kind::Http, reason, at_proxy), "the proxy refused");
        }
    }
}
