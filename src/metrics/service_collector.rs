//! The metrics of single services, from their last results.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::domain::service::options::HttpVersion;
use crate::domain::{Group, Phases};
use crate::metrics::kept_result::ServiceResult;
use crate::metrics::last_result::LastResult;
use crate::metrics::names;

#[derive(Debug)]
pub(super) struct ServiceCollector(pub(super) Vec<ServiceResult>);

/// The value of a gauge; `None` leaves the service out.
type Value = fn(&LastResult) -> Option<f64>;

/// Name, HELP and value of the gauges that every service has.
const GAUGES: [(&str, &str, Value); 12] = [
    (names::PROBE_SUCCESS, "Whether the last probe succeeded", |r| Some(number(r.success))),
    (names::PROBE_DURATION_SECONDS, "Duration of the last probe", |r| {
        Some(r.duration_us as f64 / 1e6)
    }),
    (names::PROBE_HTTP_STATUS_CODE, "HTTP status of the last probe, 0 without a response", |r| {
        Some(f64::from(r.http_status))
    }),
    (names::PROBE_DNS_LOOKUP_TIME_SECONDS, "Duration of the name resolution", |r| {
        Some(seconds(r.phases_us[0]))
    }),
    (names::PROBE_IP_PROTOCOL, "IP version of the connection, 4 or 6", |r| {
        r.is_ipv6.map(|is_ipv6| if is_ipv6 { 6.0 } else { 4.0 })
    }),
    (names::PROBE_HTTP_REDIRECTS, "Number of redirects that were followed", |r| {
        Some(f64::from(r.redirects))
    }),
    (names::PROBE_HTTP_VERSION, "Negotiated HTTP version", |r| {
        r.http_version.map(HttpVersion::number)
    }),
    (names::PROBE_HTTP_SSL, "Whether the final connection used TLS", |r| {
        Some(number(r.tls_version.is_some()))
    }),
    (
        names::PROBE_SSL_EARLIEST_CERT_EXPIRY,
        "Earliest expiry of the certificates that the target sent, in unix seconds",
        |r| r.expiries.certificate_at.map(|at| at as f64),
    ),
    (
        names::PROBE_SSL_LAST_CHAIN_EXPIRY,
        "Earliest expiry of the certificate chain that was verified, in unix seconds",
        |r| r.expiries.verified_chain_at.map(|at| at as f64),
    ),
    (names::PROBE_PLUGIN_EXIT_CODE, "Exit code of the plugin of an external check", |r| {
        r.plugin.as_ref().map(|plugin| f64::from(plugin.state.exit_code()))
    }),
    (
        names::PROBE_DOMAIN_EXPIRY_TIMESTAMP_SECONDS,
        "Expiry of the registered domain, in unix seconds",
        |r| r.expiries.domain_at.map(|at| at as f64),
    ),
];

fn seconds(micros: u32) -> f64 {
    f64::from(micros) / 1e6
}

