//! Random queries from a grammar.
//!
//! Left out are what version 2 of Prometheus lacks, what depends on the order of equal values or on
//! the last digits of large ones, and what version 3 changed: when the metric name is removed (also
//! by `atan2`), the variance of infinities, `predict_linear` with `@`, rates of series that begin
//! within the window, and comparisons of several series with one, which fail there even where they
//! filter all of them.

use rand::RngExt;
use rand::rngs::SmallRng;

const SELECTORS: &[&str] = &[
    "demo_memory_usage_bytes",
    "demo_memory_usage_bytes{type=\"free\"}",
    "demo_memory_usage_bytes{type=~\"(?i:F).*\", instance!~\".*1\"}",
    "demo_num_cpus",
    "demo_cpu_usage_seconds_total",
    "demo_cpu_usage_seconds_total{mode!=\"idle\"}",
    "demo_disk_usage_bytes",
    "demo_intermittent_metric",
    "demo_batch_last_success_timestamp_seconds",
    "demo_api_request_duration_seconds_bucket{le=\"0.5\"}",
    "{instance=\"demo.promlabs.com:10001\", type=\"used\"}",
    "nonexistent_metric",
];
const RANGES: &[&str] = &["15s", "1m", "5m", "17m", "1h"];
const SHIFTS: &[&str] = &[
    "",
    "",
    "",
    "",
    " offset 3m",
    " offset -2m",
    " @ 1767229200.777",
    " @ start()",
    " @ end() offset 90s",
];
const OVER_TIME: &[&str] = &[
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "idelta",
    "increase",
    "irate",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "absent_over_time",
    "last_over_time",
    "rate",
];
const MAPS: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "exp",
    "sqrt",
    "ln",
    "log2",
    "log10",
    "sgn",
    "atan",
    "deg",
    "rad",
    "hour",
    "minute",
    "day_of_week",
    "round",
];
const AGGREGATIONS: &[&str] = &["sum", "avg", "min", "max", "count", "group"];
const GROUPINGS: &[&str] = &[
    "",
    " by (instance)",
    " by (instance, type)",
    " by (job)",
    " without (type)",
    " without (instance, mode)",
    " by ()",
];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%", "^"];
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const NUMBERS: &[&str] = &["0", "1", "2.5", "-3", "1e9", "0.001", "Inf", "NaN"];
/// The first ones leave one series of each side.
const MATCHINGS: &[&str] = &[
    "",
    "",
    " on (instance, type)",
    " on (instance)",
    " ignoring (type, mode, le, path, method)",
    " on (job, instance) group_left",
];

fn pick<'a>(random: &mut SmallRng, words: &[&'a str]) -> &'a str {
    words[random.random_range(0..words.len())]
}

fn selector(random: &mut SmallRng) -> String {
    format!("{}{}", pick(random, SELECTORS), pick(random, SHIFTS))
}

/// An expression of the type instant vector.
pub fn vector(random: &mut SmallRng, depth: u32) -> String {
    if depth == 0 {
        return selector(random);
    }
    let next = depth - 1;
    match random.random_range(0..14) {
        0 => {
            let name = pick(random, &["stddev", "stdvar"]);
            format!("{name}{} ({})", pick(random, GROUPINGS), selector(random))
        }
        1 | 2 => over_time(random, next),
        3 => {
            let function = pick(random, MAPS);
            format!("{function}({})", vector(random, next))
        }
        4 | 5 => {
            let (name, grouping) = (pick(random, AGGREGATIONS), pick(random, GROUPINGS));
            format!("{name}{grouping} ({})", vector(random, next))
        }
        6 => format!(
            "quantile{} ({}, {})",
            pick(random, GROUPINGS),
            pick(random, &["0", "0.3", "0.5", "0.99", "1", "1.5"]),
            vector(random, next)
        ),
        7 => {
            let operator = pick(random, ARITHMETIC);
            format!("({} {operator} {})", vector(random, next), scalar(random, next))
        }
        8 => {
            let is_bool = pick(random, &["", " bool"]);
            let operator = pick(random, COMPARISONS);
            format!("({} {operator}{is_bool} {})", scalar(random, next), vector(random, next))
        }
        9 | 10 => {
            let (operator, matching) = if random.random_bool(0.7) {
                (pick(random, ARITHMETIC), pick(random, MATCHINGS))
            } else {
                (pick(random, COMPARISONS), pick(random, &MATCHINGS[..3]))
            };
            format!(
                "(sum by (instance, type, job) ({}) {operator}{matching} sum by (instance, type, \
                 job) ({}))",
                vector(random, next),
                vector(random, next)
            )
        }
        11 => {
            let operator = pick(random, &["and", "or", "unless"]);
            let matching = pick(random, &MATCHINGS[..5]);
            format!("({} {operator}{matching} {})", vector(random, next), vector(random, next))
        }
        12 => special(random, next),
        _ => format!("-{}", vector(random, next)),
    }
}

fn range(random: &mut SmallRng, depth: u32) -> String {
    if depth > 0 && random.random_bool(0.3) {
        let step = pick(random, &["30s", "7s", "1m", "10s"]);
        let range = pick(random, &["1m", "5m", "10m"]);
        let shift = pick(random, &SHIFTS[..6]);
        return format!("({})[{range}:{step}]{shift}", vector(random, depth - 1));
    }
    let (selector, range) = (pick(random, SELECTORS), pick(random, RANGES));
    format!("{selector}[{range}]{}", pick(random, SHIFTS))
}

fn over_time(random: &mut SmallRng, depth: u32) -> String {
    if random.random_bool(0.1) {
        let q = pick(random, &["0", "0.2", "0.5", "0.95", "1", "-1"]);
        return format!("quantile_over_time({q}, {})", range(random, depth));
    }
    if random.random_bool(0.05) {
        let (selector, range) = (pick(random, SELECTORS), pick(random, RANGES));
        return format!("predict_linear({selector}[{range}] offset 1m, 600)");
    }
    let (function, range) = (pick(random, OVER_TIME), range(random, depth));
    let is_rate = matches!(function, "rate" | "increase");
    let function = if is_rate && range.contains("intermittent") { "delta" } else { function };
    format!("{function}({range})")
}

fn special(random: &mut SmallRng, depth: u32) -> String {
    let inner = vector(random, depth);
    match random.random_range(0..9) {
        0 => format!("clamp({inner}, 0, {})", scalar(random, depth)),
        1 => format!("clamp_min({inner}, {})", scalar(random, depth)),
        2 => format!("absent({inner})"),
        3 => format!("timestamp({inner})"),
        4 => format!("vector({})", scalar(random, depth)),
        5 => format!(
            "histogram_quantile({}, rate(demo_api_request_duration_seconds_bucket[5m]))",
            pick(random, &["0", "0.1", "0.5", "0.9", "1", "-1"])
        ),
        6 => format!("label_replace({inner}, \"new\", \"x-$1\", \"instance\", \".*:(.*)\")"),
        7 => format!("label_join({inner}, \"new\", \"/\", \"job\", \"instance\")"),
        _ => format!("round({inner}, 5)"),
    }
}

fn scalar(random: &mut SmallRng, depth: u32) -> String {
    match random.random_range(0..6) {
        0 => "time()".to_owned(),
        1 if depth > 0 => format!("scalar({})", vector(random, depth - 1)),
        _ => pick(random, NUMBERS).to_owned(),
    }
}
