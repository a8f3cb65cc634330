//! Numbers as Prometheus writes them, which is as Go's `strconv.FormatFloat` does.

/// The value of a sample in an answer: decimal, with an exponent below 1e-6 and from 1e21 on.
pub fn format_value(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) && value.is_finite() {
        return with_exponent(value);
    }
    format_plain(value)
}

/// Decimal without an exponent (`%f` with the shortest precision).
pub fn format_plain(value: f64) -> String {
    match special(value) {
        Some(text) => text.to_owned(),
        None => format!("{value}"),
    }
}

/// In messages (`%g`): with an exponent below 1e-4 and from 1e6 on.
pub fn format_short(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = format!("{value:e}");
    let exponent = text.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent) if !(-4..6).contains(&exponent) => with_exponent(value),
        _ => format!("{value}"),
    }
}

/// A number as a query writes it: decimal, hexadecimal, octal with a leading zero, `Inf`, `NaN`.
pub fn parse_number(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(|value| value as f64);
    }
    if lower.len() > 1
        && lower.starts_with('0')
        && lower.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(value) = u64::from_str_radix(&lower, 8)
    {
        return Some(value as f64);
    }
    match lower.as_str() {
        "inf" | "+inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => lower.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Go writes at least two digits and a sign: `1e-07`.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_go_writes_them() {
        for (value, text) in [
            (2.0, "2"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (1.5e21, "1.5e+21"),
            (1e20, "100000000000000000000"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_value(value), text);
        }
        assert_eq!(format_plain(1e-7), "0.0000001");
        assert_eq!(format_short(1e-5), "1e-05");
        assert_eq!(format_short(-0.5), "-0.5");
        assert_eq!(format_short(1_500_000.0), "1.5e+06");
    }

    #[test]
    fn numbers_of_queries_are_read() {
        for (text, value) in [
            ("0x3d", 61.0),
            ("017", 15.0),
            ("089", 89.0),
            ("2.", 2.0),
            (".2", 0.2),
            ("1e-3", 0.001),
        ] {
            assert_eq!(parse_number(text), Some(value), "{text}");
        }
        assert_eq!(parse_number("+Inf"), Some(f64::INFINITY));
        assert!(parse_number("nAn").is_some_and(f64::is_nan));
        assert_eq!(parse_number("1e999"), None);
        assert_eq!(parse_number("infinity"), None);
    }
}
