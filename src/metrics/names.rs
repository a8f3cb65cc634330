//! Series in the text format of metrics.

use std::borrow::Cow;
use std::fmt::Write;

pub use crate::domain::metric_names::{
    Label, PERFDATA_LABEL, PHASE, PROBE_DNS_DURATION_SECONDS, PROBE_DNS_LOOKUP_TIME_SECONDS,
    PROBE_DOMAIN_EXPIRY_TIMESTAMP_SECONDS, PROBE_DURATION_SECONDS, PROBE_FAILED_DUE_TO_REGEX,
    PROBE_GRPC_DURATION_SECONDS, PROBE_GRPC_SSL, PROBE_HTTP_DURATION_SECONDS, PROBE_HTTP_REDIRECTS,
    PROBE_HTTP_SSL, PROBE_HTTP_STATUS_CODE, PROBE_HTTP_VERSION, PROBE_ICMP_DURATION_SECONDS,
    PROBE_IP_PROTOCOL, PROBE_PLUGIN_EXIT_CODE, PROBE_PLUGIN_PERFDATA,
    PROBE_SSL_EARLIEST_CERT_EXPIRY, PROBE_SSL_LAST_CHAIN_EXPIRY, PROBE_SUCCESS,
    PROBE_TLS_VERSION_INFO, UNIT, VERSION, service_labels,
};

/// A series in the text format: `family{label="value",…}`.
pub fn series<'a>(family: &str, labels: impl IntoIterator<Item = Label<'a>>) -> String {
    let mut series = format!("{family}{{");
    for (index, (name, value)) in labels.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a `String` cannot fail.
        let _ = write!(series, "{comma}{name}=\"{}\"", escape_label(value));
    }
    series.push('}');
    series
}

/// Escapes the value of a label (OpenMetrics 1.0, "ABNF": `\\`, `"` and line feed).
pub fn escape_label(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    } else {
        Cow::Borrowed(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;

    #[test]
    fn label_values_are_escaped() {
        let none = Labels::default();
        let labels = service_labels("7", "a \"b\"\\\n", Some("core"), &none);
        let phase = labels.into_iter().chain([(PHASE, "tls")]);
        assert_eq!(
            series("f", phase),
            r#"f{service_id="7",name="a \"b\"\\\n",group="core",phase="tls"}"#
        );
        assert_eq!(
            series("f", service_labels("7", "a", None, &none)),
            r#"f{service_id="7",name="a",group=""}"#
        );
    }
}
