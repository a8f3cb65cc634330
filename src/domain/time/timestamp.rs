//! Moments as a client writes them and as they are told: unix seconds, or RFC 3339.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last moment of the year 9999, the last that RFC 3339 can write, in unix milliseconds.
const LAST_MS: i64 = 253_402_300_799_999;
/// The first moment of the year 0, the first that it can write.
const FIRST_MS: i64 = -62_167_219_200_000;

/// The moment that `text` says, in unix milliseconds, or `None` when it says none from 1970 to 9999.
///
/// Accepted are unix seconds, with a fraction or without (`1795430803.12`), and RFC 3339 (`2026-11-23T10:46:43.12Z`), with a
/// space in place of the `T` too (section 5.6). What is finer than a millisecond is cut off.
pub fn parse(text: &str) -> Option<i64> {
    let is_unix = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let at_ms = if is_unix { unix_seconds(text)? } else { rfc3339(text)? };
    (0..=LAST_MS).contains(&at_ms).then_some(at_ms)
}

/// The moment `ms` in RFC 3339, in UTC and with milliseconds: `2026-11-23T10:46:43.120Z`. What cannot be written so, before
/// the year 0 and after 9999, is told as the nearest that can.
pub fn to_rfc3339(ms: i64) -> String {
    let ms = ms.clamp(FIRST_MS, LAST_MS);
    let at = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000));
    // Every moment between the two is one; it is for the compiler only.
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        ms.rem_euclid(1_000),
    )
}

/// `text` has only digits and points.
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
    // The library takes anything between day and hour.
    text.as_bytes().get(10).filter(|between| b"Tt ".contains(between))?;
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(at.unix_timestamp() * 1_000 + i64::from(at.millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_in_both_ways() {
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
    fn what_is_no_moment_is_refused() {
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
    fn moments_are_told_in_utc_with_milliseconds() {
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
        fn what_is_told_is_read_back(ms in 0..=LAST_MS) {
            prop_assert_eq!(parse(&to_rfc3339(ms)), Some(ms));
            prop_assert_eq!(parse(&format!("{}.{:03}", ms / 1_000, ms % 1_000)), Some(ms));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", digits in "[0-9.:TZ+-]{0,32}") {
            let _ = (parse(&text), parse(&digits));
        }
    }
}
