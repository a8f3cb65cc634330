//! What messages say of each kind of alert in each state.

use crate::domain::alert::AlertKind;

/// The predicates of one kind, after a subject: `core/api` `is down`.
#[derive(Debug, Clone, Copy)]
pub struct Phrases {
    pub firing: &'static str,
    pub still: &'static str,
    pub was: &'static str,
    pub again: &'static str,
    /// The same of several services: `12 services` `are down`.
    pub many_firing: &'static str,
    pub many_still: &'static str,
    pub many_again: &'static str,
}

pub fn of(kind: AlertKind) -> Phrases {
    match kind {
        AlertKind::Down => Phrases {
            firing: "is down",
            still: "is still down",
            was: "was down",
            again: "is up again",
            many_firing: "are down",
            many_still: "are still down",
            many_again: "are up again",
        },
        AlertKind::Certificate => Phrases {
            firing: "has a certificate that expires soon",
            still: "still has a certificate that expires soon",
            was: "had a certificate that expires soon",
            again: "has a new certificate",
            many_firing: "have a certificate that expires soon",
            many_still: "still have a certificate that expires soon",
            many_again: "have a new certificate",
        },
        AlertKind::Degraded => Phrases {
            firing: "is slow",
            still: "is still slow",
            was: "was slow",
            again: "responds in time again",
            many_firing: "are slow",
            many_still: "are still slow",
            many_again: "respond in time again",
        },
        AlertKind::Flapping => Phrases {
            firing: "is flapping",
            still: "is still flapping",
            was: "was flapping",
            again: "is stable again",
            many_firing: "are flapping",
            many_still: "are still flapping",
            many_again: "are stable again",
        },
        AlertKind::SloFast | AlertKind::SloSlow | AlertKind::SloTicket => slo(kind),
        AlertKind::Connectivity => own(
            "has no connectivity",
            "still has no connectivity",
            "had no connectivity",
            "has connectivity again",
        ),
        AlertKind::Store => own(
            "cannot write to its store",
            "still cannot write to its store",
            "could not write to its store",
            "can write to its store again",
        ),
        AlertKind::Late => own("is late", "is still late", "was late", "is on time again"),
        AlertKind::Channel => own(
            "has a channel that fails",
            "still has a channel that fails",
            "had a channel that failed",
            "has no channel that fails any more",
        ),
        AlertKind::File => own(
            "refused a changed services file",
            "still runs without the changed services file",
            "refused a changed services file",
            "accepted the services file",
        ),
    }
}

fn slo(kind: AlertKind) -> Phrases {
    let (firing, still, was) = match kind {
        AlertKind::SloFast => (
            "burns its error budget very fast",
            "still burns its error budget very fast",
            "burned its error budget very fast",
        ),
        AlertKind::SloSlow => (
            "burns its error budget fast",
            "still burns its error budget fast",
            "burned its error budget fast",
        ),
        _ => ("burns its error budget", "still burns its error budget", "burned its error budget"),
    };
    Phrases {
        firing,
        still,
        was,
        again: "is within its error budget again",
        many_firing: "burn their error budgets",
        many_still: "still burn their error budgets",
        many_again: "are within their error budgets again",
    }
}

/// Of the monitor itself, of which there is one.
fn own(
    firing: &'static str,
    still: &'static str,
    was: &'static str,
    again: &'static str,
) -> Phrases {
    Phrases { firing, still, was, again, many_firing: firing, many_still: still, many_again: again }
}
