//! The series that every tick has samples of, under the names of `/metrics`; used by the
//! OpenMetrics export and by remote write.

use std::fmt;

use crate::domain::{PHASES, Phases, State, StoredTick};
use crate::metrics::names;

/// A series of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TickSeries {
    Success,
    Duration,
    HttpStatus,
    /// A phase, by its index in [`Phases::named`].
    Phase(usize),
}

/// Series of all ticks.
pub const SERIES: [TickSeries; 3 + PHASES] = [
    TickSeries::Success,
    TickSeries::Duration,
    TickSeries::HttpStatus,
    TickSeries::Phase(0),
    TickSeries::Phase(1),
    TickSeries::Phase(2),
    TickSeries::Phase(3),
    TickSeries::Phase(4),
];

impl TickSeries {
    pub fn family(self) -> &'static str {
        match self {
            Self::Success => names::PROBE_SUCCESS,
            Self::Duration => names::PROBE_DURATION_SECONDS,
            Self::HttpStatus => names::PROBE_HTTP_STATUS_CODE,
            Self::Phase(_) => names::PROBE_HTTP_DURATION_SECONDS,
        }
    }

    /// Text after HELP.
    pub fn help(self) -> &'static str {
        match self {
            Self::Success => "Whether the probe succeeded",
            Self::Duration => "Duration of the probe",
            Self::HttpStatus => "HTTP status of the response",
            Self::Phase(_) => "Duration of each phase of the probe",
        }
    }

    /// Value of the label [`names::PHASE`].
    pub fn phase(self) -> Option<&'static str> {
        match self {
            Self::Phase(index) => Some(Phases::default().named()[index].0),
            Self::Success | Self::Duration | Self::HttpStatus => None,
        }
    }

    /// The sample of `tick`, if it has one. A tick without a result of the target (unknown, paused)
    /// has none.
    pub fn value(self, tick: &StoredTick) -> Option<SampleValue> {
        let is_up = is_up(tick.state)?;
        match self {
            Self::Success => Some(SampleValue::Number(is_up.into())),
            Self::Duration => Some(SampleValue::Micros(tick.response_time_us)),
            Self::HttpStatus => tick.http_status.map(|status| SampleValue::Number(status.into())),
            Self::Phase(index) => tick.phases_us.map(|phases| SampleValue::Micros(phases[index])),
        }
    }
}

/// `None` without a result of the target.
fn is_up(state: State) -> Option<bool> {
    match state {
        State::Up => Some(true),
        State::Down => Some(false),
        State::Unknown | State::Paused => None,
    }
}

/// Whether the tick has samples.
pub fn has_samples(tick: &StoredTick) -> bool {
    is_up(tick.state).is_some()
}

/// Number of its samples.
pub fn count(tick: &StoredTick) -> usize {
    SERIES.iter().filter(|series| series.value(tick).is_some()).count()
}

/// The value of a sample. Displayed without a rounding error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleValue {
    Number(u64),
    /// A time in seconds.
    Micros(u64),
}

impl SampleValue {
    /// The number that is nearest to its text.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Number(number) => number as f64,
            Self::Micros(micros) => micros as f64 / 1e6,
        }
    }
}

impl fmt::Display for SampleValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Micros(micros) => Decimal::<6>(*micros).fmt(f),
        }
    }
}

/// A number with `DIGITS` digits after the point: seconds from microseconds or milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Decimal<const DIGITS: u32>(pub u64);

impl<const DIGITS: u32> fmt::Display for Decimal<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u64.pow(DIGITS);
        write!(f, "{}.{:0width$}", self.0 / unit, self.0 % unit, width = DIGITS as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_known_of_a_tick_has_a_sample() {
        let tick = StoredTick {
            at_ms: 1,
            state: State::Down,
            response_time_us: 1_000_007,
            phases_us: Some([0, 0, 0, 0, 5]),
            http_status: Some(503),
            reason: None,
        };
        let values = |tick: &StoredTick| {
            SERIES
                .map(|series| series.value(tick))
                .map(|value| value.map_or("-".to_owned(), |value| value.to_string()))
        };
        assert_eq!(
            values(&tick),
            ["0", "1.000007", "503", "0.000000", "0.000000", "0.000000", "0.000000", "0.000005"]
        );
        let imported = StoredTick { phases_us: None, http_status: None, ..tick };
        assert_eq!(values(&imported), ["0", "1.000007", "-", "-", "-", "-", "-", "-"]);
        assert_eq!((count(&tick), count(&imported)), (8, 2));
        let unknown = StoredTick { state: State::Unknown, ..tick };
        assert!(!has_samples(&unknown) && count(&unknown) == 0);
    }

    proptest! {
        #[test]
        fn a_number_is_that_of_its_text(micros in 0u64..1 << 52) {
            let value = SampleValue::Micros(micros);
            prop_assert_eq!(value.to_string().parse::<f64>().unwrap(), value.as_f64());
        }
    }
}
