//! Timestamps as text: unix seconds or RFC 3339.

use std::num::NonZero;

use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

/// End of the year 9999, the last timestamp of RFC 3339, in unix milliseconds.
const LAST_MS: i64 = 253_402_300_799_999;
/// Begin of the year 0, the first timestamp of RFC 3339.
const FIRST_MS: i64 = -62_167_219_200_000;

/// RFC 3339 with three decimals; the format of the `time` crate for RFC 3339 drops trailing zeros.
const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second { decimal_digits: NonZero::new(3) })
    .encode();

/// Parses a timestamp from 1970 to 9999 into unix milliseconds, rounded down.
///
/// The text is unix seconds with or without a fraction (`1795430803.12`), or RFC 3339
/// (`2026-11-23T10:46:43.12Z`), also with a space instead of the `T` (section 5.6).
pub fn parse(text: &str) -> Option<i64> {
    let is_unix = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let at_ms = if is_unix { unix_seconds(text)? } else { rfc3339(text)? };
    (0..=LAST_MS).contains(&at_ms).then_some(at_ms)
}

/// Formats unix milliseconds as RFC 3339 in UTC with milliseconds: `2026-11-23T10:46:43.120Z`.
/// Timestamps before the year 0 or after 9999 become the first or the last timestamp of RFC 3339.
pub fn to_rfc3339(ms: i64) -> String {
    let nanoseconds = i128::from(ms.clamp(FIRST_MS, LAST_MS)) * 1_000_000;
    let text = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|at| at.format(&Iso8601::<MILLISECONDS>).ok());
    text.unwrap_or_else(|| unreachable!("every timestamp of the years 0 to 9999 can be formatted"))
}

/// `text` must have only digits and points.
fn unix_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((_, fraction)) if fraction.contains('.') => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let seconds: i64 = whole.parse().ok()?;
    let digits = fraction.bytes().chain(*b"000").take(3);
    let ms = digits.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    seconds.checked_mul(1_000)?.checked_add(ms)
}

fn rfc3339(text: &str) -> Option<i64> {
    // The library accepts any character between day and hour.
    text.as_bytes().get(10).filter(|between| b"Tt ".contains(between))?;
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(at.unix_timestamp() * 1_000 + i64::from(at.millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_notations_are_parsed() {
        for (text, expected) in [
            ("0", 0),
            ("0.5", 500),
            ("1795430803", 1_795_430_803_000),
            ("1795430803.12", 1_795_430_803_120),
            ("1795430803.1209999", 1_795_430_803_120),
            ("253402300799.999", LAST_MS),
            ("2026-11-23T10:46:43.12Z", 1_795_430_803_120),
            ("2026-11-23t10:46:43.120999z", 1_795_430_803_120),
            ("2026-11-23 10:46:43Z", 1_795_430_803_000),
            ("2026-11-23T11:46:43+01:00", 1_795_430_803_000),
            ("2026-11-23T05:16:43-05:30", 1_795_430_803_000),
            ("1970-01-01T00:00:00Z", 0),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_invalid_timestamp_is_rejected() {
        for bad in [
            "",
            ".",
            ".5",
            "5.",
            "1.2.3",
            "-1",
            "+1",
            " 1",
            "1e9",
            "1_000",
            "now",
            "253402300800",
            "99999999999999999999",
            "9223372036854775807",
            "2026-11-23",
            "2026-11-23T10:46:43",
            "2026-11-23T10:46Z",
            "2026-11-23_10:46:43Z",
            "2026-11-23T10:46:43+0100",
            "2026-11-23T10:46:43ZZ",
            "2026-02-29T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T10:46:60Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-11-2üT10:46:43Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_timestamp_is_formatted_in_utc_with_milliseconds() {
        for (ms, expected) in [
            (1_795_430_803_120, "2026-11-23T10:46:43.120Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (FIRST_MS, "0000-01-01T00:00:00.000Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(to_rfc3339(ms), expected);
        }
    }

    proptest! {
        #[test]
        fn a_formatted_timestamp_parses_back(ms in 0..=LAST_MS) {
            prop_assert_eq!(parse(&to_rfc3339(ms)), Some(ms));
            prop_assert_eq!(parse(&format!("{}.{:03}", ms / 1_000, ms % 1_000)), Some(ms));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", digits in "[0-9.:TZ+-]{0,32}") {
            let _ = (parse(&text), parse(&digits));
        }
    }
}
