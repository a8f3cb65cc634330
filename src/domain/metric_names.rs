//! Names and labels of the metrics of a single service, as blackbox_exporter names them; used by
//! `/metrics`, the OpenMetrics export and queries.

use crate::domain::Labels;

pub const PROBE_SUCCESS: &str = "probe_success";
pub const PROBE_DURATION_SECONDS: &str = "probe_duration_seconds";
pub const PROBE_HTTP_STATUS_CODE: &str = "probe_http_status_code";
pub const PROBE_DNS_LOOKUP_TIME_SECONDS: &str = "probe_dns_lookup_time_seconds";
pub const PROBE_IP_PROTOCOL: &str = "probe_ip_protocol";
pub const PROBE_HTTP_REDIRECTS: &str = "probe_http_redirects";
pub const PROBE_HTTP_VERSION: &str = "probe_http_version";
pub const PROBE_HTTP_SSL: &str = "probe_http_ssl";
pub const PROBE_SSL_EARLIEST_CERT_EXPIRY: &str = "probe_ssl_earliest_cert_expiry";
pub const PROBE_SSL_LAST_CHAIN_EXPIRY: &str = "probe_ssl_last_chain_expiry_timestamp_seconds";
/// A name of this program: blackbox_exporter has no such metric.
pub const PROBE_DOMAIN_EXPIRY_TIMESTAMP_SECONDS: &str = "probe_domain_expiry_timestamp_seconds";
/// One series for each phase, with [`PHASE`].
pub const PROBE_HTTP_DURATION_SECONDS: &str = "probe_http_duration_seconds";

/// 1, with [`VERSION`]; of queries only.
pub const PROBE_TLS_VERSION_INFO: &str = "probe_tls_version_info";
/// Label of the series of [`PROBE_TLS_VERSION_INFO`].
pub const VERSION: &str = "version";
/// Of the phases of a ping, with [`PHASE`]: `resolve`, `setup` and `rtt`.
pub const PROBE_ICMP_DURATION_SECONDS: &str = "probe_icmp_duration_seconds";
/// Of `/probe` only.
pub const PROBE_FAILED_DUE_TO_REGEX: &str = "probe_failed_due_to_regex";
/// Of the phases of a DNS query, with [`PHASE`]: `resolve`, `connect` and `request`.
pub const PROBE_DNS_DURATION_SECONDS: &str = "probe_dns_duration_seconds";
/// Of the phases of a health check of gRPC, with [`PHASE`]: `resolve` and `check`.
pub const PROBE_GRPC_DURATION_SECONDS: &str = "probe_grpc_duration_seconds";
pub const PROBE_GRPC_SSL: &str = "probe_grpc_ssl";
/// A name of this program, of queries only: whether the service is up, by its events.
pub const SERVICE_UP: &str = "service_up";

/// Exit code of the plugin of an external check.
pub const PROBE_PLUGIN_EXIT_CODE: &str = "probe_plugin_exit_code";
/// One series for each value of performance data, with [`PERFDATA_LABEL`] and [`UNIT`].
pub const PROBE_PLUGIN_PERFDATA: &str = "probe_plugin_perfdata";

/// Labels of the series of [`PROBE_PLUGIN_PERFDATA`].
pub const PERFDATA_LABEL: &str = "label";
pub const UNIT: &str = "unit";

/// What queries read of the last result, since neither ticks nor facts have it.
pub const OF_LAST_RESULT: [&str; 3] =
    [PROBE_SSL_LAST_CHAIN_EXPIRY, PROBE_PLUGIN_EXIT_CODE, PROBE_DOMAIN_EXPIRY_TIMESTAMP_SECONDS];

/// Label of the series of [`PROBE_HTTP_DURATION_SECONDS`].
pub const PHASE: &str = "phase";

/// Name and value of a label.
pub type Label<'a> = (&'a str, &'a str);

/// The labels of every metric of a service, those of its owner at the end; a service without a
/// group has an empty one.
pub fn service_labels<'a>(
    id: &'a str,
    name: &'a str,
    group: Option<&'a str>,
    labels: &'a Labels,
) -> Vec<Label<'a>> {
    let own = [("service_id", id), ("name", name), ("group", group.unwrap_or_default())];
    let given = labels.iter().map(|label| (label.exposed_name(), label.value()));
    own.into_iter().chain(given).collect()
}
