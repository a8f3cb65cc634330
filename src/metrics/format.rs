//! The two text formats of `/metrics`.

use std::collections::HashSet;

/// A text format for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format, version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Converts OpenMetrics text to the plain format, in which HELP and TYPE of a counter include the
/// suffix `_total` of its samples.
pub(super) fn to_plain(text: &str) -> String {
    let counters: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut plain = String::with_capacity(text.len() + 256);
    for line in text.lines() {
        let comment = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match comment.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                plain.push_str(&line[..7]);
                plain.push_str(name);
                plain.push_str("_total ");
                plain.push_str(rest);
            }
            _ => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}
