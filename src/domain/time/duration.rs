//! Durations in the notation of Go (`300ms`, `1m30s`, `1.5h`), and spans, which may have days,
//! weeks or years as well (`30d`).

use std::time::Duration;

const DAY_SECONDS: u64 = 24 * 3_600;
const DAYS_OF_YEAR: u64 = 365;
/// Units of Go in nanoseconds, largest first.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600 * 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Parses a duration into seconds. A sign is invalid.
///
/// Source: `time.ParseDuration` of Go.
pub fn parse_seconds(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    Some(whole_nanoseconds(text)? as f64 / 1e9)
}

/// Parses a span: whole days (`30d`), weeks (`4w`) or years of 365 days (`1y`), a duration, or one
/// behind the other (`1d12h`). `None` also for zero and for an overflow.
pub fn parse_span(text: &str) -> Option<Duration> {
    let leading = text.find(|c: char| !c.is_ascii_digit()).and_then(|number_length| {
        let (number, after) = text.split_at(number_length);
        let days_each = match after.chars().next()? {
            'd' => 1,
            'w' => 7,
            'y' => DAYS_OF_YEAR,
            _ => return None,
        };
        Some((number, days_each, &after[1..]))
    });
    let (days, rest) = match leading {
        Some((number, days_each, rest)) => {
            (number.parse::<u64>().ok()?.checked_mul(days_each)?, rest)
        }
        None => (0, text),
    };
    let days = Duration::from_secs(days.checked_mul(DAY_SECONDS)?);
    let is_alone = leading.is_some() && rest.is_empty();
    let rest = if is_alone { 0 } else { whole_nanoseconds(rest)? };
    let span = days.checked_add(Duration::from_nanos(rest))?;
    (!span.is_zero()).then_some(span)
}

/// Formats a span for [`parse_span`], without parts that are zero: `30d`, `1h30m`. Whole years are
/// formatted as years, but weeks as days, so that an objective over `28d` does not become `4w`.
pub fn format_span(span: Duration) -> String {
    let days = span.as_secs() / DAY_SECONDS;
    let mut text = match days {
        0 => String::new(),
        _ if days.is_multiple_of(DAYS_OF_YEAR) => format!("{}y", days / DAYS_OF_YEAR),
        _ => format!("{days}d"),
    };
    let mut rest = span.as_nanos() % Duration::from_secs(DAY_SECONDS).as_nanos();
    for (unit, scale) in UNITS {
        let whole = rest / u128::from(scale);
        rest %= u128::from(scale);
        if whole > 0 {
            text.push_str(&format!("{whole}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The sum of all parts in whole nanoseconds, as in Go, so that 100000us is exactly 0.1 s.
fn whole_nanoseconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_length);
        let unit_length =
            after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_length);
        total = total.checked_add(nanoseconds(number, unit)?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

fn nanoseconds(number: &str, unit: &str) -> Option<u64> {
    let unit = if matches!(unit, "µs" | "μs") { "us" } else { unit };
    let (_, scale) = UNITS.into_iter().find(|(known, _)| *known == unit)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let fraction: f64 = number.parse().ok()?;
    let nanoseconds = (fraction * scale as f64).round();
    (nanoseconds < u64::MAX as f64).then_some(nanoseconds as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_parsed_as_in_go() {
        for (text, expected) in [
            ("300ms", 0.3),
            ("30s", 30.0),
            ("1m30s", 90.0),
            ("24h", 86_400.0),
            ("1.5h", 5_400.0),
            ("2h0m0.5s", 7_200.5),
            ("0", 0.0),
            ("100000us", 0.1),
            ("100000µs", 0.1),
        ] {
            assert_eq!(parse_seconds(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "30", "s", "1x", "-1s", "1 s", "1..5s", "1d", "s30"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_overflow_is_invalid() {
        for long in ["600000h1000000000h", "99999999999999999999h", "99999999999999999999.5h"] {
            assert_eq!((parse_seconds(long), parse_span(long)), (None, None), "{long}");
        }
    }

    #[test]
    fn a_span_can_have_days() {
        const HOUR: u64 = 3_600;
        const DAY: u64 = 24 * HOUR;
        for (text, expected) in [
            ("30d", 30 * DAY),
            ("1w", 7 * DAY),
            ("1y", 365 * DAY),
            ("24h", DAY),
            ("5m", 300),
            ("1m30s", 90),
            ("1d12h", 36 * HOUR),
            ("1w1.5h", 7 * DAY + HOUR + HOUR / 2),
            ("0d1s", 1),
        ] {
            assert_eq!(parse_span(text), Some(Duration::from_secs(expected)), "{text}");
        }
        for bad in [
            "",
            "0",
            "0s",
            "0d",
            "d",
            "30",
            "-1d",
            "1.5d",
            "1d0",
            "1d1d",
            "1y1w",
            "12h1d",
            "1d 12h",
            "1D",
            "300000000000000d",
            "99999999999999999999d",
            "18446744073709551615y",
        ] {
            assert_eq!(parse_span(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_span_is_formatted_without_zeros() {
        for (text, expected) in [
            ("30d", "30d"),
            ("24h", "1d"),
            ("4w", "28d"),
            ("365d", "1y"),
            ("731d", "731d"),
            ("90m", "1h30m"),
            ("5m", "5m"),
            ("90s", "1m30s"),
            ("1.5s", "1s500ms"),
            ("1y1ms", "1y1ms"),
        ] {
            assert_eq!(format_span(parse_span(text).unwrap()), expected, "{text}");
        }
        assert_eq!(format_span(Duration::ZERO), "0s");
        assert_eq!(parse_span(&format_span(Duration::MAX)), Some(Duration::MAX));
    }

    proptest! {
        #[test]
        fn a_formatted_span_parses_back(
            ms in 1..=u64::MAX,
            shift in 0..64_u32,
            ns in any::<u32>(),
        ) {
            let whole = Duration::from_millis((ms >> shift).max(1));
            prop_assert_eq!(parse_span(&format_span(whole)), Some(whole));
            let finer = whole + Duration::from_nanos(ns.into());
            prop_assert_eq!(parse_span(&format_span(finer)), Some(finer));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}", near in "[0-9.]{0,20}[dwyhmsµ]{0,3}[0-9smh.]{0,9}") {
            for text in [text, near] {
                let _ = (parse_span(&text), parse_seconds(&text));
            }
        }
    }
}
