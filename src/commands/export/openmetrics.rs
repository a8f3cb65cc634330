//! OpenMetrics 1.0 with the times of the ticks, under the names and labels of `/metrics`.
//!
//! The samples of a family are together, and within it those of a series, in order of time; so the
//! ticks of a service are read once per series. Ticks without a result of the target (unknown,
//! paused) are left out.

use std::io::{self, Write};

use super::source::{ExportError, Exported, TickSource};
use crate::domain::{PHASES, Phases, State, StoredTick};
use crate::metrics::names;
use crate::storage::records::NamedService;

/// Which value of a tick a series has.
#[derive(Debug, Clone, Copy)]
enum Value {
    Success,
    Duration,
    HttpStatus,
    /// A phase, by its index in [`Phases::named`].
    Phase(usize),
}

/// Name, HELP and series of each family; all are gauges.
const FAMILIES: [(&str, &str, &[Value]); 4] = [
    (names::PROBE_SUCCESS, "Whether the probe succeeded", &[Value::Success]),
    (names::PROBE_DURATION_SECONDS, "Duration of the probe", &[Value::Duration]),
    (names::PROBE_HTTP_STATUS_CODE, "HTTP status of the response", &[Value::HttpStatus]),
    (
        names::PROBE_HTTP_DURATION_SECONDS,
        "Duration of each phase of the probe",
        &[Value::Phase(0), Value::Phase(1), Value::Phase(2), Value::Phase(3), Value::Phase(4)],
    ),
];

pub(super) fn write(
    source: &mut TickSource,
    services: &[NamedService],
    out: &mut impl Write,
) -> Result<Exported, ExportError> {
    let phases: [&str; PHASES] = Phases::default().named().map(|(name, _)| name);
    let mut skipped = 0;
    for (index, (family, help, values)) in FAMILIES.into_iter().enumerate() {
        writeln!(out, "# TYPE {family} gauge\n# HELP {family} {help}")?;
        for service in services {
            for value in values {
                let name = series_name(family, service, value.phase().map(|index| phases[index]));
                let mut series = Series::default();
                source.for_each(service, |tick| series.write(out, &name, *value, tick))?;
                // Every series skips the same ticks.
                skipped += if index == 0 { series.skipped } else { 0 };
            }
        }
    }
    writeln!(out, "# EOF")?;
    Ok(Exported { skipped })
}

/// Name and labels of a series.
fn series_name(family: &str, service: &NamedService, phase: Option<&str>) -> String {
    let id = service.id.to_string();
    let labels =
        names::service_labels(&id, &service.name, service.group.as_deref(), &service.labels);
    names::series(family, labels.into_iter().chain(phase.map(|phase| (names::PHASE, phase))))
}

impl Value {
    fn phase(self) -> Option<usize> {
        match self {
            Self::Phase(index) => Some(index),
            Self::Success | Self::Duration | Self::HttpStatus => None,
        }
    }
}

#[derive(Debug, Default)]
struct Series {
    /// Time of the newest sample, in unix milliseconds.
    newest_ms: Option<i64>,
    /// Ticks that are not later than the newest sample before them.
    skipped: u64,
}

impl Series {
    /// Writes the sample of `tick`, if it has one. Ticks alone decide which of them are skipped.
    fn write(
        &mut self,
        out: &mut impl Write,
        name: &str,
        value: Value,
        tick: &StoredTick,
    ) -> io::Result<()> {
        let is_up = match tick.state {
            State::Up => true,
            State::Down => false,
            State::Unknown | State::Paused => return Ok(()),
        };
        if self.newest_ms.is_some_and(|newest_ms| tick.at_ms <= newest_ms) {
            self.skipped += 1;
            return Ok(());
        }
        self.newest_ms = Some(tick.at_ms);
        let at = Decimal::<3>(tick.at_ms.unsigned_abs());
        let at = (if tick.at_ms < 0 { "-" } else { "" }, at);
        match value {
            Value::Success => sample(out, name, u8::from(is_up), at),
            Value::Duration => sample(out, name, Decimal::<6>(tick.response_time_us), at),
            Value::HttpStatus => match tick.http_status {
                Some(status) => sample(out, name, status, at),
                None => Ok(()),
            },
            Value::Phase(index) => match tick.phases_us {
                Some(phases) => sample(out, name, Decimal::<6>(phases[index]), at),
                None => Ok(()),
            },
        }
    }
}

fn sample(
    out: &mut impl Write,
    name: &str,
    value: impl std::fmt::Display,
    (sign, at): (&str, Decimal<3>),
) -> io::Result<()> {
    writeln!(out, "{name} {value} {sign}{at}")
}

/// A number with `DIGITS` digits after the point: seconds from microseconds or milliseconds.
#[derive(Debug, Clone, Copy)]
struct Decimal<const DIGITS: u32>(u64);

impl<const DIGITS: u32> std::fmt::Display for Decimal<DIGITS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = 10u64.pow(DIGITS);
        write!(f, "{}.{:0width$}", self.0 / unit, self.0 % unit, width = DIGITS as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::labels::Label;
    use crate::domain::{Labels, ServiceId};

    #[test]
    fn labels_are_escaped_and_named_as_in_metrics() {
        let service = NamedService {
            id: ServiceId::new(7).unwrap(),
            name: "a \"b\"\\\n".to_owned(),
            group: Some("core".to_owned()),
            labels: Labels::new(vec![Label::new("team", "a").unwrap()]),
            newest_seq: 0,
        };
        assert_eq!(
            series_name("f", &service, Some("tls")),
            "f{service_id=\"7\",name=\"a \\\"b\\\"\\\\\\n\",group=\"core\",team=\"a\",\
             phase=\"tls\"}"
        );
    }

    #[test]
    fn a_series_ascends_and_leaves_out_unknown_values() {
        let tick = |at_ms, state| StoredTick {
            at_ms,
            state,
            response_time_us: 1_000_007,
            phases_us: Some([0, 0, 0, 0, 5]),
            http_status: (state == State::Up).then_some(200),
            reason: None,
        };
        let ticks = [
            tick(1_795_413_298_123, State::Up),
            tick(1_795_413_298_123, State::Up),
            tick(1_795_413_299_000, State::Unknown),
            tick(1_795_413_298_999, State::Down),
            tick(1_000, State::Up),
            tick(1_795_413_299_001, State::Up),
        ];
        let written = |value| {
            let (mut out, mut series) = (Vec::new(), Series::default());
            ticks.iter().for_each(|tick| series.write(&mut out, "f", value, tick).unwrap());
            assert_eq!(series.skipped, 2);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Value::Success),
            "f 1 1795413298.123\nf 0 1795413298.999\nf 1 1795413299.001\n"
        );
        assert_eq!(written(Value::HttpStatus), "f 200 1795413298.123\nf 200 1795413299.001\n");
        assert!(written(Value::Duration).starts_with("f 1.000007 1795413298.123\n"));
        assert!(written(Value::Phase(4)).starts_with("f 0.000005 1795413298.123\n"));
    }
}
