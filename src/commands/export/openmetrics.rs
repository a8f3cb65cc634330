//! OpenMetrics 1.0 with the times of the ticks, under the names and labels of `/metrics`.
//!
//! The samples of a family are together, and within it those of a series, in order of time; so the
//! ticks of a service are read once per series. Ticks without a result of the target (unknown,
//! paused) are left out.

use std::io::{self, Write};

use super::source::{ExportError, Exported, TickSource};
use crate::domain::StoredTick;
use crate::metrics::names;
use crate::metrics::tick_samples;
use crate::metrics::tick_samples::{Decimal, SERIES, TickSeries};
use crate::storage::records::NamedService;

pub(super) fn write(
    source: &mut TickSource,
    services: &[NamedService],
    out: &mut impl Write,
) -> Result<Exported, ExportError> {
    let mut skipped = 0;
    for families in SERIES.chunk_by(|one, next| one.family() == next.family()) {
        let first = families[0];
        let (family, help) = (first.family(), first.help());
        writeln!(out, "# TYPE {family} gauge\n# HELP {family} {help}")?;
        for service in services {
            for value in families {
                let name = series_name(family, service, value.phase());
                let mut series = Series::default();
                source.for_each(service, |tick| series.write(out, &name, *value, tick))?;
                // Every series skips the same ticks.
                skipped += if first == SERIES[0] { series.skipped } else { 0 };
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
        value: TickSeries,
        tick: &StoredTick,
    ) -> io::Result<()> {
        if !tick_samples::has_samples(tick) {
            return Ok(());
        }
        if self.newest_ms.is_some_and(|newest_ms| tick.at_ms <= newest_ms) {
            self.skipped += 1;
            return Ok(());
        }
        self.newest_ms = Some(tick.at_ms);
        let Some(sample) = value.value(tick) else { return Ok(()) };
        let sign = if tick.at_ms < 0 { "-" } else { "" };
        writeln!(out, "{name} {sample} {sign}{}", Decimal::<3>(tick.at_ms.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::labels::Label;
    use crate::domain::{Labels, ServiceId, State};

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
            written(TickSeries::Success),
            "f 1 1795413298.123\nf 0 1795413298.999\nf 1 1795413299.001\n"
        );
        assert_eq!(written(TickSeries::HttpStatus), "f 200 1795413298.123\nf 200 1795413299.001\n");
        assert!(written(TickSeries::Duration).starts_with("f 1.000007 1795413298.123\n"));
        assert!(written(TickSeries::Phase(4)).starts_with("f 0.000005 1795413298.123\n"));
    }
}
