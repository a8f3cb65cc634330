//! Durations such as `1h30m`, in milliseconds.

/// Units from the largest to the smallest; each may occur once, in this order.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration: 292 years, which Prometheus holds in nanoseconds.
const MAX_MS: i64 = i64::MAX / 1_000_000;

/// The duration that `text` is, as a whole.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut units = &UNITS[..];
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = rest.get(..letters)?;
        rest = rest.get(letters..)?;
        let place = units.iter().position(|(name, _)| *name == unit)?;
        total = total.checked_add(count.checked_mul(units[place].1)?)?;
        units = &units[place + 1..];
    }
    (!text.is_empty() && total <= MAX_MS).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_each_unit_once_in_order() {
        assert_eq!(parse_duration("1h30m"), Some(5_400_000));
        assert_eq!(parse_duration("1m500ms"), Some(60_500));
        assert_eq!(parse_duration("2y1w"), Some((2 * 365 + 7) * 86_400_000));
        for invalid in ["", "5", "m5", "30m1h", "1m1m", "1.5h", "5x", "293y"] {
            assert_eq!(parse_duration(invalid), None, "{invalid}");
        }
    }
}
