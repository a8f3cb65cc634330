//! OpenMetrics 1.0 with the times of the ticks, under the names and labels that `/metrics` has for the last result of a service.
//!
//! The samples of a family stand together, and in it those of a series, in the order of time: so the data is walked once a
//! series of each service. A tick that says nothing of its target is in none of them.

use std::io::{self, Write};

use super::{Broken, Exported, Source};
use crate::domain::{PHASES, Phases, State, StoredTick};
use crate::storage::history::walk::Walked;

/// What a tick is in a series; `None` when it is not in it.
#[derive(Debug, Clone, Copy)]
enum Value {
    Success,
    Duration,
    HttpStatus,
    /// That phase, by its place.
    Phase(usize),
}

/// Name and HELP of the families; all are gauges.
const FAMILIES: [(&str, &str, &[Value]); 4] = [
    ("probe_success", "Whether the probe was a success", &[Value::Success]),
    ("probe_duration_seconds", "How long the probe took", &[Value::Duration]),
    ("probe_http_status_code", "HTTP status of the answer", &[Value::HttpStatus]),
    (
        "probe_http_duration_seconds",
        "Where the time of the probe went",
        &[Value::Phase(0), Value::Phase(1), Value::Phase(2), Value::Phase(3), Value::Phase(4)],
    ),
];

/// Everything as OpenMetrics.
pub(super) fn write(
    source: &mut Source,
    services: &[Walked],
    out: &mut impl Write,
) -> Result<Exported, Broken> {
    let phases: [&str; PHASES] = Phases::default().named().map(|(name, _)| name);
    let mut skipped = 0;
    for (nth, (family, help, values)) in FAMILIES.into_iter().enumerate() {
        writeln!(out, "# TYPE {family} gauge\n# HELP {family} {help}")?;
        for service in services {
            for value in values {
                let series = series(family, service, value.phase().map(|nth| phases[nth]));
                let mut line = Line::default();
                source.each(service, |tick| line.write(out, &series, *value, tick))?;
                // The same ones every time.
                skipped += if nth == 0 { line.skipped } else { 0 };
            }
        }
    }
    writeln!(out, "# EOF")?;
    Ok(Exported { skipped })
}

/// The name of a series with its labels.
fn series(family: &str, service: &Walked, phase: Option<&str>) -> String {
    let group = service.group.as_deref().unwrap_or_default();
    let phase = phase.map_or_else(String::new, |phase| format!(",phase=\"{phase}\""));
    let (name, group) = (escaped(&service.name), escaped(group));
    format!("{family}{{service_id=\"{}\",name=\"{name}\",group=\"{group}\"{phase}}}", service.id)
}

/// A text as the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Value {
    fn phase(self) -> Option<usize> {
        match self {
            Self::Phase(nth) => Some(nth),
            Self::Success | Self::Duration | Self::HttpStatus => None,
        }
    }
}

/// How far a series is written.
#[derive(Debug, Default)]
struct Line {
    /// Time of the latest tick that was kept, in unix milliseconds.
    latest_ms: Option<i64>,
    /// Ticks that were not after it.
    skipped: u64,
}

impl Line {
    /// Writes the sample that `tick` is in `series`, if it is one. What is skipped is decided by the ticks alone, so it is the same
    /// in every series.
    fn write(
        &mut self,
        out: &mut impl Write,
        series: &str,
        value: Value,
        tick: &StoredTick,
    ) -> io::Result<()> {
        let is_up = match tick.state {
            State::Up => true,
            State::Down => false,
            State::Unknown | State::Paused => return Ok(()),
        };
        if self.latest_ms.is_some_and(|latest_ms| tick.at_ms <= latest_ms) {
            self.skipped += 1;
            return Ok(());
        }
        self.latest_ms = Some(tick.at_ms);
        let at = Decimal::<3>(tick.at_ms.unsigned_abs());
        let at = (if tick.at_ms < 0 { "-" } else { "" }, at);
        match value {
            Value::Success => sample(out, series, u8::from(is_up), at),
            Value::Duration => sample(out, series, Decimal::<6>(tick.response_time_us), at),
            Value::HttpStatus => match tick.http_status {
                Some(status) => sample(out, series, status, at),
                None => Ok(()),
            },
            Value::Phase(nth) => match tick.phases_us {
                Some(phases) => sample(out, series, Decimal::<6>(phases[nth]), at),
                None => Ok(()),
            },
        }
    }
}

fn sample(
    out: &mut impl Write,
    series: &str,
    value: impl std::fmt::Display,
    (sign, at): (&str, Decimal<3>),
) -> io::Result<()> {
    writeln!(out, "{series} {value} {sign}{at}")
}

/// A number with so many digits behind the point.
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
    use crate::domain::ServiceId;

    #[test]
    fn labels_are_escaped_and_named_as_on_metrics() {
        let service = Walked {
            id: ServiceId::new(7).unwrap(),
            name: "a \"b\"\\\n".to_owned(),
            group: Some("core".to_owned()),
            newest_seq: 0,
        };
        assert_eq!(
            series("f", &service, Some("tls")),
            "f{service_id=\"7\",name=\"a \\\"b\\\"\\\\\\n\",group=\"core\",phase=\"tls\"}"
        );
    }

    #[test]
    fn a_series_ascends_and_leaves_out_what_is_not_known() {
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
            let (mut out, mut line) = (Vec::new(), Line::default());
            ticks.iter().for_each(|tick| line.write(&mut out, "f", value, tick).unwrap());
            assert_eq!(line.skipped, 2);
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
