//! From ticks to a request of remote write.

use std::collections::HashMap;
use std::rc::Rc;

use crate::domain::{Definition, Group, ServiceId};
use crate::metrics::names;
use crate::metrics::tick_samples::{SERIES, TickSeries};
use crate::relay::positions::RelayTick;
use crate::remote::{Label, Sample, TimeSeries, WriteRequest};

/// The label with the name of the metric.
const METRIC_NAME: &str = "__name__";

/// The labels that all series of a service have.
pub type ServiceLabels = Rc<[Label]>;

/// Those of `/metrics`, and `external` ones where the service has none of the same name. Without
/// empty ones, which mean the same as none.
pub fn service_labels(
    id: ServiceId,
    definition: &Definition,
    external: &[(String, String)],
) -> ServiceLabels {
    let id = id.to_string();
    let group = definition.group.as_ref().map(Group::as_str);
    let own =
        names::service_labels(&id, definition.name.as_str(), group, &definition.options.labels);
    let is_own = |name: &str| own.iter().any(|(known, _)| *known == name);
    let others = external.iter().filter(|(name, _)| !is_own(name));
    let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
    let all = own.iter().copied().chain(others).filter(|(_, value)| !value.is_empty());
    all.map(|(name, value)| label(name, value)).collect()
}

fn label(name: &str, value: &str) -> Label {
    Label { name: name.to_owned(), value: value.to_owned() }
}

/// A request with the samples of `ticks`: a series once, with its samples in their order. Services
/// without labels, which were deleted meanwhile, are left out.
pub fn write_request(
    ticks: &[RelayTick],
    labels: &HashMap<ServiceId, ServiceLabels>,
) -> WriteRequest {
    let mut by_service: Vec<(&ServiceLabels, Vec<&RelayTick>)> = Vec::new();
    let mut places = HashMap::new();
    for tick in ticks.iter().filter(|tick| tick.has_samples()) {
        let Some(labels) = labels.get(&tick.service_id) else { continue };
        let place = *places.entry(tick.service_id).or_insert_with(|| {
            by_service.push((labels, Vec::new()));
            by_service.len() - 1
        });
        by_service[place].1.push(tick);
    }
    let mut request = WriteRequest::default();
    for (labels, ticks) in by_service {
        for series in SERIES {
            let samples = ticks.iter().filter_map(|tick| {
                let value = series.value(&tick.tick)?.as_f64();
                Some(Sample { value, timestamp: tick.tick.at_ms })
            });
            let samples: Vec<Sample> = samples.collect();
            if !samples.is_empty() {
                let labels = series_labels(series, labels);
                request.timeseries.push(TimeSeries { labels, samples });
            }
        }
    }
    request
}

/// Sorted by name, as the protocol demands.
fn series_labels(series: TickSeries, labels: &[Label]) -> Vec<Label> {
    let mut all = Vec::with_capacity(labels.len() + 2);
    all.push(label(METRIC_NAME, series.family()));
    all.extend(series.phase().map(|phase| label(names::PHASE, phase)));
    all.extend_from_slice(labels);
    all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::service::labels::Label as ServiceLabel;
    use crate::domain::{Labels, Options, State, StoredTick, sample};

    fn id(id: i64) -> ServiceId {
        ServiceId::new(id).unwrap()
    }

    fn tick(service: i64, at_ms: i64, state: State) -> RelayTick {
        let tick = StoredTick {
            at_ms,
            state,
            response_time_us: 1_500,
            phases_us: Some([0, 500, 0, 1_000, 0]),
            http_status: (state == State::Up).then_some(200),
            reason: None,
        };
        RelayTick { service_id: id(service), seq: 1, tick, is_late: false }
    }

    /// A series as `/metrics` writes it, and its samples.
    fn shown(series: &TimeSeries) -> (String, Vec<(i64, f64)>) {
        assert!(series.labels.is_sorted_by(|one, next| one.name < next.name), "{series:?}");
        let labels = series.labels.iter().map(|label| format!("{}={}", label.name, label.value));
        let samples = series.samples.iter().map(|sample| (sample.timestamp, sample.value));
        (labels.collect::<Vec<_>>().join(","), samples.collect())
    }

    #[test]
    fn a_series_has_sorted_labels_and_its_samples_in_order() {
        let options = Options {
            labels: Labels::new(vec![
                ServiceLabel::new("Team", "a").unwrap(),
                ServiceLabel::new("site", "own").unwrap(),
            ]),
            ..Options::default()
        };
        let definition = Definition { options: Arc::new(options), ..sample::definition("shop") };
        let external = [("job", "uptime"), ("site", "berlin")];
        let external = external.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = HashMap::from([(id(7), service_labels(id(7), &definition, &external))]);
        let ticks = [
            tick(7, 1_000, State::Up),
            tick(8, 1_500, State::Up),
            tick(7, 2_000, State::Unknown),
            RelayTick { is_late: true, ..tick(7, 500, State::Up) },
            tick(7, 3_000, State::Down),
        ];
        let request = write_request(&ticks, &labels);
        let series: Vec<_> = request.timeseries.iter().map(shown).collect();
        assert_eq!(series.len(), 8, "service 8 is unknown");
        let own = "job=uptime,name=shop,service_id=7,site=own";
        assert_eq!(
            series[0],
            (format!("Team=a,__name__=probe_success,{own}"), vec![(1_000, 1.0), (3_000, 0.0)])
        );
        assert_eq!(
            series[2],
            (format!("Team=a,__name__=probe_http_status_code,{own}"), vec![(1_000, 200.0)])
        );
        let connect = "Team=a,__name__=probe_http_duration_seconds,job=uptime,name=shop,\
                       phase=connect,service_id=7,site=own";
        assert_eq!(series[4], (connect.to_owned(), vec![(1_000, 0.0005), (3_000, 0.0005)]));
        assert_eq!(write_request(&ticks[1..3], &labels), WriteRequest::default());
    }
}