fn number(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Gauges that a query reads from the last result: those that ticks do not have.
const OF_LAST_RESULT: [&str; 8] = [
    names::PROBE_IP_PROTOCOL,
    names::PROBE_HTTP_REDIRECTS,
    names::PROBE_HTTP_VERSION,
    names::PROBE_HTTP_SSL,
    names::PROBE_SSL_EARLIEST_CERT_EXPIRY,
    names::PROBE_SSL_LAST_CHAIN_EXPIRY,
    names::PROBE_PLUGIN_EXIT_CODE,
    names::PROBE_DOMAIN_EXPIRY_TIMESTAMP_SECONDS,
];

/// Name and help of the gauges of [`query_gauges`].
pub fn query_gauge_help() -> impl Iterator<Item = (&'static str, &'static str)> {
    let gauges = GAUGES.iter().filter(|(name, _, _)| OF_LAST_RESULT.contains(name));
    let tls = (names::PROBE_TLS_VERSION_INFO, "TLS version of the last probe, as a label");
    gauges.map(|(name, help, _)| (*name, *help)).chain([tls])
}

/// Name, label and value of a gauge.
pub type QueryGauge = (&'static str, Option<(&'static str, &'static str)>, f64);

/// The gauges of the last result that queries read.
pub fn query_gauges(result: &LastResult) -> impl Iterator<Item = QueryGauge> {
    let gauges = GAUGES.iter().filter(|(name, _, _)| OF_LAST_RESULT.contains(name));
    let values = gauges.filter_map(|(name, _, value)| Some((*name, None, value(result)?)));
    let tls = result.tls_version.map(|version| {
        (names::PROBE_TLS_VERSION_INFO, Some((names::VERSION, version.as_str())), 1.0)
    });
    values.chain(tls)
}

impl Collector for ServiceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for service in &self.0 {
                let Some(value) = value(&service.result.get()) else { continue };
                let id = service.id.to_string();
                family.encode_family(&labels(service, &id))?.encode_gauge(&value)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            names::PROBE_PLUGIN_PERFDATA,
            "Performance data of the plugin of an external check, in the unit of the plugin",
            None,
            MetricType::Gauge,
        )?;
        for service in &self.0 {
            let id = service.id.to_string();
            let labels = labels(service, &id);
            for (label, unit, value) in service.result.get().perfdata() {
                let mut labels = labels.clone();
                labels.extend([(names::PERFDATA_LABEL, label), (names::UNIT, unit)]);
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            names::PROBE_HTTP_DURATION_SECONDS,
            "Duration of each phase of the last probe",
            None,
            MetricType::Gauge,
        )?;
        for service in &self.0 {
            let id = service.id.to_string();
            let labels = labels(service, &id);
            let phases = Phases::default().named().map(|(phase, _)| phase);
            for (phase, duration_us) in phases.into_iter().zip(service.result.get().phases_us) {
                let mut labels = labels.clone();
                labels.push((names::PHASE, phase));
                family.encode_family(&labels)?.encode_gauge(&seconds(duration_us))?;
            }
        }
        Ok(())
    }
}

fn labels<'a>(service: &'a ServiceResult, id: &'a str) -> Vec<names::Label<'a>> {
    let group = service.group.as_ref().map(Group::as_str);
    names::service_labels(id, service.name.as_str(), group, &service.labels)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::domain::plugin::{Decimal, Perfdata, PluginResult, PluginState};
    use crate::domain::service::labels::{Label, RESERVED};
    use crate::domain::{Labels, sample};
    use crate::metrics::{Format, KeptResult, Telemetry};

    /// Name and value of the labels of each series of a service.
    fn series(text: &str) -> Vec<Vec<(&str, &str)>> {
        let lines = text.lines().filter(|line| line.starts_with("probe_"));
        let labels = lines.map(|line| &line[line.find('{').unwrap() + 1..line.find('}').unwrap()]);
        labels.map(|all| all.split(',').map(|it| it.split_once('=').unwrap()).collect()).collect()
    }

    fn exposed(labels: &[(&str, &str)]) -> String {
        let labels = labels.iter().map(|(name, value)| Label::new(name, value).unwrap());
        let mut result = LastResult::new(&sample::outcome(1, 0));
        result.is_ipv6 = Some(false);
        result.http_version = Some(HttpVersion::Http2);
        result.expiries.certificate_at = Some(1);
        result.plugin = Some(Arc::new(PluginResult {
            state: PluginState::Ok,
            text: String::new(),
            perfdata: vec![Perfdata {
                label: "size".to_owned(),
                value: Decimal::parse("5"),
                unit: "B".to_owned(),
                warning: None,
                critical: None,
                min: None,
                max: None,
            }],
        }));
        let service = ServiceResult {
            id: crate::domain::ServiceId::new(1).unwrap(),
            name: sample::definition("a").name,
            group: None,
            labels: Labels::new(labels.collect()),
            result: KeptResult::new(result),
        };
        Telemetry::new().expose(vec![service], Format::Plain).unwrap()
    }

    #[test]
    fn every_own_label_of_a_service_is_reserved() {
        let text = exposed(&[]);
        for (name, _) in series(&text).concat() {
            assert!(RESERVED.contains(&name), "{name}");
        }
    }

    #[test]
    fn labels_of_the_owner_collide_with_none_of_the_metrics() {
        let mut given: Vec<(&str, &str)> = RESERVED.map(|name| (name, "mine")).to_vec();
        given.push(("team", "a"));
        let text = exposed(&given);
        let all = series(&text);
        assert!(all.len() > 10 && text.contains("probe_plugin_perfdata{"), "{text}");
        for labels in all {
            let names: HashSet<&str> = labels.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), labels.len(), "{labels:?}");
            assert!(labels.contains(&("exported_group", "\"mine\"")), "{labels:?}");
            assert!(labels.contains(&("team", "\"a\"")), "{labels:?}");
        }
    }
}
