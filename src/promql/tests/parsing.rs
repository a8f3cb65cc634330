//! What the parser refuses, with the place.

use proptest::prelude::*;

use super::memory::Memory;
use crate::promql::{Labels, Steps, parse};

fn message(query: &str) -> String {
    parse(query).unwrap_err().to_string()
}

#[test]
fn errors_say_what_was_expected_and_where() {
    for (query, expected) in [
        ("", "1:1: parse error: no expression found in input"),
        ("1 + ", "1:5: parse error: unexpected end of input, expected expression"),
        ("a{b=1}", "1:5: parse error: unexpected \"1\", expected string"),
        ("a{b}", "1:4: parse error: unexpected \"}\", expected label matching operator"),
        ("sum(a", "1:6: parse error: unexpected end of input, expected \",\" or \")\""),
        ("a b", "1:3: parse error: unexpected \"b\", expected end of input"),
        ("a[5]m", "1:5: parse error: unexpected \"m\", expected end of input"),
        ("a[0s]", "1:3: parse error: duration must be greater than 0"),
        ("a offset 5m [5m]", "1:13: parse error: no offset modifiers allowed before range"),
        ("sum(a)[5m]", "1:7: parse error: ranges only allowed for vector selectors"),
        ("a offset 1m offset 2m", "1:13: parse error: offset may not be set multiple times"),
        ("foo(1)", "1:1: parse error: unknown function with name \"foo\""),
        (
            "sum by (a) (b, c)",
            "1:12: parse error: wrong number of arguments for aggregate \
          expression \"sum\", expected 1, got 2",
        ),
        (
            "{a=~\".*\"}",
            "1:1: parse error: vector selector must contain at least one non-empty \
          matcher",
        ),
        ("a{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a and 1", "1:3: parse error: set operator not allowed in binary scalar expression"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        (
            "rate(a)",
            "1:6: parse error: expected type range vector in call to function \"rate\", \
          got instant vector",
        ),
        ("rate(a[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"),
        (
            "round()",
            "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0",
        ),
        ("a =~ \"(\"", "1:3: parse error: unexpected \"=~\", expected end of input"),
        (
            "1\n+\n  {}",
            "3:3: parse error: vector selector must contain at least one non-empty \
          matcher",
        ),
    ] {
        assert_eq!(message(query), expected, "{query}");
    }
    assert!(message("a{b=~\"(\"}").starts_with("1:6: parse error: invalid regular expression"));
}

#[test]
fn experiments_of_prometheus_are_refused_by_name() {
    for (query, name) in [
        ("info(a)", "info"),
        ("limitk(1, a)", "limitk"),
        ("limit_ratio by (b) (0.5, a)", "limit_ratio"),
        ("a[5m] anchored", "anchored"),
        ("a smoothed", "smoothed"),
        ("a + on (b) fill (0) c", "fill"),
        ("a[5m * 2]", "arithmetic in durations"),
        ("a offset (5m)", "arithmetic in durations"),
        ("ts_of_max_over_time(a[5m])", "ts_of_max_over_time"),
        ("step()", "step"),
    ] {
        let message = message(query);
        assert!(message.contains(name) && message.contains("experimental"), "{query}: {message}");
    }
}

#[test]
fn keywords_are_names_where_nothing_else_is_meant() {
    for query in [
        "sum",
        "by",
        "offset",
        "start + end",
        "sum by (by, on, offset) (avg)",
        "{\"a metric\", \"a label\"=\"b\"}",
        "a{on=\"1\", }",
        "SUM (a) BY (b,)",
        "quantile_over_time(0.5, a[5m] @ end() offset -5m)",
        "min_over_time((1 - a)[1h:] @ 1e9 offset 1w)",
        "# only\na # comments",
        "a{b=~\"x.*\"} == bool on () group_left (c) d",
        "histogram_count(a) or histogram_fraction(0, 1, b)",
    ] {
        assert!(parse(query).is_ok(), "{query}: {:?}", parse(query).err());
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(99)).is_ok());
    assert!(message(&nested(100)).contains("nested more than 100 deep"));
    assert!(message(&nested(8_000)).contains("nested more than 100 deep"));
    assert!(message(&"-".repeat(500)).contains("nested more than 100 deep"));
    assert!(parse(&vec!["1"; 100].join("+")).is_ok());
    assert!(message(&vec!["1"; 101].join("+")).contains("nested more than 100 deep"));
    assert!(message(&"a".repeat(16_385)).contains("query has 16385 bytes, expected at most 16384"));
}

/// Parts of queries, among which any may follow any.
const PARTS: &[&str] = &[
    "a",
    "{b=~\"x|y\"}",
    "[5m]",
    "[1h:1m]",
    " offset 1m",
    " @ 60",
    "sum",
    " by (b)",
    "rate",
    "(",
    ")",
    ",",
    " + ",
    "-",
    " or ",
    " unless on (b) ",
    " == bool ",
    " / ignoring (b) group_left ",
    "1",
    "0x1f",
    "\"text\"",
    "topk",
    "histogram_quantile",
    "absent_over_time",
    "time()",
    "# note\n",
    "^",
    "{",
    "}",
];

proptest! {
    #[test]
    fn any_text_is_answered_or_refused(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..12),
        other in "\\PC{0,30}",
    ) {
        let mut memory = Memory::default();
        for second in 0..20 {
            let labels = Labels::new([("__name__", "a"), ("b", "x")]);
            memory.add(labels, second * 15_000, f64::from(second as i32));
        }
        let steps = Steps { start_ms: 60_000, end_ms: 180_000, step_ms: 40_000 };
        for text in [parts.concat(), other] {
            let _ = memory.instant(&text, 200_000);
            let _ = memory.range(&text, steps);
        }
    }
}
