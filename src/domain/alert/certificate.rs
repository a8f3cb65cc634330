//! When the expiry of a certificate is signalled.

use crate::domain::alert::runs::Runs;
use crate::domain::alert::signal::Edge;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// An alert ends when no certificate that expires soon was used for this long: behind a load
/// balancer, old and new ones are in use for some time.
pub const FINE_MS: i64 = DAY_MS;

/// The runs after a result with a certificate that expires at `expires_at_s` (unix seconds), and
/// what is signalled, with the full days until then. `steps` are days, in any order; each is
/// signalled once, and each smaller one again. `at_ms` is unix milliseconds.
pub fn observe(
    runs: Runs,
    steps: &[u16],
    expires_at_s: i64,
    at_ms: i64,
) -> (Runs, Option<(Edge, u32)>) {
    let left_ms = expires_at_s.saturating_mul(1_000).saturating_sub(at_ms);
    let days = u32::try_from(left_ms.div_euclid(DAY_MS)).unwrap_or_default();
    let is_within = |step: &&u16| left_ms <= i64::from(**step) * DAY_MS;
    let step = steps.iter().filter(is_within).min();
    let step = step.map(|step| i16::try_from(*step).unwrap_or(i16::MAX));
    match (step, runs.certificate_step) {
        (Some(step), signalled) => {
            let runs = Runs { certificate_fine_since_ms: None, ..runs };
            if signalled.is_some_and(|signalled| signalled <= step) {
                return (runs, None);
            }
            (Runs { certificate_step: Some(step), ..runs }, Some((Edge::Begin, days)))
        }
        (None, Some(_)) => match runs.certificate_fine_since_ms {
            Some(since_ms) if at_ms.saturating_sub(since_ms) >= FINE_MS => {
                let runs = Runs { certificate_step: None, certificate_fine_since_ms: None, ..runs };
                (runs, Some((Edge::End, days)))
            }
            Some(_) => (runs, None),
            None => (Runs { certificate_fine_since_ms: Some(at_ms), ..runs }, None),
        },
        (None, None) => (runs, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [u16; 3] = [14, 7, 1];

    /// What each observation signals: the days until the expiry, and the hour.
    fn signals(observed: &[(f64, i64)]) -> Vec<Option<(Edge, u32)>> {
        let mut runs = Runs::default();
        let observe = |(days, hour): &(f64, i64)| {
            let at_ms = hour * DAY_MS / 24;
            let expires_at_s = at_ms / 1_000 + (days * 86_400.0) as i64;
            let (after, signal) = observe(runs, &STEPS, expires_at_s, at_ms);
            runs = after;
            signal
        };
        observed.iter().map(observe).collect()
    }

    #[test]
    fn each_step_is_signalled_once() {
        let observed = [(14.1, 0), (14.0, 1), (13.9, 2), (7.0, 3), (0.5, 4), (-3.0, 5)];
        let begin = |days| Some((Edge::Begin, days));
        let expected = [None, begin(14), None, begin(7), begin(0), None];
        assert_eq!(signals(&observed), expected);
    }

    #[test]
    fn a_step_that_was_passed_over_is_not_signalled_later() {
        let begin = Some((Edge::Begin, 3));
        assert_eq!(signals(&[(3.0, 0), (5.0, 1), (10.0, 2)]), [begin, None, None]);
    }

    #[test]
    fn it_ends_after_a_day_without_an_old_certificate() {
        let observed = [(5.0, 0), (90.0, 1), (90.0, 24), (90.0, 25), (90.0, 26)];
        let signals = signals(&observed);
        assert_eq!(signals[1..], [None, None, Some((Edge::End, 90)), None]);
    }

    #[test]
    fn an_old_certificate_in_between_begins_the_day_anew() {
        let observed = [(5.0, 0), (90.0, 1), (5.0, 20), (90.0, 25), (90.0, 48), (90.0, 49)];
        let signals = signals(&observed);
        assert_eq!(signals[1..], [None, None, None, None, Some((Edge::End, 90))]);
    }

    #[test]
    fn the_next_certificate_is_signalled_again() {
        let observed = [(7.0, 0), (90.0, 1), (90.0, 25), (14.0, 26)];
        assert_eq!(signals(&observed)[3], Some((Edge::Begin, 14)));
    }
}
